/* SPDX-License-Identifier: Apache-2.0 */
/* The message contract of the json encoder. */
#include "encoders.h"
#include "extra.h"
#include "json_check.h"
#include "mem.h"
#include "read.h"
#include "test.h"

#include <math.h>

#define TIME "\"timestamp\":\"2026-11-21T14:26:00.123Z\""

static enum status set(void *conf, const char *name, const char *text, struct err *err)
{
    const struct setting *s = setting_find(encoder_find("json")->settings, name);
    CHECK(s != NULL);
    return setting_set(s, conf, text, err);
}

static struct encoder_step open_json(const char *mode, const char *help)
{
    struct encoder_step e = {.ops = encoder_find("json"), .max_samples = 1000};
    _Alignas(max_align_t) char conf[64] = {0};
    CHECK(e.ops->conf_size <= sizeof conf);
    setting_defaults(e.ops->settings, conf);
    CHECK_INT(set(conf, "mode", mode, NULL), OK);
    CHECK_INT(set(conf, "help", help, NULL), OK);
    CHECK_INT(e.ops->open(&e.self, conf, NULL), OK);
    setting_done(e.ops->settings, conf);
    return e;
}

/* Encodes b and checks the messages, joined by '|'. */
static void check_messages(const struct encoder_step *e, const struct batch *b, size_t max_bytes,
                           const char *want)
{
    struct encoder_counts counts = {0};
    AUTO(buf) struct buf all = BUF_INIT(10000);
    AUTO_PTR(payload) struct payload *p = payload_new("key", max_bytes);
    size_t from = 0;
    for (; encoder_run(e, b, &from, p, NULL, &counts) > 0; buf_truncate(&p->body, 0))
        CHECK_INT(buf_cat(&all, all.len ? "|" : "", p->body.data, NULL), OK);
    CHECK_STR(all.data, want);
}

static void check_text(const char *mode, const char *help, const char *text, const char *want)
{
    struct encoder_step e = open_json(mode, help);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    for (int scrape = 0; scrape < 2; scrape++) /* constants made, then remembered */
        check_messages(&e, read_text(p, text), 5000, want);
    e.ops->close(e.self);
}

TEST(members_come_in_this_order)
{
    static const char text[] = "# HELP a_seconds Some \"help\\\\\".\n# TYPE a_seconds counter\n"
                               "# UNIT a_seconds seconds\na_seconds{y=\"2\",x=\"1\"} 17\nb 2\n";
#define HEAD                                                                                \
    "{\"name\":\"a_seconds\",\"type\":\"counter\",\"tags\":{\"x\":\"1\",\"y\":\"2\"}," TIME \
    ",\"value\":17,\"unit\":\"seconds\""
#define B "{\"name\":\"b\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"value\":2}\n"
    check_text("ndjson", "false", text, HEAD "}\n" B);
    check_text("ndjson", "true", text, HEAD ",\"help\":\"Some \\\"help\\\\\\\".\"}\n" B);
}

TEST(help_alone_and_no_help_at_all)
{
    check_text("ndjson", "true", "# HELP b\nb 2\n", B);
    check_text("ndjson", "false", "# HELP b Help.\nb 2\n", B);
    check_text("ndjson", "true", "# HELP b Two\\nlines \xc3\xa9.\nb 2\n",
               "{\"name\":\"b\",\"type\":\"untyped\",\"tags\":{}," TIME
               ",\"value\":2,\"help\":\"Two\\u000alines \xc3\xa9.\"}\n");
}

#define ONE(name, value) \
    "{\"name\":\"" name "\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"value\":" value "}"

TEST(digits_pass_unchanged)
{
    static const char *const plain[] = {
        "0",
        "-0",
        "1",
        "1.50",
        "-0.0001",
        "12345678901234567890",
        "0.1234567890123456789",
        "1e5",
        "1E+05",
        "2.5e-300",
        "4.9e-324",
    };
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        AUTO(buf) struct buf text = BUF_INIT(100), want = BUF_INIT(300);
        CHECK_INT(buf_printf(&text, "a %s\n", plain[i]), OK);
        CHECK_INT(buf_printf(&want, ONE("a", "%s") "\n", plain[i]), OK);
        check_text("ndjson", "false", text.data, want.data);
    }
    static const struct {
        const char *text, *value;
    } others[] = {
        {"NaN", "\"NaN\""}, {"+Inf", "\"+Inf\""}, {"inf", "\"+Inf\""}, {"-Inf", "\"-Inf\""},
        {"+5", "5"},        {"1.", "1"},          {"007", "7"},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        AUTO(buf) struct buf text = BUF_INIT(100), want = BUF_INIT(300);
        CHECK_INT(buf_printf(&text, "a %s\n", others[i].text), OK);
        CHECK_INT(buf_printf(&want, ONE("a", "%s") "\n", others[i].value), OK);
        check_text("ndjson", "false", text.data, want.data);
    }
}

TEST(a_message_is_lines_or_an_array_or_one_object)
{
    static const struct {
        const char *mode, *type, *want;
    } cases[] = {
        {"ndjson", "application/x-ndjson", ONE("a", "1") "\n" ONE("b", "2") "\n"},
        {"array", "application/json", "[" ONE("a", "1") "," ONE("b", "2") "]\n"},
        {"single", "application/json", ONE("a", "1") "\n|" ONE("b", "2") "\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct encoder_step e = open_json(cases[i].mode, "false");
        CHECK_STR(e.ops->content_type(e.self), cases[i].type);
        e.ops->close(e.self);
        check_text(cases[i].mode, "false", "a 1\nb 2\n", cases[i].want);
    }
}

TEST(a_message_takes_what_fits_to_the_byte)
{
    static const struct {
        const char *mode, *head, *between, *tail;
        size_t spare; /* kept free for the end of an array */
    } cases[] = {
        {"ndjson", "", "\n", "\n", 2},
        {"array", "[", ",", "]\n", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct encoder_step e = open_json(cases[i].mode, "false");
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO(buf) struct buf both = BUF_INIT(500), each = BUF_INIT(500);
        struct batch *b = read_text(p, "a 1\nb Inf\n");
        CHECK_INT(buf_cat(&both, cases[i].head, ONE("a", "1"), cases[i].between,
                          ONE("b", "\"+Inf\""), cases[i].tail, NULL),
                  OK);
        CHECK_INT(buf_cat(&each, cases[i].head, ONE("a", "1"), cases[i].tail, "|", cases[i].head,
                          ONE("b", "\"+Inf\""), cases[i].tail, NULL),
                  OK);
        check_messages(&e, b, both.len + cases[i].spare, both.data);
        check_messages(&e, b, both.len + cases[i].spare - 1, each.data);
        e.ops->close(e.self);
    }
}

TEST(an_ended_record_has_unit_and_help_too)
{
    static const char *const modes[] = {"ndjson", "array", "single"};
    static const char *const frames[][2] = {{"", "\n"}, {"[", "]\n"}, {"", "\n"}};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct encoder_step e = open_json(modes[i], "true");
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO(buf) struct buf want = BUF_INIT(500);
        AUTO_PTR(payload) struct payload *out = payload_new("key", 500);
        struct encoder_counts counts = {0};
        size_t from = 0;
        CHECK_INT(encoder_run(&e, read_text(p, "# HELP a h\n# UNIT a s\na 1\n"), &from, out, NULL,
                              &counts),
                  1);
        CHECK_INT(buf_cat(&want, frames[i][0], "{\"name\":\"a\",\"type\":\"untyped\",\"tags\":{},",
                          TIME, ",\"ended\":true,\"unit\":\"s\",\"help\":\"h\"}", frames[i][1],
                          NULL),
                  OK);
        check_messages(&e, read_text(p, ""), 500, want.data);
        e.ops->close(e.self);
    }
}

TEST(another_unit_is_told_at_once)
{
    struct encoder_step e = open_json("ndjson", "false");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    check_messages(&e, read_text(p, "b 2\n"), 1000, B);
    check_messages(&e, read_text(p, "# UNIT b s\nb 2\n"), 1000,
                   "{\"name\":\"b\",\"type\":\"untyped\",\"tags\":{}," TIME
                   ",\"value\":2,\"unit\":\"s\"}\n");
    e.ops->close(e.self);
}

TEST(json_refuses_an_unknown_mode)
{
    struct err err;
    _Alignas(max_align_t) char conf[64] = {0};
    CHECK_INT(set(conf, "mode", "xml", &err), ERR_INVALID);
    CHECK_STR(err.text, "mode: 'xml' is none of: ndjson, array, single");
}

TEST(a_repeat_scrape_with_tails_and_meta_series_allocates_nothing)
{
    struct encoder_step e = open_json("ndjson", "true");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO_PTR(payload) struct payload *out = payload_new("key", 5000);
    struct encoder_counts counts = {0};
    uint64_t before = 0;
    for (int scrape = 0; scrape < 3; scrape++) {
        struct batch *b = read_text(p, "# HELP a h\n# UNIT a s\na 1\nb NaN\n");
        page_add_meta(p, &(struct page_meta){.up = true, .duration_seconds = 0.1}, b);
        size_t from = 0;
        buf_truncate(&out->body, 0);
        CHECK_INT(encoder_run(&e, b, &from, out, NULL, &counts), 2 + PAGE_META);
        batch_commit(b);
        page_rest(p, b);
        before = scrape == 0 ? mem_count() : before;
    }
    CHECK_INT(mem_count(), before);
    CHECK(strstr(out->body.data, "{\"name\":\"up\",\"type\":\"gauge\",\"tags\":{}," TIME
                                 ",\"value\":1,\"help\":\"Whether") != NULL);
    e.ops->close(e.self);
}

TEST(the_end_of_meta_series_is_told_to_who_had_them)
{
    struct encoder_step e = open_json("single", "false");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO_PTR(payload) struct payload *out = payload_new("key", 5000);
    struct encoder_counts counts = {0};
    size_t from = 0;
    struct batch *b = read_text(p, "a 1\n");
    page_add_meta(p, &(struct page_meta){.up = true}, b);
    for (; encoder_run(&e, b, &from, out, NULL, &counts) > 0; buf_truncate(&out->body, 0))
        CHECK_INT(out->samples, 1);
    page_end(p, 5, b);
    for (from = 0; encoder_run(&e, b, &from, out, NULL, &counts) > 0; buf_truncate(&out->body, 0))
        CHECK(strstr(out->body.data, "\"ended\":true") != NULL);
    CHECK_INT(counts.ended, 1 + PAGE_META);
    CHECK_INT(counts.encoded, 2 * (1 + PAGE_META));
    e.ops->close(e.self);
}

#define MEMBER_A                                                                         \
    "{\"name\":\"a_s\",\"type\":\"counter\",\"tags\":{\"x\":\"1\"}," TIME ",\"value\":1" \
    ",\"unit\":\"s\",\"created\":\"2026-11-21T13:26:00.007Z\",\"exemplar\":{\"tags\":"   \
    "{\"id\":\"q\\\"\",\"x\":\"\xc3\xa9\"},\"value\":0.1,\"timestamp\":"                 \
    "\"2026-11-21T14:25:59.999Z\"}"
#define MEMBER_B                                                                  \
    "{\"name\":\"b_bucket\",\"type\":\"histogram\",\"tags\":{\"le\":\"1\"}," TIME \
    ",\"value\":2,\"exemplar\":{\"tags\":{},\"value\":-0}"
#define MEMBER_C                                             \
    "{\"name\":\"c\",\"type\":\"counter\",\"tags\":{}," TIME \
    ",\"value\":3,\"created\":\"1970-01-01T00:00:00.000Z\""
#define MEMBER_D "{\"name\":\"d\",\"type\":\"untyped\",\"tags\":{}," TIME ",\"value\":4"

TEST(created_and_exemplar_stand_between_unit_and_help)
{
    static const struct {
        const char *mode, *help, *want;
    } cases[] = {
        {"ndjson", "false", MEMBER_A "}\n" MEMBER_B "}\n" MEMBER_C "}\n" MEMBER_D "}\n"},
        {"ndjson", "true",
         MEMBER_A ",\"help\":\"h\\\"\"}\n" MEMBER_B "}\n" MEMBER_C ",\"help\":\"h\"}\n" MEMBER_D
                  "}\n"},
        {"array", "false", "[" MEMBER_A "}," MEMBER_B "}," MEMBER_C "}," MEMBER_D "}]\n"},
        {"array", "true",
         "[" MEMBER_A ",\"help\":\"h\\\"\"}," MEMBER_B "}," MEMBER_C ",\"help\":\"h\"}," MEMBER_D
         "}]\n"},
        {"single", "true",
         MEMBER_A ",\"help\":\"h\\\"\"}\n|" MEMBER_B "}\n|" MEMBER_C ",\"help\":\"h\"}\n|" MEMBER_D
                  "}\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct encoder_step e = open_json(cases[i].mode, cases[i].help);
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        const struct batch *b = extra_batch(p);
        check_messages(&e, b, 5000, cases[i].want);
        check_messages(&e, b, 5000, cases[i].want); /* now from the cache */
        e.ops->close(e.self);
    }
}

TEST(a_unit_is_told_from_the_help_behind_it)
{
    static const char *const units[] = {"s", "a\\\"b", "\\\\", "x\\\\\\\"", ",\\\"help\\\":"};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct encoder_step e = open_json("array", "true");
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO_PTR(payload) struct payload *out = payload_new("key", 5000);
        AUTO(buf) struct buf text = BUF_INIT(500);
        struct encoder_counts counts = {0};
        size_t from = 0;
        CHECK_INT(buf_cat(&text, "# HELP a \"h\"\n# UNIT a ", units[i], "\na 1\n", NULL), OK);
        struct batch *b = read_text(p, text.data);
        b->extras_len = 0;
        extra_set(b, 0, &(struct sample_extra){.created_ms = EXTRA_CREATED});
        CHECK_INT(encoder_run(&e, b, &from, out, NULL, &counts), 1);
        CHECK(json_is_valid(out->body.data));
        CHECK(strstr(out->body.data, "\",\"created\":\"2026-11-21T13:26:00.007Z\","
                                     "\"help\":\"\\\"h\\\"\"}]\n") != NULL);
        e.ops->close(e.self);
    }
}

TEST(an_exemplar_of_any_labels_and_value_is_json)
{
    static const struct {
        struct exemplar e;
        const char *want;
    } cases[] = {
        {{.value = NAN}, "{\"tags\":{},\"value\":\"NaN\"}"},
        {{.value = -INFINITY}, "{\"tags\":{},\"value\":\"-Inf\"}"},
        {{.value = 2.5e-300, .has_ts = true, .ts_ms = CLOCK_MIN_MS},
         "{\"tags\":{},\"value\":2.5e-300,\"timestamp\":\"0001-01-01T00:00:00.000Z\"}"},
        {{.labels = EXTRA_LABELS("a\0\0b\0\n\x01\\\0"), .value = 1},
         "{\"tags\":{\"a\":\"\",\"b\":\"\\u000a\\u0001\\\\\"},\"value\":1}"},
        {{.labels = EXTRA_LABELS("q\"\0{\0"), .value = 1},
         "{\"tags\":{\"q\\\"\":\"{\"},\"value\":1}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct encoder_step e = open_json("single", "false");
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO(buf) struct buf want = BUF_INIT(500);
        struct batch *b = read_text(p, "a 1\n");
        b->extras_len = 0;
        extra_set(b, 0,
                  &(struct sample_extra){
                      .created_ms = EXTRA_NO_TIME, .exemplar = cases[i].e, .has_exemplar = true});
        CHECK_INT(buf_cat(&want,
                          "{\"name\":\"a\",\"type\":\"untyped\",\"tags\":{}," TIME
                          ",\"value\":1,\"exemplar\":",
                          cases[i].want, "}\n", NULL),
                  OK);
        CHECK(json_is_valid(want.data));
        check_messages(&e, b, 5000, want.data);
        e.ops->close(e.self);
    }
}

/* A record with extras that no longer fits leaves nothing of itself behind, and where records
 * begin stays right. */
TEST(what_does_not_fit_is_undone_to_the_mark)
{
    struct encoder_step e = open_json("ndjson", "true");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    const struct batch *b = extra_batch(p);
    AUTO_PTR(payload) struct payload *whole = payload_new("key", 5000);
    struct encoder_counts c = {0};
    size_t from = 0;
    CHECK_INT(encoder_run(&e, b, &from, whole, NULL, &c), 4);
    CHECK_INT(whole->marks.len, 4);
    for (size_t i = 1; i < 4; i++) {
        CHECK(memcmp(whole->body.data + whole->marks.at[i] - 2, "}\n{", 3) == 0);
        for (size_t max = whole->marks.at[i] + 2; max < whole->marks.at[i] + 12; max++) {
            AUTO_PTR(payload) struct payload *out = payload_new("key", max);
            size_t begin = 0;
            CHECK_INT(encoder_run(&e, b, &begin, out, NULL, &c), i);
            CHECK_INT(out->body.len, whole->marks.at[i]);
            CHECK(memcmp(out->body.data, whole->body.data, out->body.len) == 0);
        }
    }
    e.ops->close(e.self);
}
