/* SPDX-License-Identifier: Apache-2.0 */
/* repeats.c - the search; a small one, for it runs once per series. */
#include "repeats.h"

#include <assert.h>
#include <string.h>

enum {
    BITS = 9,
    NOWHERE = UINT16_MAX,
};

struct search {
    struct span before, text;
    uint16_t at[1 << BITS]; /* where in before four bytes stand, by their hash */
};

static uint32_t hash_four(const char *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return four * UINT32_C(2654435761) >> (32 - BITS);
}

static void index_before(struct search *s)
{
    memset(s->at, 0xff, sizeof s->at);
    for (size_t i = 0; i + 4 <= s->before.len; i++)
        s->at[hash_four(s->before.data + i)] = (uint16_t)i;
}

/* Bytes of text from i on, up to end, that stand at `from` in the one before. */
static size_t count_same(const struct search *s, size_t i, size_t end, size_t from)
{
    size_t n = 0;
    while (i + n < end && from + n < s->before.len &&
           s->text.data[i + n] == s->before.data[from + n])
        n++;
    return n;
}

static size_t common_end(struct span a, struct span b, size_t most)
{
    size_t n = 0;
    while (n < most && a.data[a.len - 1 - n] == b.data[b.len - 1 - n])
        n++;
    return n;
}

/* What of text from i up to end stands before. */
static void find_between(const struct search *s, size_t i, size_t end, struct repeats *ret)
{
    size_t from = i;
    while (i + REPEATS_WORTH <= end && ret->len < REPEATS_MAX) {
        size_t at = s->at[hash_four(s->text.data + i)];
        size_t len = at == NOWHERE ? 0 : count_same(s, i, end, at);
        if (len < REPEATS_WORTH) {
            i++;
            continue;
        }
        while (i > from && at > 0 && s->text.data[i - 1] == s->before.data[at - 1]) {
            i--;
            at--;
            len++;
        }
        ret->of[ret->len++] =
            (struct repeat){.at = (uint16_t)i, .from = (uint16_t)at, .len = (uint16_t)len};
        from = i += len;
    }
}

void repeats_find(struct repeats *ret, struct span before, struct span text, size_t least)
{
    struct search search = {.before = before, .text = text};
    size_t shorter = before.len < text.len ? before.len : text.len;
    assert(least <= shorter && before.len <= REPEATS_TEXT && text.len <= REPEATS_TEXT);
    ret->len = 0;
    ret->prefix = count_same(&search, 0, shorter - least, 0);
    ret->suffix = common_end(before, text, shorter - ret->prefix);
    index_before(&search);
    find_between(&search, ret->prefix, text.len - ret->suffix, ret);
}
