/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane_spool_end.c - a lane and its disk at their bounds: a spool that is full when a payload is
 * cut or the lane stops, and somebody who holds it then. */
#include "lane_spooled.h"

#define SEED UINT64_C(88172645463325252)

/* One page of noise, as a scrape of its own of target id. */
static void scrape_noise(struct rig *r, const char *id, int64_t due_ms, int series,
                         uint64_t *random)
{
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    struct target target = {.id = id, .source = "pods"};
    make_noise(&text, random, series);
    rig_scrape_as(r, text.data, 0,
                  &(struct lane_scrape){.target = &target, .due_ms = due_ms, .outcome = 1});
    WAIT(lane_state(r->lane).buffer.bytes < lane_state(r->lane).buffer.cap_bytes / 4 * 3);
}

static int64_t bytes_on_disk(const struct spooled *t)
{
    return spool_rig_bytes(&t->disk, "") + spool_rig_bytes(&t->disk, "-wal");
}

static enum status hold_all_but_pieces(const struct payload *p)
{
    return p->body.len > 60000 ? ERR_LIMIT : STATUS_COUNT;
}

/* The pieces have the number of what was cut, so they are the oldest there. */
TEST(pieces_for_which_a_full_spool_has_no_room_go_on_in_memory)
{
    struct spooled t;
    uint64_t random = SEED;
    spooled_init(&t, LANE_ALWAYS);
    t.r->conf.buffer_bytes = 8 << 20;
    t.r->conf.max_message = 200000;
    t.r->conf.max_samples = 100000;
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    scrape_noise(t.r, "x0", 1, 2200, &random);
    WAIT(fake_held(&t.r->fake) == 1);
    int64_t files = 0;
    for (int64_t i = 2; files < SPOOL_SIZE_MIN / 4 * 3 - 20000; i++) {
        scrape_noise(t.r, "x1", i, 160, &random);
        WAIT(lane_state(t.r->lane).spool.rows == i);
        files = lane_state(t.r->lane).spool.file_bytes;
        CHECK(i < 200);
    }
    CHECK_INT(rig_lost(t.r), 0);
    CHECK_INT(lane_state(t.r->lane).spool.works, true);
    t.r->fake.told_limit = 5000;
    t.r->fake.judge = hold_all_but_pieces;
    fake_steer(&t.r->fake, FAKE_JUDGES, OK);
    t.r->fake.lane->max_payload = 5000;
    fake_end(&t.r->fake, 0, ERR_LIMIT);
    WAIT(t.r->books.splits == 1);
    WAIT(t.r->books.in_memory > 0); /* some have no row */
    WAIT(lane_state(t.r->lane).in_flight > 20);
    uint64_t in_memory = t.r->books.in_memory;
    CHECK(in_memory < 2200);
    CHECK_INT(rig_lost(t.r), 0);
    check_balance(t.r);
    CHECK(bytes_on_disk(&t) <= SPOOL_SIZE_MIN);
    fake_steer(&t.r->fake, FAKE_ENDS, OK);
    while (fake_held(&t.r->fake) > 0)
        fake_end(&t.r->fake, 0, OK);
    WAIT(t.r->books.in_memory + t.r->books.in_spool == 0);
    CHECK_INT(t.r->books.delivered, t.r->books.encoded);
    check_balance(t.r);
    spooled_done(&t);
}

/* What waits in memory is older than what is on disk. */
TEST(a_spool_that_is_nearly_full_at_a_stop_loses_its_oldest_and_the_books_balance_over_the_restart)
{
    struct spooled t;
    uint64_t random = SEED;
    spooled_init(&t, LANE_OVERFLOW);
    t.r->conf.buffer_bytes = 800000;
    t.r->conf.max_message = 60000;
    t.r->conf.max_samples = 100000;
    t.r->fake.limit = 20000;
    t.r->fake.told_limit = 5000;
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    scrape_noise(t.r, "x0", 1, 650, &random);
    WAIT(t.r->books.splits == 1);
    WAIT(fake_held(&t.r->fake) > 4);
    int64_t i = 2;
    for (; lane_state(t.r->lane).spool.file_bytes < SPOOL_SIZE_MIN / 4 * 3 - 100000; i++) {
        scrape_noise(t.r, i % 2 ? "x1" : "x2", i, 160, &random);
        WAIT(lane_state(t.r->lane).buffer.bytes < t.r->conf.buffer_bytes / 2);
        CHECK(i < 400);
    }
    uint64_t before = t.r->books.lost[LOST_SPOOL_FULL]; /* the state lags behind the disk */
    CHECK_INT(rig_lost(t.r), before);
    uint64_t in_memory = t.r->books.in_memory;
    CHECK(in_memory > 650);
    lane_close(t.r->lane, DEADLINE_NOW);
    WAIT(lane_is_done(t.r->lane));
    const struct lane_books *b = &t.r->books;
    CHECK(b->lost[LOST_SPOOL_FULL] > before);
    CHECK_INT(rig_lost(t.r), b->lost[LOST_SPOOL_FULL]);
    CHECK_INT(b->left + b->lost[LOST_SPOOL_FULL] + b->delivered, b->encoded);
    CHECK(bytes_on_disk(&t) <= SPOOL_SIZE_MIN);
    uint64_t left = b->left;
    restart(&t);
    rig_start(t.r);
    WAIT(t.r->books.restored == left);
    WAIT(t.r->books.delivered == left);
    WAIT(t.r->books.in_spool == 0);
    check_balance(t.r);
    CHECK_INT(t.r->fake.log[t.r->fake.sends - 1].due_ms, i - 1); /* the newest is there */
    spooled_done(&t);
}

/* One row is to be removed when the stop comes, and what waits for its commit is written in its place. */
TEST(what_a_stop_writes_is_there_after_it)
{
    struct spooled t;
    struct spool_view view;
    struct err err;
    spooled_init(&t, LANE_ALWAYS);
    t.r->conf.buffer_bytes = 1 << 20;
    t.r->conf.spool.commit_ns = 20 * MS_NS;
    rig_start(t.r);
    rig_scrape(t.r, "x0", 0, "a 1\n");
    WAIT(t.r->books.delivered == 1);
    rig_scrape(t.r, "x0", 1, "a 1\n");
    rig_scrape(t.r, "x1", 1, "a 1\n");
    lane_close(t.r->lane, DEADLINE_NOW);
    WAIT(lane_is_done(t.r->lane));
    CHECK_INT(rig_lost(t.r), 0);
    CHECK_INT(spool_look(t.disk.file, &view, &err), OK);
    CHECK_INT(view.stats.rows, t.r->books.left);
    uint64_t left = t.r->books.left;
    restart(&t);
    rig_start(t.r);
    WAIT(t.r->books.delivered == left);
    CHECK_INT(t.r->books.restored, left);
    spooled_done(&t);
}

/* A reader that stands in a transaction. */
static sqlite3 *hold_log(const struct spooled *t)
{
    sqlite3 *db;
    CHECK_INT(sqlite3_open(t->disk.file, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM payload", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

/* Until the lane says that the log is full; the sink fails, so that what comes stays in memory. */
static int64_t fill_log(struct spooled *t, int64_t from, uint64_t *random)
{
    int64_t i = from;
    for (; lane_state(t->r->lane).spool.error.status != ERR_AGAIN; i++) {
        scrape_noise(t->r, "x0", i, 270, random);
        WAIT(t->r->books.in_memory == 0 || lane_state(t->r->lane).spool.error.status != OK);
        CHECK(i < 1000);
    }
    CHECK(strstr(lane_state(t->r->lane).spool.error.text, "cannot be emptied while"));
    return i;
}

/* A lane with so many scrapes on disk, none of them delivered, and a reader that holds its log. */
static sqlite3 *start_held(struct spooled *t, size_t buffer_bytes, int64_t scrapes)
{
    spooled_init(t, LANE_ALWAYS);
    t->r->conf.buffer_bytes = buffer_bytes;
    t->r->conf.max_message = 60000;
    t->r->conf.max_samples = 100000;
    fake_steer(&t->r->fake, FAKE_HOLDS, OK);
    rig_start(t->r);
    scrape_some(t->r, 0, scrapes);
    WAIT(t->r->books.in_spool == (uint64_t)scrapes);
    return hold_log(t);
}

static void stop_now(struct spooled *t)
{
    lane_close(t->r->lane, DEADLINE_NOW);
    WAIT(lane_is_done(t->r->lane));
    CHECK(bytes_on_disk(t) <= SPOOL_SIZE_MIN);
}

/* What the lane left on disk, in samples, and the lane that goes on with it. */
static uint64_t begin_again(struct spooled *t, sqlite3 *db)
{
    uint64_t left = t->r->books.left;
    sqlite3_close(db);
    restart(t);
    CHECK(bytes_on_disk(t) <= SPOOL_SIZE_MIN);
    rig_start(t->r);
    return left;
}

TEST(what_waits_at_a_stop_is_written_though_somebody_holds_the_log)
{
    struct spooled t;
    uint64_t random = SEED;
    sqlite3 *db = start_held(&t, 8 << 20, 3);
    int64_t next = fill_log(&t, 3, &random);
    for (int64_t i = next; i < next + 6; i++)
        scrape_noise(t.r, "x0", i, 270, &random);
    WAIT(t.r->books.in_memory >= 6 * 270);
    stop_now(&t);
    CHECK_INT(rig_lost(t.r), 0);
    CHECK(t.r->books.left >= 6 * 270);
    CHECK(spool_rig_bytes(&t.disk, "-wal") > SPOOL_SIZE_MIN / 8);
    uint64_t left = begin_again(&t, db);
    WAIT(t.r->books.delivered == left);
    CHECK_INT(t.r->books.restored, left);
    check_balance(t.r);
    spooled_done(&t);
}

/* As long as nothing can be written nothing can be deleted either. */
TEST(what_was_delivered_while_somebody_held_the_log_is_not_lost_again_at_a_stop)
{
    struct spooled t;
    uint64_t random = SEED;
    sqlite3 *db = start_held(&t, 8 << 20, 300);
    int64_t next = fill_log(&t, 300, &random);
    fake_steer(&t.r->fake, FAKE_ENDS, OK);
    while (fake_held(&t.r->fake) > 0)
        fake_end(&t.r->fake, 0, OK);
    uint64_t encoded = t.r->books.encoded;
    WAIT(t.r->books.delivered == encoded);
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    scrape_noise(t.r, "x1", next, 270, &random);
    WAIT(t.r->books.encoded == encoded + 270);
    stop_now(&t);
    CHECK_INT(rig_lost(t.r), 0);
    CHECK_INT(t.r->books.delivered + t.r->books.left, t.r->books.encoded);
    uint64_t left = begin_again(&t, db);
    WAIT(t.r->books.restored > left); /* rows that have ended are there still: the same ids again */
    WAIT(t.r->books.delivered == t.r->books.restored);
    check_balance(t.r);
    spooled_done(&t);
}

TEST(what_a_held_log_has_no_room_for_at_a_stop_is_lost_by_name)
{
    struct spooled t;
    uint64_t random = SEED;
    sqlite3 *db = start_held(&t, 16 << 20, 3);
    int64_t next = fill_log(&t, 3, &random);
    for (int64_t i = next; i < next + 40; i++)
        scrape_noise(t.r, "x0", i, 550, &random);
    stop_now(&t);
    CHECK(t.r->books.lost[LOST_CLOSED] > 0);
    CHECK_INT(rig_lost(t.r), t.r->books.lost[LOST_CLOSED]);
    CHECK(bytes_on_disk(&t) > SPOOL_SIZE_MIN / 2);
    uint64_t left = begin_again(&t, db);
    WAIT(t.r->books.delivered == left);
    spooled_done(&t);
}
