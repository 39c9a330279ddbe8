/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker.c - a worker and the memory of the process: who waits, who goes first, what is given back. */
#include "budget.h"
#include "clock.h"
#include "fetch.h"
#include "pool.h"
#include "test.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)

/* Serves one page under every path, a request for each connection, and writes down the paths. */
static struct {
    int fd;
    pthread_t thread;
    struct buf page;
    char paths[16]; /* of one letter each */
    _Atomic size_t len;
} server;

static void *serve(void *arg)
{
    char in[4096], head[128];
    int fd;
    (void)arg;
    while ((fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        ssize_t n = recv(fd, in, sizeof in - 1, 0);
        if (n > 5 && server.len < sizeof server.paths) {
            server.paths[server.len] = in[5]; /* behind "GET /" */
            server.len++;
        }
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                 server.page.len);
        send(fd, head, strlen(head), MSG_NOSIGNAL);
        send(fd, server.page.data, server.page.len, MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

static uint16_t server_start(size_t lines)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    server.page = (struct buf)BUF_INIT(16 << 20);
    for (size_t i = 0; i < lines; i++)
        CHECK_INT(buf_printf(&server.page, "number{index=\"%zu\"} %zu\n", i, i), OK);
    server.len = 0;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(server.fd, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_INT(listen(server.fd, 16), 0);
    CHECK_INT(getsockname(server.fd, (struct sockaddr *)&a, &len), 0);
    CHECK_INT(pthread_create(&server.thread, NULL, serve, NULL), 0);
    return ntohs(a.sin_port);
}

static void server_end(void)
{
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
    buf_done(&server.page);
}

/* A pool of one worker that scrapes one target at a time, and targets a, b, c. */
enum { TARGETS = 3 };

static struct {
    struct pool_books books;
    struct pool_conf conf;
    struct pool *pool;
    struct target *targets[TARGETS];
    struct target_state *states[TARGETS];
    uint16_t port;
    size_t hog; /* in the budget, nobody's */
} rig;

static void make_target(int i, int64_t interval_ns)
{
    char url[64], id[] = {(char)('a' + i), '\0'};
    int64_t timeout_ns = interval_ns < 10 * SEC_NS ? interval_ns : 10 * SEC_NS;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", rig.port, id);
    if (rig.targets[i])
        target_unref(rig.targets[i]);
    else
        rig.states[i] = target_state_new(id);
    rig.targets[i] = target_new(&(struct target){
        .id = id, .url = url, .interval_ns = interval_ns, .timeout_ns = timeout_ns});
}

static void rig_start(size_t lines, int64_t interval_ns)
{
    struct pipeline pipeline;
    struct err err = {.text = ""};
    CHECK_INT(net_init(&err), OK);
    memset(&rig, 0, sizeof rig);
    rig.port = server_start(lines);
    setting_defaults(pool_settings, &rig.conf);
    rig.conf.workers = rig.conf.in_flight = 1;
    rig.conf.max_connections = 4;
    CHECK_INT(pipeline_init(&pipeline, NULL, NULL, 0, NULL, 0, &rig.books, &err), OK);
    CHECK_INT(pool_new(&rig.pool, &rig.conf, &pipeline, &err), OK);
    for (int i = 0; i < TARGETS; i++)
        make_target(i, interval_ns);
}

static void rig_finish(void)
{
    budget_set_bound(SIZE_MAX);
    budget_count(BUDGET_PAYLOADS, &rig.hog, 0);
    pool_close(rig.pool);
    pool_free(rig.pool);
    for (int i = 0; i < TARGETS; i++) {
        target_state_unref(rig.states[i]);
        target_unref(rig.targets[i]);
    }
    setting_done(pool_settings, &rig.conf);
    server_end();
    for (int i = 0; i < BUDGET_PARTS; i++)
        CHECK_INT(budget_part_bytes((enum budget_part)i), 0);
    CHECK_INT(budget_waiting(), 0);
}

static void send_job(int target, int64_t due_ns)
{
    struct job like = {.kind = JOB_SCRAPE, .target = rig.targets[target], .due_ns = due_ns};
    struct channel *c = pool_inlet(rig.pool)->channels[0];
    CHECK_INT(channel_send(c, job_start(rig.states[target], &like), 1, DEADLINE_NOW), OK);
}

/* A job that goes stale soon, but not before it waits. */
#define LATER_NS (40 * MS_NS)

#define WAIT(cond)                                                              \
    do {                                                                        \
        for (int64_t until_ns = clock_mono_ns() + 20 * SEC_NS; !(cond);) {      \
            if (clock_mono_ns() > until_ns)                                     \
                test_fail(__FILE__, __LINE__, "this does not come: %s", #cond); \
            sched_yield();                                                      \
        }                                                                       \
    } while (0)

/* From now on there is no room for anything, until the hog goes. */
static void fill_memory(void)
{
    budget_count(BUDGET_PAYLOADS, &rig.hog, 64 << 20);
    budget_set_bound(budget_used());
}

static void free_memory(void)
{
    budget_count(BUDGET_PAYLOADS, &rig.hog, 0);
}

TEST(room_that_a_worker_keeps_is_given_back_for_a_scrape_that_waits)
{
    rig_start(20000, 60 * SEC_NS);
    send_job(0, clock_mono_ns());
    WAIT(rig.books.scraped == 1 && !rig.states[0]->busy);
    size_t kept = budget_part_bytes(BUDGET_WORK) + budget_part_bytes(BUDGET_BODIES);
    struct fetch_request q = {.target = rig.targets[1], .expect_body = rig.states[0]->body_bytes};
    q.expect_body += q.expect_body / 16;
    size_t wants = budget_used() - kept + fetch_bytes(&q);
    /* There is room for it among bodies without what is kept; with that not even for the one that may
     * go beyond their mark. */
    budget_set_bound((wants + 64 * KIB) / 7 * 8);
    CHECK(wants + kept > budget_bound() / 16 * 15);
    rig.states[1]->body_bytes = rig.states[0]->body_bytes;
    send_job(1, clock_mono_ns());
    WAIT(rig.books.scraped == 2);
    CHECK_INT(rig.books.waited, 1);
    rig_finish();
}

TEST(a_target_that_waited_in_vain_says_so_and_asks_for_half)
{
    rig_start(1, 20 * MS_NS);
    rig.states[0]->body_bytes = 1600 * KIB;
    fill_memory();
    send_job(0, clock_mono_ns() + LATER_NS);
    WAIT(rig.books.stale == 1 && !rig.states[0]->busy);
    CHECK_INT(rig.books.waited, 1);
    CHECK_INT(rig.books.waiting, 0);
    CHECK_INT(rig.states[0]->body_bytes, 850 * KIB); /* of what it asked for: a 16th more */
    struct target_shown t = target_state_shown(rig.states[0]);
    CHECK_INT(t.failure, SCRAPE_MEMORY);
    CHECK(strstr(t.last_error.text, "agent.memory"));
    CHECK_INT(server.len, 0);
    rig_finish();
}

TEST(whose_job_was_due_first_begins_first)
{
    rig_start(1, 60 * SEC_NS);
    for (int i = 0; i < TARGETS; i++)
        rig.states[i]->body_bytes = 400 * KIB;
    int64_t now_ns = clock_mono_ns();
    fill_memory();
    send_job(1, now_ns - 1 * SEC_NS);
    send_job(2, now_ns - 3 * SEC_NS);
    send_job(0, now_ns - 2 * SEC_NS);
    WAIT(rig.books.waiting == TARGETS);
    free_memory();
    WAIT(rig.books.scraped == TARGETS);
    CHECK_INT(server.len, TARGETS);
    CHECK(memcmp(server.paths, "cab", TARGETS) == 0);
    for (int i = 0; i < TARGETS; i++)
        WAIT(!rig.states[i]->busy && rig.states[i]->waits_since_ns == 0);
    rig_finish();
}

TEST(who_missed_a_scrape_keeps_its_place)
{
    rig_start(1, 20 * MS_NS);
    for (int i = 0; i < TARGETS; i++)
        rig.states[i]->body_bytes = 400 * KIB;
    fill_memory();
    int64_t early_ns = clock_mono_ns() + LATER_NS;
    rig.states[2]->waits_since_ns = early_ns - 10 * SEC_NS;
    send_job(2, early_ns);
    send_job(0, early_ns);
    WAIT(rig.books.stale == 2 && !rig.states[0]->busy && !rig.states[2]->busy);
    CHECK_INT(rig.states[0]->waits_since_ns, early_ns);
    CHECK_INT(rig.states[2]->waits_since_ns, 0); /* it was first, and there was no room for it */
    rig.states[0]->body_bytes = 400 * KIB;
    make_target(0, 60 * SEC_NS);
    make_target(1, 60 * SEC_NS);
    send_job(1, early_ns + 1);
    send_job(0, early_ns + 2);
    WAIT(rig.books.waiting == 2);
    free_memory();
    WAIT(rig.books.scraped == 2);
    CHECK(memcmp(server.paths, "ab", 2) == 0);
    rig_finish();
}
