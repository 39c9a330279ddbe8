/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - flows of payloads, one per key, and which of them is next. */
#include "window.h"

#include "clock.h"
#include "hash.h"

#include <assert.h>

size_t payload_cost(const struct payload *p)
{
    return p->body.len + p->key.len + p->address.len + PAYLOAD_OVERHEAD;
}

void window_init(struct window *w, size_t max_bytes)
{
    memset(w, 0, sizeof *w);
    w->max_bytes = max_bytes;
    idmap_init(&w->flows);
}

void window_done(struct window *w)
{
    assert(w->held == 0 && w->in_flight == 0);
    idmap_done(&w->flows);
}

bool window_has_room(const struct window *w)
{
    return w->held + w->in_flight < LANE_WINDOW && w->bytes < w->max_bytes;
}

static void push(struct flow_list *l, struct flow *f)
{
    f->next = NULL;
    *(l->first ? &l->last->next : &l->first) = f;
    l->last = f;
}

static struct flow *pop(struct flow_list *l)
{
    struct flow *f = l->first;
    if (f)
        l->first = f->next;
    return f;
}

/* Two keys of one hash would share a flow and wait for one another, nothing worse. */
static uint64_t key_of(const struct payload *p)
{
    return hash_bytes(p->key.data, p->key.len);
}

static struct flow *flow_of(const struct window *w, const struct payload *p)
{
    struct flow *f = idmap_get(&w->flows, key_of(p));
    assert(f); /* it lives as long as one of its payloads is here */
    return f;
}

static struct flow *make_flow(struct window *w, uint64_t key)
{
    struct flow *f = w->unused;
    if (f)
        w->unused = f->next;
    else
        f = &w->all[w->used++]; /* a flow has a payload: there are no more than these */
    *f = (struct flow){.key = key};
    idmap_put(&w->flows, key, f);
    return f;
}

static bool is_stubborn(const struct flow *f)
{
    return f->stubborn >= WINDOW_STUBBORN_FROM;
}

/* Brings f where it belongs after each change.  A listed flow stays where it is until it
 * is next, even if there is nothing to send any more. */
static void settle(struct window *w, struct flow *f)
{
    if (f->listed)
        return;
    if (!f->first) {
        if (f->in_flight == 0) {
            w->stubborn -= is_stubborn(f);
            idmap_remove(&w->flows, f->key);
            f->next = w->unused;
            w->unused = f;
        }
        return;
    }
    if (f->in_flight > 0 && f->first->due_ms != f->due_ms)
        return;
    f->listed = true;
    push(f->resume_ns > 0 ? &w->delayed : &w->ready, f);
}

/* Links p in behind `before`, NULL: first. */
static void link_behind(struct window *w, struct flow *f, struct payload *before, struct payload *p)
{
    struct payload **link = before ? &before->next : &f->first;
    p->next = *link;
    *link = p;
    if (!p->next)
        f->last = p;
    size_t cost = payload_cost(p);
    f->bytes += cost;
    w->bytes += cost;
    w->held++;
}

static struct payload *unlink_first(struct window *w, struct flow *f)
{
    struct payload *p = f->first;
    f->first = p->next;
    if (!f->first)
        f->last = NULL;
    p->next = NULL;
    size_t cost = payload_cost(p);
    f->bytes -= cost;
    w->bytes -= cost;
    w->held--;
    return p;
}

/* All that waits with the due time of what is in flight stands first in its flow. */
static void link_at_its_place(struct window *w, struct flow *f, struct payload *p)
{
    struct payload *before = NULL;
    for (struct payload *q = f->first; q && q->due_ms == p->due_ms && q->part <= p->part;
         q = q->next)
        before = q;
    link_behind(w, f, before, p);
}

void window_put(struct window *w, struct payload *p)
{
    assert(w->held + w->in_flight < LANE_WINDOW);
    uint64_t key = key_of(p);
    struct flow *f = idmap_get(&w->flows, key);
    if (!f)
        f = make_flow(w, key);
    link_behind(w, f, f->last, p);
    settle(w, f);
}

static void resume(struct window *w, int64_t now_ns)
{
    struct flow_list still = {0};
    for (struct flow *f; (f = pop(&w->delayed)) != NULL;) {
        if (f->resume_ns > now_ns) {
            push(&still, f);
            continue;
        }
        f->resume_ns = 0;
        push(&w->ready, f);
    }
    w->delayed = still;
}

int64_t window_resume_ns(const struct window *w)
{
    int64_t soonest = DEADLINE_NEVER;
    for (const struct flow *f = w->delayed.first; f; f = f->next)
        if (f->resume_ns < soonest)
            soonest = f->resume_ns;
    return soonest;
}

static bool may_send(const struct flow *f)
{
    return f->first && (f->in_flight == 0 || f->first->due_ms == f->due_ms);
}

struct payload *window_next(struct window *w, int64_t now_ns)
{
    if (w->delayed.first)
        resume(w, now_ns);
    for (struct flow *f; (f = pop(&w->ready)) != NULL;) {
        f->listed = false;
        if (f->resume_ns > now_ns || !may_send(f)) {
            settle(w, f);
            continue;
        }
        f->resume_ns = 0;
        f->again = f->failed;
        struct payload *p = unlink_first(w, f);
        f->due_ms = p->due_ms;
        f->in_flight++;
        w->in_flight++;
        w->bytes += payload_cost(p);
        settle(w, f);
        return p;
    }
    return NULL;
}

/* p is not in flight any more; its flow stays for the moment. */
static struct flow *land(struct window *w, const struct payload *p)
{
    struct flow *f = flow_of(w, p);
    assert(f->in_flight > 0);
    f->in_flight--;
    w->in_flight--;
    w->bytes -= payload_cost(p);
    return f;
}

void window_leave(struct window *w, struct payload *p)
{
    settle(w, land(w, p));
}

void window_delivered(struct window *w, struct payload *p)
{
    struct flow *f = land(w, p);
    w->delivered++;
    w->stubborn -= is_stubborn(f);
    f->failed = false;
    f->stubborn = 0;
    settle(w, f);
}

void window_back(struct window *w, struct payload *p)
{
    struct flow *f = land(w, p);
    link_at_its_place(w, f, p);
    settle(w, f);
}

unsigned window_failed(struct window *w, struct payload *p)
{
    struct flow *f = land(w, p);
    if (f->failed && f->again && f->seen != w->delivered)
        w->stubborn += ++f->stubborn == WINDOW_STUBBORN_FROM;
    f->failed = true;
    f->again = false;
    f->seen = w->delivered;
    link_at_its_place(w, f, p);
    if (!is_stubborn(f)) {
        settle(w, f);
        return 0;
    }
    return f->stubborn;
}

void window_delay(struct window *w, const struct payload *p, int64_t resume_ns)
{
    struct flow *f = flow_of(w, p);
    f->resume_ns = resume_ns;
    settle(w, f);
}

void window_put_piece(struct window *w, const struct payload *p, struct payload *piece)
{
    link_at_its_place(w, flow_of(w, p), piece);
}

/* Takes f out of a list; rare, so the walk does not matter. */
static void unlist(struct flow_list *l, const struct flow *f)
{
    struct flow_list rest = {0};
    for (struct flow *g; (g = pop(l)) != NULL;)
        if (g != f)
            push(&rest, g);
    *l = rest;
}

/* A flow that has become empty goes at once: in its list it would take the place of one
 * that has something. */
static struct payload *take_first(struct window *w, struct flow *f)
{
    struct payload *p = unlink_first(w, f);
    if (!f->first && f->listed) {
        unlist(&w->ready, f);
        unlist(&w->delayed, f);
        f->listed = false;
    }
    settle(w, f);
    return p;
}

struct payload *window_evict(struct window *w)
{
    for (size_t i = 0; i < w->used && w->stubborn > 0; i++)
        if (w->all[i].first && is_stubborn(&w->all[i]))
            return take_first(w, &w->all[i]);
    return NULL;
}

struct payload *window_take_oldest(struct window *w, int64_t before_ns)
{
    struct flow *oldest = NULL;
    for (size_t i = 0; i < w->used; i++) {
        struct flow *f = &w->all[i];
        if (f->first && f->first->here_ns <= before_ns &&
            (!oldest || f->first->here_ns < oldest->first->here_ns))
            oldest = f;
    }
    return oldest ? take_first(w, oldest) : NULL;
}

size_t window_list_bare(const struct window *w, struct payload **ret, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < w->used; i++)
        for (struct payload *p = w->all[i].first; p && n < most; p = p->next)
            if (p->row == 0)
                ret[n++] = p;
    return n;
}

struct payload *window_take(struct window *w)
{
    for (size_t i = 0; i < w->used; i++)
        if (w->all[i].first)
            return take_first(w, &w->all[i]);
    return NULL;
}
