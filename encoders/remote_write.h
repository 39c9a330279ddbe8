/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write.h - pieces of protobuf, labels of 1.0, and the symbols of one message of 2.0; part of remote_write.c.
 *
 * Version 2 names each text once in a message and refers to it by its number.  The table of
 * these numbers lies in front of the message, in the buffer in which it is written before it
 * is compressed: a worker has one such buffer, and a table costs nothing to empty.  */
#ifndef REMOTE_WRITE_H
#define REMOTE_WRITE_H

#include "buf.h"
#include "series.h"

#define VARINT_ROOM 10

static inline char *varint_put(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static inline size_t varint_len(uint64_t v)
{
    return (size_t)(70 - __builtin_clzll(v | 1)) / 7;
}

/* A key of a field, and behind it: */
#define WIRE_VARINT(field) ((char)((field) << 3))
#define WIRE_DOUBLE(field) ((char)((field) << 3 | 1)) /* 8 bytes, little-endian */
#define WIRE_BYTES(field)  ((char)((field) << 3 | 2)) /* a length and so many bytes */

static inline char *put_text(char *p, char key, const char *text, size_t len)
{
    *p++ = key;
    p = varint_put(p, len);
    memcpy(p, text, len);
    return p + len;
}

/* Labels of 1.0: Label messages, each a field 1 of what is around it. */

#define LABELS_NAME "__name__"

/* Of a Label. */
static inline size_t label_len(size_t name_len, size_t value_len)
{
    return 2 + varint_len(name_len) + name_len + varint_len(value_len) + value_len;
}

/* OK or ERR_LIMIT. */
enum status labels_add(struct buf *out, const char *name, const char *value) NODISCARD;

/* Adds a constant part of s: lengths of its texts, or all of its labels where some text is long.
 *   ERR_LIMIT     no room
 *   ERR_INVALID   a label takes the name's place  */
enum status labels_keep(const struct series *s, struct buf *out) NODISCARD;

/* How long the labels of that constant part are. */
size_t labels_len(struct span constant);
/* Writes them and returns their end, behind which LABELS_SLACK bytes may be written over, too. */
char *labels_put(char *p, struct span constant, const struct series *s);
#define LABELS_SLACK 32

/* Symbols of 2.0. */

/* A text as it is looked for. */
struct symbol {
    uint32_t hash, len;
};
struct symbol symbol_of(struct span text);

#define SYMBOLS_MAX 16384 /* of one message; numbers below are varints of at most 2 bytes */
#define SYMBOL_NAME 1     /* number of "__name__"; 0 is "" */

/* Bytes of the table. */
size_t symbols_room(void);

/* Puts a table with these two in front of the empty out.  OK or ERR_LIMIT. */
enum status symbols_begin(struct buf *out) NODISCARD;

/* How many there are; and back to that many, when what named the others is undone. */
uint32_t symbols_count(const struct buf *out);
void symbols_undo(struct buf *out, uint32_t count);

/* The number of text, which s is of; written into the message when it is new there.  ERR_LIMIT: no
 * room for it, or too many. */
enum status symbols_get(struct buf *out, struct symbol s, const char *text,
                        uint32_t *ret) NODISCARD;

#endif
