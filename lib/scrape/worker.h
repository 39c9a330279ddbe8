/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - one thread of a pool; part of pool.c.  */
#ifndef WORKER_H
#define WORKER_H

#include "fetch.h"
#include "job.h"
#include "pool.h"
#include "turn.h"

/* What the workers of a pool share; nothing of it changes while they run. */
struct crew {
    size_t in_flight; /* scrapes of one worker at once */
    size_t max_body;
    long max_connections; /* of one worker */
    enum pool_mode mode;
    enum page_format fallback;
    const char *accept; /* a header */
    const struct pipeline *pipeline;
    struct page_limits limits;
    struct page_plan plan;
    struct pool_books *books;
    _Atomic bool aborting;
};

struct worker {
    struct crew *crew;
    struct pool_inlet *inlet; /* the pool's, which frees it */
    size_t number;            /* of its workers */
    struct channel *jobs;     /* the inlet's of that number */
    int64_t asks_ns;          /* when the next job is due, and it asks for it */
    struct fetcher *fetcher;
    struct batch batch;
    size_t counted; /* of batch, in the process's budget */
    struct lane_scratch scratch;
    struct running *idle;    /* room for scrapes that run */
    struct running *waiting; /* for memory: who has waited longest first */
    size_t waiting_len;
    struct turn turn; /* of the first of them, among those of all workers */
    bool calls; /* memory is given back, or it is the turn of another: who has it is to look */
    size_t scratch_counted; /* in the budget */
    size_t in_flight;
    _Atomic int64_t beat_ns;
    _Atomic bool done;
    pthread_t thread;
};

/* Makes the fetcher and starts the thread, which ends when its channel is closed and empty. */
enum status worker_start(struct worker *w, struct crew *crew, struct pool_inlet *inlet,
                         size_t number, struct err *err) NODISCARD;
/* Joins the thread and frees what the worker has. */
void worker_join(struct worker *w);

#endif
