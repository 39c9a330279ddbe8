/* SPDX-License-Identifier: Apache-2.0 */
/* gunzip.h - undoes gzip, piece by piece as it arrives, and knows whether all of it has come.
 *
 *     gunzip_add(&g, piece, &body, &err)      ...     if (!g.ended) it was cut short
 *
 * All zeros is the start, too.  Not thread-safe. */
#ifndef GUNZIP_H
#define GUNZIP_H

#include "buf.h"
#include "err.h"
#include "text.h"

#include <zlib.h>

struct gunzip {
    z_stream z;
    bool begun; /* z has memory: about 40 KiB */
    bool ended; /* what has come is whole: a stream of gzip, or several behind each other */
};

/* Appends what in, below 4 GiB, brings to out.  OK; ERR_LIMIT: out takes no more, some of it may be there;
 * ERR_INVALID: this is no gzip, or its checksum is wrong. */
enum status gunzip_add(struct gunzip *g, struct span in, struct buf *out,
                       struct err *err) NODISCARD;

/* Gives up its memory; it may begin anew. */
void gunzip_done(struct gunzip *g);

#endif
