/* SPDX-License-Identifier: Apache-2.0 */
/* The statsd sink and hosts by name: several addresses, names that move, slow name servers. */
#include "fake_sink.h"
#include "statsd_peer.h"

#include <dlfcn.h>
#include <malloc.h>
#include <netdb.h>
#include <sys/stat.h>

/* The one name server of this program: it knows one name, and may be slow. */
#define NAME "statsd.test"
static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;
static const char *name_is = "127.0.0.1"; /* under the lock */
static _Atomic unsigned lookups;
static _Atomic size_t heap_most; /* in a look-up */

/* Of this process, in use; 0 under sanitizers, which have an allocator of their own. */
static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void see_heap(void)
{
    size_t now = heap_bytes();
    if (now > heap_most)
        heap_most = now;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(host, NAME) != 0 || (hints->ai_flags & AI_NUMERICHOST))
        return real(host, port, hints, ret);
    pthread_mutex_lock(&names);
    see_heap();
    int code = real(name_is, port, hints, ret);
    see_heap();
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

/* Whether no look-up has a thread any more: what one takes is the heap's again when it has gone.
 * Sanitizers may have threads of their own, and there is no heap to look at. */
static bool is_alone(void)
{
    struct stat is;
    CHECK_INT(stat("/proc/self/task", &is), 0);
    return is.st_nlink == 3 || heap_bytes() == 0;
}

/* Nothing else runs while the heap is looked at but the link and one look-up of its own. */
TEST(what_a_link_takes_is_reserved_while_it_looks_up_a_name_and_after_that)
{
    uint16_t port = peer_inet(&peer, SOCK_DGRAM, 0);
    snprintf(peer.at, sizeof peer.at, NAME ":%u", port);
    move_name("127.0.0.1");
    start("udp", MORE("lookup_interval", "1ms"));
    CHECK_INT(SEND("a:1|g\n"), OK); /* what the resolver keeps for good is there */
    run.ops->close(run.self);
    WAIT(is_alone());
    size_t most = heap_bytes() + run.ops->reserve(run.conf, 1432);
    heap_most = 0;
    CHECK_INT(run.ops->open(&run.self, run.conf, &run.lane, &run.err), OK);
    for (int i = 0; i < 20; i++) {
        unsigned seen = lookups;
        WAIT(SEND("a:1|g\n") == OK && lookups > seen);
        WAIT(is_alone());
        CHECK(heap_most <= most);
        CHECK(heap_bytes() <= most);
    }
    finish();
}
