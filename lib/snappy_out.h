/* SPDX-License-Identifier: Apache-2.0 */
/* snappy_out.h - elements of snappy's block format, written without a search.
 *
 * For who knows where what it writes has stood before.  A block is the length of its content as a
 * varint, and then elements: literals, and copies of what stands so far in front in the content.
 * Each function writes at p, where there is room, and returns where the next may begin.  */
#ifndef SNAPPY_OUT_H
#define SNAPPY_OUT_H

#include "text.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define SNAPPY_OUT_FAR  65535 /* the farthest that a copy may be here */
#define SNAPPY_OUT_ROOM 5     /* of a tag of literals, and of a length up to 4 GiB */

/* In front of 1 to 4 GiB bytes, which follow. */
static inline char *snappy_literal(char *p, size_t len)
{
    size_t n = len - 1;
    unsigned bytes = 0;
    assert(len > 0);
    if (n < 60) {
        *p++ = (char)(n << 2);
        return p;
    }
    for (char *at = p + 1; n > 0; n >>= 8, bytes++)
        *at++ = (char)(n & 0xff);
    *p = (char)((59 + bytes) << 2);
    return p + 1 + bytes;
}

static inline char *snappy_copy_far(char *p, size_t distance, size_t len)
{
    *p++ = (char)((len - 1) << 2 | 2);
    *p++ = (char)(distance & 0xff);
    *p++ = (char)(distance >> 8);
    return p;
}

/* Bytes of a copy of that length, at most. */
static inline size_t snappy_copy_max(size_t len)
{
    return 3 * (len / 60 + 1);
}

/* Nothing for no bytes. */
static inline char *snappy_copy(char *p, size_t distance, size_t len)
{
    assert(distance > 0 && distance <= SNAPPY_OUT_FAR);
    while (len > 64) { /* what is left is no less than a short one takes */
        size_t n = len < 68 ? 60 : 64;
        p = snappy_copy_far(p, distance, n);
        len -= n;
    }
    if (len - 4 < 8 && distance < 2048) {
        *p++ = (char)((distance >> 8) << 5 | (len - 4) << 2 | 1);
        *p++ = (char)(distance & 0xff);
        return p;
    }
    return len > 0 ? snappy_copy_far(p, distance, len) : p;
}

#endif
