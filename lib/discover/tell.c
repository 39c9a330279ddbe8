/* SPDX-License-Identifier: Apache-2.0 */
#include "tell.h"

#include "hash.h"
#include "mem.h"

struct tell_item {
    uint64_t hash;
    struct target *want;             /* NULL: gone */
    struct target *told;             /* what the receiver has; NULL: nothing */
    int64_t extra_ms;                /* 0: none asked for */
    struct tell_queue *queue;        /* that it is in; NULL: none */
    struct tell_item *next, *before; /* there */
    struct tell_item *same;          /* of the same hash */
};

static uint64_t hash_of(const char *id)
{
    return hash_bytes(id, strlen(id));
}

static const char *id_of(const struct tell_item *i)
{
    return i->want ? i->want->id : i->told->id;
}

static struct tell_item *find(const struct tell *t, const char *id)
{
    struct tell_item *i = idmap_get(&t->items, hash_of(id));
    while (i && strcmp(id_of(i), id) != 0)
        i = i->same;
    return i;
}

static void unqueue(struct tell_item *i)
{
    if (!i->queue)
        return;
    *(i->before ? &i->before->next : &i->queue->first) = i->next;
    *(i->next ? &i->next->before : &i->queue->last) = i->before;
    i->next = i->before = NULL;
    i->queue = NULL;
}

static void enqueue(struct tell_item *i, struct tell_queue *q)
{
    if (i->queue == q)
        return;
    unqueue(i);
    i->queue = q;
    i->before = q->last;
    *(q->last ? &q->last->next : &q->first) = i;
    q->last = i;
}

static struct tell_item *add(struct tell *t, uint64_t hash)
{
    struct tell_item *i = mem_alloc(sizeof *i);
    i->hash = hash;
    i->same = idmap_get(&t->items, hash);
    if (i->same)
        idmap_remove(&t->items, hash);
    idmap_put(&t->items, hash, i);
    return i;
}

static void drop(struct tell *t, struct tell_item *i)
{
    struct tell_item *head = idmap_get(&t->items, i->hash), **at = &head;
    while (*at != i)
        at = &(*at)->same;
    *at = i->same;
    idmap_remove(&t->items, i->hash);
    if (head)
        idmap_put(&t->items, i->hash, head);
    unqueue(i);
    target_unref(i->want);
    target_unref(i->told);
    mem_free(i);
}

void tell_init(struct tell *t, const struct source_env *env)
{
    *t = (struct tell){.env = env};
    idmap_init(&t->items);
}

void tell_done(struct tell *t)
{
    for (size_t s = 0; t->items.bits && s < (size_t)1 << t->items.bits; s++)
        for (struct tell_item *i = t->items.slots[s].item, *next; i; i = next) {
            next = i->same;
            target_unref(i->want);
            target_unref(i->told);
            mem_free(i);
        }
    idmap_done(&t->items);
}

/* What the receiver is to be told of i, or nothing. */
static void settle(struct tell *t, struct tell_item *i)
{
    if (!i->want && !i->told)
        drop(t, i);
    else if (!i->want)
        enqueue(i, &t->gone);
    else if (i->extra_ms || !i->told || !target_same_scrape(i->want, i->told))
        enqueue(i, &t->changed);
    else
        unqueue(i);
}

enum status tell_put(struct tell *t, struct target *target)
{
    struct tell_item *i = find(t, target->id);
    if ((!i || !i->want) && t->len >= (size_t)t->env->common->targets) {
        target_unref(target);
        return ERR_LIMIT;
    }
    i = i ? i : add(t, hash_of(target->id));
    t->len += !i->want;
    struct target *before = i->want;
    i->want = target;
    target_unref(before);
    settle(t, i);
    return OK;
}

void tell_remove(struct tell *t, const char *id)
{
    struct tell_item *i = find(t, id);
    if (!i || !i->want)
        return;
    struct target *before = i->want;
    i->want = NULL;
    i->extra_ms = 0;
    t->len--;
    if (i->told) {
        settle(t, i);
        target_unref(before);
        return;
    }
    i->want = before; /* drop takes both */
    drop(t, i);
}

bool tell_has(const struct tell *t, const char *id)
{
    const struct tell_item *i = find(t, id);
    return i && i->want;
}

void tell_extra(struct tell *t, const char *id, int64_t due_ms)
{
    struct tell_item *i = find(t, id);
    if (!i || !i->want)
        return;
    i->extra_ms = due_ms;
    settle(t, i);
}

void tell_synced(struct tell *t)
{
    t->sync = !t->synced;
}

bool tell_pending(const struct tell *t)
{
    return t->gone.first || t->changed.first || t->sync;
}

static enum status send(const struct tell *t, const struct target_emit *emit,
                        enum target_change change, struct target *target, int64_t due_ms)
{
    struct target_event event = {
        .change = change, .source = t->env->number, .due_ms = due_ms, .target = target_ref(target)};
    enum status s = emit->call(emit->to, &event);
    if (s != OK)
        target_unref(event.target);
    return s;
}

static enum status tell_change(struct tell *t, struct tell_item *i, const struct target_emit *emit)
{
    enum status s = OK;
    if (!i->told || !target_same_scrape(i->want, i->told)) {
        s = send(t, emit, TARGET_ADDED, i->want, 0);
        if (s != OK)
            return s;
        target_unref(i->told);
        i->told = target_ref(i->want);
    }
    if (i->extra_ms)
        s = send(t, emit, TARGET_EXTRA, i->want, i->extra_ms);
    if (s == OK) {
        i->extra_ms = 0;
        unqueue(i);
    }
    return s;
}

enum status tell_emit(struct tell *t, const struct target_emit *emit)
{
    enum status s;
    while (t->gone.first) {
        s = send(t, emit, TARGET_REMOVED, t->gone.first->told, 0);
        if (s != OK)
            return s;
        drop(t, t->gone.first);
    }
    while (t->changed.first) {
        s = tell_change(t, t->changed.first, emit);
        if (s != OK)
            return s;
    }
    if (!t->sync)
        return OK;
    s = send(t, emit, TARGET_SYNCED, NULL, 0);
    if (s == OK) {
        t->sync = false;
        t->synced = true;
    }
    return s;
}
