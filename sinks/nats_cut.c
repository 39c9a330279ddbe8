/* SPDX-License-Identifier: Apache-2.0 */
/* nats_cut.c - ends an attempt that hangs; the contract is in nats_cut.h. */
#include "nats_cut.h"

#include "clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/socket.h>

enum { SEEN_MAX = 256 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* 0: it has none. */
static uint16_t port_of(int fd, int (*ask)(int, struct sockaddr *, socklen_t *))
{
    union address a = {0};
    socklen_t len = sizeof a;
    if (ask(fd, &a.any, &len) != 0)
        return 0;
    if (a.any.sa_family == AF_INET)
        return ntohs(a.v4.sin_port);
    return a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : 0;
}

static int ask_peer(int fd, struct sockaddr *a, socklen_t *len)
{
    return getpeername(fd, a, len);
}

static int ask_own(int fd, struct sockaddr *a, socklen_t *len)
{
    return getsockname(fd, a, len);
}

/* Sockets that look like attempts, and when they were first seen. */
static struct seen {
    uint16_t own, peer;
    uint32_t scan; /* the last that found it */
    int64_t first_ns;
} seen[SEEN_MAX];
static size_t seen_len;
static uint32_t scans;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards these */

/* How long the socket is known; it is from now on. */
static int64_t age(uint16_t own, uint16_t peer, int64_t now_ns)
{
    size_t i = 0;
    while (i < seen_len && (seen[i].own != own || seen[i].peer != peer))
        i++;
    if (i == SEEN_MAX)
        return 0;
    if (i == seen_len)
        seen[seen_len++] = (struct seen){.own = own, .peer = peer, .first_ns = now_ns};
    seen[i].scan = scans;
    return now_ns - seen[i].first_ns;
}

/* Those of that peer that are gone, or connected by now. */
static void forget(uint16_t peer)
{
    for (size_t i = 0; i < seen_len;) {
        if (seen[i].peer == peer && seen[i].scan != scans)
            seen[i] = seen[--seen_len];
        else
            i++;
    }
}

static size_t scan(DIR *fds, uint16_t port, int64_t age_ns, bool (*keep)(uint16_t own_port))
{
    size_t n = 0;
    int64_t now_ns = clock_mono_ns();
    for (struct dirent *e; (e = readdir(fds));) {
        char *end;
        int fd = (int)strtol(e->d_name, &end, 10);
        if (end == e->d_name || *end || port_of(fd, ask_peer) != port)
            continue;
        uint16_t own = port_of(fd, ask_own);
        if (!keep(own) && age(own, port, now_ns) >= age_ns)
            n += shutdown(fd, SHUT_RDWR) == 0;
    }
    return n;
}

size_t nats_cut(uint16_t port, int64_t age_ns, bool (*keep)(uint16_t own_port))
{
    DIR *fds = port ? opendir("/proc/self/fd") : NULL;
    if (!fds)
        return 0;
    pthread_mutex_lock(&lock);
    scans++;
    size_t n = scan(fds, port, age_ns, keep);
    forget(port);
    pthread_mutex_unlock(&lock);
    closedir(fds);
    return n;
}
