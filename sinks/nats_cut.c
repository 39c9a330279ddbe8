/* SPDX-License-Identifier: Apache-2.0 */
/* nats_cut.c - ends an attempt that hangs; the contract is in nats_cut.h. */
#include "nats_cut.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <sys/socket.h>

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

size_t nats_cut(uint16_t port, bool (*keep)(uint16_t own_port))
{
    size_t n = 0;
    DIR *fds = opendir("/proc/self/fd");
    for (struct dirent *e; port && fds && (e = readdir(fds));) {
        char *end;
        int fd = (int)strtol(e->d_name, &end, 10);
        if (end == e->d_name || *end || port_of(fd, ask_peer) != port || keep(port_of(fd, ask_own)))
            continue;
        n += shutdown(fd, SHUT_RDWR) == 0;
    }
    if (fds)
        closedir(fds);
    return n;
}
