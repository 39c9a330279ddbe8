/* SPDX-License-Identifier: Apache-2.0 */
/* packed.h - the records and families of a small page while it is cold; part of page.c.
 *
 * What of a record stays as it is goes with the texts, and with them is mostly in their model: of pages
 * that are alike even the hashes of lines are.  Ids are worked out again, but for lines without a sample
 * (LINE_SILENT), whose id is no hash of their key: it stands in place of a last value.  Last values stay
 * as they are: 8 bytes of a series in place of 48, and none of a family.  */
#ifndef PACKED_H
#define PACKED_H

#include "cold.h"
#include "families.h"
#include "records.h"

/* Zeroed: the records are where they are. */
struct packed {
    double *values; /* of each record, or its id; NULL: none, or nothing was packed yet */
    size_t cap;     /* of values: the records that were packed last */
    bool now;       /* the records are here, and not in records->items */
};

void packed_done(struct packed *k);

/* Whether all is as after a scrape that met each of them, its number's low bits being these. */
bool packed_can(const struct records *r, uint8_t scrape);

/* From settled records and families; their memory goes to room.  *ret_changed: something but values is not as it was
 * when they were packed last.  What is not in k stands behind t then, as cold_beside has it. */
void packed_put(struct packed *k, struct records *r, struct families *f, struct cold *c,
                struct texts *t, struct cold_room *room, bool *ret_changed);

/* The records, which are not packed, stay so until the next scrape.  *ret_changed: what is in c is not
 * the texts alone. */
void packed_drop(struct packed *k, struct records *r, struct cold *c, bool *ret_changed);

/* And back, where they are packed and t is thawed; room may be NULL. */
void packed_take(struct packed *k, struct records *r, struct families *f, struct texts *t,
                 uint8_t scrape, struct cold_room *room);

#endif
