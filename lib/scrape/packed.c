/* SPDX-License-Identifier: Apache-2.0 */
#include "packed.h"

#include "hash.h"
#include "mem.h"
#include "page_private.h"

#include <assert.h>

/* Of a record; without holes, for it is compared as bytes. */
struct fixed {
    uint64_t prefix_hash;
    uint32_t prefix_len, selected;
    uint32_t text;   /* less that of the one before */
    uint32_t family; /* index */
    uint8_t lanes, role, asked, has_last;
    uint32_t zero;
};
_Static_assert(sizeof(struct fixed) == 32, "it has holes");

/* Likewise, of a family: what else there is lasts no longer than a scrape, or is counted anew. */
struct fixed_family {
    uint32_t text; /* less that of the one before */
    uint8_t kind, has_help, has_unit, zero;
};
_Static_assert(sizeof(struct fixed_family) == 8, "it has holes");

static size_t bytes_of(const struct records *r, const struct families *f)
{
    return r->len * sizeof(struct fixed) + f->len * sizeof(struct fixed_family);
}

void packed_done(struct packed *k)
{
    mem_free(k->values);
    *k = (struct packed){.values = NULL};
}

void packed_drop(struct packed *k, struct records *r, struct cold *c, bool *ret_changed)
{
    assert(!k->now);
    packed_done(k);
    *ret_changed = c->beside > 0;
    c->beside = 0;
    if (r->cap == r->len)
        return;
    r->items = mem_realloc(r->items, r->len * sizeof *r->items);
    r->cap = r->len;
}

bool packed_can(const struct records *r, uint8_t scrape)
{
    if (r->moved || r->fresh || r->len == 0)
        return false;
    for (size_t i = 0; i < r->len; i++)
        if (r->items[i].scrape != scrape || r->items[i].ended)
            return false;
    return true;
}

/* Series of a family mostly stand together. */
static uint32_t find_family(const struct families *f, const struct family *of, uint32_t likely)
{
    for (size_t i = 0; i < f->len; i++, likely++) {
        if (likely >= f->len)
            likely = 0;
        if (f->items[likely] == of)
            return likely;
    }
    abort(); /* it is one of them */
}

static void give_items(struct records *r, struct cold_room *room)
{
    if (r->cap > room->items_cap) {
        mem_free(room->items);
        room->items = r->items;
        room->items_cap = r->cap;
    } else {
        mem_free(r->items);
    }
    r->items = NULL;
    r->cap = 0;
}

/* *changed: what stands there may be something else. */
static void put(char *to, const void *kept, size_t bytes, bool *changed)
{
    *changed = *changed || memcmp(to, kept, bytes) != 0;
    if (*changed)
        memcpy(to, kept, bytes);
}

static void put_families(const struct families *f, char *to, bool *changed)
{
    uint32_t text = 0;
    for (size_t i = 0; i < f->len; i++, to += sizeof(struct fixed_family)) {
        const struct family *of = f->items[i];
        struct fixed_family x = {of->text - text, of->kind, of->has_help, of->has_unit, 0};
        text = of->text;
        put(to, &x, sizeof x, changed);
    }
}

static void put_records(struct packed *k, const struct records *r, const struct families *f,
                        char *to, bool *changed)
{
    uint32_t text = 0, family = 0;
    for (size_t i = 0; i < r->len; i++, to += sizeof(struct fixed)) {
        const struct series *s = &r->items[i];
        family = find_family(f, s->family, family);
        struct fixed x = {s->prefix_hash, s->prefix_len, s->selected, s->text - text, family,
                          s->lanes,       s->role,       s->asked,    s->has_last,    0};
        text = s->text;
        if (s->role & LINE_SILENT)
            memcpy(&k->values[i], &s->id, sizeof s->id);
        else
            k->values[i] = s->last_value;
        put(to, &x, sizeof x, changed);
    }
}

void packed_put(struct packed *k, struct records *r, struct families *f, struct cold *c,
                struct texts *t, struct cold_room *room, bool *ret_changed)
{
    bool changed = t->changed || c->beside != bytes_of(r, f);
    char *to = cold_beside(c, t, bytes_of(r, f));
    if (k->cap != r->len) {
        k->values = mem_realloc(k->values, r->len * sizeof *k->values);
        k->cap = r->len;
    }
    put_records(k, r, f, to, &changed);
    put_families(f, to + r->len * sizeof(struct fixed), &changed);
    k->now = true;
    give_items(r, room);
    families_give(f, &room->families);
    *ret_changed = changed;
}

static void take_items(struct records *r, struct cold_room *room)
{
    if (room && room->items_cap >= r->len) {
        r->items = room->items;
        r->cap = room->items_cap;
        room->items = NULL;
        room->items_cap = 0;
        return;
    }
    r->items = mem_realloc(NULL, r->len * sizeof *r->items);
    r->cap = r->len;
}

static void take_families(struct families *f, const char *from, struct cold_room *room)
{
    uint32_t text = 0;
    families_take(f, room ? &room->families : NULL);
    for (size_t i = 0; i < f->len; i++, from += sizeof(struct fixed_family)) {
        struct fixed_family x;
        memcpy(&x, from, sizeof x);
        text += x.text;
        f->items[i]->text = text;
        f->items[i]->kind = x.kind;
        f->items[i]->has_help = x.has_help;
        f->items[i]->has_unit = x.has_unit;
    }
}

void packed_take(struct packed *k, struct records *r, struct families *f, struct texts *t,
                 uint8_t scrape, struct cold_room *room)
{
    if (!k->now)
        return;
    const char *from = t->data + t->len;
    uint32_t text = 0;
    take_items(r, room);
    take_families(f, from + r->len * sizeof(struct fixed), room);
    for (size_t i = 0; i < r->len; i++, from += sizeof(struct fixed)) {
        struct fixed x;
        memcpy(&x, from, sizeof x);
        text += x.text;
        struct series *s = &r->items[i];
        *s = (struct series){.prefix_hash = x.prefix_hash,
                             .family = f->items[x.family],
                             .prefix_len = x.prefix_len,
                             .selected = x.selected,
                             .text = text,
                             .lanes = x.lanes,
                             .role = x.role,
                             .scrape = scrape,
                             .asked = x.asked,
                             .has_last = x.has_last};
        s->family->users++;
        if (s->role & LINE_SILENT) {
            memcpy(&s->id, &k->values[i], sizeof s->id);
        } else {
            struct span key = series_key(s);
            s->id = hash_bytes(key.data, key.len);
            s->last_value = k->values[i];
        }
    }
    k->now = false;
}
