/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include "families.h"
#include "hash.h"
#include "key.h"
#include "mem.h"
#include "meta.h"

#include <assert.h>

/* Series in the order of their lines. */
struct order {
    struct series **items;
    size_t len;
};

struct page {
    struct target *target;
    struct page_limits limits;
    uint64_t generation; /* of the plan; 0: none yet */
    uint8_t lanes;
    uint32_t *lane_ids;  /* of the plan */
    uint32_t scrape;     /* number of the present one; failed ones have none */
    struct idmap series; /* by series->id; not those in ended */
    struct families families;
    size_t cap;               /* of now and before */
    struct order now, before; /* before: those missed once behind those that were there */
    struct order ended;       /* freed by the next call */
    size_t ended_meta;        /* of them, the last ones */
    struct meta meta;
    struct buf key, names;   /* of the series being looked for; room for key.c */
    unsigned failures;       /* in a row */
    struct page_stats stats; /* series and families are filled in when asked */
};

/* What the comments in front of a line said. */
struct described {
    struct span name, help, unit; /* .data NULL: nothing */
    enum series_kind kind;
    bool has_kind;
};

/* One page_read under way. */
struct reader {
    struct page *page;
    struct batch *batch;
    struct promtext text;
    struct promtext_line line;
    int64_t scraped_ms;
    size_t expected;     /* index in page->before of the line to come */
    size_t expected_end; /* above it nothing is expected */
    size_t known;        /* series seen that were there before */
    struct series *last; /* of the last line; its family may go on */
    struct described described;
    size_t max_samples;
    bool honor_timestamps;
    bool changed;               /* some family has another kind, help or unit now */
    struct page_faults *faults; /* never NULL */
};

static const char *const refusal_names[PAGE_REFUSALS] = {
    [PAGE_LABEL_TWICE] = "label_twice",         [PAGE_SERIES_TWICE] = "series_twice",
    [PAGE_MAX_SERIES] = "max_series",           [PAGE_MAX_BYTES] = "max_bytes",
    [PAGE_MAX_LABELS] = "max_labels",           [PAGE_MAX_NAME_BYTES] = "max_name_bytes",
    [PAGE_MAX_VALUE_BYTES] = "max_value_bytes", [PAGE_MAX_SAMPLES] = "max_samples",
    [PAGE_MAX_NEW_SERIES] = "max_new_series",   [PAGE_MAX_NAMES] = "max_names",
};

const char *page_refusal_name(enum page_refusal r)
{
    return refusal_names[r];
}

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

static void describe(struct reader *r)
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

/* Series. */

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

static void free_series(struct page *p, struct series *s)
{
    struct family *f = s->family;
    series_free(s);
    families_drop(&p->families, f);
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

/* The series of the line just parsed. */
static enum page_refusal find_series(struct reader *r, struct series **ret)
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

/* Reading. */

static inline void add_sample(struct reader *r, struct series *s, const struct promtext_value *v)
{
    struct page *p = r->page;
    s->scrape = p->scrape;
    s->position = (uint32_t)p->now.len;
    p->now.items[p->now.len++] = s;
    r->batch->samples[r->batch->len++] = (struct sample){
        .series = s,
        .value = v->number,
        .ts_ms = v->has_ts && r->honor_timestamps ? v->ts_ms : r->scraped_ms,
        .text = v->text,
    };
    r->last = s;
}

/* True when the line to come is the expected one, which is then read. */
static bool read_known(struct reader *r)
{
    struct page *p = r->page;
    if (r->expected >= r->expected_end)
        return false;
    struct series *s = p->before.items[r->expected];
    const char *start = r->text.at;
    if (r->expected_end - r->expected > SERIES_AHEAD)
        series_prefetch(p->before.items[r->expected + SERIES_AHEAD]);
    if (s->prefix_len == 0 || s->prefix_len >= (size_t)(r->text.end - start) ||
        s->scrape == p->scrape || hash_bytes(start, s->prefix_len) != s->prefix_hash)
        return false;
    struct promtext_value v;
    r->text.at += s->prefix_len;
    /* The prefix may hold comments too: whether a line is too long is then found out
     * by parsing them. */
    if (!promtext_value(&r->text, &v) || (size_t)(r->text.at - start) > r->text.max_line) {
        r->text.at = start;
        return false;
    }
    r->expected++;
    r->known++;
    p->stats.known++;
    add_sample(r, s, &v);
    return true;
}

static void refuse(struct reader *r, enum page_refusal why)
{
    struct span name = r->line.name;
    r->page->stats.refused[why]++;
    r->faults->refused_by[why]++;
    if (r->faults->refused++ == 0)
        err_set(&r->faults->first_refused, why >= PAGE_MAX_SERIES ? ERR_LIMIT : ERR_INVALID,
                "%s: %.*s", refusal_names[why], (int)(name.len < 100 ? name.len : 100), name.data);
}

static void count_bad_line(struct reader *r, const struct err *why)
{
    r->page->stats.lines_bad++;
    if (r->faults->lines_bad++ == 0)
        r->faults->first_bad = *why;
}

static void remember_prefix(struct series *s, const char *start, const char *value)
{
    size_t len = (size_t)(value - start);
    s->prefix_len = len <= UINT32_MAX ? (uint32_t)len : 0;
    s->prefix_hash = hash_bytes(start, s->prefix_len);
}

/* Only for the first bad line the place is worked out: that is a walk over the body. */
static enum status next_line(struct reader *r, struct err *err)
{
    return promtext_next(&r->text, &r->line, r->faults->lines_bad == 0 ? err : NULL);
}

/* Takes the sample just parsed, whose text starts at start, or NULL when it is not to be
 * remembered. */
static void take(struct reader *r, struct series *s, const char *start)
{
    s->prefix_len = 0;
    if (start)
        remember_prefix(s, start, r->line.value_at);
    r->page->stats.parsed++;
    add_sample(r, s, &r->line.value);
}

/* No more lines are expected than there were, nor than samples may still be taken. */
static void expect(struct reader *r)
{
    size_t left = r->max_samples - r->batch->len, len = r->page->before.len;
    r->expected_end = left < len - r->expected ? r->expected + left : len;
}

/* Parses up to and with the next sample that is taken, or to the end.  Only when
 * nothing on the way was refused the text is remembered as known: what is wrong
 * shall be counted in every scrape. */
static void read_unknown(struct reader *r)
{
    const char *start = r->text.at;
    bool clean = true;
    enum status status;
    struct err err;
    r->described = (struct described){.has_kind = false};
    while ((status = next_line(r, &err)) != ERR_CLOSED) {
        struct series *s;
        if (status == OK && r->line.item != PROMTEXT_SAMPLE) {
            describe(r);
            continue;
        }
        if (status == ERR_INVALID) {
            count_bad_line(r, &err);
            clean = false;
            continue;
        }
        enum page_refusal why = status == OK ? find_series(r, &s) : PAGE_MAX_LABELS;
        if (why == PAGE_REFUSALS) {
            take(r, s, clean ? start : NULL);
            return;
        }
        refuse(r, why);
        clean = false;
    }
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
            free_series(p, p->ended.items[i]);
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
    b->len = b->meta_len = b->ended_len = 0;
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

static size_t max_samples(const struct page *p)
{
    size_t max = p->limits.max_samples;
    int64_t own = p->target ? p->target->max_samples : 0;
    return own > 0 && (uint64_t)own < max ? (size_t)own : max;
}

static void read_lines(struct reader *r, struct span body)
{
    struct page *p = r->page;
    promtext_init(&r->text, body);
    r->text.max_line = p->limits.max_line_bytes;
    r->max_samples = max_samples(p);
    r->honor_timestamps = !p->target || p->target->honor_timestamps;
    p->scrape++;
    expect(r);
    while (r->text.at < r->text.end)
        if (!read_known(r)) {
            read_unknown(r);
            expect(r);
        }
}

void page_read(struct page *p, struct span body, int64_t scraped_ms, struct batch *b,
               struct page_faults *ret_faults)
{
    struct page_faults faults = {0};
    struct reader r = {.page = p, .batch = b, .scraped_ms = scraped_ms, .faults = &faults};
    start_batch(b, p, scraped_ms);
    read_lines(&r, body);
    faults.unreadable = b->len == 0 && faults.refused == 0 && faults.lines_bad > 0;
    if (faults.unreadable) {
        p->scrape--;
    } else {
        p->failures = 0;
        finish_batch(b, p, r.known, faults.lines_bad > 0);
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
        struct series *s = series_relane(p->before.items[i], lanes, from);
        idmap_remove(&p->series, s->id);
        idmap_put(&p->series, s->id, s);
        p->before.items[i] = s;
    }
    meta_relane(&p->meta, lanes, from);
    p->lanes = lanes;
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
    p->generation = plan->generation;
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
    p->names = (struct buf)BUF_INIT(SIZE_MAX / 2);
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
        free_series(p, p->before.items[i]);
    mem_free(p->now.items);
    mem_free(p->before.items);
    mem_free(p->ended.items);
    mem_free(p->lane_ids);
    buf_done(&p->key);
    buf_done(&p->names);
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
    s.series = p->series.len;
    s.families = p->families.map.len;
    s.table_bytes = idmap_bytes(&p->series) + idmap_bytes(&p->families.map) +
                    2 * p->cap * sizeof(struct series *) + p->meta.bytes;
    return s;
}
