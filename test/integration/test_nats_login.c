/* SPDX-License-Identifier: Apache-2.0 */
/* The nats sink's ways of showing who it is, and of seeing who the server is. */
#include "nats_check.h"
#include "nats_keys.h"

static char path[8][128]; /* of files in the server's directory */

static const char *in_dir(size_t i, const char *name)
{
    snprintf(path[i], sizeof path[i], "%s/%s", server.dir, name);
    return path[i];
}

static void write_file(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        abort();
}

static void check_delivers(void)
{
    enum status s = send_body(1, "x");
    if (s != OK)
        test_fail(__FILE__, __LINE__, "%s: %s", status_name(s), run.err.text);
    CHECK_INT(ended(OK), 1);
    sink_run_close(&run);
}

static const char *const password_server =
    "authorization { user: agent, password: \"p\\\"w\\\\\" }";

TEST(user_and_password_let_in_whatever_characters_they_have)
{
    server_start(password_server);
    OPEN("user", "agent", "password", "p\"w\\");
    check_delivers();
}

TEST(a_wrong_password_is_denied_and_says_what_to_look_at)
{
    server_start(password_server);
    OPEN("user", "agent", "password", "wrong");
    CHECK_INT(send_once(1, "x"), ERR_DENIED);
    CHECK(strstr(run.err.text, server.url));
    CHECK(strstr(run.err.text, "check user, password, token, creds or nkey"));
    CHECK(!strstr(run.err.text, "wrong"));
    sink_run_close(&run);
}

TEST(a_password_file_that_is_put_right_lets_in_without_a_reload)
{
    server_start(password_server);
    char setting[160];
    snprintf(setting, sizeof setting, "file:%s", in_dir(0, "password"));
    write_file(path[0], "wrong\n");
    OPEN("user", "agent", "password", setting);
    CHECK_INT(send_once(1, "x"), ERR_DENIED);
    write_file(path[0], "p\"w\\\n");
    int64_t until_ns = clock_mono_ns() + 10 * SEC_NS;
    enum status s;
    while ((s = send_once(1, "x")) == ERR_DENIED && clock_mono_ns() < until_ns)
        server_pause();
    CHECK_INT(s, OK);
    CHECK_INT(ended(OK), 1);
    sink_run_close(&run);
}

TEST(a_password_file_that_is_missing_is_named)
{
    server_start(password_server);
    OPEN("user", "agent", "password", "file:/nowhere/password");
    CHECK_INT(send_once(1, "x"), ERR_IO);
    CHECK(strstr(run.err.text, "/nowhere/password: No such file"));
    sink_run_close(&run);
}

TEST(a_token_lets_in)
{
    server_start("authorization { token: secret }");
    OPEN("token", "secret");
    check_delivers();
    OPEN("token", "other");
    CHECK_INT(send_once(1, "x"), ERR_DENIED);
    sink_run_close(&run);
}

TEST(an_nkey_and_its_seed_let_in)
{
    server_start("authorization { users: [ {nkey: " NATS_USER "} ] }");
    write_file(in_dir(0, "seed"), NATS_SEED "\n");
    OPEN("nkey", NATS_USER, "seed", path[0]);
    check_delivers();
}

TEST(a_credentials_file_lets_in)
{
    char conf[3000], creds[2000];
    snprintf(conf, sizeof conf,
             "operator: \"%s\"\nresolver: MEMORY\nresolver_preload: { " NATS_ACCOUNT ": \"%s\" }",
             nats_operator_jwt, nats_account_jwt);
    server_start(conf);
    snprintf(creds, sizeof creds,
             "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
             "-----BEGIN USER NKEY SEED-----\n" NATS_SEED "\n------END USER NKEY SEED------\n",
             nats_user_jwt);
    write_file(in_dir(0, "creds"), creds);
    OPEN("creds", path[0]);
    check_delivers();
    OPEN("creds", "/nowhere/creds");
    CHECK(send_once(1, "x") != OK);
    CHECK(strstr(run.err.text, "/nowhere/creds"));
    sink_run_close(&run);
}

/* A CA, a certificate of 127.0.0.1, one of a client, and a CA that has signed nothing. */
static void make_certificates(void)
{
    char script[2000];
    snprintf(script, sizeof script,
             "cd '%s' && exec >tls.log 2>&1 && set -e\n"
             "ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-subj /CN=$1 -keyout $1.key -out $1.pem -days 2; }\n"
             "leaf() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "
             "/CN=$1 -keyout $1.key -out $1.csr; printf \"subjectAltName=$2\" >$1.ext; "
             "openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
             "-extfile $1.ext -out $1.pem; }\n"
             "ca ca; ca other; leaf server IP:127.0.0.1; leaf client DNS:client\n",
             server.dir);
    if (system(script) != 0)
        abort();
}

/* Starts the server twice: the certificates are made in its directory. */
static const char *start_tls(const char *more)
{
    static char url[40];
    server_start("");
    make_certificates();
    snprintf(server.more, sizeof server.more,
             "tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\", %s }", server.dir,
             server.dir, more);
    server_restart();
    in_dir(0, "ca.pem");
    in_dir(1, "other.pem");
    in_dir(2, "client.pem");
    in_dir(3, "client.key");
    snprintf(url, sizeof url, "tls://127.0.0.1:%d", server.port);
    return url;
}

#define OPEN_AT(url, ...) \
    open_sink((const char *const[]){"servers", url, "reconnect_max", "200ms", ##__VA_ARGS__, NULL})

TEST(tls_checks_the_server_against_the_ca_and_its_name)
{
    const char *url = start_tls("");
    OPEN_AT(url, "tls.ca", path[0]);
    check_delivers();
    OPEN_AT(server.url, "tls.ca", path[0]); /* nats:// with a CA is TLS too */
    check_delivers();
    OPEN_AT(url, "tls.ca", path[1]);
    CHECK_INT(send_once(1, "x"), ERR_IO);
    CHECK(strstr(run.err.text, "check tls.ca and tls.server_name"));
    sink_run_close(&run);
    OPEN_AT(url); /* the system's authorities do not know this one */
    CHECK_INT(send_once(1, "x"), ERR_IO);
    sink_run_close(&run);
    OPEN_AT(url, "tls.ca", path[0], "tls.server_name", "elsewhere");
    CHECK_INT(send_once(1, "x"), ERR_IO);
    sink_run_close(&run);
    OPEN_AT(url, "tls.verify", "false", "tls.ca", path[1]);
    check_delivers();
}

TEST(a_server_that_asks_for_tls_gets_it_and_one_without_is_denied)
{
    start_tls("");
    OPEN();
    CHECK_INT(send_once(1, "x"), ERR_IO); /* TLS it is, but nobody vouches for the server */
    CHECK(strstr(run.err.text, "check tls.ca and tls.server_name"));
    sink_run_close(&run);
    OPEN("tls.verify", "false");
    check_delivers();
    server.more[0] = '\0';
    server_restart();
    OPEN("tls.ca", path[0]);
    CHECK_INT(send_once(1, "x"), ERR_DENIED);
    CHECK(strstr(run.err.text, "write nats://"));
    sink_run_close(&run);
}

/* The certificate has the address, and no name. */
TEST(a_server_that_asks_for_tls_has_to_be_who_the_url_says)
{
    char name[40], kept[256];
    const char *before = getenv("SSL_CERT_FILE");
    snprintf(kept, sizeof kept, "%s", before ? before : "");
    start_tls("");
    snprintf(name, sizeof name, "nats://localhost:%d", server.port);
    setenv("SSL_CERT_FILE", path[0], 1);
    OPEN();
    check_delivers();
    OPEN_AT(name);
    CHECK_INT(send_once(1, "x"), ERR_IO);
    CHECK(strstr(run.err.text, "check tls.ca and tls.server_name"));
    sink_run_close(&run);
    if (before)
        setenv("SSL_CERT_FILE", kept, 1);
    else
        unsetenv("SSL_CERT_FILE");
}

TEST(a_server_that_asks_for_a_certificate_gets_it)
{
    start_tls("");
    snprintf(server.more, sizeof server.more,
             "tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\", ca_file: "
             "\"%s/ca.pem\", verify: true }",
             server.dir, server.dir, server.dir);
    server_restart();
    OPEN("tls.ca", path[0], "tls.cert", path[2], "tls.key", path[3]);
    check_delivers();
    OPEN("tls.ca", path[0]);
    CHECK(send_once(1, "x") != OK);
    sink_run_close(&run);
}
