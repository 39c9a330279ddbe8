/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - a growing byte buffer with a bound.
 *
 * Every buffer is told its largest size when it is born; what a peer sends
 * can therefore never make us grow without end.  `data` is always
 * NUL-terminated and never NULL, the NUL is not counted in `len`.  */
#ifndef BUF_H
#define BUF_H

#include "err.h"

struct buf {
    char *data;
    size_t len; /* bytes in use, without the NUL */
    size_t cap; /* bytes allocated; 0 while data is the shared empty string */
    size_t max; /* len never passes this */
};

extern char buf_empty[1];
#define BUF_INIT(max_bytes)                   \
    {                                         \
        .data = buf_empty, .max = (max_bytes) \
    }

/* All of these: OK, or ERR_LIMIT with the buffer unchanged.  buf_cat takes any
 * number of strings, ended by NULL. */
enum status buf_add(struct buf *b, const void *data, size_t n) NODISCARD;
enum status buf_puts(struct buf *b, const char *s) NODISCARD;
enum status buf_cat(struct buf *b, ...) NODISCARD __attribute__((sentinel));
enum status buf_printf(struct buf *b, const char *fmt, ...) NODISCARD PRINTF(2, 3);

/* A place for n more bytes behind the text, valid until the next call, or NULL
 * where buf_add would say ERR_LIMIT.  buf_used says how many were written, no
 * more than n.  For writing many small pieces under one check:
 *     char *p = buf_room(b, 2 + len);
 *     *p++ = '"'; ...
 *     buf_used(b, 2 + len);                                                 */
char *buf_room(struct buf *b, size_t n) NODISCARD;
void buf_used(struct buf *b, size_t n);

/* Cuts back to len bytes; used to undo a half-written record. */
void buf_truncate(struct buf *b, size_t len);

/* Frees; the buffer is empty and usable again. */
void buf_done(struct buf *b);
DEFINE_AUTO(buf, buf_done)

#endif
