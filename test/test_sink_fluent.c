/* SPDX-License-Identifier: Apache-2.0 */
/* The fluent sink: acknowledgements, failures, several servers. */
#include "fluent_server.h"

#include <malloc.h>
#include <sys/un.h>

TEST(what_the_server_acknowledges_is_delivered)
{
    OPEN();
    struct payload_id a = give("one"), b = give("two");
    RUN_UNTIL(received(&servers[0], "onetwo"));
    CHECK(nothing_ended());
    CHECK(run.lane.connected && run.lane.connects == 1);
    server_ack(&servers[0], a);
    RUN_UNTIL(run.ended[OK] == 1);
    server_ack(&servers[0], b);
    RUN_UNTIL(run.ended[OK] == 2);
    CHECK_INT(run.ops->flush(run.self, DEADLINE_NOW, NULL), OK);
    close_all();
}

TEST(acknowledgements_may_come_in_any_order_and_in_pieces)
{
    OPEN();
    struct payload_id ids[3] = {give("1"), give("2"), give("3")};
    RUN_UNTIL(received(&servers[0], "123"));
    server_ack(&servers[0], ids[2]);
    RUN_UNTIL(run.ended[OK] == 1);
    server_ack(&servers[0], ids[0]);
    RUN_UNTIL(run.ended[OK] == 2);
    char chunk[PAYLOAD_ID_BASE64 + 1], out[64] = "\x81\xa3"
                                                 "ack\xb8";
    payload_id_base64(ids[1], chunk);
    memcpy(out + 6, chunk, PAYLOAD_ID_BASE64);
    for (size_t i = 0; i < 6 + PAYLOAD_ID_BASE64; i++) {
        CHECK_INT(run.ended[OK], 2);
        server_say(&servers[0], out + i, 1);
        work(MS_NS);
    }
    RUN_UNTIL(run.ended[OK] == 3);
    close_all();
}

TEST(without_require_ack_what_is_written_is_delivered)
{
    OPEN("require_ack", "false");
    struct payload_id a = give("one");
    RUN_UNTIL(run.ended[OK] == 1 && received(&servers[0], "one"));
    server_ack(&servers[0], a); /* nobody waits for it */
    give("two");
    RUN_UNTIL(run.ended[OK] == 2 && received(&servers[0], "onetwo"));
    CHECK_INT(run.lane.connects, 1);
    close_all();
}

TEST(a_lost_acknowledgement_times_out_and_the_rest_goes_on)
{
    OPEN("timeout", "100ms");
    struct payload_id a = give("one");
    RUN_UNTIL(received(&servers[0], "one"));
    while (run.ended[ERR_TIMEOUT] == 0) { /* others come and are acknowledged meanwhile */
        size_t before = run.ended[OK], len = servers[0].len;
        struct payload_id b = give("x");
        RUN_UNTIL(servers[0].len > len);
        server_ack(&servers[0], b);
        RUN_UNTIL(run.ended[OK] > before);
    }
    struct err err = {OK, ""};
    run.ops->explain(run.self, &err);
    CHECK_INT(err.status, ERR_TIMEOUT);
    CHECK_INT(run.lane.connects, 1);
    CHECK(run.lane.connected);
    server_ack(&servers[0], a); /* too late, and no harm */
    struct payload_id c = give("y");
    size_t before = run.ended[OK];
    server_ack(&servers[0], c);
    RUN_UNTIL(run.ended[OK] == before + 1);
    CHECK_INT(run.ended[ERR_IO], 0);
    close_all();
}

TEST(what_waits_for_its_turn_on_a_slow_connection_is_not_sent_again)
{
    OPEN("timeout", "100ms");
    struct payload_id ids[4];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = give("x");
    RUN_UNTIL(servers[0].len == ARRAY_LEN(ids));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) { /* 160 ms in all */
        work(40 * MS_NS);
        server_ack(&servers[0], ids[i]);
        RUN_UNTIL(run.ended[OK] == i + 1);
    }
    CHECK_INT(run.ended[ERR_TIMEOUT], 0);
    CHECK_INT(run.lane.connects, 1);
    close_all();
}

TEST(a_server_that_acknowledges_nothing_is_given_up)
{
    OPEN("timeout", "100ms");
    give("one");
    RUN_UNTIL(run.ended[ERR_TIMEOUT] == 1);
    RUN_UNTIL(!run.lane.connected);
    close_fd(&servers[0].fd);
    struct payload_id b = give("two");
    RUN_UNTIL(received(&servers[0], "two"));
    server_ack(&servers[0], b);
    RUN_UNTIL(run.ended[OK] == 1);
    CHECK_INT(run.lane.connects, 2);
    close_all();
}

TEST(a_wrong_chunk_acknowledges_nothing)
{
    OPEN("timeout", "100ms");
    give("one");
    RUN_UNTIL(received(&servers[0], "one"));
    server_ack_text(&servers[0], "bm90aGluZw==");
    server_ack(&servers[0], (struct payload_id){7, 7});
    RUN_UNTIL(run.ended[ERR_TIMEOUT] == 1);
    CHECK_INT(run.ended[OK], 0);
    close_all();
}

TEST(an_answer_that_is_none_ends_the_connection)
{
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {{"\xc1", 1},
               {"\x80", 1},
               {"HTTP", 4},
               {"\x81\x01\x02", 3},
               {"\x91\xa3"
                "ack",
                5}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        OPEN();
        give("one");
        RUN_UNTIL(received(&servers[0], "one"));
        server_say(&servers[0], bad[i].data, bad[i].len);
        RUN_UNTIL(run.ended[ERR_IO] == 1);
        CHECK(!run.lane.connected);
    }
    close_all();
}

TEST(a_chunk_under_another_name_acknowledges_nothing)
{
    char chunk[PAYLOAD_ID_BASE64 + 1], out[64], *p = msgpack_put_map(out, 1);
    OPEN();
    payload_id_base64(give("one"), chunk);
    RUN_UNTIL(received(&servers[0], "one"));
    p = msgpack_put_str(p, "nak", 3);
    p = msgpack_put_str(p, chunk, PAYLOAD_ID_BASE64);
    server_say(&servers[0], out, (size_t)(p - out));
    RUN_UNTIL(run.ended[ERR_IO] == 1);
    CHECK_INT(run.ended[OK], 0);
    close_all();
}

TEST(an_answer_without_end_is_not_kept)
{
    static char text[5000];
    OPEN();
    give("one");
    RUN_UNTIL(received(&servers[0], "one"));
    memset(text, 'x', sizeof text);
    memcpy(text,
           "\x81\xa3"
           "ack\xdb\x7f\xff\xff\xff",
           10);
    server_say(&servers[0], text, sizeof text);
    RUN_UNTIL(run.ended[ERR_IO] == 1);
    close_all();
}

TEST(a_cut_connection_leaves_what_was_written_unknown)
{
    OPEN();
    give("one");
    give("two");
    RUN_UNTIL(received(&servers[0], "onetwo"));
    close_fd(&servers[0].fd);
    RUN_UNTIL(run.ended[ERR_IO] == 2);
    CHECK(!run.lane.connected);
    struct payload_id c = give("three");
    RUN_UNTIL(received(&servers[0], "three"));
    server_ack(&servers[0], c);
    RUN_UNTIL(run.ended[OK] == 1);
    CHECK_INT(run.lane.connects, 2);
    close_all();
}

static char big[8 << 20];

/* More than both sockets hold. */
static void give_big(void)
{
    memset(big, 'b', sizeof big - 1);
    give(big);
}

TEST(what_was_not_begun_can_not_have_arrived)
{
    OPEN();
    give_big();
    give("two");
    CHECK(nothing_ended());
    int fd = accept4(servers[0].listen, NULL, NULL, SOCK_CLOEXEC);
    CHECK(fd >= 0);
    close_fd(&fd);
    RUN_UNTIL(run.ended[ERR_IO] == 1 && run.ended[ERR_AGAIN] == 1);
    close_all();
}

TEST(a_write_that_does_not_move_is_given_up)
{
    OPEN("timeout", "100ms");
    give_big();
    int64_t until_ns = clock_mono_ns() + 5 * SEC_NS;
    while (run.ended[ERR_IO] == 0 && clock_mono_ns() < until_ns)
        work(10 * MS_NS); /* nobody reads */
    CHECK_INT(run.ended[ERR_IO], 1);
    close_all();
}

TEST(a_resend_that_is_acknowledged_early_is_written_to_its_end)
{
    OPEN();
    give_big();
    server_step(&servers[0]); /* not all of it */
    struct payload_id none = {0, 0}, second = give("two");
    server_ack(&servers[0], none);
    server_ack(&servers[0], second);
    size_t all = sizeof big - 1 + 3, got = servers[0].len;
    for (int64_t until_ns = clock_mono_ns() + 5 * SEC_NS; got < all;) {
        CHECK(clock_mono_ns() < until_ns);
        servers[0].len = 0;
        work(MS_NS);
        server_step(&servers[0]);
        got += servers[0].len;
    }
    RUN_UNTIL(run.ended[OK] == 1);
    CHECK_INT(run.ended[ERR_IO], 0);
    close_all();
}

TEST(closing_ends_what_is_in_the_air)
{
    OPEN();
    give("one");
    give_big();
    run.ops->close(run.self);
    run.self = NULL;
    CHECK_INT(run.ended[ERR_CLOSED], 2);
    CHECK(!run.lane.connected);
    close_all();
}

TEST(the_window_has_a_bound)
{
    OPEN("in_flight", "2");
    CHECK_INT(run.lane.window, 2);
    give("1");
    give("2");
    CHECK_INT(try("3"), ERR_AGAIN);
    CHECK(strstr(run.err.text, "acknowledgement"));
    close_all();
}

TEST(nobody_there_is_an_error_of_the_send)
{
    OPEN();
    close_fd(&servers[0].listen);
    CHECK_INT(try_long("one"), ERR_IO);
    CHECK(strstr(run.err.text, "refused") && strstr(run.err.text, "127.0.0.1:"));
    CHECK(nothing_ended());
    close_all();
}

TEST(a_path_where_nobody_listens_is_an_error_of_the_send)
{
    OPEN();
    sink_run_close(&run);
    CHECK_INT(sink_run_open(&run, "fluent",
                            (const char *const[]){"servers", "unix:///nowhere/at/all", NULL}),
              OK);
    CHECK_INT(try_long("one"), ERR_IO);
    CHECK(strstr(run.err.text, "/nowhere/at/all"));
    close_all();
}

TEST(a_name_may_have_several_addresses)
{
    char url[64]; /* on most machines ::1 first, where nobody listens */
    OPEN();
    snprintf(url, sizeof url, "tcp://localhost%s", strrchr(servers[0].url, ':'));
    sink_run_close(&run);
    CHECK_INT(sink_run_open(&run, "fluent", (const char *const[]){"servers", url, NULL}), OK);
    struct payload_id a = give("one");
    RUN_UNTIL(received(&servers[0], "one"));
    server_ack(&servers[0], a);
    RUN_UNTIL(run.ended[OK] == 1);
    close_all();
}

TEST(another_server_takes_over_and_the_first_is_gone_back_to)
{
    OPEN_BOTH("back_after", "5m", "timeout", "1h");
    uint16_t port = (uint16_t)strtol(strrchr(servers[0].url, ':') + 1, NULL, 10);
    close_fd(&servers[0].listen);
    struct payload_id a = give("one");
    RUN_UNTIL(received(&servers[1], "one"));
    server_ack(&servers[1], a);
    RUN_UNTIL(run.ended[OK] == 1);
    server_listen(&servers[0], port);
    int64_t now_ns = clock_mono_ns();
    struct payload_id b = give("two");
    RUN_UNTIL(received(&servers[1], "onetwo"));
    clock_hold(now_ns + 400 * SEC_NS, clock_wall_ms());
    enum status waits = try("three"); /* not before the second is acknowledged */
    clock_release();
    CHECK_INT(waits, ERR_AGAIN);
    server_ack(&servers[1], b);
    RUN_UNTIL(run.ended[OK] == 2);
    clock_hold(now_ns + 400 * SEC_NS, clock_wall_ms());
    struct payload_id d = give("three");
    clock_release();
    RUN_UNTIL(received(&servers[0], "three"));
    server_ack(&servers[0], d);
    RUN_UNTIL(run.ended[OK] == 3);
    close_all();
}

TEST(a_server_that_goes_is_replaced_by_the_next)
{
    OPEN_BOTH();
    give("one");
    RUN_UNTIL(received(&servers[0], "one"));
    close_fd(&servers[0].fd);
    RUN_UNTIL(run.ended[ERR_IO] == 1);
    struct payload_id b = give("two");
    RUN_UNTIL(received(&servers[1], "two"));
    server_ack(&servers[1], b);
    RUN_UNTIL(run.ended[OK] == 1);
    CHECK_INT(run.lane.connects, 2);
    close_all();
}

TEST(a_unix_socket_is_as_good)
{
    char path[64], url[80];
    snprintf(path, sizeof path, "/tmp/strata-fluent-%d.sock", (int)getpid());
    snprintf(url, sizeof url, "unix://%s", path);
    OPEN();
    sink_run_close(&run);
    close_fd(&servers[0].listen);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strlen(path) + 1);
    unlink(path);
    servers[0].listen = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(servers[0].listen, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_INT(listen(servers[0].listen, 8), 0);
    CHECK_INT(sink_run_open(&run, "fluent", (const char *const[]){"servers", url, NULL}), OK);
    struct payload_id id = give("one");
    unlink(path);
    RUN_UNTIL(received(&servers[0], "one"));
    server_ack(&servers[0], id);
    RUN_UNTIL(run.ended[OK] == 1);
    close_all();
}

/* Of this process, in use; 0 under sanitizers, which have an allocator of their own. */
static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

TEST(what_a_link_keeps_is_reserved)
{
    enum { WINDOW = 1024 };
    static struct payload *sent[WINDOW];
    static char part[4000] = "\x81\xa3"
                             "ack\xda\x0f\xf0";
    close_all();
    for (size_t i = 0; i < WINDOW; i++)
        sent[i] = sink_run_payload(&run, "1", 1);
    size_t before = heap_bytes();
    OPEN("in_flight", "1024");
    for (size_t i = 0; i < WINDOW; i++) {
        sent[i]->lane = &run;
        CHECK_INT(run.ops->send(run.self, sent[i], clock_mono_ns() + SEC_NS, &run.err), OK);
    }
    RUN_UNTIL(servers[0].len == WINDOW);
    server_say(&servers[0], part, sizeof part); /* of an answer, which is kept */
    work(SLICE_MS * MS_NS);
    size_t has = heap_bytes() - before, all = run.ops->reserve(run.conf, 1 << 20);
    CHECK(all >= has);
    CHECK(nothing_ended());
    OPEN("in_flight", "1");
    CHECK(run.ops->reserve(run.conf, 1 << 20) + (WINDOW - 1) * sizeof(void *) < all);
    close_all();
}
