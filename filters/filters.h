/* SPDX-License-Identifier: Apache-2.0 */
/* filters.h - the filters there are, and a chain of them. */
#ifndef FILTERS_H
#define FILTERS_H

#include "filter.h"

#define FILTERS(FILTER) \
    FILTER(clamp)       \
    FILTER(clip)

#define FILTER_STEPS 32 /* in one chain; bits of series->selected */

/* The filter of that name, or NULL. */
const struct filter_ops *filter_find(const char *name);

/* All of them, ended by NULL; for --help, docs and tests. */
const struct filter_ops *const *filter_all(void);

/* A configured filter. */
struct filter_step {
    const struct filter_ops *ops;
    void *self;
};

/* Runs every sample through the n <= FILTER_STEPS steps in order and closes the
 * gaps.  dropped[i] (not reset) grows by what step i dropped: the step that drops a
 * sample is the last that sees it.  Returns how many were dropped in all.  The
 * answers of selects are kept in the series: all batches of a page must see the same
 * steps.  Ended series are not filtered. */
size_t filter_run(const struct filter_step *steps, size_t n, struct batch *b, uint64_t *dropped);

#endif
