/* SPDX-License-Identifier: Apache-2.0 */
/* A lane with an http sink: the order of each target, and what is cut, as a server sees it. */
#include "fake_sink.h"
#include "http_peer.h"
#include "http_sink_conf.h"

static struct http_sink_conf conf;

static const char *const *form_headers(const void *self)
{
    static const char *const lines[] = {"X-Form: 2", NULL};
    (void)self;
    return lines;
}

static struct rig *start(const char *connections)
{
    struct rig *r = rig_new();
    sink_run_close(&peer.run);
    if (!peer.fd)
        peer_listen();
    snprintf(peer.url, sizeof peer.url, "http://127.0.0.1:%d/", peer.port);
    setting_defaults(http_sink_settings, &conf);
    CHECK_INT(setting_set(setting_find(http_sink_settings, "url"), &conf, peer.url, NULL), OK);
    CHECK_INT(
        setting_set(setting_find(http_sink_settings, "connections"), &conf, connections, NULL), OK);
    static struct encoder_ops encoder; /* statsd that says more of its messages */
    encoder = *r->conf.encoder;
    encoder.headers = form_headers;
    r->conf.encoder = &encoder;
    r->conf.sink = sink_find("http");
    r->conf.sink_conf = &conf;
    rig_start(r);
    return r;
}

static void finish(struct rig *r)
{
    lane_close(r->lane, clock_mono_ns() + 10 * SEC_NS);
    WAIT(lane_is_done(r->lane));
    check_balance(r);
    CHECK_INT(r->books.in_memory, 0);
    rig_free(r);
    setting_done(http_sink_settings, &conf);
    memset(&conf, 0, sizeof conf);
}

static const char *value_of(const char *name)
{
    static char values[4][64];
    static unsigned next;
    char *value = values[next++ % 4], begin[40];
    snprintf(begin, sizeof begin, "\r\n%s: ", name);
    const char *at = strstr(peer.text, begin);
    size_t len = at ? strcspn(at + strlen(begin), "\r") : 0;
    snprintf(value, sizeof values[0], "%.*s", (int)len, at ? at + strlen(begin) : "");
    return value;
}

TEST(several_connections_keep_the_order_of_a_target)
{
    struct rig *r = start("3");
    rig_scrape(r, "x", 1, "a 1\n");
    rig_scrape(r, "x", 2, "a 2\n");
    rig_scrape(r, "x", 3, "a 3\n");
    rig_scrape(r, "y", 1, "a 4\n");
    int fds[2] = {peer_accept(), peer_accept()};
    int x = -1;
    for (int i = 0; i < 2; i++) {
        peer_request(fds[i]);
        CHECK_STR(value_of("Strata-Due"), "1");
        if (strcmp(value_of("Strata-Target"), "x") == 0)
            x = fds[i];
    }
    CHECK(x >= 0);
    WAIT(lane_state(r->lane).in_flight == 2 && lane_state(r->lane).held == 2);
    for (int due = 2; due <= 3; due++) {
        char want[8];
        peer_reply(x, "204 No Content", "", "");
        peer_request(x); /* over the connection that is free */
        snprintf(want, sizeof want, "%d", due);
        CHECK_STR(value_of("Strata-Due"), want);
        CHECK_STR(value_of("Strata-Target"), "x");
    }
    peer_reply(fds[0], "204 No Content", "", "");
    peer_reply(fds[1], "204 No Content", "", "");
    WAIT(r->books.delivered == 4);
    peer_hang_up(fds[0]);
    peer_hang_up(fds[1]);
    finish(r);
}

TEST(what_fails_comes_again_under_its_key_before_what_is_newer)
{
    static const char *const failures[] = {"500 Internal Server Error", "429 Too Many Requests",
                                           "403 Forbidden"};
    struct rig *r = start("2");
    char key[64];
    rig_scrape(r, "x", 1, "a 1\n");
    rig_scrape(r, "x", 2, "a 2\n");
    int fd = peer_accept();
    peer_request(fd);
    snprintf(key, sizeof key, "%s", value_of("Idempotency-Key"));
    CHECK_INT(strlen(key), 32);
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        peer_reply(fd, failures[i], "", "");
        peer_request(fd);
        CHECK_STR(value_of("Idempotency-Key"), key);
        CHECK_STR(peer.body, "a:1|g\n");
    }
    peer_reply(fd, "400 Bad Request", "", "not that one");
    peer_request(fd);
    CHECK_STR(value_of("Strata-Due"), "2");
    CHECK_INT(r->books.lost[LOST_REFUSED], 1);
    CHECK_STR(lane_state(r->lane).last_error.text + strlen("POST ") + strlen(peer.url),
              ": 400: not that one");
    peer_reply(fd, "200 OK", "", "");
    WAIT(r->books.delivered == 1);
    CHECK_INT(r->books.retries, 3);
    peer_hang_up(fd);
    finish(r);
}

TEST(what_is_too_large_comes_again_in_pieces)
{
    struct rig *r = start("1");
    char whole[64], first[64];
    rig_scrape(r, "x", 1, "a 1\nb 2\nc 3\nd 4\n");
    int fd = peer_accept();
    peer_request(fd);
    CHECK_STR(peer.body, "a:1|g\nb:2|g\nc:3|g\nd:4|g\n");
    CHECK_STR(value_of("X-Form"), "2");
    snprintf(whole, sizeof whole, "%s", value_of("Strata-Id"));
    peer_reply(fd, "413 Content Too Large", "", "");
    peer_request(fd);
    CHECK_STR(peer.body, "a:1|g\nb:2|g\n");
    CHECK_STR(value_of("Strata-Samples"), "2");
    CHECK_STR(value_of("X-Form"), "2");
    snprintf(first, sizeof first, "%s", value_of("Strata-Id"));
    CHECK(strcmp(first, whole) != 0);
    peer_reply(fd, "204 No Content", "", "");
    peer_request(fd);
    CHECK_STR(peer.body, "c:3|g\nd:4|g\n");
    CHECK(strcmp(value_of("Strata-Id"), whole) != 0 && strcmp(value_of("Strata-Id"), first) != 0);
    peer_reply(fd, "413 Content Too Large", "", "");
    for (int i = 0; i < 2; i++) { /* one sample cannot be cut */
        peer_request(fd);
        peer_reply(fd, "413 Content Too Large", "", "");
    }
    WAIT(r->books.in_memory == 0);
    CHECK_INT(r->books.delivered, 2);
    CHECK_INT(r->books.lost[LOST_TOO_LARGE], 2);
    CHECK_INT(r->books.splits, 2);
    peer_hang_up(fd);
    finish(r);
}
