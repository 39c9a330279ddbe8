/* SPDX-License-Identifier: Apache-2.0 */
/* The statsd sink against sockets of this test: whole datagrams, slow and absent receivers. */
#include "fake_sink.h"
#include "statsd_peer.h"

TEST(a_payload_is_a_datagram)
{
    peer_inet(&peer, SOCK_DGRAM, 0);
    start("udp", NULL);
    CHECK_INT(run.lane.max_payload, 1432);
    CHECK_INT(run.lane.connects, 0); /* open touches nothing */
    CHECK_INT(SEND("a:1|g\nb:2|g\n"), OK);
    CHECK_INT(SEND("c:3|g\n"), OK);
    CHECK_STR(peer_datagram(&peer), "a:1|g\nb:2|g\n");
    CHECK_STR(peer_datagram(&peer), "c:3|g\n");
    CHECK_STR(peer_datagram(&peer), "");
    CHECK_INT(run.ended[OK], 2);
    CHECK_INT(run.lane.connects, 1);
    CHECK(run.lane.connected);
    finish();
}

TEST(a_payload_is_a_datagram_over_ipv6_too)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t size = sizeof to;
    int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool there = probe >= 0 && bind(probe, (const struct sockaddr *)&to, size) == 0;
    if (probe >= 0)
        close(probe);
    if (!there)
        return; /* no IPv6 on this machine */
    peer = (struct peer){.path = ""};
    peer_bind(&peer, SOCK_DGRAM, (const struct sockaddr *)&to, size);
    must(getsockname(peer.fd, (struct sockaddr *)&to, &size) == 0, "getsockname");
    snprintf(peer.at, sizeof peer.at, "[::1]:%u", ntohs(to.sin6_port));
    start("udp", NULL);
    CHECK_INT(SEND("a:1|g\n"), OK);
    CHECK_STR(peer_datagram(&peer), "a:1|g\n");
    finish();
}

/* Nothing that the receiver did not get counts as delivered. */
TEST(what_is_refused_is_not_delivered_and_goes_when_there_is_a_receiver_again)
{
    uint16_t port = peer_inet(&peer, SOCK_DGRAM, 0);
    start("udp", NULL);
    CHECK_INT(SEND("a:1|g\n"), OK);
    CHECK_STR(peer_datagram(&peer), "a:1|g\n");
    close(peer.fd);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(SEND("b:2|g\n"), ERR_IO);
        CHECK(strstr(run.err.text, "udp 127.0.0.1:") && strstr(run.err.text, "refused"));
        CHECK(!run.lane.connected);
    }
    CHECK_INT(run.ended[OK], 1);
    peer_inet(&peer, SOCK_DGRAM, port);
    CHECK_INT(SEND("c:3|g\n"), OK);
    CHECK_STR(peer_datagram(&peer), "c:3|g\n");
    CHECK_STR(peer_datagram(&peer), "");
    CHECK_INT(run.ended[OK], 2);
    finish();
}

TEST(a_datagram_that_is_too_large_is_told_and_smaller_ones_follow)
{
    static char big[STATUS_COUNT * 10000]; /* 80,000: more than UDP can have */
    memset(big, 'x', sizeof big);
    peer_inet(&peer, SOCK_DGRAM, 0);
    start("udp", MORE("datagram", "60KiB"));
    CHECK_INT(run.lane.max_payload, 60 << 10);
    CHECK_INT(sink_run_send(&run, big, 70000), ERR_LIMIT);
    CHECK_INT(run.lane.max_payload, 35000);
    CHECK_INT(sink_run_send(&run, big, 35000), OK);
    CHECK_INT(strlen(peer_datagram(&peer)), 35000);
    finish();
}

TEST(a_receiver_that_does_not_read_its_unix_socket_is_waited_for)
{
    peer_local(&peer, SOCK_DGRAM);
    start("unixgram", NULL);
    CHECK_INT(run.lane.max_payload, 8192);
    CHECK_INT(run.lane.window, 1);
    char text[32];
    size_t sent = 0;
    while (ended() == sent && sent < 100000) { /* until its queue is full */
        snprintf(text, sizeof text, "a:%zu|g\n", sent);
        CHECK_INT(SEND(text), OK);
        sent++;
    }
    CHECK_INT(run.ended[OK], sent - 1);
    CHECK_INT(SEND("b:1|g\n"), ERR_AGAIN); /* one at a time */
    CHECK_INT(work(1), ERR_TIMEOUT);
    CHECK_INT(run.ops->flush(run.self, clock_mono_ns() + MS_NS, &run.err), ERR_TIMEOUT);
    CHECK_INT(ended(), sent - 1);
    CHECK_STR(peer_datagram(&peer), "a:0|g\n");
    CHECK_INT(work(5), ERR_TIMEOUT);
    CHECK_INT(run.ended[OK], sent);
    for (size_t i = 1; i < sent; i++) {
        snprintf(text, sizeof text, "a:%zu|g\n", i);
        CHECK_STR(peer_datagram(&peer), text);
    }
    finish();
}

TEST(what_does_not_move_for_long_fails_and_says_why)
{
    peer_local(&peer, SOCK_DGRAM);
    start("unixgram", MORE("timeout", "10ms"));
    size_t sent = 0;
    for (; ended() == sent; sent++)
        CHECK_INT(SEND("a:1|g\n"), OK);
    CHECK_INT(run.ops->flush(run.self, clock_mono_ns() + SEC_NS, &run.err), OK);
    CHECK_INT(run.ended[ERR_AGAIN], 1); /* of a datagram nothing is out */
    struct err why = {.status = OK};
    run.ops->explain(run.self, &why);
    CHECK_STR(why.text, "the receiver takes nothing");
    CHECK(!run.lane.connected);
    finish();
}

TEST(a_unix_receiver_that_went_fails_and_one_that_comes_back_is_found)
{
    peer_local(&peer, SOCK_DGRAM);
    start("unixgram", NULL);
    CHECK_INT(SEND("a:1|g\n"), OK);
    peer_close(&peer);
    CHECK_INT(SEND("b:2|g\n"), ERR_IO);
    CHECK_INT(SEND("b:2|g\n"), ERR_IO);
    CHECK(strstr(run.err.text, "/tmp/strata-statsd-") && strstr(run.err.text, "No such file"));
    peer_local(&peer, SOCK_DGRAM);
    CHECK_INT(SEND("b:2|g\n"), OK);
    CHECK_STR(peer_datagram(&peer), "b:2|g\n");
    peer_close(&peer);
    peer_local(&peer, SOCK_STREAM);
    CHECK_INT(SEND("c:3|g\n"), ERR_IO); /* the old one is gone */
    CHECK_INT(SEND("c:3|g\n"), ERR_DENIED);
    CHECK(strstr(run.err.text, "wrong type") != NULL);
    finish();
}

TEST(an_abstract_unix_socket_is_an_address)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int len = snprintf(to.sun_path + 1, sizeof to.sun_path - 1, "strata-statsd-%d", (int)getpid());
    peer = (struct peer){.path = ""};
    peer_bind(&peer, SOCK_DGRAM, (const struct sockaddr *)&to,
              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len));
    snprintf(peer.at, sizeof peer.at, "@%s", to.sun_path + 1);
    start("unixgram", NULL);
    CHECK_INT(SEND("a:1|g\n"), OK);
    CHECK_STR(peer_datagram(&peer), "a:1|g\n");
    finish();
}

/* Over network; type is that of the peer. */
static void check_stream(const char *network)
{
    AUTO(buf) struct buf got = BUF_INIT(1000);
    start(network, NULL);
    CHECK_INT(run.lane.max_payload, 32 << 10);
    CHECK_INT(SEND("a:1|g\n"), OK);
    CHECK_INT(SEND("b:2|g\nc:3|g\n"), OK);
    CHECK_INT(run.ended[OK], 2);
    WAIT((peer_read(&peer, &got), got.len == 18));
    CHECK_STR(got.data, "a:1|g\nb:2|g\nc:3|g\n");
    close(peer.accepted); /* a receiver that starts again loses nothing that is still here */
    peer.accepted = -1;
    CHECK_INT(SEND("d:4|g\n"), OK);
    buf_truncate(&got, 0);
    WAIT((peer_read(&peer, &got), got.len == 6));
    CHECK_STR(got.data, "d:4|g\n");
    CHECK_INT(run.lane.connects, 2);
    finish();
}

TEST(lines_follow_each_other_in_a_stream)
{
    peer_inet(&peer, SOCK_STREAM, 0);
    check_stream("tcp");
    peer_local(&peer, SOCK_STREAM);
    check_stream("unix");
}

/* Number i as 1,000 lines of its own; returns the length. */
static size_t make_lines(char *out, size_t i)
{
    size_t n = 0;
    for (int line = 0; line < 1000; line++)
        n += (size_t)snprintf(out + n, 32, "a%zu:%d|g\n", i, line);
    return n;
}

/* Sends to a peer that does not read until a payload is under way; want gets all of them. */
static size_t fill_stream(struct buf *want)
{
    static char lines[32000];
    size_t sent = 0;
    while (ended() == sent && sent < 5000) {
        size_t len = make_lines(lines, sent);
        CHECK_INT(sink_run_send(&run, lines, len), OK);
        CHECK_INT(want ? buf_add(want, lines, len) : OK, OK);
        sent++;
    }
    CHECK_INT(run.ended[OK], sent - 1);
    return sent;
}

static void check_slow_reader(const char *network)
{
    AUTO(buf) struct buf want = BUF_INIT(64 << 20), got = BUF_INIT(64 << 20);
    start(network, NULL);
    size_t sent = fill_stream(&want);
    CHECK_INT(SEND("b:1|g\n"), ERR_AGAIN);
    CHECK_INT(work(1), ERR_TIMEOUT);
    CHECK_INT(ended(), sent - 1);
    while (got.len < want.len) {
        peer_read(&peer, &got);
        (void)!work(0);
    }
    CHECK_INT(run.ended[OK], sent);
    CHECK(want.len == got.len && memcmp(want.data, got.data, got.len) == 0);
    finish();
}

TEST(a_slow_reader_of_a_stream_gets_every_byte_once)
{
    peer_local(&peer, SOCK_STREAM);
    check_slow_reader("unix");
    peer_inet(&peer, SOCK_STREAM, 0);
    check_slow_reader("tcp");
}

TEST(a_stream_that_breaks_within_a_payload_leaves_its_outcome_open)
{
    AUTO(buf) struct buf got = BUF_INIT(1000);
    peer_local(&peer, SOCK_STREAM);
    start("unix", NULL);
    size_t sent = fill_stream(NULL);
    close(accept4(peer.fd, NULL, NULL, SOCK_CLOEXEC));
    (void)!work(1);
    CHECK_INT(run.ended[ERR_IO], 1);
    CHECK_INT(ended(), sent);
    struct err why = {.status = OK};
    run.ops->explain(run.self, &why);
    CHECK(strstr(why.text, "cannot send") != NULL);
    CHECK_INT(SEND("b:1|g\n"), OK); /* on a new connection */
    WAIT((peer_read(&peer, &got), got.len == 6));
    finish();
}

TEST(a_stream_that_does_not_move_is_given_up_with_its_outcome_open)
{
    peer_inet(&peer, SOCK_STREAM, 0);
    start("tcp", MORE("timeout", "10ms"));
    (void)fill_stream(NULL);
    CHECK_INT(run.ops->flush(run.self, clock_mono_ns() + SEC_NS, &run.err), OK);
    CHECK_INT(run.ended[ERR_TIMEOUT], 1);
    CHECK(!run.lane.connected);
    finish();
}

TEST(closing_ends_what_is_under_way)
{
    peer_local(&peer, SOCK_STREAM);
    start("unix", NULL);
    (void)fill_stream(NULL);
    run.ops->close(run.self);
    run.self = NULL;
    CHECK_INT(run.ended[ERR_CLOSED], 1);
    finish();
}

TEST(a_connection_that_is_refused_is_an_io_error)
{
    peer_inet(&peer, SOCK_STREAM, 0);
    close(peer.fd);
    peer.fd = -1;
    start("tcp", NULL);
    CHECK_INT(SEND("a:1|g\n"), ERR_IO);
    CHECK(strstr(run.err.text, "tcp 127.0.0.1:") && strstr(run.err.text, "cannot connect"));
    finish();
}

TEST(faulty_settings_are_refused_at_open)
{
    static const struct {
        const char *network, *address, *datagram, *want;
    } bad[] = {
        {"udp", "", "0", "address: '' is not host:port"},
        {"udp", "localhost", "0", "lacks a port"},
        {"udp", "localhost:", "0", "lacks a port"},
        {"udp", "localhost:0", "0", "lacks a port"},
        {"udp", "localhost:65536", "0", "lacks a port"},
        {"udp", "localhost:80x", "0", "lacks a port"},
        {"udp", "::1:8125", "0", "not host:port"},
        {"udp", "fe80::1:8125", "0", "lacks a port"},
        {"udp", "[::1:8125", "0", "lacks a port"},
        {"udp", "/run/statsd", "0", "not host:port"},
        {"udp", "udp://a:8125", "0", "not host:port"},
        {"udp", "a:8125", "63", "datagram: no line fits"},
        {"tcp", "a:8125", "1000", "datagram: tcp has no datagrams"},
        {"unix", "run/statsd", "0", "neither an absolute path nor @NAME"},
        {"unixgram", "@", "0", "neither an absolute path nor @NAME"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sink_run r;
        enum status s = sink_run_open(&r, "statsd",
                                      MORE("network", bad[i].network, "address", bad[i].address,
                                           "datagram", bad[i].datagram));
        CHECK_INT(s, ERR_INVALID);
        if (!strstr(r.err.text, bad[i].want))
            test_fail(__FILE__, __LINE__, "%s: %s", bad[i].address, r.err.text);
        sink_run_close(&r);
    }
    char path[200] = "/";
    memset(path + 1, 'x', 107);
    struct sink_run r;
    CHECK_INT(sink_run_open(&r, "statsd", MORE("network", "unix", "address", path)), ERR_INVALID);
    CHECK(strstr(r.err.text, "at most 107 bytes") != NULL);
    sink_run_close(&r);
    path[107] = '\0';
    CHECK_INT(sink_run_open(&r, "statsd", MORE("network", "unix", "address", path)), OK);
    sink_run_close(&r);
}

/* Through a lane: lines packed into datagrams, the books, a receiver that comes late. */
TEST(a_lane_packs_lines_and_loses_none)
{
    peer_local(&peer, SOCK_DGRAM);
    close(peer.fd);
    start("unixgram", MORE("datagram", "100"));
    struct rig *r = rig_new();
    r->conf.sink = run.ops;
    r->conf.sink_conf = run.conf;
    rig_start(r);
    AUTO(buf) struct buf text = BUF_INIT(10000), got = BUF_INIT(10000), want = BUF_INIT(10000);
    for (int i = 0; i < 300; i++) {
        CHECK_INT(buf_printf(&text, "a%d %d\n", i, i - 10), OK);
        if (i < 10)
            CHECK_INT(buf_printf(&want, "a%d:0|g\n", i), OK);
        CHECK_INT(buf_printf(&want, "a%d:%d|g\n", i, i - 10), OK);
    }
    rig_scrape(r, "x", 1, text.data);
    WAIT(lane_state(r->lane).failing);
    peer_local(&peer, SOCK_DGRAM);
    while (got.len < want.len) {
        const char *one = peer_datagram(&peer);
        size_t len = strlen(one);
        CHECK(len <= 100 && (len == 0 || one[len - 1] == '\n'));
        CHECK_INT(buf_puts(&got, one), OK);
    }
    lane_close(r->lane, clock_mono_ns() + 10 * SEC_NS);
    WAIT(lane_is_done(r->lane));
    check_balance(r);
    CHECK_INT(r->books.delivered, 300);
    CHECK_INT(got.len, want.len);
    rig_free(r);
    finish();
}
