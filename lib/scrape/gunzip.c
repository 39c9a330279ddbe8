/* SPDX-License-Identifier: Apache-2.0 */
#include "gunzip.h"

#include <assert.h>

enum {
    GZIP_BITS = 15 + 16, /* the largest window, and gzip alone */
    PIECE_BYTES = 16 << 10,
};

static void begin(struct gunzip *g)
{
    *g = (struct gunzip){.begun = true};
    if (inflateInit2(&g->z, GZIP_BITS) != Z_OK)
        abort(); /* out of memory, as mem.h would say it */
}

/* As much as a piece has room for. */
static enum status run(struct gunzip *g, struct buf *out, struct err *err)
{
    unsigned char piece[PIECE_BYTES];
    z_stream *z = &g->z;
    if (g->ended) {
        inflateReset(z);
        g->ended = false;
    }
    z->next_out = piece;
    z->avail_out = sizeof piece;
    int r = inflate(z, Z_NO_FLUSH);
    g->ended = r == Z_STREAM_END;
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
        return err_set(err, ERR_INVALID, "the page is no sound gzip: %s",
                       z->msg ? z->msg : "a dictionary is wanted");
    if (buf_add(out, piece, sizeof piece - z->avail_out) != OK)
        return err_set(err, ERR_LIMIT, "more than %zu bytes behind gzip", out->max);
    return OK;
}

enum status gunzip_add(struct gunzip *g, struct span in, struct buf *out, struct err *err)
{
    enum status s = OK;
    assert(in.len <= UINT_MAX);
    if (!g->begun)
        begin(g);
    g->z.next_in = (z_const Bytef *)(uintptr_t)in.data;
    g->z.avail_in = (uInt)in.len;
    while (s == OK && (g->z.avail_in > 0 || (!g->ended && g->z.avail_out == 0)))
        s = run(g, out, err);
    return s;
}

void gunzip_done(struct gunzip *g)
{
    if (g->begun)
        inflateEnd(&g->z);
    *g = (struct gunzip){.begun = false};
}
