/* SPDX-License-Identifier: Apache-2.0 */
/* The http sink with OAuth2: tokens are asked for, expire, are refused, and cost no payload. */
#include "http_peer.h"
#include "http_token.h"

static char token_url[128];
static int64_t seconds(int64_t n)
{
    return n * SEC_NS;
}

static void open_with(const char *const *more)
{
    const char *all[16] = {"oauth2.token_url",     token_url, "oauth2.client_id", "me&you",
                           "oauth2.client_secret", "a:b c/d", "connections",      "2"};
    if (!peer.fd)
        peer_listen();
    snprintf(token_url, sizeof token_url, "http://127.0.0.1:%d/token?x=secret", peer.port);
    for (size_t i = 0; more[i]; i++)
        all[i + 8] = more[i];
    peer_open(all);
}

#define OPEN(...) open_with((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* The next request asks for a token. */
static int accept_token_request(void)
{
    int fd = peer_accept();
    if (strncmp(peer_request(fd), "POST /token?x=secret HTTP/1.1\r\n", 31) != 0)
        test_fail(__FILE__, __LINE__, "%s", peer.text);
    return fd;
}

/* On a connection of its own, or the payloads would go over it. */
static void give_token(int fd, const char *token, const char *life)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%s}", token, life);
    peer_reply(fd, "200 OK", "Content-Type: application/json\r\nConnection: close\r\n", text);
    peer_hang_up(fd);
}

TEST(a_payload_waits_for_a_token_which_others_share)
{
    OPEN("oauth2.scopes", "write", "oauth2.scopes", "read all");
    CHECK_INT(peer_send("one"), OK);
    CHECK_INT(peer_send("two"), OK);
    int tokens = accept_token_request();
    CHECK(peer_has("Content-Type: application/x-www-form-urlencoded"));
    /* me%26you:a%3Ab%20c%2Fd */
    CHECK(peer_has("Authorization: Basic bWUlMjZ5b3U6YSUzQWIlMjBjJTJGZA=="));
    CHECK_STR(peer.body, "grant_type=client_credentials&scope=write%20read%20all");
    CHECK_INT(peer_ends(), 0);
    give_token(tokens, "abc", "3600");
    int one = peer_accept(), two = peer_accept();
    peer_request(one);
    CHECK(peer_has("Authorization: Bearer abc") && !strstr(peer.text, "Basic"));
    peer_reply(one, "204 No Content", "", "");
    peer_request(two);
    CHECK(peer_has("Authorization: Bearer abc"));
    peer_reply(two, "204 No Content", "", "");
    PEER_WAIT(peer.run.ended[OK] == 2)
    CHECK_INT(peer_send("three"), OK); /* it is still good */
    PEER_WAIT(recv(one, peer.text, 1, MSG_PEEK) == 1 || recv(two, peer.text, 1, MSG_PEEK) == 1)
    peer_hang_up(one);
    peer_hang_up(two);
}

TEST(the_login_may_go_into_the_form)
{
    OPEN("oauth2.login", "body");
    CHECK_INT(peer_send("one"), OK);
    int fd = accept_token_request();
    CHECK(!strstr(peer.text, "Authorization"));
    CHECK_STR(peer.body,
              "grant_type=client_credentials&client_id=me%26you&client_secret=a%3Ab%20c%2Fd");
    peer_hang_up(fd);
}

/* The next request is a payload with that token; answered so, and the connection closed: or the
 * next token would be asked for over it. */
static void accept_payload(const char *token, const char *status, const char *body)
{
    char line[64];
    int fd = peer_accept();
    peer_request(fd);
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    if (!peer_has(line))
        test_fail(__FILE__, __LINE__, "no '%s' in\n%s", line, peer.text);
    peer_reply(fd, status, "Connection: close\r\n", body);
    peer_hang_up(fd);
}

TEST(a_token_that_has_expired_is_not_used)
{
    OPEN();
    CHECK_INT(peer_send("one"), OK);
    give_token(accept_token_request(), "short", "0.05");
    accept_payload("short", "204 No Content", "");
    int64_t then_ns = clock_mono_ns() + 50 * MS_NS;
    PEER_WAIT(peer.run.ended[OK] == 1 && clock_mono_ns() > then_ns)
    CHECK_INT(peer_send("two"), OK);
    give_token(accept_token_request(), "long", "3600");
    accept_payload("long", "204 No Content", "");
    PEER_WAIT(peer.run.ended[OK] == 2)
}

TEST(a_refused_token_is_replaced_once)
{
    OPEN();
    CHECK_INT(peer_send("one"), OK);
    give_token(accept_token_request(), "first", "3600");
    accept_payload("first", "401 Unauthorized", "");
    give_token(accept_token_request(), "second", "3600");
    accept_payload("second", "204 No Content", "");
    PEER_WAIT(peer.run.ended[OK] == 1)
    CHECK_INT(peer_send("two"), OK); /* whoever refuses all */
    accept_payload("second", "401 Unauthorized", "");
    give_token(accept_token_request(), "third", "3600");
    accept_payload("third", "401 Unauthorized", "not you");
    PEER_WAIT(peer.run.ended[ERR_DENIED] == 1)
    CHECK_INT(peer_ends(), 2);
    CHECK(strstr(peer.why[0], "401: not you"));
}

static const struct {
    const char *status, *body;
    enum status want;
    const char *why;
} failures[] = {
    {"400 Bad Request", "{\"error\":\"invalid_client\"}", ERR_DENIED,
     "400: {\"error\":\"invalid_client\"}"},
    {"401 Unauthorized", "", ERR_DENIED, "401"},
    {"404 Not Found", "", ERR_DENIED, "404"},
    {"302 Found", "", ERR_DENIED, "302 (redirects are not followed)"},
    {"429 Too Many Requests", "", ERR_AGAIN, "429"},
    {"500 Internal Server Error", "", ERR_AGAIN, "500"},
    {"503 Service Unavailable", "later", ERR_AGAIN, "503: later"},
    {"200 OK", "<html>", ERR_DENIED, "the answer has no access_token"},
};

TEST(without_a_token_payloads_end_and_none_is_lost)
{
    OPEN();
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        size_t before = peer.run.ended[failures[i].want];
        unsigned whys = peer.whys;
        CHECK_INT(peer_send("one"), OK);
        CHECK_INT(peer_send("two"), OK);
        int fd = accept_token_request();
        peer_reply(fd, failures[i].status, "Connection: close\r\n", failures[i].body);
        PEER_WAIT(peer_ends() == 2 * i + 2)
        CHECK_INT(peer.run.ended[failures[i].want], before + 2);
        PEER_WAIT(peer.whys == whys + 2)
        const char *why = peer.why[whys % ARRAY_LEN(peer.why)];
        if (!strstr(why, failures[i].why) || strstr(why, "secret"))
            test_fail(__FILE__, __LINE__, "%s", why);
        peer_hang_up(fd);
    }
}

TEST(a_token_that_does_not_come_keeps_no_payload_beyond_its_timeout)
{
    OPEN("timeout", "100ms");
    CHECK_INT(peer_send("one"), OK);
    int fd = accept_token_request();
    PEER_WAIT(peer_ends() == 1)
    CHECK_INT(peer.run.ended[ERR_AGAIN], 1); /* nothing was sent: nothing can be there twice */
    peer_hang_up(fd);
}

TEST(a_payload_whose_token_was_refused_waits_no_longer_than_its_own_timeout)
{
    OPEN("timeout", "200ms");
    int64_t later_ns = clock_mono_ns() + 20 * MS_NS;
    CHECK_INT(peer_send("one"), OK);
    give_token(accept_token_request(), "first", "3600");
    PEER_WAIT(clock_mono_ns() > later_ns)
    accept_payload("first", "401 Unauthorized", "");
    int fd = accept_token_request(); /* which has 200 ms from now on */
    PEER_WAIT(peer.whys == 1)
    CHECK_STR(peer.why[0], "no token yet");
    CHECK_INT(peer.run.ended[ERR_AGAIN], 1);
    peer_hang_up(fd);
}

TEST(closing_while_a_token_is_asked_for_ends_all)
{
    OPEN();
    CHECK_INT(peer_send("one"), OK);
    int fd = accept_token_request();
    sink_run_close(&peer.run);
    CHECK_INT(peer.run.ended[ERR_CLOSED], 1);
    peer_hang_up(fd);
}

/* The token by itself, whose loop waits in real time while the clock stands. */
static struct {
    struct http_token *token;
    struct curl_loop *loop;
    enum status how;
    unsigned ended;
} alone;

static void alone_done(void *of, CURL *easy, CURLcode how)
{
    (void)of;
    if (!http_token_ended(alone.token, easy, how, &alone.how, NULL))
        abort();
    alone.ended++;
}

/* Answers the request that is under way. */
static void answer_alone(const char *token)
{
    int fd = -1;
    size_t len = 0;
    while (fd < 0) {
        curl_loop_wait(alone.loop, clock_mono_ns() + MS_NS);
        fd = accept4(peer.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    for (ssize_t n; len == 0 || !peer_is_whole(len);) {
        curl_loop_wait(alone.loop, clock_mono_ns() + MS_NS);
        if ((n = recv(fd, peer.text + len, sizeof peer.text - 1 - len, MSG_DONTWAIT)) > 0)
            len += (size_t)n;
    }
    char text[200];
    snprintf(
        text, sizeof text,
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"access_token\":\"%s\",\"expires_in\":1000}",
        token);
    peer_say(fd, text);
    close(fd);
    for (unsigned before = alone.ended; alone.ended == before;)
        curl_loop_wait(alone.loop, clock_mono_ns() + MS_NS);
    CHECK_INT(alone.how, OK);
}

TEST(a_token_is_renewed_before_its_end_while_the_old_one_is_used)
{
    OPEN();
    struct curl_loop_conf conf = {.shards = 1, .max_connections = 2, .done = alone_done};
    CHECK_INT(curl_loop_new(&alone.loop, &conf, NULL), OK);
    alone.token = http_token_new(peer.run.conf, alone.loop);
    int64_t start_ns = clock_mono_ns();
    uint64_t number = 9;
    clock_hold(start_ns, clock_wall_ms());
    CHECK_INT(http_token_want(alone.token, &number, NULL), OK);
    CHECK_INT(number, 0);
    answer_alone("one");
    CHECK_INT(http_token_want(alone.token, &number, NULL), OK);
    CHECK_INT(number, 1);
    CHECK_STR(http_token_text(alone.token), "one");
    clock_hold(start_ns + seconds(740), clock_wall_ms());
    CHECK_INT(http_token_want(alone.token, &number, NULL), OK);
    CHECK_INT(number, 1);
    CHECK_INT(curl_loop_connections(alone.loop), 0); /* nothing is asked for */
    clock_hold(start_ns + seconds(760), clock_wall_ms());
    CHECK_INT(http_token_want(alone.token, &number, NULL), OK);
    CHECK_INT(number, 1);
    answer_alone("two");
    CHECK_INT(http_token_want(alone.token, &number, NULL), OK);
    CHECK_INT(number, 2);
    CHECK_STR(http_token_text(alone.token), "two");
    http_token_refused(alone.token, 1); /* known already */
    CHECK_INT(http_token_want(alone.token, &number, NULL), OK);
    CHECK_INT(number, 2);
    clock_release();
    http_token_free(alone.token);
    curl_loop_free(alone.loop);
}

static const struct {
    const char *json, *token;
    int64_t life_ns;
} answers[] = {
    {"{\"access_token\":\"a.b-c\",\"token_type\":\"bearer\",\"expires_in\":60}", "a.b-c",
     60 * SEC_NS},
    {"{\"access_token\":\"a\",\"expires_in\":\"60\"}", "a", 60 * SEC_NS},
    {"{\"access_token\":\"a\"}", "a", 0},
    {"{\"access_token\":\"a\",\"expires_in\":-1}", "a", 0},
    {"{\"access_token\":\"a\",\"expires_in\":1e300}", "a", INT64_C(400) * 24 * 3600 * SEC_NS},
    {"{\"access_token\":\"a\",\"token_type\":\"mac\"}", NULL, 0},
    {"{\"access_token\":\"\"}", NULL, 0},
    {"{\"access_token\":\"a b\"}", NULL, 0},
    {"{\"access_token\":\"a\\r\\nEvil: 1\"}", NULL, 0},
    {"{\"access_token\":7}", NULL, 0},
    {"[]", NULL, 0},
    {"", NULL, 0},
};

TEST(answers_of_token_endpoints_are_read)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        char *token = NULL;
        int64_t life_ns = 0;
        struct span json = {answers[i].json, strlen(answers[i].json)};
        enum status s = http_token_read(json, &token, &life_ns, NULL);
        if ((s == OK) != (answers[i].token != NULL) || (s != OK && s != ERR_DENIED))
            test_fail(__FILE__, __LINE__, "%s: %s", answers[i].json, status_name(s));
        if (s == OK)
            CHECK_STR(token, answers[i].token);
        CHECK_INT(life_ns, answers[i].life_ns);
        mem_free(token);
    }
}
