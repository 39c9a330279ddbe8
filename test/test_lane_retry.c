/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane_retry.c - failures, order, closing, many threads. */
#include "fake_sink.h"

TEST(nothing_is_lost_when_the_sink_fails_a_thousand_times)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_FAILS;
    r->fake.how = ERR_IO;
    r->fake.fails = 1000;
    rig_start(r);
    for (int64_t i = 0; i < 20; i++)
        rig_scrape(r, i % 2 ? "x" : "y", i, "a 1\nb 2\n");
    WAIT(r->books.delivered == 40);
    CHECK_INT(r->books.retries, 1000);
    CHECK_INT(r->fake.sends, 1020);
    CHECK_INT(r->books.payloads_sent, 20);
    CHECK_INT(rig_lost(r), 0);
    CHECK(!lane_state(r->lane).failing);
    CHECK_INT(lane_state(r->lane).last_error.status, OK);
    rig_finish(r);
}

TEST(a_resend_carries_the_same_id_and_the_same_bytes)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    for (size_t i = 1; i <= 5; i++) {
        WAIT(fake_held(&r->fake) == 1);
        CHECK_INT(fake_sends(&r->fake), i);
        fake_end(&r->fake, 0, i < 5 ? ERR_TIMEOUT : OK);
    }
    WAIT(r->books.in_memory == 0);
    for (size_t i = 1; i < 5; i++) {
        CHECK(same_id(r->fake.log[i].id, r->fake.log[0].id));
        CHECK_STR(r->fake.log[i].body, "a:1|g\n");
        CHECK_STR(r->fake.log[i].address, "metrics.pods");
    }
    CHECK_INT(r->books.payloads_sent, 5);
    CHECK_INT(r->books.retries, 4);
    CHECK_INT(r->books.delivered, 1);
    rig_finish(r);
}

static void fail_twice(struct rig *r, enum status how)
{
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\nb 2\n");
    for (int i = 0; i < 3; i++) {
        WAIT(fake_held(&r->fake) == 1);
        fake_end(&r->fake, 0, i < 2 ? how : OK);
    }
    WAIT(r->books.in_memory == 0);
}

TEST(an_unknown_outcome_resent_after_the_window_is_counted_once)
{
    struct rig *r = rig_new();
    fail_twice(r, ERR_TIMEOUT);
    CHECK_INT(r->books.maybe_twice, 2);
    rig_finish(r);
}

TEST(within_the_window_for_duplicates_nothing_may_arrive_twice)
{
    struct rig *r = rig_new();
    r->fake.window_ns = 3600 * SEC_NS;
    fail_twice(r, ERR_IO);
    CHECK_INT(r->books.maybe_twice, 0);
    rig_finish(r);
}

TEST(what_the_peer_has_surely_not_taken_is_not_there_twice)
{
    struct rig *r = rig_new();
    fail_twice(r, ERR_AGAIN);
    CHECK_INT(r->books.maybe_twice, 0);
    rig_finish(r);
}

TEST(access_denied_is_tried_again_and_shown)
{
    struct rig *r = rig_new();
    r->conf.retry.min_ns = r->conf.retry.max_ns = 3600 * SEC_NS; /* not that one */
    r->fake.way = FAKE_FAILS;
    r->fake.how = ERR_DENIED;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    WAIT(r->books.retries > 3);
    struct lane_state s = lane_state(r->lane);
    CHECK(s.failing);
    CHECK_INT(s.last_error.status, ERR_DENIED);
    CHECK_STR(s.last_error.text, "fake: denied");
    CHECK_INT(s.last_delivered_ms, 0);
    fake_steer(&r->fake, FAKE_ENDS, OK);
    WAIT(r->books.delivered == 1);
    rig_finish(r);
}

TEST(while_it_backs_off_a_lane_sends_nothing)
{
    struct rig *r = rig_new();
    r->conf.retry.min_ns = r->conf.retry.max_ns = INT64_MAX / 4;
    r->fake.way = FAKE_FAILS;
    r->fake.how = ERR_IO;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    WAIT(r->books.retries == 1);
    for (int i = 0; i < 10; i++)
        rig_scrape(r, "y", i, "a 1\n");
    WAIT(lane_state(r->lane).held == 11);
    CHECK_INT(fake_sends(&r->fake), 1);
    fake_steer(&r->fake, FAKE_ENDS, OK);
    rig_finish(r); /* closing tries all once more */
}

TEST(a_peer_that_asks_to_be_left_alone_is_until_the_lane_closes)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_ENDS;
    rig_start(r);
    r->fake.lane->not_before_ns = clock_mono_ns() + 3600 * SEC_NS;
    rig_scrape(r, "x", 1, "a 1\n");
    WAIT(lane_state(r->lane).held == 1);
    rig_scrape(r, "y", 1, "a 1\n");
    WAIT(lane_state(r->lane).held == 2);
    CHECK_INT(fake_sends(&r->fake), 0);
    rig_finish(r); /* both are tried, and taken */
}

TEST(the_next_scrape_of_a_target_waits_till_all_parts_have_ended)
{
    struct rig *r = rig_new();
    r->conf.max_samples = 1;
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\nb 2\nc 3\n");
    rig_scrape(r, "x", 2, "a 4\nb 5\nc 6\n");
    WAIT(lane_state(r->lane).held == 3);
    CHECK_INT(fake_held(&r->fake), 3);
    fake_end(&r->fake, 2, OK); /* in any order */
    fake_end(&r->fake, 0, ERR_IO);
    WAIT(fake_held(&r->fake) == 2);
    fake_end(&r->fake, 0, OK);
    WAIT(r->books.delivered == 2);
    CHECK_INT(fake_sends(&r->fake), 4);
    CHECK_INT(r->fake.log[3].due_ms, 1);
    fake_end(&r->fake, 0, OK);
    WAIT(fake_held(&r->fake) == 3);
    for (int i = 0; i < 3; i++)
        fake_end(&r->fake, 0, OK);
    rig_finish(r);
}

TEST(one_stuck_key_does_not_hold_others)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    rig_scrape(r, "stuck", 1, "a 1\n");
    WAIT(fake_held(&r->fake) == 1);
    fake_steer(&r->fake, FAKE_ENDS, OK);
    for (int64_t i = 2; i < 50; i++) {
        rig_scrape(r, "stuck", i, "a 1\n");
        rig_scrape(r, "free", i, "a 1\n");
    }
    WAIT(r->books.delivered == 48);
    WAIT(lane_state(r->lane).held == 48);
    fake_end(&r->fake, 0, OK);
    WAIT(r->books.delivered == 97);
    rig_finish(r);
}

static enum status fail_bad(const struct payload *p)
{
    return strcmp(payload_target(p), "bad") == 0 ? ERR_IO : OK;
}

TEST(a_key_that_always_fails_fills_the_window_with_no_harm_to_others)
{
    struct rig *r = rig_new();
    r->conf.buffer_bytes = 1; /* a window of a few payloads */
    r->conf.max_message = 100;
    r->conf.retry.max_ns = 2 * MS_NS;
    r->fake.way = FAKE_JUDGES;
    r->fake.judge = fail_bad;
    rig_start(r);
    for (int64_t i = 0; i < 100; i++) {
        rig_scrape(r, "bad", i, "a 1\n");
        rig_scrape(r, "good", i, "a 1\n");
        WAIT(r->books.delivered == (uint64_t)i + 1);
    }
    CHECK(r->books.lost[LOST_BUFFER_FULL] > 50);
    fake_steer(&r->fake, FAKE_ENDS, OK);
    rig_finish(r);
}

/* Of each key, every part of a due time is delivered before any of the next is sent. */
static void check_order(const struct fake *f, const char *key, unsigned parts)
{
    int64_t due = -1;
    unsigned ok = 0;
    for (size_t i = 0; i < f->sends; i++) {
        const struct fake_send *s = &f->log[i];
        if (strcmp(s->key, key) != 0)
            continue;
        if (s->due_ms != due) {
            CHECK(s->due_ms > due);
            CHECK(due < 0 || ok == parts);
            due = s->due_ms;
            ok = 0;
        }
        ok += s->result == OK;
    }
    CHECK_INT(ok, parts);
}

static enum status fail_now_and_then(const struct payload *p)
{
    static uint32_t x = 1;
    (void)p;
    x = x * 1664525 + 1013904223;
    return x >> 28 < 6 ? ERR_AGAIN : x >> 28 < 8 ? ERR_TIMEOUT : OK;
}

TEST(order_per_key_is_kept_under_retries)
{
    static const char *const ids[] = {"x", "y", "z"};
    struct rig *r = rig_new();
    r->conf.max_samples = 1;
    r->fake.way = FAKE_JUDGES;
    r->fake.judge = fail_now_and_then;
    rig_start(r);
    for (int64_t due = 0; due < 60; due++)
        for (size_t i = 0; i < ARRAY_LEN(ids); i++)
            rig_scrape(r, ids[i], due, "a 1\nb 2\nc 3\n");
    WAIT(r->books.delivered == 60 * 3 * 3);
    CHECK(r->books.retries > 100);
    check_order(&r->fake, "prod/x", 3);
    check_order(&r->fake, "prod/y", 3);
    check_order(&r->fake, "prod/z", 3);
    rig_finish(r);
}

static enum status hold_two(const struct payload *p)
{
    static unsigned in;
    (void)p;
    return in++ < 2 ? STATUS_COUNT : ERR_AGAIN;
}

TEST(a_sink_that_is_full_is_asked_again_when_something_ends)
{
    struct rig *r = rig_new();
    r->conf.retry.min_ns = r->conf.retry.max_ns = INT64_MAX / 4; /* this is no failure */
    r->fake.way = FAKE_JUDGES;
    r->fake.judge = hold_two;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    rig_scrape(r, "y", 1, "a 1\n");
    WAIT(fake_held(&r->fake) == 2);
    fake_steer(&r->fake, FAKE_FAILS, ERR_AGAIN);
    rig_scrape(r, "z", 1, "a 1\n");
    WAIT(fake_sends(&r->fake) >= 3);
    CHECK_INT(r->books.retries, 0);
    CHECK(!lane_state(r->lane).failing);
    fake_steer(&r->fake, FAKE_ENDS, OK);
    fake_end(&r->fake, 0, OK);
    WAIT(r->books.delivered == 2);
    fake_end(&r->fake, 0, OK);
    rig_finish(r);
}

TEST(no_more_are_in_flight_than_the_sink_announces)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_HOLDS;
    r->fake.window = 2;
    r->conf.max_samples = 1;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\nb 2\nc 3\nd 4\ne 5\n");
    for (int i = 0; i < 5; i++) {
        WAIT(lane_state(r->lane).in_flight == (i < 4 ? 2 : 1));
        WAIT(fake_held(&r->fake) == (i < 4 ? 2 : 1)); /* it counts before the sink has it */
        fake_end(&r->fake, 0, OK);
        WAIT(r->books.delivered == (uint64_t)i + 1);
    }
    rig_finish(r);
}

TEST(an_end_is_shown_in_the_words_of_the_sink)
{
    struct rig *r = rig_new();
    r->conf.retry.min_ns = r->conf.retry.max_ns = INT64_MAX / 4;
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    WAIT(fake_held(&r->fake) == 1);
    fake_end(&r->fake, 0, ERR_TIMEOUT);
    WAIT(lane_state(r->lane).failing);
    CHECK_INT(lane_state(r->lane).last_error.status, ERR_TIMEOUT);
    CHECK_STR(lane_state(r->lane).last_error.text, "fake: so it ended");
    fake_steer(&r->fake, FAKE_ENDS, OK);
    rig_finish(r);
}

TEST(closing_delivers_what_there_is)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    rig_scrape(r, "x", 2, "a 2\n");
    lane_close(r->lane, clock_mono_ns() + 10 * SEC_NS);
    WAIT(fake_held(&r->fake) == 1);
    CHECK(!lane_is_done(r->lane));
    fake_end(&r->fake, 0, ERR_TIMEOUT);
    WAIT(fake_sends(&r->fake) == 2);
    fake_steer(&r->fake, FAKE_ENDS, OK);
    fake_end(&r->fake, 0, OK);
    WAIT(lane_is_done(r->lane));
    CHECK_INT(r->books.delivered, 2);
    rig_finish(r);
}

TEST(what_is_left_at_the_deadline_is_lost_as_closed)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_HOLDS;
    r->fake.never_flushes = true;
    rig_start(r);
    for (int64_t due = 1; due <= 5; due++)
        rig_scrape(r, "x", due, "a 1\n");
    WAIT(fake_held(&r->fake) == 1);
    lane_close(r->lane, clock_mono_ns() + 5 * MS_NS);
    WAIT(lane_is_done(r->lane));
    CHECK_INT(r->books.lost[LOST_CLOSED], 5);
    rig_finish(r);
}

TEST(what_ends_while_the_sink_closes_is_delivered_or_lost)
{
    static const enum status ways[] = {OK, ERR_CLOSED, ERR_IO, ERR_DENIED, ERR_LIMIT};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct rig *r = rig_new();
        r->conf.max_samples = 2;
        r->fake.way = FAKE_HOLDS;
        r->fake.close_how = ways[i];
        rig_start(r);
        rig_scrape(r, "x", 1, "a 1\nb 2\nc 3\n");
        rig_scrape(r, "x", 2, "a 1\n");
        WAIT(fake_held(&r->fake) == 2);
        lane_close(r->lane, DEADLINE_NOW);
        WAIT(lane_is_done(r->lane));
        CHECK_INT(r->books.delivered, i == 0 ? 3 : 0);
        CHECK_INT(r->books.lost[LOST_TOO_LARGE], ways[i] == ERR_LIMIT ? 1 : 0);
        CHECK_INT(r->books.lost[LOST_CLOSED], ways[i] == OK ? 1 : ways[i] == ERR_LIMIT ? 3 : 4);
        rig_finish(r);
    }
}

TEST(an_earlier_deadline_counts_and_a_later_one_does_not)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    WAIT(fake_held(&r->fake) == 1);
    lane_close(r->lane, clock_mono_ns() + 3600 * SEC_NS);
    WAIT(fake_flushes(&r->fake) > 0); /* all is sent: now the library is told to hurry */
    CHECK(!lane_is_done(r->lane));
    lane_close(r->lane, DEADLINE_NOW);
    lane_close(r->lane, clock_mono_ns() + 3600 * SEC_NS);
    WAIT(lane_is_done(r->lane));
    CHECK_INT(r->books.lost[LOST_CLOSED], 1);
    rig_finish(r);
}

TEST(what_comes_after_closing_is_lost_as_closed)
{
    struct rig *r = rig_started();
    lane_close(r->lane, clock_mono_ns() + 10 * SEC_NS);
    rig_scrape(r, "x", 1, "a 1\nb 2\n");
    CHECK_INT(r->books.lost[LOST_CLOSED], 2);
    rig_finish(r);
}

TEST(a_lane_that_was_never_closed_is_freed_all_the_same)
{
    struct rig *r = rig_new();
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    rig_free(r); /* the asan preset would see a leak */
}

TEST(an_idle_lane_beats)
{
    struct rig *r = rig_started();
    int64_t before = lane_beat_ns(r->lane);
    rig_scrape(r, "x", 1, "a 1\n");
    WAIT(lane_beat_ns(r->lane) > before);
    CHECK(lane_beat_ns(r->lane) <= clock_mono_ns());
    rig_finish(r);
}

/* A sink with work: it hands to its own I/O, which here ends one payload a call. */
static enum status fake_work(void *self, int wake_fd, int64_t deadline_ns)
{
    struct fake *f = self;
    (void)wake_fd;
    (void)deadline_ns;
    if (fake_held(f) > 0)
        fake_end(f, 0, OK);
    return ERR_TIMEOUT;
}

TEST(a_sink_with_io_of_its_own_runs_in_the_lanes_thread)
{
    static struct sink_ops ops;
    struct rig *r = rig_new();
    ops = fake_ops;
    ops.work = fake_work;
    ops.flush = NULL;
    r->conf.sink = &ops;
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    for (int64_t due = 0; due < 50; due++)
        rig_scrape(r, "x", due, "a 1\n");
    rig_finish(r);
}

struct worker {
    pthread_t thread;
    struct rig *rig;
    int number;
};

enum { WORKERS = 4, SCRAPES = 200 };

static void *encode_much(void *arg)
{
    struct worker *w = arg;
    struct lane_scratch scratch = {0};
    struct batch batch = {0};
    char id[16];
    static const char text[] = "a 1\nb 2\nc 3\nd NaN\n";
    AUTO_PTR(page) struct page *page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    snprintf(id, sizeof id, "x%d", w->number);
    struct target t = {.id = id, .source = "pods"};
    for (int64_t due = 0; due < SCRAPES; due++) {
        page_read(page, (struct span){text, sizeof text - 1}, 1, &batch, NULL);
        lane_encode(w->rig->lane, 0, &scratch, &batch,
                    &(struct lane_scrape){.target = &t, .due_ms = due});
    }
    batch_done(&batch);
    lane_scratch_done(&scratch);
    return NULL;
}

/* The client library's thread: ends what it holds, every seventh badly. */
static void *end_all(void *arg)
{
    struct rig *r = arg;
    for (unsigned n = 0; r->books.delivered < (uint64_t)WORKERS * SCRAPES * 3;)
        if (fake_held(&r->fake) > 0)
            fake_end(&r->fake, 0, ++n % 7 ? OK : ERR_TIMEOUT);
        else
            sched_yield();
    return NULL;
}

TEST(four_workers_and_a_library_thread_balance)
{
    struct rig *r = rig_new();
    struct worker workers[WORKERS];
    pthread_t library;
    char key[24];
    r->conf.max_samples = 2;
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    pthread_create(&library, NULL, end_all, r);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.rig = r, .number = i};
        pthread_create(&workers[i].thread, NULL, encode_much, &workers[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_join(library, NULL);
    WAIT(r->books.in_memory == 0);
    CHECK_INT(r->books.passed, WORKERS * SCRAPES * 4);
    CHECK_INT(r->books.skipped[SKIP_UNSAYABLE], WORKERS * SCRAPES);
    CHECK(r->books.retries > 0);
    for (int i = 0; i < WORKERS; i++) {
        snprintf(key, sizeof key, "prod/x%d", i);
        int64_t due = 0;
        for (size_t k = 0; k < r->fake.sends; k++)
            if (strcmp(r->fake.log[k].key, key) == 0) {
                CHECK(r->fake.log[k].due_ms >= due);
                due = r->fake.log[k].due_ms;
            }
        CHECK_INT(due, SCRAPES - 1);
    }
    rig_finish(r);
}
