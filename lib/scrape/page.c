/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - a page from scrape to scrape: what ends, what stays under another plan. */
#include "page_private.h"

#include "mem.h"

#include <assert.h>

static const char *const refusal_names[PAGE_REFUSALS] = {
    [PAGE_LABEL_TWICE] = "label_twice",
    [PAGE_SERIES_TWICE] = "series_twice",
    [PAGE_OLDER_POINT] = "older_point",
    [PAGE_UNSOUND] = "unsound",
    [PAGE_MAX_SERIES] = "max_series",
    [PAGE_MAX_BYTES] = "max_bytes",
    [PAGE_MAX_LABELS] = "max_labels",
    [PAGE_MAX_NAME_BYTES] = "max_name_bytes",
    [PAGE_MAX_VALUE_BYTES] = "max_value_bytes",
    [PAGE_MAX_SAMPLES] = "max_samples",
    [PAGE_MAX_NEW_SERIES] = "max_new_series",
    [PAGE_MAX_NAMES] = "max_names",
    [PAGE_NUL] = "nul",
    [PAGE_RELABEL] = "metric_relabel",
};

const char *page_refusal_name(enum page_refusal r)
{
    return refusal_names[r];
}

void page_free_series(struct page *p, struct series *s)
{
    struct family *f = s->family;
    series_free(s);
    families_drop(&p->families, f);
}

/* It says nothing when it goes. */
static void drop_silent(struct page *p, struct series *s)
{
    idmap_remove(&p->series, s->id);
    p->silent--;
    page_free_series(p, s);
}

/* The n series that were there before and are not now.  Forgiving: those that were still
 * in the scrape before stay. */
static void collect_missing(struct page *p, size_t n, bool forgiving)
{
    p->ended.items = mem_realloc(p->ended.items, (n + PAGE_META) * sizeof *p->ended.items);
    for (size_t i = 0; i < p->before.len; i++) {
        struct series *s = p->before.items[i];
        if (s->scrape == p->scrape)
            continue;
        if (forgiving && s->scrape == p->scrape - 1) {
            s->position = (uint32_t)p->now.len;
            p->now.items[p->now.len++] = s;
        } else if (s->role & LINE_SILENT) {
            drop_silent(p, s);
        } else {
            idmap_remove(&p->series, s->id);
            p->ended.items[p->ended.len++] = s;
        }
    }
}

static void free_ended(struct page *p)
{
    for (size_t i = 0; i < p->ended.len; i++)
        if (i < p->ended.len - p->ended_meta)
            page_free_series(p, p->ended.items[i]);
        else
            series_free(p->ended.items[i]);
    p->ended.len = p->ended_meta = 0;
}

static void forget_changed(struct page *p)
{
    for (size_t i = 0; i < p->before.len; i++)
        if (p->before.items[i]->family->changed == p->scrape)
            series_forget(p->before.items[i]);
}

/* An empty batch. */
static void start_batch(struct batch *b, struct page *p, int64_t scraped_ms)
{
    free_ended(p);
    batch_reserve(b, p->series.len + PAGE_META);
    batch_clear(b);
    b->target = p->target;
    b->scraped_ms = scraped_ms;
}

/* What is known in this scrape becomes what was known before; known: how many of those
 * known before. */
static void finish_batch(struct batch *b, struct page *p, size_t known, bool forgiving)
{
    if (known < p->before.len)
        collect_missing(p, p->before.len - known, forgiving);
    b->ended = p->ended.items;
    b->ended_len = p->ended.len;
    struct order done = p->before;
    p->before = p->now;
    p->now = (struct order){done.items, 0};
}

/* Something else than a page, or in strict mode a faulty one: all stays as it was. */
static bool is_unreadable(const struct reader *r)
{
    const struct page_faults *f = r->faults;
    return r->page->now.len == 0 && f->refused == 0 && f->lines_bad > 0;
}

void page_read(struct page *p, struct span body, int64_t scraped_ms, struct batch *b,
               struct page_faults *ret_faults)
{
    struct page_faults faults = {0};
    struct reader r = {.page = p, .batch = b, .scraped_ms = scraped_ms, .faults = &faults};
    start_batch(b, p, scraped_ms);
    if (!reader_run(&r, body)) {
        faults.lines_bad = 1;
        faults.strict = true;
        p->stats.lines_bad++;
    }
    faults.unreadable = is_unreadable(&r);
    if (faults.unreadable) {
        p->scrape--;
    } else {
        p->failures = 0;
        p->certified = p->checked && !r.faulty && (p->certified || r.distrust);
        p->faulty = r.faulty;
        finish_batch(b, p, r.known, faults.lines_bad + faults.refused_by[PAGE_UNSOUND] > 0);
        if (r.changed)
            forget_changed(p);
    }
    if (ret_faults)
        *ret_faults = faults;
}

static void end_all(struct page *p, int64_t ended_ms, struct batch *b)
{
    start_batch(b, p, ended_ms);
    p->scrape++;
    finish_batch(b, p, 0, false);
}

void page_failed(struct page *p, int64_t scraped_ms, struct batch *b)
{
    if (++p->failures >= 2)
        end_all(p, scraped_ms, b);
    else
        start_batch(b, p, scraped_ms);
}

void page_end(struct page *p, int64_t ended_ms, struct batch *b)
{
    end_all(p, ended_ms, b);
    if (p->ended.len == 0)
        p->ended.items = mem_realloc(p->ended.items, PAGE_META * sizeof *p->ended.items);
    p->ended_meta = meta_end(&p->meta, p->ended.items + p->ended.len);
    p->ended.len += p->ended_meta;
    b->ended = p->ended.items;
    b->ended_len = p->ended.len;
}

void page_add_meta(struct page *p, const struct page_meta *m, struct batch *b)
{
    meta_add(&p->meta, m, p->target, p->lanes, &p->key, b);
}

/* Which slot that lane has now. */
static uint8_t find_lane(const struct page *p, uint32_t id)
{
    for (uint8_t i = 0; p->generation != 0 && i < p->lanes; i++)
        if (p->lane_ids[i] == id)
            return i;
    return SERIES_NEW_LANE;
}

/* All series are made anew, even where the number of lanes stays: it happens at a reload
 * only. */
static void relane(struct page *p, uint8_t lanes, const uint8_t *from)
{
    free_ended(p);
    for (size_t i = 0; i < p->before.len; i++) {
        if (p->before.items[i]->role & LINE_SILENT)
            continue;
        struct series *s = series_relane(p->before.items[i], lanes, from);
        idmap_remove(&p->series, s->id);
        idmap_put(&p->series, s->id, s);
        p->before.items[i] = s;
    }
    meta_relane(&p->meta, lanes, from);
    p->lanes = lanes;
}

/* What rules said of series is forgotten, and with it all that they dropped: each line is looked at
 * again when it comes. */
static void forget_rules(struct page *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->before.len; i++) {
        struct series *s = p->before.items[i];
        if (s->role & LINE_SILENT) {
            drop_silent(p, s);
            continue;
        }
        s->role = 0;
        s->prefix_len = 0;
        s->position = (uint32_t)kept;
        p->before.items[kept++] = s;
    }
    p->before.len = kept;
}

void page_bind(struct page *p, const struct page_plan *plan)
{
    uint8_t from[UINT8_MAX];
    assert(plan->generation != 0);
    if (plan->generation == p->generation)
        return;
    for (unsigned i = 0; i < plan->lanes_len; i++)
        from[i] = find_lane(p, plan->lane_ids[i]);
    relane(p, plan->lanes_len, from);
    mem_free(p->lane_ids);
    p->lane_ids = mem_alloc(plan->lanes_len * sizeof *p->lane_ids);
    for (unsigned i = 0; i < plan->lanes_len; i++)
        p->lane_ids[i] = plan->lane_ids[i];
    if (plan->limits)
        p->limits = *plan->limits;
    if (plan->relabel_hash != p->relabel_hash || plan->keep_created != p->keep_created)
        forget_rules(p);
    p->keep_created = plan->keep_created;
    p->relabel = plan->relabel;
    p->relabel_hash = plan->relabel_hash;
    p->generation = plan->generation;
}

void page_set_manner(struct page *p, const struct page_manner *m)
{
    if (p->format != m->format)
        for (size_t i = 0; i < p->before.len; i++)
            p->before.items[i]->prefix_len = 0; /* it was read by another grammar */
    bool strict = m->mode == MODE_STRICT;
    p->certified &= p->format == m->format && p->version2 == m->version2 && p->strict == strict;
    p->faulty &= p->format == m->format && p->strict == strict;
    p->format = m->format;
    p->version2 = m->version2;
    p->may_be_cut = m->may_be_cut;
    p->strict = strict;
    p->checked = strict || m->format == FORMAT_OPENMETRICS;
}

bool page_retarget(struct page *p, struct target *t)
{
    static const struct target none;
    const struct target *old = p->target ? p->target : &none, *new = t ? t : &none;
    if (old->honor_labels != new->honor_labels || !target_same_labels(old, new))
        return false;
    target_ref(t);
    target_unref(p->target);
    p->target = t;
    return true;
}

struct page *page_new(struct target *target, const struct page_limits *limits, uint8_t lanes)
{
    struct page *p = mem_alloc(sizeof *p);
    p->target = target_ref(target);
    p->limits = *limits;
    p->lanes = lanes;
    p->key = (struct buf)BUF_INIT(SIZE_MAX / 2);
    p->names = p->exposed = p->comment = p->key;
    idmap_init(&p->series);
    families_init(&p->families, &p->stats.bytes);
    return p;
}

void page_free(struct page *p)
{
    if (!p)
        return;
    free_ended(p);
    for (size_t i = 0; i < p->before.len; i++)
        page_free_series(p, p->before.items[i]);
    mem_free(p->now.items);
    mem_free(p->before.items);
    mem_free(p->ended.items);
    mem_free(p->lane_ids);
    buf_done(&p->key);
    buf_done(&p->names);
    buf_done(&p->exposed);
    buf_done(&p->comment);
    idmap_done(&p->series);
    families_done(&p->families);
    meta_done(&p->meta);
    target_unref(p->target);
    mem_free(p);
}

struct target *page_target(const struct page *p)
{
    return p->target;
}

struct page_stats page_stats(const struct page *p)
{
    struct page_stats s = p->stats;
    s.series = p->series.len - p->silent;
    s.families = p->families.map.len;
    s.table_bytes = idmap_bytes(&p->series) + idmap_bytes(&p->families.map) +
                    2 * p->cap * sizeof(struct series *) + p->meta.bytes;
    return s;
}
