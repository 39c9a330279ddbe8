/* SPDX-License-Identifier: Apache-2.0 */
/* test_kube_exec.c - credentials that a plugin makes: a script of the test's. */
#include "kube_exec.h"
#include "kube_server.h"

#include <errno.h>

static struct kube_said said, other;

#define API "client.authentication.k8s.io/v1"
#define CREDENTIAL(status) \
    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" API "\",\"status\":{" status "}}"

/* A client whose plugin runs these lines of shell, in the test's folder; "runs" gets a line each. */
static void open_with(const char *lines)
{
    char user[512], script[2048];
    kube_forget(&said);
    kube_forget(&other);
    if (!kube.fd)
        kube_start();
    snprintf(script, sizeof script, "#!/bin/sh\ncd %s\necho $$ >>runs\n%s\n", kube.folder, lines);
    kube_put("plugin", script);
    CHECK_INT(chmod(kube_file("plugin"), 0700), 0);
    kube_put("runs", "");
    snprintf(user, sizeof user,
             "exec: {apiVersion: " API ", command: ./plugin, installHint: get it}");
    kube_open("http", "", user);
}

/* The next plugin writes that. */
static void give(const char *credential)
{
    if (!kube.fd)
        kube_start();
    kube_put("credential", credential);
}

static int runs(void)
{
    int n = 0;
    for (const char *p = kube_read("runs"); *p; p++)
        n += *p == '\n';
    return n;
}

static int serve(int fd, const char *token, const char *reply)
{
    if (fd < 0)
        fd = kube_accept();
    kube_request(fd);
    CHECK_STR(kube_bearer(), token);
    kube_reply(fd, reply);
    return fd;
}

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

TEST(calls_wait_for_one_plugin)
{
    give(CREDENTIAL("\"token\":\"t1\""));
    open_with("cat credential");
    kube_get(&said, "/a");
    kube_get(&other, "/b");
    int a = serve(-1, "t1", GOOD), b = serve(-1, "t1", GOOD);
    KUBE_WAIT(said.ended && other.ended)
    CHECK_INT(said.status, OK);
    CHECK_INT(other.status, OK);
    CHECK_INT(runs(), 1);
    kube_forget(&said);
    kube_get(&said, "/c"); /* kept: no time is said */
    KUBE_WAIT_ON(a, recv(a, kube.text, 1, MSG_PEEK) > 0 || recv(b, kube.text, 1, MSG_PEEK) > 0)
    CHECK_INT(runs(), 1);
    close(a);
    close(b);
}

TEST(a_credential_that_has_expired_is_made_anew)
{
    int64_t wall_ms = clock_wall_ms();
    char until[CLOCK_TEXT + 1], text[256];
    clock_format(until, wall_ms + 600 * 1000);
    snprintf(text, sizeof text, CREDENTIAL("\"token\":\"t1\",\"expirationTimestamp\":\"%s\""),
             until);
    give(text);
    open_with("cat credential");
    kube_get(&said, "/a");
    int fd = serve(-1, "t1", GOOD);
    KUBE_WAIT(said.ended)
    give(CREDENTIAL("\"token\":\"t2\""));
    clock_hold(clock_mono_ns(), wall_ms + 590 * 1000);
    kube_forget(&said);
    kube_get(&said, "/b");
    serve(fd, "t1", GOOD);
    KUBE_WAIT(said.ended)
    clock_hold(clock_mono_ns(), wall_ms + 601 * 1000);
    kube_forget(&said);
    kube_get(&said, "/c");
    serve(fd, "t2", GOOD);
    KUBE_WAIT(said.ended)
    CHECK_INT(runs(), 2);
    clock_release();
    close(fd);
}

TEST(one_that_has_expired_already_serves_those_who_wait)
{
    give(CREDENTIAL("\"token\":\"t1\",\"expirationTimestamp\":\"2001-01-01T01:01:01+01:00\""));
    open_with("cat credential");
    kube_get(&said, "/a");
    int fd = serve(-1, "t1", GOOD);
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, OK);
    kube_forget(&said);
    kube_get(&said, "/b");
    serve(fd, "t1", GOOD);
    KUBE_WAIT(said.ended)
    CHECK_INT(runs(), 2);
    close(fd);
}

TEST(after_a_401_the_plugin_runs_once_more)
{
    give(CREDENTIAL("\"token\":\"t1\""));
    open_with("cat credential");
    kube_get(&said, "/a");
    int fd = kube_accept();
    kube_request(fd);
    give(CREDENTIAL("\"token\":\"t2\""));
    kube_reply(fd, KUBE_401);
    serve(fd, "t2", GOOD);
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, OK);
    CHECK_INT(runs(), 2);
    kube_forget(&said);
    kube_get(&said, "/b");
    serve(fd, "t2", KUBE_401);
    serve(fd, "t2", KUBE_401);
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, ERR_DENIED);
    CHECK_STR(said.err, "GET /b: 401");
    CHECK_INT(runs(), 3);
    close(fd);
}

TEST(the_plugin_is_told_who_asks)
{
    open_with("test \"$KUBERNETES_EXEC_INFO\" = "
              "'{\"apiVersion\":\"" API "\",\"kind\":\"ExecCredential\","
              "\"spec\":{\"interactive\":false}}' && test -z \"$(cat)\" && cat credential");
    give(CREDENTIAL("\"token\":\"t1\""));
    kube_get(&said, "/a");
    int fd = serve(-1, "t1", GOOD);
    KUBE_WAIT(said.ended)
    close(fd);
}

TEST(signals_are_not_blocked_for_the_plugin)
{
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old); /* as in the thread that asks */
    open_with("kill -TERM $$; echo alive >&2; exit 3");
    kube_get(&said, "/a");
    KUBE_WAIT(said.ended)
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(strstr(said.err, "ended by signal 15"));
}

TEST(what_a_plugin_does_wrong_is_told_with_its_first_words)
{
    static const struct {
        const char *lines, *want;
    } cases[] = {
        {"echo 'log in first' >&2; echo more >&2; exit 7", "exit code 7: log in first"},
        {"printf '\\033[1mred\\377' >&2; exit 1", "exit code 1:  [1mred?"},
        {"kill -9 $$", "ended by signal 9"},
        {"true", "what it wrote is no ExecCredential"},
        {"echo junk; echo sorry >&2", "what it wrote is no ExecCredential: sorry"},
        {"echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"x\"}'",
         "another apiVersion than " API},
        {"echo '" CREDENTIAL("") "'", "neither a token nor a certificate"},
        {"echo '" CREDENTIAL("\"token\":7") "'", "neither a token nor a certificate"},
        {"echo '" CREDENTIAL("\"token\":\"a\\nb\"") "'", "a control character in its token"},
        {"echo '" CREDENTIAL("\"clientKeyData\":\"a\"") "'",
         "clientCertificateData and clientKeyData go together"},
        {"echo '" CREDENTIAL("\"token\":\"a\",\"expirationTimestamp\":\"soon\"") "'",
         "its expirationTimestamp is no time"},
        {"printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" API
         "\",\"status\":{\"token\":\"'; "
         "head -c 65537 /dev/zero | tr '\\0' a; printf '\"}}'",
         "its token has more than 65536 bytes"},
        {"exec cat /dev/zero", "it wrote more than 1 MiB"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        open_with(cases[i].lines);
        kube_get(&said, "/a");
        kube_get(&other, "/b");
        KUBE_WAIT(said.ended && other.ended)
        CHECK_INT(said.status, ERR_DENIED);
        CHECK_INT(said.code, 0);
        if (!strstr(said.err, cases[i].want) || !strstr(said.err, "GET /a: exec plugin '/tmp/"))
            test_fail(__FILE__, __LINE__, "'%s', want '%s'", said.err, cases[i].want);
        CHECK_INT(runs(), 1);
        CHECK(kube_nobody());
    }
}

TEST(a_plugin_that_is_not_there_is_told_with_its_hint)
{
    open_with("true");
    CHECK_INT(unlink(kube_file("plugin")), 0);
    kube_get(&said, "/a");
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, ERR_DENIED);
    if (!getenv("STRATA_EMULATED")) /* in qemu-user posix_spawn does not hear of a failed exec */
        CHECK(strstr(said.err, "plugin': No such file or directory; get it"));
}

/* The plugin is at work, and no more is to be read. */
static pid_t wait_for_pid(void)
{
    KUBE_WAIT(runs() == 1)
    return (pid_t)strtol(kube_read("runs"), NULL, 10);
}

static bool is_gone(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

TEST(a_plugin_without_end_is_ended_after_a_minute)
{
    open_with("exec sleep 600");
    kube_get(&said, "/a");
    pid_t pid = wait_for_pid();
    clock_hold(clock_mono_ns() + 59 * SEC_NS, clock_wall_ms());
    kube_client_run(kube.client);
    CHECK(!said.ended && !is_gone(pid));
    clock_hold(clock_mono_ns() + 2 * SEC_NS, clock_wall_ms());
    CHECK(kube_client_timer_ns(kube.client) <= clock_mono_ns());
    kube_client_run(kube.client);
    CHECK_INT(said.status, ERR_DENIED);
    CHECK(strstr(said.err, "not done within 60 s"));
    CHECK(is_gone(pid));
    clock_release();
}

TEST(a_call_does_not_wait_longer_than_it_may)
{
    open_with("exec sleep 600");
    struct kube_request q = {
        .method = "GET", .path = "/x", .timeout_ns = 30 * SEC_NS, .done = kube_done, .of = &said};
    kube_client_send(kube.client, &q);
    pid_t pid = wait_for_pid();
    clock_hold(clock_mono_ns() + 31 * SEC_NS, clock_wall_ms());
    kube_client_run(kube.client);
    CHECK_INT(said.status, ERR_TIMEOUT);
    CHECK(!is_gone(pid));
    kube_stop(); /* ends it */
    CHECK(is_gone(pid));
}

TEST(a_child_of_the_plugin_that_stays_holds_nobody_up)
{
    give(CREDENTIAL("\"token\":\"t1\""));
    open_with("sleep 60 & echo $! >>runs; cat credential");
    kube_get(&said, "/a");
    int fd = serve(-1, "t1", GOOD);
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, OK);
    const char *child = strchr(kube_read("runs"), '\n') + 1;
    CHECK_INT(kill((pid_t)strtol(child, NULL, 10), SIGKILL), 0); /* it was still there */
    close(fd);
}

TEST(times_are_read_as_rfc_3339_says)
{
    static const struct {
        const char *text;
        int64_t want_ms; /* 0: no time */
    } cases[] = {
        {"2026-11-21T14:26:00Z", INT64_C(1795271160000)},
        {"2026-11-21T14:26:00.123456789Z", INT64_C(1795271160000)},
        {"2026-11-21T16:26:00+02:00", INT64_C(1795271160000)},
        {"2026-11-21T08:56:00-05:30", INT64_C(1795271160000)},
        {"2026-11-21", 0},
        {"2026-11-21T14:26:00", 0},
        {"2026-11-21T14:26:00+0200", 0},
        {"2026-11-21T14:26:00+02:00x", 0},
        {"2026-11-21T14:26:00Zx", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kube_credential c = {.token = NULL};
        char text[256];
        snprintf(text, sizeof text, CREDENTIAL("\"token\":\"t\",\"expirationTimestamp\":\"%s\""),
                 cases[i].text);
        enum status s = kube_credential_parse(&c, (struct span){text, strlen(text)}, API, NULL);
        CHECK_INT(s, cases[i].want_ms ? OK : ERR_INVALID);
        CHECK_INT(c.expires_ms, cases[i].want_ms);
        kube_credential_done(&c);
    }
}
