/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON as LZ4 frames: what is opened is what is written without compression. */
#include "script_pages.h"

#include <lz4frame.h>

/* Two lanes of one page: plain, and as frames. */
struct rig {
    struct page *page;
    struct encoder_step plain, lz4;
    struct lz4_message message;
    struct payload *want, *got;
    size_t frames, plain_bytes, bytes; /* of all so far */
};

static void rig_open(struct rig *r, const char *settings, size_t max)
{
    *r = (struct rig){.plain = encoder_configured("json", settings),
                      .lz4 = encoder_configured("json", settings),
                      .want = payload_new("key", max),
                      .got = payload_new("key", max)};
    r->page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 2);
    r->lz4.lane = 1;
    r->plain.max_samples = r->lz4.max_samples = SIZE_MAX;
    CHECK(encoder_writes_lz4(r->lz4.ops, r->lz4.self));
}

static void rig_close(struct rig *r)
{
    r->plain.ops->close(r->plain.self);
    r->lz4.ops->close(r->lz4.self);
    page_free(r->page);
    payload_free(r->want);
    payload_free(r->got);
    lz4_message_done(&r->message);
}

/* By the library's reader of frames, which knows nothing of ours. */
static void check_frame(const struct buf *frame, const struct buf *want)
{
    static char back[MOST];
    size_t len = sizeof back, in = frame->len;
    LZ4F_dctx *d;
    CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)));
    size_t left = LZ4F_decompress(d, back, &len, frame->data, &in, NULL);
    LZ4F_freeDecompressionContext(d);
    CHECK_INT(left, 0);
    CHECK_INT(in, frame->len);
    CHECK_INT(len, want->len);
    CHECK(memcmp(back, want->data, len) == 0);
    CHECK_INT(lz4_frame_content((struct span){frame->data, frame->len}), want->len);
}

static void check_payload(struct rig *r)
{
    const struct payload *want = r->want, *got = r->got;
    CHECK_INT(got->samples, want->samples);
    CHECK_STR(got->content_type, want->content_type);
    CHECK_INT(got->marks.len, want->marks.len);
    CHECK_INT(got->marks.records, want->marks.records);
    CHECK(memcmp(got->marks.at, want->marks.at, want->marks.len * sizeof *want->marks.at) == 0);
    r->plain_bytes += want->body.len;
    r->bytes += got->body.len;
    if (!got->headers) {
        CHECK_STR(got->body.data, want->body.data);
        return;
    }
    CHECK_STR(got->headers[0], "Content-Encoding: lz4");
    CHECK(!got->headers[1]);
    CHECK(got->body.len < want->body.len);
    check_frame(&got->body, &want->body);
    r->frames++;
}

/* The messages of b by both ways; as a filter would leave it. */
static void check_batch(struct rig *r, const struct batch *b)
{
    struct encoder_counts wanted = {0}, counts = {0};
    size_t from = 0, lz4_from = 0, n;
    r->lz4.lz4 = &r->message;
    do {
        buf_truncate(&r->want->body, 0);
        buf_truncate(&r->got->body, 0);
        n = encoder_run(&r->plain, b, &from, r->want, NULL, &wanted);
        CHECK_INT(encoder_run(&r->lz4, b, &lz4_from, r->got, NULL, &counts), n);
        CHECK_INT(lz4_from, from);
        if (n > 0)
            check_payload(r);
    } while (n > 0);
    CHECK(memcmp(&counts, &wanted, sizeof counts) == 0);
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
    rig_open(&r, "", 5000);
    check_text(&r, PODS REST);
    check_text(&r, PODS REST);
    check_text(&r, PODS REST_LATER);
    CHECK_INT(r.frames, 3);
    CHECK(r.bytes * 2 < r.plain_bytes);
    rig_close(&r);
}

TEST(help_and_units_end_a_line)
{
    struct rig r;
    rig_open(&r, "help=true", 5000);
    for (int i = 0; i < 3; i++)
        check_text(&r, "# HELP a_s Of \"a\".\n# TYPE a_s gauge\n# UNIT a_s s\na_s{x=\"1\"} 1\n"
                       "a_s{x=\"2\"} 2\na_s{x=\"3\"} 3\n# HELP b B.\nb{x=\"1\"} 1\nb{x=\"2\"} 1\n"
                       "c 1\nd 2\ne 3\n");
    CHECK_INT(r.frames, 3);
    rig_close(&r);
}

/* Each ends the message once: its value as before, in part, not at all, none before. */
TEST(values_that_are_as_before)
{
    static const char *const values[] = {"0",
                                         "0",
                                         "17",
                                         "175",
                                         "175",
                                         "NaN",
                                         "NaN",
                                         "1e5",
                                         "1",
                                         "12345678901234567890123456789012345678",
                                         "12345678901234567890123456789012345678"};
    struct rig r;
    AUTO(buf) struct buf text = BUF_INIT(5000);
    rig_open(&r, "", 5000);
    for (size_t most = 1; most <= ARRAY_LEN(values); most++)
        for (size_t first = 0; first < most; first++) {
            buf_truncate(&text, 0);
            for (size_t i = first; i < most; i++)
                CHECK_INT(buf_printf(&text, "a{x=\"%zu\"} %s\n", i, values[i]), OK);
            check_text(&r, text.data);
        }
    rig_close(&r);
}

TEST(other_orders_and_series)
{
    struct rig r;
    rig_open(&r, "", 5000);
    for (size_t i = 0; i < 3 * ARRAY_LEN(script_orders); i++)
        check_text(&r, script_orders[i % ARRAY_LEN(script_orders)]);
    rig_close(&r);
}

TEST(lines_drop_out)
{
    struct rig r;
    rig_open(&r, "", 5000);
    for (unsigned bits = 0; bits < 64; bits++)
        check_batch(&r, script_some(r.page, bits));
    rig_close(&r);
}

TEST(values_that_are_words_and_texts_with_escapes)
{
    struct rig r;
    rig_open(&r, "", 5000);
    for (int i = 0; i < 3; i++)
        check_text(&r, "a{x=\"\\\"\\\\\\n\"} NaN\na{x=\"\\\"\\\\\"} +Inf\na{x=\"\"} -Inf\n"
                       "a{x=\"\xc3\xa9\"} 1e-300\n{\"x.y\",\"l.m\"=\"z\"} 5\nb 0\n");
    rig_close(&r);
}

TEST(times_of_their_own)
{
    struct rig r;
    rig_open(&r, "", 5000);
    for (int i = 0; i < 3; i++)
        check_text(&r, SCRIPT_TIMES);
    rig_close(&r);
}

TEST(exemplars_and_created_times)
{
    static const char *const settings[] = {"", "help=true"};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct rig r;
        rig_open(&r, settings[i], 5000);
        for (int scrape = 0; scrape < 3; scrape++)
            check_batch(&r, extra_batch(r.page));
        rig_close(&r);
    }
}

/* The bound is that of the content: what is in a message does not hang on how it is written. */
TEST(every_bound)
{
    for (size_t max = 0; max < 1500; max += max < 300 ? 1 : 7) {
        struct rig r;
        rig_open(&r, "", max);
        for (int i = 0; i < 3; i++)
            check_text(&r, i % 2 ? PODS : PODS REST);
        rig_close(&r);
    }
}

TEST(lengths)
{
    struct rig r;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&r, "", MOST);
    script_lengths(&text);
    for (int i = 0; i < 3; i++)
        check_text(&r, text.data);
    CHECK_INT(r.frames, 3);
    rig_close(&r);
}

TEST(heads_and_records_too_long_for_a_script)
{
    struct rig r;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&r, "help=true", MOST);
    CHECK_INT(buf_printf(&text, "# HELP a %060000d\n", 1), OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(buf_printf(&text, "a{x=\"%d\"} 1\n", i), OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(buf_printf(&text, "b{x=\"%05000d\"} 1\n", i), OK);
    CHECK_INT(buf_puts(&text, "c 1\nc{x=\"1\"} 2\n"), OK);
    for (int i = 0; i < 3; i++)
        check_text(&r, text.data);
    CHECK_INT(r.frames, 3);
    rig_close(&r);
}

/* A head that repeats little of the one before has no script, and nobody looks for one again. */
TEST(scripts_that_would_be_too_long_are_not_made_again)
{
    struct rig r;
    unsigned seed = 1;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&r, "", MOST);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(buf_puts(&text, "b{x=\""), OK);
        for (int n = 0; n < 100; n++)
            CHECK_INT(buf_printf(&text, "%08x", (unsigned)rand_r(&seed) * 2654435761u), OK);
        CHECK_INT(buf_printf(&text, "\"} %d\n", i), OK);
    }
    CHECK_INT(buf_puts(&text, "c 1\nc{x=\"1\"} 2\n"), OK);
    for (int scrape = 0; scrape < 3; scrape++) {
        struct batch *b = read_text(r.page, text.data);
        check_batch(&r, b);
        for (size_t i = 0; i < b->len; i++) {
            const struct lz4_script *script =
                (const void *)series_part(b->samples[i].series, 1).data;
            CHECK(script && (script->before != 0) == (i > 0));
            CHECK((script->prefix > 0) == (i >= 20));
            CHECK(script->len < 100);
        }
        batch_commit(b);
    }
    rig_close(&r);
}

TEST(a_steady_scrape_allocates_nothing_and_changes_no_part)
{
    struct rig r;
    rig_open(&r, "", 5000);
    r.lz4.lz4 = &r.message;
    script_check_steady(&r.lz4, r.page, r.got, NULL);
    rig_close(&r);
}

TEST(only_lines_are_written_so)
{
    static const char *const modes[] = {"mode=array", "mode=single"};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct encoder_step e = encoder_configured("json", modes[i]);
        CHECK(!encoder_writes_lz4(e.ops, e.self));
        e.ops->close(e.self);
    }
    CHECK(!encoder_writes_lz4(encoder_find("statsd"), NULL));
}

TEST(random_pages)
{
    struct rig r;
    uint64_t random = SCRIPT_SEED;
    AUTO(buf) struct buf text = BUF_INIT(MOST);
    rig_open(&r, "", 3000);
    for (int scrape = 0; scrape < 60; scrape++) {
        script_random_page(&text, &random, scrape);
        check_text(&r, text.data);
    }
    CHECK(r.frames > 100);
    rig_close(&r);
}
