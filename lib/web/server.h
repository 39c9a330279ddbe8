/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - evhttp within bounds; what is said is up to who asks for it.
 *
 *     struct server_conf conf = SERVER_CONF_DEFAULT;
 *     conf.answer = answer;
 *     server_new(&server, base, fd, &conf)
 *     event_base_loop(base, 0)
 *
 * One request a connection, GET and HEAD only.  Bounded: connections, bytes of a request,
 * bytes of all replies under way, seconds until a request is whole and until its reply is
 * taken.  With all connections taken nobody is let in, and the eldest whose request is not
 * whole yet goes, so that silent clients lock nobody out.  All calls from the thread of base.  */
#ifndef SERVER_H
#define SERVER_H

#include "buf.h"

struct event_base;
struct server;
struct ssl_st; /* SSL of OpenSSL */

#define SERVER_HEADER_BYTES 16384
#define SERVER_BODY_BYTES   65536
#define SERVER_CONNECTIONS  64

struct server_request {
    const char *path;          /* as it was sent, never NULL */
    const char *q;             /* of the query, decoded; or NULL */
    const char *authorization; /* that header, or NULL */
    bool certified;            /* over TLS, with a certificate that was verified */
};

struct server_reply {
    unsigned code;         /* 200 */
    const char *type;      /* static; at first that of plain text */
    const char *challenge; /* static; WWW-Authenticate, with 401; NULL */
    struct buf body;       /* empty; its max is what may still be under way */
};

struct server_conf {
    size_t max_connections; /* at most SERVER_CONNECTIONS */
    size_t max_reply_bytes; /* of all replies under way */
    int64_t request_ns, reply_ns;
    int64_t tick_ns; /* how often these are looked at; a tenth as often where there are none */
    /* The state of TLS for a connection that has come, which is the server's from here on; NULL: it is
     * turned away.  NULL instead of the function: connections are in clear. */
    struct ssl_st *(*tls)(void *of);
    void (*answer)(void *of, const struct server_request *request, struct server_reply *reply);
    void *of;
};
#define SERVER_CONF_DEFAULT                                                           \
    {                                                                                 \
        .max_connections = SERVER_CONNECTIONS, .max_reply_bytes = (size_t)64 << 20,   \
        .request_ns = 10 * INT64_C(1000000000), .reply_ns = 30 * INT64_C(1000000000), \
        .tick_ns = INT64_C(1000000000),                                               \
    }

/* Serves fd, a listening socket that does not block, which is the server's from here on, after a
 * failure as well.  ERR_IO: libevent has no memory or no descriptor. */
enum status server_new(struct server **ret, struct event_base *base, int fd,
                       const struct server_conf *conf, struct err *err) NODISCARD;

struct server_counts {
    uint64_t requests, errors; /* errors: answered with 400 or above */
    uint64_t cut;              /* connections that were too slow */
    uint64_t full;             /* how often nobody more was let in */
    size_t connections;        /* now */
    size_t reply_bytes;        /* under way */
};
struct server_counts server_counts(const struct server *s);

/* Ends all connections; base must not loop.  NULL is fine. */
void server_free(struct server *s);

#endif
