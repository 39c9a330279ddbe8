/* SPDX-License-Identifier: Apache-2.0 */
/* check_point.c - what the samples of one label set at one time say together, and their order. */
#include "check_parts.h"
#include "mem.h"
#include "number.h"

#include <math.h>

enum { MAX_STASH = 1 << 16 };

static bool has(const struct check_point *p, enum check_role r)
{
    return p->roles & 1u << r;
}

static bool differs(double a, double b)
{
    return a < b || a > b;
}

static void missing(struct check *c, const struct check_point *p, const char *rule,
                    const char *what)
{
    struct span name = {c->family.name.data, c->family.name.len};
    check_fault_missing(c, p->line, 1, name, rule, what);
}

static const char gsum_negative[] = "gsum-negative",
                  gsum_negative_is[] = "without a bucket below 0 a sum is not negative";

static void check_histogram(struct check *c, const struct check_point *p)
{
    bool gauge = c->family.kind == SERIES_GAUGEHISTOGRAM, metrics = check_is_metrics(c);
    bool sum = has(p, ROLE_SUM), count = has(p, ROLE_COUNT);
    if (!p->inf)
        missing(c, p, "inf-missing", "a histogram has a bucket with le=\"+Inf\"");
    else if (metrics && sum != count)
        missing(c, p, "sum-count", "a histogram has both sum and count, or none of them");
    else if (!metrics && !count)
        missing(c, p, "count-missing", "a histogram has a count, equal to its bucket +Inf");
    else if (metrics && gauge && sum && p->sum < 0 && !p->negative_bucket)
        missing(c, p, gsum_negative, gsum_negative_is);
}

static void end_point(struct check *c, struct check_point *p)
{
    bool silent = c->family.spoiled || c->family.lost || !p->there;
    p->there = false;
    if (silent)
        return;
    if (c->family.kind == SERIES_HISTOGRAM || c->family.kind == SERIES_GAUGEHISTOGRAM)
        check_histogram(c, p);
    else if (check_is_metrics(c) && c->family.kind == SERIES_COUNTER && !has(p, ROLE_TOTAL))
        missing(c, p, "total-missing", "a counter has a sample _total");
}

static int compare_lines(const void *a, const void *b)
{
    const struct check_point *const *x = a, *const *y = b;
    return ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

/* In the order of their lines. */
static void end_stash(struct check *c)
{
    struct idmap *m = &c->stash;
    size_t n = 0;
    if (m->len == 0)
        return;
    struct check_point **all = mem_alloc(m->len * sizeof *all);
    for (size_t i = 0; i < (size_t)1 << m->bits; i++)
        if (m->slots[i].item)
            all[n++] = m->slots[i].item;
    qsort(all, n, sizeof(struct check_point *), compare_lines);
    for (size_t i = 0; i < n; i++) {
        end_point(c, all[i]);
        mem_free(all[i]);
    }
    mem_free(all);
    idmap_done(m);
    idmap_init(m);
}

void check_point_end(struct check *c)
{
    end_stash(c);
    end_point(c, &c->point);
    check_set_clear(&c->parts);
}

static void begin_point(struct check *c, const struct check_sample *s, double ts)
{
    end_point(c, &c->point);
    if (check_is_metrics(c))
        check_set_clear(&c->parts);
    c->point = (struct check_point){
        .there = true, .metric = s->metric, .has_ts = c->line.value.has_ts, .ts = ts};
}

/* Keeps a hash of the family in mind.  False: it was there before. */
static bool remember(struct check *c, uint64_t hash)
{
    if (c->series.len < c->conf.max_series)
        return check_set_add(&c->series, hash);
    c->unkept++;
    return !check_set_has(&c->series, hash);
}

static void refuse_order(struct check *c, const struct check_sample *s)
{
    bool bucket = s->role == ROLE_BUCKET;
    check_fault_here(c, s->special->value.data, bucket ? "bucket-order" : "quantile-order",
                     bucket ? "buckets stand in the order of le, each once"
                            : "quantiles stand in their order, each once");
}

static bool is_inf(double bound)
{
    return isinf(bound) && bound > 0;
}

static void refuse_count(struct check *c)
{
    check_fault_here(c, c->line.value_at, "count-differs",
                     "the count of a histogram equals its bucket +Inf");
    c->there = true;
}

static bool is_sum_forbidden(const struct check *c, bool negative_bucket)
{
    return check_is_metrics(c) && c->family.kind == SERIES_HISTOGRAM && negative_bucket;
}

static void refuse_sum(struct check *c)
{
    check_fault_here(c, c->line.name.data, "sum-negative-bucket",
                     "with a bucket below 0 a histogram has no sum");
}

/* A bucket may stand behind the sum and the count. */
static bool fits_before(struct check *c, const struct check_sample *s)
{
    const struct check_point *p = &c->point;
    if (has(p, ROLE_SUM) && is_sum_forbidden(c, s->bound < 0))
        refuse_sum(c);
    else if (has(p, ROLE_COUNT) && is_inf(s->bound) && differs(c->line.value.number, p->count))
        refuse_count(c);
    return !c->bad;
}

/* Buckets come in the order of their bounds; so do, in the text format, quantiles. */
static void add_bound(struct check *c, const struct check_sample *s)
{
    struct check_point *p = &c->point;
    bool bucket = s->role == ROLE_BUCKET, metrics = check_is_metrics(c);
    double v = c->line.value.number;
    if (!bucket && metrics)
        return;
    if (p->bucket && !(s->bound > p->bound)) {
        refuse_order(c, s);
        return;
    }
    if (bucket && metrics && p->bucket && v < p->value) {
        check_fault_here(c, c->line.value_at, "bucket-cumulative",
                         "a bucket counts what the buckets before it count, too");
        return;
    }
    if (bucket && !fits_before(c, s)) {
        p->inf |= c->there;
        return;
    }
    p->bucket = true;
    p->bound = s->bound;
    p->value = v;
    p->inf |= bucket && is_inf(s->bound);
    p->negative_bucket |= bucket && s->bound < 0;
}

static void add_sum(struct check *c)
{
    struct check_point *p = &c->point;
    double v = c->line.value.number;
    if (is_sum_forbidden(c, p->negative_bucket))
        refuse_sum(c);
    else if (check_is_metrics(c) && c->family.kind == SERIES_GAUGEHISTOGRAM && v < 0 && p->inf &&
             !p->negative_bucket)
        check_fault_here(c, c->line.value_at, gsum_negative, gsum_negative_is);
    p->sum = v;
}

static void add_count(struct check *c)
{
    struct check_point *p = &c->point;
    double v = c->line.value.number;
    if (p->inf && differs(v, p->value))
        refuse_count(c);
    p->count = v;
}

static void add(struct check *c, const struct check_sample *s)
{
    struct check_point *p = &c->point;
    p->line = c->lines;
    if (s->role == ROLE_BUCKET || s->role == ROLE_QUANTILE)
        add_bound(c, s);
    else if (s->role == ROLE_SUM)
        add_sum(c);
    else if (s->role == ROLE_COUNT)
        add_count(c);
    if (!c->bad || c->there)
        p->roles |= 1u << s->role;
}

/* Text format: label sets may be mixed, and each has its points to the end of the family.  Only
 * those of which something may still come are kept. */

static bool is_complete(const struct check *c, const struct check_point *p)
{
    return has(p, ROLE_COUNT) && has(p, ROLE_SUM) && (p->inf || c->family.kind == SERIES_SUMMARY);
}

static void stash(struct check *c)
{
    struct check_point *p = &c->point;
    if (!p->there || is_complete(c, p)) {
        if (p->there && c->parts.len < c->conf.max_series)
            (void)!check_set_add(&c->parts, p->metric);
        end_point(c, p);
        return;
    }
    struct check_point *kept = mem_alloc(sizeof *kept);
    *kept = *p;
    idmap_put(&c->stash, p->metric, kept);
    p->there = false;
}

static bool unstash(struct check *c, uint64_t metric)
{
    struct check_point *kept = idmap_get(&c->stash, metric);
    if (!kept)
        return false;
    c->point = *kept;
    idmap_remove(&c->stash, metric);
    mem_free(kept);
    return true;
}

static void add_text(struct check *c, const struct check_sample *s)
{
    if (!remember(c, s->series)) {
        check_fault_here(c, c->line.name.data, "series-twice",
                         "a sample of this name and these labels was there");
        return;
    }
    if (c->family.kind != SERIES_HISTOGRAM && c->family.kind != SERIES_SUMMARY)
        return;
    if (!c->point.there || c->point.metric != s->metric) {
        stash(c);
        if (c->stash.len >= MAX_STASH)
            check_point_end(c);
        bool stashed = unstash(c, s->metric);
        if (!stashed && s->role == ROLE_BUCKET && check_set_has(&c->parts, s->metric)) {
            refuse_order(c, s); /* +Inf was there */
            return;
        }
        if (!stashed)
            begin_point(c, s, 0);
    }
    add(c, s);
}

/* OpenMetrics: a metric's samples stand together, and in them those of each time. */

static double seconds(const struct promtext_value *v)
{
    double ts = 0;
    if (v->has_ts && number_parse(v->ts_text, &ts, NULL) != OK)
        ts = 0;
    return ts;
}

/* A further sample of the present metric. */
static void go_on(struct check *c, const struct check_sample *s)
{
    struct check_point *p = &c->point;
    const struct promtext_value *v = &c->line.value;
    double ts = seconds(v);
    if (v->has_ts != p->has_ts) {
        check_fault_here(c, v->has_ts ? v->ts_text.data : c->line.value_at, "timestamp-mixed",
                         "all samples of a label set have a timestamp, or none");
        return;
    }
    if (ts < p->ts) {
        check_fault_here(c, v->ts_text.data, "timestamp-order",
                         "the timestamps of a label set do not go backwards");
        return;
    }
    bool again = check_set_has(&c->parts, s->series);
    if (again && !v->has_ts)
        check_fault_here(c, c->line.name.data, "series-twice",
                         "a sample of this name and these labels was there");
    else if (again || ts > p->ts)
        begin_point(c, s, ts);
}

static bool is_metric_new(struct check *c, const struct check_sample *s)
{
    bool fresh = remember(c, s->metric);
    if (!fresh)
        check_fault_here(c, c->line.name.data, "metric-interleaved",
                         "samples of these labels were there: they stand together");
    return fresh;
}

/* Which labels of an info are those of its metric, nobody can tell: each label set is one. */
static void add_info(struct check *c, const struct check_sample *s)
{
    struct check_sample own = *s;
    own.metric = s->series;
    if (c->point.there && c->point.metric == own.metric)
        go_on(c, &own);
    else if (!remember(c, s->series) && !c->line.value.has_ts)
        check_fault_here(c, c->line.name.data, "series-twice",
                         "a sample of this name and these labels was there");
    else
        begin_point(c, &own, seconds(&c->line.value));
}

static void add_metrics(struct check *c, const struct check_sample *s)
{
    if (s->role == ROLE_INFO)
        add_info(c, s);
    else if (c->point.there && c->point.metric == s->metric)
        go_on(c, s);
    else if (is_metric_new(c, s))
        begin_point(c, s, seconds(&c->line.value));
    if (c->bad)
        return;
    add(c, s);
    if (!c->bad) /* else the same one may yet come, and be sound */
        (void)!check_set_add(&c->parts, s->series);
}

void check_point_add(struct check *c, const struct check_sample *s)
{
    if (check_is_metrics(c))
        add_metrics(c, s);
    else
        add_text(c, s);
}
