/* SPDX-License-Identifier: Apache-2.0 */
/* lz4_out.h - an LZ4 frame that is written sequence by sequence, without a search.
 *
 * For who knows where what it writes has stood before: literals and matches are put one behind the
 * other, and the content itself never is in memory.  A frame has one block, no checksums, and tells the
 * size of its content; any reader of LZ4's frame format opens it.
 *
 *     lz4_out_begin(o, max);
 *     ... lz4_out_text, lz4_out_match ...
 *     lz4_out_end(o, last);                                                                  */
#ifndef LZ4_OUT_H
#define LZ4_OUT_H

#include "buf.h"
#include "text.h"

#include <assert.h>

#define LZ4_OUT_MAX   ((size_t)4 << 20) /* content of one frame: that of its one block */
#define LZ4_OUT_FAR   65535             /* the farthest that a match may be */
#define LZ4_OUT_HEAD  19                /* bytes of a frame in front of its first sequence */
#define LZ4_OUT_MATCH 4                 /* bytes of the shortest match */

/* Zeroed before the first begin; keeps its memory from frame to frame. */
struct lz4_out {
    struct buf out;   /* the frame so far */
    size_t plain;     /* bytes of content so far */
    size_t plain_max; /* the most */
    size_t token_at;  /* of the sequence that has no match yet; its literals are behind it */
    size_t match_at;  /* the token of the one before; 0: there is none */
    size_t more_at;   /* where the length of its match goes on */
    size_t match_len;
};

void lz4_out_begin(struct lz4_out *o, size_t plain_max); /* at most LZ4_OUT_MAX */
void lz4_out_done(struct lz4_out *o);

/* A place for n bytes behind what there is; what was written there last is told by lz4_out_used. */
char *lz4_out_grow(struct lz4_out *o, size_t n);
static inline char *lz4_out_room(struct lz4_out *o, size_t n)
{
    if (n < o->out.cap - o->out.len)
        return o->out.data + o->out.len;
    return lz4_out_grow(o, n);
}
static inline void lz4_out_used(struct lz4_out *o, const char *end)
{
    assert(end < o->out.data + o->out.cap);
    o->out.len = (size_t)(end - o->out.data);
}

/* As it is; plain does not grow: who writes a record adds its length at once. */
void lz4_out_text(struct lz4_out *o, const void *data, size_t len);

/* So many literals, which end at p, are too many for their token; returns where they end now. */
char *lz4_out_long(struct lz4_out *o, char *p, size_t literals);

/* The rest of a match's length goes to p; the next sequence begins behind it. */
static inline char *lz4_out_length(struct lz4_out *o, char *p, size_t len)
{
    char *token = o->out.data + o->match_at;
    size_t more = len - LZ4_OUT_MATCH;
    o->match_len = len;
    *token = (char)((*token & 0xf0) | (char)(more < 15 ? more : 15));
    if (more >= 15) {
        for (more -= 15; more >= 255; more -= 255)
            *p++ = (char)255;
        *p++ = (char)more;
    }
    o->token_at = (size_t)(p - o->out.data);
    *p = 0;
    return p + 1;
}

/* The last match, which no literal is behind, is longer by so much; as lz4_out_match. */
static inline char *lz4_out_extend(struct lz4_out *o, size_t len)
{
    return lz4_out_length(o, o->out.data + o->more_at, o->match_len + len);
}

/* Ends a sequence whose literals end at p by a match of len bytes that stood so far in front; there is
 * room.  Returns where the literals of the next one begin. */
static inline char *lz4_out_match(struct lz4_out *o, char *p, size_t distance, size_t len)
{
    char *token = o->out.data + o->token_at;
    size_t literals = (size_t)(p - token) - 1;
    assert(len >= LZ4_OUT_MATCH && distance > 0 && distance <= LZ4_OUT_FAR);
    if (literals >= 15) {
        p = lz4_out_long(o, p, literals);
        literals = 15;
    }
    *p++ = (char)(distance & 0xff);
    *p++ = (char)(distance >> 8);
    o->match_at = o->token_at;
    o->more_at = (size_t)(p - o->out.data);
    *token = (char)(literals << 4);
    return lz4_out_length(o, p, len);
}

/* The frame is whole.  last: what the last match ends with, as many bytes as a block must end with
 * literals, and that match is longer than these and LZ4_OUT_MATCH; may be NULL when there is no match. */
#define LZ4_OUT_LAST 5
void lz4_out_end(struct lz4_out *o, const char last[LZ4_OUT_LAST]);

/* Of a frame as it is made here: the size of its content, 0 when it is none. */
size_t lz4_frame_content(struct span frame);

/* Its content, in place of what out holds.  ERR_INVALID: it is none, or damaged; ERR_LIMIT: longer than
 * out->max.  After an error out holds nothing. */
enum status lz4_frame_open(struct span frame, struct buf *out) NODISCARD;

#endif
