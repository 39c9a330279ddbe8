/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write.h - pieces of protobuf, messages of version 1, and the symbols of one of version 2; part of
 * remote_write.c.
 *
 * Version 2 names each text once in a message and refers to it by its number.  The table of
 * these numbers lies in front of the message, in the buffer in which it is written before it
 * is compressed: a worker has one such buffer, and a table costs nothing to empty.  */
#ifndef REMOTE_WRITE_H
#define REMOTE_WRITE_H

#include "encoder.h"

#include <endian.h>
#include <math.h>

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

#define NAME       "__name__"
#define NORMAL_NAN UINT64_C(0x7ff8000000000001)

static inline char *put_text(char *p, char key, const char *text, size_t len)
{
    *p++ = key;
    p = varint_put(p, len);
    memcpy(p, text, len);
    return p + len;
}

/* What is said of a series. */
struct point {
    uint64_t bits;
    int64_t ts_ms, created_ms; /* 0: none */
    const struct exemplar *exemplar;
};

#define DOUBLE_BYTES 9 /* with its key, as all these */
#define SAMPLE_ROOM  (2 + DOUBLE_BYTES + 2 * (1 + VARINT_ROOM))

static inline size_t number_len(int64_t n)
{
    return 1 + varint_len((uint64_t)n);
}

static inline size_t sample_len(const struct point *at)
{
    return DOUBLE_BYTES + number_len(at->ts_ms) + (at->created_ms ? number_len(at->created_ms) : 0);
}

static inline char *put_number(char *p, char key, int64_t n)
{
    *p++ = key;
    return varint_put(p, (uint64_t)n);
}

static inline char *put_bits(char *p, uint64_t bits)
{
    uint64_t little = htole64(bits);
    memcpy(p, &little, sizeof little);
    return p + sizeof little;
}

static inline char *put_double(char *p, char key, uint64_t bits)
{
    *p++ = key;
    return put_bits(p, bits);
}

/* Field 2 of a series in both versions. */
static inline char *put_sample(char *p, const struct point *at)
{
    *p++ = WIRE_BYTES(2);
    *p++ = (char)sample_len(at);
    p = put_double(p, WIRE_DOUBLE(1), at->bits);
    p = put_number(p, WIRE_VARINT(2), at->ts_ms);
    return at->created_ms ? put_number(p, WIRE_VARINT(3), at->created_ms) : p;
}

/* None may look like a marker. */
static inline uint64_t bits_of(double value)
{
    uint64_t bits = NORMAL_NAN;
    if (!isnan(value))
        memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The time that an exemplar's own stands for where it has none. */
static inline int64_t exemplar_ms(const struct point *at)
{
    return at->exemplar->has_ts ? at->exemplar->ts_ms : at->ts_ms;
}

/* The end of an exemplar in both versions. */
#define OBSERVED_ROOM (DOUBLE_BYTES + 1 + VARINT_ROOM)
static inline char *put_observed(char *p, const struct point *at)
{
    p = put_double(p, WIRE_DOUBLE(2), bits_of(at->exemplar->value));
    return put_number(p, WIRE_VARINT(3), exemplar_ms(at));
}

/* remote_write_v1.c: as begin, end, constant and append of an encoder. */
enum status v1_begin(struct message *m) NODISCARD;
void v1_end(struct message *m);
enum status v1_constant(const struct series *s, struct buf *out) NODISCARD;
enum status v1_append(struct message *m, const struct series *s, const struct point *at,
                      struct span constant) NODISCARD;
void v1_finish(struct span in, struct buf *out);

/* The bound of a message before finish, of which finish makes no more than max bytes.  What is in it, protobuf,
 * has four times as many at most. */
size_t v1_finish_max(size_t max);

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
