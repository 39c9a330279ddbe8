/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane_wake.c - a lane is woken once for each time it is asked to, whoever is quicker.
 *
 * The descriptor that wakes it and the flag which says that it was written to are two steps: the
 * test stands between them (-Wl,--wrap), on both sides, and lets the other side pass.  */
#include "fake_sink.h"
#include "lane_private.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUNDS 3

static _Atomic int wake_fd = -1;                           /* of the lane, once it is known */
static _Atomic bool before_write, after_write, after_read; /* where the test stands, once */
static _Atomic int stood;                                  /* how often it did */
static _Atomic int64_t rounds;                             /* of the lane's thread */
static struct lane *woken_in_between;

static void pass_rounds(void)
{
    int64_t from = rounds;
    WAIT(rounds >= from + ROUNDS);
}

/* The linker's names.  NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_eventfd_write(int fd, eventfd_t n);
int __wrap_eventfd_write(int fd, eventfd_t n);
int __real_eventfd_read(int fd, eventfd_t *n);
int __wrap_eventfd_read(int fd, eventfd_t *n);

int __wrap_eventfd_write(int fd, eventfd_t n)
{
    if (before_write) {
        before_write = false;
        wake_fd = fd;
        stood++;
        pass_rounds();
    }
    int r = __real_eventfd_write(fd, n);
    if (after_write) {
        after_write = false;
        wake_fd = fd;
        stood++;
        pass_rounds(); /* what is readable wakes it */
    }
    return r;
}

int __wrap_eventfd_read(int fd, eventfd_t *n)
{
    int r = __real_eventfd_read(fd, n);
    if (fd == wake_fd && after_read) {
        after_read = false;
        stood++;
        lane_wake(woken_in_between);
    }
    return r;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* Returns when the lane may have something to do, or soon: the test waits for rounds. */
static enum status count_round(void *self, int fd, int64_t deadline_ns)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    (void)self;
    (void)deadline_ns;
    rounds++;
    return poll(&p, 1, 1) > 0 ? OK : ERR_TIMEOUT;
}

static const struct sink_ops *counting(void)
{
    static struct sink_ops ops;
    ops = fake_ops;
    ops.work = count_round;
    return &ops;
}

static struct rig *start(void)
{
    struct rig *r = rig_new();
    r->conf.sink = counting();
    rig_start(r);
    woken_in_between = r->lane;
    stood = 0;
    pass_rounds();
    return r;
}

/* A descriptor that stays readable would make the thread turn round for ever. */
static void check_heard(int times)
{
    CHECK_INT(stood, times);
    WAIT(!is_readable(wake_fd));
    pass_rounds();
    CHECK(!is_readable(wake_fd));
}

TEST(who_goes_round_before_it_is_written_to_leaves_it_to_the_next_round)
{
    struct rig *r = start();
    before_write = true;
    lane_wake(r->lane);
    check_heard(1);
    rig_finish(r);
}

TEST(who_goes_round_when_it_is_written_to_and_not_marked_yet_reads_it_later)
{
    struct rig *r = start();
    after_write = true;
    lane_wake(r->lane);
    check_heard(1);
    rig_finish(r);
}

TEST(who_is_woken_again_while_he_hears_of_it_hears_of_that_too)
{
    struct rig *r = start();
    after_write = true; /* to know the descriptor */
    lane_wake(r->lane);
    check_heard(1);
    after_read = true;
    lane_wake(r->lane);
    WAIT(stood == 2);
    check_heard(2);
    rig_finish(r);
}

/* Nothing else wakes this thread: it waits for the descriptor and for its deadline. */
static enum status wait_for_fd(void *self, int fd, int64_t deadline_ns)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    (void)self;
    (void)deadline_ns;
    rounds++;
    return poll(&p, 1, 20000) > 0 ? OK : ERR_TIMEOUT;
}

TEST(no_wake_is_lost_by_a_thread_that_only_wakes_for_it)
{
    struct sink_ops ops = fake_ops;
    ops.work = wait_for_fd;
    struct rig *r = rig_new();
    r->conf.sink = &ops;
    rig_start(r);
    WAIT(rounds > 0);
    for (int i = 0; i < 300; i++) {
        int64_t before = rounds;
        lane_wake(r->lane);
        WAIT(rounds > before);
    }
    rig_finish(r);
}
