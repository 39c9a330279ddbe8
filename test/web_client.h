/* SPDX-License-Identifier: Apache-2.0 */
/* web_client.h - one request to the agent's own HTTP, as bytes over a socket. */
#ifndef WEB_CLIENT_H
#define WEB_CLIENT_H

#include "test.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connected to http://HOST:PORT; at most 5 s for each call on it. */
static inline int web_join(const char *url)
{
    char host[64];
    const struct timeval patience = {.tv_sec = 5};
    const struct addrinfo want = {.ai_socktype = SOCK_STREAM};
    const char *at = strstr(url, "://") + 3, *colon = strrchr(url, ':');
    bool bracket = *at == '[';
    snprintf(host, sizeof host, "%.*s", (int)(colon - at) - 2 * bracket, at + bracket);
    struct addrinfo *to;
    CHECK_INT(getaddrinfo(host, colon + 1, &want, &to), 0);
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int r = connect(fd, to->ai_addr, to->ai_addrlen);
    freeaddrinfo(to);
    CHECK_INT(r, 0);
    return fd;
}

/* The whole answer, valid until the next call. */
static inline const char *web_ask(const char *url, const char *request)
{
    static char text[1 << 20];
    size_t len = 0;
    int fd = web_join(url);
    CHECK_INT(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (ssize_t n; (n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0;)
        len += (size_t)n;
    close(fd);
    text[len] = '\0';
    return text;
}

static inline const char *web_get(const char *url, const char *path)
{
    char request[256];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: agent\r\n\r\n", path);
    return web_ask(url, request);
}

static inline const char *web_body(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    CHECK(end);
    return end + 4;
}

#endif
