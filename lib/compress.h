/* SPDX-License-Identifier: Apache-2.0 */
/* compress.h - whole messages made smaller.
 *
 * Equal input gives equal bytes, in every process with the same libraries.  A compressor keeps the
 * library's room for work between messages; it is one thread's.  */
#ifndef COMPRESS_H
#define COMPRESS_H

#include "lz4_out.h"
#include "payload.h"

/* LZ4 is its frame format, snappy its block format. */
enum compression { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD, COMPRESS_LZ4, COMPRESS_SNAPPY };

/* "none", "gzip", "zstd", "lz4", "snappy", ended by NULL, in the order of the enum; each but the
 * first is also what a Content-Encoding says. */
extern const char *const compress_names[];

/* The one of that name, which is one of these. */
enum compression compress_named(const char *name);

struct compressor;

/* NULL for COMPRESS_NONE. */
struct compressor *compressor_new(enum compression how);
void compressor_free(struct compressor *c); /* NULL is fine */
const char *compressor_name(const struct compressor *c);

/* in, which is below 4 GiB, compressed, in place of what out holds.  ERR_LIMIT: out->max is less
 * than what any input of that length may need (a little more than in.len). */
enum status compress_message(struct compressor *c, struct span in, struct buf *out) NODISCARD;

/* That most. */
size_t compress_max(enum compression how, size_t len);

/* As compress_message by snappy, which needs no compressor; any thread. */
enum status compress_snappy(struct span in, struct buf *out) NODISCARD;

/* Whether the body of p was made an LZ4 frame by its encoder, and is no more than that: marks are those of
 * its content. */
bool compress_is_lz4(const struct payload *p);

/* Bytes of the body, before that. */
size_t compress_content(const struct payload *p);

/* What is to be sent of p: its body, compressed into small when there is a c and the encoder has not
 * compressed it already (a header Content-Encoding).  True: it is in small. */
bool compress_payload(struct compressor *c, const struct payload *p, struct buf *small,
                      struct span *ret_body);

/* The same where each message says for itself whether it is compressed: one that would not become
 * smaller goes as it is.  Equal payloads give equal bytes. */
struct compress_body {
    struct span bytes;
    /* For a header Content-Encoding beside those of p: bytes are in small.  NULL: they are p's body. */
    const char *encoding;
};
struct compress_body compress_smaller(struct compressor *c, const struct payload *p,
                                      struct buf *small);

/* Keeps the library's room for work, likewise; of zstd alone. */
struct decompressor;
struct decompressor *decompressor_new(void);
void decompressor_free(struct decompressor *d); /* NULL is fine */

/* Frames of zstd, in, made what they were, in place of what out holds.  ERR_LIMIT: that is, or says
 * it is, longer than out->max; ERR_INVALID: it is no such thing, or damaged.  After an error out holds
 * nothing. */
enum status decompress_message(struct decompressor *d, struct span in, struct buf *out) NODISCARD;

#endif
