/* SPDX-License-Identifier: Apache-2.0 */
#include "encoders.h"

#include <assert.h>
#include <stdatomic.h>

#define DECLARE(name) extern const struct encoder_ops encoder_##name;
#define ENTRY(name)   &encoder_##name,

ENCODERS(DECLARE)
static const struct encoder_ops *const all[] = {ENCODERS(ENTRY) NULL};

const struct encoder_ops *const *encoder_all(void)
{
    return all;
}

const struct encoder_ops *encoder_find(const char *name)
{
    for (size_t i = 0; all[i]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

const char *encoder_skip_name(enum encoder_skip why)
{
    static const char *const names[ENCODER_SKIPS] = {
        [SKIP_UNSAYABLE] = "unsayable",
        [SKIP_TOO_LARGE] = "too_large",
    };
    return names[why];
}

/* The first time the part of s is written behind the message, copied and taken back. */
static enum status make_part(const struct encoder_step *e, struct series *s, struct buf *out)
{
    size_t mark = out->len;
    enum status r = e->ops->constant(e->self, s, out);
    if (r == OK)
        series_set_part(s, e->lane, (struct span){out->data + mark, out->len - mark});
    buf_truncate(out, mark);
    return r;
}

/* The same where a script is kept too; what the constant part is may be as long as a message. */
static enum status make_scripted(const struct encoder_step *e, struct series *s)
{
    struct buf *out = &e->lz4->part;
    struct lz4_script script = {.own = texts_number(s->family->texts)};
    buf_truncate(out, 0);
    enum status r = buf_add(out, &script, sizeof script);
    if (r == OK)
        r = e->ops->constant(e->self, s, out);
    if (r != OK)
        return r;
    script.kept_len = (uint32_t)(out->len - sizeof script);
    memcpy(out->data, &script, sizeof script);
    series_set_part(s, e->lane, (struct span){out->data, out->len});
    return OK;
}

/* The cached part of s. */
static inline enum status find_part(const struct encoder_step *e, struct series *s, struct buf *out,
                                    struct span *ret)
{
    assert(e->lane < s->lanes);
    *ret = series_part(s, e->lane);
    if (ret->data)
        return OK;
    enum status r = e->lz4 ? make_scripted(e, s) : make_part(e, s, out);
    *ret = series_part(s, e->lane);
    return r;
}

/* One encoder_run under way. */
struct run {
    const struct encoder_step *step;
    const struct batch *batch;
    size_t max_samples;
    bool parts_alone; /* that append needs */
    struct message message;
    struct payload *marked; /* NULL: the message cannot be cut */
    struct encoder_counts *counts;
    size_t fetched; /* of message.out: up to there it is on its way into the caches */
};

/* Whether the end of s concerns this lane. */
static bool was_sent(const struct run *r, const struct series *s)
{
    assert(r->step->lane < s->lanes);
    return series_sent(s, r->step->lane);
}

static enum status append_sample(struct run *r, const struct sample *s)
{
    const struct encoder_step *e = r->step;
    struct span part;
    enum status status = find_part(e, s->series, r->message.out, &part);
    if (status == OK)
        status = e->ops->append(e->self, &r->message, s, part);
    if (status == OK)
        series_set_sent(s->series, e->lane);
    return status;
}

static enum status append_end(struct run *r, struct series *s)
{
    const struct encoder_step *e = r->step;
    struct span part;
    if (!e->ops->append_ended)
        return ERR_INVALID;
    enum status status = find_part(e, s, r->message.out, &part);
    if (status == OK)
        status = e->ops->append_ended(e->self, &r->message, s, r->batch->scraped_ms, part);
    return status;
}

/* The record that was written at offset counts. */
static inline void keep(struct run *r, size_t offset)
{
    if (r->marked)
        payload_mark(r->marked, offset);
    r->message.samples++;
}

/* Bytes of records so far. */
static inline size_t written(const struct message *m)
{
    return m->lz4 ? m->lz4->out.plain : m->out->len;
}

/* Takes back what was written from offset on.  False: it did not fit behind the
 * others, and may into the next message. */
static bool skip(struct run *r, size_t offset, enum status why)
{
    if (!r->message.lz4) /* else nothing was */
        buf_truncate(r->message.out, offset);
    if (why == ERR_LIMIT && r->message.samples > 0)
        return false;
    r->counts->skipped[why == ERR_LIMIT ? SKIP_TOO_LARGE : SKIP_UNSAYABLE]++;
    return true;
}

/* A payload's memory was last touched by the thread that sent it, often seconds ago: without this
 * each store into a line of it waits, which is a fifth of what JSON costs then. */
static inline void fetch_room(struct run *r)
{
    enum { AHEAD = 1024, LINE = 64 };
    const struct buf *out = r->message.out;
    size_t to = out->len + AHEAD < out->cap ? out->len + AHEAD : out->cap;
    for (; r->fetched < to; r->fetched += LINE)
        __builtin_prefetch(out->data + r->fetched, 1);
}

/* What comes to be read of the samples behind s: their series' texts, and their digits in the body.  Of a
 * script no more is read than its first lines: what names it is fetched first, then it. */
static inline void fetch_ahead(const struct run *r, const struct sample *s, size_t left)
{
    if (left > SERIES_AHEAD)
        __builtin_prefetch(s[SERIES_AHEAD].text.data);
    if (!r->parts_alone) {
        if (left > SERIES_AHEAD)
            series_prefetch(s[SERIES_AHEAD].series);
        return;
    }
    if (left > (size_t)3 * SERIES_AHEAD)
        __builtin_prefetch(series_text(s[3 * SERIES_AHEAD].series));
    if (left > SERIES_AHEAD)
        series_prefetch_part(s[SERIES_AHEAD].series, r->step->lane);
}

static void append_all(struct run *r, size_t *from)
{
    const struct batch *b = r->batch;
    const struct message *m = &r->message;
    size_t max = r->max_samples;
    for (; *from < b->len && m->samples < max; ++*from) {
        size_t offset = written(m);
        fetch_ahead(r, &b->samples[*from], b->len - *from);
        fetch_room(r);
        enum status status = append_sample(r, &b->samples[*from]);
        if (status == OK)
            keep(r, offset);
        else if (!skip(r, offset, status))
            return;
    }
    for (; *from < batch_records(b) && m->samples < max; ++*from) {
        struct series *s = b->ended[*from - b->len];
        if (!was_sent(r, s))
            continue;
        size_t offset = written(m);
        enum status status = append_end(r, s);
        if (status == OK)
            keep(r, offset);
        else if (!skip(r, offset, status))
            return;
        r->counts->ended++;
    }
}

/* No room even for an empty message: nothing of the batch fits into any. */
static void skip_all(struct run *r, size_t *from)
{
    const struct batch *b = r->batch;
    for (; *from < batch_records(b); ++*from) {
        bool ended = *from >= b->len;
        if (ended && !was_sent(r, b->ended[*from - b->len]))
            continue;
        r->counts->ended += ended;
        r->counts->skipped[SKIP_TOO_LARGE]++;
    }
}

/* From begin to end, in a buffer whose bound leaves room for what end writes. */
static void write_message(struct run *r, size_t *from)
{
    const struct encoder_step *e = r->step;
    struct message *m = &r->message;
    if (e->ops->begin && e->ops->begin(e->self, m) != OK)
        skip_all(r, from);
    if (written(m) > 0)
        r->marked = NULL;
    append_all(r, from);
}

/* A frame that is no shorter than its content is opened again: such are small. */
static void take_frame(struct payload *p, const struct lz4_out *o)
{
    static const char *const headers[] = {"Content-Encoding: lz4", NULL};
    struct span frame = {o->out.data, o->out.len};
    bool smaller = frame.len < o->plain;
    enum status r =
        smaller ? buf_add(&p->body, frame.data, frame.len) : lz4_frame_open(frame, &p->body);
    if (r != OK)
        abort(); /* cannot be: there is room for the content, and it is our own */
    if (smaller)
        p->headers = headers;
}

static void end_message(struct run *r, struct payload *p)
{
    const struct encoder_step *e = r->step;
    struct buf *out = r->message.out;
    size_t len = written(&r->message);
    if (e->ops->end) {
        enum status status = e->ops->end(e->self, &r->message);
        assert(status == OK); /* its room was kept free */
        (void)status;
    }
    if (!r->marked || written(&r->message) > len)
        payload_unmark(p);
    if (r->message.lz4)
        take_frame(p, &r->message.lz4->out);
    else if (out != &p->body)
        e->ops->finish(e->self, (struct span){out->data, out->len}, &p->body);
}

/* The longest message that may be written before finish. */
static size_t find_max(const struct encoder_step *e, const struct payload *p, const struct buf *out)
{
    size_t max = out->max;
    size_t before = out != &p->body ? e->ops->finish_max(e->self, p->body.max) : max;
    return before < max ? before : max;
}

static size_t max_samples(const struct encoder_step *e)
{
    size_t own = e->ops->max_samples ? e->ops->max_samples(e->self) : SIZE_MAX;
    return own < e->max_samples ? own : e->max_samples;
}

static uint64_t next_number(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

size_t encoder_run(const struct encoder_step *e, const struct batch *b, size_t *from,
                   struct payload *p, struct buf *raw, struct encoder_counts *counts)
{
    bool finishes = encoder_finishes(e->ops, e->self);
    struct buf *out = finishes ? raw : &p->body;
    struct run r = {.step = e,
                    .batch = b,
                    .max_samples = max_samples(e),
                    .parts_alone = e->lz4 || (e->ops->parts_alone && e->ops->parts_alone(e->self)),
                    .message = {.out = out,
                                .id = p->id,
                                .target = b->target,
                                .batch = b,
                                .number = next_number(),
                                .lz4 = e->lz4,
                                .lane = e->lane},
                    .counts = counts,
                    .marked = finishes ? NULL : p};
    assert(p->body.len == 0 && r.max_samples > 0);
    buf_truncate(out, 0);
    payload_unmark(p);
    p->content_type = e->ops->content_type(e->self);
    p->headers = e->ops->headers ? e->ops->headers(e->self) : NULL;
    size_t bound = out->max, max = find_max(e, p, out);
    out->max = max > e->ops->end_bytes ? max - e->ops->end_bytes : 0;
    if (e->lz4)
        lz4_message_begin(e->lz4, out->max);
    write_message(&r, from);
    out->max = max;
    if (r.message.samples > 0)
        end_message(&r, p);
    else
        buf_truncate(out, 0);
    out->max = bound;
    counts->encoded += r.message.samples;
    p->samples = r.message.samples;
    return p->samples;
}
