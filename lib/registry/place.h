/* SPDX-License-Identifier: Apache-2.0 */
/* place.h - what the registry keeps: places, who may be scraped there, and when.
 *
 * A place is one URL within one pool.  Several sources may have found it: its candidates, of
 * which the first (by its source's place in the file, then by number of the source) is scraped,
 * so that nothing is scraped twice; when that one goes, the next takes over with the same state
 * and page.  A candidate above the bound of targets is in no place but in line for one.
 *
 * Not thread-safe: the registry's lock guards all of it.  */
#ifndef PLACE_H
#define PLACE_H

#include "idmap.h"
#include "job.h"

struct place;

/* A source, as long as it has candidates. */
struct origin {
    uint32_t source;
    uint32_t rank;  /* its place in the file */
    uint32_t epoch; /* grows with each RESYNC; what was not ADDED in the epoch that SYNCED ends
                       is gone */
    size_t candidates;
};

struct candidate {
    uint64_t hash; /* of source and id: its key in places.candidates */
    struct origin *origin;
    uint32_t epoch; /* of its origin, when it was last ADDED */
    struct target *target;
    struct place *place;    /* NULL: it is in line */
    struct candidate *next; /* of the same place, by rank and source */
    struct candidate *line_before, *line_after;
};

/* When the places of one worker are due next. */
struct queue {
    struct place **heap; /* by next_ns, the soonest at [0] */
    size_t len, cap;
    int64_t asks_ns; /* when the worker has said that it asks; DEADLINE_NEVER: it has not */
};

/* A pool's name: its inlet, who is due when, and who is due and waits for it.  Goes when it has neither
 * inlet nor places. */
struct slot {
    char *name;
    size_t places;            /* that have this pool */
    struct pool_inlet *inlet; /* NULL: the pool is not there */
    struct queue *queues;     /* of each worker; at least one */
    size_t queues_len;
    struct place *first, *last; /* the due list, the eldest first */
    struct slot *next;
};

struct place {
    uint64_t hash;           /* of pool and URL: its key in places.places */
    struct candidate *first; /* NULL: gone, its end is still to be said */
    struct target_state *state;
    struct slot *slot;
    int64_t next_ms, next_ns; /* when it is due next: wall clock, monotonic */
    int64_t last_ms;          /* when it was due last, for a scrape; 0: never */
    int64_t extra_ms;         /* of the last TARGET_EXTRA; 0: none */
    size_t heap_at;           /* index in its queue's heap plus one; 0: not in it */

    /* in the due list of slot, while due */
    bool due;
    struct job job;             /* without references */
    struct target *last_target; /* of a place that is gone: whose series end */
    int64_t give_up_ns;         /* of a JOB_END */
    struct place *before, *after;
    bool handed; /* some job of it was handed on, so there may be series */
};

struct places {
    struct idmap candidates, places, origins;
    struct candidate *line_first, *line_last; /* those without room, in the order they came */
    size_t line_len;
    struct slot *slots;
};

void places_init(struct places *ps);
void places_done(struct places *ps); /* frees everything */

struct slot *slot_find(struct places *ps, const char *name);   /* or NULL */
struct slot *slot_get(struct places *ps, const char *name);    /* makes it if need be */
void slot_set_inlet(struct slot *s, struct pool_inlet *inlet); /* NULL: the pool has left */
void slots_trim(struct places *ps); /* frees those with neither inlet nor places */

struct origin *origin_find(struct places *ps, uint32_t source); /* NULL: it has no candidates */

struct candidate *candidate_find(struct places *ps, uint32_t source, const char *id);
/* A new candidate at the end of the line; its origin is made if need be.  Takes t's reference. */
struct candidate *candidate_add(struct places *ps, uint32_t source, uint32_t rank,
                                struct target *t);
/* Moves it from the line into its place, made if need be; true: the place was made, or was gone
 * and is back. */
bool candidate_enter(struct places *ps, struct candidate *c);
/* Takes it out of the line or of its place, which stays even when empty, and frees it; with its
 * last candidate an origin goes too. */
void candidate_remove(struct places *ps, struct candidate *c);

/* Puts the candidates in order after a rank has changed; true: the first is another one. */
bool place_sort(struct place *p);
/* Frees a place without candidates that is in no due list. */
void place_drop(struct places *ps, struct place *p);

/* The queue of its worker. */
void place_schedule(struct place *p, int64_t next_ms, int64_t next_ns);
void place_unschedule(struct place *p);
int64_t queue_next_ns(const struct queue *q); /* DEADLINE_NEVER: it is empty */

/* The due list. */
void place_set_due(struct place *p, const struct job *job);
void place_clear_due(struct place *p);

#endif
