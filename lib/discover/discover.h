/* SPDX-License-Identifier: Apache-2.0 */
/* discover.h - the discovery thread: all sources on one loop.
 *
 *     discover_new(&d, registry_emit(r), registry_room_fd(r), &err)
 *     discover_set(d, confs, n, &agent, &err)     at start and at each reload
 *     discover_free(d)
 *
 * Between a source and its receiver, the registry, is a bounded channel; a source that finds
 * it full goes on when there is room (source.h).  Sources never wait for one another.  The
 * thread knows by id which targets each source has told of, so that they can be removed when
 * the source is closed: at most twice source_common.targets (a full list that replaces
 * another one).  */
#ifndef DISCOVER_H
#define DISCOVER_H

#include "source.h"
#include "sources.h"

struct source_conf {
    const struct source_ops *ops;
    void *conf; /* as ops->settings describes */
    struct source_common common;
    char *identity; /* setting_identity of both, and of the agent's share */
};

struct discover;

/* Starts the thread.  All events go to emit, from the thread alone.  room_fd is a
 * non-blocking eventfd that is written to when an event that emit refused may be tried
 * again; the thread reads it.
 * ERR_IO: no descriptors, no thread. */
enum status discover_new(struct discover **ret, struct target_emit emit, int room_fd,
                         struct err *err) NODISCARD;

/* These sources are to run: one whose name and identity are known goes on untouched, one that
 * differs is closed and opened anew under a new number, the rest is closed.  The targets of a
 * closed source are removed; those which its successor ADDs before its SYNCED are handed over
 * without a gap: the receiver is told REMOVED of the old number only after the new one has
 * synced, or failed; one that follows a peer and cannot reach it has not failed yet, so what was known
 * stays; what was there by a lease goes with the lease, at once.  The order of confs is the order in which sources of one pool
 * go before one another: it is told with what they ADD, and TARGET_RANK tells it of those that
 * go on at another place.  Copies confs.  ERR_INVALID: a source refuses its settings,
 * or two have one name; ERR_IO: no descriptor left; nothing has changed then.  Called by the
 * main thread; waits for the thread to take it over, for no peer. */
enum status discover_set(struct discover *d, const struct source_conf *confs, size_t n,
                         const struct source_agent *agent, struct err *err) NODISCARD;

struct source_state {
    char name[64];
    const char *kind; /* static */
    char pool[64];
    bool synced;
    size_t targets; /* that its receiver has */
    size_t refused;
    struct err last_error; /* status OK: none, or none any more */
    uint32_t number;
    bool follows; /* watching is known */
    struct source_watching watching;
};

/* Copies the state of up to max sources; returns how many there are.  Any thread. */
size_t discover_states(struct discover *d, struct source_state *ret, size_t max);

/* Targets refused by all sources, as lines "source: target: why" behind what out holds, as many
 * as fit.  Any thread. */
void discover_refused(struct discover *d, struct buf *out);

#define DISCOVER_CANDIDATES_BYTES ((size_t)4 << 20) /* of a list of candidates */

/* Something that a source has found. */
struct discover_candidate {
    uint32_t source; /* source_state.number */
    const char *source_name;
    const char *id, *url; /* url NULL: not known */
    const char *why; /* why it is no target; NULL: it is one of its source (whether it is scraped,
                             the registry knows) */
    char *text;      /* holds them */
};

/* In the order of the sources; within one, as it tells them. */
struct discover_candidates {
    struct discover_candidate *all;
    size_t len, cap, bytes;
    size_t left_out; /* for which there was no room, or that their source has forgotten */
    _Atomic unsigned refs;
};

/* What all sources have found now, with what became of it: the discovery thread makes the list on its
 * loop, and waits for nobody.  *ret is the caller's.  ERR_TIMEOUT: not by deadline_ns (monotonic);
 * ERR_CLOSED: discovery stops.  Any thread, several at once. */
enum status discover_candidates(struct discover *d, int64_t deadline_ns,
                                struct discover_candidates **ret, struct err *err) NODISCARD;
void discover_candidates_unref(struct discover_candidates *c); /* NULL is fine */

/* True once every source of a set has synced, and for ever after.  Any thread. */
bool discover_synced(struct discover *d);
/* When the thread last went round its loop: at least once a second.  Any thread. */
int64_t discover_beat_ns(const struct discover *d);

/* Stops and joins the thread; closes all sources, without a word of their targets.  Who waits in
 * discover_candidates is let go first; no other call may be under way.  NULL is fine. */
void discover_free(struct discover *d);

#endif
