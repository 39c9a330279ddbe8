/* SPDX-License-Identifier: Apache-2.0 */
/* lz4_script.h - how one text is written when another has been, as LZ4 sequences worked out once.
 *
 * Of two records of a message that follow each other the heads, which never change, share most of their
 * bytes.  What the second repeats of the first is found once and kept as a script: the sequences
 * as they stand in an LZ4 block, but for how far back a match lies, which hangs on the length of the
 * first record and so on its digits.  Writing it anew is a copy and a few additions.  It holds only
 * behind the very head it was made for, which is known by a number that no other head of its page has, and so none of
 * its message.  It is a part of its series (series.h), and counts as memory of the page and of the agent.  */
#ifndef LZ4_SCRIPT_H
#define LZ4_SCRIPT_H

#include "lz4_out.h"
#include "series.h"

/* In front of what else is kept of a series: of most a line or two of the processor's cache, with the
 * sequences that follow.  Behind these the patches, then what else is kept; each begins at a multiple of 8. */
struct lz4_script {
    uint64_t own;      /* number of this head (texts_number); never 0 */
    uint64_t before;   /* of the head that the script goes behind; 0: there is none */
    uint32_t kept_len; /* bytes of what else is kept */
    uint16_t head_len; /* of the head, if before is not 0 */
    uint16_t own_len;  /* the encoder's own, likewise */
    uint16_t
        prefix; /* bytes that the first match takes of the head; 0: the script would be too long */
    uint16_t suffix; /* likewise, the last one */
    uint16_t
        last; /* where in bytes the last sequence begins: a place for its token, its literals */
    uint32_t len : 10;    /* bytes of sequences */
    uint32_t matches : 6; /* among them, of which each has a lz4_patch */
};

/* Where in the script the distance of a match goes, and what it is more than the length of the
 * record before. */
struct lz4_patch {
    uint16_t at;
    int16_t more;
};

#define LZ4_SCRIPT_LEN  511u /* bytes of the longest script */
#define LZ4_SCRIPT_MOST 63u  /* matches */

/* Rounded up to where the next thing begins. */
static inline size_t lz4_script_round(size_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

static inline const char *lz4_script_patches(const struct lz4_script *s)
{
    return (const char *)(s + 1) + lz4_script_round(s->len);
}

/* What else is kept; 0 matches and 0 bytes: right behind *s. */
static inline struct span lz4_script_kept(const struct lz4_script *s)
{
    size_t patches = s->matches * sizeof(struct lz4_patch);
    return (struct span){lz4_script_patches(s) + lz4_script_round(patches), s->kept_len};
}

#define LZ4_SCRIPT_HEAD 4096  /* the longest head that has a script */
#define LZ4_SCRIPT_FAR  57344 /* the longest record before: patches fit behind it */

/* How head is written behind before: what is to be kept, *s, sequences, patches and kept, in place of what out
 * holds; *s becomes as that needs, but for own and before.  Heads are at most LZ4_SCRIPT_HEAD bytes;
 * they begin with LZ4_OUT_MATCH equal bytes at least, and end with that many others.  work is for work.
 * False: the script would be too long; what is to be kept says so, and so that no other search is worth it. */
bool lz4_script_make(struct lz4_script *s, struct span before, struct span head, struct span kept,
                     struct lz4_out *work, struct buf *out) NODISCARD;

/* Writes it at p, where the literals of the record before end, of which there is room: distance is the
 * length of the record before, owed how many bytes in front of the head are
 * as those in front of the head before; joined: the last match lies as far back and ends there.
 * Returns where the literals of the sequence that has the last
 * match end, which the caller adds: it takes suffix bytes of the head, and may take more. */
static inline char *lz4_script_put(struct lz4_out *o, char *p, const struct lz4_script *s,
                                   size_t distance, size_t owed, bool joined)
{
    p = joined ? lz4_out_extend(o, owed + s->prefix)
               : lz4_out_match(o, p, distance, owed + s->prefix);
    p--;
    const char *bytes = (const char *)(s + 1), *patches = bytes + lz4_script_round(s->len);
    for (size_t i = 0; i < s->len; i += 8) /* most are short: no call for them */
        memcpy(p + i, bytes + i, 8);
    for (unsigned i = 0; i < s->matches; i++) {
        struct lz4_patch patch;
        memcpy(&patch, patches + i * sizeof patch, sizeof patch);
        size_t far = distance + (size_t)patch.more;
        p[patch.at] = (char)(far & 0xff);
        p[patch.at + 1] = (char)(far >> 8);
    }
    o->token_at += s->last;
    return p + s->len;
}

#define LZ4_VALUE_ROOM 32

/* A message under way, and room for work that is kept from one to the next.  Zeroed is empty. */
struct lz4_message {
    struct lz4_out out;
    struct lz4_out work;
    struct buf part, text, rest; /* likewise */

    /* The record before. */
    uint64_t number;             /* of its head; 0: no script goes behind it */
    const struct series *series; /* whose it is */
    size_t head_len, len;
    int64_t ts_ms;
    size_t owed;      /* bytes of it that are not written yet: all of end, which stands in front of
                       it too */
    bool joined;      /* nothing is behind its last match but owed, and the next one's first may be
                       a part of it */
    size_t value_len; /* 0: not known */
    size_t shared;    /* of the value, bytes that are as in the record before it */
    char value[LZ4_VALUE_ROOM];
    struct buf end; /* what it ends with behind its value; empty: not known */
};

void lz4_message_begin(struct lz4_message *m, size_t plain_max);
void lz4_message_done(struct lz4_message *m);
size_t lz4_message_bytes(const struct lz4_message *m); /* that it holds */

#endif
