/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.c - filters once, then every lane. */
#include "pipeline.h"

#include "mem.h"

#include <assert.h>

enum status pipeline_init(struct pipeline *p, const struct filter_ops *const *ops,
                          void *const *confs, size_t n, struct lane *const *lanes, size_t lanes_len,
                          struct pool_books *books, struct err *err)
{
    assert(n <= FILTER_STEPS);
    *p = (struct pipeline){.books = books};
    for (uint8_t i = 0; i < FILTER_STEPS; i++)
        p->slots[i] = i;
    p->relabel_slot = FILTER_STEPS;
    for (; p->steps_len < n; p->steps_len++) {
        struct filter_step *step = &p->steps[p->steps_len];
        step->ops = ops[p->steps_len];
        enum status r = step->ops->open(&step->self, confs[p->steps_len], err);
        if (r != OK) {
            pipeline_done(p);
            return r;
        }
    }
    p->lanes = mem_alloc(lanes_len * sizeof *lanes);
    p->lanes_len = lanes_len;
    for (size_t i = 0; i < lanes_len; i++)
        p->lanes[i] = lanes[i];
    return OK;
}

void pipeline_done(struct pipeline *p)
{
    while (p->steps_len > 0) {
        const struct filter_step *step = &p->steps[--p->steps_len];
        step->ops->close(step->self);
    }
    mem_free(p->lanes);
    *p = (struct pipeline){0};
}

size_t pipeline_filter(const struct pipeline *p, struct batch *b)
{
    uint64_t dropped[FILTER_STEPS] = {0};
    filter_run(p->steps, p->steps_len, b, dropped);
    for (size_t i = 0; i < p->steps_len; i++)
        if (dropped[i] > 0)
            p->books->filtered[p->slots[i]] += dropped[i];
    p->books->passed += b->len;
    return b->len;
}

void pipeline_encode(const struct pipeline *p, struct lane_scratch *scratch, const struct batch *b,
                     const struct lane_scrape *scrape)
{
    for (size_t i = 0; i < p->lanes_len; i++)
        lane_encode(p->lanes[i], (unsigned)i, scratch, b, scrape);
}
