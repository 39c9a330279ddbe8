/* SPDX-License-Identifier: Apache-2.0 */
/* listen.c - numeric addresses only: no look-up may hold up the start. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_port(const char *text, in_port_t *ret)
{
    size_t n = strspn(text, "0123456789");
    unsigned long port = strtoul(text, NULL, 10);
    if (n == 0 || n > 5 || text[n] != '\0' || port > UINT16_MAX)
        return false;
    *ret = htons((uint16_t)port);
    return true;
}

/* host is what stands before the last ':', with brackets round an IPv6 address. */
static bool parse_host(const char *host, size_t len, union address *a)
{
    char text[INET6_ADDRSTRLEN + 1];
    bool v6 = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    if (len == 0) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_addr = in6addr_any;
        return true;
    }
    if (v6) {
        host++;
        len -= 2;
    }
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    a->any.sa_family = v6 ? AF_INET6 : AF_INET;
    return inet_pton(a->any.sa_family, text, v6 ? (void *)&a->v6.sin6_addr : &a->v4.sin_addr) == 1;
}

static bool parse(const char *text, union address *a)
{
    in_port_t port = 0;
    const char *colon = strrchr(text, ':');
    *a = (union address){.v6 = {0}};
    if (!colon || !parse_port(colon + 1, &port) || !parse_host(text, (size_t)(colon - text), a))
        return false;
    if (a->any.sa_family == AF_INET6)
        a->v6.sin6_port = port;
    else
        a->v4.sin_port = port;
    return true;
}

static int open_at(const union address *a, bool everywhere)
{
    int on = 1, off = 0;
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    socklen_t len = a->any.sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (everywhere) /* IPv4 too */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, &a->any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static void say_url(int fd, bool everywhere, const char *scheme, char url[LISTEN_URL])
{
    union address a = {.v6 = {0}};
    socklen_t len = sizeof a;
    char host[INET6_ADDRSTRLEN] = "localhost";
    getsockname(fd, &a.any, &len);
    bool v6 = a.any.sa_family == AF_INET6;
    unsigned port = ntohs(v6 ? a.v6.sin6_port : a.v4.sin_port);
    if (!everywhere)
        inet_ntop(a.any.sa_family, v6 ? (void *)&a.v6.sin6_addr : &a.v4.sin_addr, host,
                  sizeof host);
    snprintf(url, LISTEN_URL, v6 && !everywhere ? "%s://[%s]:%u" : "%s://%s:%u", scheme, host,
             port);
}

enum status listen_open(const char *text, const char *scheme, int *ret_fd, char url[LISTEN_URL],
                        struct err *err)
{
    union address a;
    if (!parse(text, &a))
        return err_set(err, ERR_INVALID,
                       "'%.80s' is no address to listen at, like 127.0.0.1:9690, [::1]:9690, :9690",
                       text);
    bool everywhere = text[0] == ':';
    int fd = open_at(&a, everywhere);
    if (fd < 0 && everywhere && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        a.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = a.v6.sin6_port};
        fd = open_at(&a, false); /* a machine without IPv6 */
    }
    if (fd < 0)
        return err_set(err, ERR_IO, "cannot listen at %s: %s", text, strerror(errno));
    say_url(fd, everywhere, scheme, url);
    *ret_fd = fd;
    return OK;
}
