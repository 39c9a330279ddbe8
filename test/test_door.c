/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"
#include "door.h"
#include "test.h"

#include <unistd.h>

/* Defaults, but for what the test sets. */
static struct http_server_conf conf_of(const char *user, const char *password, const char *bearer)
{
    static char none[] = "";
    return (struct http_server_conf){
        .tls = {.cert = none, .key = none, .client_ca = none},
        .user = (char *)(uintptr_t)user,
        .password = (char *)(uintptr_t)password,
        .bearer = (char *)(uintptr_t)bearer,
    };
}

static bool lets(const struct http_server_conf *conf, const char *authorization)
{
    struct door *d;
    struct err err;
    CHECK_INT(door_new(&d, conf, &err), OK);
    bool yes = door_lets(d, authorization, false);
    door_free(d);
    return yes;
}

TEST(without_credentials_everybody_is_let_in)
{
    struct http_server_conf conf = conf_of("", "", "");
    CHECK(!http_server_is_guarded(&conf));
    CHECK(lets(&conf, NULL) && lets(&conf, "Basic eA=="));
}

TEST(the_token_opens_and_nothing_near_it_does)
{
    struct http_server_conf conf = conf_of("", "", "abc");
    static const char *const others[] = {
        "Bearer ab", "Bearer abcd", "Bearer abd",  "Bearer",         "Bearerabc",      "abc",
        "",          "Basic abc",   "Bearer abc ", "Bearer \"abc\"", "Basic OmFiYw==",
    };
    CHECK(lets(&conf, "Bearer abc") && lets(&conf, "bearer   abc"));
    CHECK(!lets(&conf, NULL));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (lets(&conf, others[i]))
            test_fail(__FILE__, __LINE__, "'%s' opens", others[i]);
}

TEST(the_login_opens_and_nothing_near_it_does)
{
    /* RFC 7617, section 2 */
    struct http_server_conf conf = conf_of("Aladdin", "open sesame", "");
    static const char *const others[] = {
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==",
        "Basic QWxhZGRpbg==",
        "Basic ",
        "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Basic Aladdin:open sesame",
    };
    CHECK(lets(&conf, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    CHECK(lets(&conf, "BASIC QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (lets(&conf, others[i]))
            test_fail(__FILE__, __LINE__, "'%s' opens", others[i]);
}

TEST(either_of_login_and_token_opens)
{
    struct http_server_conf conf = conf_of("a", "b", "c");
    CHECK(lets(&conf, "Basic YTpi") && lets(&conf, "Bearer c"));
    CHECK(!lets(&conf, "Bearer b") && !lets(&conf, "Basic YTpj"));
}

TEST(a_token_of_a_file_is_read_at_the_start_or_the_start_fails)
{
    char path[] = "/tmp/test_door_XXXXXX", text[64];
    int fd = mkstemp(path);
    struct http_server_conf conf = conf_of("", "", text);
    struct door *d;
    struct err err;
    CHECK(fd >= 0 && write(fd, "from-a-file\n", 12) == 12);
    close(fd);
    snprintf(text, sizeof text, "file:%s", path);
    CHECK(lets(&conf, "Bearer from-a-file") && !lets(&conf, "Bearer other"));
    unlink(path);
    CHECK_INT(door_new(&d, &conf, &err), ERR_INVALID);
    CHECK(strstr(err.text, "agent.web: bearer: "));
}

TEST(a_certificate_that_is_none_is_named)
{
    struct http_server_conf conf = conf_of("", "", "");
    struct door *d;
    struct err err;
    conf.tls.cert = conf.tls.key = (char[]){"/dev/null"};
    CHECK_INT(door_new(&d, &conf, &err), ERR_INVALID);
    CHECK(strstr(err.text, "agent.web: tls: no certificate can be had of /dev/null: "));
}

static void count(void *of, const char *name, size_t item, const char *text)
{
    (void)name, (void)item, (void)text;
    (*(size_t *)of)++;
}

static size_t faults_of(const struct http_server_conf *conf)
{
    size_t n = 0;
    struct setting_report report = {count, &n};
    http_server_check(conf, &report);
    return n;
}

TEST(settings_that_go_together_are_wanted_together)
{
    struct http_server_conf conf = conf_of("a", "b", "c");
    CHECK_INT(faults_of(&conf), 0);
    conf = conf_of("a", "", "");
    CHECK_INT(faults_of(&conf), 1);
    conf = conf_of("", "b", "");
    CHECK_INT(faults_of(&conf), 1);
    conf = conf_of("a:b", "b", "");
    CHECK_INT(faults_of(&conf), 1);
    conf = conf_of("", "", "file:");
    CHECK_INT(faults_of(&conf), 1);
    conf = conf_of("", "", "");
    conf.tls.key = (char[]){"k"};
    CHECK_INT(faults_of(&conf), 1);
    conf.tls.key = conf.tls.cert;
    conf.tls.client_ca = (char[]){"ca"};
    CHECK_INT(faults_of(&conf), 1);
}
