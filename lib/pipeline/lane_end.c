/* SPDX-License-Identifier: Apache-2.0 */
/* lane_end.c - what the end of a payload means for its lane. */
#include "lane_private.h"

#include "compress.h"
#include "hash.h"
#include "log.h"

#define SAY_LOSSES_NS (10 * SEC_NS)
#define BUSY_NS       (100 * MS_NS) /* until a busy sink is asked again, if nothing ends */

/* Workers give up only what has no row. */
static void uncount(struct lane *l, int64_t row, uint64_t samples)
{
    if (row == 0) {
        l->books->in_memory -= samples;
        return;
    }
    l->books->in_spool -= samples;
    l->spool->samples -= (int64_t)samples;
    lane_disk_forget(l, row);
}

void lane_uncount(struct lane *l, struct payload *p)
{
    uncount(l, p->row, p->samples);
    p->row = 0;
}

/* Counting comes last: who sees the number knows that the payload is back in the pool. */
void lane_give_up(struct lane *l, struct payload *p, enum lane_loss why)
{
    uint64_t samples = p->samples;
    int64_t row = p->row;
    payload_pool_give(&l->pool, p);
    l->books->lost[why] += samples;
    uncount(l, row, samples);
}

void lane_say_losses(struct lane *l, bool at_once)
{
    int64_t now = clock_mono_ns();
    if (!at_once && l->losses_said_ns && now - l->losses_said_ns < SAY_LOSSES_NS)
        return;
    for (unsigned i = 0; i < LANE_LOSSES; i++) {
        uint64_t lost = l->books->lost[i];
        if (lost == l->losses_said[i])
            continue;
        log_warn("samples are lost", LOG_S("lane", l->name), LOG_S("reason", lane_loss_name(i)),
                 LOG_I("samples", lost - l->losses_said[i]));
        l->losses_said[i] = lost;
        l->losses_said_ns = now;
    }
}

static void delivered(struct lane *l, struct payload *p)
{
    uint64_t samples = p->samples, bytes = compress_content(p);
    int64_t row = p->row;
    int64_t now_ms = clock_wall_ms(), delay_ms = now_ms - p->due_ms;
    window_delivered(&l->window, p);
    payload_pool_give(&l->pool, p);
    l->books->payloads_delivered++;
    l->books->bytes_delivered += bytes;
    l->books->delay_ms_sum += delay_ms > 0 ? (uint64_t)delay_ms : 0;
    pthread_mutex_lock(&l->lock);
    l->failing = false;
    l->last_error.status = OK;
    l->last_error.text[0] = '\0';
    l->last_delivered_ms = now_ms;
    pthread_mutex_unlock(&l->lock);
    l->books->delivered += samples;
    uncount(l, row, samples);

    l->resume_ns = 0;
    l->failures = 0;
    if (!l->failing_ns)
        return;
    log_info("sink delivers again", LOG_S("lane", l->name), LOG_S("sink", l->sink_name),
             LOG_I("retries", l->retries),
             LOG_I("after_ms", (clock_mono_ns() - l->failing_ns) / MS_NS));
    l->failing_ns = 0;
    l->denied = false;
}

static const char *words_for(enum status how)
{
    switch (how) {
    case ERR_AGAIN: return "it cannot take it now";
    case ERR_TIMEOUT: return "no answer in time";
    case ERR_IO: return "the connection failed";
    case ERR_CLOSED: return "it was closed";
    case ERR_INVALID: return "the peer refuses it";
    case ERR_LIMIT: return "it is larger than the peer takes";
    case ERR_DENIED: return "the peer denies access";
    case OK:
    case STATUS_COUNT: break;
    }
    return "it ended";
}

static void show_error(struct lane *l, enum status how, const char *text)
{
    pthread_mutex_lock(&l->lock);
    l->failing = true;
    err_set(&l->last_error, how, "%s", text);
    pthread_mutex_unlock(&l->lock);
}

static void say_failure(struct lane *l, enum status how, const char *text)
{
    if (!l->failing_ns) {
        l->failing_ns = clock_mono_ns();
        l->retries = 0;
        log_warn("sink fails, trying again until it works", LOG_S("lane", l->name),
                 LOG_S("sink", l->sink_name), LOG_S("status", status_name(how)),
                 LOG_S("error", text));
    }
    if (how == ERR_DENIED && !l->denied) {
        l->denied = true;
        log_error("sink denies access: check its credentials and its permissions",
                  LOG_S("lane", l->name), LOG_S("sink", l->sink_name), LOG_S("error", text));
    }
    l->retries++;
}

/* A random time below a bound that doubles with each failure. */
static int64_t wait_ns(struct lane *l, unsigned failures, enum status how)
{
    int64_t bound = how == ERR_DENIED ? l->retry.denied_min_ns : l->retry.min_ns;
    int64_t max = how == ERR_DENIED ? l->retry.denied_max_ns : l->retry.max_ns;
    while (--failures > 0 && bound < max)
        bound = bound < max / 2 ? 2 * bound : max;
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return (int64_t)(l->random % (uint64_t)bound) + 1;
}

/* The whole lane waits, once for all that fail together. */
static void hold(struct lane *l, enum status how, const char *text)
{
    int64_t now = clock_mono_ns();
    say_failure(l, how, text);
    if (now < l->resume_ns && !l->busy)
        return;
    l->busy = false;
    l->resume_ns = now + wait_ns(l, ++l->failures, how);
}

static void again(struct lane *l, struct payload *p, enum status how, const char *text)
{
    l->books->retries++;
    unsigned stubborn = window_failed(&l->window, p);
    if (stubborn == 0) {
        hold(l, how, text);
        return;
    }
    if (stubborn == WINDOW_STUBBORN_FROM)
        log_warn("a target's payloads fail while others are delivered", LOG_S("lane", l->name),
                 LOG_S("target", payload_target(p)), LOG_S("status", status_name(how)),
                 LOG_S("error", text));
    window_delay(&l->window, p, clock_mono_ns() + wait_ns(l, stubborn, how));
}

void lane_copy_marks(struct payload *to, const struct payload *from, uint32_t first, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        payload_keep_mark(to, from->marks.at[first + i] - from->marks.at[first]);
    to->marks.stride = from->marks.stride;
    uint32_t left = from->marks.records - first * from->marks.stride;
    to->marks.records = first + len < from->marks.len ? len * from->marks.stride : left;
}

/* Another agent's payload of this id has as many bytes only by chance, so that it would be cut
 * elsewhere: the pieces are our own. */
static struct payload_id id_to_cut(const struct lane *l, const struct payload *p)
{
    if (!l->replicas)
        return p->id;
    return payload_id_piece(p->id, (uint32_t)hash_bytes(l->instance, strlen(l->instance)));
}

/* The records of body, which is p's, from mark first to mark last, or to the end, as a message of their
 * own. */
static struct payload *make_piece(struct lane *l, const struct payload *p, struct span body,
                                  uint32_t number, uint32_t first, uint32_t last)
{
    const struct payload_marks *m = &p->marks;
    size_t start = m->at[first], end = last < m->len ? m->at[last] : body.len;
    struct payload *piece = lane_take_payload(l, end - start);
    if (buf_add(&piece->body, body.data + start, end - start) != OK ||
        buf_add(&piece->key, p->key.data, p->key.len) != OK ||
        buf_add(&piece->address, p->address.data, p->address.len) != OK)
        abort(); /* cannot be: it is as long as it was in p */
    lane_copy_marks(piece, p, first, last - first);
    piece->samples = piece->marks.records;
    piece->id = payload_id_piece(id_to_cut(l, p), number);
    piece->target_at = p->target_at;
    piece->content_type = p->content_type;
    piece->headers = body.data == p->body.data ? p->headers : NULL; /* those of a frame */
    piece->due_ms = p->due_ms;
    piece->scraped_ms = p->scraped_ms;
    piece->part = p->part;
    piece->seq = p->seq;
    piece->here_ns = p->here_ns;
    payload_count(piece);
    piece->lane = p->lane;
    piece->end = p->end;
    return piece;
}

/* What marks are of: the body, or what is in it, made plain in room.  False: it is damaged. */
static bool find_content(const struct payload *p, struct buf *room, struct span *ret)
{
    *ret = (struct span){p->body.data, p->body.len};
    if (!compress_is_lz4(p))
        return true;
    if (lz4_frame_open(*ret, room) != OK)
        return false;
    *ret = (struct span){room->data, room->len};
    return true;
}

/* Too large as a whole.  Where the peer's bound is no help, in halves. */
static void cut(struct lane *l, struct payload *p, struct span body)
{
    const struct payload_marks *m = &p->marks;
    size_t bound = l->shared.max_payload;
    if (bound >= body.len)
        bound = body.len / 2;
    struct payload *pieces[PAYLOAD_MARKS];
    uint32_t number = 0;
    for (uint32_t first = 0, last; first < m->len; first = last) {
        last = first + 1;
        while (last < m->len &&
               (last + 1 < m->len ? m->at[last + 1] : body.len) - m->at[first] <= bound)
            last++;
        pieces[number] = make_piece(l, p, body, number, first, last);
        number++;
    }
    if (p->row != 0)
        lane_spool_replace(l, p, pieces, number);
    for (uint32_t i = 0; i < number; i++)
        window_put_piece(&l->window, p, pieces[i]);
    l->books->splits++;
    window_leave(&l->window, p);
    payload_pool_give(&l->pool, p);
}

static void lose(struct lane *l, struct payload *p, enum lane_loss why)
{
    window_leave(&l->window, p);
    lane_give_up(l, p, why);
}

static void cut_or_lose(struct lane *l, struct payload *p)
{
    AUTO(buf) struct buf room = BUF_INIT(LZ4_OUT_MAX);
    struct span body;
    if (p->marks.len > 1 && find_content(p, &room, &body))
        cut(l, p, body);
    else
        lose(l, p, LOST_TOO_LARGE);
}

/* Whether it arrived is not known. */
static void keep_or_lose(struct lane *l, struct payload *p, bool accepted)
{
    if (!l->spool) {
        lose(l, p, LOST_CLOSED);
        return;
    }
    p->unknown |= accepted;
    window_leave(&l->window, p);
    lane_spool_keep(l, p);
}

void lane_end(struct lane *l, struct payload *p, enum status how, bool accepted, const char *text)
{
    struct err err = {.status = OK};
    if (how != OK && accepted && l->sink->explain && l->sink_self) {
        l->sink->explain(l->sink_self, &err);
        text = err.text;
    }
    if (!text || !text[0])
        text = words_for(how);
    if (how != OK)
        show_error(l, how, text);
    switch (how) {
    case OK: delivered(l, p); return;
    case ERR_TIMEOUT:
    case ERR_IO:
        p->unknown |= accepted;
        again(l, p, how, text);
        return;
    case ERR_AGAIN:
    case ERR_DENIED: again(l, p, how, text); return;
    case ERR_LIMIT: cut_or_lose(l, p); return;
    case ERR_INVALID:
        log_warn("the peer refuses a payload for good", LOG_S("lane", l->name),
                 LOG_S("target", payload_target(p)), LOG_S("error", text));
        lose(l, p, LOST_REFUSED);
        return;
    case ERR_CLOSED: keep_or_lose(l, p, accepted); return;
    case STATUS_COUNT: break;
    }
    abort(); /* no status at all */
}

bool lane_is_busy(struct lane *l, struct payload *p, enum status how)
{
    if (how != ERR_AGAIN || l->window.in_flight < 2) /* p itself is one */
        return false;
    window_back(&l->window, p);
    l->busy = true;
    l->resume_ns = clock_mono_ns() + BUSY_NS;
    return true;
}
