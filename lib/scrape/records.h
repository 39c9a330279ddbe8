/* SPDX-License-Identifier: Apache-2.0 */
/* records.h - the series of a page, in the order of the lines of its last scrape; part of page.c.
 *
 * They stand side by side, so that a scrape that finds them in their places walks through memory.
 * One that does not says in which order it met them, and makes new ones beside; these, and those
 * before, stay where they are until records_settle lays all out anew.  */
#ifndef RECORDS_H
#define RECORDS_H

#include "series.h"

/* Series side by side. */
struct run {
    struct series *first, *end;
};

/* Zeroed is empty. */
struct records {
    struct series *items; /* as the scrape before has left them */
    size_t len, cap;
    size_t live;               /* of these and the new ones, those that have not ended */
    struct chunk *fresh;       /* the new ones */
    struct run *runs;          /* of the scrape under way, in its order; runs_len of them ... */
    size_t runs_len, runs_cap; /* ... in room for so many */
    struct run now;            /* and the last one */
    size_t taken;              /* in all of these */
    bool moved;                /* records_finish has found another order than there was */
};

/* Ended ones and new ones are forgotten, not done. */
void records_done(struct records *r);

/* A scrape begins: none is taken. */
void records_start(struct records *r);

/* s is next in the order. */
void records_turn(struct records *r, struct series *s);
static inline void records_take(struct records *r, struct series *s)
{
    r->taken++;
    if (s == r->now.end)
        r->now.end++;
    else
        records_turn(r, s);
}

/* Room for one more, not zeroed, which is alive and not taken; it stays there until
 * records_settle. */
struct series *records_make(struct records *r);

/* It goes with the next records_settle. */
void records_end(struct records *r, struct series *s);

/* The scrape is over: each live one has been taken. */
void records_finish(struct records *r);

/* Lays out what was taken, in that order, where it is not so already.  For each that has ended, done
 * is called. */
void records_settle(struct records *r, void (*done)(void *of, struct series *s), void *of);

size_t records_bytes(const struct records *r); /* of memory */

#endif
