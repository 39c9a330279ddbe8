/* SPDX-License-Identifier: Apache-2.0 */
#include "cold.h"

#include "mem.h"

#include <assert.h>
#include <lz4.h>

struct cold_work {
    LZ4_stream_t lz4;
    struct models models;
};

void cold_done(struct cold *c)
{
    model_unref(c->model);
    mem_free(c->data);
    *c = (struct cold){.data = NULL};
}

void cold_room_done(struct cold_room *r)
{
    mem_free(r->plain);
    mem_free(r->small);
    mem_free(r->items);
    mem_free(r->families.items);
    mem_free(r->families.block);
    if (r->work)
        models_done(&r->work->models);
    mem_free(r->work);
    *r = (struct cold_room){.plain = NULL};
}

void cold_room_trim(struct cold_room *r)
{
    if (r->work)
        models_trim(&r->work->models);
}

size_t cold_room_bytes(const struct cold_room *r)
{
    return r->plain_cap + r->small_cap + r->items_cap * sizeof *r->items +
           r->families.items_cap * sizeof *r->families.items +
           r->families.block_cap * sizeof *r->families.block + (r->work ? sizeof *r->work : 0);
}

/* The memory that r has, if it is enough: what stands in it need not be kept. */
static void take_plain(struct texts *t, size_t len, struct cold_room *r)
{
    if (r && r->plain) {
        t->data = r->plain;
        t->cap = r->plain_cap;
        r->plain = NULL;
        r->plain_cap = 0;
    }
    if (t->cap >= len)
        return;
    mem_free(t->data);
    t->cap = len;
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
    if (t->len == 0)
        cold_done(c); /* what it was is no more */
    size_t len = t->len + c->beside;
    take_plain(t, len, r);
    const char *from = c->data;
    for (size_t at = 0; at < len;) {
        struct piece p;
        memcpy(&p, from, sizeof p);
        int n = LZ4_decompress_safe_usingDict(from + sizeof p, t->data + at, (int)p.small,
                                              (int)p.plain, c->model ? c->model->data : NULL,
                                              c->model ? (int)c->model->len : 0);
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

static int compress_piece(struct cold_room *r, const struct model *by, const char *plain, char *to,
                          uint32_t len)
{
    int max = LZ4_compressBound((int)len);
    if (!by)
        return LZ4_compress_default(plain, to, (int)len, max);
    LZ4_loadDict(&r->work->lz4, by->data, (int)by->len);
    return LZ4_compress_fast_continue(&r->work->lz4, plain, to, (int)len, max, 1);
}

static void compress(struct cold *c, const struct texts *t, struct cold_room *r, struct model *by)
{
    size_t len = t->len + c->beside, beside = c->beside;
    reserve_small(r, len);
    char *to = r->small;
    for (size_t at = 0; at < len;) {
        struct piece p = {.plain = (uint32_t)(len - at < PIECE ? len - at : PIECE)};
        int n = compress_piece(r, by, t->data + at, to + sizeof p, p.plain);
        assert(n > 0); /* there was room for the worst */
        p.small = (uint32_t)n;
        memcpy(to, &p, sizeof p);
        to += sizeof p + p.small;
        at += p.plain;
    }
    model_ref(by);
    cold_done(c);
    c->model = by;
    c->beside = beside;
    c->bytes = (size_t)(to - r->small);
    c->data = mem_realloc(NULL, c->bytes);
    memcpy(c->data, r->small, c->bytes);
}

/* Larger texts have enough in common with themselves. */
static struct model *find_model(const struct cold *c, struct cold_room *r, struct span of,
                                uint64_t kind)
{
    if (of.len > MODEL_BYTES)
        return NULL;
    if (!r->work) {
        r->work = mem_alloc(sizeof *r->work);
        LZ4_initStream(&r->work->lz4, sizeof r->work->lz4);
    }
    return models_get(&r->work->models, kind, c, of);
}

char *cold_beside(struct cold *c, struct texts *t, size_t bytes)
{
    texts_reserve(t, bytes);
    c->beside = bytes;
    return t->data + t->len;
}

void cold_freeze(struct cold *c, struct texts *t, struct cold_room *r, bool changed, uint64_t kind)
{
    if (t->len == 0) {
        cold_done(c);
        return;
    }
    if (!c->data || changed)
        compress(c, t, r, find_model(c, r, (struct span){t->data, t->len + c->beside}, kind));
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
