/* SPDX-License-Identifier: Apache-2.0 */
/* lz4_script.c - the search; a small one, for it runs once per series. */
#include "lz4_script.h"

#include "repeats.h"

_Static_assert(sizeof(struct lz4_script) % 8 == 0, "what is behind it is aligned");

enum {
    BITS = 8,
    WORTH = 5,  /* bytes of a match that are more than it costs */
    HASTE = 32, /* places without a match, after which as many are left out more */
    NOWHERE = UINT16_MAX,
};

struct search {
    struct span before, head;
    uint16_t at[1 << BITS]; /* where in before four bytes stand, by their hash */
    struct lz4_patch patches[LZ4_SCRIPT_MOST];
    unsigned len;
    struct lz4_out *block; /* its sequences, as a block of their own */
};

static uint32_t hash_four(const char *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return four * UINT32_C(2654435761) >> (32 - BITS);
}

/* Of what tells the two apart: it is short, and what else repeats in it is seldom worth the search. */
static void index_before(struct search *s, size_t from, size_t end)
{
    memset(s->at, 0xff, sizeof s->at);
    for (size_t i = from; i + 4 <= end; i++)
        s->at[hash_four(s->before.data + i)] = (uint16_t)i;
}

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Bytes of head from i on, up to end, that stand at `from` in the one before. */
static size_t count_same(const struct search *s, size_t i, size_t end, size_t from)
{
    return repeats_start(s->head.data + i, s->before.data + from,
                         min(end - i, s->before.len - from));
}

/* The literals from `from` up to i, and a match. */
static void add_match(struct search *s, size_t from, size_t i, size_t at, size_t len)
{
    struct lz4_out *o = s->block;
    lz4_out_text(o, s->head.data + from, i - from);
    char *p = lz4_out_room(o, len / 255 + (i - from) / 255 + 16);
    p = lz4_out_match(o, p, 1, len);
    s->patches[s->len++] = (struct lz4_patch){.at = (uint16_t)(o->more_at - 2 - LZ4_OUT_HEAD),
                                              .more = (int16_t)((int)i - (int)at)};
    lz4_out_used(o, p);
}

/* What of head from i up to end stands before; what is left are the last literals. */
static void find_matches(struct search *s, size_t i, size_t end)
{
    size_t from = i;
    while (i + WORTH <= end && s->len < LZ4_SCRIPT_MOST && i - from <= LZ4_SCRIPT_LEN) {
        size_t at = s->at[hash_four(s->head.data + i)];
        size_t len = at == NOWHERE ? 0 : count_same(s, i, end, at);
        if (len < WORTH) {
            i += 1 + (i - from) / HASTE;
            continue;
        }
        while (i > from && at > 0 && s->head.data[i - 1] == s->before.data[at - 1]) {
            i--;
            at--;
            len++;
        }
        add_match(s, from, i, at, len);
        from = i += len;
    }
    lz4_out_text(s->block, s->head.data + from, end - from);
}

static void add(struct buf *out, const void *data, size_t len)
{
    static const char zeros[8] = {0};
    if (buf_add(out, data, len) != OK || buf_add(out, zeros, lz4_script_round(len) - len) != OK)
        abort(); /* cannot be: it is little, but for what was kept before */
}

bool lz4_script_make(struct lz4_script *s, struct span before, struct span head, struct span kept,
                     struct lz4_out *work, struct buf *out)
{
    struct search search;
    search.before = before;
    search.head = head;
    search.block = work;
    search.len = 0;
    size_t shorter = min(before.len, head.len);
    size_t prefix = count_same(&search, 0, shorter - LZ4_OUT_MATCH, 0);
    size_t suffix = repeats_end(before.data + before.len, head.data + head.len, shorter - prefix);
    lz4_out_begin(work, LZ4_SCRIPT_HEAD);
    index_before(&search, prefix, before.len - suffix);
    find_matches(&search, prefix, head.len - suffix);
    size_t len = work->out.len - LZ4_OUT_HEAD;
    bool fits = len <= LZ4_SCRIPT_LEN;
    s->head_len = (uint16_t)head.len;
    if (!fits)
        prefix = suffix = len = search.len = 0;
    s->prefix = (uint16_t)prefix;
    s->suffix = (uint16_t)suffix;
    s->last = (uint16_t)(fits ? work->token_at - LZ4_OUT_HEAD : 0);
    s->len = (unsigned)len & LZ4_SCRIPT_LEN;
    s->matches = search.len & LZ4_SCRIPT_MOST;
    s->kept_len = (uint32_t)kept.len;
    buf_truncate(out, 0);
    add(out, s, sizeof *s);
    add(out, work->out.data + LZ4_OUT_HEAD, len);
    add(out, search.patches, search.len * sizeof search.patches[0]);
    add(out, kept.data, kept.len);
    return fits;
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
    start(&m->rest);
    start(&m->end);
    m->number = m->owed = m->head_len = m->len = m->value_len = m->shared = 0;
    m->joined = false;
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
    stop(&m->rest);
    stop(&m->end);
    *m = (struct lz4_message){.number = 0};
}

size_t lz4_message_bytes(const struct lz4_message *m)
{
    return m->out.out.cap + m->work.out.cap + m->part.cap + m->text.cap + m->rest.cap + m->end.cap;
}
