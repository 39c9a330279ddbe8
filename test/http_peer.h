/* SPDX-License-Identifier: Apache-2.0 */
/* http_peer.h - an http sink and the server it talks to, in one thread: what the server does is
 * written in the test, between two steps of the sink.
 *
 *     peer_open((const char *const[]){"connections", "2", NULL});
 *     CHECK_INT(peer_send("x"), OK);
 *     int fd = peer_accept();
 *     CHECK(strstr(peer_request(fd), "POST / HTTP/1.1\r\n"));
 *     peer_reply(fd, "204 No Content", "", "");
 *     PEER_WAIT(peer.run.ended[OK] == 1);  */
#ifndef HTTP_PEER_H
#define HTTP_PEER_H

#include "sink_run.h"
#include "test.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    struct sink_run run;
    int fd, port;            /* listens */
    int events;              /* epoll of that and of what was accepted: wakes the sink */
    char url[128], path[64]; /* path: added to url */
    char text[1 << 20];      /* the last request */
    char *body;              /* in text */
    size_t body_len;
    char why[8][240]; /* of failed ends, in their order */
    unsigned whys;
} peer;

static inline void peer_watch(int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    CHECK_INT(epoll_ctl(peer.events, EPOLL_CTL_ADD, fd, &e), 0);
}

static inline void peer_listen(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    signal(SIGPIPE, SIG_IGN);
    peer.events = epoll_create1(EPOLL_CLOEXEC);
    peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_INT(bind(peer.fd, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_INT(listen(peer.fd, 16), 0);
    CHECK_INT(getsockname(peer.fd, (struct sockaddr *)&a, &len), 0);
    peer.port = ntohs(a.sin_port);
    peer_watch(peer.fd);
}

/* A sink with these settings, and a url that leads here. */
static inline void peer_open(const char *const *settings)
{
    const char *all[32] = {"url", peer.url};
    if (!peer.fd)
        peer_listen();
    snprintf(peer.url, sizeof peer.url, "http://127.0.0.1:%d%s", peer.port, peer.path);
    for (size_t i = 0; settings[i]; i++)
        all[i + 2] = settings[i];
    sink_run_close(&peer.run);
    peer.whys = 0;
    enum status s = sink_run_open(&peer.run, "http", all);
    CHECK_STR(peer.run.err.text, "");
    CHECK_INT(s, OK);
}

/* Lets the sink, and what it says of failed ends, come. */
static inline void peer_step(void)
{
    struct err err = {.text = ""};
    if (!peer.run.self) { /* the sink is a lane's */
        struct pollfd p = {.fd = peer.events, .events = POLLIN};
        poll(&p, 1, 1);
        return;
    }
    enum status s = peer.run.ops->work(peer.run.self, peer.events, clock_mono_ns() + 20 * MS_NS);
    CHECK(s == OK || s == ERR_TIMEOUT);
    peer.run.ops->explain(peer.run.self, &err);
    if (err.text[0])
        memcpy(peer.why[peer.whys++ % ARRAY_LEN(peer.why)], err.text, sizeof err.text);
}

#define PEER_WAIT(cond)                                                        \
    for (int64_t until_ = clock_mono_ns() + 10 * SEC_NS; !(cond); peer_step()) \
        if (clock_mono_ns() > until_)                                          \
            test_fail(__FILE__, __LINE__, "not within 10 s: %s", #cond);

static inline enum status peer_send(const char *body)
{
    return sink_run_send(&peer.run, body, strlen(body));
}

static inline int peer_accept(void)
{
    int fd = -1;
    PEER_WAIT((fd = accept4(peer.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
    peer_watch(fd);
    return fd;
}

static inline bool peer_is_whole(size_t len)
{
    peer.text[len] = '\0';
    char *end = strstr(peer.text, "\r\n\r\n"), *said = strstr(peer.text, "Content-Length: ");
    if (!end)
        return false;
    peer.body = end + 4;
    peer.body_len = said && said < end ? strtoul(said + 16, NULL, 10) : 0;
    return len >= (size_t)(peer.body - peer.text) + peer.body_len;
}

/* One request, as text; valid until the next call. */
static inline const char *peer_request(int fd)
{
    size_t len = 0;
    ssize_t n = 1;
    PEER_WAIT(((n = recv(fd, peer.text + len, sizeof peer.text - 1 - len, 0)) > 0 &&
               peer_is_whole(len += (size_t)n)) ||
              n == 0)
    CHECK(n != 0);
    return peer.text;
}

static inline bool peer_has(const char *line)
{
    char whole[512];
    snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
    const char *at = strstr(peer.text, whole);
    return at && at < peer.body;
}

static inline void peer_say(int fd, const char *text)
{
    CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* headers: lines, each ended by \r\n. */
static inline void peer_reply(int fd, const char *status, const char *headers, const char *body)
{
    char text[2048];
    snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
             strlen(body), body);
    peer_say(fd, text);
}

static inline void peer_hang_up(int fd)
{
    epoll_ctl(peer.events, EPOLL_CTL_DEL, fd, NULL);
    close(fd);
}

static inline size_t peer_ends(void)
{
    size_t n = 0;
    for (size_t i = 0; i < STATUS_COUNT; i++)
        n += peer.run.ended[i];
    return n;
}

/* Sends once and answers so; returns how it ended. */
static inline enum status peer_try(const char *status, const char *headers, const char *body)
{
    size_t before[STATUS_COUNT], n = peer_ends();
    for (size_t i = 0; i < STATUS_COUNT; i++)
        before[i] = peer.run.ended[i];
    CHECK_INT(peer_send("x"), OK);
    int fd = peer_accept();
    peer_request(fd);
    peer_reply(fd, status, headers, body);
    PEER_WAIT(peer_ends() > n)
    peer_hang_up(fd);
    for (size_t i = 0; i < STATUS_COUNT; i++)
        if (peer.run.ended[i] != before[i])
            return (enum status)i;
    return STATUS_COUNT;
}

#endif
