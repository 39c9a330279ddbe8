/* SPDX-License-Identifier: Apache-2.0 */
/* entries.h - tables of the numbers in a view; part of the pages.
 *
 * What /metrics and /status say of the agent, a pool, a lane and a source is named here
 * once: an entry has a key for JSON, a name and a help text for Prometheus, and says where
 * the number stands.  A new number is one line.  */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "view.h"

enum entry_kind {
    ENTRY_ATOMIC, /* _Atomic uint64_t, in the books */
    ENTRY_U64,
    ENTRY_I64, /* below 0 counts as 0 */
    ENTRY_U32,
    ENTRY_SIZE,
    ENTRY_BOOL,
    ENTRY_FAILED, /* a struct err: 1 unless its status is OK */
};

struct entry {
    const char *key;    /* NULL: not in JSON, which has a text of its own for it */
    const char *metric; /* a name that ends in _total is a counter, else a gauge */
    const char *help;
    enum entry_kind kind;
    size_t offset;
    int64_t unit;   /* what it is divided by, for seconds; 1: whole numbers */
    size_t reasons; /* so many in a row, one for each reason; 0: one */
    const char *(*reason)(size_t i);
};

/* Each ends with .metric NULL.  The books' offsets are in struct pool_books or lane_books, the
 * others in struct view, view_pool, view_lane and source_state. */
extern const struct entry agent_entries[], jobs_entries[], web_entries[]; /* struct view */
extern const struct entry pool_books_entries[], pool_entries[];
extern const struct entry lane_books_entries[], lane_entries[];
extern const struct entry spool_entries[]; /* of a view_lane that has a spool */
extern const struct entry source_entries[];
extern const struct entry discovery_entries[]; /* of a source_state that follows something */

/* The number as it stands, of reason i (0 where there are none). */
uint64_t entry_value(const struct entry *e, const void *of, size_t i);

#endif
