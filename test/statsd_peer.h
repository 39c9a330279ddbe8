/* SPDX-License-Identifier: Apache-2.0 */
/* statsd_peer.h - a receiver of statsd lines, and the sink that leads to it, for tests. */
#ifndef STATSD_PEER_H
#define STATSD_PEER_H

#include "sink_run.h"
#include "test.h"

#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A receiver. */
struct peer {
    int fd;        /* bound */
    int accepted;  /* of a stream; -1: none */
    char at[128];  /* as the sink's address */
    char path[96]; /* of a Unix socket */
};

static inline void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static inline void peer_bind(struct peer *p, int type, const struct sockaddr *to, socklen_t size)
{
    int one = 1;
    p->accepted = -1;
    p->fd = socket(to->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(p->fd >= 0, "socket");
    if (to->sa_family != AF_UNIX)
        setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    must(bind(p->fd, to, size) == 0, "bind");
    must(type == SOCK_DGRAM || listen(p->fd, 8) == 0, "listen");
}

/* Port 0: the kernel's choice. */
static inline uint16_t peer_at(struct peer *p, int type, const char *address, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    must(inet_pton(AF_INET, address, &to.sin_addr) == 1, address);
    socklen_t size = sizeof to;
    *p = (struct peer){.path = ""};
    peer_bind(p, type, (const struct sockaddr *)&to, size);
    must(getsockname(p->fd, (struct sockaddr *)&to, &size) == 0, "getsockname");
    snprintf(p->at, sizeof p->at, "%s:%u", address, ntohs(to.sin_port));
    return ntohs(to.sin_port);
}

static inline uint16_t peer_inet(struct peer *p, int type, uint16_t port)
{
    return peer_at(p, type, "127.0.0.1", port);
}

static inline void peer_local(struct peer *p, int type)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    *p = (struct peer){.path = ""};
    snprintf(p->path, sizeof p->path, "/tmp/strata-statsd-%d", (int)getpid());
    unlink(p->path);
    memcpy(to.sun_path, p->path, strlen(p->path));
    snprintf(p->at, sizeof p->at, "%s", p->path);
    peer_bind(p, type, (const struct sockaddr *)&to, sizeof to);
}

static inline void peer_close(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->accepted >= 0)
        close(p->accepted);
    if (p->path[0])
        unlink(p->path);
    p->fd = p->accepted = -1;
}

/* One datagram as a text, "" when there is none. */
static inline const char *peer_datagram(struct peer *p)
{
    static char text[1 << 17];
    ssize_t n = recv(p->fd, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

/* What there is of the stream, behind what out holds. */
static inline void peer_read(struct peer *p, struct buf *out)
{
    char piece[4096];
    if (p->accepted < 0) {
        p->accepted = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (p->accepted < 0)
            return;
    }
    for (ssize_t n; (n = recv(p->accepted, piece, sizeof piece, 0)) > 0;)
        CHECK_INT(buf_add(out, piece, (size_t)n), OK);
}

static struct sink_run run; /* of this test program */
static struct peer peer;

static inline void start(const char *network, const char *const *more)
{
    const char *settings[16] = {"network", network, "address", peer.at};
    for (size_t i = 0; more && more[i]; i++)
        settings[4 + i] = more[i];
    if (sink_run_open(&run, "statsd", settings) != OK)
        test_fail(__FILE__, __LINE__, "%s", run.err.text);
}

static inline void finish(void)
{
    sink_run_close(&run);
    peer_close(&peer);
}

#define MORE(...)  ((const char *const[]){__VA_ARGS__, NULL})
#define SEND(text) sink_run_send(&run, text, strlen(text))

/* The sink works until something ends, or for ms. */
static inline enum status work(int64_t ms)
{
    static int never = -1;
    if (never < 0)
        never = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return run.ops->work(run.self, never, clock_mono_ns() + ms * MS_NS);
}

static inline size_t ended(void)
{
    size_t n = 0;
    for (size_t i = 0; i < STATUS_COUNT; i++)
        n += run.ended[i];
    return n;
}

#endif
