/* SPDX-License-Identifier: Apache-2.0 */
/* meta.h - the series that tell of a scrape itself; part of page.c. */
#ifndef META_H
#define META_H

#include "buf.h"
#include "page.h"

/* Zeroed is right before the first scrape. */
struct meta {
    struct series *series[PAGE_META]; /* all, or none before the first scrape */
    struct family *families;          /* of these */
    size_t bytes;                     /* of them and their parts */
};

void meta_done(struct meta *m);

/* Appends the samples to b, in which there is room for them, at b->scraped_ms.  The series are
 * made by the first call, with the labels of t (may be NULL); key is room for work. */
void meta_add(struct meta *m, const struct page_meta *values, const struct target *t, uint8_t lanes,
              struct buf *key, struct batch *b);

/* As series_relane, for each. */
void meta_relane(struct meta *m, uint8_t lanes, const uint8_t *from);

/* Forgets the series, which are written to ended: the caller's from now on, while m lives.
 * Returns how many. */
size_t meta_end(struct meta *m, struct series *ended[PAGE_META]);

#endif
