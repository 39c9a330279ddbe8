/* SPDX-License-Identifier: Apache-2.0 */
/* books.h - what is counted, and where (ARCHITECTURE.md, law 1).
 *
 * Books live as long as the process, under the name of their pool or output: they are
 * handed on at a reload, so that no counter ever falls.  Each number is counted once, by
 * the code that decides it; all are totals since start, in samples unless the name says
 * otherwise.  Atomic: any thread adds, any thread reads.  */
#ifndef BOOKS_H
#define BOOKS_H

#include "encoders.h"
#include "filters.h"

/* Why an encoded record never arrived. */
enum lane_loss {
    LOST_BUFFER_FULL, /* the oldest made room for newer ones */
    LOST_TOO_LARGE,   /* the peer's limit, and it could not be cut further */
    LOST_REFUSED,     /* the peer will never take it */
    LOST_CLOSED,      /* the agent or the output stopped before it was acknowledged */
    LOST_SPOOL_FULL,  /* on disk; the oldest made room, or it alone would fill the spool */
    LOST_TOO_OLD,     /* on disk for longer than max_age */
    LOST_DAMAGED,     /* on disk, where it cannot be read any more */
    LOST_MEMORY,      /* agent.memory: the oldest made room */
    LANE_LOSSES
};
const char *lane_loss_name(enum lane_loss why); /* "buffer_full", ...: static */

/* passed + meta + ended = encoded + skipped
 * encoded + restored = delivered + lost + in_memory + in_spool + left */
struct lane_books {
    _Atomic uint64_t passed, meta, ended;
    _Atomic uint64_t encoded, skipped[ENCODER_SKIPS];
    _Atomic uint64_t restored, delivered, lost[LANE_LOSSES];
    _Atomic uint64_t in_memory;     /* now: buffered, held and in flight, but what is in_spool */
    _Atomic uint64_t in_spool;      /* now: on disk, whether memory has it or not */
    _Atomic uint64_t left;          /* on disk when a lane ended; another finds it: restored */
    _Atomic uint64_t maybe_twice;   /* resent after the peer's window for duplicates */
    _Atomic uint64_t payloads_sent; /* messages handed to the sink, resends too */
    _Atomic uint64_t payloads_delivered, bytes_delivered, retries, splits;
    _Atomic uint64_t delay_ms_sum; /* of delivered payloads: from due time to the end */
};

/* Why a scrape failed. */
enum scrape_failure {
    SCRAPE_TIMEOUT,
    SCRAPE_CONNECT, /* no connection, or no address */
    SCRAPE_TLS,
    SCRAPE_STATUS,      /* not 200 */
    SCRAPE_TOO_LARGE,   /* limits.body */
    SCRAPE_HEADERS,     /* more than 16 KiB of headers */
    SCRAPE_BROKEN,      /* the transfer ended early */
    SCRAPE_CREDENTIALS, /* a secret's file cannot be read */
    SCRAPE_FORMAT,      /* nothing on the page can be read, or strict mode refuses it */
    SCRAPE_CLOSED,      /* the agent stopped first */
    SCRAPE_MEMORY,      /* agent.memory: no room for the body */
    SCRAPE_FAILURES
};
const char *scrape_failure_name(enum scrape_failure why);

#define BOOKS_REFUSALS 16                 /* room for the reasons of page.h */
#define BOOKS_FILTERS  (FILTER_STEPS + 1) /* the steps of a chain, and metric_relabel */
#define BOOKS_BUCKETS  12 /* of scrape durations; bounds in books.c, the last is +Inf */
extern const double books_bucket_seconds[BOOKS_BUCKETS - 1];

/* read = passed + filtered + refused.  Jobs: what the registry gave this pool is
 * scraped, failed, stale, ended, queued or running. */
struct pool_books {
    _Atomic uint64_t scraped, failed[SCRAPE_FAILURES], stale, ended; /* jobs */
    _Atomic uint64_t running; /* jobs now, those that wait for memory too */
    _Atomic uint64_t waited;  /* scrapes that had to wait for memory, or were begun again for it */
    _Atomic uint64_t waiting; /* now */
    _Atomic uint64_t read, passed, filtered[BOOKS_FILTERS], refused[BOOKS_REFUSALS];
    _Atomic uint64_t lines_bad;                              /* lines */
    _Atomic uint64_t flaws;                                  /* faults that cost no sample */
    _Atomic uint64_t bytes;                                  /* of bodies, decompressed */
    _Atomic uint64_t series;                                 /* now */
    _Atomic uint64_t series_bytes;                           /* now, of pages */
    _Atomic uint64_t seconds[BOOKS_BUCKETS], seconds_sum_ns; /* of scrapes, not cumulative */
    _Atomic uint64_t wait_ns_sum;                            /* jobs' time in the channel */
};

#endif
