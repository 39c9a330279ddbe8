/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h - who is scraped when, and by which pool.
 *
 * The only place where discovery and pools meet.  A thread of its own takes changes of
 * targets from a bounded channel, keeps when each target is due, and puts jobs into the inlet
 * of the target's pool.  A worker of the pool may ask beforehand when that will be, and then for
 * the job itself (inlet->source); the thread does not wake for it then.  It never waits: a job for
 * which there is no room, or whose pool is not there (yet), stays in the due list and is tried again
 * until the target is due the next time; then it is dropped as late, or as busy when the target's last
 * scrape was still running.
 *
 * A target is due at k * interval + offset on the wall clock, offset = hash(id) mod interval;
 * with first_scrape `now` also when it appears, and then a due time nearer than half an interval
 * is left out, so that a job that waits for its pool is not dropped at once.  A TARGET_EXTRA makes it
 * due once more, at the moment that the event says (a millisecond later where that is a regular
 * time: then no ids are alike), whichever of the sources that found the place says so; a job that is
 * out, waits or is due just then is near enough, and nothing more is due.  After a step of the
 * wall clock all due times are worked out anew: no burst, no hole.  What passed while the process
 * stood still is dropped as late, and counted.
 *
 * clock_steps counts from the start of the process: after a backward step and then a restart, due
 * times that come a second time make the ids of the first time again, and a receiver that still
 * knows those (a stream within its duplicate_window) takes such messages for repeats.
 *
 * Law 1:  due = dropped + queued + handed; what pools do with `handed` is in their books.  */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "job.h"
#include "target_event.h"

enum registry_drop {
    DROP_LATE,    /* its pool had no room, or was not there, until the next due time */
    DROP_BUSY,    /* its last scrape ran until the next due time */
    DROP_REMOVED, /* the target went, or the agent stopped, before there was room */
    REGISTRY_DROPS
};
const char *registry_drop_name(enum registry_drop why);

struct registry_books {
    uint64_t due, handed, dropped[REGISTRY_DROPS];
    uint64_t queued;          /* now: due and not yet handed on */
    uint64_t targets;         /* now */
    uint64_t targets_waiting; /* now: above max_targets */
    uint64_t targets_refused; /* times that a target found no room: it waits, or was dropped */
    uint64_t changes;         /* taken from sources */
    uint32_t clock_steps;     /* backward, of the wall clock */
};

struct registry_conf {
    size_t max_targets; /* of all sources.  As many again wait for room, unscheduled, and get it in
                           the order they came; further ones are dropped, and counted, until their
                           source ADDs them again */
    bool first_scrape_now;
};

struct registry;

/* Without a thread until registry_start. */
struct registry *registry_new(const struct registry_conf *conf);
enum status registry_start(struct registry *r, struct err *err) NODISCARD;
void registry_set_first_scrape(struct registry *r, bool now);

/* Where sources send their changes; emit.call as source.h says.  For the discovery thread. */
struct target_emit registry_emit(struct registry *r);
/* Readable when a refused change may be tried again.  For the discovery thread. */
int registry_room_fd(const struct registry *r);

/* inlet takes the jobs of that pool from now on, in place of the one before, if any; it stays the
 * caller's, and valid until registry_remove_pool, or another put, has returned.  Then no job is sent to it any
 * more, nor given to one of its workers that asks: its channels may be closed.  Never waits for a peer.
 * Any thread. */
void registry_put_pool(struct registry *r, const char *name, struct pool_inlet *inlet);
void registry_remove_pool(struct registry *r, const char *name);

/* How many places (a URL to scrape, once for all sources that found it) have that pool, those
 * included that are gone and whose last job, JOB_END, is not handed on yet.  So a pool that no
 * target will name any more, as after a reload, may be removed once this is 0: then all of its
 * series have ended.  At most an interval and a timeout after its last target has gone.  Any
 * thread. */
size_t registry_pool_places(struct registry *r, const char *name);

/* What the thread does: one round at the present time of clock.h; returns when it is to be done
 * again at the latest (monotonic).  For tests on a held clock, without registry_start. */
int64_t registry_step(struct registry *r);

struct registry_books registry_books(struct registry *r); /* any thread */
int64_t registry_beat_ns(const struct registry *r);

/* One target as people are shown it; the references are the caller's. */
struct registry_entry {
    struct target *target;
    struct target_state *state;
    uint32_t source;
    int64_t next_due_ms;
};
/* All of them, in the order of their ids; the array is the caller's, see registry_entries_free.
 * Any thread. */
size_t registry_entries(struct registry *r, struct registry_entry **ret);
void registry_entries_free(struct registry_entry *entries, size_t n);

/* A target that is not scraped: another source of its pool has found the same URL, and goes before it;
 * or there is no room for it. */
struct registry_other {
    uint32_t source;
    struct target *target;
    struct target *winner; /* NULL: it waits for room */
};
/* All of them, in the order of source and id; as registry_entries. */
size_t registry_others(struct registry *r, struct registry_other **ret);
/* NULL: it is none of them. */
const struct registry_other *registry_other_find(const struct registry_other *others, size_t n,
                                                 uint32_t source, const char *id);
void registry_others_free(struct registry_other *others, size_t n);

/* No job is handed on any more; joins the thread.  What was still queued is dropped as removed.
 * Pools may then be closed. */
void registry_stop(struct registry *r);
void registry_free(struct registry *r); /* NULL is fine */

#endif
