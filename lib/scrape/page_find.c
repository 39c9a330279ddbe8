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

/* The family of the line just parsed: the one described in front of it, else that
 * of the line before, else one of the same name.  NULL: it would be one too many. */
static struct family *find_family(struct reader *r)
{
    struct page *p = r->page;
    const struct described *d = &r->described;
    struct span name = r->line.name;
    if (d->name.data && family_covers(d->name, d->kind, name)) {
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

static enum page_refusal create(struct reader *r, struct span key, struct series **ret)
{
    struct page *p = r->page;
    size_t bytes = series_bytes(key.len, p->lanes);
    if (p->series.len >= p->limits.max_series)
        return PAGE_MAX_SERIES;
    if (bytes > p->limits.max_bytes || p->stats.bytes > p->limits.max_bytes - bytes)
        return PAGE_MAX_BYTES;
    if (r->faults->added >= p->limits.max_new_series)
        return PAGE_MAX_NEW_SERIES;
    struct family *f = find_family(r); /* last: it may be made by this */
    if (!f)
        return PAGE_MAX_NAMES;
    struct series *s = series_new(key, f, p->lanes);
    f->users++;
    r->faults->added++;
    idmap_put(&p->series, s->id, s);
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

enum page_refusal reader_find(struct reader *r, struct series **ret)
{
    struct page *p = r->page;
    if (r->batch->len >= r->max_samples)
        return PAGE_MAX_SAMPLES;
    enum page_refusal why = key_build(&p->key, &p->names, &r->line, p->target, &p->limits);
    if (why != PAGE_REFUSALS)
        return why;
    struct span key = {p->key.data, p->key.len};
    struct series *s = idmap_get(&p->series, hash_bytes(key.data, key.len));
    if (!s)
        return create(r, key, ret);
    if (s->scrape == p->scrape)
        return PAGE_SERIES_TWICE;
    set_family(r, s);
    r->expected = s->position + (size_t)1;
    r->known++;
    *ret = s;
    return PAGE_REFUSALS;
}
