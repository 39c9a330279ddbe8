/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h - gets pages over HTTP, many at once, for one worker.
 *
 *     fetch_start(f, &request)        ...     done(of, user, &result)
 *     fetch_wait(f, deadline_ns)
 *
 * A body is bounded as it arrives, after decompression; headers too.  One whose gzip is cut short is not
 * whole, whatever its length says.  Handles, bodies and connections are
 * kept for reuse.  Not thread-safe, but for fetcher_wake.  */
#ifndef FETCH_H
#define FETCH_H

#include "books.h"
#include "curl_loop.h"
#include "target.h"

#define FETCH_HEADERS_MAX 16384 /* bytes of an answer's headers */

struct fetch_result {
    bool ok;                  /* 200 and a whole body */
    enum scrape_failure why;  /* unless ok */
    struct err err;           /* likewise; one line for people */
    struct span body;         /* valid during done only, as the next */
    struct span content_type; /* .data NULL: the answer has none */
    bool tells_end; /* by a length or in chunks; else the end of the connection was the body's */
    size_t wants;   /* of SCRAPE_MEMORY: bytes that the body has, at least */
    int64_t duration_ns;
};

struct fetcher_conf {
    long max_connections; /* kept alive, in all */
    const char *accept;   /* "Accept: ..."; outlives the fetcher */
    void (*done)(void *of, void *user, const struct fetch_result *result);
    void *of;
};

struct fetcher;

enum status fetcher_new(struct fetcher **ret, const struct fetcher_conf *conf,
                        struct err *err) NODISCARD;
void fetcher_free(struct fetcher *f); /* nothing may be under way; NULL is fine */

struct fetch_request {
    const struct target *target; /* url, timeout, http; a reference is taken */
    uint64_t shard;              /* equal ones share connections */
    size_t max_body;
    size_t expect_body; /* bytes; room is made for as many at once; 0: not known */
    void *user;
};

/* What the budget must have room for: the body and all that goes with it. */
size_t fetch_bytes(const struct fetch_request *request);
/* Whether it has.  first: nobody waits in front of it; of
 * such one in the process may go beyond the mark of bodies, up to the bound, so that something always ends. */
bool fetch_has_room(const struct fetch_request *request, bool first);
void fetcher_trim(struct fetcher *f); /* frees what is kept for reuse */

/* A body that grows where there is no room ends as SCRAPE_MEMORY.
 * Ends in exactly one call of done, from within fetch_wait; or from fetch_start, when there is nothing to
 * wait for (a secret that cannot be read). */
void fetch_start(struct fetcher *f, const struct fetch_request *request);

/* All that is under way fails now, as closed: done is called for each. */
void fetch_abort(struct fetcher *f);

struct curl_loop *fetcher_loop(struct fetcher *f); /* to wait on, to watch, to wake */

size_t fetcher_body_bytes(const struct fetcher *f); /* in flight and kept; any thread */

#endif
