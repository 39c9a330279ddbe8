/* SPDX-License-Identifier: Apache-2.0 */
/* test_server.c - the bounds of the server: slow, silent, many and large clients.  Server and
 * clients share the test's thread: the loop goes round while a client waits. */
#include "clock.h"
#include "listen.h"
#include "mem.h"
#include "server.h"
#include "test.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET     "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
#define REQUEST (60 * MS_NS)
#define PATIENT (5 * SEC_NS)

struct bench {
    struct event_base *base;
    struct server *server;
    in_port_t port;
    size_t body_bytes; /* what an answer has */
    int asked;
    char path[64], q[64];
};

static void answer(void *of, const struct server_request *request, struct server_reply *reply)
{
    struct bench *b = of;
    b->asked++;
    snprintf(b->path, sizeof b->path, "%s", request->path);
    snprintf(b->q, sizeof b->q, "%s", request->q ? request->q : "-");
    char *room = buf_room(&reply->body, b->body_bytes);
    if (!room) {
        reply->code = 500;
        return;
    }
    memset(room, 'x', b->body_bytes);
    buf_used(&reply->body, b->body_bytes);
}

static void bench_init(struct bench *b, struct server_conf conf)
{
    int fd;
    char url[LISTEN_URL];
    struct err err;
    *b = (struct bench){.body_bytes = 5, .base = event_base_new()};
    signal(SIGPIPE, SIG_IGN);
    conf.answer = answer;
    conf.of = b;
    CHECK_INT(listen_open("127.0.0.1:0", "http", &fd, url, &err), OK);
    b->port = (in_port_t)strtoul(strrchr(url, ':') + 1, NULL, 10);
    CHECK_INT(server_new(&b->server, b->base, fd, &conf, &err), OK);
}

static void bench_done(struct bench *b)
{
    server_free(b->server);
    event_base_free(b->base);
}
DEFINE_AUTO(bench, bench_done)

static struct server_conf quick(void)
{
    struct server_conf conf = SERVER_CONF_DEFAULT;
    conf.request_ns = REQUEST;
    conf.tick_ns = REQUEST / 8;
    return conf;
}

static int join_server(const struct bench *b)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(b->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}

static void go_round(struct bench *b)
{
    event_base_loop(b->base, EVLOOP_NONBLOCK);
    usleep(200);
}

/* What comes until the end of the stream, which must come. */
static const char *read_all(struct bench *b, int fd)
{
    static char text[1 << 16];
    size_t len = 0;
    int64_t until = clock_mono_ns() + PATIENT;
    for (;;) {
        CHECK(clock_mono_ns() < until);
        ssize_t n = recv(fd, text + len, sizeof text - 1 - len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            break;
        if (n > 0)
            len += (size_t)n;
        else
            go_round(b);
    }
    text[len] = '\0';
    close(fd);
    return text;
}

static const char *ask(struct bench *b, const char *request)
{
    int fd = join_server(b);
    CHECK_INT(send(fd, request, strlen(request), 0), strlen(request));
    return read_all(b, fd);
}

static void wait_connections(struct bench *b, size_t n)
{
    int64_t until = clock_mono_ns() + PATIENT;
    while (server_counts(b->server).connections != n) {
        CHECK(clock_mono_ns() < until);
        go_round(b);
    }
}

TEST(a_request_is_answered_and_the_connection_ends)
{
    AUTO(bench) struct bench b;
    bench_init(&b, quick());
    const char *got = ask(&b, "GET /a%20b?x=1&q=two%20words+more HTTP/1.1\r\nHost: a\r\n\r\n" GET);
    CHECK(strncmp(got, "HTTP/1.1 200 OK\r\n", 17) == 0);
    CHECK(strstr(got, "\r\nConnection: close\r\n") && strstr(got, "\r\nContent-Length: 5\r\n"));
    CHECK(strstr(got, "\r\nCache-Control: no-store\r\n"));
    CHECK(strstr(got, "\r\nX-Content-Type-Options: nosniff\r\n"));
    CHECK_STR(strstr(got, "\r\n\r\n"), "\r\n\r\nxxxxx");
    CHECK_STR(b.path, "/a%20b");
    CHECK_STR(b.q, "two words more");
    CHECK_INT(b.asked, 1); /* what follows on the connection is not read */
    wait_connections(&b, 0);
    CHECK_INT(server_counts(b.server).requests, 1);
    CHECK_INT(server_counts(b.server).errors, 0);
    CHECK_INT(server_counts(b.server).reply_bytes, 0);
}

TEST(head_has_the_length_and_no_body)
{
    AUTO(bench) struct bench b;
    bench_init(&b, quick());
    const char *got = ask(&b, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(strstr(got, " 200 ") && strstr(got, "\r\nContent-Length: 5\r\n"));
    CHECK_STR(strstr(got, "\r\n\r\n"), "\r\n\r\n");
    got = ask(&b, "GET /x HTTP/1.0\r\n\r\n");
    CHECK(strstr(got, "\r\nContent-Length: 5\r\n") && strstr(got, "\r\n\r\nxxxxx"));
}

TEST(other_methods_are_refused)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};
    AUTO(bench) struct bench b;
    bench_init(&b, quick());
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        char request[100];
        snprintf(request, sizeof request, "%s / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", methods[i]);
        const char *got = ask(&b, request);
        CHECK(strstr(got, " 405 ") && strstr(got, "\r\nAllow: GET, HEAD\r\n"));
    }
    CHECK_INT(b.asked, 0);
    CHECK_INT(server_counts(b.server).errors, ARRAY_LEN(methods));
}

TEST(what_is_no_request_is_answered_with_an_error_or_cut)
{
    static const char *const junk[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "BREW /pot HTTP/1.1\r\n\r\n",
        "GET /x HTTP/9.9\r\n\r\n",
        "GET http://[::1 HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /x HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "GET /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "\x16\x03\x01\x02",
        "CONNECT a:1 HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    };
    AUTO(bench) struct bench b;
    bench_init(&b, quick());
    for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
        const char *got = ask(&b, junk[i]);
        CHECK(!strstr(got, " 200 "));
    }
    CHECK_INT(b.asked, 0);
    CHECK(strstr(ask(&b, GET), " 200 "));
    wait_connections(&b, 0);
}

static const char *ask_with(struct bench *b, const char *head, size_t filler, const char *tail)
{
    char *request = mem_alloc(strlen(head) + filler + strlen(tail) + 1);
    memcpy(request, head, strlen(head));
    memset(request + strlen(head), 'y', filler);
    memcpy(request + strlen(head) + filler, tail, strlen(tail));
    int fd = join_server(b);
    size_t len = strlen(request), at = 0;
    int64_t until = clock_mono_ns() + PATIENT;
    while (at < len && clock_mono_ns() < until) {
        ssize_t n = send(fd, request + at, len - at, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            break; /* the server has seen enough */
        at += n > 0 ? (size_t)n : 0;
        go_round(b);
    }
    mem_free(request);
    return read_all(b, fd);
}

TEST(headers_and_bodies_have_bounds)
{
    AUTO(bench) struct bench b;
    bench_init(&b, quick());
    CHECK(strstr(ask_with(&b, "GET /x HTTP/1.1\r\nA: ", 15000, "\r\n\r\n"), " 200 "));
    CHECK_INT(b.asked, 1);
    CHECK(!strstr(ask_with(&b, "GET /x HTTP/1.1\r\nA: ", 17000, "\r\n\r\n"), " 200 "));
    CHECK(!strstr(ask_with(&b, "GET /", 17000, " HTTP/1.1\r\n\r\n"), " 200 "));
    CHECK(!strstr(ask_with(&b, "GET /x HTTP/1.1\r\nA: ", 1000000, "\r\n\r\n"), " 200 "));
    CHECK(!strstr(ask_with(&b, "GET /x HTTP/1.1\r\nContent-Length: 70000\r\n\r\n", 70000, ""),
                  " 200 "));
    CHECK(!strstr(ask_with(&b, "GET /x HTTP/1.1\r\nContent-Length: 9000000000000\r\n\r\n", 10, ""),
                  " 200 "));
    CHECK_INT(b.asked, 1);
    CHECK(strstr(ask_with(&b, "GET /x HTTP/1.1\r\nContent-Length: 60000\r\n\r\n", 60000, ""),
                 " 200 "));
    wait_connections(&b, 0);
}

TEST(who_is_silent_or_dribbles_is_cut)
{
    AUTO(bench) struct bench b;
    bench_init(&b, quick());
    int64_t start = clock_mono_ns();
    int silent = join_server(&b), dribbling = join_server(&b);
    wait_connections(&b, 2);
    for (int i = 0; server_counts(b.server).connections == 2; i++) {
        CHECK(clock_mono_ns() - start < PATIENT);
        send(dribbling, "G", 1, MSG_DONTWAIT); /* each byte is progress, and does not help */
        go_round(&b);
    }
    CHECK(clock_mono_ns() - start >= REQUEST);
    read_all(&b, silent);
    read_all(&b, dribbling);
    wait_connections(&b, 0);
    CHECK_INT(server_counts(b.server).cut, 2);
    CHECK_INT(b.asked, 0);
}

TEST(many_requests_do_not_put_off_the_next_look_at_the_others)
{
    AUTO(bench) struct bench b;
    struct server_conf conf = quick();
    conf.tick_ns = REQUEST;
    bench_init(&b, conf);
    for (int i = 0; i < 100; i++)
        CHECK(strstr(ask(&b, GET), " 200 "));
    read_all(&b, join_server(&b)); /* a silent one is cut: 100 looks later would be too late */
    CHECK_INT(server_counts(b.server).cut, 1);
}

TEST(without_descriptors_nobody_is_let_in_until_there_are_some)
{
    AUTO(bench) struct bench b;
    struct rlimit before, none;
    bench_init(&b, quick());
    CHECK(strstr(ask(&b, GET), " 200 "));
    int fd = join_server(&b);
    CHECK_INT(send(fd, GET, strlen(GET), 0), strlen(GET));
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 200; i++)
        go_round(&b);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(b.asked, 1);
    CHECK(strstr(read_all(&b, fd), " 200 "));
    CHECK_INT(b.asked, 2);
}

TEST(who_does_not_read_is_cut_and_its_reply_freed)
{
    AUTO(bench) struct bench b;
    struct server_conf conf = quick();
    conf.reply_ns = REQUEST;
    bench_init(&b, conf);
    b.body_bytes = (size_t)20 << 20;
    int fd = join_server(&b);
    CHECK_INT(send(fd, GET, strlen(GET), 0), strlen(GET));
    wait_connections(&b, 1);
    while (b.asked == 0)
        go_round(&b);
    CHECK_INT(server_counts(b.server).reply_bytes, b.body_bytes);
    wait_connections(&b, 0);
    while (server_counts(b.server).reply_bytes > 0)
        go_round(&b);
    CHECK_INT(server_counts(b.server).cut, 1);
    close(fd);
}

TEST(replies_under_way_share_one_bound)
{
    AUTO(bench) struct bench b;
    struct server_conf conf = quick();
    conf.reply_ns = PATIENT;
    conf.max_reply_bytes = (size_t)10 << 20;
    bench_init(&b, conf);
    b.body_bytes = (size_t)8 << 20;
    int fd = join_server(&b);
    CHECK_INT(send(fd, GET, strlen(GET), 0), strlen(GET));
    while (b.asked == 0)
        go_round(&b);
    CHECK(strstr(ask(&b, GET), " 500 "));
    CHECK_INT(server_counts(b.server).errors, 1);
    close(fd);
    wait_connections(&b, 0);
    while (server_counts(b.server).reply_bytes > 0)
        go_round(&b);
    b.body_bytes = 5;
    CHECK(strstr(ask(&b, GET), " 200 "));
}

TEST(silent_clients_lock_nobody_out)
{
    AUTO(bench) struct bench b;
    struct server_conf conf = quick();
    conf.max_connections = 2;
    conf.request_ns = 2 * REQUEST;
    bench_init(&b, conf);
    int silent[5];
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        silent[i] = join_server(&b);
    wait_connections(&b, 2);
    CHECK(server_counts(b.server).full > 0);
    CHECK(strstr(ask(&b, GET), " 200 "));
    CHECK(server_counts(b.server).cut >= 4);
    CHECK(server_counts(b.server).connections <= 2);
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        close(silent[i]);
    wait_connections(&b, 0);
}

TEST(a_client_that_leaves_early_costs_nothing)
{
    AUTO(bench) struct bench b;
    bench_init(&b, quick());
    b.body_bytes = (size_t)4 << 20;
    for (int i = 0; i < 20; i++) {
        int fd = join_server(&b);
        CHECK_INT(send(fd, GET, i % 2 ? strlen(GET) : 5, 0), i % 2 ? strlen(GET) : 5);
        if (i % 4 == 1)
            go_round(&b);
        close(fd);
    }
    while (b.asked < 10) /* every second one has asked */
        go_round(&b);
    wait_connections(&b, 0);
    while (server_counts(b.server).reply_bytes > 0)
        go_round(&b);
}

TEST(a_server_ends_with_requests_under_way)
{
    AUTO(bench) struct bench b;
    bench_init(&b, quick());
    b.body_bytes = (size_t)4 << 20;
    int asking = join_server(&b), silent = join_server(&b);
    CHECK_INT(send(asking, GET, strlen(GET), 0), strlen(GET));
    while (b.asked == 0)
        go_round(&b);
    close(asking);
    close(silent);
}
