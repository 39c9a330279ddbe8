/* SPDX-License-Identifier: Apache-2.0 */
/* discover.h - the discovery thread: all sources on one loop.
 *
 *     discover_new(&d, registry)
 *     discover_set(d, confs, n, &err)     at start and at each reload
 *     discover_free(d)
 *
 * Between a source and the registry is a bounded channel; a source that finds it full goes
 * on when there is room (source.h).  Sources never wait for one another.  */
#ifndef DISCOVER_H
#define DISCOVER_H

#include "registry.h"
#include "source.h"

struct source_conf {
    const struct source_ops *ops;
    void *conf; /* as ops->settings describes */
    struct source_common common;
    char *identity; /* setting_identity of both, and of the agent's share */
};

/* The sources there are: lib/discover/sources.c. */
const struct source_ops *source_find(const char *name); /* or NULL */
const struct source_ops *const *source_all(void);       /* ended by NULL */

struct discover;

/* Starts the thread.  ERR_IO: no descriptors, no thread. */
enum status discover_new(struct discover **ret, struct registry *registry,
                         struct err *err) NODISCARD;

/* These sources are to run: one whose name and identity are known goes on untouched, one that
 * differs is closed and opened anew under a new number, the rest is closed.  The targets of a
 * closed source are removed; those which its successor ADDs before its SYNCED are handed over
 * without a gap: the registry is told REMOVED of the old number only after the new one has
 * synced (or its first failure).  Copies confs.  ERR_INVALID: a source refuses its settings;
 * nothing has changed then.  Called by the main thread; waits for the thread to take it over, for no
 * peer. */
enum status discover_set(struct discover *d, const struct source_conf *confs, size_t n,
                         const struct source_agent *agent, struct err *err) NODISCARD;

struct source_state {
    char name[64];
    const char *kind; /* static */
    char pool[64];
    bool synced;
    size_t targets, refused;
    struct err last_error; /* status OK: none */
    uint32_t number;
};

/* Copies the state of up to max sources; returns how many there are.  Any thread. */
size_t discover_states(struct discover *d, struct source_state *ret, size_t max);

/* Targets refused by all sources, as lines "source: target: why" behind what out holds. */
void discover_refused(struct discover *d, struct buf *out);

bool discover_synced(struct discover *d); /* every source has synced once */
int64_t discover_beat_ns(const struct discover *d);

/* Stops and joins the thread; closes all sources.  NULL is fine. */
void discover_free(struct discover *d);

#endif
