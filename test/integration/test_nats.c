/* SPDX-License-Identifier: Apache-2.0 */
/* The nats sink against a real server: what arrives, and what is said when it cannot. */
#include "nats_check.h"

#include <dirent.h>

TEST(core_messages_arrive_with_their_bytes_and_headers)
{
    server_start("");
    struct peer peer = {0};
    peer_open(&peer);
    peer_subscribe(&peer, ">");
    OPEN();
    static const char body[] = "{\"name\":\"up\"}\n\0\xff behind a NUL";
    struct payload *p = message(&cart, 7, body, sizeof body);
    CHECK_INT(send_for(p, 10 * SEC_NS), OK);
    CHECK_INT(ended(OK), 1);
    natsMsg *m = peer_next(&peer);
    CHECK_STR(natsMsg_GetSubject(m), "metrics.shop.cart_0");
    CHECK_INT(natsMsg_GetDataLength(m), sizeof body);
    CHECK(memcmp(natsMsg_GetData(m), body, sizeof body) == 0);
    CHECK_STR(header(m, "Content-Type"), "application/x-ndjson");
    CHECK_STR(header(m, "Strata-Schema"), "1");
    CHECK_STR(header(m, "Strata-Id"), "00000000000000010000000000000007");
    CHECK_STR(header(m, "Strata-Target"), "shop/cart.0/app:8080/metrics");
    CHECK_STR(header(m, "Strata-Due"), "1795271160000");
    CHECK_STR(header(m, "Strata-Samples"), "3");
    CHECK_STR(header(m, "Nats-Msg-Id"), "(none)");
    natsMsg_Destroy(m);
    CHECK(run.lane.connected && run.lane.connects == 1);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(a_line_break_in_a_target_adds_no_header)
{
    server_start("");
    struct peer peer = {0};
    peer_open(&peer);
    peer_subscribe(&peer, ">");
    OPEN("subject", "metrics.{pool}");
    struct target odd = cart;
    odd.id = "x\r\nStrata-Evil: 1";
    odd.pool = "a b\t*.>\x7f";
    CHECK_INT(send_for(message(&odd, 1, "x", 1), 10 * SEC_NS), OK);
    natsMsg *m = peer_next(&peer);
    CHECK_STR(natsMsg_GetSubject(m), "metrics.a_b_____");
    CHECK_STR(header(m, "Strata-Evil"), "(none)");
    natsMsg_Destroy(m);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(without_a_server_send_says_so_and_goes_on_when_there_is_one)
{
    server_start("");
    server_kill();
    OPEN();
    CHECK_INT(send_once(1, "x"), ERR_IO);
    CHECK(strstr(run.err.text, server.url));
    CHECK(!run.lane.connected);
    server_restart();
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    sink_run_close(&run);
}

TEST(of_several_servers_one_that_answers_is_used)
{
    server_start("");
    open_sink((const char *const[]){"servers", "nats://127.0.0.1:1", "servers", server.url,
                                    "reconnect_max", "50ms", NULL});
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    sink_run_close(&run);
}

TEST(what_a_dying_server_had_not_confirmed_ends_as_io)
{
    server_start("");
    OPEN();
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    server_signal(SIGSTOP); /* it takes bytes, but does nothing with them */
    for (uint64_t id = 2; id < 12; id++)
        CHECK_INT(send_once(id, "x"), OK);
    CHECK_INT(run.ended[OK], 1);
    server_kill();
    CHECK_INT(ended(ERR_IO), 10);
    CHECK_INT(run.ended[OK], 1);
    CHECK(strlen(explained()) > 0);
    server_restart();
    CHECK_INT(send_body(2, "x"), OK);
    CHECK_INT(ended(OK), 2);
    CHECK_INT(run.lane.connects, 2);
    sink_run_close(&run);
}

/* So that nothing more can be written to that port, and reading goes on. */
static void shut_writing(int port)
{
    struct sockaddr_in a;
    for (int fd = 0; fd < 256; fd++) {
        socklen_t len = sizeof a;
        if (getpeername(fd, (struct sockaddr *)&a, &len) == 0 && a.sin_family == AF_INET &&
            ntohs(a.sin_port) == port && shutdown(fd, SHUT_WR) != 0)
            abort();
    }
}

TEST(what_could_not_be_written_is_not_delivered)
{
    server_start("");
    OPEN();
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    server_signal(SIGSTOP); /* it does not see the end, and so does not close either */
    shut_writing(server.port);
    CHECK_INT(send_once(2, "x"), ERR_IO);
    CHECK(strstr(run.err.text, "cannot publish"));
    CHECK_INT(ended(OK), 1);
    server_signal(SIGCONT);
    CHECK_INT(send_body(2, "x"), OK);
    CHECK_INT(ended(OK), 2);
    sink_run_close(&run);
}

/* As a lane that has nothing to send. */
static void work_until_ended(size_t ok)
{
    int never[2];
    enum status s = OK;
    if (pipe(never) != 0)
        abort();
    for (int i = 0; i < 500 && run.ended[OK] < ok; i++)
        s = run.ops->work(run.self, never[0], clock_mono_ns() + 20 * MS_NS);
    CHECK(s == OK || s == ERR_TIMEOUT);
    close(never[0]);
    close(never[1]);
    CHECK_INT(run.ended[OK], ok);
}

TEST(work_confirms_what_was_published)
{
    server_start("");
    OPEN();
    CHECK_INT(send_body(1, "x"), OK);
    work_until_ended(1);
    for (uint64_t id = 2; id < 6; id++) {
        CHECK_INT(send_body(id, "x"), OK);
        work_until_ended(id);
    }
    sink_run_close(&run);
}

/* One that has parts behind it, and work for as long as a PING takes, but less than it waits for them.
 * True: it took no longer. */
static bool send_part(uint64_t id)
{
    int64_t since_ns = clock_mono_ns();
    struct payload *p = message(&cart, id, "x", 1);
    p->more = true;
    CHECK_INT(send_for(p, 10 * SEC_NS), OK);
    enum status s = run.ops->work(run.self, -1, since_ns + 7 * MS_NS / 2);
    CHECK(s == OK || s == ERR_TIMEOUT);
    return clock_mono_ns() - since_ns < 4 * MS_NS;
}

TEST(work_confirms_the_parts_of_a_scrape_when_the_last_one_is_out)
{
    server_start("");
    OPEN();
    CHECK_INT(send_body(1, "x"), OK);
    work_until_ended(1);
    uint64_t id = 2;
    int quick = 0, waited = 0;
    /* A busy machine is not always quick, nor its server. */
    for (int tries = 0; waited < 5; tries++) {
        CHECK(tries < 500);
        if (send_part(id++)) {
            quick++;
            waited += run.ended[OK] == id - 2;
        }
        work_until_ended(id - 1); /* no part comes: it is confirmed all the same */
    }
    CHECK(quick <= 10 * waited);
    CHECK_INT(send_body(id, "x"), OK);
    work_until_ended(id);
    sink_run_close(&run);
}

TEST(work_does_not_wait_for_a_server_that_is_slow_to_confirm)
{
    server_start("");
    OPEN();
    CHECK_INT(send_body(1, "x"), OK);
    work_until_ended(1);
    server_signal(SIGSTOP);
    CHECK_INT(send_once(2, "x"), OK);
    int64_t since_ns = clock_mono_ns();
    CHECK_INT(run.ops->work(run.self, -1, since_ns + 5 * MS_NS), ERR_TIMEOUT);
    CHECK(clock_mono_ns() - since_ns < SEC_NS);
    CHECK_INT(run.ended[OK], 1);
    server_signal(SIGCONT);
    work_until_ended(2);
    sink_run_close(&run);
}

TEST(a_server_that_hangs_is_given_up)
{
    server_start("");
    OPEN("timeout", "200ms");
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    server_signal(SIGSTOP);
    CHECK_INT(send_once(2, "x"), OK);
    CHECK_INT(ended(ERR_IO), 1);
    CHECK(strstr(explained(), "no sign that messages have arrived"));
    server_signal(SIGCONT);
    CHECK_INT(send_body(2, "x"), OK);
    CHECK_INT(ended(OK), 2);
    sink_run_close(&run);
}

TEST(a_write_that_does_not_move_is_given_up_long_before_the_timeout)
{
    server_start("");
    OPEN("timeout", "10m");
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    server_signal(SIGSTOP);
    static char body[1000000];
    memset(body, 'x', sizeof body);
    enum status s = OK;
    int64_t start_ns = 0;
    for (uint64_t id = 2; id < 200 && s == OK; id++) {
        struct payload *p = message(&cart, id, body, sizeof body);
        start_ns = clock_mono_ns();
        s = run.ops->send(run.self, p, start_ns + 10 * MS_NS, &run.err);
        if (s != OK)
            payload_free(p);
    }
    CHECK_INT(s, ERR_IO);
    CHECK(clock_mono_ns() - start_ns < 3 * SINK_WRITE_NS + 5 * SEC_NS);
    server_kill();
    sink_run_close(&run);
}

TEST(no_more_than_the_window_is_in_the_air)
{
    server_start("");
    OPEN("in_flight", "4");
    CHECK_INT(run.lane.window, 4);
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    server_signal(SIGSTOP);
    for (uint64_t id = 2; id < 6; id++)
        CHECK_INT(send_once(id, "x"), OK);
    CHECK_INT(send_once(6, "x"), ERR_AGAIN);
    CHECK_STR(run.err.text, "4 messages wait for their confirmation");
    server_signal(SIGCONT);
    CHECK_INT(ended(OK), 5);
    sink_run_close(&run);
}

TEST(closing_ends_each_payload_once)
{
    server_start("");
    OPEN();
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    server_signal(SIGSTOP);
    for (uint64_t id = 2; id < 7; id++)
        CHECK_INT(send_once(id, "x"), OK);
    run.ops->close(run.self);
    run.self = NULL;
    CHECK_INT(run.ended[ERR_CLOSED], 5);
    CHECK_INT(run.ended[OK], 1);
    server_signal(SIGCONT);
    sink_run_close(&run);
}

TEST(closing_before_anything_was_sent_starts_nothing)
{
    server_start("");
    OPEN();
    sink_run_close(&run);
    CHECK_INT(run.lane.connects, 0);
}

TEST(the_servers_bound_is_learned_and_what_is_larger_is_a_limit)
{
    server_start("max_payload: 8192");
    OPEN();
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(run.lane.max_payload, 8192 - 1024);
    char body[8193];
    memset(body, 'x', sizeof body);
    CHECK_INT(send_for(message(&cart, 2, body, sizeof body), SEC_NS), ERR_LIMIT);
    CHECK_INT(send_for(message(&cart, 3, body, run.lane.max_payload), SEC_NS), OK);
    CHECK_INT(ended(OK), 2);
    CHECK_INT(run.lane.connects, 1); /* the server has seen nothing too large */
    sink_run_close(&run);
}

TEST(a_subject_that_is_refused_is_denied_and_others_go_on)
{
    server_start("authorization { users: [ {user: a, password: b, "
                 "permissions: {publish: [\"metrics.>\"]}} ] }");
    OPEN("user", "a", "password", "b", "subject", "{pool}.x");
    struct target good = cart, bad = cart;
    good.pool = "metrics";
    bad.pool = "secret";
    CHECK_INT(send_for(message(&good, 1, "x", 1), 10 * SEC_NS), OK);
    CHECK_INT(send_for(message(&bad, 2, "x", 1), 10 * SEC_NS), OK);
    CHECK_INT(ended(ERR_DENIED), 1);
    CHECK(strstr(explained(), "secret.x"));
    CHECK_INT(send_for(message(&bad, 2, "x", 1), SEC_NS), ERR_DENIED); /* at once now */
    CHECK_STR(run.err.text, "may not publish to secret.x");
    CHECK_INT(send_for(message(&good, 3, "x", 1), 10 * SEC_NS), OK);
    CHECK_INT(ended(OK), 2);
    CHECK_INT(run.ended[ERR_DENIED], 1);
    sink_run_close(&run);
}

TEST(faulty_settings_are_refused_at_open)
{
    static const struct {
        const char *settings[8];
        const char *error;
    } cases[] = {
        {{"subject", "a..b"}, "subject: 'a..b' is no subject to publish to"},
        {{"subject", "a.{b"}, "subject: column 3: '{' is not closed"},
        {{"subject", "a.*"}, "subject: 'a.*' is no subject to publish to"},
        {{"subject", "$JS.x"}, "subject: '$JS.x' is no subject to publish to"},
        {{"servers", "http://a"}, "servers: 'http://a' is neither nats:// nor tls://"},
        {{"servers", "nats://:4222"}, "servers: 'nats://:4222' has no host"},
        {{"password", "x"}, "password: without user"},
        {{"user", "u", "token", "x"}, "user, token, creds and nkey exclude each other"},
        {{"nkey", "U"}, "nkey and seed go together"},
        {{"jetstream.create", "true"}, "jetstream: create: without the name of the stream"},
        {{"jetstream.stream", "a.b"}, "jetstream: stream: 'a.b' is no name of a stream"},
        {{"tls.cert", "x"}, "tls: cert and key go together"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *settings[12] = {"servers", "nats://h:1"};
        memcpy(settings + 2, cases[i].settings, sizeof cases[i].settings);
        struct sink_run r;
        CHECK_INT(sink_run_open(&r, "nats", settings), ERR_INVALID);
        CHECK_STR(r.err.text, cases[i].error);
        sink_run_close(&r);
    }
    struct sink_run r;
    const char *const secret[] = {"servers", "nats://user:hidden@h:1", NULL};
    CHECK_INT(sink_run_open(&r, "nats", secret), ERR_INVALID);
    CHECK(!strstr(r.err.text, "hidden"));
    sink_run_close(&r);
}

/* A peer that accepts, says what it is told to, and nothing more. */
static int mute_listen(char url[40], const char *scheme)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        abort();
    snprintf(url, 40, "%s://127.0.0.1:%d", scheme, ntohs(a.sin_port));
    return fd;
}

static void open_at(const char *url)
{
    open_sink((const char *const[]){"servers", url, "connect_timeout", "200ms", "reconnect_max",
                                    "50ms", NULL});
}

TEST(a_peer_that_says_nothing_is_an_io_error)
{
    char url[40];
    int fd = mute_listen(url, "nats");
    open_at(url);
    CHECK_INT(send_once(1, "x"), ERR_IO);
    CHECK(strstr(run.err.text, url));
    sink_run_close(&run);
    close(fd);
}

/* Takes a connection, says what a server says first, and leaves it at that. */
static int mute_accept(int fd, const char *tls)
{
    char info[200], first[5];
    int peer = accept(fd, NULL, NULL);
    int n = snprintf(info, sizeof info,
                     "INFO {\"server_id\":\"x\",\"version\":\"2.9.10\",\"headers\":true,"
                     "\"tls_required\":%s,\"max_payload\":1048576,\"proto\":1}\r\n",
                     tls);
    if (write(peer, info, (size_t)n) != n || recv(peer, first, sizeof first, MSG_WAITALL) != 5)
        abort();
    return peer;
}

static size_t threads(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/task");
    while (d && readdir(d))
        n++;
    closedir(d);
    return n;
}

/* A peer that hangs behind its INFO: in the TLS handshake, or instead of its PONG. */
static void check_given_up(const char *scheme, const char *tls)
{
    char url[40];
    int fd = mute_listen(url, scheme);
    MUST(nats_Open(-1)); /* starts the threads that the library has anyway */
    size_t before = threads();
    open_at(url);
    struct payload *p = message(&cart, 1, "x", 1);
    enum status at_first = run.ops->send(run.self, p, clock_mono_ns() + 50 * MS_NS, &run.err);
    int peer = mute_accept(fd, tls);
    payload_free(p);
    enum status later = send_once(1, "x");
    CHECK_INT(at_first, ERR_TIMEOUT);
    CHECK_INT(later, ERR_IO);
    CHECK(strstr(run.err.text, url));
    CHECK_INT(recv(peer, url, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0, 1); /* what it sent, or its end */
    close(peer);
    int again = mute_accept(fd, tls); /* closing does not wait for the next attempt */
    int64_t start_ns = clock_mono_ns();
    sink_run_close(&run);
    CHECK(clock_mono_ns() - start_ns < 4 * SEC_NS);
    close(again);
    close(fd);
    while (threads() > before && clock_mono_ns() < start_ns + 30 * SEC_NS)
        server_pause();
    CHECK(threads() <= before); /* an exit of the program would not wait for the attempt */
}

TEST(a_peer_that_hangs_in_the_tls_handshake_is_given_up)
{
    check_given_up("tls", "true");
}

TEST(a_peer_that_hangs_before_its_pong_is_given_up)
{
    check_given_up("nats", "false");
}
