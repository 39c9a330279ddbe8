/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.h - a pool's filters and lanes.
 *
 *     pipeline_filter(p, &batch);         samples of a good scrape
 *     page_add_meta(page, ..., &batch);
 *     pipeline_encode(p, &scratch, &batch, &scrape);
 *
 * Immutable once made, shared by the pool's workers; the lanes belong to who made them.  */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "lane.h"

struct pipeline {
    struct filter_step steps[FILTER_STEPS];
    size_t steps_len;
    uint8_t slots[FILTER_STEPS]; /* where in books->filtered step i counts; i, until changed */
    uint8_t relabel_slot;        /* likewise metric_relabel, which the page runs */
    struct lane **lanes;
    size_t lanes_len;
    struct pool_books *books;
};

/* Opens the filters: ops[i] with confs[i].  ERR_INVALID: *err says which and why; p is then
 * empty.  lanes (copied) outlive p. */
enum status pipeline_init(struct pipeline *p, const struct filter_ops *const *ops,
                          void *const *confs, size_t n, struct lane *const *lanes, size_t lanes_len,
                          struct pool_books *books, struct err *err) NODISCARD;
void pipeline_done(struct pipeline *p);

/* Filters b, whose meta samples are not there yet, and counts what passed and what each
 * step dropped; what was read and refused is the worker's to count.  Returns how many
 * passed. */
size_t pipeline_filter(const struct pipeline *p, struct batch *b);

/* Encodes b, meta samples included, for every lane; slot i of a series is lane i's.
 * Never waits. */
void pipeline_encode(const struct pipeline *p, struct lane_scratch *scratch, const struct batch *b,
                     const struct lane_scrape *scrape);

#endif
