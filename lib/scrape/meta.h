/* SPDX-License-Identifier: Apache-2.0 */
/* meta.h - the series that tell of a scrape itself; part of page.c. */
#ifndef META_H
#define META_H

#include "room.h"

/* A page keeps their texts, among those of its series, and no more: their records stand in the room
 * of the batch, new for each scrape.  Zeroed is right before the first. */
struct meta {
    uint32_t at[PAGE_META]; /* their texts, while there */
    bool there;
    bool ending; /* they go before the next scrape */
};

/* Appends the samples to b, in which there is room for them, at b->scraped_ms.  Texts are
 * made by the first call, with the labels of t (may be NULL). */
void meta_add(struct meta *m, const struct page_meta *values, const struct target *t, uint8_t lanes,
              struct texts *texts, struct batch *b);

/* As series_move and series_relane, for each. */
void meta_move(struct meta *m, uint8_t lanes, const struct texts *from, struct texts *to);
void meta_relane(struct meta *m, uint8_t old_lanes, const struct texts *from_texts,
                 struct texts *to, uint8_t lanes, const uint8_t *from);

/* They end: written to ended, in the room of b.  Returns how many. */
size_t meta_end(struct meta *m, uint8_t lanes, struct texts *texts, struct batch *b,
                struct series *ended[PAGE_META]);

/* Ended ones go. */
void meta_settle(struct meta *m, uint8_t lanes, struct texts *texts);

#endif
