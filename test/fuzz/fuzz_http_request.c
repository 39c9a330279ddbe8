/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http_request.c - whatever bytes a client sends to the agent's own HTTP, in two pieces, it
 * gets one whole answer or none, and the server is as it was.  Over a Unix socket, which
 * leaves no port behind. */
#include "../made_view.h"
#include "server.h"
#include "web.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"GET ",
                                  "HEAD ",
                                  "POST ",
                                  "CONNECT ",
                                  "OPTIONS ",
                                  "/",
                                  "/metrics",
                                  "http://[::1]:80/",
                                  "*",
                                  "?q=a",
                                  "&q=%3Cscript%3E",
                                  "%",
                                  "%00",
                                  "#",
                                  " HTTP/1.1\r\n",
                                  " HTTP/1.1\r\n",
                                  " HTTP/1.0\r\n",
                                  " HTTP/2.0\r\n",
                                  "Host: a\r\n",
                                  "Content-Length: 3\r\n",
                                  "Content-Length: 99999999999999999999\r\n",
                                  "Content-Length: -1\r\n",
                                  "Transfer-Encoding: chunked\r\n",
                                  "Expect: 100-continue\r\n",
                                  "Connection: keep-alive\r\n",
                                  "Connection: close\r\n",
                                  "Upgrade: h2c\r\n",
                                  ": x\r\n",
                                  " folded\r\n",
                                  "\r\n",
                                  "\r\n\r\n",
                                  "\n",
                                  "\r",
                                  "3\r\nabc\r\n",
                                  "0\r\n\r\n",
                                  "ffffffffffffffff\r\n",
                                  "abc",
                                  " ",
                                  "\xff",
                                  NULL};

static struct event_base *base;
static struct server *server;
static struct sockaddr_un where;
static socklen_t where_len = sizeof where;
static struct made made;
static int asked;

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void answer(void *of, const struct server_request *request, struct server_reply *reply)
{
    (void)of;
    asked++;
    require(request->path && strlen(request->path) <= SERVER_HEADER_BYTES);
    enum status s = request->q ? web_page(&made.view, request->q, &reply->body)
                               : buf_puts(&reply->body, request->path);
    require(s == OK && !(request->q && strstr(reply->body.data, "<script")));
}

static void start(void)
{
    struct server_conf conf = SERVER_CONF_DEFAULT;
    signal(SIGPIPE, SIG_IGN);
    made_init(&made, 2);
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER); /* ticks come at once */
    base = event_base_new_with_config(config);
    event_config_free(config);
    conf.answer = answer;
    conf.tick_ns = 20 * INT64_C(1000);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    where.sun_family = AF_UNIX;
    require(bind(fd, (struct sockaddr *)&where, sizeof where.sun_family) == 0); /* any name */
    require(getsockname(fd, (struct sockaddr *)&where, &where_len) == 0);
    require(listen(fd, 16) == 0);
    require(server_new(&server, base, fd, &conf, NULL) == OK);
}

static void send_some(int fd, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = send(fd, data + at, size - at, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return; /* the server has seen enough */
        at += n > 0 ? (size_t)n : 0;
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

/* The answer is whole: what Content-Length says, or an error of evhttp's own. */
static void look_at(const char *text, size_t len)
{
    if (len == 0)
        return;
    if (strncmp(text, "HTTP/1.1 100 ", 13) == 0)
        text = strstr(text, "\r\n\r\n") + 4;
    if (*text == '\0')
        return;
    const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
    require(strncmp(text, "HTTP/", 5) == 0 && body);
    if (strncmp(text + 8, " 200 ", 5) == 0) {
        size_t want = strtoul(length + 16, NULL, 10), got = strlen(body + 4);
        require(got == want || got == 0); /* HEAD */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[1 << 20];
    size_t len = 0;
    ssize_t n;
    if (!server)
        start();
    uint64_t requests = server_counts(server).requests;
    asked = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(connect(fd, (struct sockaddr *)&where, where_len) == 0);
    send_some(fd, data, size / 2);
    event_base_loop(base, EVLOOP_NONBLOCK);
    send_some(fd, data + size / 2, size - size / 2);
    shutdown(fd, SHUT_WR);
    for (int rounds = 0; (n = recv(fd, text + len, sizeof text - 1 - len, MSG_DONTWAIT)) != 0;) {
        if (n < 0 && errno != EAGAIN)
            break;
        len += n > 0 ? (size_t)n : 0;
        require(++rounds < 10000);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    text[len] = '\0';
    close(fd);
    while (server_counts(server).connections > 0) /* nothing stays for the next input */
        event_base_loop(base, EVLOOP_NONBLOCK);
    look_at(text, len);
    require(asked <= 1 && server_counts(server).requests - requests <= 1);
    require(server_counts(server).reply_bytes == 0);
    return 0;
}
