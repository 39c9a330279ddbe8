/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include "hash.h"
#include "mem.h"

#include <assert.h>

/* Salted: ids and URLs are chosen by peers, who must not be able to make two of them one. */
static uint64_t salted(struct span a, struct span b)
{
    uint64_t salt = hash_salt(), high, low;
    const struct span pieces[] = {{(const char *)&salt, sizeof salt}, a, b};
    hash_pieces(pieces, ARRAY_LEN(pieces), &high, &low);
    return low;
}

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static uint64_t candidate_hash(uint32_t source, const char *id)
{
    return salted((struct span){(const char *)&source, sizeof source}, text(id));
}

static uint64_t place_hash(const struct target *t)
{
    return salted(text(t->pool), text(t->url));
}

void places_init(struct places *ps)
{
    *ps = (struct places){.heap = NULL};
    idmap_init(&ps->candidates);
    idmap_init(&ps->places);
}

struct slot *slot_get(struct places *ps, const char *name)
{
    struct slot **at = &ps->slots;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = mem_alloc(sizeof **at);
        (*at)->name = mem_strdup(name);
    }
    return *at;
}

/* The heap: a place knows where it is, so that it can be moved and taken out. */

static void heap_set(struct places *ps, size_t i, struct place *p)
{
    ps->heap[i] = p;
    p->heap_at = i + 1;
}

static void heap_up(struct places *ps, size_t i)
{
    struct place *p = ps->heap[i];
    for (; i > 0 && ps->heap[(i - 1) / 2]->next_ns > p->next_ns; i = (i - 1) / 2)
        heap_set(ps, i, ps->heap[(i - 1) / 2]);
    heap_set(ps, i, p);
}

static void heap_down(struct places *ps, size_t i)
{
    struct place *p = ps->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= ps->heap_len)
            break;
        if (child + 1 < ps->heap_len && ps->heap[child + 1]->next_ns < ps->heap[child]->next_ns)
            child++;
        if (ps->heap[child]->next_ns >= p->next_ns)
            break;
        heap_set(ps, i, ps->heap[child]);
        i = child;
    }
    heap_set(ps, i, p);
}

void place_schedule(struct places *ps, struct place *p, int64_t next_ms, int64_t next_ns)
{
    p->next_ms = next_ms;
    p->next_ns = next_ns;
    if (p->heap_at == 0) {
        if (ps->heap_len == ps->heap_cap) {
            ps->heap_cap = ps->heap_cap ? 2 * ps->heap_cap : 64;
            ps->heap = mem_realloc(ps->heap, ps->heap_cap * sizeof(struct place *));
        }
        heap_set(ps, ps->heap_len++, p);
    }
    heap_up(ps, p->heap_at - 1);
    heap_down(ps, p->heap_at - 1);
}

void place_unschedule(struct places *ps, struct place *p)
{
    if (p->heap_at == 0)
        return;
    size_t i = p->heap_at - 1;
    p->heap_at = 0;
    struct place *last = ps->heap[--ps->heap_len];
    if (last == p)
        return;
    heap_set(ps, i, last);
    heap_up(ps, i);
    heap_down(ps, last->heap_at - 1);
}

void place_set_due(struct place *p, const struct job *job)
{
    assert(!p->due);
    p->due = true;
    p->job = *job;
    p->before = p->slot->last;
    p->after = NULL;
    *(p->before ? &p->before->after : &p->slot->first) = p;
    p->slot->last = p;
}

void place_clear_due(struct place *p)
{
    if (!p->due)
        return;
    *(p->before ? &p->before->after : &p->slot->first) = p->after;
    *(p->after ? &p->after->before : &p->slot->last) = p->before;
    p->due = false;
}

struct candidate *candidate_find(struct places *ps, uint32_t source, const char *id)
{
    return idmap_get(&ps->candidates, candidate_hash(source, id));
}

static struct place *place_get(struct places *ps, const struct target *t)
{
    uint64_t hash = place_hash(t);
    struct place *p = idmap_get(&ps->places, hash);
    if (!p) {
        p = mem_alloc(sizeof *p);
        p->hash = hash;
        p->state = target_state_new(t->id);
        p->slot = slot_get(ps, t->pool);
        idmap_put(&ps->places, hash, p);
    }
    return p;
}

struct candidate *candidate_add(struct places *ps, uint32_t source, struct target *t, bool *ret_new)
{
    struct place *p = place_get(ps, t);
    struct candidate *c = mem_alloc(sizeof *c);
    *c = (struct candidate){
        .hash = candidate_hash(source, t->id), .source = source, .target = t, .place = p};
    *ret_new = !p->first;
    struct candidate **at = &p->first;
    while (*at && (*at)->source <= source)
        at = &(*at)->next;
    c->next = *at;
    *at = c;
    idmap_put(&ps->candidates, c->hash, c);
    return c;
}

void candidate_remove(struct places *ps, struct candidate *c)
{
    struct candidate **at = &c->place->first;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    idmap_remove(&ps->candidates, c->hash);
    target_unref(c->target);
    mem_free(c);
}

void place_drop(struct places *ps, struct place *p)
{
    assert(!p->first && !p->due);
    place_unschedule(ps, p);
    idmap_remove(&ps->places, p->hash);
    target_state_unref(p->state);
    target_unref(p->last_target);
    mem_free(p);
}

void places_done(struct places *ps)
{
    for (size_t bits = ps->places.bits, i = 0; bits && i < (size_t)1 << bits; i++) {
        struct place *p = ps->places.slots[i].item;
        if (!p)
            continue;
        while (p->first)
            candidate_remove(ps, p->first);
        target_state_unref(p->state);
        target_unref(p->last_target);
        mem_free(p);
    }
    for (struct slot *s = ps->slots, *next; s; s = next) {
        next = s->next;
        mem_free(s->name);
        mem_free(s);
    }
    mem_free(ps->heap);
    idmap_done(&ps->candidates);
    idmap_done(&ps->places);
}
