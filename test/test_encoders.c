/* SPDX-License-Identifier: Apache-2.0 */
#include "encoders.h"
#include "mem.h"
#include "read.h"
#include "test.h"

/* Opens the encoder called name with at most one setting. */
static struct encoder_step open_encoder(const char *name, const char *key, const char *value)
{
    struct encoder_step e = {.ops = encoder_find(name), .max_samples = 1000};
    _Alignas(max_align_t) char conf[256] = {0};
    setting_defaults(e.ops->settings, conf);
    if (key)
        CHECK_INT(setting_set(setting_find(e.ops->settings, key), conf, value, NULL), OK);
    CHECK_INT(e.ops->open(&e.self, conf, NULL), OK);
    setting_done(e.ops->settings, conf);
    return e;
}

static struct page *new_page(void)
{
    return page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
}

static void check_books(const struct encoder_counts *c, size_t samples)
{
    CHECK_INT(c->encoded + c->skipped[SKIP_UNSAYABLE] + c->skipped[SKIP_TOO_LARGE],
              samples + c->ended);
}

/* Encodes b into messages of max_bytes, joined by "|", and checks the whole. */
static struct encoder_counts check_messages(const struct encoder_step *e, const struct batch *b,
                                            size_t max_bytes, const char *want)
{
    struct encoder_counts counts = {0};
    AUTO(buf) struct buf all = BUF_INIT(10000), raw = BUF_INIT(10000);
    AUTO_PTR(payload) struct payload *p = payload_new("key", max_bytes);
    size_t from = 0;
    while (encoder_run(e, b, &from, p, &raw, &counts) > 0) {
        CHECK_INT(buf_cat(&all, all.len ? "|" : "", p->body.data, NULL), OK);
        CHECK(p->samples > 0 && p->content_type == e->ops->content_type(e->self));
        CHECK_INT(p->body.max, max_bytes);
        CHECK_INT(raw.max, 10000);
        buf_truncate(&p->body, 0);
    }
    CHECK_INT(p->body.len, 0);
    CHECK_INT(from, batch_records(b));
    check_books(&counts, b->len);
    CHECK_STR(all.data, want);
    return counts;
}

#define TIME "\"timestamp\":\"2026-11-21T14:26:00.123Z\""

TEST(json_writes_one_object_per_line)
{
    struct encoder_step e = open_encoder("json", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b =
        read_text(p, "# TYPE up gauge\nup{pod=\"a \\\"b\\\\\",ns=\"\t\"} 1.50\nbad NaN 0\n"
                     "low -Inf\nplus +5\n");
    static const char want[] =
        "{\"name\":\"up\",\"type\":\"gauge\","
        "\"tags\":{\"ns\":\"\\u0009\",\"pod\":\"a \\\"b\\\\\"}," TIME ",\"value\":1.50}\n"
        "{\"name\":\"bad\",\"type\":\"untyped\",\"tags\":{},"
        "\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"value\":\"NaN\"}\n"
        "{\"name\":\"low\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"value\":\"-Inf\"}\n"
        "{\"name\":\"plus\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"value\":5}\n";
    check_messages(&e, b, 10000, want);
    CHECK(series_part(b->samples[0].series, 0).data != NULL);
    check_messages(&e, b, 10000, want); /* now from the cache */
    CHECK_STR(e.ops->content_type(e.self), "application/x-ndjson");
    e.ops->close(e.self);
}

/* So many of c. */
static void add_run(struct buf *b, char c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK_INT(buf_add(b, &c, 1), OK);
}

/* A line and its object, in a message with just the room. */
static void check_line(struct page *p, const char *line, const char *want)
{
    struct encoder_step e = open_encoder("json", NULL, NULL);
    struct batch *b = read_text(p, line);
    size_t just = strlen(want) + e.ops->end_bytes;
    for (int i = 0; i < 2; i++)
        check_messages(&e, b, just, want);
    struct encoder_counts c = check_messages(&e, b, just - 1, "");
    CHECK_INT(c.skipped[SKIP_TOO_LARGE], 1);
    e.ops->close(e.self);
}

TEST(json_objects_are_whole_however_long_their_texts_are)
{
    static const size_t lens[] = {1, 2, 15, 16, 17, 31, 32, 33, 64, 254, 255, 256, 257};
    AUTO(buf) struct buf line = BUF_INIT(10000), want = BUF_INIT(10000);
    for (size_t i = 0; i < ARRAY_LEN(lens) * 8; i++) {
        AUTO_PTR(page) struct page *p = new_page();
        size_t len = lens[i / 8], name = i & 1 ? len : 3, label = i & 2 ? len : 3,
               value = i & 4 ? len : 3;
        buf_truncate(&line, 0);
        buf_truncate(&want, 0);
        add_run(&line, 'n', name);
        CHECK_INT(
            buf_printf(&want, "{\"name\":\"%s\",\"type\":\"untyped\",\"tags\":{\"", line.data), OK);
        add_run(&want, 'k', label);
        CHECK_INT(buf_cat(&line, "{", want.data + want.len - label, "=\"", NULL), OK);
        CHECK_INT(buf_puts(&want, "\":\""), OK);
        add_run(&want, 'v', value);
        CHECK_INT(buf_cat(&line, want.data + want.len - value, "\",z=\"1\"} 7\n", NULL), OK);
        CHECK_INT(buf_puts(&want, "\",\"z\":\"1\"}," TIME ",\"value\":7}\n"), OK);
        check_line(p, line.data, want.data);
    }
}

TEST(json_objects_are_whole_however_many_labels_they_have)
{
    char names[TARGET_LABELS][8];
    struct label labels[TARGET_LABELS];
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_labels = SIZE_MAX;
    for (size_t i = 0; i < TARGET_LABELS; i++) {
        snprintf(names[i], sizeof names[i], "z%03zu", i);
        labels[i] = (struct label){names[i], "v"};
    }
    AUTO(buf) struct buf line = BUF_INIT(10000), want = BUF_INIT(10000);
    for (size_t own = TARGET_LABELS - 2; own <= TARGET_LABELS; own++) {
        AUTO_PTR(target)
        struct target *t =
            target_new(&(struct target){.id = "t", .labels = labels, .labels_len = own});
        AUTO_PTR(page) struct page *p = page_new(t, &limits, 1);
        buf_truncate(&line, 0);
        buf_truncate(&want, 0);
        CHECK_INT(buf_puts(&line, "n{"), OK);
        CHECK_INT(buf_puts(&want, "{\"name\":\"n\",\"type\":\"untyped\",\"tags\":{"), OK);
        for (unsigned i = 0; i < 64; i++) {
            CHECK_INT(buf_printf(&line, "a%03u=\"b\",", i), OK);
            CHECK_INT(buf_printf(&want, "\"a%03u\":\"b\",", i), OK);
        }
        for (size_t i = 0; i < own; i++)
            CHECK_INT(buf_cat(&want, i ? "," : "", "\"", names[i], "\":\"v\"", NULL), OK);
        CHECK_INT(buf_puts(&line, "} 7\n"), OK);
        CHECK_INT(buf_puts(&want, "}," TIME ",\"value\":7}\n"), OK);
        check_line(p, line.data, want.data);
    }
}

TEST(json_may_write_an_array_per_message)
{
    struct encoder_step e = open_encoder("json", "mode", "array");
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a 1\nb 2\nc 3\n");
#define ONE(name, value) \
    "{\"name\":\"" name "\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"value\":" value "}"
    e.max_samples = 2;
    check_messages(&e, b, 10000, "[" ONE("a", "1") "," ONE("b", "2") "]\n|[" ONE("c", "3") "]\n");
    e.max_samples = 1000;
    size_t one = sizeof "[" ONE("a", "1") "]\n" - 1;
    check_messages(&e, b, 2 * one + 20,
                   "[" ONE("a", "1") "," ONE("b", "2") "]\n|[" ONE("c", "3") "]\n");
    e.ops->close(e.self);
}

TEST(a_changed_value_is_printed_anew)
{
    struct encoder_step e = open_encoder("statsd", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a 1.50\nb 1.50\n");
    sample_set(&b->samples[1], 1.25);
    check_messages(&e, b, 1000, "a:1.50|g\nb:1.25|g\n");
    e.ops->close(e.self);
}

TEST(statsd_writes_gauges_with_clean_tags)
{
    struct encoder_step e = open_encoder("statsd", "prefix", "k8s.");
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "up{pod=\"a b|c\",ns=\"x\"} 1\nbad NaN\njob:load 0.25\n");
    struct encoder_counts c =
        check_messages(&e, b, 1000, "k8s.up:1|g|#ns:x,pod:a_b_c\nk8s.job_load:0.25|g\n");
    CHECK_INT(c.skipped[SKIP_UNSAYABLE], 1);
    e.ops->close(e.self);
}

TEST(statsd_sends_counters_as_differences)
{
    static const struct {
        const char *text, *want;
    } scrapes[] = {
        {"# TYPE a counter\na 10\n", ""}, /* nothing to compare with */
        {"# TYPE a counter\na 12.5\n", "a:2.5|c\n"},
        {"# TYPE a counter\na NaN\n", ""},
        {"# TYPE a counter\na 13\n", ""},
        {"# TYPE a counter\na 13\n", "a:0|c\n"},
        {"# TYPE a counter\na 4\n", "a:4|c\n"}, /* the target started again */
    };
    struct encoder_step e = open_encoder("statsd", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    for (size_t i = 0; i < ARRAY_LEN(scrapes); i++) {
        struct batch *b = read_text(p, scrapes[i].text);
        check_messages(&e, b, 1000, scrapes[i].want);
        batch_commit(b);
    }
    e.ops->close(e.self);
}

TEST(messages_split_where_the_bound_says)
{
    struct encoder_step e = open_encoder("statsd", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a 1\nb 2\nc 3\nd 4\n");
    check_messages(&e, b, 12, "a:1|g\nb:2|g\n|c:3|g\nd:4|g\n");
    check_messages(&e, b, 14, "a:1|g\nb:2|g\n|c:3|g\nd:4|g\n"); /* "c:" would fit */
    e.max_samples = 3;
    check_messages(&e, b, 100, "a:1|g\nb:2|g\nc:3|g\n|d:4|g\n");
    e.ops->close(e.self);
}

/* Every bound from nothing to more than enough; the asan preset sees a byte too
 * many. */
TEST(no_bound_is_ever_passed)
{
    static const struct {
        const char *name, *key, *value;
    } encoders[] = {
        {"json", "mode", "array"}, {"json", "mode", "ndjson"},   {"json", "mode", "single"},
        {"json", "help", "true"},  {"statsd", "prefix", "k8s."},
    };
    for (size_t i = 0; i < ARRAY_LEN(encoders); i++) {
        struct encoder_step e = open_encoder(encoders[i].name, encoders[i].key, encoders[i].value);
        for (size_t max = 0; max < 400; max++) {
            AUTO_PTR(page) struct page *p = new_page();
            struct batch *b = read_text(p, "# HELP a q\"\n# UNIT a s\na{x=\"\\\"y\"} 1\nbc 22.5\n"
                                           "def Inf\n");
            AUTO_PTR(payload) struct payload *out = payload_new("key", max);
            struct encoder_counts counts = {0};
            for (int scrape = 0; scrape < 2; scrape++) { /* the second ends two */
                size_t from = 0;
                for (; encoder_run(&e, b, &from, out, NULL, &counts) > 0;
                     buf_truncate(&out->body, 0))
                    CHECK(out->body.len <= max);
                b = read_text(p, "# HELP a q\"\n# UNIT a s\na{x=\"\\\"y\"} 1\n");
            }
            check_books(&counts, 3 + 1);
        }
        e.ops->close(e.self);
    }
}

TEST(a_sample_too_large_for_any_message_is_counted_and_passed)
{
    struct encoder_step e = open_encoder("statsd", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a 1\nlonger 2\nc 3\n");
    CHECK_INT(check_messages(&e, b, 6, "a:1|g\n|c:3|g\n").skipped[SKIP_TOO_LARGE], 1);
    e.ops->close(e.self);
}

TEST(a_message_with_no_room_at_all_loses_all_and_ends)
{
    struct encoder_step e = open_encoder("json", "mode", "array");
    AUTO_PTR(page) struct page *p = new_page();
    CHECK_INT(check_messages(&e, read_text(p, "a 1\nb 2\n"), 2, "").skipped[SKIP_TOO_LARGE], 2);
    e.ops->close(e.self);
}

TEST(json_tells_the_end_of_what_it_has_sent)
{
    struct encoder_step e = open_encoder("json", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a 1 5\nb{x=\"y\"} 2 6\nc 3 7\n");
    b->len = 2; /* as if c were dropped by a filter */
    AUTO_PTR(payload) struct payload *out = payload_new("key", 1000);
    struct encoder_counts counts = {0};
    size_t from = 0;
    CHECK_INT(encoder_run(&e, b, &from, out, NULL, &counts), 2);
    b = read_text(p, "d 4\n");
    CHECK_INT(b->ended_len, 3);
    struct encoder_counts c = check_messages(
        &e, b, 1000,
        "{\"name\":\"d\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"value\":4}\n"
        "{\"name\":\"a\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"ended\":true}\n"
        "{\"name\":\"b\",\"type\":\"untyped\",\"tags\":{\"x\":\"y\"}," TIME ",\"ended\":true}\n");
    CHECK_INT(c.ended, 2);
    CHECK_INT(c.encoded, 3);
    e.ops->close(e.self);
}

TEST(a_series_of_another_type_than_before_is_still_known_as_sent)
{
    struct encoder_step e = open_encoder("json", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    check_messages(&e, read_text(p, "# TYPE a gauge\na 1\n"), 1000,
                   "{\"name\":\"a\",\"type\":\"gauge\",\"tags\":{}," TIME ",\"value\":1}\n");
    read_text(p, "# TYPE a counter\na 1\n"); /* all of it dropped by a filter */
    check_messages(&e, read_text(p, ""), 1000,
                   "{\"name\":\"a\",\"type\":\"counter\",\"tags\":{}," TIME ",\"ended\":true}\n");
    e.ops->close(e.self);
}

TEST(statsd_has_no_word_for_an_end)
{
    struct encoder_step e = open_encoder("statsd", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    check_messages(&e, read_text(p, "a 1\nb 2\n"), 1000, "a:1|g\nb:2|g\n");
    struct encoder_counts c = check_messages(&e, read_text(p, "b 3\n"), 1000, "b:3|g\n");
    CHECK_INT(c.ended, 1);
    CHECK_INT(c.skipped[SKIP_UNSAYABLE], 1);
    CHECK_STR(encoder_skip_name(SKIP_UNSAYABLE), "unsayable");
    e.ops->close(e.self);
}

TEST(ended_records_go_into_the_next_message_where_the_bound_says)
{
    struct encoder_step e = open_encoder("json", "mode", "array");
    AUTO_PTR(page) struct page *p = new_page();
    check_messages(&e, read_text(p, "a 1\nb 2\n"), 1000, "[" ONE("a", "1") "," ONE("b", "2") "]\n");
#define END(name) "{\"name\":\"" name "\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"ended\":true}"
    check_messages(&e, read_text(p, ""), sizeof "[" END("a") ",]\n" - 1,
                   "[" END("a") "]\n|[" END("b") "]\n");
    e.ops->close(e.self);
}

TEST(marks_say_where_records_begin)
{
    struct encoder_step e = open_encoder("statsd", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    AUTO_PTR(payload) struct payload *out = payload_new("key", 18);
    struct batch *b = read_text(p, "a 1\nlonger NaN\nbc 22\nd 4\ne 5\n");
    struct encoder_counts counts = {0};
    size_t from = 0;
    CHECK_INT(encoder_run(&e, b, &from, out, NULL, &counts), 2);
    CHECK_STR(out->body.data, "a:1|g\nbc:22|g\n");
    CHECK_INT(out->marks.len, 2);
    CHECK_INT(out->marks.at[0], 0);
    CHECK_INT(out->marks.at[1], 6);
    buf_truncate(&out->body, 0);
    CHECK_INT(encoder_run(&e, b, &from, out, NULL, &counts), 2);
    CHECK_INT(out->marks.len, 2);
    e.ops->close(e.self);
}

TEST(a_repeat_scrape_into_a_used_payload_allocates_nothing)
{
    struct encoder_step e = open_encoder("json", NULL, NULL);
    AUTO_PTR(page) struct page *p = new_page();
    AUTO_PTR(payload) struct payload *out = payload_new("key", 1000);
    struct encoder_counts counts = {0};
    uint64_t before = 0;
    for (int scrape = 0; scrape < 3; scrape++) {
        size_t from = 0;
        buf_truncate(&out->body, 0);
        struct batch *b = read_text(p, scrape % 2 ? "a 1\nb 0.25\n" : "a 7\nb 3.75\n");
        CHECK_INT(encoder_run(&e, b, &from, out, NULL, &counts), 2);
        CHECK_INT(out->marks.len, 2);
        batch_commit(b);
        page_rest(p, b);
        before = scrape == 0 ? mem_count() : before;
    }
    CHECK_INT(mem_count(), before);
    e.ops->close(e.self);
}

TEST(a_message_with_a_frame_has_no_marks)
{
    struct encoder_step e = open_encoder("json", "mode", "array");
    AUTO_PTR(page) struct page *p = new_page();
    AUTO_PTR(payload) struct payload *out = payload_new("key", 1000);
    struct encoder_counts counts = {0};
    size_t from = 0;
    payload_mark(out, 0);
    CHECK_INT(encoder_run(&e, read_text(p, "a 1\nb 2\n"), &from, out, NULL, &counts), 2);
    CHECK_INT(out->marks.len, 0);

    struct encoder_ops head = *e.ops, foot = *e.ops;
    head.end = NULL;
    foot.begin = NULL;
    const struct encoder_ops *const halves[] = {&head, &foot};
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        struct encoder_step half = {.ops = halves[i], .self = e.self, .max_samples = 10};
        buf_truncate(&out->body, 0);
        from = 0;
        CHECK_INT(encoder_run(&half, read_text(p, "a 1\nb 2\n"), &from, out, NULL, &counts), 2);
        CHECK_INT(out->marks.len, 0);
    }
    e.ops->close(e.self);
}

/* The smallest encoder with a finish: values, one a line; the message is preceded by
 * its length and has a '.' for each newline. */
static const char *dots_type(const void *self)
{
    (void)self;
    return "text/plain";
}

static const char *const *dots_headers(const void *self)
{
    static const char *const lines[] = {"Content-Encoding: dots", NULL};
    (void)self;
    return lines;
}

static enum status dots_constant(const void *self, const struct series *s, struct buf *out)
{
    (void)self;
    return buf_puts(out, series_name(s));
}

static enum status dots_append(const void *self, struct message *m, const struct sample *s,
                               struct span constant)
{
    (void)self;
    return buf_printf(m->out, "%.*s%g\n", (int)constant.len, constant.data, s->value);
}

static enum status dots_end(const void *self, struct message *m)
{
    (void)self;
    return buf_puts(m->out, "end");
}

enum { DOTS_HEAD = 4 };

static size_t dots_finish_max(const void *self, size_t max)
{
    (void)self;
    return max > DOTS_HEAD ? max - DOTS_HEAD : 0;
}

static void dots_finish(const void *self, struct span in, struct buf *out)
{
    (void)self;
    CHECK_INT(out->len, 0);
    CHECK_INT(buf_printf(out, "%03zu:", in.len), OK);
    CHECK_INT(buf_add(out, in.data, in.len), OK);
    for (size_t i = 0; i < out->len; i++)
        out->data[i] = out->data[i] == '\n' ? '.' : out->data[i];
}

static const struct encoder_ops encoder_dots = {
    .content_type = dots_type,
    .headers = dots_headers,
    .constant = dots_constant,
    .append = dots_append,
    .end = dots_end,
    .end_bytes = 3,
    .finish = dots_finish,
    .finish_max = dots_finish_max,
};

TEST(finish_makes_the_final_bytes_of_a_whole_message)
{
    struct encoder_step e = {.ops = &encoder_dots, .max_samples = 1000};
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a 1\nb 2\nc 3\n");
    check_messages(&e, b, 100, "012:a1.b2.c3.end");
    check_messages(&e, b, 4 + 6 + 3, "009:a1.b2.end|006:c3.end");
    check_messages(&e, b, 4 + 3 + 2, ""); /* one byte less than a needs */

    AUTO_PTR(payload) struct payload *out = payload_new("key", 100);
    AUTO(buf) struct buf raw = BUF_INIT(6 + 3); /* the bound before finish */
    struct encoder_counts counts = {0};
    size_t from = 0;
    CHECK_INT(encoder_run(&e, b, &from, out, &raw, &counts), 2);
    CHECK_STR(out->body.data, "009:a1.b2.end");
    CHECK_STR(out->headers[0], "Content-Encoding: dots");
    CHECK(!out->headers[1]);
    CHECK_INT(out->marks.len, 0);
}
