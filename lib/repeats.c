/* SPDX-License-Identifier: Apache-2.0 */
/* repeats.c - the search; a small one, for it runs once per series. */
#include "repeats.h"

#include <assert.h>
#include <string.h>

enum {
    TRIES = 16,      /* places where the same four bytes stand, */
    TRIES_MAX = 256, /* of one text */
    NOWHERE = UINT16_MAX,
};

static unsigned hash_four(const char *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return four * UINT32_C(2654435761) >> (32 - REPEATS_BITS);
}

void repeats_begin(struct repeats *r)
{
    r->len = r->texts = 0;
    memset(r->last, 0xff, sizeof r->last);
}

bool repeats_add(struct repeats *r, struct span text)
{
    assert(r->room < NOWHERE);
    if (text.len > r->room - r->len)
        return false;
    if (text.len > 0)
        memcpy(r->data + r->len, text.data, text.len);
    for (size_t i = r->len; i + REPEATS_LEAST <= r->len + text.len; i++) {
        uint16_t *last = &r->last[hash_four(r->data + i)];
        r->before[i] = *last;
        *last = (uint16_t)i;
    }
    struct repeats_text *of = &r->of[r->texts++ % REPEATS_TEXTS];
    *of = (struct repeats_text){(uint16_t)r->len, (uint16_t)text.len};
    r->len += text.len;
    return true;
}

static const struct repeats_text *text_at(const struct repeats *r, unsigned back)
{
    return &r->of[(r->texts - back) % REPEATS_TEXTS];
}

struct span repeats_get(const struct repeats *r, unsigned back)
{
    const struct repeats_text *of = text_at(r, back);
    return (struct span){r->data + of->start, of->len};
}

static bool same_four(const char *a, const char *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x == y;
}

static bool same_eight(const char *a, const char *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x == y;
}

size_t repeats_start(const char *a, const char *b, size_t most)
{
    size_t n = 0;
    while (n + 8 <= most && same_eight(a + n, b + n))
        n += 8;
    while (n < most && a[n] == b[n])
        n++;
    return n;
}

size_t repeats_end(const char *a, const char *b, size_t most)
{
    size_t n = 0;
    while (n + 8 <= most && same_eight(a - n - 8, b - n - 8))
        n += 8;
    while (n < most && a[-1 - (ptrdiff_t)n] == b[-1 - (ptrdiff_t)n])
        n++;
    return n;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The best of what stands before as text does from i on; len 0: nothing. */
static struct repeat find_best(const struct repeats *r, struct span text, size_t i, size_t end,
                               size_t worth, unsigned *tries)
{
    struct repeat best = {.at = (uint16_t)i};
    size_t best_worth = REPEATS_LEAST - 1, at = r->last[hash_four(text.data + i)];
    unsigned back = 1, oldest = (unsigned)smaller(r->texts, REPEATS_TEXTS);
    size_t first = oldest ? text_at(r, oldest)->start : NOWHERE;
    for (int try = 0; try < TRIES && at != NOWHERE && at >= first; try++, at = r->before[at]) {
        ++*tries;
        if (!same_four(r->data + at, text.data + i))
            continue;
        while (text_at(r, back)->start > at)
            back++;
        struct span of = repeats_get(r, back);
        size_t from = at - text_at(r, back)->start, most = smaller(of.len - from, end - i);
        size_t n = repeats_start(of.data + from, text.data + i, most);
        size_t value = n + (from + n == of.len && i + n == text.len ? worth : 0);
        if (value > best_worth) {
            best_worth = value;
            best = (struct repeat){(uint16_t)i, (uint16_t)from, (uint16_t)n, (uint8_t)back};
        }
    }
    return best;
}

unsigned repeats_find(const struct repeats *r, struct span text, size_t at, size_t end,
                      size_t worth, struct repeat ret[REPEATS_MAX])
{
    unsigned len = 0, tries = 0;
    for (size_t i = at; i + REPEATS_LEAST <= end && len < REPEATS_MAX && tries < TRIES_MAX;) {
        struct repeat best = find_best(r, text, i, end, worth, &tries);
        if (best.len > 0)
            ret[len++] = best;
        i += best.len ? best.len : 1;
    }
    return len;
}
