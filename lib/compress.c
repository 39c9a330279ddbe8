/* SPDX-License-Identifier: Apache-2.0 */
#include "compress.h"

#include "mem.h"

#include <assert.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

enum {
    GZIP_LEVEL = 1, /* a third of the time of zlib's own level, for a tenth more bytes */
    GZIP_BITS = 15 + 16,
    GZIP_MEMORY = 8,
    GZIP_FRAME = 18, /* bytes of header and trailer */
    ZSTD_LEVEL = 1,
};

const char *const compress_names[] = {"none", "gzip", "zstd", "lz4", "snappy", NULL};

/* The size is told, so that a reader need not guess. */
static LZ4F_preferences_t lz4_preferences(size_t len)
{
    return (LZ4F_preferences_t){.frameInfo = {.blockSizeID = LZ4F_max4MB, .contentSize = len}};
}

enum compression compress_named(const char *name)
{
    size_t i = 0;
    while (strcmp(compress_names[i], name) != 0)
        i++;
    return (enum compression)i;
}

struct compressor {
    enum compression how;
    z_stream gzip;
    ZSTD_CCtx *zstd;
};

struct compressor *compressor_new(enum compression how)
{
    if (how == COMPRESS_NONE)
        return NULL;
    struct compressor *c = mem_alloc(sizeof *c);
    bool good = true;
    c->how = how;
    if (how == COMPRESS_GZIP) {
        good = deflateInit2(&c->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, GZIP_MEMORY,
                            Z_DEFAULT_STRATEGY) == Z_OK;
    } else if (how == COMPRESS_ZSTD) {
        c->zstd = ZSTD_createCCtx();
        good = c->zstd != NULL;
    }
    if (!good)
        abort(); /* out of memory, as mem.h would say it */
    return c;
}

void compressor_free(struct compressor *c)
{
    if (!c)
        return;
    if (c->how == COMPRESS_GZIP)
        deflateEnd(&c->gzip);
    ZSTD_freeCCtx(c->zstd); /* NULL is fine */
    mem_free(c);
}

const char *compressor_name(const struct compressor *c)
{
    return compress_names[c->how];
}

size_t compress_max(enum compression how, size_t len)
{
    LZ4F_preferences_t lz4 = lz4_preferences(len);
    switch (how) {
    case COMPRESS_GZIP: return compressBound((uLong)len) + GZIP_FRAME;
    case COMPRESS_ZSTD: return ZSTD_compressBound(len);
    case COMPRESS_LZ4: return LZ4F_compressFrameBound(len, &lz4);
    case COMPRESS_SNAPPY: return snappy_max_compressed_length(len);
    case COMPRESS_NONE: break;
    }
    return len;
}

static size_t run_gzip(z_stream *z, struct span in, char *room, size_t max)
{
    deflateReset(z);
    z->next_in = (Bytef *)in.data;
    z->avail_in = (uInt)in.len;
    z->next_out = (Bytef *)room;
    z->avail_out = (uInt)max;
    int r = deflate(z, Z_FINISH);
    assert(r == Z_STREAM_END); /* there was room for the worst */
    (void)r;
    return max - z->avail_out;
}

static size_t run_zstd(ZSTD_CCtx *z, struct span in, char *room, size_t max)
{
    size_t n = ZSTD_compressCCtx(z, room, max, in.data, in.len, ZSTD_LEVEL);
    if (ZSTD_isError(n))
        abort(); /* out of memory: there was room for the worst */
    return n;
}

static size_t run_lz4(struct span in, char *room, size_t max)
{
    LZ4F_preferences_t lz4 = lz4_preferences(in.len);
    size_t n = LZ4F_compressFrame(room, max, in.data, in.len, &lz4);
    if (LZ4F_isError(n))
        abort(); /* out of memory: there was room for the worst */
    return n;
}

static size_t run_snappy(struct span in, char *room, size_t max)
{
    if (snappy_compress(in.data, in.len, room, &max) != SNAPPY_OK)
        abort(); /* cannot be: there was room for the worst */
    return max;
}

static size_t run(struct compressor *c, struct span in, char *room, size_t max)
{
    switch (c->how) {
    case COMPRESS_GZIP: return run_gzip(&c->gzip, in, room, max);
    case COMPRESS_ZSTD: return run_zstd(c->zstd, in, room, max);
    case COMPRESS_LZ4: return run_lz4(in, room, max);
    case COMPRESS_SNAPPY: return run_snappy(in, room, max);
    case COMPRESS_NONE: break;
    }
    abort(); /* there is no such compressor */
}

enum status compress_message(struct compressor *c, struct span in, struct buf *out)
{
    size_t max = compress_max(c->how, in.len);
    assert(in.len <= UINT32_MAX);
    buf_truncate(out, 0);
    char *room = buf_room(out, max);
    if (!room)
        return ERR_LIMIT;
    buf_used(out, run(c, in, room, max));
    return OK;
}

enum status compress_snappy(struct span in, struct buf *out)
{
    struct compressor c = {.how = COMPRESS_SNAPPY};
    return compress_message(&c, in, out);
}

static bool is_encoded(const struct payload *p)
{
    for (size_t i = 0; p->headers && p->headers[i]; i++)
        if (strncasecmp(p->headers[i], "Content-Encoding:", 17) == 0)
            return true;
    return false;
}

bool compress_is_lz4(const struct payload *p)
{
    return p->headers && p->headers[0] && !p->headers[1] &&
           strcmp(p->headers[0], "Content-Encoding: lz4") == 0;
}

size_t compress_content(const struct payload *p)
{
    size_t len =
        compress_is_lz4(p) ? lz4_frame_content((struct span){p->body.data, p->body.len}) : 0;
    return len > 0 ? len : p->body.len;
}

bool compress_payload(struct compressor *c, const struct payload *p, struct buf *small,
                      struct span *ret_body)
{
    *ret_body = (struct span){p->body.data, p->body.len};
    if (!c || is_encoded(p))
        return false;
    small->max = compress_max(c->how, p->body.len);
    if (compress_message(c, *ret_body, small) != OK)
        abort(); /* cannot be: there is room for the worst */
    *ret_body = (struct span){small->data, small->len};
    return true;
}

struct compress_body compress_smaller(struct compressor *c, const struct payload *p,
                                      struct buf *small)
{
    const struct compress_body plain = {{p->body.data, p->body.len}, NULL};
    struct compress_body body = plain;
    if (!compress_payload(c, p, small, &body.bytes) || body.bytes.len >= p->body.len)
        return plain;
    body.encoding = compressor_name(c);
    return body;
}

struct decompressor {
    ZSTD_DCtx *zstd;
};

struct decompressor *decompressor_new(void)
{
    struct decompressor *d = mem_alloc(sizeof *d);
    d->zstd = ZSTD_createDCtx();
    if (!d->zstd)
        abort(); /* out of memory, as mem.h would say it */
    return d;
}

void decompressor_free(struct decompressor *d)
{
    if (!d)
        return;
    ZSTD_freeDCtx(d->zstd);
    mem_free(d);
}

/* The length in the frame's head says how much room it needs; it may be a lie. */
enum status decompress_message(struct decompressor *d, struct span in, struct buf *out)
{
    buf_truncate(out, 0);
    unsigned long long len = ZSTD_getFrameContentSize(in.data, in.len);
    if (len == ZSTD_CONTENTSIZE_ERROR || len == ZSTD_CONTENTSIZE_UNKNOWN)
        return ERR_INVALID;
    if (len > out->max)
        return ERR_LIMIT;
    char *room = buf_room(out, (size_t)len);
    if (!room)
        return ERR_LIMIT;
    size_t n = ZSTD_decompressDCtx(d->zstd, room, (size_t)len, in.data, in.len);
    if (ZSTD_isError(n) || n != len)
        return ERR_INVALID;
    buf_used(out, n);
    return OK;
}
