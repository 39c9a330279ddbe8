/* SPDX-License-Identifier: Apache-2.0 */
/* agenda.h - when places are due, and what becomes of their jobs.
 *
 * A job goes to its worker in one of two ways.  A worker that has asked is told when the next of its
 * places is due, asks again then, and makes the job itself: so no other thread wakes for it.  All
 * else is the registry's thread's: what is due for a worker that has not asked, or that does not come
 * when it said (it is full, or lasts), and what waits for room.  Either way a job is made at its due
 * time and not before: there is none to be taken back when a target goes or the clock steps.
 *
 * Part of registry.c, whose lock guards all of it.  */
#ifndef AGENDA_H
#define AGENDA_H

#include "place.h"
#include "registry.h"

struct agenda {
    struct places places;
    struct registry_books books;
    int64_t offset_ms; /* wall clock minus monotonic */
    int64_t late_ns;   /* a worker that has asked may come so much later than it said */
    bool calls;        /* agenda_next has found something that is the registry's thread's to do */
};

void agenda_init(struct agenda *a);
void agenda_done(struct agenda *a);

/* Places.  now_ns and wall_ms are the present time. */

void agenda_schedule(struct agenda *a, struct place *p, int64_t next_ms);
/* The first candidate of p is another one now. */
void agenda_take_over(struct agenda *a, struct place *p, int64_t now_ns, int64_t wall_ms);
/* p is due once more, beside its regular times.  A scrape that is out, waits or begins in this round
 * is near enough. */
void agenda_extra(struct agenda *a, struct place *p, int64_t told_ms, int64_t now_ns);
/* p has lost its last candidate: its series end, if there are any. */
void agenda_end(struct agenda *a, struct place *p, int64_t now_ns);
/* The job of p, which is due, is no more. */
void agenda_drop(struct agenda *a, struct place *p, enum registry_drop why);

/* The registry's thread. */

/* After a step of the wall clock works out all due times anew. */
void agenda_watch_clocks(struct agenda *a, int64_t now_ns, int64_t wall_ms);
void agenda_fire(struct agenda *a, int64_t now_ns); /* what is due by now waits for its worker */
void agenda_hand(struct agenda *a, int64_t now_ns); /* what waits goes where there is room */
int64_t agenda_wake_ns(const struct agenda *a);     /* when to do these again; DEADLINE_NEVER */

/* A worker's: as job_source.next says. */
struct job *agenda_next(struct agenda *a, const struct pool_inlet *inlet, size_t worker,
                        int64_t *ret_ns);

#endif
