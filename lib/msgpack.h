/* SPDX-License-Identifier: Apache-2.0 */
/* msgpack.h - MessagePack: heads of values to write, items to read.
 *
 * Writing is for hot paths: each function writes at p, for which there is room, and returns the
 * place behind.  A head is the shortest there is.
 *
 *     p = msgpack_put_map(p, 1);
 *     p = msgpack_put_str(p, "ack", 3);
 *
 * Reading takes foreign bytes apart, one item a call and nothing behind the end:
 *
 *     struct msgpack_item it;
 *     enum status s = msgpack_read(&left, &it);      left moves behind the item's head (and text)
 *     s = msgpack_skip(&left);                        a whole value, with all that is in it  */
#ifndef MSGPACK_H
#define MSGPACK_H

#include "err.h"
#include "text.h"

#include <endian.h>

#define MSGPACK_HEAD  5 /* the most bytes of a head */
#define MSGPACK_DEPTH 8 /* values in values that msgpack_skip takes */

static inline char *msgpack_put_byte(char *p, unsigned byte)
{
    *p = (char)byte;
    return p + 1;
}

static inline char *msgpack_put_be16(char *p, uint16_t n)
{
    n = htobe16(n);
    memcpy(p, &n, sizeof n);
    return p + sizeof n;
}

static inline char *msgpack_put_be32(char *p, uint32_t n)
{
    n = htobe32(n);
    memcpy(p, &n, sizeof n);
    return p + sizeof n;
}

static inline char *msgpack_put_be64(char *p, uint64_t n)
{
    n = htobe64(n);
    memcpy(p, &n, sizeof n);
    return p + sizeof n;
}

static inline char *msgpack_put_head16(char *p, unsigned byte, size_t n)
{
    return msgpack_put_be16(msgpack_put_byte(p, byte), (uint16_t)n);
}

static inline char *msgpack_put_head32(char *p, unsigned byte, size_t n)
{
    return msgpack_put_be32(msgpack_put_byte(p, byte), (uint32_t)n);
}

/* Heads; n is below 2^32. */
static inline char *msgpack_put_array(char *p, size_t n)
{
    if (n < 16)
        return msgpack_put_byte(p, 0x90 | (unsigned)n);
    return n <= UINT16_MAX ? msgpack_put_head16(p, 0xdc, n) : msgpack_put_head32(p, 0xdd, n);
}

static inline char *msgpack_put_map(char *p, size_t n)
{
    if (n < 16)
        return msgpack_put_byte(p, 0x80 | (unsigned)n);
    return n <= UINT16_MAX ? msgpack_put_head16(p, 0xde, n) : msgpack_put_head32(p, 0xdf, n);
}

static inline char *msgpack_put_str_head(char *p, size_t n)
{
    if (n < 32)
        return msgpack_put_byte(p, 0xa0 | (unsigned)n);
    if (n <= UINT8_MAX)
        return msgpack_put_byte(msgpack_put_byte(p, 0xd9), (unsigned)n);
    return n <= UINT16_MAX ? msgpack_put_head16(p, 0xda, n) : msgpack_put_head32(p, 0xdb, n);
}

static inline char *msgpack_put_str(char *p, const char *text, size_t n)
{
    p = msgpack_put_str_head(p, n);
    memcpy(p, text, n);
    return p + n;
}

static inline char *msgpack_put_uint(char *p, uint32_t n)
{
    if (n < 128)
        return msgpack_put_byte(p, n);
    if (n <= UINT8_MAX)
        return msgpack_put_byte(msgpack_put_byte(p, 0xcc), n);
    return n <= UINT16_MAX ? msgpack_put_head16(p, 0xcd, n) : msgpack_put_head32(p, 0xce, n);
}

/* The double bit for bit; 9 bytes. */
static inline char *msgpack_put_double(char *p, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return msgpack_put_be64(msgpack_put_byte(p, 0xcb), bits);
}

enum msgpack_type {
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_NUMBER, /* of any kind; its value is not told */
    MSGPACK_TEXT,   /* str and bin */
    MSGPACK_ARRAY,
    MSGPACK_MAP,
    MSGPACK_EXT,
};

struct msgpack_item {
    enum msgpack_type type;
    bool yes;         /* of a BOOL */
    uint32_t count;   /* values of an ARRAY, pairs of a MAP: these come next */
    struct span text; /* of a TEXT, of an EXT without its type */
};

/* The next item of *left, which moves behind it, but for what is in an array or a map.  *left
 * is as it was after
 *   ERR_AGAIN     *left ends before the item does
 *   ERR_INVALID   no MessagePack  */
enum status msgpack_read(struct span *left, struct msgpack_item *ret) NODISCARD;

/* Moves *left behind the next value.  Besides, ERR_LIMIT: deeper than MSGPACK_DEPTH. */
enum status msgpack_skip(struct span *left) NODISCARD;

#endif
