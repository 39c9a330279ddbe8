/* SPDX-License-Identifier: Apache-2.0 */
/* The fluent sink's login and settings. */
#include "fluent_server.h"

#include <openssl/evp.h>

static void hex_sha512(const struct span *pieces, size_t n, char out[129])
{
    unsigned char bytes[64];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_DigestInit_ex(ctx, EVP_sha512(), NULL);
    for (size_t i = 0; i < n; i++)
        EVP_DigestUpdate(ctx, pieces[i].data, pieces[i].len);
    EVP_DigestFinal_ex(ctx, bytes, NULL);
    EVP_MD_CTX_free(ctx);
    for (size_t i = 0; i < 64; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static const char helo[] = "\x92\xa4HELO\x83\xa5nonce\xc4\x04no\0e\xa4"
                           "auth\xa4salt\xa9keepalive\xc3";
static const struct span nonce = {"no\0e", 4};

/* Begins, and takes the PING apart. */
static void log_in(struct span words[6])
{
    CHECK_INT(try("one"), ERR_TIMEOUT);
    RUN_UNTIL(servers[0].fd >= 0);
    server_say(&servers[0], helo, 20);
    RUN_UNTIL(servers[0].len == 0);
    server_say(&servers[0], helo + 20, sizeof helo - 1 - 20);
    struct span ping;
    RUN_UNTIL((ping = (struct span){servers[0].in, servers[0].len}, msgpack_skip(&ping) == OK));
    struct span left = {servers[0].in, servers[0].len};
    struct msgpack_item it;
    CHECK_INT(msgpack_read(&left, &it), OK);
    CHECK(it.type == MSGPACK_ARRAY && it.count == 6);
    for (size_t i = 0; i < 6; i++) {
        CHECK_INT(msgpack_read(&left, &it), OK);
        CHECK_INT(it.type, MSGPACK_TEXT);
        words[i] = it.text;
    }
    CHECK_INT(left.len, 0);
    CHECK(span_is(words[0], "PING"));
}

static void pong(bool good, const char *reason, const char *digest)
{
    char out[400], *p = msgpack_put_array(out, 5);
    p = msgpack_put_str(p, "PONG", 4);
    p = msgpack_put_byte(p, good ? 0xc3 : 0xc2);
    p = msgpack_put_str(p, reason, strlen(reason));
    p = msgpack_put_str(p, "server", 6);
    p = msgpack_put_str(p, digest, strlen(digest));
    server_say(&servers[0], out, (size_t)(p - out));
}

TEST(who_knows_the_key_is_let_in_and_lets_in)
{
    struct span words[6];
    char want[129];
    OPEN("shared_key", "secret", "user", "ann", "password", "pass");
    log_in(words);
    hex_sha512((const struct span[]){words[2], words[1], nonce, text("secret")}, 4, want);
    CHECK(span_is(words[3], want));
    CHECK(span_is(words[4], "ann"));
    hex_sha512((const struct span[]){text("salt"), text("ann"), text("pass")}, 3, want);
    CHECK(span_is(words[5], want));
    CHECK(!run.lane.connected);
    hex_sha512((const struct span[]){words[2], text("server"), nonce, text("secret")}, 4, want);
    pong(true, "", want);
    RUN_UNTIL(run.lane.connected);
    servers[0].len = 0;
    struct payload_id id = give("two");
    RUN_UNTIL(received(&servers[0], "two"));
    server_ack(&servers[0], id);
    RUN_UNTIL(run.ended[OK] == 1);
    close_all();
}

/* What a login that ends like this says of itself. */
static void check_denied(bool good, const char *reason, const char *digest, const char *want)
{
    struct span words[6];
    OPEN("shared_key", "secret");
    log_in(words);
    CHECK(words[4].len == 0 && words[5].len == 0);
    pong(good, reason, digest);
    struct err err = {OK, ""};
    RUN_UNTIL((run.ops->explain(run.self, &err), err.status != OK));
    CHECK_INT(err.status, ERR_DENIED);
    if (!strstr(err.text, want))
        test_fail(__FILE__, __LINE__, "'%s' lacks '%s'", err.text, want);
    CHECK(!run.lane.connected);
}

TEST(a_server_that_refuses_says_why)
{
    check_denied(false, "shared_key\nmismatch", "", "refuses the login: shared_key?mismatch");
    close_all();
}

TEST(a_server_that_does_not_know_the_key_gets_nothing)
{
    static char zeros[129];
    memset(zeros, '0', 128);
    check_denied(true, "", zeros, "does not prove");
    check_denied(true, "", "0", "does not prove");
    CHECK_INT(servers[0].len > 0 && memmem(servers[0].in, servers[0].len, "two", 3) != NULL, 0);
    close_all();
}

TEST(a_server_that_asks_for_no_key_gets_nothing_from_who_has_one)
{
    OPEN("shared_key", "secret", "connect_timeout", "100ms");
    enum status how;
    RUN_UNTIL((how = try_long("one")) != ERR_TIMEOUT); /* an attempt goes on in the next call */
    CHECK_INT(how, ERR_IO);
    CHECK(strstr(run.err.text, "HELO"));
    CHECK_INT(servers[0].len, 0);
    close_all();
}

TEST(a_server_that_asks_for_a_key_denies_who_has_none)
{
    OPEN();
    give("one");
    RUN_UNTIL(received(&servers[0], "one"));
    server_say(&servers[0], helo, sizeof helo - 1);
    RUN_UNTIL(run.ended[ERR_DENIED] == 1);
    struct err err = {OK, ""};
    run.ops->explain(run.self, &err);
    CHECK(strstr(err.text, "shared_key"));
    close_all();
}

TEST(settings_that_cannot_work_are_refused)
{
    static const struct {
        const char *settings[5];
        const char *want;
    } cases[] = {
        {{NULL}, "servers: none"},
        {{"servers", "udp://a"}, "none of tcp://"},
        {{"servers", "tcp://"}, "has no host"},
        {{"servers", "tcp://a:0"}, "no port"},
        {{"servers", "tcp://a:70000"}, "no port"},
        {{"servers", "tcp://a/x"}, "no port"},
        {{"servers", "tcp://[::1"}, "lacks a ']'"},
        {{"servers", "tcp://me:pass@a"}, "not taken"},
        {{"servers", "unix://relative"}, "begins with '/'"},
        {{"servers", "a", "user", "ann"}, "without shared_key"},
        {{"servers", "a", "password", "p"}, "without user"},
        {{"servers", "tls://a", "tls.cert", "x"}, "go together"},
        {{"servers", "a", "tls.ca", "x"}, "without a server of tls://"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CHECK_INT(sink_run_open(&run, "fluent", cases[i].settings), ERR_INVALID);
        if (!strstr(run.err.text, cases[i].want))
            test_fail(__FILE__, __LINE__, "'%s' lacks '%s'", run.err.text, cases[i].want);
        CHECK(!strstr(run.err.text, "pass@"));
        sink_run_close(&run);
    }
    static const char *const good[] = {"a", "a:1", "tcp://[::1]:24224", "tls://a", "unix:///a"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CHECK_INT(sink_run_open(&run, "fluent", (const char *const[]){"servers", good[i], NULL}),
                  OK);
        sink_run_close(&run);
    }
}
