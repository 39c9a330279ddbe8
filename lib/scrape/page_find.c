/* SPDX-License-Identifier: Apache-2.0 */
/* page_find.c - from a parsed line to its family and its series. */
#include "page_private.h"

#include "budget.h"
#include "hash.h"
#include "key.h"
#include "mem.h"

#include <assert.h>
#include <inttypes.h>

static void note_change(struct reader *r, struct family *f)
{
    if (f->users == 0)
        return;
    f->changed = r->page->scrape;
    r->changed = true;
}

/* Roles hang on the kind: those of the lines to come, too, for x_created has a family of its own
 * where it is none of x's. */
static bool set_kind(struct reader *r, struct family *f, enum series_kind kind)
{
    if (f->kind == kind)
        return false;
    f->kind = kind;
    r->retyped |= f->users > 0;
    return true;
}

#define DEAD_MAX \
    ((size_t)4 << 20) /* bytes of one scrape; above it help and unit stay as they are */

/* What the comments say of f, which had other series before, if any.  In OpenMetrics all that is said
 * of it stands there: without TYPE it has no type, even if it had one in the scrape before. */
static void set_described(struct reader *r, struct family *f)
{
    struct page *p = r->page;
    const struct described *d = &r->described;
    size_t max = p->limits.max_value_bytes;
    /* What was said before lies among the texts until they are packed. */
    bool changed = p->texts.dead - r->dead <= DEAD_MAX &&
                   families_say(&p->families, f, d->help, d->unit, max, &r->room->text);
    if (d->has_kind || p->format == FORMAT_OPENMETRICS)
        changed |= set_kind(r, f, d->kind);
    if (changed)
        note_change(r, f);
}

static bool same_text(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool ends_with(struct span name, struct span end)
{
    return name.len > end.len && memcmp(name.data + name.len - end.len, end.data, end.len) == 0;
}

static struct span text_span(const char *s)
{
    return (struct span){s, strlen(s)};
}

static struct family *get_family(struct reader *r, struct span name)
{
    struct families *all = &r->page->families;
    struct idmap *index = &r->room->names_index;
    if (!r->named)
        families_index(all, index);
    r->named = true;
    return families_get(all, index, name, r->page->limits.max_names);
}

static enum family_part described_part(const struct reader *r, const struct described *d)
{
    if (!d->name.data)
        return FAMILY_NONE;
    return family_part(d->name, d->kind, r->page->format, r->found.exposed);
}

/* As TYPE said it of the family of the line before. */
static struct span last_name(const struct reader *r)
{
    const struct family *f = r->last->family;
    struct span name = text_span(family_name(f)), total = text_span("_total");
    if (f->kind == SERIES_COUNTER && ends_with(name, total))
        name.len -= total.len;
    return name;
}

static bool created_by_last(const struct reader *r)
{
    return r->last && r->page->format == FORMAT_OPENMETRICS &&
           family_part(last_name(r), r->last->family->kind, FORMAT_OPENMETRICS, r->found.exposed) ==
               FAMILY_CREATED;
}

/* Of a line that says since when others count: that of these, but when it is a series. */
static struct family *find_created(struct reader *r)
{
    static const struct span created = {"_created", 8}, total = {"_total", 6};
    const struct found *x = &r->found;
    struct buf *name = &r->room->names;
    if (r->page->keep_created)
        return get_family(r, x->name);
    buf_truncate(name, 0);
    enum status s = buf_add(name, x->exposed.data, x->exposed.len - created.len);
    if (s == OK && x->kind == SERIES_COUNTER)
        s = buf_add(name, total.data, total.len);
    if (s != OK)
        abort(); /* only the limits bound a name */
    struct family *f = get_family(r, (struct span){name->data, name->len});
    if (f && f->users == 0)
        f->kind = x->kind;
    if (f && described_part(r, &r->described) != FAMILY_NONE)
        set_described(r, f);
    return f;
}

/* Of a line that belongs to what was described. */
static struct family *find_described(struct reader *r, enum family_part part)
{
    const struct found *x = &r->found;
    struct span name = part == FAMILY_SHARED ? r->described.name : x->exposed;
    if (!same_text(x->exposed, x->name)) {
        /* Rules have renamed it: x_bucket that became y_bucket is of y, as it was of x; one that
         * lost its ending is on its own. */
        struct span end = {x->exposed.data + name.len, x->exposed.len - name.len};
        if (!ends_with(x->name, end))
            return get_family(r, x->name);
        name = (struct span){x->name.data, x->name.len - end.len};
    }
    struct family *f = get_family(r, name);
    if (f)
        set_described(r, f);
    return f;
}

/* Of a line that nothing describes.  OpenMetrics has all lines of a family together, behind what
 * describes it: so it has no type, even if it had one in the scrape before. */
static struct family *find_own(struct reader *r)
{
    struct family *f = get_family(r, r->found.name);
    if (f && r->page->format == FORMAT_OPENMETRICS && set_kind(r, f, SERIES_UNTYPED))
        note_change(r, f);
    return f;
}

static bool last_covers(const struct reader *r)
{
    return r->last && family_part(text_span(family_name(r->last->family)), r->last->family->kind,
                                  FORMAT_TEXT, r->found.name) != FAMILY_NONE;
}

/* The family of the line just parsed: the one described in front of it, else that of the line
 * before, else the one described before that, for the line between may have another name now; else
 * one of the same name.  NULL: it would be one too many. */
static struct family *find_family(struct reader *r)
{
    if (r->found.created)
        return find_created(r);
    r->found.kind = SERIES_UNTYPED;
    enum family_part part = described_part(r, &r->described);
    if (part == FAMILY_NONE && last_covers(r)) {
        r->found.kind = r->last->family->kind;
        return r->last->family;
    }
    if (part == FAMILY_NONE && (part = described_part(r, &r->above)) != FAMILY_NONE)
        r->described = r->above;
    if (part == FAMILY_NONE)
        return find_own(r);
    r->found.kind = r->described.kind;
    return find_described(r, part);
}

/* Two kinds have no metric in common. */
static uint64_t kind_bits(enum series_kind kind)
{
    return (uint64_t)kind << 1;
}

/* Of the name of a series' metric, which is what is left without an ending that some kind has, and
 * of all labels but those that tell samples of one metric apart.  Never 0. */
static uint64_t metric_hash(struct span key)
{
    static const char *const ends[] = {"_total", "_created", "_bucket", "_count",
                                       "_sum",   "_gcount",  "_gsum"};
    struct span name = text_span(key.data);
    const char *at = key.data + name.len + 1, *end = key.data + key.len;
    const char *last = memrchr(name.data, '_', name.len);
    for (size_t i = 0; last && last > name.data && i < ARRAY_LEN(ends); i++)
        if (strcmp(last, ends[i]) == 0) {
            name.len = (size_t)(last - name.data);
            break;
        }
    uint64_t hash = hash_bytes(name.data, name.len);
    while (at < end) {
        size_t label = strlen(at) + 1, both = label + strlen(at + label) + 1;
        if (strcmp(at, "le") != 0 && strcmp(at, "quantile") != 0)
            hash = hash * UINT64_C(0x9e3779b97f4a7c15) + hash_bytes(at, both);
        at += both;
    }
    return hash | 1;
}

/* Whether the metric of the line just parsed may have several lines, which follow each other. */
static bool has_several(const struct reader *r)
{
    enum series_kind kind = r->found.kind;
    if (!r->page->checked || r->page->format == FORMAT_TEXT)
        return r->page->checked && kind == SERIES_HISTOGRAM;
    return kind == SERIES_COUNTER || kind == SERIES_HISTOGRAM || kind == SERIES_SUMMARY ||
           kind == SERIES_GAUGEHISTOGRAM || r->found.created;
}

/* Likewise; and with the family the metric is known, where that matters.  Rules write over the key, so
 * where there are any it was hashed before. */
static struct family *choose_family(struct reader *r)
{
    struct found *x = &r->found;
    struct family *f = find_family(r);
    if (!has_several(r))
        x->metric = 0;
    else if (x->metric == 0)
        x->metric = metric_hash((struct span){r->room->key.data, r->room->key.len});
    if (x->metric != 0)
        x->metric ^= kind_bits(x->kind);
    return f;
}

void reader_describe(struct reader *r)
{
    struct page *p = r->page;
    struct described *d = &r->described;
    const struct promtext_line *l = &r->line;
    struct span name = l->name;
    if (l->item == PROMTEXT_EOF || name.len > p->limits.max_name_bytes)
        return;
    if (l->name_escaped) {
        buf_truncate(&r->room->comment, 0);
        char *room = buf_room(&r->room->comment, name.len);
        assert(room);
        name = (struct span){room, promtext_unescape(room, name)};
    }
    if (!d->name.data || !same_text(d->name, name))
        *d = (struct described){.name = name};
    d->plain = !l->name_escaped;
    if (l->item == PROMTEXT_HELP) {
        d->help = l->text;
    } else if (l->item == PROMTEXT_UNIT) {
        d->unit = l->text;
    } else {
        d->kind = l->kind;
        d->has_kind = true;
    }
}

/* Where the line would be if some before it had gone: so far it is looked for one by one. */
enum { NEAR = 8 };

/* Most scrapes need none.  Of the first one only the body tells how many there will be. */
static void make_index(struct reader *r)
{
    enum { LINE = 200 }; /* bytes; a short one */
    struct records *all = &r->page->records;
    struct idmap *index = &r->room->index;
    size_t lines = (size_t)(r->text.end - r->text.start) / LINE;
    idmap_reset(index, all->len > 0 ? all->len : lines);
    for (size_t i = 0; i < all->len; i++)
        idmap_put(index, all->items[i].id, &all->items[i]);
    r->indexed = true;
}

/* The series with that id, or NULL. */
static struct series *find_series(struct reader *r, uint64_t id)
{
    struct records *all = &r->page->records;
    if (r->indexed)
        return idmap_get(&r->room->index, id);
    for (size_t i = r->expected; i < all->len && i < r->expected + NEAR; i++)
        if (all->items[i].id == id)
            return &all->items[i];
    make_index(r);
    return idmap_get(&r->room->index, id);
}

/* Not the id of a series that has a sample, even where another line is made into one of that key. */
static uint64_t silent_id(uint64_t exposed)
{
    return exposed ^ UINT64_C(0x9e3779b97f4a7c15);
}

static enum page_refusal check_room(const struct reader *r, size_t bytes)
{
    const struct page *p = r->page;
    size_t now = page_bytes(p);
    if (p->records.live >= p->limits.max_series)
        return PAGE_MAX_SERIES;
    if (bytes > p->limits.max_bytes || now > p->limits.max_bytes - bytes)
        return PAGE_MAX_BYTES;
    /* What is new counts twice: its samples, the index and room to grow come beside it. */
    size_t after = now + bytes, more = after > r->bytes ? after - r->bytes : 0;
    if (!budget_has_room(BUDGET_SERIES, 2 * more))
        return PAGE_MAX_MEMORY;
    return r->made >= p->limits.max_new_series ? PAGE_MAX_NEW_SERIES : PAGE_REFUSALS;
}

/* Of a silent series only id and metric count: that is its name. */
enum { SILENT_KEY = 17 };

static enum page_refusal create(struct reader *r, uint64_t id, uint8_t role, struct series **ret)
{
    struct page *p = r->page;
    bool silent = role & LINE_SILENT;
    char metric[SILENT_KEY];
    struct span key = {r->room->key.data, r->room->key.len};
    uint8_t lanes = silent ? 0 : p->lanes;
    if (silent)
        key = (struct span){metric, SILENT_KEY};
    enum page_refusal why = check_room(r, series_bytes(key.len, lanes));
    if (why != PAGE_REFUSALS)
        return why;
    struct family *f = choose_family(r); /* last: it may be made by this */
    if (!f)
        return PAGE_MAX_NAMES;
    if (silent)
        snprintf(metric, sizeof metric, "%016" PRIx64, r->found.metric);
    struct series *s = records_make(&p->records);
    series_init(s, id, key, f, lanes);
    s->role = role;
    f->users++;
    r->made++;
    r->faults->added += !silent;
    p->silent += silent;
    idmap_put(&r->room->index, id, s);
    batch_reserve(r->batch, p->records.live + PAGE_META);
    *ret = s;
    return PAGE_REFUSALS;
}

static void set_family(struct reader *r, struct series *s)
{
    struct family *f = choose_family(r);
    if (!f || f == s->family)
        return;
    series_forget(s);
    f->users++;
    families_drop(&r->page->families, s->family);
    s->family = f;
    r->retyped = true;
}

/* What the rules make of the key in room->key: its id then, and what is special.  They run only
 * where their answer is not known. */
static enum page_refusal identify(struct reader *r, uint64_t *ret_id, uint8_t *ret_role)
{
    struct page *p = r->page;
    uint64_t exposed = hash_bytes(r->room->key.data, r->room->key.len);
    *ret_id = exposed;
    *ret_role = 0;
    if (r->found.created && !p->keep_created) {
        *ret_id = silent_id(exposed);
        *ret_role = LINE_SILENT | LINE_CREATED;
        return PAGE_REFUSALS;
    }
    if (!p->relabel)
        return PAGE_REFUSALS;
    const struct series *same = find_series(r, exposed);
    const struct series *silent = find_series(r, silent_id(exposed));
    bool dropped = silent && !(silent->role & LINE_CREATED);
    if (!dropped && !(same && same->role & LINE_AS_EXPOSED)) {
        enum page_refusal why = reader_relabel(r, &dropped);
        if (why != PAGE_REFUSALS)
            return why;
    }
    if (dropped) {
        *ret_id = silent_id(exposed);
        *ret_role = LINE_SILENT;
    } else {
        *ret_id = hash_bytes(r->room->key.data, r->room->key.len);
        *ret_role = *ret_id == exposed ? LINE_AS_EXPOSED : 0;
    }
    return PAGE_REFUSALS;
}

/* That of the line before, if its key still is as it was exposed; else 0. */
static uint64_t last_metric(const struct reader *r)
{
    const struct series *s = r->last;
    if (r->metric != 0 || !s)
        return r->metric;
    if (s->role & LINE_SILENT)
        return strtoull(series_name(s), NULL, 16);
    if (r->page->relabel && !(s->role & LINE_AS_EXPOSED))
        return 0;
    return metric_hash(series_key(s)) ^ kind_bits(s->family->kind);
}

/* Whether the line says since when others count, of a family of which kind. */
static void look_for_created(struct reader *r, enum family_part part)
{
    struct found *x = &r->found;
    x->created = true;
    if (part == FAMILY_CREATED)
        x->kind = r->described.kind;
    else if (part == FAMILY_NONE && created_by_last(r))
        x->kind = r->last->family->kind;
    else if (part == FAMILY_NONE && described_part(r, &r->above) == FAMILY_CREATED)
        x->kind = r->above.kind;
    else
        x->created = false;
}

/* What the line says before any rule. */
static void look(struct reader *r)
{
    struct page *p = r->page;
    struct found *x = &r->found;
    x->exposed = text_span(r->room->key.data);
    enum family_part part = described_part(r, &r->described);
    if (part != FAMILY_NONE && r->described.plain)
        r->above = r->described;
    else if (described_part(r, &r->above) == FAMILY_NONE)
        r->above.name.data = NULL; /* it is over */
    look_for_created(r, part);
    x->metric = 0;
    if (!p->relabel)
        return;
    if (p->checked)
        x->metric = metric_hash((struct span){r->room->key.data, r->room->key.len});
    buf_truncate(&r->room->exposed, 0); /* rules will write over the key */
    if (buf_add(&r->room->exposed, x->exposed.data, x->exposed.len) != OK)
        abort(); /* only the limits bound it */
    x->exposed.data = r->room->exposed.data;
}

static uint8_t start_role(const struct reader *r)
{
    return r->found.metric != 0 && r->found.metric != last_metric(r) ? LINE_START : 0;
}

static bool is_inf_bucket(const struct promtext_line *l)
{
    for (size_t i = 0; i < l->labels_len; i++)
        if (span_is(l->labels[i].name, "le"))
            return span_is(l->labels[i].value, "+Inf");
    return false;
}

static enum line_rule text_rule(const struct reader *r)
{
    if (r->found.kind != SERIES_HISTOGRAM)
        return RULE_NONE;
    if (ends_with(r->found.exposed, text_span("_bucket")))
        return is_inf_bucket(&r->line) ? RULE_TEXT_INF : RULE_NONE;
    return ends_with(r->found.exposed, text_span("_count")) ? RULE_TEXT_COUNT : RULE_NONE;
}

static enum line_rule rule_of(const struct reader *r)
{
    struct span name = r->found.exposed;
    if (r->page->format == FORMAT_TEXT)
        return text_rule(r);
    if (r->found.created)
        return RULE_CREATED;
    switch (r->found.kind) {
    case SERIES_UNTYPED:
    case SERIES_GAUGE: return RULE_NONE;
    case SERIES_COUNTER: return RULE_TOTAL;
    case SERIES_INFO: return RULE_INFO;
    case SERIES_STATESET: return RULE_STATE;
    case SERIES_SUMMARY:
        return ends_with(name, text_span("_count")) ? RULE_COUNT_ALONE
               : ends_with(name, text_span("_sum")) ? RULE_SUM
                                                    : RULE_QUANTILE;
    case SERIES_HISTOGRAM:
    case SERIES_GAUGEHISTOGRAM:
        if (ends_with(name, text_span("_bucket")))
            return is_inf_bucket(&r->line) ? RULE_INF : RULE_BUCKET;
        return ends_with(name, text_span("count")) ? RULE_COUNT : RULE_SUM;
    case SERIES_KINDS: break;
    }
    return RULE_ANY;
}

/* OpenMetrics has several samples of a series at different times.  Two lines that rules make into one
 * series are none. */
static bool is_next_point(const struct reader *r, const struct series *s, uint8_t role)
{
    const struct page *p = r->page;
    bool same = !p->relabel || (role & s->role & (LINE_AS_EXPOSED | LINE_SILENT));
    return same && p->format == FORMAT_OPENMETRICS && r->line.value.has_ts;
}

enum page_refusal reader_find(struct reader *r, struct series **ret)
{
    struct page *p = r->page;
    uint64_t id;
    uint8_t role;
    struct series *s;
    if (reader_samples(r) >= r->max_samples)
        return PAGE_MAX_SAMPLES;
    enum page_refusal why =
        key_build(&r->room->key, &r->room->names, &r->line, p->target, &p->limits);
    if (why != PAGE_REFUSALS)
        return why;
    look(r);
    why = identify(r, &id, &role);
    if (why != PAGE_REFUSALS)
        return why;
    r->found.name = text_span(r->room->key.data);
    s = find_series(r, id);
    r->fresh = !s;
    if (r->fresh) {
        why = create(r, id, role, &s);
    } else if (s->scrape == (uint8_t)p->scrape) {
        why = is_next_point(r, s, role) ? PAGE_OLDER_POINT : PAGE_SERIES_TWICE;
        *ret = s;
    } else {
        set_family(r, s);
        r->expected = (size_t)(s - p->records.items) + 1;
        r->known++;
    }
    if (why != PAGE_REFUSALS)
        return why;
    s->role = role | start_role(r);
    if (p->checked)
        s->role |= (uint8_t)(rule_of(r) << LINE_RULE_SHIFT);
    *ret = s;
    return PAGE_REFUSALS;
}
