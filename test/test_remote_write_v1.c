/* SPDX-License-Identifier: Apache-2.0 */
/* Version 1.0 of remote write as snappy's elements: what the library opens is what is written field by
 * field here. */
#include "remote_write_plain.h"
#include "script_pages.h"

struct rig {
    struct page *page;
    struct encoder_step step;
    struct payload *got;
    struct buf raw, want, back;
    size_t messages, records, content, bytes; /* of all so far */
};

static void rig_open(struct rig *r, size_t max)
{
    *r = (struct rig){.step = encoder_configured("remote_write", "version=v1"),
                      .got = payload_new("key", max),
                      .raw = BUF_INIT(MOST),
                      .want = BUF_INIT(MOST),
                      .back = BUF_INIT(MOST)};
    r->page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    r->step.max_samples = SIZE_MAX;
}

static void rig_close(struct rig *r)
{
    r->step.ops->close(r->step.self);
    page_free(r->page);
    payload_free(r->got);
    buf_done(&r->raw);
    buf_done(&r->want);
    buf_done(&r->back);
}

/* The records of b from `from` up to `to` that are in a message. */
static void want_records(struct rig *r, const struct batch *b, size_t from, size_t to)
{
    buf_truncate(&r->want, 0);
    for (size_t i = from; i < to; i++)
        plain_record(&r->want, b, i);
}

static void check_batch(struct rig *r, const struct batch *b)
{
    struct encoder_counts counts = {0};
    size_t from = 0, before = 0;
    buf_truncate(&r->got->body, 0);
    while (encoder_run(&r->step, b, &from, r->got, &r->raw, &counts) > 0) {
        CHECK(r->got->body.len <= r->got->body.max);
        plain_open(r->got, &r->back);
        want_records(r, b, before, from);
        CHECK_INT(r->back.len, r->want.len);
        CHECK(memcmp(r->back.data, r->want.data, r->want.len) == 0);
        r->messages++;
        r->records += r->got->samples;
        r->content += r->want.len;
        r->bytes += r->got->body.len;
        buf_truncate(&r->got->body, 0);
        before = from;
    }
    CHECK_INT(from, batch_records(b));
}

static void check_text(struct rig *r, const char *text)
{
    struct batch *b = read_text(r->page, text);
    check_batch(r, b);
    batch_commit(b);
}

TEST(steady_pages)
{
    struct rig r;
    rig_open(&r, 5000);
    for (int i = 0; i < 3; i++)
        check_text(&r, PODS REST);
    check_text(&r, PODS REST_LATER);
    CHECK_INT(r.messages, 4);
    CHECK_INT(r.records, 24);
    CHECK(r.bytes * 5 < r.content * 3);
    rig_close(&r);
}

TEST(equal_values_and_values_that_share_some_bytes)
{
    struct rig r;
    rig_open(&r, 50000);
    for (int i = 0; i < 3; i++)
        check_text(&r, "a{x=\"1\"} 0\na{x=\"2\"} 0\na{x=\"3\"} 0\na{x=\"30\"} 0\na{x=\"4\"} 1\n"
                       "a{x=\"5\"} 2\na{x=\"6\"} 3.1415926535\na{x=\"7\"} 3.1415926536\n"
                       "a{x=\"8\"} 3.1415926536\na{x=\"9\"} -3.1415926536\na{x=\"10\"} 1e300\n"
                       "b 1e300\nc 1e300\nd 1e-300\ne NaN\nf NaN\ng 5e-324\nh 1e-323\n");
    rig_close(&r);
}

TEST(other_orders_and_series)
{
    struct rig r;
    rig_open(&r, 5000);
    for (size_t i = 0; i < 3 * ARRAY_LEN(script_orders); i++)
        check_text(&r, script_orders[i % ARRAY_LEN(script_orders)]);
    rig_close(&r);
}

TEST(lines_drop_out)
{
    struct rig r;
    rig_open(&r, 5000);
    for (unsigned bits = 0; bits < 64; bits++)
        check_batch(&r, script_some(r.page, bits));
    rig_close(&r);
}

TEST(times_of_their_own)
{
    struct rig r;
    rig_open(&r, 5000);
    for (int i = 0; i < 3; i++)
        check_text(&r, SCRIPT_TIMES);
    rig_close(&r);
}

TEST(exemplars)
{
    struct rig r;
    rig_open(&r, 5000);
    for (int scrape = 0; scrape < 3; scrape++)
        check_batch(&r, extra_batch(r.page));
    rig_close(&r);
}

TEST(lengths)
{
    struct rig r;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&r, MOST);
    script_lengths(&text);
    for (int i = 0; i < 3; i++)
        check_text(&r, text.data);
    CHECK_INT(r.messages, 3);
    CHECK(r.bytes < r.content);
    rig_close(&r);
}

/* With each second series ended, all, none. */
TEST(ended_series)
{
    struct rig r;
    AUTO(buf) struct buf all = BUF_INIT(MOST), half = BUF_INIT(MOST);
    rig_open(&r, 5000);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(buf_printf(&all, "a{x=\"%d\"} %d\n", i * 7, i), OK);
        CHECK_INT(i % 2 ? buf_printf(&half, "a{x=\"%d\"} %d\n", i * 7, i) : OK, OK);
    }
    const char *const texts[] = {all.data, half.data, "", all.data, "", half.data, all.data};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        check_text(&r, texts[i]);
    rig_close(&r);
}

TEST(heads_too_long_for_a_script)
{
    struct rig r;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&r, MOST);
    for (int i = 0; i < 6; i++)
        CHECK_INT(buf_printf(&text, "b{x=\"%0*d\"} 1\nb{y=\"%d\"} 1\n", 4050 + 8 * i, i, i), OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(buf_printf(&text, "b{x=\"%06000d\"} 1\n", i), OK);
    CHECK_INT(buf_puts(&text, "c 1\nc{x=\"1\"} 2\n"), OK);
    for (int i = 0; i < 3; i++)
        check_text(&r, text.data);
    CHECK_INT(r.messages, 3);
    rig_close(&r);
}

/* A record of so much exemplar that nothing behind it can be a copy of it. */
TEST(records_too_long_to_be_copied_from)
{
    struct rig r;
    AUTO(buf) struct buf labels = BUF_INIT(MOST);
    rig_open(&r, MOST);
    for (size_t len = 50000; len < 70000; len += 1000) {
        struct batch *b = read_text(r.page, "a{x=\"1\"} 1\na{x=\"2\"} 1\na{x=\"3\"} 1\n");
        buf_truncate(&labels, 0);
        CHECK_INT(buf_add(&labels, "l", 2), OK);
        CHECK_INT(buf_printf(&labels, "%0*d", (int)len, 0), OK);
        CHECK_INT(buf_add(&labels, "", 1), OK);
        b->extras_len = 0;
        extra_set(b, 1,
                  &(struct sample_extra){.created_ms = EXTRA_NO_TIME,
                                         .has_exemplar = true,
                                         .exemplar = {.labels = {labels.data, labels.len}}});
        check_batch(&r, b);
    }
    rig_close(&r);
}

TEST(every_bound)
{
    for (size_t max = 0; max < 2500; max += max < 400 ? 1 : 7) {
        struct rig r;
        rig_open(&r, max);
        for (int i = 0; i < 3; i++) {
            struct batch *b = read_text(r.page, i % 2 ? PODS : PODS REST);
            struct encoder_counts counts = {0};
            size_t from = 0;
            while (encoder_run(&r.step, b, &from, r.got, &r.raw, &counts) > 0) {
                CHECK(r.got->body.len <= max);
                plain_open(r.got, &r.back);
                CHECK(r.back.len <= 4 * max);
                buf_truncate(&r.got->body, 0);
            }
            CHECK_INT(counts.skipped[SKIP_TOO_LARGE] + counts.encoded, b->len + counts.ended);
            CHECK(counts.skipped[SKIP_TOO_LARGE] == 0 || max < 150);
        }
        rig_close(&r);
    }
}

/* What one agent has seen before another does not change what it writes. */
TEST(equal_records_are_equal_bytes)
{
    struct rig one, two;
    rig_open(&one, 5000);
    rig_open(&two, 5000);
    check_text(&one, REST PODS);
    check_text(&one, PODS);
    for (int i = 0; i < 3; i++) {
        struct encoder_counts counts = {0};
        size_t from = 0;
        struct batch *b = read_text(one.page, PODS REST);
        b->ended_len = 0;
        buf_truncate(&one.got->body, 0);
        buf_truncate(&two.got->body, 0);
        CHECK_INT(encoder_run(&one.step, b, &from, one.got, &one.raw, &counts), 6);
        from = 0;
        b = read_text(two.page, PODS REST);
        CHECK_INT(encoder_run(&two.step, b, &from, two.got, &two.raw, &counts), 6);
        CHECK_INT(one.got->body.len, two.got->body.len);
        CHECK(memcmp(one.got->body.data, two.got->body.data, one.got->body.len) == 0);
    }
    rig_close(&one);
    rig_close(&two);
}

/* The first message of what page reads of text, each third record with an exemplar or none. */
static void encode_exemplars(struct rig *r, const char *text, bool with)
{
    struct encoder_counts counts = {0};
    size_t from = 0;
    struct batch *b = read_text(r->page, text);
    b->extras_len = 0;
    for (size_t i = 0; with && i < b->len; i += 3)
        extra_set(b, i,
                  &(struct sample_extra){.created_ms = EXTRA_NO_TIME,
                                         .has_exemplar = true,
                                         .exemplar = {.labels = {"trace\0007\0", 8}}});
    buf_truncate(&r->got->body, 0);
    CHECK_INT(encoder_run(&r->step, b, &from, r->got, &r->raw, &counts), b->len);
    batch_commit(b);
}

TEST(scripts_do_not_hang_on_exemplars)
{
    struct rig one;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&one, 20000);
    for (int i = 0; i < 60; i++)
        CHECK_INT(buf_printf(&text, "x_total{a=\"pod-%d\",m=\"mode%d\",z=\"%s%d\"} %d\n", i / 7,
                             i % 5, i % 3 ? "red" : "green", i % 11, i * 3),
                  OK);
    for (int i = 0; i < 4; i++) {
        struct rig two;
        rig_open(&two, 20000);
        encode_exemplars(&one, text.data, i % 2);
        encode_exemplars(&two, text.data, i % 2);
        CHECK_INT(one.got->body.len, two.got->body.len);
        CHECK(memcmp(one.got->body.data, two.got->body.data, one.got->body.len) == 0);
        rig_close(&two);
    }
    rig_close(&one);
}

/* Of labels that repeat nothing no more is kept than of a short script. */
TEST(scripts_that_would_be_too_long_are_not_kept)
{
    struct rig r;
    uint64_t random = SCRIPT_SEED;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&r, MOST);
    for (int i = 0; i < 40; i++) {
        CHECK_INT(buf_puts(&text, "b{x=\""), OK);
        for (int n = 0; n < i; n++)
            CHECK_INT(buf_printf(&text, "%016llx%08llx", (unsigned long long)script_random(&random),
                                 (unsigned long long)script_random(&random) >> 32),
                      OK);
        CHECK_INT(buf_printf(&text, "\"} %d\n", i), OK);
    }
    for (int scrape = 0; scrape < 3; scrape++) {
        struct batch *b = read_text(r.page, text.data);
        check_batch(&r, b);
        for (size_t i = 0; i < b->len; i++)
            CHECK(series_part(b->samples[i].series, 0).len <= 700);
        batch_commit(b);
    }
    rig_close(&r);
}

TEST(a_steady_scrape_allocates_nothing_and_changes_no_part)
{
    struct rig r;
    rig_open(&r, 5000);
    script_check_steady(&r.step, r.page, r.got, &r.raw);
    rig_close(&r);
}

TEST(random_pages)
{
    struct rig r;
    uint64_t random = SCRIPT_SEED;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&r, 300);
    for (int scrape = 0; scrape < 60; scrape++) {
        script_random_page(&text, &random, scrape);
        check_text(&r, text.data);
    }
    CHECK(r.messages > 100);
    rig_close(&r);
}
