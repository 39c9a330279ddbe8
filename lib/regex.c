/* SPDX-License-Identifier: Apache-2.0 */
/* regex.c - PCRE2 behind regex.h: bounded in compiling and in matching. */
#include "regex.h"

#include "mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>

#define HEAP_LIMIT_KIB 1024 /* of one match without JIT */
#define STACK_FIRST    (32 << 10)
#define STACK_LIMIT    (HEAP_LIMIT_KIB << 10) /* of one match with it */

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits; /* read only once made */
    uint32_t groups;             /* with the whole text as number 0 */
};

static _Atomic uint64_t limited;

static void *allocate(size_t size, void *data)
{
    (void)data;
    return mem_alloc(size);
}

static void release(void *p, void *data)
{
    (void)data;
    mem_free(p);
}

/* What a match needs beside the expression, one for each thread: made by its first
 * match, freed when it ends. */
static pthread_key_t match_key;
static _Thread_local pcre2_match_data *match_data;
static _Thread_local pcre2_jit_stack *match_stack; /* NULL: that of the thread, of which 32 KiB */

static void free_match_data(void *data)
{
    pcre2_match_data_free(data);
    pcre2_jit_stack_free(match_stack);
    match_data = NULL;
    match_stack = NULL;
}

static pcre2_jit_stack *get_match_stack(void *data)
{
    (void)data;
    return match_stack;
}

static void make_match_key(void)
{
    if (pthread_key_create(&match_key, free_match_data) != 0)
        abort(); /* cannot be: we make a handful of keys */
}

/* With room for so many groups at least. */
static pcre2_match_data *get_match_data(uint32_t groups)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (match_data && pcre2_get_ovector_count(match_data) >= groups)
        return match_data;
    pthread_once(&once, make_match_key);
    pcre2_match_data_free(match_data);
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
    match_data = pcre2_match_data_create(groups, memory);
    pcre2_general_context_free(memory);
    if (pthread_setspecific(match_key, match_data) != 0)
        abort();
    return match_data;
}

/* Bytes to characters: continuation bytes do not count. */
static size_t count_characters(const char *text, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static enum status compile(struct regex *r, const char *expression, pcre2_general_context *memory,
                           struct err *err)
{
    int code;
    size_t at, len = strlen(expression);
    pcre2_compile_context *context = pcre2_compile_context_create(memory);
    r->code = pcre2_compile((PCRE2_SPTR)expression, len,
                            PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
                                PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, context);
    pcre2_compile_context_free(context);
    if (!r->code) {
        char why[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return err_set(err, ERR_INVALID, "regex '%.60s': %s, at character %zu", expression, why,
                       count_characters(expression, at < len ? at : len));
    }
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->groups);
    r->groups++;
    /* Without JIT (no executable memory) the same is matched slower. */
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE);
    return OK;
}

enum status regex_new(struct regex **ret, const char *expression, struct err *err)
{
    if (strlen(expression) > REGEX_MAX)
        return err_set(err, ERR_INVALID, "regex '%.60s...': longer than %d bytes", expression,
                       REGEX_MAX);
    struct regex *r = mem_alloc(sizeof *r);
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
    r->limits = pcre2_match_context_create(memory);
    pcre2_set_match_limit(r->limits, REGEX_MATCH_LIMIT);
    pcre2_set_heap_limit(r->limits, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(r->limits, get_match_stack, NULL);
    enum status status = compile(r, expression, memory, err);
    pcre2_general_context_free(memory);
    if (status == OK)
        *ret = r;
    else
        regex_free(r);
    return status;
}

void regex_free(struct regex *r)
{
    if (!r)
        return;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->limits);
    mem_free(r);
}

static bool match(const struct regex *r, struct span text, pcre2_match_data *data)
{
    int n = pcre2_match(r->code, (PCRE2_SPTR)text.data, text.len, 0, 0, data, r->limits);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT && !match_stack) {
        /* A group repeated over a few thousand bytes is enough: no reason to give up. */
        match_stack = pcre2_jit_stack_create(STACK_FIRST, STACK_LIMIT, NULL);
        n = pcre2_match(r->code, (PCRE2_SPTR)text.data, text.len, 0, 0, data, r->limits);
    }
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        limited++;
    return n >= 0;
}

bool regex_match(const struct regex *r, struct span text)
{
    return match(r, text, get_match_data(1));
}

static bool in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The name that a reference behind a dollar begins with; returns what is behind it, or NULL
 * when that is no reference. */
static const char *read_name(const char *p, struct span *ret_name)
{
    bool braces = *p == '{';
    const char *start = p += braces;
    while (in_name(*p))
        p++;
    if (p == start || (braces && *p != '}'))
        return NULL;
    *ret_name = (struct span){start, (size_t)(p - start)};
    return p + braces;
}

/* A number without leading zeros, or SIZE_MAX. */
static size_t read_number(struct span name)
{
    size_t number = 0;
    if (name.len > 8 || (name.len > 1 && name.data[0] == '0'))
        return SIZE_MAX;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return SIZE_MAX;
        number = number * 10 + (size_t)(name.data[i] - '0');
    }
    return number;
}

static struct span get_group(const struct regex *r, struct span text, pcre2_match_data *data,
                             size_t number)
{
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(data) + 2 * number;
    if (number >= r->groups || place[0] == PCRE2_UNSET || place[1] < place[0])
        return (struct span){"", 0};
    return (struct span){text.data + place[0], place[1] - place[0]};
}

/* Where (?J) lets several groups have one name: the first that matched something. */
static struct span get_named(const struct regex *r, struct span text, pcre2_match_data *data,
                             struct span name)
{
    uint32_t names = 0, size = 0;
    PCRE2_SPTR entry = NULL;
    struct span found = {"", 0};
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMECOUNT, &names);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMETABLE, &entry);
    for (uint32_t i = 0; i < names && found.len == 0; i++, entry += size)
        if (span_is(name, (const char *)entry + 2))
            found = get_group(r, text, data, (size_t)entry[0] << 8 | entry[1]);
    return found;
}

static enum status expand(const struct regex *r, struct span text, pcre2_match_data *data,
                          const char *p, struct buf *out)
{
    enum status status = OK;
    while (*p && status == OK) {
        struct span name, piece = {p, strcspn(p, "$")};
        if (piece.len > 0) {
            p += piece.len;
        } else if (p[1] == '$') {
            piece.len = 1;
            p += 2;
        } else if (read_name(p + 1, &name)) {
            size_t number = read_number(name);
            piece = number == SIZE_MAX ? get_named(r, text, data, name)
                                       : get_group(r, text, data, number);
            p = read_name(p + 1, &name);
        } else {
            piece.len = 1;
            p++;
        }
        status = buf_add(out, piece.data, piece.len);
    }
    return status;
}

enum status regex_replace(const struct regex *r, struct span text, const char *template,
                          struct buf *out, bool *ret_matched)
{
    pcre2_match_data *data = get_match_data(r->groups);
    size_t before = out->len;
    enum status status = OK;
    bool matched = match(r, text, data);
    if (matched)
        status = expand(r, text, data, template, out);
    if (status != OK) {
        buf_truncate(out, before);
        return status;
    }
    *ret_matched = matched;
    return OK;
}

uint64_t regex_limited(void)
{
    return limited;
}
