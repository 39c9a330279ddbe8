/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include "clock.h"
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
    *ps = (struct places){.slots = NULL};
    idmap_init(&ps->candidates);
    idmap_init(&ps->places);
    idmap_init(&ps->origins);
}

struct slot *slot_find(struct places *ps, const char *name)
{
    struct slot *s = ps->slots;
    while (s && strcmp(s->name, name) != 0)
        s = s->next;
    return s;
}

static struct queue *make_queues(size_t n)
{
    struct queue *queues = mem_alloc(n * sizeof *queues);
    for (size_t i = 0; i < n; i++)
        queues[i].asks_ns = DEADLINE_NEVER;
    return queues;
}

static void free_queues(struct queue *queues, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(queues[i].heap);
    mem_free(queues);
}

static void slot_free(struct slot *s)
{
    free_queues(s->queues, s->queues_len);
    mem_free(s->name);
    mem_free(s);
}

struct slot *slot_get(struct places *ps, const char *name)
{
    struct slot *s = slot_find(ps, name);
    if (!s) {
        s = mem_alloc(sizeof *s);
        s->name = mem_strdup(name);
        s->queues = make_queues(1);
        s->queues_len = 1;
        s->next = ps->slots;
        ps->slots = s;
    }
    return s;
}

void slots_trim(struct places *ps)
{
    for (struct slot **at = &ps->slots, *s; (s = *at);) {
        if (s->inlet || s->places > 0) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        slot_free(s);
    }
}

/* The heap: a place knows where it is, so that it can be moved and taken out. */

static void heap_set(struct queue *q, size_t i, struct place *p)
{
    q->heap[i] = p;
    p->heap_at = i + 1;
}

static void heap_up(struct queue *q, size_t i)
{
    struct place *p = q->heap[i];
    for (; i > 0 && q->heap[(i - 1) / 2]->next_ns > p->next_ns; i = (i - 1) / 2)
        heap_set(q, i, q->heap[(i - 1) / 2]);
    heap_set(q, i, p);
}

static void heap_down(struct queue *q, size_t i)
{
    struct place *p = q->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= q->len)
            break;
        if (child + 1 < q->len && q->heap[child + 1]->next_ns < q->heap[child]->next_ns)
            child++;
        if (q->heap[child]->next_ns >= p->next_ns)
            break;
        heap_set(q, i, q->heap[child]);
        i = child;
    }
    heap_set(q, i, p);
}

static struct queue *queue_of(const struct place *p)
{
    return &p->slot->queues[p->state->shard % p->slot->queues_len];
}

void place_schedule(struct place *p, int64_t next_ms, int64_t next_ns)
{
    struct queue *q = queue_of(p);
    p->next_ms = next_ms;
    p->next_ns = next_ns;
    if (p->heap_at == 0) {
        if (q->len == q->cap) {
            q->cap = q->cap ? 2 * q->cap : 16;
            q->heap = mem_realloc(q->heap, q->cap * sizeof(struct place *));
        }
        heap_set(q, q->len++, p);
    }
    heap_up(q, p->heap_at - 1);
    heap_down(q, p->heap_at - 1);
}

void place_unschedule(struct place *p)
{
    struct queue *q = queue_of(p);
    if (p->heap_at == 0)
        return;
    size_t i = p->heap_at - 1;
    p->heap_at = 0;
    struct place *last = q->heap[--q->len];
    if (last == p)
        return;
    heap_set(q, i, last);
    heap_up(q, i);
    heap_down(q, last->heap_at - 1);
}

int64_t queue_next_ns(const struct queue *q)
{
    return q->len > 0 ? q->heap[0]->next_ns : DEADLINE_NEVER;
}

/* For another number of workers. */
static void queues_resize(struct slot *s, size_t n)
{
    struct queue *old = s->queues;
    size_t old_len = s->queues_len;
    s->queues = make_queues(n);
    s->queues_len = n;
    for (size_t i = 0; i < old_len; i++)
        for (size_t k = 0; k < old[i].len; k++) {
            struct place *p = old[i].heap[k];
            p->heap_at = 0;
            place_schedule(p, p->next_ms, p->next_ns);
        }
    free_queues(old, old_len);
}

void slot_set_inlet(struct slot *s, struct pool_inlet *inlet)
{
    if (inlet && inlet->len != s->queues_len)
        queues_resize(s, inlet->len);
    for (size_t i = 0; i < s->queues_len; i++)
        s->queues[i].asks_ns = DEADLINE_NEVER;
    s->inlet = inlet;
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

/* The line of those without room. */

static void line_add(struct places *ps, struct candidate *c)
{
    c->line_before = ps->line_last;
    c->line_after = NULL;
    *(ps->line_last ? &ps->line_last->line_after : &ps->line_first) = c;
    ps->line_last = c;
    ps->line_len++;
}

static void line_remove(struct places *ps, struct candidate *c)
{
    *(c->line_before ? &c->line_before->line_after : &ps->line_first) = c->line_after;
    *(c->line_after ? &c->line_after->line_before : &ps->line_last) = c->line_before;
    ps->line_len--;
}

/* Candidates. */

struct origin *origin_find(struct places *ps, uint32_t source)
{
    return idmap_get(&ps->origins, source);
}

static struct origin *origin_get(struct places *ps, uint32_t source, uint32_t rank)
{
    struct origin *o = origin_find(ps, source);
    if (!o) {
        o = mem_alloc(sizeof *o);
        o->source = source;
        o->rank = rank;
        idmap_put(&ps->origins, source, o);
    }
    return o;
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
        p->slot->places++;
        idmap_put(&ps->places, hash, p);
    }
    return p;
}

struct candidate *candidate_add(struct places *ps, uint32_t source, uint32_t rank, struct target *t)
{
    struct candidate *c = mem_alloc(sizeof *c);
    *c = (struct candidate){
        .hash = candidate_hash(source, t->id), .origin = origin_get(ps, source, rank), .target = t};
    c->epoch = c->origin->epoch;
    c->origin->candidates++;
    idmap_put(&ps->candidates, c->hash, c);
    line_add(ps, c);
    return c;
}

/* True: a is to be scraped rather than b, or they are of the same source. */
static bool goes_before(const struct candidate *a, const struct candidate *b)
{
    const struct origin *x = a->origin, *y = b->origin;
    return x->rank != y->rank ? x->rank < y->rank : x->source <= y->source;
}

static void place_insert(struct place *p, struct candidate *c)
{
    struct candidate **at = &p->first;
    while (*at && goes_before(*at, c))
        at = &(*at)->next;
    c->next = *at;
    *at = c;
}

bool candidate_enter(struct places *ps, struct candidate *c)
{
    assert(!c->place);
    line_remove(ps, c);
    c->place = place_get(ps, c->target);
    bool is_new = !c->place->first;
    place_insert(c->place, c);
    return is_new;
}

void candidate_remove(struct places *ps, struct candidate *c)
{
    if (c->place) {
        struct candidate **at = &c->place->first;
        while (*at != c)
            at = &(*at)->next;
        *at = c->next;
    } else {
        line_remove(ps, c);
    }
    if (--c->origin->candidates == 0) {
        idmap_remove(&ps->origins, c->origin->source);
        mem_free(c->origin);
    }
    idmap_remove(&ps->candidates, c->hash);
    target_unref(c->target);
    mem_free(c);
}

/* Most often there is nothing to do: no place is sorted twice for two candidates of one source. */
bool place_sort(struct place *p)
{
    struct candidate *first = p->first, *rest = first;
    while (rest && rest->next && goes_before(rest, rest->next))
        rest = rest->next;
    if (!rest || !rest->next)
        return false;
    p->first = NULL;
    for (struct candidate *c = first, *next; c; c = next) {
        next = c->next;
        place_insert(p, c);
    }
    return p->first != first;
}

void place_drop(struct places *ps, struct place *p)
{
    assert(!p->first && !p->due);
    place_unschedule(p);
    p->slot->places--;
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
    while (ps->line_first)
        candidate_remove(ps, ps->line_first);
    for (struct slot *s = ps->slots, *next; s; s = next) {
        next = s->next;
        slot_free(s);
    }
    idmap_done(&ps->candidates);
    idmap_done(&ps->places);
    idmap_done(&ps->origins);
}
