/* SPDX-License-Identifier: Apache-2.0 */
/* nats_cut.c - ends an attempt that hangs; the contract is in nats_cut.h. */
#include "nats_cut.h"

#include "clock.h"
#include "sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

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

struct listeners {
    uint16_t ports[NATS_CUT_LISTENERS];
    size_t len;
};

static int option(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : 0;
}

/* -1: no more. */
static int next_fd(DIR *fds)
{
    for (struct dirent *e; (e = readdir(fds));) {
        char *end;
        long fd = strtol(e->d_name, &end, 10);
        if (end != e->d_name && !*end)
            return (int)fd;
    }
    return -1;
}

static void find_listeners(DIR *fds, struct listeners *ret)
{
    for (int fd; (fd = next_fd(fds)) >= 0 && ret->len < NATS_CUT_LISTENERS;)
        if (option(fd, SO_ACCEPTCONN))
            ret->ports[ret->len++] = port_of(fd, ask_own);
    rewinddir(fds);
}

static bool is_accepted(const struct listeners *l, uint16_t own)
{
    for (size_t i = 0; i < l->len; i++)
        if (l->ports[i] == own)
            return true;
    return false;
}

static bool is_suspect(int fd, uint16_t port)
{
    return port_of(fd, ask_peer) == port && option(fd, SO_TYPE) == SOCK_STREAM;
}

static size_t scan(DIR *fds, uint16_t port, int64_t age_ns, bool (*keep)(uint16_t own_port))
{
    size_t n = 0;
    int64_t now_ns = clock_mono_ns();
    struct listeners listeners = {.len = 0};
    find_listeners(fds, &listeners);
    for (int fd; (fd = next_fd(fds)) >= 0;) {
        if (net_socket_is_ours(fd) || !is_suspect(fd, port))
            continue;
        /* The number may become another socket's between any two calls; the copy stays what it
         * is.  If that is lib/net's, it was noted, or its number is closed by now. */
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        uint16_t own = port_of(copy, ask_own);
        if (copy >= 0 && !net_socket_is_ours(fd) && is_suspect(copy, port) && !keep(own) &&
            !is_accepted(&listeners, own) && age(own, port, now_ns) >= age_ns)
            n += shutdown(copy, SHUT_RDWR) == 0;
        if (copy >= 0)
            close(copy);
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
