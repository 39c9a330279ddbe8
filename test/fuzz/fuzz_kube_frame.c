/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_kube_frame.c - a body gives the same things however it is split; and a body that cJSON reads as a
 * list gives the items that cJSON sees, its version and its token. */
#include "kube_frame.h"
#include "mem.h"

#include <cjson/cJSON.h>

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\\"",
    "\\u0065",
    "\n",
    " ",
    "null",
    "true",
    "1",
    "-1.5e3",
    "\"a\"",
    "\"a\":",
    "{}",
    "{},",
    "[]",
    "{\"a\":1}",
    "{\"a\":\"}\"},",
    "{\"items\":[",
    "]}",
    "\"items\":[{\"a\":[1,{}]},",
    "\"items\":",
    "\"it\\u0065ms\":",
    "\"metadata\":{",
    "\"metadata\":",
    "\"resourceVersion\":\"12\"",
    "\"resourceVersion\":",
    "\"continue\":\"x\\/y\",",
    "\"continue\":",
    "{\"items\":[{\"a\":\"\\\\\"}],\"metadata\":{\"resourceVersion\":\"7\"}}",
    "{\"type\":\"ADDED\",\"object\":{}}\n",
    "\xef\xbb\xbf",
    "\xff",
    "0123456789012345678901234567890123456789",
    NULL};

enum { MAX = 60 }; /* bytes of a thing: some are left out */

struct run {
    struct buf things; /* each followed by a NUL */
    enum status status;
    struct err err;
    char *version, *token;
    size_t count, oversize;
};

static void check(bool good)
{
    if (!good)
        abort();
}

static enum status thing(void *of, char *text, size_t len)
{
    struct run *r = of;
    check(len <= MAX && text[len] == '\0');
    check(buf_add(&r->things, text, len + 1) == OK);
    memset(text, '"', len);
    r->count++;
    return OK;
}

static struct run run(enum kube_frame_kind kind, struct span body, unsigned seed)
{
    struct run r = {.things = BUF_INIT(10 << 20)};
    struct kube_frame *f = kube_frame_new(kind, MAX, (struct kube_frame_sink){thing, &r});
    while (body.len > 0 && r.status == OK) {
        size_t n = seed ? 1 + (size_t)rand_r(&seed) % 9 : body.len;
        n = n < body.len ? n : body.len;
        r.status = kube_frame_add(f, (struct span){body.data, n}, &r.err);
        body.data += n;
        body.len -= n;
    }
    if (r.status == OK)
        r.status = kube_frame_end(f, &r.err);
    r.version = mem_strdup(kube_frame_version(f));
    r.token = mem_strdup(kube_frame_continue(f));
    r.oversize = kube_frame_oversize(f);
    kube_frame_free(f);
    return r;
}

static void run_done(struct run *r)
{
    buf_done(&r->things);
    mem_free(r->version);
    mem_free(r->token);
}

static void same(const struct run *a, const struct run *b)
{
    check(a->status == b->status && strcmp(a->err.text, b->err.text) == 0);
    check(a->count == b->count && a->oversize == b->oversize);
    check(a->things.len == b->things.len);
    check(memcmp(a->things.data, b->things.data, a->things.len) == 0);
    check(strcmp(a->version, b->version) == 0 && strcmp(a->token, b->token) == 0);
}

/* The last of that name, for the frame takes the last; cJSON gives the first. */
static const char *text_in(const cJSON *object, const char *name)
{
    const char *text = "";
    const cJSON *at;
    cJSON_ArrayForEach(at, object)
    {
        if (cJSON_IsObject(object) && strcmp(at->string, name) == 0 &&
            (cJSON_IsString(at) || !(cJSON_IsObject(at) || cJSON_IsArray(at))))
            text = cJSON_IsString(at) ? at->valuestring : "";
    }
    return text;
}

static size_t named(const cJSON *object, const char *name)
{
    size_t n = 0;
    const cJSON *at;
    cJSON_ArrayForEach(at, object) n += strcmp(at->string, name) == 0;
    return n;
}

static bool is_list(const cJSON *json)
{
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(json, "items");
    const cJSON *item;
    if (!cJSON_IsObject(json) || named(json, "items") > 1 || named(json, "metadata") > 1)
        return false;
    if (items && !cJSON_IsNull(items) && !cJSON_IsArray(items))
        return false;
    cJSON_ArrayForEach(item, items)
    {
        if (!cJSON_IsObject(item))
            return false;
    }
    return true;
}

/* By their texts: cJSON finds an infinity unlike itself. */
static bool same_json(const cJSON *a, const cJSON *b)
{
    char *one = cJSON_PrintUnformatted(a), *two = cJSON_PrintUnformatted(b);
    bool equal = one && two && strcmp(one, two) == 0;
    cJSON_free(one);
    cJSON_free(two);
    return equal;
}

static void compare(const struct run *r, const cJSON *json)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(json, "metadata");
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(json, "items");
    check(r->status == OK);
    check(strcmp(r->version, text_in(meta, "resourceVersion")) == 0);
    check(strcmp(r->token, text_in(meta, "continue")) == 0);
    check(r->count + r->oversize == (size_t)cJSON_GetArraySize(items));
    const char *at = r->things.data;
    for (int i = 0; r->oversize == 0 && i < cJSON_GetArraySize(items); i++, at += strlen(at) + 1) {
        cJSON *own = cJSON_Parse(at);
        check(same_json(own, cJSON_GetArrayItem(items, i)));
        cJSON_Delete(own);
    }
}

/* cJSON takes any control character for a blank, and \u0000 for an end. */
static bool plain(struct span body)
{
    for (size_t i = 0; i < body.len; i++)
        if ((unsigned char)body.data[i] < ' ' && !strchr("\t\r\n", body.data[i]))
            return false;
    return !memchr(body.data, '\0', body.len) && !memmem(body.data, body.len, "\\u0000", 6);
}

static void look(enum kube_frame_kind kind, struct span body)
{
    struct run whole = run(kind, body, 0), split = run(kind, body, (unsigned)body.len + 1);
    same(&whole, &split);
    const char *at = NULL, *end = body.data + body.len;
    cJSON *json = kind == KUBE_FRAME_LIST && plain(body) && body.data[0] == '{'
                      ? cJSON_ParseWithLengthOpts(body.data, body.len, &at, false)
                      : NULL;
    while (json && at < end && strchr(" \t\r\n", *at))
        at++;
    if (json && at == end && is_list(json))
        compare(&whole, json);
    cJSON_Delete(json);
    run_done(&whole);
    run_done(&split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const around[][2] = {
        {"", ""},
        {"{\"items\":[{\"a\":", "}],\"metadata\":{\"resourceVersion\":\"7\"}}"},
        {"{\"metadata\":{", "}}"},
        {"{\"kind\":\"x\",", "}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(around) && size > 0; i++) {
        struct buf body = BUF_INIT(2 << 20);
        check(buf_puts(&body, around[i][0]) == OK && buf_add(&body, data, size) == OK &&
              buf_puts(&body, around[i][1]) == OK);
        look(KUBE_FRAME_LIST, (struct span){body.data, body.len});
        buf_done(&body);
    }
    if (size > 0)
        look(KUBE_FRAME_WATCH, (struct span){(const char *)data, size});
    return 0;
}
