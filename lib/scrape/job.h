/* SPDX-License-Identifier: Apache-2.0 */
/* job.h - a target that is due, and what is known of the target beside.
 *
 * A target_state is shared by count between the registry, which schedules it, and the one
 * job that is out for it.  Its page belongs to that job: `busy` is set by the registry when
 * it sends a job and cleared by the worker when it has ended, so that nobody else holds
 * the page meanwhile.  What is shown to people is in `shown`, under a lock.  */
#ifndef JOB_H
#define JOB_H

#include "books.h"
#include "channel.h"
#include "page.h"

#include <pthread.h>

enum target_health { TARGET_UNKNOWN, TARGET_UP, TARGET_DOWN };

/* The last scrape, as /targets tells it.  From `failure` on it is words about what is wrong: a target
 * about which there are none does not keep room for them. */
struct target_shown {
    enum target_health health;
    int64_t scraped_ms, duration_ns; /* 0: never */
    uint64_t samples, samples_post_filter, body_bytes, series;
    uint64_t refused, lines_bad, flaws; /* of the last good scrape */
    uint64_t scrapes, failures;         /* since it is known */
    enum scrape_failure failure;        /* of the last failure, while last_error is set */
    struct err last_error;              /* of the last failure; cleared by success */
    struct err first_bad, first_refused, first_flaw; /* likewise: line, column, reason */
    struct page_named named[PAGE_NAMED]; /* likewise: what was refused; named_len of them */
    size_t named_len;
};

enum job_kind {
    JOB_SCRAPE,
    JOB_END, /* the target is gone: say that its series have ended */
};

struct job {
    enum job_kind kind;
    struct target_state *state; /* a reference */
    struct target *target;      /* a reference; as it was when the job was made */
    int64_t due_ms;             /* wall clock */
    int64_t due_ns;             /* monotonic */
    uint32_t clock_steps;
};

struct target_state {
    _Atomic uint32_t refs;
    uint64_t shard; /* hash of the id: which worker, which connections */
    _Atomic bool busy;
    struct job job;             /* the one that is out, while busy: no scrape allocates one */
    struct page *page;          /* of the job that is out; NULL until the first */
    struct pool_books *counted; /* where the page is counted; the job's, as the next two */
    size_t counted_series, counted_bytes;
    size_t body_bytes; /* of the last body, to make room for the next; the job's */
    int64_t
        waits_since_ns;   /* for memory: when the first job was due that had to wait, of those since
                                   the last that ended otherwise; 0: none.  The job's */
    pthread_mutex_t lock; /* guards what follows */
    struct target_shown *shown; /* without words only as far as these */
    bool has_words;
};

struct target_state *target_state_new(const char *target_id);
struct target_state *target_state_ref(struct target_state *s);
void target_state_unref(struct target_state *s); /* NULL is fine */
/* The page of s counts for so much in those gauges, in place of what it counted for; books outlive
 * s, which takes itself out of them when it goes. */
void target_state_count(struct target_state *s, struct pool_books *books, size_t series,
                        size_t bytes);

struct target_shown target_state_shown(struct target_state *s);                   /* any thread */
void target_state_show(struct target_state *s, const struct target_shown *shown); /* the job's */

/* The job of s, which must not be busy and is so now.  Takes references of its own. */
struct job *job_start(struct target_state *s, const struct job *like);

/* Gives up j and its references; its target may have the next job.  Any thread. */
void job_end(struct job *j);

struct pool_inlet;

/* Where a worker finds out when the next of its targets is due, so that nobody wakes it for that. */
struct job_source {
    /* A job that is due for that worker, which begins it now.  NULL: none is, and when to ask again;
     * DEADLINE_NEVER: after the next job that comes by the channel.  Whoever does not come in time, for it
     * has no room, finds in its channel what was due, a few seconds later.  A worker's thread. */
    struct job *(*next)(void *of, const struct pool_inlet *inlet, size_t worker, int64_t *ret_ns);
    void *of;
};

/* A pool's way in: a channel per worker, so that a target always meets the same one and
 * with it its open connection.  The registry sends, workers receive. */
struct pool_inlet {
    size_t len;
    const struct job_source *_Atomic source; /* the registry's, which outlives the pool; NULL: jobs
                                                come by the channels only */
    struct channel *channels[];
};

#endif
