/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - a page from scrape to scrape: what ends, what stays under another plan. */
#include "page_private.h"

#include "budget.h"
#include "hash.h"
#include "mem.h"

#include <assert.h>

#define SMALL_TEXTS ((size_t)32 << 10)

static const char *const refusal_names[PAGE_REFUSALS] = {
    [PAGE_LABEL_TWICE] = "label_twice",
    [PAGE_SERIES_TWICE] = "series_twice",
    [PAGE_OLDER_POINT] = "older_point",
    [PAGE_UNSOUND] = "unsound",
    [PAGE_MAX_SERIES] = "max_series",
    [PAGE_MAX_BYTES] = "max_bytes",
    [PAGE_MAX_MEMORY] = "memory",
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

size_t page_bytes(const struct page *p)
{
    return p->records.live * sizeof(struct series) + p->texts.len - p->texts.dead +
           families_len(&p->families) * sizeof(struct family);
}

/* Lays out texts anew, in the order of their lines. */
static void pack(struct page *p)
{
    struct texts old = p->texts;
    p->texts = (struct texts){.numbers = old.numbers};
    texts_reserve(&p->texts, old.len - old.dead);
    for (size_t i = 0; i < p->records.len; i++)
        series_move(&p->records.items[i], &old, &p->texts);
    meta_move(&p->meta, p->lanes, &old, &p->texts);
    families_move(&p->families, &old, &p->texts);
    texts_done(&old);
}

static void drop(void *of, struct series *s)
{
    struct page *p = of;
    struct family *f = s->family;
    series_done(s);
    families_drop(&p->families, f);
}

/* What ended goes, and what is new gets its place.  The texts are plain if anything is to be done. */
static void settle(struct page *p)
{
    if (cold_is(&p->cold, &p->texts))
        return; /* it was settled before that */
    records_settle(&p->records, drop, p);
    meta_settle(&p->meta, p->lanes, &p->texts);
    families_settle(&p->families);
    if (p->texts.dead > p->texts.len / 4)
        pack(p);
}

/* Where it was cold, it is as it was. */
static void lay_out(struct page *p, struct cold_room *room)
{
    cold_thaw(&p->cold, &p->texts, room);
    packed_take(&p->packed, &p->records, &p->families, &p->texts, (uint8_t)p->scrape, room);
}

/* It says nothing when it goes. */
static void end_silent(struct page *p, struct series *s)
{
    p->silent--;
    records_end(&p->records, s);
}

/* Those that were there before and are not now.  Forgiving: those that were still
 * in the scrape before stay. */
static void collect_missing(struct page *p, struct batch *b, bool forgiving)
{
    uint8_t now = (uint8_t)p->scrape, before = (uint8_t)(p->scrape - 1);
    room_reserve_ended(b->room, p->records.len + PAGE_META);
    for (size_t i = 0; i < p->records.len; i++) {
        struct series *s = &p->records.items[i];
        if (s->scrape == now)
            continue;
        if (forgiving && s->scrape == before) {
            records_take(&p->records, s);
        } else if (s->role & LINE_SILENT) {
            end_silent(p, s);
        } else {
            records_end(&p->records, s);
            b->room->ended[b->ended_len++] = s;
        }
    }
}

static void forget_changed(struct page *p)
{
    for (size_t i = 0; i < p->records.len; i++)
        if (p->records.items[i].family->changed == p->scrape)
            series_forget(&p->records.items[i]);
}

/* An empty batch. */
static void start_batch(struct batch *b, struct page *p, int64_t scraped_ms)
{
    settle(p);
    lay_out(p, &room_of(b)->cold);
    batch_reserve(b, p->records.live + PAGE_META);
    batch_clear(b);
    b->ended = b->room->ended;
    b->target = p->target;
    b->scraped_ms = scraped_ms;
}

/* What is known in this scrape becomes what was known before; known: how many of those
 * known before. */
static void finish_batch(struct batch *b, struct page *p, size_t known, bool forgiving)
{
    if (known < p->records.len)
        collect_missing(p, b, forgiving);
    b->ended = b->room->ended;
    records_finish(&p->records);
}

/* Something else than a page, or in strict mode a faulty one: all stays as it was. */
static bool is_unreadable(const struct reader *r)
{
    const struct page_faults *f = r->faults;
    return r->page->records.taken == 0 && f->refused == 0 && f->lines_bad > 0;
}

void page_read(struct page *p, struct span body, int64_t scraped_ms, struct batch *b,
               struct page_faults *ret_faults)
{
    struct page_faults faults = {0};
    start_batch(b, p, scraped_ms);
    struct reader r = {.page = p,
                       .batch = b,
                       .room = b->room,
                       .scraped_ms = scraped_ms,
                       .faults = &faults,
                       .dead = p->texts.dead};
    if (!reader_run(&r, body)) {
        faults.lines_bad = 1;
        faults.strict = true;
        p->counts.lines_bad++;
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
    records_start(&p->records);
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
    room_reserve_ended(b->room, PAGE_META);
    b->ended = b->room->ended;
    b->ended_len += meta_end(&p->meta, p->lanes, &p->texts, b, b->room->ended + b->ended_len);
}

void page_add_meta(struct page *p, const struct page_meta *m, struct batch *b)
{
    meta_add(&p->meta, m, p->target, p->lanes, &p->texts, b);
}

static size_t held_bytes(const struct page *p)
{
    return sizeof *p + records_bytes(&p->records) + p->packed.cap * sizeof *p->packed.values +
           p->texts.cap + p->cold.bytes + families_bytes(&p->families) +
           p->lanes * sizeof *p->lane_ids +
           (p->counts.refused ? PAGE_REFUSALS * sizeof *p->counts.refused : 0);
}

/* Of pages of one exporter: by names of its metrics, for those of series tell of the target too. */
static uint64_t kind_of(const struct page *p)
{
    const struct families *f = &p->families;
    uint64_t kind[] = {p->generation, p->lanes, 0, 0, 0};
    for (size_t i = 0; i < 3 && f->len > 0; i++) {
        const char *name = family_name(f->items[(f->len - 1) * i / 2]);
        kind[2 + i] = hash_bytes(name, strlen(name));
    }
    return hash_bytes((const char *)kind, sizeof kind);
}

/* A small page costs less when it is laid out anew than when its texts are read where they have rested.
 *
 * Of others, one that was cold stays so until there is clearly room for it: else pages would take turns. */
static bool may_be_plain(const struct page *p)
{
    if (p->texts.len <= SMALL_TEXTS && budget_bound() != SIZE_MAX)
        return false;
    if (p->cold.data)
        return budget_has_room(BUDGET_TEXTS, p->texts.len + budget_bound() / 16);
    size_t held = held_bytes(p);
    return budget_has_room(BUDGET_TEXTS, held > p->counted ? held - p->counted : 0);
}

static void freeze(struct page *p, struct cold_room *room)
{
    bool changed;
    uint64_t kind = kind_of(p); /* while the families are there */
    if (p->texts.len <= SMALL_TEXTS && packed_can(&p->records, (uint8_t)p->scrape))
        packed_put(&p->packed, &p->records, &p->families, &p->cold, &p->texts, room, &changed);
    else
        packed_drop(&p->packed, &p->records, &p->cold, &changed);
    cold_freeze(&p->cold, &p->texts, room, changed || p->texts.changed, kind);
}

void page_rest(struct page *p, struct batch *b)
{
    struct cold_room *room = &room_of(b)->cold;
    bool changed;
    settle(p);
    if (may_be_plain(p)) {
        lay_out(p, room);
        packed_drop(&p->packed, &p->records, &p->cold, &changed);
        cold_keep(&p->cold, &p->texts, room);
    } else if (p->texts.data) {
        freeze(p, room);
    }
    budget_count(BUDGET_PAGES, &p->counted, held_bytes(p));
    batch_clear(b);
}

/* Which slot that lane has now. */
static uint8_t find_lane(const struct page *p, uint32_t id)
{
    for (uint8_t i = 0; p->generation != 0 && i < p->lanes; i++)
        if (p->lane_ids[i] == id)
            return i;
    return SERIES_NEW_LANE;
}

/* All texts are made anew, even where the number of lanes stays: it happens at a reload
 * only. */
static void relane(struct page *p, uint8_t lanes, const uint8_t *from)
{
    struct texts old = p->texts;
    p->texts = (struct texts){.numbers = old.numbers};
    for (size_t i = 0; i < p->records.len; i++) {
        struct series *s = &p->records.items[i];
        if (s->role & LINE_SILENT)
            series_move(s, &old, &p->texts);
        else
            series_relane(s, &old, &p->texts, lanes, from);
    }
    meta_relane(&p->meta, p->lanes, &old, &p->texts, lanes, from);
    families_move(&p->families, &old, &p->texts);
    texts_done(&old);
    p->lanes = lanes;
}

/* What rules said of series is forgotten, and with it all that they dropped: each line is looked at
 * again when it comes. */
static void forget_rules(struct page *p)
{
    records_start(&p->records);
    for (size_t i = 0; i < p->records.len; i++) {
        struct series *s = &p->records.items[i];
        if (s->role & LINE_SILENT) {
            end_silent(p, s);
            continue;
        }
        s->role = 0;
        s->prefix_len = 0;
        records_take(&p->records, s);
    }
    records_finish(&p->records);
    settle(p);
}

void page_bind(struct page *p, const struct page_plan *plan)
{
    uint8_t from[UINT8_MAX];
    assert(plan->generation != 0);
    if (plan->generation == p->generation)
        return;
    for (unsigned i = 0; i < plan->lanes_len; i++)
        from[i] = find_lane(p, plan->lane_ids[i]);
    settle(p);
    lay_out(p, NULL);
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
    settle(p);
    if (p->format != m->format)
        lay_out(p, NULL);
    if (p->format != m->format)
        for (size_t i = 0; i < p->records.len; i++)
            p->records.items[i].prefix_len = 0; /* it was read by another grammar */
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
    families_init(&p->families, &p->texts);
    return p;
}

void page_free(struct page *p)
{
    if (!p)
        return;
    records_done(&p->records);
    texts_done(&p->texts);
    packed_done(&p->packed);
    cold_done(&p->cold);
    budget_count(BUDGET_PAGES, &p->counted, 0);
    mem_free(p->lane_ids);
    mem_free(p->counts.refused);
    families_done(&p->families);
    target_unref(p->target);
    mem_free(p);
}

struct target *page_target(const struct page *p)
{
    return p->target;
}

struct page_stats page_stats(const struct page *p)
{
    const struct page_counts *c = &p->counts;
    struct page_stats s = {.series = p->records.live - p->silent,
                           .families = families_len(&p->families),
                           .bytes = page_bytes(p),
                           .held_bytes = held_bytes(p),
                           .known = c->known,
                           .parsed = c->parsed,
                           .lines_bad = c->lines_bad,
                           .flaws = c->flaws};
    if (c->refused)
        memcpy(s.refused, c->refused, sizeof s.refused);
    return s;
}
