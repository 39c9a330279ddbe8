/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_server.h"

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct kube_said said, other;

static void fresh(void)
{
    kube_forget(&said);
    kube_forget(&other);
    kube_open("http", "", "token: abc");
}

TEST(a_call_says_who_it_is_and_gets_its_answer)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* is not asked */
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    fresh();
    kube_get(&said, "/api/v1/pods?a=b&c=d%20e");
    int fd = kube_accept();
    char want[512];
    snprintf(want, sizeof want,
             "GET /api/v1/pods?a=b&c=d%%20e HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
             "User-Agent: strata-agent/" STRATA_VERSION "\r\nAccept: application/json\r\n"
             "Authorization: Bearer abc\r\n\r\n",
             kube.port);
    CHECK_STR(kube_request(fd), want);
    kube_reply_ok(fd, "{\"a\":1}");
    KUBE_WAIT(said.ended)
    CHECK_STR(said.err, "");
    CHECK_INT(said.status, OK);
    CHECK_INT(said.code, 200);
    CHECK_STR(said.body, "{\"a\":1}");
    CHECK_INT(said.body_len, 7);
    struct kube_client_books b = kube_client_books(kube.client);
    CHECK_INT(b.calls, 1);
    CHECK_INT(b.failed, 0);
    CHECK_INT(b.bytes, 7);
    CHECK(kube_client_timer_ns(kube.client) > clock_mono_ns());
    close(fd);
}

TEST(a_body_goes_with_its_type)
{
    fresh();
    char body[] = "{\"spec\":{}}";
    struct kube_request q = {.method = "PATCH",
                             .path = "/x",
                             .content_type = "application/merge-patch+json",
                             .body = {body, strlen(body)},
                             .done = kube_done,
                             .of = &said};
    kube_client_send(kube.client, &q);
    memset(body, 'x', sizeof body); /* it has been copied */
    int fd = kube_accept();
    const char *text = kube_request(fd);
    CHECK(strncmp(text, "PATCH /x HTTP/1.1\r\n", 19) == 0);
    CHECK(strstr(text, "\r\nContent-Type: application/merge-patch+json\r\n"));
    CHECK(strstr(text, "\r\nContent-Length: 11\r\n"));
    CHECK(strstr(text, "\r\n\r\n{\"spec\":{}}"));
    CHECK(!strstr(text, "Expect"));
    kube_reply(fd, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, OK);
    CHECK_INT(said.code, 201);
    CHECK_STR(said.body, "");
    close(fd);
}

TEST(bytes_are_handed_on_as_they_come)
{
    fresh();
    kube_watch(&said, "/w", 0);
    int fd = kube_accept();
    kube_request(fd);
    kube_reply(fd, CHUNKED "3\r\none\r\n");
    KUBE_WAIT(said.bytes[0])
    CHECK_STR(said.bytes, "one");
    kube_reply(fd, "4\r\n two\r\n");
    KUBE_WAIT(said.pieces == 2)
    CHECK(!said.ended);
    kube_reply(fd, "0\r\n\r\n");
    KUBE_WAIT(said.ended)
    CHECK_STR(said.bytes, "one two");
    CHECK_INT(said.status, OK);
    CHECK_STR(said.body, "");
    CHECK_INT(kube_client_books(kube.client).bytes, 7);
    close(fd);
}

TEST(connections_are_kept_and_a_watch_has_its_own)
{
    fresh();
    kube_watch(&other, "/w", 0);
    int watch = kube_accept();
    kube_request(watch);
    kube_reply(watch, CHUNKED "1\r\na\r\n");
    said.then = "/second"; /* sent from within done */
    kube_get(&said, "/first");
    int fd = kube_accept();
    CHECK(strstr(kube_request(fd), "GET /first "));
    kube_reply_ok(fd, "1");
    CHECK(strstr(kube_request(fd), "GET /second "));
    kube_reply_ok(fd, "2");
    KUBE_WAIT(said.ended)
    CHECK_STR(said.body, "2");
    CHECK(kube_nobody() && !other.ended);
    CHECK_INT(kube_client_books(kube.client).calls, 3);
    close(fd);
    close(watch);
}

TEST(what_bytes_returns_ends_the_call)
{
    fresh();
    said.take = ERR_CLOSED;
    kube_watch(&said, "/w", 0);
    int fd = kube_accept();
    kube_request(fd);
    kube_reply(fd, CHUNKED "1\r\na\r\n");
    KUBE_WAIT(said.pieces == 1)
    kube_reply(fd, "1\r\nb\r\n");
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, ERR_CLOSED);
    CHECK_STR(said.err, "GET /w: its answer was not taken");
    kube_hung_up(fd);
}

TEST(a_cancelled_call_says_nothing)
{
    fresh();
    kube_get(&said, "/waits");
    kube_call_cancel(said.call);
    CHECK_INT(kube_client_timer_ns(kube.client), DEADLINE_NEVER);
    kube_watch(&said, "/runs", 0);
    int fd = kube_accept();
    kube_request(fd);
    kube_call_cancel(said.call);
    kube_hung_up(fd);
    CHECK(!said.ended && said.pieces == 0);
}

TEST(bytes_may_cancel_calls_and_itself)
{
    fresh();
    kube_watch(&said, "/a", 0);
    int a = kube_accept();
    kube_request(a);
    kube_watch(&other, "/b", 0);
    int b = kube_accept();
    kube_request(b);
    said.cancel = other.call;
    kube_reply(a, CHUNKED "1\r\na\r\n");
    KUBE_WAIT(said.pieces == 1)
    kube_hung_up(b);
    said.cancel = said.call;
    kube_reply(a, "1\r\nb\r\n");
    KUBE_WAIT(said.pieces == 2)
    kube_hung_up(a);
    CHECK(!said.ended && !other.ended);
}

TEST(a_client_that_is_freed_ends_its_calls_in_silence)
{
    fresh();
    kube_watch(&said, "/a", 0);
    int fd = kube_accept();
    kube_request(fd);
    kube_get(&other, "/b");
    kube_stop();
    char c;
    CHECK_INT(recv(fd, &c, 1, 0), 0);
    close(fd);
    CHECK(!said.ended && !other.ended);
}

/* Both clocks stand, so much later. */
static void later(int64_t ns)
{
    clock_hold(clock_mono_ns() + ns, clock_wall_ms() + ns / MS_NS);
}

TEST(a_call_that_is_not_done_in_time_ends)
{
    fresh();
    struct kube_request q = {.method = "GET",
                             .path = "/x",
                             .timeout_ns = 30 * SEC_NS,
                             .quiet_ns = 60 * SEC_NS,
                             .done = kube_done,
                             .of = &said};
    kube_client_send(kube.client, &q);
    int fd = kube_accept();
    kube_request(fd);
    later(0);
    later(29 * SEC_NS);
    kube_client_run(kube.client);
    CHECK(!said.ended);
    later(SEC_NS);
    CHECK(kube_client_timer_ns(kube.client) <= clock_mono_ns());
    kube_client_run(kube.client);
    CHECK_INT(said.status, ERR_TIMEOUT);
    CHECK_STR(said.err, "GET /x: not done within 30 s");
    clock_release();
    kube_hung_up(fd);
}

TEST(a_connection_that_says_nothing_counts_as_dead)
{
    fresh();
    kube_watch(&said, "/w", 90 * SEC_NS);
    int fd = kube_accept();
    kube_request(fd);
    later(0);
    later(80 * SEC_NS);
    kube_reply(fd, CHUNKED "1\r\na\r\n");
    KUBE_WAIT(said.pieces == 1)
    later(80 * SEC_NS); /* 80 s since the byte */
    kube_client_run(kube.client);
    CHECK(!said.ended);
    CHECK(kube_client_timer_ns(kube.client) > clock_mono_ns());
    later(10 * SEC_NS);
    kube_client_run(kube.client);
    CHECK_INT(said.status, ERR_TIMEOUT);
    CHECK_INT(said.code, 200);
    CHECK_STR(said.err, "GET /w: no byte for 90 s");
    clock_release();
    kube_hung_up(fd);
}

#define STATUS(message) "{\"kind\":\"Status\",\"message\":\"" message "\"}"

TEST(each_answer_has_its_status)
{
    static const struct {
        int code;
        const char *headers, *body;
        enum status status;
        int64_t after_ns;
        const char *err;
    } cases[] = {
        {200, "Retry-After: 5\r\n", "", OK, 0, ""},
        {299, "", "x", OK, 0, ""},
        {302, "Location: /y\r\n", "", ERR_INVALID, 0, "302 (redirects are not followed)"},
        {400, "", STATUS("a\\nb \\u00e4"), ERR_INVALID, 0, "400: a"},
        {401, "", STATUS("Unauthorized"), ERR_DENIED, 0, "401: Unauthorized"},
        {403, "Retry-After: 1\r\n", STATUS("pods is forbidden: \\u00e4"), ERR_DENIED, SEC_NS,
         "403: pods is forbidden: \xc3\xa4"},
        {404, "", "404 page not found\n", ERR_INVALID, 0, "404: 404 page not found"},
        {409, "", "{\"message\":7}", ERR_INVALID, 0, "409"},
        {410, "", STATUS("too old"), ERR_INVALID, 0, "410: too old"},
        {422, "", "", ERR_INVALID, 0, "422"},
        {429, "", "wait", ERR_AGAIN, 0, "429: wait"},
        {429, "Retry-After: 7\r\n", "", ERR_AGAIN, 7 * SEC_NS, "429"},
        {429, "Retry-After: 99999\r\n", "", ERR_AGAIN, 3600 * SEC_NS, "429"},
        {429, "Retry-After: soon\r\n", "", ERR_AGAIN, 0, "429"},
        {409, "Retry-After: 2\r\n", "", ERR_AGAIN, 2 * SEC_NS, "409"},
        {500, "", "\x01\x02\xff\xfe", ERR_IO, 0, "500"},
        {500, "", "\x01<b>\x7f\n", ERR_IO, 0, "500:  <b>"},
        {503, "Retry-After: 2\r\n", "", ERR_AGAIN, 2 * SEC_NS, "503"},
        {599, "", "[[[[", ERR_IO, 0, "599: [[[["},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[512], want[128] = "";
        fresh();
        kube_get(&said, "/x?secret=1");
        int fd = kube_accept();
        kube_request(fd);
        snprintf(text, sizeof text, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s",
                 cases[i].code, cases[i].headers, strlen(cases[i].body), cases[i].body);
        kube_reply(fd, text);
        KUBE_WAIT(said.ended)
        if (cases[i].err[0])
            snprintf(want, sizeof want, "GET /x: %s", cases[i].err);
        CHECK_STR(said.err, want);
        CHECK_INT(said.status, cases[i].status);
        CHECK_INT(said.code, cases[i].code);
        CHECK_INT(said.retry_after_ns, cases[i].after_ns);
        CHECK_STR(said.body, cases[i].body);
        CHECK_INT(kube_client_books(kube.client).failed, cases[i].status != OK);
        CHECK(kube_nobody());
        close(fd);
    }
}

TEST(an_error_goes_to_done_and_not_to_bytes)
{
    fresh();
    kube_watch(&said, "/w", 0);
    int fd = kube_accept();
    kube_request(fd);
    kube_reply(fd, "HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone");
    KUBE_WAIT(said.ended)
    CHECK_INT(said.pieces, 0);
    CHECK_STR(said.body, "gone");
    CHECK_STR(said.err, "GET /w: 410: gone");
    close(fd);
}

TEST(a_server_that_is_not_there_is_an_error_of_io)
{
    fresh();
    close(kube.fd);
    kube_get(&said, "/x");
    for (int64_t until_ns = kube_now_ns() + 10 * SEC_NS; !said.ended && kube_now_ns() < until_ns;)
        kube_client_run(kube.client);
    CHECK_INT(said.status, ERR_IO);
    CHECK_INT(said.code, 0);
    CHECK(strstr(said.err, "GET /x: ") && strstr(said.err, "onnect"));
    kube_listen();
}

TEST(what_is_cut_off_is_an_error_of_io)
{
    static const char *const cases[] = {"",
                                        "HTTP/1.1 2",
                                        "HTTP/1.1 200 OK\r\n",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
                                        CHUNKED "5\r\nab",
                                        "no HTTP at all\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fresh();
        kube_get(&said, "/x");
        int fd = kube_accept();
        kube_request(fd);
        kube_reply(fd, cases[i]);
        close(fd);
        KUBE_WAIT(said.ended)
        CHECK_INT(said.status, ERR_IO);
        CHECK(strncmp(said.err, "GET /x: ", 8) == 0 && said.err[8]);
    }
}

TEST(an_error_whose_body_never_ends_counts_as_that_error)
{
    fresh();
    struct kube_request q = {
        .method = "GET", .path = "/x", .timeout_ns = 30 * SEC_NS, .done = kube_done, .of = &said};
    kube_client_send(kube.client, &q);
    int fd = kube_accept();
    kube_request(fd);
    later(0);
    kube_reply(fd, "HTTP/1.1 429 X\r\nRetry-After: 3\r\nContent-Length: 9\r\n\r\nhm");
    KUBE_WAIT(kube_client_books(kube.client).bytes == 2)
    later(31 * SEC_NS);
    kube_client_run(kube.client);
    CHECK(said.ended);
    CHECK_INT(said.status, ERR_AGAIN);
    CHECK_INT(said.retry_after_ns, 3 * SEC_NS);
    CHECK_STR(said.body, "hm");
    clock_release();
    kube_hung_up(fd);
}

/* An answer without end, until the client hangs up. */
static void reply_without_end(const char *head)
{
    static char junk[65536];
    memset(junk, 'x', sizeof junk);
    kube_get(&said, "/x");
    int fd = kube_accept();
    kube_request(fd);
    kube_reply(fd, head);
    KUBE_WAIT_ON(fd, send(fd, junk, sizeof junk, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && said.ended)
    close(fd);
}

TEST(bodies_and_headers_without_end_are_cut)
{
    fresh();
    reply_without_end("HTTP/1.1 500 X\r\n\r\nabc");
    CHECK_INT(said.status, ERR_IO);
    CHECK_INT(said.body_len, KUBE_BODY_MAX);
    CHECK(strlen(said.err) < 200 && strstr(said.err, "500: abcxx"));
    fresh();
    reply_without_end("HTTP/1.1 200 X\r\n\r\n");
    CHECK_INT(said.status, ERR_LIMIT);
    CHECK_STR(said.err, "GET /x: the answer is too large");
    fresh();
    reply_without_end("HTTP/1.1 200 X\r\nA: ");
    CHECK_INT(said.status, ERR_IO);
    CHECK_INT(said.body_len, 0);
}

TEST(a_rotated_token_is_used_after_a_401)
{
    kube_forget(&said);
    if (!kube.fd)
        kube_start();
    kube_put("token", "old\n");
    kube_open("http", "", "tokenFile: token");
    kube_get(&said, "/x");
    int fd = kube_accept();
    kube_request(fd);
    CHECK_STR(kube_bearer(), "old");
    kube_put("token", "new\n");
    kube_reply(fd, KUBE_401);
    kube_request(fd);
    CHECK_STR(kube_bearer(), "new");
    kube_reply_ok(fd, "1");
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, OK);
    CHECK_STR(said.body, "1");
    kube_forget(&said);
    kube_get(&said, "/y");
    kube_request(fd);
    kube_reply(fd, KUBE_401); /* the token is the same: once is enough */
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, ERR_DENIED);
    CHECK_STR(said.err, "GET /y: 401");
    close(fd);
}

TEST(a_second_401_is_told)
{
    kube_forget(&said);
    kube_put("token", "a");
    kube_open("http", "", "tokenFile: token");
    kube_get(&said, "/x");
    int fd = kube_accept();
    kube_request(fd);
    kube_put("token", "bb");
    kube_reply(fd, KUBE_401);
    kube_request(fd);
    kube_put("token", "ccc");
    kube_reply(fd, KUBE_401);
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, ERR_DENIED);
    close(fd);
}

TEST(a_token_that_cannot_be_read_is_told)
{
    kube_forget(&said);
    kube_put("token", "a\nb");
    kube_open("http", "", "tokenFile: token");
    kube_get(&said, "/x");
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, ERR_DENIED);
    CHECK(strstr(said.err, "GET /x: /tmp/") && strstr(said.err, "a second line"));
    CHECK(kube_nobody());
}
