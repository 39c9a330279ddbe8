/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - the threads that scrape.
 *
 *     pool_new(&p, &conf, &pipeline, &err)
 *     registry_put_pool(registry, name, pool_inlet(p))
 *     ...
 *     registry_remove_pool(registry, name)        first: nobody sends to it any more
 *     pool_close(p)                               then it drains
 *     pool_free(p)                                joins
 *
 * Each worker has a channel for jobs and scrapes up to in_flight targets at once, on one epoll; it takes
 * no job beyond.  A job older than its target's interval is dropped as stale.  */
#ifndef POOL_H
#define POOL_H

#include "job.h"
#include "pipeline.h"

struct limits_conf {
    int64_t body, samples, series, labels, label_name, label_value, line, new_series, names, page;
};
struct queue_conf {
    int64_t items;
};
enum pool_mode { POOL_AUTO, POOL_STRICT, POOL_SALVAGE };
enum pool_created { POOL_ABSORB, POOL_SERIES };
struct pool_conf {
    char *name;
    int64_t workers, in_flight;
    struct queue_conf queue;
    struct limits_conf limits;
    unsigned mode;                    /* enum pool_mode */
    unsigned accept;                  /* enum page_format: what is asked for first */
    unsigned fallback;                /* enum page_format: of a page that says none */
    unsigned created;                 /* enum pool_created */
    struct group_list metric_relabel; /* of struct relabel_rule_conf */
    size_t max_connections; /* kept alive by all workers between scrapes; no setting: worked out
                               from the process's limit of descriptors */
};
extern const struct setting pool_settings[]; /* of struct pool_conf */

/* As a page wants them. */
struct page_limits pool_page_limits(const struct limits_conf *c);

/* How a page is read that came with this Content-Type (.data NULL: with none). */
struct page_manner pool_manner(enum pool_mode mode, enum page_format fallback,
                               struct span content_type);

/* What targets are asked for, as a header: static. */
const char *pool_accept(enum page_format first);

struct pool;

/* Starts the workers.  pipeline is moved in: pool_free ends it, its lanes stay.
 * ERR_IO: no thread, no descriptor; ERR_INVALID: rules that config has not checked.  pipeline is
 * still the caller's then. */
enum status pool_new(struct pool **ret, const struct pool_conf *conf, struct pipeline *pipeline,
                     struct err *err) NODISCARD;
struct pool_inlet *pool_inlet(struct pool *p);
void pool_close(struct pool *p);   /* returns at once; jobs inside are still done */
bool pool_is_done(struct pool *p); /* pool_free will not wait */
void pool_abort(struct pool *p);   /* after pool_close: running scrapes fail now, as closed */
void pool_free(struct pool *p);    /* NULL is fine */

struct pool_state {
    size_t queued, queue_cap;
    size_t connections;
    size_t body_bytes; /* of bodies in flight and kept for reuse */
    uint64_t queue_refused;
    size_t workers;
    int64_t beat_ns; /* the eldest of the workers' */
};
struct pool_state pool_state(struct pool *p); /* any thread */

#endif
