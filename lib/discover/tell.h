/* SPDX-License-Identifier: Apache-2.0 */
/* tell.h - for sources that learn of their targets one by one (feed.h: all at once).
 *
 *     tell_put(&t, target)          it is there, or is another now
 *     tell_remove(&t, id)           it is gone
 *     tell_synced(&t)               the first full list has been put
 *     return tell_emit(&t, emit)    at each ready
 *
 * Holds each target once, with what the receiver has of it; of changes not yet told only the
 * newest counts.  What is gone is told first, so that the bound of targets holds all the time.  */
#ifndef TELL_H
#define TELL_H

#include "idmap.h"
#include "source.h"

struct tell_item;

struct tell_queue {
    struct tell_item *first, *last;
};

struct tell {
    const struct source_env *env;
    struct idmap items; /* hash of an id -> items that have it */
    size_t len;         /* that are there */
    struct tell_queue gone, changed;
    bool sync, synced; /* SYNCED is to be told, has been told */
};

void tell_init(struct tell *t, const struct source_env *env); /* env outlives it */
void tell_done(struct tell *t);

/* Takes the reference, in any case.  A target that is as before is no change.  ERR_LIMIT: above the bound of
 * targets; a target of that id is there no more. */
enum status tell_put(struct tell *t, struct target *target) NODISCARD;
void tell_remove(struct tell *t, const char *id);
bool tell_has(const struct tell *t, const char *id);

/* One scrape more of a target that is there (target_event.h). */
void tell_extra(struct tell *t, const char *id, int64_t due_ms);

void tell_synced(struct tell *t); /* may be called again */

bool tell_pending(const struct tell *t); /* there is something to tell */

/* OK: all is told.  ERR_AGAIN, ERR_CLOSED: emit said so. */
enum status tell_emit(struct tell *t, const struct target_emit *emit) NODISCARD;

#endif
