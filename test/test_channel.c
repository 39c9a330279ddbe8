/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"
#include "clock.h"
#include "mem.h"
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>

TEST(items_come_out_in_the_order_they_went_in)
{
    int v[3] = {0, 1, 2};
    AUTO_PTR(channel) struct channel *ch = channel_new(3, SIZE_MAX, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_INT(channel_send(ch, &v[i], 1, DEADLINE_NOW), OK);
    for (int i = 0; i < 3; i++) {
        void *got;
        CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), OK);
        CHECK(got == &v[i]);
    }
}

TEST(a_full_channel_refuses_and_counts)
{
    int v = 0;
    AUTO_PTR(channel) struct channel *ch = channel_new(1, SIZE_MAX, NULL);
    CHECK_INT(channel_send(ch, &v, 1, DEADLINE_NOW), OK);
    CHECK_INT(channel_send(ch, &v, 1, DEADLINE_NOW), ERR_TIMEOUT);
    CHECK_INT(channel_send(ch, &v, 1, clock_mono_ns() + MS_NS), ERR_TIMEOUT);
    CHECK_INT(channel_stats(ch).refused, 2);
    CHECK_INT(channel_stats(ch).len, 1);
}

TEST(bytes_are_bounded_as_well)
{
    int v = 0;
    void *got;
    AUTO_PTR(channel) struct channel *ch = channel_new(10, 100, NULL);
    CHECK_INT(channel_send(ch, &v, 60, DEADLINE_NOW), OK);
    CHECK_INT(channel_send(ch, &v, 41, DEADLINE_NOW), ERR_TIMEOUT);
    CHECK_INT(channel_send(ch, &v, 40, DEADLINE_NOW), OK);
    CHECK_INT(channel_send(ch, &v, 1, DEADLINE_NOW), ERR_TIMEOUT);
    CHECK_INT(channel_stats(ch).bytes, 100);
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), OK);
    CHECK_INT(channel_stats(ch).bytes, 40);
    CHECK_INT(channel_stats(ch).refused, 2);
}

TEST(an_item_larger_than_the_channel_is_refused_at_once)
{
    int v = 0;
    AUTO_PTR(channel) struct channel *ch = channel_new(10, 100, NULL);
    CHECK_INT(channel_send(ch, &v, 101, DEADLINE_NEVER), ERR_LIMIT);
    CHECK_INT(channel_stats(ch).too_large, 1);
    CHECK_INT(channel_stats(ch).len, 0);
    CHECK_INT(channel_send(ch, &v, 100, DEADLINE_NOW), OK);
}

TEST(closing_loses_nothing)
{
    int v = 0;
    void *got;
    AUTO_PTR(channel) struct channel *ch = channel_new(2, SIZE_MAX, NULL);
    CHECK_INT(channel_send(ch, &v, 1, DEADLINE_NOW), OK);
    channel_close(ch);
    CHECK_INT(channel_send(ch, &v, 1, DEADLINE_NEVER), ERR_CLOSED);
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NEVER), OK);
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NEVER), ERR_CLOSED);
}

TEST(free_gives_back_what_nobody_received)
{
    struct channel *ch = channel_new(2, SIZE_MAX, mem_free);
    CHECK_INT(channel_send(ch, mem_alloc(10), 10, DEADLINE_NOW), OK);
    CHECK_INT(channel_send(ch, mem_alloc(10), 10, DEADLINE_NOW), OK);
    channel_free(ch); /* the asan preset would see a leak */
}

static void *recv_once(void *arg)
{
    void *got;
    enum status s = channel_recv(arg, &got, NULL, DEADLINE_NEVER);
    return (void *)(uintptr_t)s;
}

static void wait_for_sleepers(struct channel *ch, unsigned n)
{
    while (channel_stats(ch).waiting < n)
        sched_yield();
}

TEST(closing_wakes_a_waiting_receiver)
{
    pthread_t t;
    void *result;
    AUTO_PTR(channel) struct channel *ch = channel_new(1, SIZE_MAX, NULL);
    pthread_create(&t, NULL, recv_once, ch);
    wait_for_sleepers(ch, 1);
    channel_close(ch);
    pthread_join(t, &result);
    CHECK_INT((uintptr_t)result, ERR_CLOSED);
}

static void *send_once(void *arg)
{
    enum status s = channel_send(arg, arg, 1, DEADLINE_NEVER);
    return (void *)(uintptr_t)s;
}

TEST(closing_wakes_a_waiting_sender)
{
    pthread_t t;
    void *result;
    AUTO_PTR(channel) struct channel *ch = channel_new(1, SIZE_MAX, NULL);
    CHECK_INT(channel_send(ch, ch, 1, DEADLINE_NOW), OK);
    pthread_create(&t, NULL, send_once, ch);
    wait_for_sleepers(ch, 1);
    channel_close(ch);
    pthread_join(t, &result);
    CHECK_INT((uintptr_t)result, ERR_CLOSED);
}

/* A large and a small item wait; room comes for the small one only.  Were but one
 * sender woken, it might be the wrong one, and this test would never end. */
static void *send_large(void *arg)
{
    enum status s = channel_send(arg, arg, 100, DEADLINE_NEVER);
    return (void *)(uintptr_t)s;
}

TEST(a_small_item_goes_in_though_a_large_one_waits)
{
    pthread_t large, small;
    void *got, *result;
    AUTO_PTR(channel) struct channel *ch = channel_new(10, 100, NULL);
    CHECK_INT(channel_send(ch, ch, 50, DEADLINE_NOW), OK);
    CHECK_INT(channel_send(ch, ch, 50, DEADLINE_NOW), OK);
    pthread_create(&large, NULL, send_large, ch);
    wait_for_sleepers(ch, 1);
    pthread_create(&small, NULL, send_once, ch);
    wait_for_sleepers(ch, 2);
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), OK);
    pthread_join(small, &result);
    CHECK_INT((uintptr_t)result, OK);
    channel_close(ch);
    pthread_join(large, &result);
    CHECK_INT((uintptr_t)result, ERR_CLOSED);
}

/* Many threads on both sides: every number sent is received once. */
enum { SENDERS = 4, RECEIVERS = 4, PER_SENDER = 1000 };

struct crowd {
    struct channel *ch;
    _Atomic uint64_t sum;
};

static void *send_numbers(void *arg)
{
    struct crowd *c = arg;
    for (uintptr_t i = 1; i <= PER_SENDER; i++)
        if (channel_send(c->ch, (void *)i, i % 19 + 1, DEADLINE_NEVER) != OK)
            abort();
    return NULL;
}

static void *sum_numbers(void *arg)
{
    struct crowd *c = arg;
    void *got;
    while (channel_recv(c->ch, &got, NULL, DEADLINE_NEVER) == OK)
        c->sum += (uintptr_t)got;
    return NULL;
}

TEST(a_crowd_loses_and_doubles_nothing)
{
    AUTO_PTR(channel) struct channel *ch = channel_new(7, 20, NULL);
    struct crowd c = {.ch = ch};
    pthread_t s[SENDERS], r[RECEIVERS];
    for (int i = 0; i < RECEIVERS; i++)
        pthread_create(&r[i], NULL, sum_numbers, &c);
    for (int i = 0; i < SENDERS; i++)
        pthread_create(&s[i], NULL, send_numbers, &c);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(s[i], NULL);
    channel_close(ch);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_join(r[i], NULL);
    CHECK_INT(c.sum, (uint64_t)SENDERS * PER_SENDER * (PER_SENDER + 1) / 2);
}

TEST(an_evicting_sender_loses_the_oldest_only_where_there_is_no_room)
{
    int v[4] = {0};
    void *got = NULL;
    AUTO_PTR(channel) struct channel *ch = channel_new(10, 100, NULL);
    CHECK_INT(channel_send_evict(ch, &v[0], 30, &got), OK);
    CHECK_INT(channel_send_evict(ch, &v[1], 30, &got), OK);
    CHECK_INT(channel_send_evict(ch, &v[2], 40, &got), OK);
    CHECK(got == NULL);
    CHECK_INT(channel_send_evict(ch, &v[3], 50, &got), ERR_AGAIN);
    CHECK(got == &v[0]);
    CHECK_INT(channel_send_evict(ch, &v[3], 50, &got), ERR_AGAIN);
    CHECK(got == &v[1]);
    CHECK_INT(channel_send_evict(ch, &v[3], 50, &got), OK);
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), OK);
    CHECK(got == &v[2]);
    struct channel_stats s = channel_stats(ch);
    CHECK_INT(s.evicted, 2);
    CHECK_INT(s.sent, s.received + s.evicted + s.len);
    CHECK_INT(s.refused, 0);
}

TEST(nothing_is_evicted_for_an_item_that_cannot_go_in)
{
    int v = 0;
    void *got = NULL;
    AUTO_PTR(channel) struct channel *ch = channel_new(1, 100, NULL);
    CHECK_INT(channel_send(ch, &v, 100, DEADLINE_NOW), OK);
    CHECK_INT(channel_send_evict(ch, &v, 101, &got), ERR_LIMIT);
    channel_close(ch);
    CHECK_INT(channel_send_evict(ch, &v, 1, &got), ERR_CLOSED);
    CHECK(got == NULL);
    CHECK_INT(channel_stats(ch).len, 1);
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

TEST(the_descriptor_is_readable_while_items_are_inside)
{
    int v = 0, fd = -1, again = -1;
    void *got;
    AUTO_PTR(channel) struct channel *ch = channel_new(2, SIZE_MAX, NULL);
    CHECK_INT(channel_fd(ch, &fd), OK);
    CHECK(!readable(fd));
    CHECK_INT(channel_send(ch, &v, 1, DEADLINE_NOW), OK);
    CHECK_INT(channel_send_evict(ch, &v, 1, &got), OK);
    CHECK(readable(fd));
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), OK);
    CHECK(readable(fd));
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), OK);
    CHECK(!readable(fd));
    CHECK_INT(channel_fd(ch, &again), OK);
    CHECK_INT(again, fd);
}

TEST(a_descriptor_asked_for_late_shows_what_is_inside)
{
    int v = 0, fd = -1;
    void *got;
    AUTO_PTR(channel) struct channel *ch = channel_new(1, SIZE_MAX, NULL);
    CHECK_INT(channel_send(ch, &v, 1, DEADLINE_NOW), OK);
    CHECK_INT(channel_fd(ch, &fd), OK);
    CHECK(readable(fd));
    CHECK_INT(channel_send_evict(ch, &v, 1, &got), ERR_AGAIN);
    CHECK(!readable(fd));
}

TEST(the_descriptor_of_a_closed_channel_stays_readable)
{
    int v = 0, fd = -1;
    void *got;
    AUTO_PTR(channel) struct channel *ch = channel_new(1, SIZE_MAX, NULL);
    CHECK_INT(channel_fd(ch, &fd), OK);
    CHECK_INT(channel_send(ch, &v, 1, DEADLINE_NOW), OK);
    channel_close(ch);
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), OK);
    CHECK(readable(fd));
    CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), ERR_CLOSED);
    CHECK(readable(fd));
}

/* As the crowd above, but receivers sleep in poll, and senders evict. */
struct polling {
    struct channel *ch;
    _Atomic uint64_t received, evicted;
};

static void *send_evicting(void *arg)
{
    struct polling *c = arg;
    for (uintptr_t i = 1; i <= PER_SENDER; i++) {
        enum status s;
        void *oldest;
        while ((s = channel_send_evict(c->ch, (void *)i, i % 19 + 1, &oldest)) == ERR_AGAIN)
            c->evicted += (uintptr_t)oldest;
        if (s != OK)
            abort();
    }
    return NULL;
}

static void *poll_numbers(void *arg)
{
    struct polling *c = arg;
    enum status s = OK;
    int fd;
    if (channel_fd(c->ch, &fd) != OK)
        abort();
    while (s != ERR_CLOSED) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        void *got;
        poll(&p, 1, -1);
        while ((s = channel_recv(c->ch, &got, NULL, DEADLINE_NOW)) == OK)
            c->received += (uintptr_t)got;
    }
    return NULL;
}

TEST(a_crowd_that_polls_and_evicts_loses_and_doubles_nothing)
{
    AUTO_PTR(channel) struct channel *ch = channel_new(7, 20, NULL);
    struct polling c = {.ch = ch};
    pthread_t s[SENDERS], r[RECEIVERS];
    for (int i = 0; i < RECEIVERS; i++)
        pthread_create(&r[i], NULL, poll_numbers, &c);
    for (int i = 0; i < SENDERS; i++)
        pthread_create(&s[i], NULL, send_evicting, &c);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(s[i], NULL);
    channel_close(ch);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_join(r[i], NULL);
    CHECK_INT(c.received + c.evicted, (uint64_t)SENDERS * PER_SENDER * (PER_SENDER + 1) / 2);
}

/* The receiver takes the item without being rung for, in some of the rounds before the ring. */
TEST(who_tries_an_empty_channel_leaves_the_descriptor_silent)
{
    int fd = -1;
    AUTO_PTR(channel) struct channel *ch = channel_new(7, 20, NULL);
    CHECK_INT(channel_fd(ch, &fd), OK);
    for (int round = 0; round < 300; round++) {
        void *got;
        pthread_t t;
        pthread_create(&t, NULL, send_once, ch);
        while (channel_recv(ch, &got, NULL, DEADLINE_NOW) != OK)
            sched_yield();
        pthread_join(t, NULL);
        CHECK_INT(channel_recv(ch, &got, NULL, DEADLINE_NOW), ERR_TIMEOUT);
        CHECK(!readable(fd));
    }
    CHECK_INT(channel_send(ch, ch, 1, DEADLINE_NOW), OK);
    CHECK(readable(fd));
}
