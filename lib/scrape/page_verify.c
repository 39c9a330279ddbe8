/* SPDX-License-Identifier: Apache-2.0 */
/* page_verify.c - whether a page has a fault: in strict mode before anything of it is taken over.
 *
 * A page whose lines are all known, in their order and to the end, differs from one that was
 * checked in nothing but what stands behind names and labels: so only what rules say of that is
 * looked at, line by line.  Where that does not tell, and on every other page, check.h reads the
 * whole body. */
#include "check.h"
#include "hash.h"
#include "number.h"
#include "page_private.h"

#include <math.h>

static bool same_text(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* What is surely sound; anything else is for check.h to say. */
static bool exemplar_is_sound(const struct page *p, const struct series *s,
                              const struct promtext_exemplar *e)
{
    enum { MOST = 128 }; /* characters, each of a byte or more */
    size_t bytes = 0;
    for (size_t i = 0; i < e->labels_len; i++) {
        const struct promtext_label *l = &e->labels[i];
        bytes += l->name.len + l->value.len;
        if (l->name_escaped || l->name.data[0] == '_')
            return false;
        for (size_t k = 0; k < i; k++)
            if (same_text(l->name, e->labels[k].name))
                return false;
    }
    if (bytes > MOST || p->version2)
        return false;
    enum line_rule rule = line_rule(s);
    if (rule == RULE_TOTAL || rule == RULE_INF)
        return true;
    bool as_exposed = !p->relabel || s->role & LINE_AS_EXPOSED;
    const char *le = rule == RULE_BUCKET && as_exposed ? series_label(s, "le") : NULL;
    double bound;
    return le && number_parse((struct span){le, strlen(le)}, &bound, NULL) == OK &&
           e->number <= bound;
}

/* A point of a histogram is at its end: in the text format its samples may stand anywhere in the
 * family, and those that were not seen together were not compared. */
static bool point_is_sound(const struct reader *r)
{
    const struct point *p = &r->point;
    return r->page->format == FORMAT_OPENMETRICS || p->has_count == p->has_inf;
}

static bool start_point(struct reader *r, const struct promtext_value *v)
{
    bool sound = point_is_sound(r);
    struct point *p = &r->point;
    p->has_count = p->has_inf = false;
    p->bucket = 0;
    p->has_ts = v->has_ts;
    if (v->has_ts)
        p->ts = v->ts_text;
    return sound;
}

static bool add_inf(struct point *p, double v)
{
    p->has_inf = true;
    p->bucket = v;
    return !p->has_count || !line_differs(v, p->count);
}

static bool add_count(struct point *p, double v)
{
    p->has_count = true;
    p->count = v;
    return !p->has_inf || !line_differs(v, p->bucket);
}

static bool value_is_sound(struct reader *r, enum line_rule rule, double v)
{
    struct point *p = &r->point;
    switch (rule) {
    case RULE_NONE: return true;
    case RULE_TOTAL:
    case RULE_SUM: return v >= 0;
    case RULE_BUCKET: return point_add_bucket(p, v);
    case RULE_INF: return point_add_bucket(p, v) && add_inf(p, v);
    case RULE_COUNT: return line_is_count(v) && add_count(p, v);
    case RULE_COUNT_ALONE: return line_is_count(v);
    case RULE_CREATED: return isfinite(v);
    case RULE_QUANTILE: return !(v < 0);
    case RULE_INFO: return !line_differs(v, 1) && !isnan(v);
    case RULE_STATE: return (!line_differs(v, 0) || !line_differs(v, 1)) && !isnan(v);
    case RULE_TEXT_INF: return add_inf(p, v);
    case RULE_TEXT_COUNT: return add_count(p, v);
    case RULE_ANY: break;
    }
    return false;
}

/* All times of a metric are alike, where a metric has several lines. */
static bool time_is_sound(const struct reader *r, enum line_rule rule,
                          const struct promtext_value *v)
{
    if (rule == RULE_NONE || rule == RULE_INFO || r->page->format == FORMAT_TEXT)
        return true;
    if (rule == RULE_STATE)
        return !v->has_ts;
    return v->has_ts == r->point.has_ts && (!v->has_ts || same_text(v->ts_text, r->point.ts));
}

bool reader_sound(struct reader *r, const struct series *s, const struct promtext_value *v)
{
    enum line_rule rule = line_rule(s);
    if (s->role & LINE_START && !start_point(r, v))
        return false;
    if (v->has_created || (v->exemplar && !exemplar_is_sound(r->page, s, v->exemplar)))
        return false;
    return time_is_sound(r, rule, v) && value_is_sound(r, rule, v->number);
}

/* All lines were known; what stands behind them is so, too. */
static bool end_is_sound(const struct reader *r)
{
    const struct page *p = r->page;
    size_t len = (size_t)(r->text.end - r->text.at);
    if (r->expected < p->records.len || len != p->tail_len || !point_is_sound(r))
        return false;
    if (len > 0)
        return hash_bytes(r->text.at, len) == p->tail_hash;
    return p->records.len > 0 && p->format == FORMAT_TEXT && r->text.end[-1] == '\n';
}

/* As if no line had been read. */
static void rewind_lines(struct reader *r)
{
    struct page *p = r->page;
    size_t taken = p->records.taken; /* all were there, in their order: the page was checked then */
    for (size_t i = 0; i < taken; i++)
        p->records.items[i].scrape = (uint8_t)(p->scrape - 1);
    p->counts.known -= taken;
    records_start(&p->records);
    r->points = 0;
    batch_clear(r->batch);
    r->faults->filtered = 0;
    r->text.at = r->text.start;
    r->expected = r->known = 0;
    r->last = NULL;
    r->metric = 0;
    reader_start_metric(r);
}

bool reader_verify(struct reader *r)
{
    struct page *p = r->page;
    if (p->certified && end_is_sound(r)) {
        r->text.at = r->text.end;
        return true;
    }
    r->verifying = false;
    if (!p->strict) {
        p->tail_len = 0; /* up to now */
        rewind_lines(r);
        r->distrust = p->relabel || p->keep_created;
        reader_salvage(r);
        return true;
    }
    struct span body = {r->text.start, (size_t)(r->text.end - r->text.start)};
    /* What is above the limit on samples is refused: of that nothing need be kept in mind. */
    struct check_conf conf = {.format = p->format,
                              .version2 = p->version2,
                              .max_line = p->limits.max_line_bytes,
                              .max_series = p->limits.max_samples,
                              .max_families = p->limits.max_samples};
    if (check_page(&conf, body, &r->faults->first_bad) != OK) {
        rewind_lines(r);
        return false;
    }
    /* Of which metric the line before is, cannot be told where it was known and its name or type is
     * not that of the metric any more. */
    p->tail_len = 0; /* up to now */
    if (p->relabel || p->keep_created) {
        rewind_lines(r);
        r->distrust = true;
    }
    return true;
}
