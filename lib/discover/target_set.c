/* SPDX-License-Identifier: Apache-2.0 */
#include "target_set.h"

#include "hash.h"
#include "mem.h"

static uint64_t hash_of(const char *id)
{
    return hash_bytes(id, strlen(id));
}

void target_set_init(struct target_set *s)
{
    *s = (struct target_set){.len = 0};
    idmap_init(&s->map);
}

void target_set_done(struct target_set *s)
{
    for (size_t i = 0; i < s->len; i++) {
        target_unref(s->entries[i]->target);
        mem_free(s->entries[i]);
    }
    mem_free(s->entries);
    idmap_done(&s->map);
    target_set_init(s);
}

struct target_entry *target_set_get(const struct target_set *s, const char *id)
{
    struct target_entry *e = idmap_get(&s->map, hash_of(id));
    while (e && strcmp(e->target->id, id) != 0)
        e = e->next;
    return e;
}

struct target_entry *target_set_put(struct target_set *s, struct target *t)
{
    struct target_entry *e = target_set_get(s, t->id);
    if (e) {
        target_unref(e->target);
        e->target = t;
        return e;
    }
    uint64_t hash = hash_of(t->id);
    struct target_entry *first = idmap_get(&s->map, hash);
    e = mem_alloc(sizeof *e);
    e->target = t;
    e->at = s->len;
    if (first) { /* two ids of one hash: whoever names targets may have sought them */
        e->next = first->next;
        first->next = e;
    } else {
        idmap_put(&s->map, hash, e);
    }
    if (s->len == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->entries = mem_realloc(s->entries, s->cap * sizeof(struct target_entry *));
    }
    s->entries[s->len++] = e;
    return e;
}

static void unchain(struct target_set *s, struct target_entry *e)
{
    uint64_t hash = hash_of(e->target->id);
    struct target_entry *first = idmap_get(&s->map, hash);
    if (first == e) {
        idmap_remove(&s->map, hash);
        if (e->next)
            idmap_put(&s->map, hash, e->next);
        return;
    }
    while (first->next != e)
        first = first->next;
    first->next = e->next;
}

void target_set_remove(struct target_set *s, struct target_entry *e)
{
    unchain(s, e);
    struct target_entry *last = s->entries[--s->len];
    s->entries[e->at] = last;
    last->at = e->at;
    target_unref(e->target);
    mem_free(e);
}
