/* SPDX-License-Identifier: Apache-2.0 */
/* check_sample.c - a sample by itself: its labels, its value and its exemplar, by its type. */
#include "check_parts.h"
#include "hash.h"
#include "number.h"

#include <math.h>

enum { MAX_EXEMPLAR = 128 }; /* characters */

/* Text without its escapes; until the next call. */
static struct span plain(struct check *c, struct span text, bool escaped)
{
    if (!escaped)
        return text;
    buf_truncate(&c->scratch, 0);
    char *room = buf_room(&c->scratch, text.len);
    if (!room)
        abort();
    return (struct span){room, promtext_unescape(room, text)};
}

static uint64_t label_hash(struct check *c, const struct promtext_label *l, uint64_t name)
{
    struct span value = plain(c, l->value, l->escaped);
    uint64_t h = hash_bytes(value.data, value.len);
    h = (h << 31 | h >> 33) ^ (name * UINT64_C(0x9e3779b97f4a7c15));
    h *= UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 29;
}

/* Each label by itself.  names: room for their hashes. */
static void check_labels(struct check *c, const struct promtext_label *labels, size_t len,
                         uint64_t *names)
{
    for (size_t i = 0; i < len; i++) {
        const struct promtext_label *l = &labels[i];
        struct span name = plain(c, l->name, l->name_escaped);
        names[i] = hash_bytes(name.data, name.len);
        for (size_t k = 0; k < i; k++)
            if (names[k] == names[i]) {
                check_fault_here(c, l->name.data, "label-twice", "a label of this name was there");
                return;
            }
        if (check_is_metrics(c) && name.data[0] == '_' && !c->conf.version2)
            check_fault_here(c, l->name.data, "label-reserved",
                             "names of labels that begin with '_' are reserved");
    }
}

/* The label that a sample of this role has besides those of its metric; .data NULL: none. */
static struct span special_of(const struct check *c, enum check_role role)
{
    switch (role) {
    case ROLE_BUCKET: return (struct span){"le", 2};
    case ROLE_QUANTILE: return (struct span){"quantile", 8};
    case ROLE_STATE: return (struct span){c->family.name.data, c->family.name.len};
    default: return (struct span){NULL, 0};
    }
}

/* All labels in any order: the sum of what each of them gives.  A label without a value is none. */
static void hash_labels(struct check *c, struct check_sample *s, const uint64_t *names)
{
    struct span special = special_of(c, s->role);
    uint64_t wanted = special.data ? hash_bytes(special.data, special.len) : 0;
    uint64_t sum = 0, other = 0;
    for (size_t i = 0; i < c->line.labels_len; i++) {
        const struct promtext_label *l = &c->line.labels[i];
        uint64_t h = l->value.len ? label_hash(c, l, names[i]) : 0;
        if (special.data && names[i] == wanted) {
            s->special = l;
            other = h;
        } else {
            sum += h;
        }
    }
    s->metric = sum ^ UINT64_C(0x51);
    s->series = (sum + other * 3 + s->role) * UINT64_C(0xc4ceb9fe1a85ec53);
    s->series ^= s->series >> 32;
}

/* A number as the grammar of values has it; infinity as its canonical form alone. */
static bool read_bound(const struct promtext_label *l, double *ret)
{
    struct span v = l->value;
    if (span_is(v, "+Inf") || span_is(v, "-Inf")) {
        *ret = v.data[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    return number_parse(v, ret, NULL) == OK && isfinite(*ret);
}

static void refuse_label(struct check *c, const char *name, const char *rule, const char *what)
{
    for (size_t i = 0; i < c->line.labels_len; i++) {
        const struct promtext_label *l = &c->line.labels[i];
        if (span_is(l->name, name))
            check_fault_here(c, l->name.data, rule, what);
    }
}

static void check_bucket_label(struct check *c, struct check_sample *s)
{
    if (!s->special)
        check_fault_here(c, c->line.name.data, "le-missing", "a bucket has a label le");
    else if (!read_bound(s->special, &s->bound))
        check_fault_here(c, s->special->value.data, "le-number",
                         "le is a number, infinity written +Inf");
}

static void check_quantile_label(struct check *c, struct check_sample *s)
{
    if (!s->special)
        check_fault_here(c, c->line.name.data, "quantile-missing",
                         "a sample of a summary has a suffix or a label quantile");
    else if (!read_bound(s->special, &s->bound))
        check_fault_here(c, s->special->value.data, "quantile-number", "quantile is a number");
    else if (check_is_metrics(c) && (s->bound < 0 || s->bound > 1))
        check_fault_here(c, s->special->value.data, "quantile-range",
                         "a quantile lies between 0 and 1");
}

/* Labels that a type gives a meaning. */
static void check_special(struct check *c, struct check_sample *s)
{
    enum series_kind kind = c->family.kind;
    if (s->role == ROLE_BUCKET)
        check_bucket_label(c, s);
    else if (s->role == ROLE_QUANTILE)
        check_quantile_label(c, s);
    else if (s->role == ROLE_STATE && !s->special)
        check_fault_here(c, c->line.name.data, "stateset-label",
                         "a state has a label of the name of its family");
    else if (check_is_metrics(c) && (kind == SERIES_HISTOGRAM || kind == SERIES_GAUGEHISTOGRAM))
        refuse_label(c, "le", "le-reserved", "le is for buckets alone");
    else if (check_is_metrics(c) && kind == SERIES_SUMMARY)
        refuse_label(c, "quantile", "quantile-reserved", "quantile is for quantiles alone");
}

/* What is counted is neither NaN nor negative. */
static bool check_counted(struct check *c, const char *nan_rule, const char *negative_rule)
{
    double v = c->line.value.number;
    if (isnan(v))
        check_fault_here(c, c->line.value_at, nan_rule, "what is counted is not NaN");
    else if (v < 0)
        check_fault_here(c, c->line.value_at, negative_rule, "what is counted is not negative");
    return !isnan(v) && !(v < 0);
}

static void check_whole(struct check *c, const char *rule)
{
    double v = c->line.value.number;
    if (isinf(v) || v < floor(v) || v > floor(v))
        check_fault_here(c, c->line.value_at, rule, "a number of observations is an integer");
}

static void check_value(struct check *c, enum check_role role)
{
    double v = c->line.value.number;
    const char *at = c->line.value_at;
    switch (role) {
    case ROLE_TOTAL: (void)check_counted(c, "counter-nan", "counter-negative"); break;
    case ROLE_BUCKET:
        if (check_counted(c, "bucket-nan", "bucket-negative"))
            check_whole(c, "bucket-integer");
        break;
    case ROLE_COUNT:
        if (check_counted(c, "count-nan", "count-negative"))
            check_whole(c, "count-integer");
        break;
    case ROLE_SUM:
        if (c->family.kind != SERIES_GAUGEHISTOGRAM)
            (void)check_counted(c, "sum-nan", "sum-negative");
        else if (isnan(v))
            check_fault_here(c, at, "sum-nan", "a sum is not NaN");
        break;
    case ROLE_CREATED:
        if (!isfinite(v))
            check_fault_here(c, at, "created-time", "the value of _created is a time");
        break;
    case ROLE_QUANTILE:
        if (v < 0)
            check_fault_here(c, at, "quantile-negative", "the value of a quantile is not negative");
        break;
    case ROLE_INFO:
        if (v < 1 || v > 1 || isnan(v))
            check_fault_here(c, at, "info-value", "the value of an info is 1");
        break;
    case ROLE_STATE:
        if (isnan(v) || v < 0 || v > 1 || (v > 0 && v < 1))
            check_fault_here(c, at, "stateset-value", "the value of a state is 0 or 1");
        break;
    case ROLE_VALUE:
    case ROLES: break;
    }
}

/* Characters, of UTF-8. */
static size_t count_characters(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.data[i] & 0xc0) != 0x80;
    return n;
}

static void check_exemplar(struct check *c, const struct check_sample *s)
{
    const struct promtext_exemplar *e = c->line.value.exemplar;
    uint64_t names[PROMTEXT_EXEMPLAR_LABELS];
    if (s->role != ROLE_BUCKET && s->role != ROLE_TOTAL) {
        check_fault_here(c, e->at, "exemplar-place",
                         "only buckets and totals of counters have exemplars");
        return;
    }
    check_labels(c, e->labels, e->labels_len, names);
    size_t characters = 0;
    for (size_t i = 0; i < e->labels_len; i++) {
        const struct promtext_label *l = &e->labels[i];
        characters += count_characters(plain(c, l->name, l->name_escaped));
        characters += count_characters(plain(c, l->value, l->escaped));
    }
    if (characters > MAX_EXEMPLAR && !c->conf.version2)
        check_fault_here(c, e->at, "exemplar-length",
                         "the labels of an exemplar have 128 characters at most");
    if (s->role == ROLE_BUCKET && s->special && e->number > s->bound)
        check_fault_here(c, e->at, "exemplar-bucket",
                         "the value of an exemplar lies inside of its bucket");
    if (c->conf.version2 && !e->has_ts)
        check_fault_here(c, e->at, "exemplar-time", "an exemplar has a timestamp");
}

void check_sample(struct check *c, struct check_sample *s)
{
    uint64_t names[PROMTEXT_LABELS];
    s->special = NULL;
    s->bound = 0;
    check_labels(c, c->line.labels, c->line.labels_len, names);
    if (c->bad)
        return;
    hash_labels(c, s, names);
    check_special(c, s);
    if (check_is_metrics(c))
        check_value(c, s->role);
    bool bad = c->bad;
    if (c->line.value.exemplar)
        check_exemplar(c, s);
    if (c->conf.lenient && c->bad && !bad) {
        c->bad = false;
        c->bad_exemplar = true;
    }
}
