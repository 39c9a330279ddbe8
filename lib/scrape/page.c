/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include "buf.h"
#include "hash.h"
#include "idmap.h"
#include "key.h"
#include "mem.h"
#include "promtext.h"

#include <assert.h>

/* Series in the order of their lines. */
struct order {
    struct series **items;
    size_t len;
};

struct page {
    struct target *target;
    struct page_limits limits;
    uint8_t lanes;
    uint32_t scrape;       /* number of the present one */
    struct idmap series;   /* by series->id; not those in ended */
    struct idmap families; /* by hash of the name */
    size_t cap;            /* of now and before */
    struct order now, before;
    struct order ended;      /* freed by the next page_read */
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
    size_t known;        /* series seen that were there before */
    struct series *last; /* of the last line; its family may go on */
    struct described described;
    bool changed;               /* some family has another kind now */
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

/* Families. */

static uint64_t family_id(struct span name)
{
    return hash_bytes(name.data, name.len);
}

static size_t text_bytes(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static size_t family_bytes(const struct family *f)
{
    return sizeof *f + text_bytes(f->name) + text_bytes(f->help) + text_bytes(f->unit);
}

static struct family *family_get(struct page *p, struct span name)
{
    struct family *f = idmap_get(&p->families, family_id(name));
    if (!f) {
        f = family_new(name);
        idmap_put(&p->families, family_id(name), f);
        p->stats.bytes += family_bytes(f);
    }
    return f;
}

static void family_drop(struct page *p, struct family *f)
{
    if (--f->users > 0)
        return;
    p->stats.bytes -= family_bytes(f);
    idmap_remove(&p->families, family_id((struct span){f->name, strlen(f->name)}));
    family_free(f);
}

static const struct {
    enum series_kind kind;
    const char *text;
} endings[] = {
    {SERIES_HISTOGRAM, "_bucket"},    {SERIES_HISTOGRAM, "_sum"},
    {SERIES_HISTOGRAM, "_count"},     {SERIES_SUMMARY, "_sum"},
    {SERIES_SUMMARY, "_count"},       {SERIES_GAUGEHISTOGRAM, "_bucket"},
    {SERIES_GAUGEHISTOGRAM, "_gsum"}, {SERIES_GAUGEHISTOGRAM, "_gcount"},
};

/* Whether a series of that name belongs to a family of this name and kind. */
static bool belongs(struct span name, struct span family, enum series_kind kind)
{
    if (name.len < family.len || memcmp(name.data, family.data, family.len) != 0)
        return false;
    struct span rest = {name.data + family.len, name.len - family.len};
    if (rest.len == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (endings[i].kind == kind && span_is(rest, endings[i].text))
            return true;
    return false;
}

static void set_text(struct page *p, char **field, struct span text)
{
    if (!text.data || text.len > p->limits.max_value_bytes || !text_is_utf8(text))
        return;
    char *copy = mem_alloc(text.len + 1);
    promtext_unescape(copy, text);
    p->stats.bytes += text_bytes(copy);
    p->stats.bytes -= text_bytes(*field);
    mem_free(*field);
    *field = copy;
}

/* The family of the line just parsed: the one described in front of it, else that
 * of the line before, else one of the same name. */
static struct family *find_family(struct reader *r)
{
    struct page *p = r->page;
    const struct described *d = &r->described;
    struct span name = r->line.name;
    if (d->name.data && belongs(name, d->name, d->kind)) {
        struct family *f = family_get(p, d->name);
        set_text(p, &f->help, d->help);
        set_text(p, &f->unit, d->unit);
        if (d->has_kind && f->kind != d->kind) {
            f->kind = d->kind;
            r->changed = true;
        }
        return f;
    }
    if (r->last) {
        struct family *f = r->last->family;
        if (belongs(name, (struct span){f->name, strlen(f->name)}, f->kind))
            return f;
    }
    return family_get(p, name);
}

static void describe(struct reader *r)
{
    struct described *d = &r->described;
    const struct promtext_line *l = &r->line;
    if (l->name.len > r->page->limits.max_name_bytes)
        return;
    if (!d->name.data || !belongs(l->name, d->name, SERIES_UNTYPED))
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
    p->cap = p->cap ? p->cap * 2 : 64;
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
    struct series *s = series_new(key, find_family(r), p->lanes, &p->stats.bytes);
    s->family->users++;
    idmap_put(&p->series, s->id, s);
    reserve(p);
    batch_reserve(r->batch, p->series.len);
    *ret = s;
    return PAGE_REFUSALS;
}

static void free_series(struct page *p, struct series *s)
{
    struct family *f = s->family;
    series_free(s);
    family_drop(p, f);
}

static void set_family(struct reader *r, struct series *s)
{
    struct family *f = find_family(r);
    if (f == s->family)
        return;
    f->users++;
    family_drop(r->page, s->family);
    s->family = f;
    r->changed = true;
}

/* The series of the line just parsed. */
static enum page_refusal find_series(struct reader *r, struct series **ret)
{
    struct page *p = r->page;
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

static void add_sample(struct reader *r, struct series *s, const struct promtext_value *v)
{
    struct page *p = r->page;
    s->scrape = p->scrape;
    s->position = (uint32_t)p->now.len;
    p->now.items[p->now.len++] = s;
    r->batch->samples[r->batch->len++] = (struct sample){
        .series = s,
        .value = v->number,
        .ts_ms = v->has_ts ? v->ts_ms : r->scraped_ms,
        .text = v->text,
    };
    r->last = s;
}

/* True when the line to come is the expected one, which is then read. */
static bool read_known(struct reader *r)
{
    struct page *p = r->page;
    if (r->expected == p->before.len)
        return false;
    struct series *s = p->before.items[r->expected];
    const char *start = r->text.at;
    if (s->prefix_len == 0 || s->prefix_len >= (size_t)(r->text.end - start) ||
        s->scrape == p->scrape || hash_bytes(start, s->prefix_len) != s->prefix_hash)
        return false;
    struct promtext_value v;
    r->text.at += s->prefix_len;
    if (!promtext_value(&r->text, &v)) {
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

/* The n series that were there before and are not now. */
static void collect_ended(struct page *p, size_t n)
{
    p->ended.items = mem_realloc(p->ended.items, n * sizeof *p->ended.items);
    for (size_t i = 0; i < p->before.len; i++) {
        struct series *s = p->before.items[i];
        if (s->scrape != p->scrape) {
            idmap_remove(&p->series, s->id);
            p->ended.items[p->ended.len++] = s;
        }
    }
    assert(p->ended.len == n);
}

static void free_ended(struct page *p)
{
    for (size_t i = 0; i < p->ended.len; i++)
        free_series(p, p->ended.items[i]);
    p->ended.len = 0;
}

static void forget_derived(struct page *p)
{
    for (size_t i = 0; i < p->now.len; i++)
        series_forget(p->now.items[i]);
}

/* An empty batch, and the next number for the scrape it is of. */
static void start_batch(struct batch *b, struct page *p, int64_t scraped_ms)
{
    free_ended(p);
    p->scrape++;
    batch_reserve(b, p->series.len);
    b->len = b->ended_len = 0;
    b->target = p->target;
    b->scraped_ms = scraped_ms;
}

/* What is known in this scrape becomes what was known before; known: how many of those
 * known before. */
static void finish_batch(struct batch *b, struct page *p, size_t known)
{
    if (known < p->before.len)
        collect_ended(p, p->before.len - known);
    b->ended = p->ended.items;
    b->ended_len = p->ended.len;
    struct order done = p->before;
    p->before = p->now;
    p->now = (struct order){done.items, 0};
}

void page_read(struct page *p, struct span body, int64_t scraped_ms, struct batch *b,
               struct page_faults *ret_faults)
{
    struct page_faults faults = {0};
    struct reader r = {.page = p, .batch = b, .scraped_ms = scraped_ms, .faults = &faults};
    p->failures = 0;
    start_batch(b, p, scraped_ms);
    promtext_init(&r.text, body);
    while (r.text.at < r.text.end)
        if (!read_known(&r))
            read_unknown(&r);
    if (r.changed)
        forget_derived(p);
    finish_batch(b, p, r.known);
    if (ret_faults)
        *ret_faults = faults;
}

void page_end(struct page *p, int64_t ended_ms, struct batch *b)
{
    start_batch(b, p, ended_ms);
    finish_batch(b, p, 0);
}

void page_failed(struct page *p, int64_t scraped_ms, struct batch *b)
{
    if (++p->failures >= 2)
        page_end(p, scraped_ms, b);
    else
        start_batch(b, p, scraped_ms);
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
    idmap_init(&p->families);
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
    buf_done(&p->key);
    buf_done(&p->names);
    idmap_done(&p->series);
    idmap_done(&p->families);
    target_unref(p->target);
    mem_free(p);
}

struct page_stats page_stats(const struct page *p)
{
    struct page_stats s = p->stats;
    s.series = p->series.len;
    s.families = p->families.len;
    s.table_bytes =
        idmap_bytes(&p->series) + idmap_bytes(&p->families) + 2 * p->cap * sizeof(struct series *);
    return s;
}
