/* SPDX-License-Identifier: Apache-2.0 */
/* lz4_script.h - how one text is written when another has been, as LZ4 sequences worked out once.
 *
 * Of two records of a message that follow each other the heads, which never change, share most of their
 * bytes.  What the second repeats of the first is found once and kept as a script: the sequences
 * as they stand in an LZ4 block, but for how far back a match lies, which hangs on the length of the
 * first record and so on its digits.  Writing it anew is a copy and a few additions.  It holds only
 * behind the very head it was made for, which is known by a number that no other head has.  */
#ifndef LZ4_SCRIPT_H
#define LZ4_SCRIPT_H

#include "lz4_out.h"
#include "repeats.h"
#include "series.h"

/* In front of what else is kept of a series; multiples of 8 bytes. */
struct lz4_script {
    uint64_t own;      /* number of this head; never 0 */
    uint64_t before;   /* of the head that the script goes behind; 0: there is none */
    uint32_t kept_len; /* bytes behind this, in front of the script's */
    uint16_t prefix;   /* bytes that the first match takes of the head */
    uint16_t suffix;   /* likewise, the last one */
    uint16_t
        last;     /* where in bytes the last sequence begins: a place for its token, its literals */
    uint16_t len; /* bytes of sequences */
    uint16_t matches; /* among them, of which each has a lz4_patch */
    uint16_t zero;
};

/* Where in the script the distance of a match goes, and what it is more than the length of the
 * record before. */
struct lz4_patch {
    uint16_t at;
    int16_t more;
};

#define LZ4_SCRIPT_HEAD 4096  /* the longest head that has a script */
#define LZ4_SCRIPT_FAR  57344 /* the longest record before: patches fit behind it */

/* A number that no other head of this process has. */
uint64_t lz4_script_number(void);

/* How head is written behind before, as patches and sequences, put behind what out holds; *s becomes
 * as that needs, but for own, before and kept_len.  Both are at most LZ4_SCRIPT_HEAD bytes; they begin with
 * LZ4_OUT_MATCH equal bytes at least, and end with that many others.  work is for work. */
enum status lz4_script_make(struct lz4_script *s, struct span before, struct span head,
                            struct lz4_out *work, struct buf *out) NODISCARD;

/* Writes it at p, where the literals of the record before end, of which there is room: data is what
 * make put out, distance the length of the record before, owed how many bytes in front of the head are
 * as those in front of the head before.  Returns where the literals of the sequence that has the last
 * match end, which the caller adds: it takes suffix bytes of the head, and may take more. */
static inline char *lz4_script_put(struct lz4_out *o, char *p, const struct lz4_script *s,
                                   const char *data, size_t distance, size_t owed)
{
    p = lz4_out_match(o, p, distance, owed + s->prefix) - 1;
    const char *bytes = data + s->matches * sizeof(struct lz4_patch);
    memcpy(p, bytes, s->len);
    for (unsigned i = 0; i < s->matches; i++) {
        struct lz4_patch patch;
        memcpy(&patch, data + i * sizeof patch, sizeof patch);
        size_t far = distance + (size_t)patch.more;
        p[patch.at] = (char)(far & 0xff);
        p[patch.at + 1] = (char)(far >> 8);
    }
    o->token_at += s->last;
    return p + s->len;
}

/* A message under way, and room for work that is kept from one to the next.  Zeroed is empty. */
struct lz4_message {
    struct lz4_out out;
    struct lz4_out work;
    struct buf part, text; /* likewise */

    /* The record before. */
    uint64_t number;             /* of its head; 0: no script goes behind it */
    const struct series *series; /* whose it is */
    size_t head_len, len;
    int64_t ts_ms;
    size_t owed;    /* bytes of it that are not written yet: all of end, which stands in front of
                       it too */
    struct buf end; /* what it ends with behind its value; empty: not known */
};

void lz4_message_begin(struct lz4_message *m, size_t plain_max);
void lz4_message_done(struct lz4_message *m);
size_t lz4_message_bytes(const struct lz4_message *m); /* that it holds */

#endif
