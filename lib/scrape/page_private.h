/* SPDX-License-Identifier: Apache-2.0 */
/* page_private.h - what the files of a page share: page.c, page_read.c, page_find.c. */
#ifndef PAGE_PRIVATE_H
#define PAGE_PRIVATE_H

#include "families.h"
#include "meta.h"
#include "page.h"
#include "promtext.h"

/* Series in the order of their lines. */
struct order {
    struct series **items;
    size_t len;
};

struct page {
    struct target *target;
    struct page_limits limits;
    uint64_t generation; /* of the plan; 0: none yet */
    uint8_t lanes;
    uint32_t *lane_ids;  /* of the plan */
    uint32_t scrape;     /* number of the present one; failed ones have none */
    struct idmap series; /* by series->id; not those in ended */
    struct families families;
    size_t cap;               /* of now and before */
    struct order now, before; /* before: those missed once behind those that were there */
    struct order ended;       /* freed by the next call */
    size_t ended_meta;        /* of them, the last ones */
    struct meta meta;
    struct buf key, names;   /* of the series being looked for; room for key.c */
    unsigned failures;       /* in a row */
    struct page_stats stats; /* series and families are filled in when asked */
};

/* What the comments in front of a line said. */
struct described {
    struct span name, help, unit; /* .data NULL: nothing */
    enum series_kind kind;
    bool has_kind;
};

/* One page_read under way. */
struct reader {
    struct page *page;
    struct batch *batch;
    struct promtext text;
    struct promtext_line line;
    int64_t scraped_ms;
    size_t expected;     /* index in page->before of the line to come */
    size_t expected_end; /* above it nothing is expected */
    size_t known;        /* series seen that were there before */
    struct series *last; /* of the last line; its family may go on */
    struct described described;
    size_t max_samples;
    bool honor_timestamps;
    bool changed;               /* some family has another kind, help or unit now */
    struct page_faults *faults; /* never NULL */
};

/* page.c */

/* Gives up s, which is in no table any more. */
void page_free_series(struct page *p, struct series *s);

/* page_find.c */

/* What a comment, the line just parsed, says of the lines behind it. */
void reader_describe(struct reader *r);

/* The series of the line just parsed, made if it is new.  PAGE_REFUSALS: *ret is filled; else why
 * there is none. */
enum page_refusal reader_find(struct reader *r, struct series **ret) NODISCARD;

/* page_read.c */

/* Reads all lines of body into r->batch. */
void reader_run(struct reader *r, struct span body);

#endif
