/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_server.h - servers of the Forward protocol that a test plays itself, and a sink for them.
 *
 * Neither of both ever waits, so one thread is enough: RUN_UNTIL takes turns.  */
#ifndef FLUENT_SERVER_H
#define FLUENT_SERVER_H

#include "msgpack.h"
#include "sink_run.h"
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS = 2, SLICE_MS = 1 };

static struct server {
    int listen, fd; /* fd -1: nobody is connected */
    char url[64], url_tls[64];
    char in[1 << 17];
    size_t len; /* received */
} servers[SERVERS];

static struct sink_run run;

static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline void server_listen(struct server *s, uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    socklen_t len = sizeof a;
    int on = 1;
    s->listen = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(s->listen, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK(bind(s->listen, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->listen, 8) == 0);
    CHECK_INT(getsockname(s->listen, (struct sockaddr *)&a, &len), 0);
    snprintf(s->url, sizeof s->url, "tcp://127.0.0.1:%d", ntohs(a.sin_port));
    snprintf(s->url_tls, sizeof s->url_tls, "tls://127.0.0.1:%d", ntohs(a.sin_port));
}

static inline void close_all(void)
{
    sink_run_close(&run);
    for (size_t i = 0; i < SERVERS; i++) {
        close_fd(&servers[i].fd);
        close_fd(&servers[i].listen);
    }
}

/* Two servers, and a sink with these settings besides; what an earlier test left is closed. */
static inline void open_sink(bool both, const char *const *settings)
{
    static bool used;
    const char *all[32] = {NULL};
    size_t n = 0;
    if (used)
        close_all();
    used = true;
    for (size_t i = 0; i < SERVERS; i++) {
        servers[i].fd = -1;
        servers[i].len = 0;
        server_listen(&servers[i], 0);
    }
    for (size_t i = 0; i < (both ? 2 : 1); i++) {
        all[n++] = "servers";
        all[n++] = servers[i].url;
    }
    for (size_t i = 0; settings[i]; i++)
        all[n++] = settings[i];
    if (sink_run_open(&run, "fluent", all) != OK)
        test_fail(__FILE__, __LINE__, "%s", run.err.text);
}
#define OPEN(...)      open_sink(false, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define OPEN_BOTH(...) open_sink(true, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static inline void server_step(struct server *s)
{
    if (s->fd < 0 && s->listen >= 0) {
        s->fd = accept4(s->listen, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        s->len = 0;
    }
    ssize_t n;
    while (s->fd >= 0 && (n = recv(s->fd, s->in + s->len, sizeof s->in - s->len, 0)) > 0)
        s->len += (size_t)n;
}

static inline void work(int64_t for_ns)
{
    enum status s = run.ops->work(run.self, -1, clock_mono_ns() + for_ns);
    CHECK_INT(s, ERR_TIMEOUT);
}

/* Goes on until cond holds; false: it does not come to hold. */
#define RUN_UNTIL(cond)                                                   \
    do {                                                                  \
        for (int64_t until_ns = clock_mono_ns() + 5 * SEC_NS; !(cond);) { \
            CHECK(clock_mono_ns() < until_ns);                            \
            work(SLICE_MS *MS_NS);                                        \
            server_step(&servers[0]);                                     \
            server_step(&servers[1]);                                     \
        }                                                                 \
    } while (0)

static inline void server_say(struct server *s, const char *data, size_t len)
{
    CHECK_INT(send(s->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void server_ack_text(struct server *s, const char *chunk)
{
    char out[64], *p = msgpack_put_map(out, 1);
    p = msgpack_put_str(p, "ack", 3);
    p = msgpack_put_str(p, chunk, strlen(chunk));
    server_say(s, out, (size_t)(p - out));
}

static inline void server_ack(struct server *s, struct payload_id id)
{
    char chunk[PAYLOAD_ID_BASE64 + 1];
    payload_id_base64(id, chunk);
    server_ack_text(s, chunk);
}

static inline bool received(const struct server *s, const char *text)
{
    return s->len == strlen(text) && memcmp(s->in, text, s->len) == 0;
}

static inline bool nothing_ended(void)
{
    for (size_t i = 0; i < STATUS_COUNT; i++)
        if (run.ended[i] > 0)
            return false;
    return true;
}

/* Gives a message to the sink, which must take it; returns its id. */
static inline struct payload_id give(const char *body)
{
    struct payload *p = sink_run_payload(&run, body, strlen(body));
    struct payload_id id = p->id;
    run.err = (struct err){.status = OK};
    enum status s = run.ops->send(run.self, p, clock_mono_ns() + 2 * SEC_NS, &run.err);
    if (s != OK) {
        payload_free(p);
        test_fail(__FILE__, __LINE__, "%s: %s", body, run.err.text);
    }
    return id;
}

/* The status of a send that does not wait. */
static inline enum status try(const char *body)
{
    struct payload *p = sink_run_payload(&run, body, strlen(body));
    run.err = (struct err){.status = OK};
    enum status s = run.ops->send(run.self, p, DEADLINE_NOW, &run.err);
    if (s != OK)
        payload_free(p);
    return s;
}

static inline enum status try_long(const char *body)
{
    return sink_run_send(&run, body, strlen(body));
}

#endif
