/* SPDX-License-Identifier: Apache-2.0 */
/* The statsd sink against sockets of this test: whole datagrams, slow and absent receivers. */
#include "fake_sink.h"
#include "sink_run.h"
#include "test.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The one name server of this program: it knows one name, and may be slow. */
#define NAME "statsd.test"
static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;
static const char *name_is = "127.0.0.1"; /* under the lock */
static _Atomic unsigned lookups;

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(host, NAME) != 0 || (hints->ai_flags & AI_NUMERICHOST))
        return real(host, port, hints, ret);
    pthread_mutex_lock(&names);
    int code = real(name_is, port, hints, ret);
    pthread_mutex_unlock(&names);
    lookups++;
    return code;
}

static void move_name(const char *address)
{
    pthread_mutex_lock(&names);
    name_is = address;
    pthread_mutex_unlock(&names);
}

/* A receiver. */
struct peer {
    int fd;        /* bound */
    int accepted;  /* of a stream; -1: none */
    char at[128];  /* as the sink's address */
    char path[96]; /* of a Unix socket */
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static void peer_bind(struct peer *p, int type, const struct sockaddr *to, socklen_t size)
{
    int one = 1;
    p->accepted = -1;
    p->fd = socket(to->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(p->fd >= 0, "socket");
    if (to->sa_family != AF_UNIX)
        setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    must(bind(p->fd, to, size) == 0, "bind");
    must(type == SOCK_DGRAM || listen(p->fd, 8) == 0, "listen");
}

/* Port 0: the kernel's choice. */
static uint16_t peer_at(struct peer *p, int type, const char *address, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    must(inet_pton(AF_INET, address, &to.sin_addr) == 1, address);
    socklen_t size = sizeof to;
    *p = (struct peer){.path = ""};
    peer_bind(p, type, (const struct sockaddr *)&to, size);
    must(getsockname(p->fd, (struct sockaddr *)&to, &size) == 0, "getsockname");
    snprintf(p->at, sizeof p->at, "%s:%u", address, ntohs(to.sin_port));
    return ntohs(to.sin_port);
}

static uint16_t peer_inet(struct peer *p, int type, uint16_t port)
{
    return peer_at(p, type, "127.0.0.1", port);
}

static void peer_local(struct peer *p, int type)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    *p = (struct peer){.path = ""};
    snprintf(p->path, sizeof p->path, "/tmp/strata-statsd-%d", (int)getpid());
    unlink(p->path);
    memcpy(to.sun_path, p->path, strlen(p->path));
    snprintf(p->at, sizeof p->at, "%s", p->path);
    peer_bind(p, type, (const struct sockaddr *)&to, sizeof to);
}

static void peer_close(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->accepted >= 0)
        close(p->accepted);
    if (p->path[0])
        unlink(p->path);
    p->fd = p->accepted = -1;
}

/* One datagram as a text, "" when there is none. */
static const char *peer_datagram(struct peer *p)
{
    static char text[1 << 17];
    ssize_t n = recv(p->fd, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

/* What there is of the stream, behind what out holds. */
static void peer_read(struct peer *p, struct buf *out)
{
    char piece[4096];
    if (p->accepted < 0) {
        p->accepted = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (p->accepted < 0)
            return;
    }
    for (ssize_t n; (n = recv(p->accepted, piece, sizeof piece, 0)) > 0;)
        CHECK_INT(buf_add(out, piece, (size_t)n), OK);
}

static struct sink_run run;
static struct peer peer;

static void start(const char *network, const char *const *more)
{
    const char *settings[16] = {"network", network, "address", peer.at};
    for (size_t i = 0; more && more[i]; i++)
        settings[4 + i] = more[i];
    if (sink_run_open(&run, "statsd", settings) != OK)
        test_fail(__FILE__, __LINE__, "%s", run.err.text);
}

static void finish(void)
{
    sink_run_close(&run);
    peer_close(&peer);
}

#define MORE(...)  ((const char *const[]){__VA_ARGS__, NULL})
#define SEND(text) sink_run_send(&run, text, strlen(text))

/* The sink works until something ends, or for ms. */
static enum status work(int64_t ms)
{
    static int never = -1;
    if (never < 0)
        never = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return run.ops->work(run.self, never, clock_mono_ns() + ms * MS_NS);
}

static size_t ended(void)
{
    size_t n = 0;
    for (size_t i = 0; i < STATUS_COUNT; i++)
        n += run.ended[i];
    return n;
}

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

TEST(all_addresses_of_a_host_are_tried)
{
    uint16_t port = peer_inet(&peer, SOCK_DGRAM, 0);
    snprintf(peer.at, sizeof peer.at, "localhost:%u", port); /* ::1 too, and first, as a rule */
    start("udp", NULL);
    WAIT(SEND("a:1|g\n") == OK);
    CHECK_STR(peer_datagram(&peer), "a:1|g\n");
    finish();
}

TEST(after_a_failure_a_name_is_looked_up_again)
{
    struct peer other;
    uint16_t port = peer_inet(&peer, SOCK_DGRAM, 0);
    (void)peer_at(&other, SOCK_DGRAM, "127.0.0.2", port);
    snprintf(peer.at, sizeof peer.at, NAME ":%u", port);
    move_name("127.0.0.1");
    start("udp", MORE("lookup_interval", "0s"));
    unsigned before = lookups;
    for (int i = 0; i < 3; i++)
        CHECK_INT(SEND("a:1|g\n"), OK);
    CHECK_INT(lookups, before + 1);
    close(peer.fd);
    peer.fd = -1;
    move_name("127.0.0.2");
    CHECK_INT(SEND("b:2|g\n"), ERR_IO);
    CHECK_INT(SEND("b:2|g\n"), OK);
    CHECK_STR(peer_datagram(&other), "b:2|g\n");
    CHECK_INT(lookups, before + 2);
    peer_close(&other);
    finish();
}

TEST(a_name_that_moves_is_followed_without_a_failure)
{
    struct peer other;
    uint16_t port = peer_inet(&peer, SOCK_DGRAM, 0);
    (void)peer_at(&other, SOCK_DGRAM, "127.0.0.2", port);
    snprintf(peer.at, sizeof peer.at, NAME ":%u", port);
    move_name("127.0.0.1");
    start("udp", MORE("lookup_interval", "1ms"));
    unsigned before = lookups;
    WAIT(SEND("a:1|g\n") == OK && lookups >= before + 3); /* it stays */
    CHECK_INT(run.lane.connects, 1);
    move_name("127.0.0.2");
    WAIT(SEND("b:2|g\n") == OK && strcmp(peer_datagram(&other), "b:2|g\n") == 0);
    CHECK_INT(run.lane.connects, 2);
    peer_close(&other);
    finish();
}

/* Sends with so little time. */
static enum status send_soon(void)
{
    struct payload *p = sink_run_payload(&run, "a:1|g\n", 6);
    enum status s = run.ops->send(run.self, p, clock_mono_ns() + MS_NS, &run.err);
    if (s != OK)
        payload_free(p);
    return s;
}

TEST(a_name_server_that_is_slow_makes_nobody_wait_beyond_the_deadline)
{
    uint16_t port = peer_inet(&peer, SOCK_DGRAM, 0);
    snprintf(peer.at, sizeof peer.at, NAME ":%u", port);
    move_name("127.0.0.1");
    for (int closes = 0; closes < 2; closes++) {
        unsigned before = lookups;
        pthread_mutex_lock(&names);
        start("udp", NULL);
        enum status first = send_soon(), second = send_soon();
        if (closes)
            sink_run_close(&run); /* and leaves the look-up alone */
        pthread_mutex_unlock(&names);
        CHECK_INT(first, ERR_TIMEOUT);
        CHECK_INT(second, ERR_TIMEOUT);
        WAIT(lookups == before + 1);
        if (!closes) {
            CHECK(strstr(run.err.text, "still being looked up") != NULL);
            WAIT(SEND("a:1|g\n") == OK);
            CHECK_INT(lookups, before + 1);
            sink_run_close(&run);
        }
    }
    peer_close(&peer);
}

TEST(a_host_that_is_not_found_is_an_io_error)
{
    snprintf(peer.at, sizeof peer.at, "no..name:8125");
    start("udp", NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(SEND("a:1|g\n"), ERR_IO);
        CHECK(strstr(run.err.text, "cannot find no..name") != NULL);
    }
    sink_run_close(&run);
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
