/* SPDX-License-Identifier: Apache-2.0 */
/* test_kube_frame.c - a body is cut into its objects, wherever the chunks end. */
#include "kube_frame.h"
#include "mem.h"
#include "test.h"

struct run {
    struct buf things; /* each followed by a newline */
    size_t count, refuse_at;
    enum status status;
    struct err err;
    char version[64], token[64];
    size_t oversize;
};

static enum status thing(void *of, char *text, size_t len)
{
    struct run *r = of;
    CHECK(text[len] == '\0');
    r->count++;
    if (r->count == r->refuse_at)
        return ERR_CLOSED;
    CHECK_INT(buf_add(&r->things, text, len), OK);
    CHECK_INT(buf_puts(&r->things, "\n"), OK);
    memset(text, '!', len); /* theirs to write into */
    return OK;
}

static struct run run(enum kube_frame_kind kind, size_t max, const char *body, size_t chunk)
{
    struct run r = {.things = BUF_INIT(1 << 20)};
    struct kube_frame *f = kube_frame_new(kind, max, (struct kube_frame_sink){thing, &r});
    size_t len = strlen(body);
    for (size_t at = 0; at < len && r.status == OK; at += chunk)
        r.status = kube_frame_add(f, (struct span){body + at, chunk < len - at ? chunk : len - at},
                                  &r.err);
    if (r.status == OK)
        r.status = kube_frame_end(f, &r.err);
    snprintf(r.version, sizeof r.version, "%s", kube_frame_version(f));
    snprintf(r.token, sizeof r.token, "%s", kube_frame_continue(f));
    r.oversize = kube_frame_oversize(f);
    kube_frame_free(f);
    return r;
}

/* For every size of a chunk the same things come. */
static void check(enum kube_frame_kind kind, size_t max, const char *body, const char *things)
{
    for (size_t chunk = 1; chunk <= strlen(body); chunk++) {
        struct run r = run(kind, max, body, chunk);
        CHECK_STR(r.err.text, "");
        CHECK_INT(r.status, OK);
        CHECK_STR(r.things.data, things);
        buf_done(&r.things);
    }
}

static void check_list(const char *body, const char *things, const char *version, const char *token)
{
    check(KUBE_FRAME_LIST, 1000, body, things);
    for (size_t chunk = 1; chunk <= strlen(body); chunk++) {
        struct run r = run(KUBE_FRAME_LIST, 1000, body, chunk);
        CHECK_STR(r.version, version);
        CHECK_STR(r.token, token);
        buf_done(&r.things);
    }
}

TEST(a_list_is_cut_into_its_items)
{
    check_list(
        "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"12\"},"
        "\"items\":[{\"a\":1},{\"b\":{\"c\":[{}]}},{}]}\n",
        "{\"a\":1}\n{\"b\":{\"c\":[{}]}}\n{}\n", "12", "");
}

TEST(an_indented_list_is_cut_as_well)
{
    check_list("\r\n {\n  \"items\" : [\n\t{ \"a\" : [ 1, 2 ] } ,\n {\n}\n]\n,\n"
               "\"metadata\" :\n{ \"continue\" : \"x\" , \"resourceVersion\" : \"7\" } }\n\n",
               "{ \"a\" : [ 1, 2 ] }\n{\n}\n", "7", "x");
}

TEST(metadata_may_come_behind_the_items)
{
    check_list("{\"items\":[{\"a\":1}],\"metadata\":{\"remainingItemCount\":3,\"continue\":\"tok\","
               "\"resourceVersion\":\"9\",\"selfLink\":null}}",
               "{\"a\":1}\n", "9", "tok");
}

TEST(quotes_brackets_and_backslashes_within_strings_are_text)
{
    check_list("{\"items\":[{\"a\":\"}]{[\\\"\",\"b\\\\\":\"\\\\\"},{\"c\":\"\\u007d\"}]}",
               "{\"a\":\"}]{[\\\"\",\"b\\\\\":\"\\\\\"}\n{\"c\":\"\\u007d\"}\n", "", "");
}

TEST(keys_with_escapes_are_the_same_keys)
{
    check_list(
        "{\"it\\u0065ms\":[{}],\"\\u006detadata\":{\"resource\\u0056ersion\":\"a\\/b\\u0041\"}}",
        "{}\n", "a/bA", "");
}

TEST(keys_that_are_too_long_are_other_keys)
{
    char body[1000];
    snprintf(body, sizeof body, "{\"%0400d\":[{\"no\":1}],\"items\":[{}]}", 0);
    check_list(body, "{}\n", "", "");
}

TEST(a_key_with_a_nul_is_another_key)
{
    static const char body[] = "{\"items\0\":[1],\"metadata\":{\"resourceVersion\":\"1\0\"}}";
    struct run r = {.things = BUF_INIT(1000)};
    struct kube_frame *f =
        kube_frame_new(KUBE_FRAME_LIST, 1000, (struct kube_frame_sink){thing, &r});
    CHECK_INT(kube_frame_add(f, (struct span){body, sizeof body - 1}, &r.err), OK);
    CHECK_INT(kube_frame_end(f, &r.err), OK);
    CHECK_STR(kube_frame_version(f), "");
    kube_frame_free(f);
}

TEST(names_within_other_values_confuse_nothing)
{
    check_list(
        "{\"status\":{\"items\":[{\"no\":1}],\"metadata\":{\"resourceVersion\":\"no\"}},"
        "\"metadata\":{\"items\":[{\"no\":2}],\"x\":{\"resourceVersion\":\"no\"},"
        "\"resourceVersion\":\"5\",\"labels\":[\"continue\",\"no\"]},\"resourceVersion\":\"no\","
        "\"items\":[{\"items\":[{}],\"metadata\":{\"resourceVersion\":\"1\"}}],\"continue\":"
        "\"no\"}",
        "{\"items\":[{}],\"metadata\":{\"resourceVersion\":\"1\"}}\n", "5", "");
}

TEST(a_list_without_items_is_empty)
{
    static const char *const bodies[] = {
        "{\"metadata\":{\"resourceVersion\":\"3\"}}",
        "{\"metadata\":{\"resourceVersion\":\"3\"},\"items\":null}",
        "{\"items\":[ ],\"metadata\":{\"resourceVersion\":\"3\"}}",
        "{\"items\":null,\"metadata\":{\"continue\":\"\",\"resourceVersion\":\"3\"}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        check_list(bodies[i], "", "3", "");
    check_list("{}", "", "", "");
}

TEST(a_version_that_is_no_string_is_none)
{
    check_list("{\"metadata\":{\"resourceVersion\":12,\"continue\":null}}", "", "", "");
    check_list("{\"metadata\":{\"resourceVersion\":{\"resourceVersion\":\"1\"},\"continue\":[]}}",
               "", "", "");
    check_list("{\"metadata\":null,\"items\":[{}]}", "{}\n", "", "");
    check_list("{\"metadata\":[{\"resourceVersion\":\"1\"}]}", "", "", "");
}

TEST(what_is_no_list_is_refused_with_its_place)
{
    static const struct {
        const char *body, *text;
    } bad[] = {
        {"", "byte 0: ends in the middle"},
        {"[]", "byte 0: no object"},
        {"\xef\xbb\xbf{}", "byte 0: no object"},
        {"<html>", "byte 0: no object"},
        {"{", "byte 1: ends in the middle"},
        {"{\"items\":[{}", "byte 12: ends in the middle"},
        {"{\"items\":[{\"a\":\"}]}", "byte 19: ends in the middle"},
        {"{\"items\":[{}]", "byte 13: ends in the middle"},
        {"{\"items\":[{},]}", "byte 13: no object"},
        {"{\"items\":[{}{}]}", "byte 12: neither a comma nor ]"},
        {"{\"items\":[1]}", "byte 10: neither an object nor ]"},
        {"{\"items\":{}}", "byte 9: items is no list"},
        {"{\"items\":\"x\"}", "byte 9: items is no list"},
        {"{\"items\":false}", "byte 14: items is no list"},
        {"{\"items\":nul}", "byte 12: items is no list"},
        {"{\"items\":[{\"a\":[}]}]}", "byte 17: brackets do not match"},
        {"{\"x\":[}]}", "byte 7: brackets do not match"},
        {"{\"items\":[],\"items\":[]}", "byte 20: a field is there twice"},
        {"{\"metadata\":{},\"metadata\":{}}", "byte 26: a field is there twice"},
        {"{}{}", "byte 2: more than a list"},
        {"{} x", "byte 3: more than a list"},
        {"{items:[]}", "byte 1: neither a key nor }"},
        {"{\"a\" 1}", "byte 5: no colon"},
        {"{\"a\":}", "byte 5: no value"},
        {"{\"a\":1 2}", "byte 7: neither a comma nor }"},
        {"{\"a\":1,}", "byte 7: no key"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        for (size_t chunk = 1; chunk <= strlen(bad[i].body) + 1; chunk++) {
            struct run r = run(KUBE_FRAME_LIST, 1000, bad[i].body, chunk);
            CHECK_STR(r.err.text, bad[i].text);
            CHECK_INT(r.status, ERR_INVALID);
            buf_done(&r.things);
        }
}

TEST(an_item_that_is_too_large_is_left_out_and_the_next_is_not)
{
    const char *body = "{\"items\":[{\"a\":1},{\"b\":\"too large\"},{\"c\":2}]}";
    check(KUBE_FRAME_LIST, 7, body, "{\"a\":1}\n{\"c\":2}\n");
    struct run r = run(KUBE_FRAME_LIST, 7, body, 3);
    CHECK_INT(r.oversize, 1);
    buf_done(&r.things);
}

TEST(an_item_as_large_as_allowed_passes)
{
    check(KUBE_FRAME_LIST, 7, "{\"items\":[{\"a\":1},{\"a\":10}]}", "{\"a\":1}\n");
    check(KUBE_FRAME_WATCH, 7, "{\"a\":1}\n{\"a\":10}\n{}\n", "{\"a\":1}\n{}\n");
}

static void nest(struct buf *b, int levels)
{
    CHECK_INT(buf_puts(b, "{\"a\":"), OK);
    for (int i = 1; i < levels; i++)
        CHECK_INT(buf_puts(b, i % 2 ? "[" : "{\"a\":"), OK);
    CHECK_INT(buf_puts(b, "1"), OK);
    for (int i = levels - 1; i > 0; i--)
        CHECK_INT(buf_puts(b, i % 2 ? "]" : "}"), OK);
    CHECK_INT(buf_puts(b, "}"), OK);
}

TEST(an_item_nested_too_deep_is_left_out_and_the_next_is_not)
{
    for (int levels = KUBE_DEPTH_MAX - 1; levels < KUBE_DEPTH_MAX + 3; levels++) {
        AUTO(buf) struct buf b = BUF_INIT(10000);
        CHECK_INT(buf_puts(&b, "{\"items\":["), OK);
        nest(&b, levels);
        CHECK_INT(buf_puts(&b, ",{\"z\":1}]}"), OK);
        struct run r = run(KUBE_FRAME_LIST, 1000, b.data, 10);
        CHECK_INT(r.status, OK);
        CHECK_INT(r.oversize, levels > KUBE_DEPTH_MAX);
        CHECK_INT(r.count, levels > KUBE_DEPTH_MAX ? 1 : 2);
        CHECK(strstr(r.things.data, "{\"z\":1}\n"));
        buf_done(&r.things);
    }
}

TEST(a_version_or_a_token_without_end_is_refused)
{
    static const struct {
        const char *key;
        size_t max;
        const char *text;
    } fields[] = {
        {"resourceVersion", KUBE_VERSION_MAX, "too long"},
        {"continue", KUBE_CONTINUE_MAX, "too long"},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        for (size_t more = 0; more < 2; more++) {
            AUTO(buf) struct buf b = BUF_INIT(100000);
            int zeros = (int)(fields[i].max + more);
            CHECK_INT(buf_printf(&b, "{\"metadata\":{\"%s\":\"%0*d\"}}", fields[i].key, zeros, 0),
                      OK);
            struct run r = run(KUBE_FRAME_LIST, 1000, b.data, 1000);
            CHECK_INT(r.status, more ? ERR_INVALID : OK);
            CHECK(!more || strstr(r.err.text, fields[i].text));
            buf_done(&r.things);
        }
}

TEST(a_watch_is_cut_into_its_lines)
{
    check(KUBE_FRAME_WATCH, 1000, "{\"type\":\"ADDED\"}\n\n \r\n{\"type\":\"x\\n\"}\r\nnot JSON\n",
          "{\"type\":\"ADDED\"}\n{\"type\":\"x\\n\"}\r\nnot JSON\n");
}

TEST(a_line_that_is_too_large_is_left_out_and_the_next_is_not)
{
    const char *body = "{\"a\":1}\n{\"b\":\"too large\"}\n{\"c\":2}\n";
    check(KUBE_FRAME_WATCH, 7, body, "{\"a\":1}\n{\"c\":2}\n");
    struct run r = run(KUBE_FRAME_WATCH, 7, body, 4);
    CHECK_INT(r.oversize, 1);
    buf_done(&r.things);
}

TEST(a_watch_that_ends_within_a_line_is_cut_off)
{
    static const char *const bodies[] = {"{}\n{", "{}", "{}\n{\"a\":\"too large to be kept\"}"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct run r = run(KUBE_FRAME_WATCH, 7, bodies[i], 2);
        CHECK_INT(r.status, ERR_INVALID);
        CHECK(strstr(r.err.text, "ends in the middle"));
        CHECK_STR(r.things.data, i == 1 ? "" : "{}\n");
        buf_done(&r.things);
    }
    check(KUBE_FRAME_WATCH, 7, "{}\n  ", "{}\n");
}

TEST(who_takes_things_can_end_it)
{
    static const struct {
        enum kube_frame_kind kind;
        const char *body;
    } bodies[] = {
        {KUBE_FRAME_LIST, "{\"items\":[{\"a\":1},{\"b\":2},{\"c\":3}]}"},
        {KUBE_FRAME_WATCH, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct run r = {.things = BUF_INIT(1000), .refuse_at = 2};
        struct kube_frame *f =
            kube_frame_new(bodies[i].kind, 1000, (struct kube_frame_sink){thing, &r});
        struct span body = {bodies[i].body, strlen(bodies[i].body)};
        CHECK_INT(kube_frame_add(f, body, &r.err), ERR_CLOSED);
        CHECK_INT(r.count, 2);
        CHECK_INT(kube_frame_add(f, body, &r.err), ERR_INVALID);
        CHECK_INT(r.count, 2);
        CHECK_INT(kube_frame_end(f, NULL), ERR_INVALID);
        kube_frame_free(f);
        buf_done(&r.things);
    }
}

struct count {
    size_t things, bytes;
};

static enum status count_thing(void *of, char *text, size_t len)
{
    struct count *c = of;
    c->things++;
    c->bytes += len + (text[0] != '{');
    return OK;
}

TEST(a_list_takes_the_memory_of_one_item)
{
    struct count count = {0};
    struct kube_frame *f = kube_frame_new(KUBE_FRAME_LIST, KUBE_OBJECT_MAX,
                                          (struct kube_frame_sink){count_thing, &count});
    char item[4001];
    snprintf(item, sizeof item, "{\"a\":\"%03900d\"}", 0);
    struct span comma = {",", 1}, each = {item, strlen(item)};
    CHECK_INT(kube_frame_add(f, (struct span){"{\"items\":[", 10}, NULL), OK);
    CHECK_INT(kube_frame_add(f, each, NULL), OK);
    uint64_t before = mem_count();
    for (int i = 1; i < 250; i++) {
        CHECK_INT(kube_frame_add(f, comma, NULL), OK);
        CHECK_INT(kube_frame_add(f, each, NULL), OK);
    }
    CHECK_INT(mem_count() - before, 0); /* the buffer of the first one does for all */
    CHECK_INT(kube_frame_add(f, (struct span){"]}", 2}, NULL), OK);
    CHECK_INT(kube_frame_end(f, NULL), OK);
    CHECK_INT(count.things, 250);
    CHECK_INT(count.bytes, 250 * each.len);
    kube_frame_free(f);
}
