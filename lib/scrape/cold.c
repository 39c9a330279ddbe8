/* SPDX-License-Identifier: Apache-2.0 */
#include "cold.h"

#include "mem.h"

#include <assert.h>
#include <lz4.h>

void cold_done(struct cold *c)
{
    mem_free(c->data);
    *c = (struct cold){.data = NULL};
}

void cold_room_done(struct cold_room *r)
{
    mem_free(r->plain);
    mem_free(r->small);
    *r = (struct cold_room){.plain = NULL};
}

/* The memory that r has, if it is enough: what stands in it need not be kept. */
static void take_plain(struct texts *t, struct cold_room *r)
{
    if (r && r->plain) {
        t->data = r->plain;
        t->cap = r->plain_cap;
        r->plain = NULL;
        r->plain_cap = 0;
    }
    if (t->cap >= t->len)
        return;
    mem_free(t->data);
    t->cap = t->len;
    t->data = mem_realloc(NULL, t->cap);
}

/* The larger one is kept. */
static void give_plain(struct texts *t, struct cold_room *r)
{
    if (t->cap > r->plain_cap) {
        mem_free(r->plain);
        r->plain = t->data;
        r->plain_cap = t->cap;
    } else {
        mem_free(t->data);
    }
    t->data = NULL;
    t->cap = 0;
}

/* A piece at a time, for LZ4 counts in int. */
enum { PIECE = 64 << 20 };

struct piece {
    uint32_t plain, small;
};

void cold_thaw(struct cold *c, struct texts *t, struct cold_room *r)
{
    if (t->data || (t->len > 0 && !c->data))
        return;
    take_plain(t, r);
    const char *from = c->data;
    for (size_t at = 0; at < t->len;) {
        struct piece p;
        memcpy(&p, from, sizeof p);
        int n = LZ4_decompress_safe(from + sizeof p, t->data + at, (int)p.small, (int)p.plain);
        if (n != (int)p.plain)
            abort(); /* it is our own memory */
        from += sizeof p + p.small;
        at += p.plain;
    }
    t->changed = false;
}

static void reserve_small(struct cold_room *r, size_t len)
{
    size_t pieces = len / PIECE + 1;
    size_t max = pieces * (sizeof(struct piece) + (size_t)LZ4_compressBound(PIECE));
    if (pieces == 1)
        max = sizeof(struct piece) + (size_t)LZ4_compressBound((int)len);
    if (max <= r->small_cap)
        return;
    mem_free(r->small);
    r->small = mem_realloc(NULL, max);
    r->small_cap = max;
}

static void compress(struct cold *c, const struct texts *t, struct cold_room *r)
{
    reserve_small(r, t->len);
    char *to = r->small;
    for (size_t at = 0; at < t->len;) {
        struct piece p = {.plain = (uint32_t)(t->len - at < PIECE ? t->len - at : PIECE)};
        int n = LZ4_compress_default(t->data + at, to + sizeof p, (int)p.plain,
                                     LZ4_compressBound((int)p.plain));
        assert(n > 0); /* there was room for the worst */
        p.small = (uint32_t)n;
        memcpy(to, &p, sizeof p);
        to += sizeof p + p.small;
        at += p.plain;
    }
    mem_free(c->data);
    c->bytes = (size_t)(to - r->small);
    c->data = mem_realloc(NULL, c->bytes);
    memcpy(c->data, r->small, c->bytes);
}

void cold_freeze(struct cold *c, struct texts *t, struct cold_room *r)
{
    if (t->len == 0) {
        cold_done(c);
        return;
    }
    if (!c->data || t->changed)
        compress(c, t, r);
    give_plain(t, r);
}

void cold_keep(struct cold *c, struct texts *t, struct cold_room *r)
{
    cold_done(c);
    if (t->cap - t->len <= t->len / 8)
        return;
    char *data = NULL;
    if (t->len > 0) {
        data = mem_realloc(NULL, t->len);
        memcpy(data, t->data, t->len);
    }
    give_plain(t, r);
    t->data = data;
    t->cap = t->len;
}
