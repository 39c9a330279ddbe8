/* SPDX-License-Identifier: Apache-2.0 */
/* feed.h - for sources that know all of their targets at once: a list, files.
 *
 *     feed_begin(&f)                        from time to time
 *     feed_add(&f, url, labels, NULL, &err) for each target there is
 *     feed_end(&f)
 *     return feed_emit(&f, emit)            at each ready
 *
 * Between two lists only what differs is told: what is gone first, so that the bound of targets
 * holds all the time; then SYNCED, once.  A list that is made while the one before is not wholly
 * told takes its place.  */
#ifndef FEED_H
#define FEED_H

#include "source.h"
#include "target_set.h"

#define FEED_REFUSED_BYTES 16384 /* of the lines about refused targets that are kept */

struct feed_change {
    enum target_change change;
    struct target *target;
};

struct feed {
    const struct source_env *env;
    struct target_set told; /* what the receiver has */
    struct target_set want; /* between begin and end */
    struct feed_change *changes;
    size_t len, at, cap; /* changes[at] is the next to be told */
    bool synced;         /* SYNCED has been told */
    size_t refused;
    struct buf lines;
    size_t unwritten; /* lines that had no room */
};

void feed_init(struct feed *f, const struct source_env *env); /* env outlives it */
void feed_done(struct feed *f);

void feed_begin(struct feed *f);

/* OK: it is in, *ret (may be NULL) is a reference; or a rule drops it, *ret is NULL.  Else it is refused, and shown so:
 *   ERR_INVALID   as source_target says it
 *   ERR_LIMIT     it is there already, or above the bound of targets  */
enum status feed_add(struct feed *f, const char *url, const struct text_map *labels,
                     struct target **ret, struct err *err) NODISCARD;

/* A target of an earlier list once more; takes a reference of its own.  OK or ERR_LIMIT. */
enum status feed_keep(struct feed *f, struct target *t) NODISCARD;

/* Something else than a target that is refused. */
void feed_refuse(struct feed *f, const char *what, const char *why);

void feed_end(struct feed *f);

/* OK: all is told.  ERR_AGAIN, ERR_CLOSED: emit said so. */
enum status feed_emit(struct feed *f, const struct target_emit *emit) NODISCARD;

/* As source_ops.refused. */
size_t feed_refused(const struct feed *f, struct buf *out);

/* As source_ops.candidates. */
size_t feed_candidates(const struct feed *f, const struct source_candidates *to);

#endif
