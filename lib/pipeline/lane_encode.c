/* SPDX-License-Identifier: Apache-2.0 */
/* lane_encode.c - from a batch to payloads in the lane's buffer. */
#include "budget.h"
#include "lane_work.h"

#include <assert.h>

#define COPY_BYTES ((size_t)32 << 10) /* shorter bodies are copied whatever there is room for */

void lane_scratch_done(struct lane_scratch *s)
{
    payload_free(s->big);
    buf_done(&s->raw);
    lz4_message_done(&s->lz4);
    buf_done(&s->address);
    batch_done(&s->sorted);
    *s = (struct lane_scratch){0};
}

size_t lane_scratch_bytes(const struct lane_scratch *s)
{
    return s->raw.cap + s->address.cap + lz4_message_bytes(&s->lz4) +
           s->sorted.cap * sizeof s->sorted.samples[0];
}

static void reserve(struct buf *b, size_t max)
{
    b->max = max;
    if (!b->data)
        *b = (struct buf)BUF_INIT(max);
    if (!buf_room(b, max))
        abort(); /* cannot be: it is empty */
}

/* Room for the largest message the peer takes.  The memory is that of max_message, once: a
 * page nobody writes to costs nothing. */
static void prepare_room(struct lane *l, struct lane_scratch *s)
{
    size_t peer = l->shared.max_payload;
    size_t max = peer < l->max_message ? peer : l->max_message;
    if (!s->big)
        s->big = payload_pool_take(&l->pool, l->max_message);
    buf_truncate(&s->big->body, 0);
    reserve(&s->big->body, l->max_message);
    payload_count(s->big);
    s->big->body.max = max;
    if (encoder_finishes(l->encoder, l->encoder_self)) {
        buf_truncate(&s->raw, 0);
        reserve(&s->raw, l->encoder->finish_max(l->encoder_self, max));
    }
}

/* A sink that may be closed already is not asked: the buffer is closed too, so what would go
 * there without an address is lost in any case. */
static enum status render(struct lane *l, const struct target *t, struct buf *out)
{
    enum status r = OK;
    l->rendering++;
    if (l->sink->render && !l->closing)
        r = l->sink->render(l->sink_self, t, out);
    l->rendering--;
    return r;
}

/* Key and address of the target, the same for each of its parts, fit. */
static enum status prepare_names(struct lane *l, struct lane_scratch *s, const struct target *t)
{
    if (!s->address.data)
        s->address = (struct buf)BUF_INIT(PAYLOAD_TEXT_MAX);
    buf_truncate(&s->address, 0);
    if (strlen(l->cluster) + 1 + strlen(t->id) > PAYLOAD_TEXT_MAX)
        return ERR_LIMIT;
    return render(l, t, &s->address);
}

/* Never full: nothing is sent while as many as it holds are in flight. */
void lane_take_back(void *lane, struct payload *p, enum status how)
{
    struct lane *l = lane;
    p->how = how;
    if (channel_send(l->ends, p, 0, DEADLINE_NOW) != OK)
        abort();
}

/* Whether the big payload goes as it is: it is of this lane's size, and filled well; or its copy would
 * cost more memory to be touched than its room, which counts, is worth while little waits. */
static bool goes_as_it_is(struct lane *l, const struct buf *body)
{
    if (body->cap > l->max_message + 1)
        return false;
    if (2 * body->len >= body->cap)
        return true;
    struct channel_stats waits = channel_stats(l->input);
    size_t bodies = waits.len + l->held + l->in_flight + 1;
    return body->len >= COPY_BYTES && bodies * body->cap <= waits.cap_bytes / 8;
}

/* The big payload, and the worker gets another; or a copy in one of the size that is needed. */
static struct payload *detach(struct lane *l, struct lane_scratch *s)
{
    struct payload *big = s->big;
    if (goes_as_it_is(l, &big->body)) {
        s->big = payload_pool_take(&l->pool, l->max_message);
        return big;
    }
    struct payload *p = payload_pool_take(&l->pool, big->body.len);
    if (buf_add(&p->body, big->body.data, big->body.len) != OK)
        abort(); /* cannot be: it was asked for */
    lane_copy_marks(p, big, 0, big->marks.len);
    p->id = big->id;
    p->samples = big->samples;
    p->content_type = big->content_type;
    p->headers = big->headers;
    return p;
}

/* Into the buffer; where there is no room the oldest leave it. */
static void put(struct lane *l, struct payload *p)
{
    void *oldest;
    enum status r;
    l->books->encoded += p->samples;
    l->books->in_memory += p->samples;
    p->here_ns = clock_mono_ns();
    payload_count(p);
    lane_memory_give(l);
    if (lane_memory_is_out(l)) {
        lane_give_up(l, p, LOST_MEMORY);
        return;
    }
    while ((r = channel_send_evict(l->input, p, payload_cost(p), &oldest)) == ERR_AGAIN)
        lane_give_up(l, oldest, LOST_BUFFER_FULL);
    if (r != OK)
        lane_give_up(l, p, r == ERR_CLOSED ? LOST_CLOSED : LOST_TOO_LARGE);
}

void lane_put_part(struct work *w, const struct batch *b, bool more)
{
    struct lane *l = w->lane;
    struct payload *p = detach(l, w->scratch);
    const struct buf *address = &w->scratch->address;
    if (payload_set_key(p, l->cluster, w->scrape->target->id) != OK ||
        buf_add(&p->address, address->data, address->len) != OK)
        abort(); /* cannot be: prepare_names has seen them */
    p->part = w->origin.part++;
    p->more = more;
    p->due_ms = w->scrape->due_ms;
    p->scraped_ms = b->scraped_ms;
    p->lane = l;
    p->end = lane_take_back;
    put(l, p);
}

/* The id may stand in the message, so it is known before. */
size_t lane_write_part(struct work *w, const struct batch *b, size_t *from)
{
    struct lane_scratch *s = w->scratch;
    prepare_room(w->lane, s);
    s->big->id = payload_id_make(&w->origin);
    return encoder_run(&w->step, b, from, s->big, &s->raw, &w->counts);
}

/* All records of b, in parts numbered from first_part. */
static void encode(struct work *w, const struct batch *b, uint32_t first_part)
{
    size_t from = 0;
    w->origin.part = first_part;
    while (lane_write_part(w, b, &from) > 0)
        lane_put_part(w, b, from < batch_records(b));
}

static struct payload_origin origin_of(const struct lane *l, const struct lane_scrape *scrape)
{
    return (struct payload_origin){.cluster = l->cluster,
                                   .instance = l->replicas ? NULL : l->instance,
                                   .pool = l->pool_name,
                                   .output = l->output,
                                   .settings = l->encoder_text,
                                   .target = scrape->target->id,
                                   .due_ms = scrape->due_ms,
                                   .outcome = scrape->outcome,
                                   .clock_steps = scrape->clock_steps};
}

/* Meta series of a scrape that others may make too, or that failed, differ where the rest is
 * equal: they travel on their own (law 5). */
static void encode_all(struct work *w, const struct batch *b)
{
    bool apart = w->lane->replicas || w->scrape->outcome != 0;
    struct batch samples = *b, meta = *b;
    samples.len -= apart ? b->meta_len : 0;
    meta.samples += samples.len;
    meta.len -= samples.len;
    meta.ended_len = 0;
    if (w->lane->replicas) {
        lane_encode_replicas(w, &samples);
        /* What this agent has sent before, another may not have: it is told under its own name. */
        samples.len = 0;
        w->origin.instance = w->lane->instance;
        if (samples.ended_len > 0)
            encode(w, &samples, 0);
        w->origin.instance = NULL;
    } else if (batch_records(&samples) > 0) {
        encode(w, &samples, 0);
    }
    if (meta.len > 0)
        encode(w, &meta, LANE_META_PART);
}

void lane_encode(struct lane *l, unsigned slot, struct lane_scratch *scratch, const struct batch *b,
                 const struct lane_scrape *scrape)
{
    assert(b->meta_len <= b->len);
    struct work w = {.lane = l,
                     .scratch = scratch,
                     .scrape = scrape,
                     .step = {.ops = l->encoder,
                              .self = l->encoder_self,
                              .lane = slot,
                              .max_samples = l->max_samples,
                              .lz4 = l->lz4 ? &scratch->lz4 : NULL},
                     .origin = origin_of(l, scrape)};
    l->books->passed += b->len - b->meta_len;
    l->books->meta += b->meta_len;
    if (prepare_names(l, scratch, scrape->target) == OK)
        encode_all(&w, b);
    else /* none of them was ever sent: there is no end to tell of */
        w.counts.skipped[SKIP_TOO_LARGE] = b->len;
    l->books->ended += w.counts.ended;
    for (size_t i = 0; i < ENCODER_SKIPS; i++)
        if (w.counts.skipped[i] > 0)
            l->books->skipped[i] += w.counts.skipped[i];
}
