/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane_deputy.c - a lane keeps what its spool promises while its sink or its disk hangs. */
#include "budget.h"
#include "lane_spooled.h"

#include <poll.h>

static int64_t rows_on_disk(const struct spooled *t)
{
    struct spool_view v;
    struct err err;
    return spool_look(t->disk.file, &v, &err) == OK ? v.stats.rows : -1;
}

/* Threads of this process whose names begin so. */
static size_t count_threads(const char *name, uint64_t *ret_sleeps)
{
    char path[300], line[100];
    size_t n = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        bool named = false;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "r") : NULL;
        while (f && fgets(line, sizeof line, f)) {
            named |= strncmp(line, "Name:\t", 6) == 0 && strstr(line, name) == line + 6;
            if (named && strncmp(line, "voluntary_ctxt_switches:", 24) == 0 && ret_sleeps)
                *ret_sleeps = strtoull(line + 24, NULL, 10);
        }
        if (f)
            fclose(f);
        n += named;
    }
    closedir(dir);
    return n;
}

/* A lane whose first send hangs. */
static void start_hanging(struct spooled *t, unsigned mode)
{
    spooled_init(t, mode);
    t->r->fake.send_hangs = true;
}

static void hang(struct spooled *t)
{
    rig_start(t->r);
    rig_scrape(t->r, "x0", 0, "a 1\n");
    WAIT(t->r->fake.hanging == 1);
}

static void end(struct spooled *t)
{
    WAIT(lane_is_done(t->r->lane));
    check_balance(t->r);
    CHECK_INT(rig_lost(t->r), 0);
    spooled_done(t);
}

TEST(what_comes_while_a_send_hangs_is_on_disk)
{
    struct spooled t;
    start_hanging(&t, LANE_ALWAYS);
    hang(&t);
    scrape_some(t.r, 1, 30);
    WAIT(rows_on_disk(&t) == 30);
    CHECK_INT(t.r->books.in_spool, 30);
    scrape_some(t.r, 30, 300); /* more than the window has room for */
    WAIT(rows_on_disk(&t) == 300);
    CHECK_INT(t.r->fake.hanging, 1);
    check_balance(t.r);
    t.r->fake.send_hangs = false;
    WAIT(t.r->books.delivered == 300);
    check_order(t.r, 0, 300);
    WAIT(rows_on_disk(&t) == 0);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

TEST(what_the_buffer_has_no_room_for_while_a_send_hangs_goes_to_disk)
{
    struct spooled t;
    start_hanging(&t, LANE_OVERFLOW);
    hang(&t);
    scrape_some(t.r, 1, 400);
    WAIT(t.r->books.in_spool > 300);
    CHECK_INT(t.r->fake.hanging, 1);
    check_balance(t.r);
    t.r->fake.send_hangs = false;
    WAIT(t.r->books.delivered == 400);
    check_order(t.r, 0, 400);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

/* Another send hangs later, and one that the deputy has to find out about anew. */
TEST(each_of_two_sends_that_hang_is_found_out)
{
    struct spooled t;
    start_hanging(&t, LANE_ALWAYS);
    hang(&t);
    scrape_some(t.r, 1, 6);
    WAIT(rows_on_disk(&t) == 6);
    t.r->fake.send_hangs = false;
    WAIT(t.r->books.delivered == 6);
    WAIT(rows_on_disk(&t) == 0);
    t.r->fake.send_hangs = true;
    scrape_some(t.r, 6, 7);
    WAIT(t.r->fake.hanging == 1);
    scrape_some(t.r, 7, 20);
    WAIT(rows_on_disk(&t) == 14);
    CHECK_INT(t.r->fake.hanging, 1);
    t.r->fake.send_hangs = false;
    WAIT(t.r->books.delivered == 20);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

/* A call that has hung goes on only for what wakes the lane. */
static enum status work_or_hang(void *self, int wake_fd, int64_t deadline_ns)
{
    struct fake *f = self;
    struct pollfd p = {.fd = wake_fd, .events = POLLIN};
    int64_t left_ms = (deadline_ns - clock_mono_ns()) / MS_NS + 1;
    if (f->work_hangs) {
        fake_hang(f, &f->work_hangs);
        left_ms = 20000;
    }
    return poll(&p, 1, left_ms > 0 ? (int)left_ms : 0) > 0 ? OK : ERR_TIMEOUT;
}

TEST(a_sink_that_hangs_in_its_own_work_holds_up_no_commit)
{
    struct spooled t;
    struct sink_ops ops = fake_ops;
    ops.work = work_or_hang;
    spooled_init(&t, LANE_ALWAYS);
    t.r->conf.sink = &ops;
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    scrape_some(t.r, 0, 1);
    WAIT(fake_held(&t.r->fake) == 1);
    t.r->fake.work_hangs = true;
    scrape_some(t.r, 1, 2);
    WAIT(t.r->fake.hanging == 1);
    scrape_some(t.r, 2, 30);
    WAIT(rows_on_disk(&t) == 30);
    CHECK_INT(t.r->fake.hanging, 1);
    CHECK(fake_held(&t.r->fake) < 3);
    fake_steer(&t.r->fake, FAKE_ENDS, OK);
    t.r->fake.work_hangs = false;
    while (fake_held(&t.r->fake) > 0)
        fake_end(&t.r->fake, 0, OK);
    WAIT(t.r->books.delivered == 30);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

/* The lane's thread only waits for an end, and nothing is in the channel any more that would wake it. */
TEST(what_the_deputy_has_taken_is_sent_though_an_end_is_late)
{
    struct spooled t;
    struct sink_ops ops = fake_ops;
    ops.work = work_or_hang;
    spooled_init(&t, LANE_OVERFLOW);
    t.r->conf.sink = &ops;
    t.r->conf.buffer_bytes = 8 << 20;
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    rig_scrape(t.r, "x0", 0, "a 1\n");
    WAIT(fake_held(&t.r->fake) == 1);
    t.r->fake.work_hangs = true;
    rig_scrape(t.r, "x1", 1, "a 1\n");
    WAIT(t.r->fake.hanging == 1); /* before or behind the second send */
    rig_scrape(t.r, "x2", 2, "a 1\n");
    WAIT(fake_held(&t.r->fake) + lane_state(t.r->lane).held == 3);
    CHECK(fake_held(&t.r->fake) < 3);
    t.r->fake.work_hangs = false;
    WAIT(fake_held(&t.r->fake) == 3);
    rig_release(t.r, 3);
    CHECK_INT(t.r->books.delivered, 3);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

TEST(a_row_that_has_to_make_room_while_its_payload_is_sent_stays_in_memory)
{
    struct spooled t;
    uint64_t random = 88172645463325252;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    struct target target = {.id = "x1", .source = "pods"};
    start_hanging(&t, LANE_ALWAYS);
    t.r->conf.buffer_bytes = 400000;
    t.r->conf.max_message = 60000;
    t.r->conf.max_samples = 100000;
    hang(&t);
    for (int64_t i = 1; t.r->books.lost[LOST_SPOOL_FULL] == 0; i++) {
        make_noise(&text, &random, 270);
        rig_scrape_as(t.r, text.data, 0,
                      &(struct lane_scrape){.target = &target, .due_ms = i, .outcome = 1});
        WAIT(lane_state(t.r->lane).buffer.bytes < lane_state(t.r->lane).buffer.cap_bytes / 4 * 3);
        CHECK(i < 1000);
    }
    CHECK_INT(t.r->fake.hanging, 1);
    CHECK(t.r->books.in_memory >= 1); /* the first: its row went first */
    t.r->fake.send_hangs = false;
    WAIT(t.r->books.in_memory + t.r->books.in_spool == 0);
    CHECK_INT(t.r->fake.log[0].due_ms, 0);
    CHECK_INT(t.r->fake.log[0].result, OK);
    CHECK_INT(rig_lost(t.r), t.r->books.lost[LOST_SPOOL_FULL]);
    CHECK_INT(t.r->books.delivered + rig_lost(t.r), t.r->books.encoded);
    check_balance(t.r);
    spooled_done(&t);
}

TEST(what_waits_while_a_send_hangs_gives_way_to_what_needs_memory)
{
    struct spooled t;
    start_hanging(&t, LANE_OVERFLOW);
    t.r->conf.buffer_bytes = 8 << 20;
    hang(&t);
    WAIT(lane_state(t.r->lane).spool.works);
    budget_set_bound(budget_used() + ((size_t)300 << 10));
    for (int64_t i = 1; i < 1000; i++) {
        rig_scrape(t.r, "x0", i, "a 1\n");
        WAIT(budget_used() <= budget_bound() + 8192);
    }
    WAIT(t.r->books.in_spool > 0);
    CHECK_INT(t.r->fake.hanging, 1);
    CHECK_INT(rig_lost(t.r), 0);
    budget_set_bound(SIZE_MAX);
    t.r->fake.send_hangs = false;
    WAIT(t.r->books.delivered == 1000);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

static bool is_next(void *of, const struct spool_line *line)
{
    int64_t *due_ms = of;
    CHECK_INT(line->due_ms, *due_ms);
    ++*due_ms;
    return true;
}

/* Somebody holds the file, then lets it go. */
TEST(what_came_while_the_disk_failed_is_on_disk_once_it_works_though_a_send_hangs)
{
    struct spooled t;
    sqlite3 *db;
    struct err err;
    int64_t due_ms = 0;
    start_hanging(&t, LANE_ALWAYS);
    t.r->conf.buffer_bytes = 1 << 20;
    hang(&t);
    CHECK_INT(sqlite3_open(t.disk.file, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    scrape_some(t.r, 1, 10);
    WAIT(!lane_state(t.r->lane).spool.works);
    scrape_some(t.r, 10, 30);
    WAIT(lane_state(t.r->lane).held == 29);
    CHECK_INT(t.r->books.in_memory, 29);
    CHECK_INT(rows_on_disk(&t), 1);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    WAIT(rows_on_disk(&t) == 30);
    WAIT(t.r->books.in_memory == 0);
    CHECK_INT(lane_state(t.r->lane).held, 29); /* and nothing is to be read */
    CHECK_INT(spool_list(t.disk.file, 100, is_next, &due_ms, &err), OK);
    CHECK_INT(due_ms, 30);
    check_balance(t.r);
    t.r->fake.send_hangs = false;
    WAIT(t.r->books.delivered == 30);
    check_order(t.r, 0, 30);
    WAIT(rows_on_disk(&t) == 0);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

/* Both threads wait for it: workers do not, and nobody takes the lane for dead. */
TEST(a_disk_that_hangs_beside_a_send_that_hangs_ends_with_both)
{
    struct spooled t;
    start_hanging(&t, LANE_ALWAYS);
    t.r->conf.buffer_bytes = 8 << 20;
    hang(&t);
    fail_vfs.hangs = true;
    scrape_some(t.r, 1, 30);
    WAIT(fail_vfs.hanging == 1);
    WAIT(lane_state(t.r->lane).spool.waits_ns > 0);
    t.r->fake.send_hangs = false;
    WAIT(fake_sends(&t.r->fake) == 1);
    scrape_some(t.r, 30, 60);
    CHECK(clock_mono_ns() - lane_beat_ns(t.r->lane) < SEC_NS);
    CHECK_INT(t.r->books.delivered, 0); /* it waits for the disk before it hears of the end */
    fail_vfs.hangs = false;
    WAIT(t.r->books.delivered == 60);
    check_order(t.r, 0, 60);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

/* One is in flight, nine wait. */
TEST(a_stop_puts_by_what_waits_before_the_sink_is_closed)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    t.r->conf.buffer_bytes = 8 << 20;
    t.r->fake.window = 1;
    t.r->fake.close_hangs = true;
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    scrape_some(t.r, 0, 10);
    WAIT(fake_held(&t.r->fake) == 1);
    lane_close(t.r->lane, DEADLINE_NOW);
    WAIT(t.r->fake.hanging == 1);
    CHECK_INT(rows_on_disk(&t), 9);
    CHECK_INT(lane_state(t.r->lane).held, 0);
    CHECK(!lane_is_done(t.r->lane));
    t.r->fake.close_hangs = false;
    WAIT(lane_is_done(t.r->lane));
    CHECK_INT(rows_on_disk(&t), 10);
    CHECK_INT(t.r->books.left, 10);
    restart(&t);
    rig_start(t.r);
    WAIT(t.r->books.delivered == 10);
    check_order(t.r, 0, 10);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
}

/* Whether the send that hangs then ends well or not. */
TEST(a_deadline_that_passes_while_a_send_hangs_puts_by_what_waits)
{
    for (int fails = 0; fails < 2; fails++) {
        struct spooled t;
        start_hanging(&t, LANE_OVERFLOW);
        t.r->conf.buffer_bytes = 8 << 20;
        hang(&t);
        scrape_some(t.r, 1, 10);
        if (fails)
            lane_close(t.r->lane, clock_mono_ns() + MS_NS);
        lane_close(t.r->lane, fails ? clock_mono_ns() + 30 * SEC_NS : DEADLINE_NOW);
        WAIT(rows_on_disk(&t) == 9);
        CHECK_INT(t.r->fake.hanging, 1);
        fake_steer(&t.r->fake, fails ? FAKE_FAILS : FAKE_ENDS, fails ? ERR_IO : OK);
        t.r->fake.send_hangs = false;
        WAIT(lane_is_done(t.r->lane));
        CHECK_INT(t.r->books.delivered, !fails);
        CHECK_INT(t.r->books.left, 9 + fails);
        CHECK_INT(rows_on_disk(&t), 9 + fails);
        end(&t);
    }
}

TEST(a_second_signal_is_heard_while_a_send_hangs)
{
    struct spooled t;
    start_hanging(&t, LANE_OVERFLOW);
    t.r->conf.buffer_bytes = 8 << 20;
    hang(&t);
    scrape_some(t.r, 1, 10);
    lane_close(t.r->lane, clock_mono_ns() + 30 * SEC_NS);
    WAIT(lane_state(t.r->lane).buffer.len == 0); /* somebody has taken it */
    CHECK_INT(rows_on_disk(&t), 0);
    lane_close(t.r->lane, DEADLINE_NOW);
    WAIT(rows_on_disk(&t) == 9);
    CHECK_INT(t.r->fake.hanging, 1);
    t.r->fake.send_hangs = false;
    end(&t);
}

TEST(a_lane_has_a_second_thread_only_for_a_spool_and_it_sleeps_while_sends_are_quick)
{
    struct spooled t;
    uint64_t before = 0, after = 0;
    struct rig *plain = rig_started();
    rig_scrape(plain, "x0", 0, "a 1\n");
    WAIT(plain->books.delivered == 1);
    CHECK_INT(count_threads("lane:", NULL), 1);
    CHECK_INT(count_threads("disk:", NULL), 0);
    rig_finish(plain);
    spooled_init(&t, LANE_OVERFLOW);
    rig_start(t.r);
    scrape_some(t.r, 0, 1);
    WAIT(t.r->books.delivered == 1);
    CHECK_INT(count_threads("lane:", NULL), 1);
    CHECK_INT(count_threads("disk:", &before), 1);
    for (int64_t i = 1; i < 300; i++) {
        scrape_some(t.r, i, i + 1);
        WAIT(t.r->books.delivered == (uint64_t)i + 1);
    }
    (void)count_threads("disk:", &after);
    CHECK(after - before < 30); /* a machine that stands still for a moment is no reason to fail */
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    end(&t);
    CHECK_INT(count_threads("disk:", NULL), 0);
}
