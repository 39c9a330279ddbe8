/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane_spool.c - a lane and its disk: order, restarts, bounds, faults. */
#include "lane_spooled.h"

TEST(what_the_buffer_cannot_hold_goes_to_disk_and_comes_back_in_order)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    fake_steer(&t.r->fake, FAKE_FAILS, ERR_IO);
    t.r->conf.retry.min_ns = t.r->conf.retry.max_ns = 5 * MS_NS;
    rig_start(t.r);
    scrape_some(t.r, 0, 400);
    WAIT(t.r->books.in_spool > 300);
    check_balance(t.r);
    CHECK_INT(rig_lost(t.r), 0);
    fake_steer(&t.r->fake, FAKE_ENDS, OK);
    scrape_some(t.r, 400, 450);
    WAIT(t.r->books.delivered == 450);
    WAIT(t.r->books.in_spool + t.r->books.in_memory == 0);
    check_order(t.r, 0, 450);
    WAIT(lane_state(t.r->lane).spool.rows == 0);
    CHECK(lane_state(t.r->lane).spool.works);
    lane_close(t.r->lane, clock_mono_ns() + SEC_NS);
    WAIT(lane_is_done(t.r->lane));
    CHECK_INT(t.r->books.left, 0);
    spooled_done(&t);
}

TEST(without_need_nothing_goes_to_disk)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    t.r->conf.buffer_bytes = 8 << 20;
    rig_start(t.r);
    scrape_some(t.r, 0, 20);
    WAIT(t.r->books.delivered == 20);
    CHECK_INT(t.r->books.in_spool, 0);
    CHECK_INT(lane_state(t.r->lane).spool.rows, 0);
    spooled_done(&t);
}

static struct payload_id id_of(int64_t due_ms)
{
    char target[16];
    snprintf(target, sizeof target, "x%d", (int)(due_ms % 3));
    return payload_id_make(&(struct payload_origin){.cluster = "prod",
                                                    .instance = "node-7",
                                                    .pool = "main",
                                                    .output = "out",
                                                    .settings = "prefix=",
                                                    .target = target,
                                                    .due_ms = due_ms});
}

TEST(a_restart_goes_on_where_it_stopped_with_the_same_ids)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    scrape_some(t.r, 0, 60);
    WAIT(fake_held(&t.r->fake) > 0);
    restart(&t);
    rig_start(t.r);
    WAIT(t.r->books.delivered == 60);
    CHECK_INT(t.r->books.restored, 60);
    check_order(t.r, 0, 60);
    for (size_t i = 0; i < t.r->fake.sends; i++) {
        const struct fake_send *s = &t.r->fake.log[i];
        CHECK(same_id(s->id, id_of(s->due_ms)));
        CHECK_STR(s->body, "a:1|g\n");
        CHECK_STR(s->address, "metrics.pods");
        CHECK_INT(s->samples, 1);
    }
    WAIT(t.r->books.in_spool == 0);
    check_balance(t.r);
    spooled_done(&t);
}

TEST(in_always_mode_nothing_is_sent_that_is_not_on_disk)
{
    struct spooled t;
    struct spool_view v;
    spooled_init(&t, LANE_ALWAYS);
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    scrape_some(t.r, 0, 3);
    WAIT(fake_held(&t.r->fake) == 3);
    CHECK_INT(spool_look(t.disk.file, &v, &t.disk.err), OK);
    CHECK_INT(v.stats.rows, 3);
    CHECK_INT(v.stats.samples, 3);
    CHECK_INT(t.r->books.in_spool, 3);
    CHECK_INT(t.r->books.in_memory, 0);
    CHECK_INT(lane_state(t.r->lane).spool.unread, 0);
    fake_steer(&t.r->fake, FAKE_ENDS, OK);
    while (fake_held(&t.r->fake) > 0)
        fake_end(&t.r->fake, 0, OK);
    WAIT(t.r->books.delivered == 3);
    WAIT(spool_look(t.disk.file, &v, &t.disk.err) == OK && v.stats.rows == 0);
    scrape_some(t.r, 3, 500);
    WAIT(t.r->books.delivered == 500);
    check_order(t.r, 3, 500);
    check_balance(t.r);
    spooled_done(&t);
}

TEST(in_always_mode_what_does_not_fit_into_memory_is_read_again)
{
    struct spooled t;
    spooled_init(&t, LANE_ALWAYS);
    fake_steer(&t.r->fake, FAKE_FAILS, ERR_IO);
    t.r->conf.retry.min_ns = t.r->conf.retry.max_ns = 5 * MS_NS;
    rig_start(t.r);
    scrape_some(t.r, 0, 300);
    WAIT(t.r->books.in_spool == 300);
    CHECK_INT(t.r->books.in_memory, 0);
    restart(&t);
    rig_start(t.r);
    WAIT(t.r->books.delivered == 300);
    check_order(t.r, 0, 300);
    spooled_done(&t);
}

static enum status deny_old(const struct payload *p)
{
    return p->due_ms < 1000 ? STATUS_COUNT : OK;
}

TEST(fresh_first_sends_what_is_new_beside_the_backlog)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    scrape_some(t.r, 0, 90);
    restart(&t);
    t.r->conf.spool.fresh_first = true;
    t.r->conf.spool.backlog_rate = 30; /* five a second */
    t.r->fake.judge = deny_old;
    fake_steer(&t.r->fake, FAKE_JUDGES, OK);
    rig_start(t.r);
    WAIT(t.r->books.restored == 90);
    rig_scrape(t.r, "y0", 1000, "a 1\n");
    WAIT(t.r->books.delivered == 1); /* the others are not */
    WAIT(fake_held(&t.r->fake) > 0); /* they come all the same */
    CHECK(lane_state(t.r->lane).spool.unread > 50);
    check_balance(t.r);
    spooled_done(&t);
}

TEST(what_is_too_old_is_lost_by_that_name)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    int64_t now_ms = clock_wall_ms() / 3 * 3;
    scrape_some(t.r, 0, 30);
    scrape_some(t.r, now_ms, now_ms + 3);
    restart(&t);
    t.r->conf.spool.max_age_ns = 3600 * SEC_NS;
    rig_start(t.r);
    WAIT(t.r->books.delivered == 3);
    CHECK_INT(t.r->books.lost[LOST_TOO_OLD], 30);
    CHECK_INT(t.r->books.restored, 33);
    check_balance(t.r);
    spooled_done(&t);
}

TEST(a_full_spool_loses_its_oldest_by_that_name)
{
    struct spooled t;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    uint64_t random = 88172645463325252;
    spooled_init(&t, LANE_OVERFLOW);
    t.r->conf.max_message = 16000;
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    for (int64_t i = 0; t.r->books.lost[LOST_SPOOL_FULL] == 0; i++) {
        make_noise(&text, &random, 160);
        struct target target = {.id = "x0", .source = "pods"};
        rig_scrape_as(t.r, text.data, 0,
                      &(struct lane_scrape){.target = &target, .due_ms = i, .outcome = 1});
        WAIT(lane_state(t.r->lane).buffer.bytes < lane_state(t.r->lane).buffer.cap_bytes / 4 * 3);
        CHECK(i < 2000);
    }
    CHECK(spool_rig_bytes(&t.disk, "") + spool_rig_bytes(&t.disk, "-wal") <= SPOOL_SIZE_MIN);
    CHECK_INT(t.r->books.lost[LOST_BUFFER_FULL], 0);
    restart(&t);
    spooled_done(&t);
}

TEST(a_full_disk_is_said_and_the_lane_goes_on_in_memory)
{
    struct spooled t;
    spooled_init(&t, LANE_ALWAYS);
    rig_start(t.r);
    WAIT(lane_state(t.r->lane).spool.works);
    fail_vfs.writes_left = 0;
    fail_vfs.code = SQLITE_FULL;
    scrape_some(t.r, 0, 30);
    WAIT(t.r->books.delivered == 30);
    struct lane_spool_state s = lane_state(t.r->lane).spool;
    CHECK(!s.works);
    CHECK_INT(s.error.status, ERR_IO);
    CHECK(strstr(s.error.text, "full"));
    check_order(t.r, 0, 30);
    CHECK_INT(t.r->books.in_spool, 0);
    fail_vfs_reset();
    restart(&t);
    spooled_done(&t);
}

TEST(a_spool_that_is_damaged_while_it_is_used_is_replaced_and_what_is_lost_is_counted)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    log_configure(LOG_ERROR, LOG_LOGFMT);
    rig_start(t.r);
    scrape_some(t.r, 0, 200);
    WAIT(t.r->books.in_spool > 100);
    fail_vfs.writes_left = 0;
    fail_vfs.code = SQLITE_CORRUPT;
    rig_scrape(t.r, "x0", 201, "a 1\n");
    WAIT(t.r->books.lost[LOST_DAMAGED] > 100);
    fail_vfs_reset();
    WAIT(spool_rig_files(&t.disk, "corrupt-", NULL) > 0);
    check_balance(t.r);
    fake_steer(&t.r->fake, FAKE_ENDS, OK);
    while (fake_held(&t.r->fake) > 0)
        fake_end(&t.r->fake, 0, OK);
    WAIT(t.r->books.in_memory + t.r->books.in_spool == 0);
    check_balance(t.r);
    spooled_done(&t);
}

/* Their rows are still to be deleted when the file is given up; their memory is in use again. */
TEST(what_was_delivered_is_nothing_to_a_spool_that_is_replaced)
{
    struct spooled t;
    spooled_init(&t, LANE_ALWAYS);
    log_configure(LOG_ERROR, LOG_LOGFMT);
    rig_start(t.r);
    scrape_some(t.r, 0, 30);
    WAIT(t.r->books.delivered == 30);
    fail_vfs.writes_left = 0;
    fail_vfs.code = SQLITE_CORRUPT;
    scrape_some(t.r, 30, 60);
    WAIT(spool_rig_files(&t.disk, "corrupt-", NULL) > 0);
    fail_vfs_reset();
    WAIT(t.r->books.in_memory + t.r->books.in_spool == 0);
    CHECK_INT(t.r->books.delivered + rig_lost(t.r), 60);
    check_balance(t.r);
    spooled_done(&t);
}

TEST(a_second_lane_on_one_file_says_who_has_it_and_goes_on_in_memory)
{
    struct spooled t, other;
    spooled_init(&t, LANE_ALWAYS);
    rig_start(t.r);
    WAIT(lane_state(t.r->lane).spool.works);
    spooled_init(&other, LANE_ALWAYS);
    other.r->conf.spool.file = t.disk.file;
    rig_start(other.r);
    scrape_some(other.r, 0, 9);
    WAIT(other.r->books.delivered == 9);
    struct lane_spool_state s = lane_state(other.r->lane).spool;
    CHECK(!s.works);
    CHECK_INT(s.error.status, ERR_AGAIN);
    CHECK(strstr(s.error.text, "has the spool"));
    scrape_some(t.r, 0, 9);
    WAIT(t.r->books.delivered == 9);
    spooled_done(&other);
    spooled_done(&t);
}

TEST(the_lane_that_follows_waits_for_the_file_and_keeps_the_order)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    scrape_some(t.r, 0, 30);
    WAIT(fake_held(&t.r->fake) > 0);
    struct rig *next = rig_new();
    next->conf.spool = t.r->conf.spool;
    next->conf.hold = true;
    rig_start(next);
    scrape_some(next, 30, 40);
    lane_close(t.r->lane, DEADLINE_NOW);
    WAIT(lane_is_done(t.r->lane));
    lane_release(next->lane);
    WAIT(next->books.delivered == 40);
    check_order(next, 0, 40);
    check_balance(next);
    check_balance(t.r);
    rig_free(next);
    spooled_done(&t);
}

TEST(one_too_large_is_cut_on_disk_too)
{
    struct spooled t;
    struct spool_view v;
    spooled_init(&t, LANE_ALWAYS);
    t.r->fake.limit = 6;
    t.r->fake.told_limit = 6;
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    rig_start(t.r);
    rig_scrape(t.r, "x0", 3, "a 1\nb 2\nc 3\n");
    WAIT(fake_held(&t.r->fake) == 3);
    CHECK_INT(spool_look(t.disk.file, &v, &t.disk.err), OK);
    CHECK_INT(v.stats.rows, 3);
    CHECK_INT(t.r->books.in_spool, 3);
    restart(&t);
    rig_start(t.r);
    WAIT(t.r->books.delivered == 3);
    struct payload_id whole = id_of(3);
    for (uint32_t i = 0; i < 3; i++)
        CHECK(same_id(t.r->fake.log[i].id, payload_id_piece(whole, i)));
    spooled_done(&t);
}

TEST(a_file_that_cannot_be_opened_is_opened_later)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    fail_vfs.opens = SQLITE_CANTOPEN;
    rig_start(t.r);
    scrape_some(t.r, 0, 9);
    WAIT(t.r->books.delivered == 9);
    CHECK(!lane_state(t.r->lane).spool.works);
    fake_steer(&t.r->fake, FAKE_HOLDS, OK);
    scrape_some(t.r, 9, 12);
    fail_vfs.opens = 0;
    restart(&t); /* the stop tries once more */
    rig_start(t.r);
    WAIT(t.r->books.delivered == 3);
    CHECK_INT(t.r->books.restored, 3);
    spooled_done(&t);
}

static enum status refuse_one(const struct payload *p)
{
    return strcmp(payload_target(p), "x0") == 0 ? ERR_AGAIN : OK;
}

TEST(a_key_that_fails_does_not_keep_the_others_on_disk)
{
    struct spooled t;
    spooled_init(&t, LANE_OVERFLOW);
    fake_steer(&t.r->fake, FAKE_FAILS, ERR_IO);
    t.r->conf.retry.min_ns = t.r->conf.retry.max_ns = MS_NS;
    rig_start(t.r);
    scrape_some(t.r, 0, 600);
    WAIT(t.r->books.in_spool > 400);
    t.r->fake.judge = refuse_one;
    fake_steer(&t.r->fake, FAKE_JUDGES, OK);
    WAIT(t.r->books.delivered == 400);
    check_balance(t.r);
    spooled_done(&t);
}

TEST(a_reader_that_holds_the_log_is_named_and_the_lane_goes_on_in_memory)
{
    struct spooled t;
    sqlite3 *db;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    spooled_init(&t, LANE_ALWAYS);
    t.r->conf.buffer_bytes = 8 << 20;
    t.r->conf.max_message = 60000;
    rig_start(t.r);
    scrape_some(t.r, 0, 3);
    WAIT(t.r->books.delivered == 3);
    CHECK_INT(sqlite3_open(t.disk.file, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM payload", NULL, NULL, NULL), SQLITE_OK);
    uint64_t random = 88172645463325252;
    for (int64_t i = 3; lane_state(t.r->lane).spool.error.status == OK; i++) {
        make_noise(&text, &random, 270);
        rig_scrape(t.r, "x0", i, text.data);
        WAIT(t.r->books.in_memory == 0 || lane_state(t.r->lane).spool.error.status != OK);
        CHECK(i < 1000);
    }
    struct lane_spool_state s = lane_state(t.r->lane).spool;
    CHECK_INT(s.error.status, ERR_AGAIN);
    CHECK(strstr(s.error.text, "cannot be emptied while"));
    CHECK(spool_rig_bytes(&t.disk, "-wal") <= SPOOL_SIZE_MIN / 4);
    WAIT(t.r->books.in_spool + t.r->books.in_memory == 0); /* delivered all the same */
    CHECK_INT(rig_lost(t.r), 0);
    sqlite3_close(db);
    WAIT(lane_state(t.r->lane).spool.works);
    WAIT(lane_state(t.r->lane).spool.rows == 0);
    check_balance(t.r);
    spooled_done(&t);
}
