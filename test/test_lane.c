/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane.c - from a batch to the sink: parts, ids, meta series, the buffer, the books. */
#include "fake_sink.h"

static struct payload_id id_of(const char *target, int64_t due_ms, uint32_t part, uint32_t outcome)
{
    return payload_id_make(&(struct payload_origin){
        .cluster = "prod",
        .instance = "node-7",
        .pool = "main",
        .output = "out",
        .settings = "prefix=",
        .target = target,
        .due_ms = due_ms,
        .part = part,
        .outcome = outcome,
        .clock_steps = 0,
    });
}

TEST(what_is_encoded_is_delivered_with_key_address_and_id)
{
    struct rig *r = rig_started();
    rig_scrape(r, "shop/a", 1000, "a 1\nb 2\n");
    WAIT(r->books.delivered == 2);
    const struct fake_send *s = &r->fake.log[0];
    CHECK_INT(fake_sends(&r->fake), 1);
    CHECK_STR(s->body, "a:1|g\nb:2|g\n");
    CHECK_STR(s->key, "prod/shop/a");
    CHECK_STR(s->address, "metrics.pods");
    CHECK_INT(s->part, 0);
    CHECK_INT(s->due_ms, 1000);
    CHECK(same_id(s->id, id_of("shop/a", 1000, 0, 0)));
    CHECK_INT(r->books.passed, 2);
    CHECK_INT(r->books.encoded, 2);
    WAIT(r->books.in_memory == 0);
    CHECK_INT(r->books.payloads_sent, 1);
    CHECK_INT(r->books.payloads_delivered, 1);
    CHECK_INT(r->books.bytes_delivered, 12);
    CHECK(r->books.delay_ms_sum > 0);
    struct lane_state state = lane_state(r->lane);
    CHECK(!state.failing);
    CHECK(state.last_delivered_ms > 0);
    CHECK_INT(state.max_payload, 1 << 20);
    CHECK_STR(lane_sink(r->lane)->name, "main/out");
    rig_finish(r);
}

TEST(a_scrape_larger_than_a_message_goes_in_parts)
{
    struct rig *r = rig_new();
    r->conf.max_message = 14;
    rig_start(r);
    rig_scrape(r, "x", 5, "a 1\nb 2\nc 3\n");
    rig_scrape(r, "y", 5, "a 1\n");
    WAIT(r->books.delivered == 4);
    CHECK_INT(r->fake.sends, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct fake_send *s = &r->fake.log[i];
        bool x = strcmp(s->key, "prod/x") == 0;
        CHECK(same_id(s->id, id_of(x ? "x" : "y", 5, s->part, 0)));
        CHECK_INT(s->more, x && s->part == 0);
        CHECK_STR(s->body, s->part == 1 ? "c:3|g\n" : x ? "a:1|g\nb:2|g\n" : "a:1|g\n");
    }
    rig_finish(r);
}

TEST(no_part_is_told_of_one_that_comes_once_it_has_ended)
{
    struct rig *r = rig_new();
    r->conf.max_message = 14;
    r->fake.window = 1;
    rig_start(r);
    rig_scrape(r, "x", 5, "a 1\nb 2\nc 3\n");
    WAIT(r->books.delivered == 3);
    CHECK_INT(r->fake.sends, 2);
    for (uint32_t i = 0; i < 2; i++)
        CHECK(!r->fake.log[i].more);
    rig_finish(r);
}

TEST(parts_keep_to_the_number_of_samples)
{
    struct rig *r = rig_new();
    r->conf.max_samples = 1;
    rig_start(r);
    rig_scrape(r, "x", 5, "a 1\nb 2\nc 3\n");
    WAIT(r->books.delivered == 3);
    CHECK_INT(r->fake.sends, 3);
    rig_finish(r);
}

TEST(what_the_format_cannot_say_is_skipped_and_in_the_books)
{
    struct rig *r = rig_new();
    r->conf.max_message = 14;
    rig_start(r);
    rig_scrape(r, "x", 5, "a 1\nb NaN\nmuch_longer_than_it_may_be 1\n");
    WAIT(r->books.delivered == 1);
    CHECK_INT(r->books.passed, 3);
    CHECK_INT(r->books.skipped[SKIP_UNSAYABLE], 1);
    CHECK_INT(r->books.skipped[SKIP_TOO_LARGE], 1);
    rig_finish(r);
}

TEST(a_target_with_a_name_too_long_for_a_key_is_skipped_as_too_large)
{
    struct rig *r = rig_new();
    char *id = mem_alloc(PAYLOAD_TEXT_MAX + 1);
    memset(id, 'x', PAYLOAD_TEXT_MAX);
    rig_start(r);
    rig_scrape(r, id, 5, "a 1\nb 2\n");
    CHECK_INT(r->books.skipped[SKIP_TOO_LARGE], 2);
    rig_scrape(r, id, 6, ""); /* nothing was sent, so there is no end to tell of */
    CHECK_INT(r->books.ended, 0);
    mem_free(id);
    rig_finish(r);
}

TEST(a_target_with_an_address_too_long_is_skipped_as_too_large)
{
    struct rig *r = rig_new();
    char *source = mem_alloc(PAYLOAD_TEXT_MAX + 1);
    memset(source, 'x', PAYLOAD_TEXT_MAX);
    rig_start(r);
    struct target t = {.id = "x", .source = source};
    rig_scrape_as(r, "a 1\n", 0, &(struct lane_scrape){.target = &t, .due_ms = 1});
    CHECK_INT(r->books.skipped[SKIP_TOO_LARGE], 1);
    mem_free(source);
    rig_finish(r);
}

TEST(ended_series_are_told_and_in_the_books)
{
    struct rig *r = rig_new();
    r->conf.encoder = encoder_find("json");
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\nb 2\n");
    rig_scrape(r, "x", 2, "a 1\n");
    WAIT(r->books.delivered == 4);
    CHECK_INT(r->books.passed, 3);
    CHECK_INT(r->books.ended, 1);
    rig_finish(r);
}

TEST(ended_series_that_the_format_cannot_tell_are_skipped)
{
    struct rig *r = rig_started();
    rig_scrape(r, "x", 1, "a 1\nb 2\n");
    rig_scrape(r, "x", 2, "");
    CHECK_INT(r->books.ended, 2);
    CHECK_INT(r->books.skipped[SKIP_UNSAYABLE], 2);
    rig_finish(r);
}

static void scrape_meta(struct rig *r, const char *text, size_t meta, uint32_t outcome)
{
    struct target t = {.id = "x", .source = "pods"};
    rig_scrape_as(r, text, meta,
                  &(struct lane_scrape){.target = &t, .due_ms = 7, .outcome = outcome});
}

TEST(meta_series_ride_with_the_samples)
{
    struct rig *r = rig_started();
    scrape_meta(r, "a 1\nup 1\n", 1, 0);
    WAIT(r->books.delivered == 2);
    CHECK_INT(r->books.passed, 1);
    CHECK_INT(r->books.meta, 1);
    CHECK_INT(r->fake.sends, 1);
    CHECK_STR(r->fake.log[0].body, "a:1|g\nup:1|g\n");
    rig_finish(r);
}

TEST(meta_series_of_a_failed_scrape_are_a_part_of_their_own_with_the_outcome_in_its_id)
{
    struct rig *r = rig_started();
    scrape_meta(r, "up 0\n", 1, 3);
    scrape_meta(r, "up 0\n", 1, 4);
    WAIT(r->books.delivered == 2);
    CHECK_INT(r->books.meta, 2);
    CHECK_INT(r->books.passed, 0);
    CHECK_INT(r->fake.log[0].part, LANE_META_PART);
    CHECK(same_id(r->fake.log[0].id, id_of("x", 7, LANE_META_PART, 3)));
    CHECK(same_id(r->fake.log[1].id, id_of("x", 7, LANE_META_PART, 4)));
    rig_finish(r);
}

TEST(a_payload_too_large_for_the_peer_is_cut_at_its_marks)
{
    struct rig *r = rig_new();
    r->fake.limit = 13;
    r->fake.told_limit = 13;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\nb 2\nc 3\nd 4\ne 5\n");
    WAIT(r->books.delivered == 5);
    struct payload_id whole = id_of("x", 1, 0, 0);
    static const char *const bodies[] = {"a:1|g\nb:2|g\n", "c:3|g\nd:4|g\n", "e:5|g\n"};
    CHECK_INT(r->fake.sends, 4);
    for (uint32_t i = 0; i < 3; i++) {
        const struct fake_send *s = &r->fake.log[i + 1];
        CHECK_STR(s->body, bodies[i]);
        CHECK_INT(s->samples, i < 2 ? 2 : 1);
        CHECK_STR(s->key, "prod/x");
        CHECK_STR(s->address, "metrics.pods");
        CHECK(same_id(s->id, payload_id_piece(whole, i)));
    }
    CHECK_INT(r->books.splits, 1);
    rig_scrape(r, "x", 2, "a 1\nb 2\nc 3\n"); /* later ones are made smaller */
    WAIT(r->books.delivered == 8);
    CHECK_INT(r->books.splits, 1);
    rig_finish(r);
}

TEST(where_the_bound_is_no_help_a_payload_is_halved_until_it_fits)
{
    struct rig *r = rig_new();
    r->fake.limit = 7;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\nb 2\nc 3\nd 4\ne 5\nf 6\ng 7\nh 8\n");
    WAIT(r->books.delivered == 8);
    CHECK(r->books.splits >= 3);
    rig_finish(r);
}

TEST(what_cannot_be_cut_further_is_lost_as_too_large)
{
    struct rig *r = rig_new();
    r->fake.limit = 10;
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\nlonger_name 2\nc 3\n");
    WAIT(r->books.delivered == 2);
    WAIT(r->books.in_memory == 0);
    CHECK_INT(r->books.lost[LOST_TOO_LARGE], 1);
    rig_finish(r);
}

TEST(thousands_of_records_are_cut_and_none_is_lost)
{
    struct rig *r = rig_new();
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    for (int i = 0; i < 3000; i++)
        CHECK_INT(buf_printf(&text, "series_%d %d\n", i, i), OK);
    r->conf.max_samples = 5000;
    r->fake.limit = 4000;
    r->fake.told_limit = 4000;
    rig_start(r);
    rig_scrape(r, "x", 1, text.data);
    WAIT(r->books.delivered == 3000);
    CHECK_INT(r->books.splits, 1);
    rig_finish(r);
}

TEST(what_the_peer_refuses_is_lost_by_that_name_and_the_next_goes_on)
{
    struct rig *r = rig_started();
    fake_steer(&r->fake, FAKE_FAILS, ERR_INVALID);
    rig_scrape(r, "x", 1, "a 1\nb 2\n");
    WAIT(r->books.lost[LOST_REFUSED] == 2);
    CHECK_INT(lane_state(r->lane).last_error.status, ERR_INVALID);
    CHECK_STR(lane_state(r->lane).last_error.text, "fake: invalid");
    fake_steer(&r->fake, FAKE_ENDS, OK);
    rig_scrape(r, "x", 2, "a 1\n");
    WAIT(r->books.delivered == 1);
    rig_finish(r);
}

/* 64 KiB for the buffer: three of the largest messages; each payload counts 2 KiB and some. */
TEST(a_full_buffer_loses_its_oldest_and_never_makes_a_worker_wait)
{
    struct rig *r = rig_new();
    char id[16];
    r->conf.buffer_bytes = 1;
    r->conf.max_message = 100;
    r->fake.way = FAKE_HOLDS;
    rig_start(r);
    for (int64_t i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "x%03d", (int)i);
        rig_scrape(r, id, i, "a 1\n");
        struct lane_state s = lane_state(r->lane);
        CHECK(s.buffer.bytes <= s.buffer.cap_bytes);
        CHECK(s.buffer.cap_bytes + s.held_bytes <= 3 * (100 + 2 * PAYLOAD_TEXT_MAX + 2048));
    }
    CHECK(r->books.lost[LOST_BUFFER_FULL] > 400);
    check_balance(r);
    while (r->books.in_memory > 0) {
        if (fake_held(&r->fake) > 0)
            fake_end(&r->fake, 0, OK);
        WAIT(fake_held(&r->fake) > 0 || r->books.in_memory == 0);
    }
    CHECK_STR(r->fake.log[r->fake.sends - 1].key, "prod/x499"); /* the newest are kept */
    rig_finish(r);
}

enum { STEADY_SERIES = 300, STEADY_SCRAPES = 20 };

static void steady_text(struct buf *text)
{
    for (int i = 0; i < STEADY_SERIES; i++)
        CHECK_INT(buf_printf(text, "series_with_a_longer_name_%03d 1\n", i), OK);
}

TEST(a_steady_run_allocates_nothing)
{
    struct rig *r = rig_new();
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    steady_text(&text);
    r->conf.max_message = 4096; /* of 34 bytes a sample: two handed over, one copied */
    rig_start(r);
    for (int i = 0; i < 2; i++) { /* page and payloads have all they need after two */
        fake_steer(&r->fake, FAKE_HOLDS, OK);
        rig_scrape(r, "x", 0, text.data);
        rig_release(r, 3);
    }
    uint64_t before = mem_count();
    for (int64_t i = 1; i <= STEADY_SCRAPES; i++) {
        rig_scrape(r, "x", i, text.data);
        WAIT(r->books.in_memory == 0);
    }
    CHECK_INT(mem_count(), before);
    CHECK(lane_state(r->lane).pooled_bytes > 0);
    CHECK_INT(r->books.delivered, (STEADY_SCRAPES + 2) * STEADY_SERIES);
    rig_finish(r);
}

TEST(a_small_message_takes_little_memory)
{
    struct rig *r = rig_started();
    rig_scrape(r, "x", 1, "a 1\n");
    WAIT(r->books.in_memory == 0);
    CHECK(lane_state(r->lane).pooled_bytes < 4096);
    rig_finish(r);
}

/* As a worker does for each lane of its pool. */
static void scrape_both(struct rig *r, struct rig *q, int64_t due_ms, const char *text)
{
    rig_scrape(r, "x", due_ms, text);
    q->scratch = r->scratch;
    rig_scrape(q, "x", due_ms, text);
    r->scratch = q->scratch;
    q->scratch = (struct lane_scratch){0};
}

TEST(two_lanes_of_unlike_size_share_a_worker_and_allocate_nothing)
{
    struct rig *r = rig_new(), *q = rig_new();
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    steady_text(&text);
    r->conf.max_message = 4096;
    q->conf.max_message = 7000;
    rig_start(r);
    rig_start(q);
    CHECK(lane_id(r->lane) != lane_id(q->lane));
    for (int i = 0; i < 2; i++) {
        fake_steer(&r->fake, FAKE_HOLDS, OK);
        fake_steer(&q->fake, FAKE_HOLDS, OK);
        scrape_both(r, q, 0, text.data);
        rig_release(r, 3);
        rig_release(q, 2);
    }
    uint64_t before = mem_count();
    for (int64_t i = 1; i <= STEADY_SCRAPES; i++) {
        scrape_both(r, q, i, text.data);
        WAIT(r->books.in_memory + q->books.in_memory == 0);
    }
    CHECK_INT(mem_count(), before);
    rig_finish(r);
    rig_finish(q);
}

TEST(a_lane_says_what_the_sink_has_against_its_settings)
{
    struct rig *r = rig_new();
    struct err err = {.text = ""};
    r->fake.way = FAKE_FAILS;
    r->fake.how = ERR_INVALID;
    setting_defaults(r->conf.encoder->settings, r->encoder_conf);
    r->conf.encoder_conf = r->encoder_conf;
    CHECK_INT(lane_new(&r->lane, &r->conf, &r->books, &err), ERR_INVALID);
    CHECK_STR(err.text, "fake: no");
    rig_free(r);
}

TEST(each_loss_has_its_name)
{
    CHECK_STR(lane_loss_name(LOST_BUFFER_FULL), "buffer_full");
    for (enum lane_loss i = 0; i < LANE_LOSSES; i++)
        for (enum lane_loss k = 0; k < i; k++)
            CHECK(strcmp(lane_loss_name(i), lane_loss_name(k)) != 0);
    for (enum scrape_failure i = 0; i < SCRAPE_FAILURES; i++)
        CHECK(scrape_failure_name(i)[0] != '\0');
    for (size_t i = 1; i < BOOKS_BUCKETS - 1; i++)
        CHECK(books_bucket_seconds[i] > books_bucket_seconds[i - 1]);
}
