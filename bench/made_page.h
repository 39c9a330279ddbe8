/* SPDX-License-Identifier: Apache-2.0 */
/* made_page.h - a page of metrics made for tests and measurements, which changes by itself.
 *
 * Even targets look like a node exporter's page, odd ones like kube-state-metrics'; both
 * have histograms.  Each number keeps its width for ever, so that a step rewrites digits in
 * place: it costs next to nothing, and the length of the page never changes.
 *
 *     struct made_page p;
 *     made_page_init(&p, target, 1000);
 *     ... send p.text ...
 *     made_page_step(&p, 7);
 *
 * The first sample is bench_page_sequence_total, 1000000000 at first and one more after each step:
 * who collects all its values sees at once whether a scrape is missing or came twice.  */
#ifndef MADE_PAGE_H
#define MADE_PAGE_H

#include "buf.h"

#define MADE_PAGE_BYTES    ((size_t)64 << 20) /* of one page, at most */
#define MADE_PAGE_SEQUENCE "bench_page_sequence_total"

struct made_slot; /* where a value that changes stands */

struct made_page {
    struct buf text;
    size_t samples;
    struct made_slot *slots;
    size_t slots_len, slots_cap;
    size_t at; /* the slot that changes next */
    uint64_t random;
    bool churns;
    struct made_slot *names; /* where a series' last label stands, if it churns */
    size_t names_len, names_cap;
    size_t names_at;   /* the series that is replaced next */
    int64_t names_due; /* how many are to be, in thousandths */
};

/* Makes a page of exactly that many samples, at least 1; the same for the same target. */
void made_page_init(struct made_page *p, unsigned target, size_t samples);

/* Changes about `percent` of the values, and the sequence. */
void made_page_step(struct made_page *p, unsigned percent);

/* As made_page_init, but each series has one more label, and made_page_churn can replace it. */
void made_page_init_churning(struct made_page *p, unsigned target, size_t samples);

/* Of a thousand series, that many end and have one that is new in their place, in turn; the sequence stays. */
void made_page_churn(struct made_page *p, unsigned permille);

void made_page_done(struct made_page *p);

#endif
