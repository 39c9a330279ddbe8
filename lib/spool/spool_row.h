/* SPDX-License-Identifier: Apache-2.0 */
/* spool_row.h - a payload as the columns of a row, and back.
 *
 * What comes from a file may have been written by anybody: spool_row_restore believes nothing of it.  */
#ifndef SPOOL_ROW_H
#define SPOOL_ROW_H

#include "compress.h"
#include "payload.h"

struct spool_kinds {
    struct spool_kind {
        char *content_type;    /* NULL: none */
        char *headers;         /* the lines with NULs between; NULL: none */
        const char **pointers; /* to these, ended by NULL */
        struct span text;      /* as it stands in the column; data is owned */
    } * items;
    size_t len;
};

struct spool_columns {
    int64_t seq, due_ms, scraped_ms, sent_ms; /* sent: 0: never accepted by the sink */
    int64_t part, target_at, samples, stride, records, bytes, sum;
    struct span id, key, address, marks, body;
    struct span content_type, headers; /* data NULL: none */
};

/* Scratch for one row after the other; zeroed is empty. */
struct spool_scratch {
    struct compressor *compressor;
    struct decompressor *decompressor;
    struct buf body, headers;
    unsigned char id[16], marks[PAYLOAD_MARKS * 4];
};
void spool_scratch_done(struct spool_scratch *s);

/* Everything but row.  The spans point into p and s.  ERR_LIMIT: its headers are longer than a spool
 * keeps. */
enum status spool_row_make(const struct payload *p, struct spool_scratch *s,
                           struct spool_columns *ret) NODISCARD;

/* When p was first sent, if it may have arrived, on the wall clock; else 0. */
int64_t spool_sent_ms(const struct payload *p);

/* Fills p, which is empty; content_type and headers belong to kinds.  A sent_ms is turned into
 * first_sent_ns, and p->unknown.
 * ERR_LIMIT: the body is longer than p->body.max; ERR_DENIED: it is no payload, or was changed. */
enum status spool_row_restore(const struct spool_columns *c, struct spool_kinds *kinds,
                              struct spool_scratch *s, struct payload *p,
                              struct err *err) NODISCARD;

#endif
