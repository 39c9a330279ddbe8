/* SPDX-License-Identifier: Apache-2.0 */
/* The http sink, against a server that does what each test says. */
#include "http_peer.h"
#include "http_verdict.h"

#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#define NOTHING       ((const char *const[]){NULL})
#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

TEST(a_payload_is_a_request_with_the_headers_of_the_contract)
{
    snprintf(peer.path, sizeof peer.path, "/in?key=1");
    peer_open(NOTHING);
    struct payload *p = sink_run_payload(&peer.run, "{\"a\":1}\n", 8);
    p->id = (struct payload_id){0x7be0f1c2d3a49568, 0x86fe210044aa77cd};
    p->content_type = "application/x-ndjson";
    p->headers = SETTINGS("X-Form: 2");
    p->due_ms = 1795255200000;
    p->samples = 1;
    CHECK_INT(peer.run.ops->send(peer.run.self, p, DEADLINE_NOW, NULL), OK);
    int fd = peer_accept();
    CHECK(strncmp(peer_request(fd), "POST /in?key=1 HTTP/1.1\r\n", 25) == 0);
    static const char *const lines[] = {"Content-Type: application/x-ndjson",
                                        "Strata-Schema: 1",
                                        "Strata-Id: 7be0f1c2d3a4956886fe210044aa77cd",
                                        "Strata-Target: prod/shop/cart-0",
                                        "Strata-Due: 1795255200000",
                                        "Strata-Samples: 1",
                                        "Idempotency-Key: 7be0f1c2d3a4956886fe210044aa77cd",
                                        "X-Form: 2",
                                        "User-Agent: strata-agent",
                                        "Content-Length: 8"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!peer_has(lines[i]))
            test_fail(__FILE__, __LINE__, "no '%s' in\n%s", lines[i], peer.text);
    CHECK(!strstr(peer.text, "Content-Encoding") && !strstr(peer.text, "Expect"));
    CHECK_STR(peer.body, "{\"a\":1}\n");
    CHECK_INT(peer_ends(), 0);
    peer_reply(fd, "204 No Content", "", "");
    PEER_WAIT(peer.run.ended[OK] == 1)
    CHECK_INT(peer.run.lane.connects, 1);
    CHECK(peer.run.lane.connected);
    peer_hang_up(fd);
    peer.path[0] = '\0';
}

TEST(a_line_break_in_a_target_adds_no_header)
{
    peer_open(NOTHING);
    struct payload *p = sink_run_payload(&peer.run, "x", 1);
    CHECK_INT(payload_set_key(p, "prod", "a\r\nEvil: 1"), OK);
    CHECK_INT(peer.run.ops->send(peer.run.self, p, DEADLINE_NOW, NULL), OK);
    int fd = peer_accept();
    peer_request(fd);
    CHECK(peer_has("Strata-Target: a  Evil: 1"));
    peer_hang_up(fd);
}

static const struct {
    const char *status;
    enum status want;
} verdicts[] = {
    {"200 OK", OK},
    {"201 Created", OK},
    {"202 Accepted", OK},
    {"204 No Content", OK},
    {"301 Moved", ERR_DENIED},
    {"302 Found", ERR_DENIED},
    {"307 Temporary Redirect", ERR_DENIED},
    {"400 Bad Request", ERR_INVALID},
    {"401 Unauthorized", ERR_DENIED},
    {"403 Forbidden", ERR_DENIED},
    {"404 Not Found", ERR_INVALID},
    {"405 Method Not Allowed", ERR_INVALID},
    {"407 Proxy Authentication Required", ERR_DENIED},
    {"408 Request Timeout", ERR_AGAIN},
    {"409 Conflict", ERR_INVALID},
    {"410 Gone", ERR_INVALID},
    {"413 Content Too Large", ERR_LIMIT},
    {"415 Unsupported Media Type", ERR_INVALID},
    {"422 Unprocessable Content", ERR_INVALID},
    {"425 Too Early", ERR_AGAIN},
    {"429 Too Many Requests", ERR_AGAIN},
    {"500 Internal Server Error", ERR_IO},
    {"501 Not Implemented", ERR_IO},
    {"502 Bad Gateway", ERR_IO},
    {"503 Service Unavailable", ERR_AGAIN},
    {"504 Gateway Timeout", ERR_IO},
    {"507 Insufficient Storage", ERR_IO},
    {"600 What", ERR_INVALID},
};

TEST(each_status_has_its_verdict_and_its_words)
{
    char want[300];
    peer_open(NOTHING);
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        const char *status = verdicts[i].status;
        unsigned whys = peer.whys;
        bool redirect = status[0] == '3';
        enum status got = peer_try(status, redirect ? "Location: http://127.0.0.1:1/x\r\n" : "",
                                   strncmp(status, "204", 3) == 0 ? "" : "because\r\nof this");
        if (got != verdicts[i].want)
            test_fail(__FILE__, __LINE__, "%s: %s", status, status_name(got));
        CHECK_INT(peer.whys - whys, got == OK ? 0 : 1);
        snprintf(want, sizeof want, "POST %s: %.3s%s: because", peer.url, status,
                 redirect ? " (redirects are not followed)" : "");
        if (got != OK)
            CHECK_STR(peer.why[whys % ARRAY_LEN(peer.why)], want);
    }
    CHECK_INT(http_verdict(409, true), ERR_AGAIN);
}

TEST(what_stands_behind_the_question_mark_is_in_no_message)
{
    snprintf(peer.path, sizeof peer.path, "/in?token=secret");
    peer_open(NOTHING);
    CHECK_INT(peer_try("400 Bad Request", "", ""), ERR_INVALID);
    CHECK(strstr(peer.why[0], "/in: 400") && !strstr(peer.why[0], "secret"));
    peer.path[0] = '\0';
}

TEST(retry_after_holds_the_lane)
{
    peer_open(NOTHING);
    int64_t before_ns = clock_mono_ns();
    CHECK_INT(peer_try("429 Too Many Requests", "", ""), ERR_AGAIN);
    CHECK_INT(peer.run.lane.not_before_ns, 0);
    CHECK_INT(peer_try("400 Bad Request", "Retry-After: 7\r\n", ""), ERR_INVALID);
    CHECK_INT(peer.run.lane.not_before_ns, 0);
    CHECK_INT(peer_try("429 Too Many Requests", "Retry-After: 7\r\n", ""), ERR_AGAIN);
    CHECK(peer.run.lane.not_before_ns >= before_ns + 7 * SEC_NS);
    CHECK(peer.run.lane.not_before_ns <= clock_mono_ns() + 7 * SEC_NS);
    CHECK_INT(peer_try("503 Service Unavailable", "Retry-After: 99999999\r\n", ""), ERR_AGAIN);
    CHECK(peer.run.lane.not_before_ns <= clock_mono_ns() + 300 * SEC_NS);
    CHECK(peer.run.lane.not_before_ns > before_ns + 299 * SEC_NS);
}

TEST(what_is_too_large_makes_later_ones_smaller)
{
    static char large[100001];
    peer_open(NOTHING);
    size_t before = peer.run.lane.max_payload;
    CHECK_INT(peer_try("413 Content Too Large", "", ""), ERR_LIMIT);
    CHECK_INT(peer.run.lane.max_payload, before); /* one byte says nothing of the bound */
    memset(large, 'x', 100000);
    CHECK_INT(peer_send(large), OK);
    int fd = peer_accept();
    peer_request(fd);
    peer_reply(fd, "413 Content Too Large", "", "");
    PEER_WAIT(peer.run.ended[ERR_LIMIT] == 2)
    CHECK_INT(peer.run.lane.max_payload, 50000);
    peer_hang_up(fd);
}

TEST(connections_are_kept_and_no_more_requests_than_connections)
{
    peer_open(SETTINGS("connections", "2", "method", "PUT"));
    CHECK_INT(peer.run.lane.window, 2);
    CHECK_INT(peer_send("a"), OK);
    CHECK_INT(peer_send("b"), OK);
    CHECK_INT(peer_send("c"), ERR_AGAIN);
    CHECK_STR(peer.run.err.text, "2 requests are under way");
    int one = peer_accept(), two = peer_accept();
    CHECK(strncmp(peer_request(one), "PUT / HTTP/1.1\r\n", 16) == 0);
    peer_reply(one, "200 OK", "", "ok");
    PEER_WAIT(peer.run.ended[OK] == 1)
    CHECK_INT(peer_send("c"), OK); /* on the one that is free */
    CHECK(strstr(peer_request(one), "\r\n\r\nc"));
    peer_request(two);
    peer_reply(two, "200 OK", "", "ok");
    peer_reply(one, "200 OK", "", "ok");
    PEER_WAIT(peer.run.ended[OK] == 3)
    CHECK_INT(peer.run.lane.connects, 2);
    peer_hang_up(one);
    peer_hang_up(two);
}

TEST(a_connection_that_the_server_closed_while_idle_costs_nothing)
{
    peer_open(SETTINGS("connections", "1"));
    for (size_t i = 1; i <= 3; i++) {
        CHECK_INT(peer_send("x"), OK);
        int fd = peer_accept();
        peer_request(fd);
        peer_reply(fd, "200 OK", "", "ok");
        PEER_WAIT(peer.run.ended[OK] == i)
        peer_hang_up(fd);
    }
    CHECK_INT(peer_ends(), 3);
}

TEST(a_refusal_counts_though_the_server_reads_no_more)
{
    size_t len = 1000000; /* libcurl does not ask before it sends these */
    char *body = mem_alloc(len), room[100];
    peer_open(NOTHING);
    memset(body, 'x', len);
    CHECK_INT(sink_run_send(&peer.run, body, len), OK);
    int fd = peer_accept();
    PEER_WAIT(recv(fd, room, sizeof room, MSG_DONTWAIT) > 0)
    peer_reply(fd, "413 Content Too Large", "Connection: close\r\n", "");
    peer_hang_up(fd); /* with a reset, for much has not been read */
    PEER_WAIT(peer.run.ended[ERR_LIMIT] == 1)
    mem_free(body);
}

TEST(a_server_that_does_not_listen_got_nothing)
{
    peer_open(NOTHING);
    struct sink_run r;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, so that nobody else is */
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    char url[64];
    CHECK_INT(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/?secret", ntohs(a.sin_port));
    CHECK_INT(sink_run_open(&r, "http", SETTINGS("url", url)), OK);
    CHECK_INT(sink_run_send(&r, "x", 1), OK);
    CHECK_INT(r.ops->flush(r.self, clock_mono_ns() + 10 * SEC_NS, NULL), OK);
    CHECK_INT(r.ended[ERR_AGAIN], 1);
    r.ops->explain(r.self, &r.err);
    CHECK(strstr(r.err.text, "onnect") && !strstr(r.err.text, "secret"));
    CHECK(!r.lane.connected);
    sink_run_close(&r);
    close(fd);
}

TEST(an_answer_that_is_cut_off_leaves_the_outcome_unknown)
{
    static const char *const answers[] = {"", "HTTP/1.1 200 OK\r\nContent-Le",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"};
    peer_open(NOTHING);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        CHECK_INT(peer_send("x"), OK);
        int fd = peer_accept();
        peer_request(fd);
        peer_say(fd, answers[i]);
        peer_hang_up(fd);
        PEER_WAIT(peer_ends() > i)
        CHECK_INT(peer.run.ended[ERR_IO], i + 1);
    }
    CHECK(strstr(peer.why[2], "200, but its answer was cut off"));
    CHECK_INT(peer_send("x"), OK); /* a refusal counts, however it ends */
    int fd = peer_accept();
    peer_request(fd);
    peer_say(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nhalf");
    peer_hang_up(fd);
    PEER_WAIT(peer.run.ended[ERR_INVALID] == 1)
    CHECK(strstr(peer.why[3], ": 400: half"));
}

TEST(a_slow_server_leaves_the_outcome_unknown)
{
    peer_open(SETTINGS("timeout", "100ms"));
    CHECK_INT(peer_send("x"), OK);
    int fd = peer_accept();
    peer_request(fd);
    PEER_WAIT(peer.run.ended[ERR_TIMEOUT] == 1)
    peer_hang_up(fd);
    CHECK_INT(peer_ends(), 1);
}

TEST(of_a_long_answer_only_the_start_is_read)
{
    static char block[10001];
    peer_open(SETTINGS("timeout", "1m"));
    CHECK_INT(peer_send("x"), OK);
    int fd = peer_accept();
    peer_request(fd);
    peer_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2710\r\n");
    memset(block, 'y', 10000);
    for (int i = 0; i < 50 && peer.run.ended[OK] == 0; i++) {
        (void)!send(fd, block, 10000, MSG_NOSIGNAL);
        (void)!send(fd, "\r\n2710\r\n", 8, MSG_NOSIGNAL);
        peer_step();
    }
    PEER_WAIT(peer.run.ended[OK] == 1)
    peer_hang_up(fd);
}

TEST(closing_ends_what_is_in_the_air)
{
    peer_open(SETTINGS("connections", "3"));
    CHECK_INT(peer_send("a"), OK);
    CHECK_INT(peer_send("b"), OK);
    CHECK_INT(peer.run.ops->flush(peer.run.self, clock_mono_ns() + 5 * MS_NS, &peer.run.err),
              ERR_TIMEOUT);
    CHECK_STR(peer.run.err.text, "2 requests are not answered");
    sink_run_close(&peer.run);
    CHECK_INT(peer.run.ended[ERR_CLOSED], 2);
    for (int i = 0; i < 2; i++) {
        int fd = accept4(peer.fd, NULL, NULL, SOCK_CLOEXEC);
        CHECK(fd >= 0);
        close(fd);
    }
}

/* A body that compresses, of len bytes. */
static char *make_body(size_t len)
{
    char *body = mem_alloc(len + 1);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)('a' + i % 7 + (i / 1000) % 3);
    return body;
}

static size_t unzip(const char *from, size_t len, char *to, size_t max)
{
    z_stream z = {.next_in = (Bytef *)from,
                  .avail_in = (uInt)len,
                  .next_out = (Bytef *)to,
                  .avail_out = (uInt)max};
    CHECK_INT(inflateInit2(&z, 15 + 16), Z_OK);
    CHECK_INT(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return max - z.avail_out;
}

static void check_compression(const char *how)
{
    static const size_t lengths[] = {1, 1000, 300000};
    char line[64], *back = mem_alloc(300001);
    peer_open(SETTINGS("compression", how));
    snprintf(line, sizeof line, "Content-Encoding: %s", how);
    int fd = -1;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        char *body = make_body(lengths[i]);
        CHECK_INT(sink_run_send(&peer.run, body, lengths[i]), OK);
        fd = fd < 0 ? peer_accept() : fd;
        peer_request(fd);
        CHECK(peer_has(line));
        CHECK(lengths[i] < 1000 || peer.body_len < lengths[i] / 5);
        size_t n = strcmp(how, "gzip") == 0
                       ? unzip(peer.body, peer.body_len, back, 300001)
                       : ZSTD_decompress(back, 300001, peer.body, peer.body_len);
        CHECK_INT(n, lengths[i]);
        CHECK(memcmp(back, body, n) == 0);
        peer_reply(fd, "200 OK", "", "");
        PEER_WAIT(peer.run.ended[OK] == i + 1)
        mem_free(body);
    }
    struct payload *p = sink_run_payload(&peer.run, "packed", 6); /* by its encoder */
    p->headers = SETTINGS("Content-Encoding: snappy");
    CHECK_INT(peer.run.ops->send(peer.run.self, p, DEADLINE_NOW, NULL), OK);
    peer_request(fd);
    CHECK(peer_has("Content-Encoding: snappy") && !peer_has(line));
    CHECK_STR(peer.body, "packed");
    peer_hang_up(fd);
    mem_free(back);
}

TEST(gzip_is_what_was_sent)
{
    check_compression("gzip");
}

TEST(zstd_is_what_was_sent)
{
    check_compression("zstd");
}

static char secret_file[] = "/tmp/test_sink_http.XXXXXX";

static void put_secret(const char *text)
{
    static bool made;
    if (!made)
        close(mkstemp(secret_file));
    made = true;
    FILE *f = fopen(secret_file, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

__attribute__((destructor)) static void leave(void)
{
    unlink(secret_file);
}

TEST(a_rotated_token_is_read_again_after_a_401)
{
    char from[64];
    put_secret("old");
    snprintf(from, sizeof from, "file:%s", secret_file);
    peer_open(SETTINGS("client.bearer", from));
    CHECK_INT(peer_send("x"), OK);
    int fd = peer_accept();
    peer_request(fd);
    CHECK(peer_has("Authorization: Bearer old"));
    char id[64];
    snprintf(id, sizeof id, "%.49s", strstr(peer.text, "Idempotency-Key: "));
    put_secret("brand-new");
    peer_reply(fd, "401 Unauthorized", "", "");
    peer_request(fd);
    CHECK(peer_has("Authorization: Bearer brand-new") && peer_has(id));
    peer_reply(fd, "401 Unauthorized", "", ""); /* once is enough */
    PEER_WAIT(peer.run.ended[ERR_DENIED] == 1)
    CHECK_INT(peer_send("x"), OK);
    peer_request(fd);
    CHECK(peer_has("Authorization: Bearer brand-new"));
    peer_reply(fd, "401 Unauthorized", "", ""); /* nothing new in the file */
    PEER_WAIT(peer.run.ended[ERR_DENIED] == 2)
    CHECK_INT(peer_ends(), 2);
    peer_hang_up(fd);
}

TEST(a_secret_that_cannot_be_read_denies)
{
    peer_open(SETTINGS("client.bearer", "file:/nonexistent/token"));
    CHECK_INT(peer_send("x"), ERR_DENIED);
    CHECK(strstr(peer.run.err.text, "/nonexistent/token"));
    CHECK_INT(peer_ends(), 0);
}

TEST(basic_and_headers_of_the_user_go_along)
{
    peer_open(SETTINGS("client.user", "me", "client.password", "pass"));
    CHECK_INT(peer_send("x"), OK);
    int fd = peer_accept();
    peer_request(fd);
    CHECK(peer_has("Authorization: Basic bWU6cGFzcw=="));
    peer_hang_up(fd);
}

TEST(a_url_may_be_made_of_labels)
{
    static const struct label labels[] = {{"job", "a b/c?d"}, {"zone", ".."}};
    static const struct target target = {
        .id = "x", .url = "http://10.0.0.7:9100/", .labels = labels, .labels_len = 2};
    snprintf(peer.path, sizeof peer.path, "/m/{job}/{zone}/{none}?i={instance}&z={zone}");
    peer_open(NOTHING);
    struct payload *p = sink_run_payload(&peer.run, "x", 1);
    CHECK_INT(peer.run.ops->render(peer.run.self, &target, &p->address), OK);
    CHECK_INT(peer.run.ops->send(peer.run.self, p, DEADLINE_NOW, NULL), OK);
    int fd = peer_accept();
    static const char want[] = "POST /m/a_b_c_d/__/unknown?i=10.0.0.7:9100&z=.. HTTP/1.1\r\n";
    if (strncmp(peer_request(fd), want, sizeof want - 1) != 0)
        test_fail(__FILE__, __LINE__, "%s", peer.text);
    peer_reply(fd, "400 Bad Request", "", "no");
    PEER_WAIT(peer.whys == 1)
    CHECK(strstr(peer.why[0], "/m/a_b_c_d/__/unknown: 400: no"));
    peer_hang_up(fd);
    peer.path[0] = '\0';
    peer_open(NOTHING);
    AUTO(buf) struct buf out = BUF_INIT(100);
    CHECK_INT(peer.run.ops->render(peer.run.self, &target, &out), OK);
    CHECK_INT(out.len, 0); /* the same for all */
}

TEST(what_cannot_work_is_refused)
{
    static const char *const bad[][3] = {
        {"url", "ftp://h/", "url is neither http:// nor https://"},
        {"url", "http://me:secret@h/",
         "url has an '@': user and password have settings of their own"},
        {"url", "http://{job}/", "url has a name in braces where its host is"},
        {"url", "http://h/#x", "url has a '#', which no server gets to see"},
        {"url", "http://", "url is no URL"},
        {"url", "http://h/{job", "url: column 10: '{' is not closed"},
        {"client.password", "x", "a password without a user"},
        {"client.tls.cert", "x", "tls: cert and key go together"},
        {"oauth2.token_url", "http://h/",
         "oauth2: token_url, client_id and client_secret go together"},
        {"oauth2.token_url", "h", "oauth2.token_url is neither http:// nor https://"},
        {"oauth2.client_id", "x", "oauth2: without token_url"},
        {"oauth2.tls.key", "x", "oauth2.tls: cert and key go together"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sink_run r;
        enum status s =
            sink_run_open(&r, "http", SETTINGS("url", "http://h/", bad[i][0], bad[i][1]));
        if (s != ERR_INVALID || strcmp(r.err.text, bad[i][2]) != 0)
            test_fail(__FILE__, __LINE__, "%s: %s: %s", bad[i][0], bad[i][1], r.err.text);
        r.self = NULL;
        sink_run_close(&r);
    }
}
