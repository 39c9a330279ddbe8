/* SPDX-License-Identifier: Apache-2.0 */
/* check_family.c - which lines make a family, and how families stand to each other. */
#include "check_parts.h"
#include "hash.h"

static const struct suffix {
    enum series_kind kind;
    const char *text;
    enum check_role role;
} metrics_suffixes[] = {
    {SERIES_UNTYPED, "", ROLE_VALUE},
    {SERIES_GAUGE, "", ROLE_VALUE},
    {SERIES_COUNTER, "_total", ROLE_TOTAL},
    {SERIES_COUNTER, "_created", ROLE_CREATED},
    {SERIES_HISTOGRAM, "_bucket", ROLE_BUCKET},
    {SERIES_HISTOGRAM, "_sum", ROLE_SUM},
    {SERIES_HISTOGRAM, "_count", ROLE_COUNT},
    {SERIES_HISTOGRAM, "_created", ROLE_CREATED},
    {SERIES_GAUGEHISTOGRAM, "_bucket", ROLE_BUCKET},
    {SERIES_GAUGEHISTOGRAM, "_gsum", ROLE_SUM},
    {SERIES_GAUGEHISTOGRAM, "_gcount", ROLE_COUNT},
    {SERIES_SUMMARY, "", ROLE_QUANTILE},
    {SERIES_SUMMARY, "_sum", ROLE_SUM},
    {SERIES_SUMMARY, "_count", ROLE_COUNT},
    {SERIES_SUMMARY, "_created", ROLE_CREATED},
    {SERIES_INFO, "_info", ROLE_INFO},
    {SERIES_STATESET, "", ROLE_STATE},
};

/* What version 2 of OpenMetrics has besides: a family of the name of its samples. */
static const struct suffix version2_suffixes[] = {
    {SERIES_COUNTER, "", ROLE_TOTAL},
    {SERIES_INFO, "", ROLE_INFO},
};

static const struct suffix text_suffixes[] = {
    {SERIES_UNTYPED, "", ROLE_VALUE},       {SERIES_GAUGE, "", ROLE_VALUE},
    {SERIES_COUNTER, "", ROLE_VALUE},       {SERIES_HISTOGRAM, "_bucket", ROLE_BUCKET},
    {SERIES_HISTOGRAM, "_sum", ROLE_SUM},   {SERIES_HISTOGRAM, "_count", ROLE_COUNT},
    {SERIES_SUMMARY, "", ROLE_QUANTILE},    {SERIES_SUMMARY, "_sum", ROLE_SUM},
    {SERIES_SUMMARY, "_count", ROLE_COUNT},
};

/* Suffix number i of a kind, or NULL behind the last. */
static const struct suffix *suffix_of(const struct check *c, enum series_kind kind, size_t i)
{
    bool metrics = check_is_metrics(c);
    const struct suffix *all = metrics ? metrics_suffixes : text_suffixes;
    size_t len = metrics ? ARRAY_LEN(metrics_suffixes) : ARRAY_LEN(text_suffixes);
    for (size_t k = 0; k < len; k++)
        if (all[k].kind == kind && i-- == 0)
            return &all[k];
    for (size_t k = 0; c->conf.version2 && metrics && k < ARRAY_LEN(version2_suffixes); k++)
        if (version2_suffixes[k].kind == kind && i-- == 0)
            return &version2_suffixes[k];
    return NULL;
}

/* The lines of a page are bounded, and so is what is kept of them. */
static void set(struct buf *b, struct span text, bool escaped)
{
    buf_truncate(b, 0);
    char *room = buf_room(b, text.len);
    if (!room)
        abort();
    size_t len = text.len;
    if (escaped)
        len = promtext_unescape(room, text);
    else
        memcpy(room, text.data, len);
    buf_used(b, len);
}

static struct span span_of(const struct buf *b)
{
    return (struct span){b->data, b->len};
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

void check_family_init(struct check *c)
{
    struct check_family_state *f = &c->family;
    f->name = f->help = f->unit = (struct buf)BUF_INIT(SIZE_MAX / 2);
}

void check_family_done(struct check *c)
{
    buf_done(&c->family.name);
    buf_done(&c->family.help);
    buf_done(&c->family.unit);
}

/* False: it was there before. */
static bool keep(struct check *c, struct check_set *set, uint64_t hash)
{
    if (c->families.len < c->conf.max_families)
        return check_set_add(set, hash);
    c->unkept++;
    return !check_set_has(set, hash);
}

/* A family that begins, of the name that the present line has. */
static void begin(struct check *c)
{
    struct check_family_state *f = &c->family;
    const char *at = c->line.name.data;
    set(&f->name, span_of(&c->name), false);
    buf_truncate(&f->help, 0);
    buf_truncate(&f->unit, 0);
    f->there = true;
    f->settled = f->lost = f->spoiled = false;
    f->has_type = f->has_help = f->has_unit = false;
    f->kind = SERIES_UNTYPED;
    f->line = c->lines;
    f->column = (size_t)(at - c->raw.data) + 1;
    if (!keep(c, &c->families, hash_bytes(f->name.data, f->name.len))) {
        check_fault_here(c, at, "family-interleaved",
                         "a family of this name was there before: its lines stand together");
        f->lost = true;
    }
    if (check_is_metrics(c) && c->line.name.data[0] == '_') {
        check_fault_here(c, at, "name-reserved", "names that begin with '_' are reserved");
        f->lost = true;
    }
}

/* Takes all names that samples of the family may have. */
static void claim_names(struct check *c)
{
    struct check_family_state *f = &c->family;
    const struct suffix *s;
    bool clash = false;
    for (size_t i = 0; (s = suffix_of(c, f->kind, i)); i++) {
        set(&c->scratch, span_of(&f->name), false);
        if (buf_puts(&c->scratch, s->text) != OK)
            abort();
        clash |= !keep(c, &c->names, hash_bytes(c->scratch.data, c->scratch.len));
    }
    if (!clash)
        return;
    f->lost = true;
    check_fault_before(c, f->line, f->column, span_of(&f->name), "name-clash",
                       "a family before may have samples of the same name");
    c->bad |= f->line == c->lines;
}

static void settle(struct check *c)
{
    struct check_family_state *f = &c->family;
    if (f->settled)
        return;
    f->settled = true;
    if (!f->lost)
        claim_names(c);
    struct check_family told = {.name = span_of(&f->name),
                                .kind = f->kind,
                                .has_help = f->has_help,
                                .has_unit = f->has_unit,
                                .help = span_of(&f->help),
                                .unit = span_of(&f->unit)};
    if (!f->lost && c->conf.family)
        c->conf.family(c->conf.of, &told);
}

void check_family_end(struct check *c)
{
    if (!c->family.there)
        return;
    settle(c);
    check_point_end(c);
    check_set_clear(&c->series);
    c->family.there = false;
}

/* Metadata. */

static void told_twice(struct check *c, const char *rule)
{
    check_fault_here(c, c->line.name.data, rule, "said before of this family: once is the rule");
}

static void check_unit(struct check *c)
{
    const struct check_family_state *f = &c->family;
    struct span name = span_of(&f->name), unit = span_of(&f->unit);
    if (!check_is_metrics(c) || !f->has_unit || unit.len == 0)
        return;
    const char *at = c->line.item == PROMTEXT_UNIT ? c->line.text.data : c->line.name.data;
    if (f->kind == SERIES_INFO || f->kind == SERIES_STATESET)
        check_fault_here(c, at, "unit-type", "infos and statesets have no unit");
    else if (c->line.item == PROMTEXT_UNIT && !c->conf.version2 &&
             (name.len <= unit.len || name.data[name.len - unit.len - 1] != '_' ||
              memcmp(name.data + name.len - unit.len, unit.data, unit.len) != 0))
        check_fault_here(c, at, "unit-suffix", "the name of the family ends with '_' and its unit");
}

static void take_metadata(struct check *c)
{
    struct check_family_state *f = &c->family;
    const struct promtext_line *l = &c->line;
    if (l->item == PROMTEXT_TYPE) {
        if (f->has_type)
            return told_twice(c, "type-twice");
        f->has_type = true;
        f->kind = l->kind;
    } else if (l->item == PROMTEXT_HELP) {
        if (f->has_help)
            return told_twice(c, "help-twice");
        f->has_help = true;
        set(&f->help, l->text, true);
    } else {
        if (f->has_unit)
            return told_twice(c, "unit-twice");
        f->has_unit = true;
        set(&f->unit, l->text, false);
    }
    check_unit(c);
    if (c->conf.lenient && c->bad && l->item == PROMTEXT_TYPE)
        f->kind = SERIES_UNTYPED; /* what it says is not taken */
}

void check_metadata(struct check *c)
{
    struct check_family_state *f = &c->family;
    set(&c->name, c->line.name, c->line.name_escaped);
    if (!f->there || !same(&f->name, &c->name)) {
        check_family_end(c);
        begin(c);
    } else if (f->settled) {
        check_fault_here(c, c->line.name.data, "metadata-late",
                         "what describes a family stands before its samples");
        return;
    }
    take_metadata(c);
}

/* Samples. */

/* Whether the present line's sample is one of the family. */
static bool covers(const struct check *c, enum check_role *ret)
{
    const struct check_family_state *f = &c->family;
    if (!f->there || c->name.len < f->name.len ||
        memcmp(c->name.data, f->name.data, f->name.len) != 0)
        return false;
    struct span rest = {c->name.data + f->name.len, c->name.len - f->name.len};
    const struct suffix *s;
    for (size_t i = 0; (s = suffix_of(c, f->kind, i)); i++) {
        if (span_is(rest, s->text)) {
            *ret = s->role;
            return true;
        }
    }
    return false;
}

bool check_belongs(struct check *c, enum check_role *ret)
{
    struct check_family_state *f = &c->family;
    set(&c->name, c->line.name, c->line.name_escaped);
    if (!covers(c, ret)) {
        if (f->there && same(&f->name, &c->name)) {
            check_fault_here(c, c->line.name.data, "suffix",
                             "samples of this type have a suffix behind the family's name");
            settle(c);
            return false;
        }
        check_family_end(c);
        begin(c);
        *ret = ROLE_VALUE;
    }
    settle(c);
    return !c->bad;
}
