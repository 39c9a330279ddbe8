/* SPDX-License-Identifier: Apache-2.0 */
/* lz4_script.c - what is found once per series, as sequences. */
#include "lz4_script.h"

#include <stdatomic.h>

_Static_assert(sizeof(struct lz4_script) % 8 == 0, "what is behind it is aligned");

uint64_t lz4_script_number(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

/* The literals from `from` on, and a match. */
static struct lz4_patch add_match(struct lz4_out *o, struct span head, size_t from,
                                  const struct repeat *r)
{
    size_t literals = r->at - from;
    lz4_out_text(o, head.data + from, literals);
    char *p = lz4_out_room(o, r->len / 255u + literals / 255 + 16);
    p = lz4_out_match(o, p, 1, r->len);
    lz4_out_used(o, p);
    return (struct lz4_patch){.at = (uint16_t)(o->more_at - 2 - LZ4_OUT_HEAD),
                              .more = (int16_t)(r->at - r->from)};
}

enum status lz4_script_make(struct lz4_script *s, struct span before, struct span head,
                            struct lz4_out *work, struct buf *out)
{
    char text[LZ4_SCRIPT_HEAD];
    uint16_t places[LZ4_SCRIPT_HEAD];
    struct repeats repeats = {.data = text, .before = places, .room = LZ4_SCRIPT_HEAD};
    struct repeat found[REPEATS_MAX];
    struct lz4_patch patches[REPEATS_MAX];
    size_t shorter = before.len < head.len ? before.len : head.len;
    size_t prefix = repeats_start(before, head, shorter - LZ4_OUT_MATCH);
    size_t suffix = repeats_end(before, head, shorter - prefix);
    repeats_begin(&repeats);
    if (!repeats_add(&repeats, before))
        abort(); /* cannot be: it is no longer than that */
    unsigned len = repeats_find(&repeats, head, prefix, head.len - suffix, 0, found);
    lz4_out_begin(work, LZ4_SCRIPT_HEAD);
    size_t from = prefix;
    for (unsigned i = 0; i < len; i++) {
        patches[i] = add_match(work, head, from, &found[i]);
        from = (size_t)found[i].at + found[i].len;
    }
    lz4_out_text(work, head.data + from, head.len - suffix - from);
    s->prefix = (uint16_t)prefix;
    s->suffix = (uint16_t)suffix;
    s->last = (uint16_t)(work->token_at - LZ4_OUT_HEAD);
    s->len = (uint16_t)(work->out.len - LZ4_OUT_HEAD);
    s->matches = (uint16_t)len;
    enum status r = buf_add(out, patches, len * sizeof patches[0]);
    return r == OK ? buf_add(out, work->out.data + LZ4_OUT_HEAD, s->len) : r;
}

static void start(struct buf *b)
{
    if (!b->data)
        *b = (struct buf)BUF_INIT(LZ4_OUT_MAX);
    buf_truncate(b, 0);
}

void lz4_message_begin(struct lz4_message *m, size_t plain_max)
{
    lz4_out_begin(&m->out, plain_max);
    start(&m->part);
    start(&m->text);
    start(&m->end);
    m->number = m->owed = m->head_len = m->len = 0;
    m->series = NULL;
}

static void stop(struct buf *b)
{
    if (b->data)
        buf_done(b);
}

void lz4_message_done(struct lz4_message *m)
{
    lz4_out_done(&m->out);
    lz4_out_done(&m->work);
    stop(&m->part);
    stop(&m->text);
    stop(&m->end);
    *m = (struct lz4_message){.number = 0};
}

size_t lz4_message_bytes(const struct lz4_message *m)
{
    return m->out.out.cap + m->work.out.cap + m->part.cap + m->text.cap + m->end.cap;
}
