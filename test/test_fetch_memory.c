/* SPDX-License-Identifier: Apache-2.0 */
/* test_fetch_memory.c - bodies for which there is no room. */
#include "budget.h"
#include "clock.h"
#include "fetch.h"
#include "mem.h"
#include "test.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

/* One answer for each connection. */
struct server {
    int fd;
    char url[64];
    const char *head;
    struct span body;
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    char in[4096];
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || recv(fd, in, sizeof in, 0) <= 0)
        abort();
    send(fd, s->head, strlen(s->head), MSG_NOSIGNAL);
    send(fd, s->body.data, s->body.len, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static void server_start(struct server *s, const char *head, struct span body)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *s = (struct server){.head = head, .body = body};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_INT(listen(s->fd, 1), 0);
    CHECK_INT(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/", ntohs(a.sin_port));
    CHECK_INT(pthread_create(&s->thread, NULL, serve, s), 0);
}

static struct {
    bool over;
    struct fetch_result result;
    size_t bytes;
    size_t beside; /* in the budget, beside the body */
    struct fetcher *fetcher;
} seen;

static void done(void *of, void *user, const struct fetch_result *r)
{
    (void)of;
    (void)user;
    seen.over = true;
    seen.result = *r;
    seen.bytes = r->body.len;
    seen.beside = budget_part_bytes(BUDGET_BODIES) - fetcher_body_bytes(seen.fetcher);
}

#define BODY  ((size_t)1 << 20)
#define PLAIN "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define TOLD  "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"

/* With so much room to the bound, of which an eighth is beyond the mark. */
static void fetch_body(const char *head, struct span body, size_t room, size_t expect)
{
    struct server s;
    struct fetcher *f;
    struct err err;
    struct fetcher_conf conf = {.max_connections = 2, .accept = "Accept: */*", .done = done};
    seen.over = false;
    CHECK_INT(net_init(&err), OK);
    server_start(&s, head, body);
    CHECK_INT(fetcher_new(&f, &conf, &err), OK);
    seen.fetcher = f;
    struct target *t = target_new(&(struct target){
        .id = "x", .url = s.url, .interval_ns = 10 * SEC_NS, .timeout_ns = 10 * SEC_NS});
    struct fetch_request q = {.target = t, .max_body = 16 << 20, .expect_body = expect};
    budget_set_bound(budget_used() + room);
    fetch_start(f, &q);
    while (!seen.over)
        curl_loop_wait(fetcher_loop(f), clock_mono_ns() + 10 * SEC_NS);
    budget_set_bound(SIZE_MAX);
    pthread_join(s.thread, NULL);
    close(s.fd);
    fetcher_free(f);
    target_unref(t);
    CHECK_INT(budget_part_bytes(BUDGET_BODIES), 0);
    CHECK_INT(budget_part_bytes(BUDGET_CLIENTS), 0);
}

static void fetch(const char *head, size_t room, size_t expect)
{
    char *body = mem_alloc(BODY);
    memset(body, '\n', BODY);
    fetch_body(head, (struct span){body, BODY}, room, expect);
    mem_free(body);
}

TEST(a_body_that_fits_comes_and_what_it_took_is_given_back)
{
    fetch(PLAIN, 16 * BODY, 0);
    CHECK(seen.result.ok);
    CHECK_INT(seen.bytes, BODY);
    fetch(TOLD, 16 * BODY, BODY);
    CHECK(seen.result.ok);
}

TEST(a_body_that_says_its_length_and_does_not_fit_ends_before_it_is_read)
{
    fetch(TOLD, BODY / 2, 0);
    CHECK(!seen.result.ok);
    CHECK_INT(seen.result.why, SCRAPE_MEMORY);
    CHECK_INT(seen.result.wants, BODY);
    CHECK_INT(seen.bytes, 0);
    CHECK(strstr(seen.result.err.text, "agent.memory"));
}

TEST(a_body_that_grows_beyond_the_room_ends_where_there_is_none)
{
    fetch(PLAIN, BODY / 2, 0);
    CHECK(!seen.result.ok);
    CHECK_INT(seen.result.why, SCRAPE_MEMORY);
    CHECK(seen.bytes > 0 && seen.bytes < BODY / 2);
    CHECK(seen.result.wants > seen.bytes);
}

TEST(one_body_may_go_beyond_the_mark_up_to_the_bound)
{
    const size_t room = BODY + ((size_t)256 << 10);
    struct target t = {.url = "http://x/"};
    struct fetch_request q = {.target = &t, .max_body = 16 << 20, .expect_body = BODY};
    budget_set_bound(budget_used() + room);
    CHECK(!fetch_has_room(&q, false));
    CHECK(fetch_has_room(&q, true));
    budget_set_bound(SIZE_MAX);
    fetch(TOLD, room, BODY);
    CHECK(seen.result.ok);
}

/* A megabyte of lines behind gzip, which nobody asked for; head has room for its length. */
static void fetch_gzip(bool told, size_t room)
{
    AUTO(buf) struct buf text = BUF_INIT(2 * BODY);
    char head[160], length[48] = "";
    for (unsigned i = 0; text.len < BODY - 32; i++)
        CHECK_INT(buf_printf(&text, "lines_total{index=\"%u\"} 1\n", i * 2654435761U), OK);
    size_t cap = compressBound(text.len) + 32;
    char *small = mem_alloc(cap);
    z_stream z = {.next_in = (z_const Bytef *)text.data, .avail_in = (uInt)text.len};
    z.next_out = (Bytef *)small;
    z.avail_out = (uInt)cap;
    CHECK_INT(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    if (told)
        snprintf(length, sizeof length, "Content-Length: %lu\r\n", z.total_out);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n%s\r\n", length);
    fetch_body(head, (struct span){small, z.total_out}, room, 0);
    mem_free(small);
}

TEST(gzip_that_was_not_asked_for_counts_as_it_is_undone)
{
    fetch(TOLD, 16 * BODY, 0);
    size_t plain = seen.beside;
    fetch_gzip(true, 16 * BODY);
    CHECK(seen.result.ok);
    CHECK(seen.bytes > BODY - 64);
    CHECK(seen.beside >= plain + (40 << 10)); /* what zlib has */
}

TEST(a_compressed_body_ends_where_there_is_no_room_and_says_what_it_would_be)
{
    for (int told = 0; told < 2; told++) {
        fetch_gzip(told, BODY / 2);
        CHECK(!seen.result.ok);
        CHECK_INT(seen.result.why, SCRAPE_MEMORY);
        CHECK(seen.bytes > 0 && seen.bytes < BODY / 2);
        CHECK(seen.result.wants > seen.bytes);
        if (told)
            CHECK(seen.result.wants > BODY / 4 * 3 && seen.result.wants < BODY / 4 * 5);
    }
}
