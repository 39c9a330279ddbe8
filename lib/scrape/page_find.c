/* SPDX-License-Identifier: Apache-2.0 */
/* page_find.c - from a parsed line to its family and its series. */
#include "page_private.h"

#include "hash.h"
#include "key.h"
#include "mem.h"

/* What the comments say of f, which had other series before, if any. */
static void set_described(struct reader *r, struct family *f)
{
    struct page *p = r->page;
    const struct described *d = &r->described;
    size_t max = p->limits.max_value_bytes;
    bool changed = families_set_text(&p->families, &f->help, d->help, max);
    changed |= families_set_text(&p->families, &f->unit, d->unit, max);
    changed |= d->has_kind && f->kind != d->kind;
    if (d->has_kind)
        f->kind = d->kind;
    if (changed && f->users > 0) {
        f->changed = p->scrape;
        r->changed = true;
    }
}

/* What is left of name behind that of its family. */
static struct span ending(struct span family, struct span name)
{
    return (struct span){name.data + family.len, name.len - family.len};
}

static bool ends_with(struct span name, struct span end)
{
    return name.len > end.len && memcmp(name.data + name.len - end.len, end.data, end.len) == 0;
}

/* The family where rules have renamed the line just parsed, which belongs to what is described:
 * x_bucket that became y_bucket is of y, as it was of x; one that lost its ending is on its own. */
static struct family *find_renamed(struct reader *r)
{
    struct page *p = r->page;
    struct span name = r->name, end = ending(r->described.name, r->line.name);
    if (!ends_with(name, end))
        return families_get(&p->families, name, p->limits.max_names);
    name.len -= end.len;
    struct family *f = families_get(&p->families, name, p->limits.max_names);
    if (f)
        set_described(r, f);
    return f;
}

static bool same_text(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* The family of the line just parsed: the one described in front of it, else that
 * of the line before, else one of the same name.  NULL: it would be one too many. */
static struct family *find_family(struct reader *r)
{
    struct page *p = r->page;
    const struct described *d = &r->described;
    struct span name = r->name;
    if (d->name.data && family_covers(d->name, d->kind, r->line.name)) {
        r->above = *d;
        if (!same_text(name, r->line.name))
            return find_renamed(r);
        struct family *f = families_get(&p->families, d->name, p->limits.max_names);
        if (f)
            set_described(r, f);
        return f;
    }
    if (r->last) {
        struct family *f = r->last->family;
        if (family_covers((struct span){f->name, strlen(f->name)}, f->kind, name))
            return f;
    }
    if (p->relabel && r->above.name.data &&
        family_covers(r->above.name, r->above.kind, r->line.name)) {
        r->described = r->above; /* the line before has another name now */
        return find_family(r);
    }
    return families_get(&p->families, name, p->limits.max_names);
}

void reader_describe(struct reader *r)
{
    struct described *d = &r->described;
    const struct promtext_line *l = &r->line;
    if (l->name.len > r->page->limits.max_name_bytes)
        return;
    if (!d->name.data || !family_covers(d->name, SERIES_UNTYPED, l->name))
        *d = (struct described){.name = l->name};
    if (l->item == PROMTEXT_HELP) {
        d->help = l->text;
    } else if (l->item == PROMTEXT_UNIT) {
        d->unit = l->text;
    } else {
        d->kind = l->kind;
        d->has_kind = true;
    }
}

/* Room for every series there is; a scrape has none of them twice. */
static void reserve(struct page *p)
{
    if (p->series.len <= p->cap)
        return;
    p->cap = p->cap ? p->cap + p->cap / 8 : 64;
    p->now.items = mem_realloc(p->now.items, p->cap * sizeof *p->now.items);
    p->before.items = mem_realloc(p->before.items, p->cap * sizeof *p->before.items);
}

/* No label and no name: of a silent series only the id counts. */
static const struct span silent_key = {"", 1};

/* Not the id of a series that has a sample, even where another line is made into one of that key. */
static uint64_t silent_id(uint64_t exposed)
{
    return exposed ^ UINT64_C(0x9e3779b97f4a7c15);
}

static enum page_refusal create(struct reader *r, uint64_t id, uint8_t role, struct series **ret)
{
    struct page *p = r->page;
    bool silent = role & ROLE_SILENT;
    struct span key = silent ? silent_key : (struct span){p->key.data, p->key.len};
    uint8_t lanes = silent ? 0 : p->lanes;
    size_t bytes = series_bytes(key.len, lanes);
    if (p->series.len >= p->limits.max_series)
        return PAGE_MAX_SERIES;
    if (bytes > p->limits.max_bytes || p->stats.bytes > p->limits.max_bytes - bytes)
        return PAGE_MAX_BYTES;
    if (r->made >= p->limits.max_new_series)
        return PAGE_MAX_NEW_SERIES;
    struct family *f = find_family(r); /* last: it may be made by this */
    if (!f)
        return PAGE_MAX_NAMES;
    struct series *s = series_new(key, f, lanes);
    s->id = id;
    s->role = role;
    f->users++;
    r->made++;
    r->faults->added += !silent;
    p->silent += silent;
    idmap_put(&p->series, id, s);
    reserve(p);
    batch_reserve(r->batch, p->series.len + PAGE_META);
    *ret = s;
    return PAGE_REFUSALS;
}

static void set_family(struct reader *r, struct series *s)
{
    struct family *f = find_family(r);
    if (!f || f == s->family)
        return;
    f->users++;
    families_drop(&r->page->families, s->family);
    s->family = f;
    series_forget(s);
}

/* What the rules make of the key in p->key: its id then, and what is special.  They run only
 * where their answer is not known. */
static enum page_refusal identify(struct reader *r, uint64_t *ret_id, uint8_t *ret_role)
{
    struct page *p = r->page;
    uint64_t exposed = hash_bytes(p->key.data, p->key.len);
    *ret_id = exposed;
    *ret_role = 0;
    if (!p->relabel)
        return PAGE_REFUSALS;
    const struct series *same = idmap_get(&p->series, exposed);
    bool dropped = idmap_get(&p->series, silent_id(exposed)) != NULL;
    if (!dropped && !(same && same->role & ROLE_AS_EXPOSED)) {
        enum page_refusal why = reader_relabel(r, &dropped);
        if (why != PAGE_REFUSALS)
            return why;
    }
    if (dropped) {
        *ret_id = silent_id(exposed);
        *ret_role = ROLE_SILENT;
    } else {
        *ret_id = hash_bytes(p->key.data, p->key.len);
        *ret_role = *ret_id == exposed ? ROLE_AS_EXPOSED : 0;
    }
    return PAGE_REFUSALS;
}

enum page_refusal reader_find(struct reader *r, struct series **ret)
{
    struct page *p = r->page;
    uint64_t id;
    uint8_t role;
    if (reader_samples(r) >= r->max_samples)
        return PAGE_MAX_SAMPLES;
    enum page_refusal why = key_build(&p->key, &p->names, &r->line, p->target, &p->limits);
    if (why == PAGE_REFUSALS)
        why = identify(r, &id, &role);
    if (why != PAGE_REFUSALS)
        return why;
    r->name = (struct span){p->key.data, strlen(p->key.data)};
    struct series *s = idmap_get(&p->series, id);
    if (!s)
        return create(r, id, role, ret);
    if (s->scrape == p->scrape)
        return PAGE_SERIES_TWICE;
    s->role |= role;
    set_family(r, s);
    r->expected = s->position + (size_t)1;
    r->known++;
    *ret = s;
    return PAGE_REFUSALS;
}
