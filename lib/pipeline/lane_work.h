/* SPDX-License-Identifier: Apache-2.0 */
/* lane_work.h - what lane_encode.c and lane_replicas.c share; nobody else includes it. */
#ifndef LANE_WORK_H
#define LANE_WORK_H

#include "lane_private.h"

/* One lane_encode under way. */
struct work {
    struct lane *lane;
    struct lane_scratch *scratch;
    const struct lane_scrape *scrape;
    struct encoder_step step;
    struct payload_origin origin; /* of the next part */
    struct encoder_counts counts;
};

/* Writes the next part, by w->origin: of the records of b as many as fit from *from on.  0: none is
 * left.  Nothing has left the scratch until lane_put_part, which gives the part that was written to the
 * buffer.  more: as payload.more. */
size_t lane_write_part(struct work *w, const struct batch *b, size_t *from);
void lane_put_part(struct work *w, const struct batch *b, bool more);

/* The samples of b, of a lane that other agents' lanes are equal to.
 *
 * Cut by the leading bits of their series' ids into as many parts (a power of two) as the messages
 * want, and the id of a part holds which bits these are and which series are in it.  So of two
 * scrapes of equal series all parts have equal ids, wherever and in which order; where the
 * series differ a little, the parts that differ have ids of their own: a reader gets the rest of
 * such a part twice, and nothing never. */
void lane_encode_replicas(struct work *w, const struct batch *b);

#endif
