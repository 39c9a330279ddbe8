/* SPDX-License-Identifier: Apache-2.0 */
/* budget.h - the bytes that this process answers for, and their bound (ARCHITECTURE.md, law 2).
 *
 * One for the process.  Whoever takes memory that grows with load adds it to its part, and takes
 * it off when the memory goes: a few atomic additions a scrape, none for a sample.  Before it takes
 * more it asks, by what the memory is for; who is refused makes do without and counts that.  The
 * classes give way one after the other while the sum grows:
 *
 *     BUDGET_TEXTS     above 1/2    large pages keep what never changes compressed, too
 *     BUDGET_SERIES    above 3/4    new series are refused, known ones go on
 *     BUDGET_BODY      above 7/8    scrapes wait until their body has room, smaller ones pass
 *     BUDGET_PAYLOAD   above it all lanes give up their oldest payloads, to the spool if there is one
 *
 *     BUDGET_LAST      4 MiB above  lanes that have little too, and what comes to one where something waits
 *
 * What a sink does not take must not keep scrapes waiting: while some wait, lanes go down to 3/4
 * with what is older than BUDGET_OLD_NS (budget_to_give_up).
 *
 * Nothing is reserved by asking: threads that ask at once may pass a mark by what each of them
 * takes, which is why there is room between the marks.
 *
 * Not in it: code, stacks, and what TLS keeps.  Of what the allocator keeps BUDGET_ALLOCATOR is the part
 * above an allowance.  */
#ifndef BUDGET_H
#define BUDGET_H

#include "base.h"

enum budget_part {
    BUDGET_PAGES,     /* series, their texts, tables */
    BUDGET_BODIES,    /* being read, and kept for reuse */
    BUDGET_WORK,      /* of workers: samples, texts laid out, messages being written */
    BUDGET_CHANNELS,  /* jobs and changes of targets */
    BUDGET_PAYLOADS,  /* of lanes: waiting, in flight, empty ones kept */
    BUDGET_SPOOLS,    /* SQLite's caches */
    BUDGET_DISCOVERY, /* objects, targets, answers being read */
    BUDGET_CLIENTS, /* the most that queues of client libraries and links of sinks may come to; authorities */
    BUDGET_ALLOCATOR, /* what is resident beyond all of this and the allowance; an eighth at most */
    BUDGET_PARTS
};

enum budget_class { BUDGET_TEXTS, BUDGET_SERIES, BUDGET_BODY, BUDGET_PAYLOAD, BUDGET_LAST };

/* "pages", ... : static; a label of our own metrics. */
const char *budget_part_name(enum budget_part part);

/* Of the sum of all parts; SIZE_MAX, as at first: none.  Any thread, at any time. */
void budget_set_bound(size_t bytes);
size_t budget_bound(void);

/* The part is larger by so many bytes, or smaller.  Any thread. */
void budget_add(enum budget_part part, ptrdiff_t bytes);

/* The part has so many bytes now; for one that somebody else sums up. */
void budget_set(enum budget_part part, size_t bytes);

/* *counted, which says what its owner counts for, becomes bytes. */
void budget_count(enum budget_part part, size_t *counted, size_t bytes);

size_t budget_part_bytes(enum budget_part part); /* any thread, as the next two */
size_t budget_used(void);
size_t budget_peak(void); /* the most that used has been */

/* Scrapes that wait for room: so many more, or fewer.  Any thread. */
void budget_wait(ptrdiff_t scrapes);
size_t budget_waiting(void);

/* How many bytes all lanes together are to give up now; 0: none.  *ret_old: only of what is older than
 * BUDGET_OLD_NS, which a sink that keeps up never lets wait. */
#define BUDGET_OLD_NS (INT64_C(2) * 1000000000)
size_t budget_to_give_up(bool *ret_old);

/* How many bytes more are within what that class may use; SIZE_MAX: there is no bound. */
size_t budget_room(enum budget_class of);
/* Whether so many bytes more are within what that class may use. */
bool budget_has_room(enum budget_class of, size_t bytes);

#endif
