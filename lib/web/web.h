/* SPDX-License-Identifier: Apache-2.0 */
/* web.h - the agent's own HTTP: health, metrics, targets, status.
 *
 *     GET /healthz    200 "ok", or 503 with the thread that does not beat; nothing at all when
 *                     it is this one
 *     GET /readyz     200 once every source has synced, and from then on
 *     GET /metrics    Prometheus text 0.0.4: the books and more (docs/METRICS.md)
 *     GET /targets    JSON: each target's state, last scrape, last error with its place; and all that
 *                     was found, with the reason why it is no target
 *     GET /status     JSON: the books, memory by part, lanes, sources
 *     GET /           the same as a plain page; ?q=TEXT for some of the targets
 *
 * All but the first two ask for what conf->access wants, and answer 401 without it.
 *
 * On libevent's evhttp, one thread.  Bounded: header and body bytes, connections, seconds
 * for a request and for a slow reader.  Only GET and HEAD; else 405.  */
#ifndef WEB_H
#define WEB_H

#include "http.h"
#include "view.h"

struct web_conf {
    const struct http_server_conf *access; /* outlives the web; NULL: in clear, for everybody */
    const char *listen; /* "127.0.0.1:9690", "[::1]:9690", ":9690"; port 0: any */
    /* Fills *v for one request / lets it go; called by the web thread.  *v comes zeroed, but for
     * brief and candid. */
    void (*take)(void *of, struct view *v);
    void (*release)(void *of, struct view *v);
    void *of;
};

struct web;

/* Binds and starts the thread; conf->listen may go afterwards.  ERR_IO: the address is taken,
 * or is none of this machine; ERR_INVALID: it is no address; what door.h says of conf->access. */
enum status web_new(struct web **ret, const struct web_conf *conf, struct err *err) NODISCARD;
const char *web_url(const struct web *w); /* "http://127.0.0.1:9690" with the real port */
void web_free(struct web *w);             /* NULL is fine */

/* The pages, each behind what out holds; for web.c and tests.  OK, or ERR_LIMIT as buf.h says
 * it, with out half written. */
enum status web_metrics(const struct view *v, struct buf *out) NODISCARD;
enum status web_targets(const struct view *v, struct buf *out) NODISCARD;
enum status web_status(const struct view *v, struct buf *out) NODISCARD;
/* The targets whose id, URL, source, pool or error holds q; NULL or "": all. */
enum status web_page(const struct view *v, const char *q, struct buf *out) NODISCARD;

#endif
