/* SPDX-License-Identifier: Apache-2.0 */
/* test_web_live.c - the pages over a socket, from the thread that serves them. */
#include "json_check.h"
#include "made_view.h"
#include "test.h"
#include "web.h"
#include "web_client.h"

#include <pthread.h>

struct agent {
    struct made made;
    struct web *web;
    _Atomic int taken, brief;
};

static void take(void *of, struct view *v)
{
    struct agent *a = of;
    a->taken++;
    a->brief += v->brief;
    *v = a->made.view;
}

static void release(void *of, struct view *v)
{
    struct agent *a = of;
    (void)v;
    a->taken--;
}

static enum status open_at(struct agent *a, const char *listen, struct web **ret, struct err *err)
{
    const struct web_conf conf = {.listen = listen, .take = take, .release = release, .of = a};
    return web_new(ret, &conf, err);
}

static void agent_init(struct agent *a)
{
    struct err err;
    *a = (struct agent){.web = NULL};
    made_init(&a->made, 12);
    CHECK_INT(open_at(a, "127.0.0.1:0", &a->web, &err), OK);
}

static void agent_done(struct agent *a)
{
    web_free(a->web);
    made_done(&a->made);
}
DEFINE_AUTO(agent, agent_done)

TEST(each_page_is_where_it_is_said_to_be)
{
    static const struct {
        const char *path, *type, *part;
    } pages[] = {
        {"/healthz", "text/plain; charset=utf-8", "ok\n"},
        {"/readyz", "text/plain; charset=utf-8", "ready\n"},
        {"/metrics", "text/plain; version=0.0.4; charset=utf-8", "strata_web_requests_total 3\n"},
        {"/targets", "application/json", "{\"targets\":[{"},
        {"/status", "application/json", "\"requests\":5,"},
        {"/", "text/html; charset=utf-8", "<!doctype html>"},
        {"/?q=mailer-2", "text/html; charset=utf-8", "1 of 1 that match"},
    };
    AUTO(agent) struct agent a;
    agent_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        char type[100];
        const char *got = web_get(web_url(a.web), pages[i].path);
        snprintf(type, sizeof type, "\r\nContent-Type: %s\r\n", pages[i].type);
        CHECK(strncmp(got, "HTTP/1.1 200 OK\r\n", 17) == 0);
        CHECK(strstr(got, type) && strstr(web_body(got), pages[i].part));
        if (strcmp(pages[i].type, "application/json") == 0)
            CHECK(json_is_valid(web_body(got)));
        CHECK_INT(strtoul(strstr(got, "Content-Length: ") + 16, NULL, 10), strlen(web_body(got)));
    }
    CHECK_INT(a.taken, 0); /* each view was let go */
    CHECK_INT(a.brief, 2);
    CHECK(strncmp(web_get(web_url(a.web), "/metrics/"), "HTTP/1.1 404 ", 13) == 0);
}

TEST(health_and_readiness_fail_by_name)
{
    AUTO(agent) struct agent a;
    agent_init(&a);
    a.made.view.healthy = a.made.view.ready = false;
    a.made.view.unhealthy = "lane main/json-queue";
    const char *got = web_get(web_url(a.web), "/healthz");
    CHECK(strncmp(got, "HTTP/1.1 503 ", 13) == 0);
    CHECK_STR(web_body(got), "no heartbeat: lane main/json-queue\n");
    got = web_get(web_url(a.web), "/readyz");
    CHECK(strncmp(got, "HTTP/1.1 503 ", 13) == 0);
    CHECK_STR(web_body(got), "not ready: not every source has synced\n"
                             "extra: targets.json: line 3, column 9: not a string\n");
}

TEST(head_says_how_long_each_page_is)
{
    AUTO(agent) struct agent a;
    agent_init(&a);
    const char *got = web_ask(web_url(a.web), "HEAD /targets HTTP/1.1\r\n\r\n");
    size_t len = strtoul(strstr(got, "Content-Length: ") + 16, NULL, 10);
    CHECK_STR(web_body(got), "");
    CHECK_INT(strlen(web_body(web_get(web_url(a.web), "/targets"))), len);
}

TEST(addresses_are_read_as_they_are_written)
{
    static const char *const bad[] = {
        "",
        "9690",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "::1:9690",
        "[::1:9690",
        "host:80",
        "127.0.0.1:-1",
        "127.0.0.1: 80",
        "[]:80",
        "300.0.0.1:80",
        "127.0.0.1:0x10",
    };
    struct agent a = {.web = NULL};
    struct web *w;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (open_at(&a, bad[i], &w, &err) != ERR_INVALID)
            test_fail(__FILE__, __LINE__, "taken: %s", bad[i]);
    CHECK_INT(open_at(&a, "192.0.2.1:0", &w, &err), ERR_IO); /* of nobody */
    CHECK(strstr(err.text, "192.0.2.1:0"));
}

TEST(a_taken_port_is_an_error_that_names_it)
{
    AUTO(agent) struct agent a;
    struct web *w;
    struct err err;
    agent_init(&a);
    CHECK_INT(open_at(&a, web_url(a.web) + strlen("http://"), &w, &err), ERR_IO);
    CHECK(strstr(err.text, "Address already in use"));
}

TEST(all_addresses_and_ipv6_work)
{
    static const struct {
        const char *listen, *url;
    } cases[] = {{":0", "http://localhost:"}, {"[::1]:0", "http://[::1]:"}};
    AUTO(agent) struct agent a;
    agent_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct web *w;
        struct err err;
        if (open_at(&a, cases[i].listen, &w, &err) != OK)
            SKIP("no IPv6 here");
        CHECK(strncmp(web_url(w), cases[i].url, strlen(cases[i].url)) == 0);
        CHECK(strstr(web_get(web_url(w), "/healthz"), " 200 "));
        web_free(w);
    }
}

static void *get_many(void *arg)
{
    struct agent *a = arg;
    char text[200];
    for (int i = 0; i < 20; i++) {
        int fd = web_join(web_url(a->web));
        const char *request = "GET /metrics HTTP/1.1\r\n\r\n";
        if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
            abort();
        ssize_t n = recv(fd, text, sizeof text, MSG_WAITALL);
        if (n < 15 || strncmp(text, "HTTP/1.1 200 OK", 15) != 0)
            abort();
        close(fd);
    }
    return NULL;
}

TEST(many_ask_at_once)
{
    pthread_t threads[8];
    AUTO(agent) struct agent a;
    agent_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, get_many, &a);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK(strstr(web_get(web_url(a.web), "/status"), "\"requests\":161,"));
}

TEST(the_thread_ends_with_clients_waiting)
{
    AUTO(agent) struct agent a;
    agent_init(&a);
    int silent = web_join(web_url(a.web));
    CHECK(strstr(web_get(web_url(a.web), "/healthz"), " 200 "));
    web_free(a.web);
    a.web = NULL;
    char byte;
    CHECK(recv(silent, &byte, 1, 0) <= 0);
    close(silent);
}
