/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"

#include "mem.h"

#include <assert.h>

/* Each is twice as long as the one before. */
enum { FIRST_CHUNK = 16, MAX_CHUNK = 4096 };
struct chunk {
    struct chunk *before;
    size_t len, cap;
    struct series items[];
};

static void free_fresh(struct records *r)
{
    for (struct chunk *c = r->fresh, *before; c; c = before) {
        before = c->before;
        mem_free(c);
    }
    r->fresh = NULL;
}

void records_done(struct records *r)
{
    free_fresh(r);
    mem_free(r->items);
    mem_free(r->runs);
    *r = (struct records){.items = NULL};
}

void records_start(struct records *r)
{
    assert(!r->moved);
    r->runs_len = r->taken = 0;
    r->now = (struct run){r->items, r->items};
}

void records_turn(struct records *r, struct series *s)
{
    if (r->runs_len == r->runs_cap) {
        r->runs_cap = r->runs_cap ? 2 * r->runs_cap : 8;
        r->runs = mem_realloc(r->runs, r->runs_cap * sizeof *r->runs);
    }
    r->runs[r->runs_len++] = r->now;
    r->now = (struct run){s, s + 1};
}

struct series *records_make(struct records *r)
{
    struct chunk *c = r->fresh;
    if (!c || c->len == c->cap) {
        size_t cap = !c ? FIRST_CHUNK : c->cap < MAX_CHUNK ? 2 * c->cap : c->cap;
        struct chunk *more = mem_realloc(NULL, sizeof *more + cap * sizeof more->items[0]);
        *more = (struct chunk){.before = c, .cap = cap};
        r->fresh = c = more;
    }
    r->live++;
    return &c->items[c->len++];
}

void records_end(struct records *r, struct series *s)
{
    assert(!s->ended);
    s->ended = true;
    r->live--;
}

void records_finish(struct records *r)
{
    assert(r->taken == r->live);
    r->moved = r->runs_len > 0 || r->taken != r->len || r->fresh;
}

static struct series *copy_run(struct series *to, struct run run)
{
    size_t len = (size_t)(run.end - run.first);
    if (len > 0)
        memcpy(to, run.first, len * sizeof *to);
    return to + len;
}

void records_settle(struct records *r, void (*done)(void *of, struct series *s), void *of)
{
    if (!r->moved)
        return;
    for (size_t i = 0; i < r->len; i++)
        if (r->items[i].ended)
            done(of, &r->items[i]);
    struct records settled = {.len = r->taken, .cap = r->taken, .live = r->taken};
    if (r->taken > 0) {
        settled.items = mem_realloc(NULL, r->taken * sizeof *settled.items);
        struct series *end = settled.items;
        for (size_t i = 0; i < r->runs_len; i++)
            end = copy_run(end, r->runs[i]);
        end = copy_run(end, r->now);
        assert(end == settled.items + settled.len);
    }
    records_done(r);
    *r = settled;
}

size_t records_bytes(const struct records *r)
{
    size_t bytes = r->cap * sizeof *r->items + r->runs_cap * sizeof *r->runs;
    for (const struct chunk *c = r->fresh; c; c = c->before)
        bytes += sizeof *c + c->cap * sizeof c->items[0];
    return bytes;
}
