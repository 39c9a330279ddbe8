/* SPDX-License-Identifier: Apache-2.0 */
/* regex.c - PCRE2 behind regex.h: bounded in compiling and in matching. */
#include "regex.h"

#include "mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>

#define HEAP_LIMIT_KIB 1024 /* of one match without JIT */

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits; /* read only once made */
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

static void free_match_data(void *data)
{
    pcre2_match_data_free(data);
    match_data = NULL;
}

static void make_match_key(void)
{
    if (pthread_key_create(&match_key, free_match_data) != 0)
        abort(); /* cannot be: we make a handful of keys */
}

static pcre2_match_data *get_match_data(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (match_data)
        return match_data;
    pthread_once(&once, make_match_key);
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
    match_data = pcre2_match_data_create(1, memory);
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

bool regex_match(const struct regex *r, struct span text)
{
    int n =
        pcre2_match(r->code, (PCRE2_SPTR)text.data, text.len, 0, 0, get_match_data(), r->limits);
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        limited++;
    return n >= 0;
}

uint64_t regex_limited(void)
{
    return limited;
}
