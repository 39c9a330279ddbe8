/* SPDX-License-Identifier: Apache-2.0 */
/* page_read.c - reads a body, line by line: known ones by their hash, others by the parser. */
#include "page_private.h"

#include "hash.h"
#include "mem.h"

/* What a line does that brings more than a sample, or none.  True: it brings one. */
static bool take_role(struct reader *r, const struct series *s, const struct promtext_value *v)
{
    if (s->role & LINE_START)
        reader_start_metric(r);
    if (s->role & LINE_CREATED)
        reader_created(r, v);
    else if (s->role & LINE_SILENT)
        r->faults->filtered++;
    return !(s->role & LINE_SILENT);
}

static inline void add_sample(struct reader *r, struct series *s, const struct promtext_value *v)
{
    struct page *p = r->page;
    s->scrape = (uint8_t)p->scrape;
    records_take(&p->records, s);
    r->last = s;
    if (s->role & LINE_SHOWN && !take_role(r, s, v))
        return;
    struct sample *to = &r->batch->samples[r->batch->len++];
    *to = (struct sample){
        .series = s,
        .value = v->number,
        .ts_ms = v->has_ts && r->honor_timestamps ? v->ts_ms : r->scraped_ms,
        .text = v->text,
    };
    if (v->exemplar || v->has_created || r->created_ms != EXTRA_NO_TIME)
        reader_beside(r, to, v);
}

/* Most lines have no rule, or are buckets: what reader_sound says of these. */
static inline bool is_sound(struct reader *r, const struct series *s,
                            const struct promtext_value *v)
{
    unsigned special = s->role & (LINE_START | LINE_RULES);
    bool plain = !v->exemplar && !v->has_created;
    if (plain && special == 0)
        return true;
    if (plain && special == RULE_BUCKET << LINE_RULE_SHIFT && !v->has_ts && !r->point.has_ts)
        return point_add_bucket(&r->point, v->number);
    return reader_sound(r, s, v);
}

/* Records lie in the order of the lines, but at each new page of memory the processor stops to fetch
 * ahead: a tenth of a read whose caches are cold. */
#define RECORDS_AHEAD 16

/* True when the line to come is the expected one, which is then read. */
static bool read_known(struct reader *r)
{
    struct page *p = r->page;
    if (r->expected >= r->expected_end)
        return false;
    struct series *s = &p->records.items[r->expected];
    const char *start = r->text.at;
    if (r->expected_end - r->expected > RECORDS_AHEAD)
        __builtin_prefetch(s + RECORDS_AHEAD, 1);
    if (s->prefix_len == 0 || s->prefix_len >= (size_t)(r->text.end - start) ||
        s->scrape == (uint8_t)p->scrape || hash_bytes(start, s->prefix_len) != s->prefix_hash)
        return false;
    struct promtext_value v;
    r->text.at += s->prefix_len;
    /* The prefix may hold comments too: whether a line is too long is then found out
     * by parsing them. */
    if (!promtext_value(&r->text, &v) || (size_t)(r->text.at - start) > r->text.max_line ||
        (r->verifying && !is_sound(r, s, &v))) {
        r->text.at = start;
        return false;
    }
    r->expected++;
    r->known++;
    r->metric = 0;
    r->above.name.data = NULL;
    p->counts.known++;
    add_sample(r, s, &v);
    return true;
}

/* Those of a reason follow each other nearly always, so many of one name cost little. */
static void name_refused(struct page_faults *f, enum page_refusal why, const char *name)
{
    for (size_t i = f->named_len; i > 0; i--)
        if (f->named[i - 1].why == why && strcmp(f->named[i - 1].name, name) == 0)
            return;
    struct page_named *n = &f->named[f->named_len++];
    n->why = why;
    memcpy(n->name, name, strlen(name) + 1);
}

void reader_refuse(struct reader *r, enum page_refusal why, const char *detail)
{
    struct page_faults *f = r->faults;
    char name[PAGE_NAMED_TEXT];
    struct page_counts *c = &r->page->counts;
    if (!c->refused)
        c->refused = mem_alloc(PAGE_REFUSALS * sizeof *c->refused);
    c->refused[why]++;
    f->refused_by[why]++;
    f->refused++;
    if (f->named_len == PAGE_NAMED)
        return;
    text_line(name, sizeof name, r->line.name);
    name_refused(f, why, name);
    if (f->refused == 1)
        err_set(&f->first_refused, why >= PAGE_MAX_SERIES ? ERR_LIMIT : ERR_INVALID, "%s: %s",
                page_refusal_name(why), detail ? detail : name);
}

static void count_bad_line(struct reader *r, const struct err *why)
{
    r->page->counts.lines_bad++;
    if (r->faults->lines_bad++ == 0)
        r->faults->first_bad = *why;
}

/* What is too long for a line is never taken as known, and so not hashed in vain. */
static void remember_prefix(struct series *s, const char *start, const char *value, size_t max)
{
    size_t len = (size_t)(value - start);
    s->prefix_len = len <= UINT32_MAX && len <= max ? (uint32_t)len : 0;
    s->prefix_hash = hash_bytes(start, s->prefix_len);
}

/* Only for the first bad line the place is worked out: that is a walk over the body.  *clean: lines
 * that are not sound were passed. */
static enum status next_line(struct reader *r, struct err *err, bool *clean)
{
    enum status s;
    do {
        s = promtext_next(&r->text, &r->line, r->faults->lines_bad == 0 ? err : NULL);
        if (s != ERR_CLOSED || !reader_unsound(r, &s, err))
            return s;
        *clean = false;
    } while (s == ERR_CLOSED);
    return s;
}

/* Takes the sample just parsed, whose text starts at start, or NULL when it is not to be
 * remembered. */
static void take(struct reader *r, struct series *s, const char *start)
{
    s->prefix_len = 0;
    if (start)
        remember_prefix(s, start, r->line.value_at, r->text.max_line);
    r->metric = r->found.metric;
    r->page->counts.parsed++;
    add_sample(r, s, &r->line.value);
}

/* No more lines are expected than there were, nor than samples may still be taken. */
static void expect(struct reader *r)
{
    const struct page *p = r->page;
    size_t left = r->max_samples - reader_samples(r), len = p->records.len;
    r->expected_end = left < len - r->expected ? r->expected + left : len;
    if (r->distrust || (r->retyped && p->checked) ||
        (r->fresh && r->found.metric != 0)) /* what comes may be of one metric with it */
        r->expected_end = r->expected;
}

/* Keeps in mind what stands behind the last sample. */
static void set_tail(struct page *p, const char *at, const char *end, bool clean)
{
    p->tail_len = clean ? (size_t)(end - at) : SIZE_MAX;
    if (clean && p->checked)
        p->tail_hash = hash_bytes(at, p->tail_len);
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
    while ((status = next_line(r, &err, &clean)) != ERR_CLOSED) {
        struct series *s;
        if (status == OK && r->line.item != PROMTEXT_SAMPLE) {
            reader_describe(r);
            continue;
        }
        if (status == ERR_INVALID) {
            count_bad_line(r, &err);
            clean = false;
            continue;
        }
        enum page_refusal why = status == OK ? reader_find(r, &s) : PAGE_MAX_LABELS;
        if (why == PAGE_REFUSALS) {
            take(r, s, clean ? start : NULL);
            return;
        }
        if (why == PAGE_OLDER_POINT)
            reader_newer(r, s, &r->line.value);
        reader_refuse(r, why, NULL);
        clean = false;
    }
    set_tail(r->page, start, r->text.end, clean);
}

static size_t max_samples(const struct page *p)
{
    size_t max = p->limits.max_samples;
    int64_t own = p->target ? p->target->max_samples : 0;
    return own > 0 && (uint64_t)own < max ? (size_t)own : max;
}

static void start(struct reader *r, struct span body)
{
    struct page *p = r->page;
    promtext_init(&r->text, body);
    r->text.max_line = p->limits.max_line_bytes;
    r->text.format = p->format;
    r->text.exact = p->strict;
    r->text.version2 = p->version2;
    r->text.quoted = true;
    r->max_samples = max_samples(p);
    r->honor_timestamps = !p->target || p->target->honor_timestamps;
    r->created_ms = EXTRA_NO_TIME;
    r->distrust = p->checked && !p->certified && !p->faulty;
    r->verifying = p->checked && (p->certified || p->strict);
    p->scrape++;
    r->bytes = page_bytes(p);
    records_start(&p->records);
    expect(r);
    if (p->checked && !r->verifying)
        reader_salvage(r);
}

/* Bytes behind the last newline of a page that may have been cut there.  OpenMetrics may end without
 * a newline. */
static size_t count_unended(const struct page *p, struct span body)
{
    const char *last = body.len > 0 ? memrchr(body.data, '\n', body.len) : NULL;
    const char *start = last ? last + 1 : body.data;
    struct span rest = {start, (size_t)(body.data + body.len - start)};
    return p->strict || !p->may_be_cut || span_is(rest, "# EOF") ? 0 : rest.len;
}

static void refuse_unended(struct reader *r)
{
    struct err err;
    size_t number = 1;
    for (const char *at = r->text.start; (at = memchr(at, '\n', (size_t)(r->text.end - at))); at++)
        number++;
    err_set(&err, ERR_INVALID, "line %zu, column 1: the last line does not end with a line feed",
            number);
    count_bad_line(r, &err);
}

bool reader_run(struct reader *r, struct span body)
{
    bool good = true;
    size_t unended = count_unended(r->page, body);
    body.len -= unended;
    start(r, body);
    const char *end = body.data + body.len;
    while (good && (r->text.at < end || r->verifying)) {
        if (r->text.at < r->text.end && read_known(r))
            continue;
        if (r->verifying) {
            good = reader_verify(r);
            if (!r->verifying)
                expect(r);
            else
                break;
        } else {
            read_unknown(r);
            expect(r);
        }
    }
    if (unended > 0)
        refuse_unended(r);
    relabeller_free(r->relabeller);
    reader_salvage_done(r);
    return good;
}
