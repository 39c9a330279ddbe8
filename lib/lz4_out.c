/* SPDX-License-Identifier: Apache-2.0 */
#include "lz4_out.h"

#include <endian.h>
#include <lz4.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* LZ4 Frame Format Description 1.6: magic, FLG, BD, size of the content, HC; size of the block. */
enum {
    FLG_AT = 4,
    BD_AT = 5,
    CONTENT_AT = 6,
    CHECK_AT = 14,
    BLOCK_AT = 15,
    END_BYTES = 4,
    VERSION_1 = 1 << 6,
    BLOCKS_ALONE = 1 << 5,
    HAS_CONTENT = 1 << 3,
    SMALLEST_BLOCK = 4, /* 64 KiB; each next is four times that */
};
#define MAGIC UINT32_C(0x184D2204)
#define SLACK 4096 /* for room that is asked for and not used */

static void put_32(char *p, uint32_t n)
{
    n = htole32(n);
    memcpy(p, &n, sizeof n);
}

static uint32_t get_32(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof n);
    return le32toh(n);
}

void lz4_out_begin(struct lz4_out *o, size_t plain_max)
{
    assert(plain_max <= LZ4_OUT_MAX);
    if (!o->out.data)
        o->out = (struct buf)BUF_INIT(0);
    buf_truncate(&o->out, 0);
    o->out.max = 2 * (size_t)LZ4_compressBound((int)plain_max) + SLACK;
    o->plain = o->match_at = o->more_at = o->match_len = 0;
    o->plain_max = plain_max;
    o->token_at = LZ4_OUT_HEAD;
    char *p = lz4_out_room(o, LZ4_OUT_HEAD + 1);
    memset(p, 0, LZ4_OUT_HEAD + 1);
    lz4_out_used(o, p + LZ4_OUT_HEAD + 1);
}

void lz4_out_done(struct lz4_out *o)
{
    if (o->out.data)
        buf_done(&o->out);
    *o = (struct lz4_out){.plain = 0};
}

char *lz4_out_grow(struct lz4_out *o, size_t n)
{
    char *p = buf_room(&o->out, n);
    if (!p)
        abort(); /* cannot be: the content is bounded, and a sequence is no longer than it */
    return p;
}

void lz4_out_text(struct lz4_out *o, const void *data, size_t len)
{
    char *p = lz4_out_room(o, len);
    if (len > 0)
        memcpy(p, data, len);
    lz4_out_used(o, p + len);
}

char *lz4_out_long(struct lz4_out *o, char *p, size_t literals)
{
    char *at = o->out.data + o->token_at + 1;
    size_t left = literals - 15, bytes = left / 255 + 1;
    memmove(at + bytes, at, literals);
    memset(at, 255, bytes - 1);
    at[bytes - 1] = (char)(left % 255);
    return p + bytes;
}

/* Of the last match as many bytes as the block lacks literals become such. */
static void shorten(struct lz4_out *o, const char *last, size_t by)
{
    char kept[LZ4_OUT_LAST];
    char *data = o->out.data;
    size_t literals = o->out.len - o->token_at - 1;
    memcpy(kept, data + o->token_at + 1, literals);
    (void)lz4_out_length(o, data + o->more_at, o->match_len - by);
    buf_truncate(&o->out, o->token_at);
    lz4_out_text(o, "", 1);
    lz4_out_text(o, last + LZ4_OUT_LAST - by, by);
    lz4_out_text(o, kept, literals);
}

/* The last sequence, without a match. */
static void end_block(struct lz4_out *o)
{
    size_t literals = o->out.len - o->token_at - 1;
    char *p = lz4_out_room(o, literals / 255 + 2);
    if (literals >= 15) {
        p = lz4_out_long(o, p, literals);
        literals = 15;
    }
    o->out.data[o->token_at] = (char)(literals << 4);
    lz4_out_used(o, p);
}

void lz4_out_end(struct lz4_out *o, const char last[LZ4_OUT_LAST])
{
    size_t literals = o->out.len - o->token_at - 1;
    if (o->match_at && literals < LZ4_OUT_LAST)
        shorten(o, last, LZ4_OUT_LAST - literals);
    end_block(o);
    char *head = o->out.data;
    unsigned size = SMALLEST_BLOCK;
    while (o->plain > (size_t)1 << (2 * size + 8))
        size++;
    put_32(head, MAGIC);
    head[FLG_AT] = VERSION_1 | BLOCKS_ALONE | HAS_CONTENT;
    head[BD_AT] = (char)(size << 4);
    put_32(head + CONTENT_AT, (uint32_t)o->plain);
    put_32(head + CONTENT_AT + 4, 0);
    head[CHECK_AT] = (char)(XXH32(head + FLG_AT, CHECK_AT - FLG_AT, 0) >> 8);
    put_32(head + BLOCK_AT, (uint32_t)(o->out.len - LZ4_OUT_HEAD));
    lz4_out_text(o, "\0\0\0", END_BYTES);
}

size_t lz4_frame_content(struct span frame)
{
    if (frame.len < LZ4_OUT_HEAD + END_BYTES || get_32(frame.data) != MAGIC ||
        frame.data[FLG_AT] != (VERSION_1 | BLOCKS_ALONE | HAS_CONTENT) ||
        get_32(frame.data + CONTENT_AT + 4) != 0 || get_32(frame.data + CONTENT_AT) > LZ4_OUT_MAX ||
        get_32(frame.data + BLOCK_AT) != frame.len - LZ4_OUT_HEAD - END_BYTES)
        return 0;
    return get_32(frame.data + CONTENT_AT);
}

enum status lz4_frame_open(struct span frame, struct buf *out)
{
    size_t len = lz4_frame_content(frame);
    buf_truncate(out, 0);
    if (len == 0)
        return ERR_INVALID;
    char *room = buf_room(out, len);
    if (!room)
        return ERR_LIMIT;
    int n = LZ4_decompress_safe(frame.data + LZ4_OUT_HEAD, room,
                                (int)(frame.len - LZ4_OUT_HEAD - END_BYTES), (int)len);
    if (n < 0 || (size_t)n != len)
        return ERR_INVALID;
    buf_used(out, len);
    return OK;
}
