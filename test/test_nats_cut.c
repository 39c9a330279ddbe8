/* SPDX-License-Identifier: Apache-2.0 */
/* What is cut of an attempt to connect that hangs, and whose sockets are left alone. */
#include "clock.h"
#include "curl_loop.h"
#include "nats_cut.h"
#include "sockets.h"
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static uint16_t own_port(int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        abort();
    return ntohs(a.sin_port);
}

static int listen_somewhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 8) != 0)
        abort();
    return fd;
}

/* type: SOCK_STREAM, SOCK_DGRAM */
static int connect_to(uint16_t port, int type)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        abort();
    return fd;
}

/* Whether it was shut down. */
static bool is_cut(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static bool keep_none(uint16_t port)
{
    (void)port;
    return false;
}

static uint16_t kept;
static bool keep_one(uint16_t port)
{
    return port == kept;
}

TEST(an_attempt_is_cut_and_a_connection_that_is_kept_is_not)
{
    int listener = listen_somewhere();
    uint16_t port = own_port(listener);
    int attempt = connect_to(port, SOCK_STREAM), other = connect_to(port, SOCK_STREAM);
    kept = own_port(other);
    CHECK_INT(nats_cut(port, SEC_NS * 1000, keep_one), 0); /* too young */
    CHECK_INT(nats_cut(port, 0, keep_one), 1);
    CHECK(is_cut(attempt) && !is_cut(other));
    close(attempt);
    close(other);
    close(listener);
}

TEST(sockets_of_others_are_left_alone)
{
    int listener = listen_somewhere();
    uint16_t port = own_port(listener);
    int noted = connect_to(port, SOCK_STREAM), datagrams = connect_to(port, SOCK_DGRAM);
    net_socket_opened(noted);
    CHECK(net_socket_is_ours(noted) && !net_socket_is_ours(datagrams));
    CHECK_INT(nats_cut(port, 0, keep_none), 0);
    int accepted = accept(listener, NULL, NULL);
    CHECK_INT(nats_cut(own_port(noted), 0, keep_none), 0); /* its peer's port */
    CHECK(!is_cut(noted) && !is_cut(accepted));
    net_socket_closed(noted);
    CHECK_INT(nats_cut(port, 0, keep_none), 1);
    CHECK(is_cut(noted));
    close(noted);
    close(datagrams);
    close(accepted);
    close(listener);
}

static void set_ended(void *of, CURL *easy, CURLcode how)
{
    (void)easy;
    *(int *)of = how == CURLE_OK ? 1 : -1;
}

/* One transfer with a peer that answers whatever it gets; returns the peer's end. */
static int serve_one(struct curl_loop *l, int listener, const int *ended)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char request[4096];
    int peer = -1;
    int64_t until_ns = clock_mono_ns() + 10 * SEC_NS;
    while (*ended == 0 && clock_mono_ns() < until_ns) {
        curl_loop_wait(l, clock_mono_ns() + MS_NS);
        if (peer < 0)
            peer = accept(listener, NULL, NULL);
        if (peer >= 0 && recv(peer, request, sizeof request, MSG_DONTWAIT) > 0 &&
            write(peer, answer, sizeof answer - 1) != sizeof answer - 1)
            abort();
    }
    return peer;
}

TEST(a_connection_that_curl_keeps_alive_is_left_alone)
{
    char url[64];
    int listener = listen_somewhere(), ended = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/metrics", own_port(listener));
    const struct curl_loop_conf conf = {
        .shards = 1, .max_connections = 4, .done = set_ended, .of = &ended};
    struct curl_loop *l;
    CHECK_INT(net_init(NULL), OK);
    CHECK_INT(curl_loop_new(&l, &conf, NULL), OK);
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    CHECK_INT(curl_loop_add(l, 0, easy, NULL), OK);
    int peer = serve_one(l, listener, &ended);
    CHECK_INT(ended, 1);
    CHECK_INT(curl_loop_connections(l), 1);
    CHECK_INT(nats_cut(own_port(listener), 0, keep_none), 0);
    CHECK(!is_cut(peer));
    curl_easy_cleanup(easy);
    curl_loop_free(l);
    for (int fd = 0; fd < 100; fd++)
        CHECK(!net_socket_is_ours(fd)); /* nor is whatever gets its number */
    close(peer);
    close(listener);
}

TEST(descriptors_beyond_the_table_count_as_noted)
{
    net_socket_opened(-1);
    net_socket_closed(-1);
    CHECK(!net_socket_is_ours(-1));
    CHECK(net_socket_is_ours(NET_SOCKET_MAX));
    net_socket_closed(NET_SOCKET_MAX);
    CHECK(net_socket_is_ours(NET_SOCKET_MAX));
    net_socket_opened(NET_SOCKET_MAX - 1);
    net_socket_opened(NET_SOCKET_MAX - 2);
    net_socket_closed(NET_SOCKET_MAX - 1);
    CHECK(!net_socket_is_ours(NET_SOCKET_MAX - 1) && net_socket_is_ours(NET_SOCKET_MAX - 2));
    net_socket_closed(NET_SOCKET_MAX - 2);
}
