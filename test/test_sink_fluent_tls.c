/* SPDX-License-Identifier: Apache-2.0 */
/* The fluent sink over TLS: who is trusted, and that nothing is lost on the way. */
#include "fluent_server.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

/* A certificate that is its own authority, for 127.0.0.1. */
static struct identity {
    X509 *cert;
    EVP_PKEY *key;
    char path[64], key_path[64];
} ours, stranger;

__attribute__((constructor)) static void name_files(void)
{
    snprintf(ours.path, sizeof ours.path, "/tmp/strata-ours-%d.pem", (int)getpid());
    snprintf(ours.key_path, sizeof ours.key_path, "/tmp/strata-ours-%d.key", (int)getpid());
    snprintf(stranger.path, sizeof stranger.path, "/tmp/strata-stranger-%d.pem", (int)getpid());
    snprintf(stranger.key_path, sizeof stranger.key_path, "/tmp/strata-stranger-%d.key",
             (int)getpid());
}

static void write_files(struct identity *i)
{
    FILE *cert = fopen(i->path, "w"), *key = fopen(i->key_path, "w");
    CHECK(cert && key && PEM_write_X509(cert, i->cert) == 1 &&
          PEM_write_PrivateKey(key, i->key, NULL, NULL, 0, NULL, NULL) == 1);
    CHECK(fclose(cert) == 0 && fclose(key) == 0);
}

static void make(struct identity *i, const char *name)
{
    X509 *x = i->cert = X509_new();
    i->key = EVP_EC_gen("P-256");
    CHECK(x && i->key);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, i->key);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    CHECK(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
    CHECK(X509_sign(x, i->key, EVP_sha256()) > 0);
    write_files(i);
}

static void forget(struct identity *i)
{
    X509_free(i->cert);
    EVP_PKEY_free(i->key);
    unlink(i->path);
    unlink(i->key_path);
}

static SSL_CTX *ctx;
static SSL *ssl;
static char plain[1 << 22];
static size_t plain_len;

static int take_any(int good, X509_STORE_CTX *of)
{
    (void)good;
    (void)of;
    return 1;
}

/* One sink for the server's TLS address; the last setting is NULL. */
static void begin(const char *const *settings)
{
    const char *all[16] = {NULL};
    size_t n = 0;
    signal(SIGPIPE, SIG_IGN); /* as the agent does */
    make(&ours, "ours");
    make(&stranger, "stranger");
    ctx = SSL_CTX_new(TLS_server_method());
    CHECK(ctx && SSL_CTX_use_certificate(ctx, ours.cert) == 1 &&
          SSL_CTX_use_PrivateKey(ctx, ours.key) == 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, take_any);
    ssl = NULL;
    plain_len = 0;
    open_sink(false, (const char *const[]){NULL});
    sink_run_close(&run);
    all[n++] = "servers";
    all[n++] = servers[0].url_tls;
    for (size_t i = 0; settings[i]; i++)
        all[n++] = settings[i];
    CHECK_INT(sink_run_open(&run, "fluent", all), OK);
}
#define BEGIN(...) begin((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void end(void)
{
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close_all();
    forget(&ours);
    forget(&stranger);
}

static void tls_step(void)
{
    if (!ssl) {
        int fd = accept4(servers[0].listen, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        servers[0].fd = fd;
        ssl = SSL_new(ctx);
        SSL_set_fd(ssl, fd);
        SSL_set_accept_state(ssl);
    }
    int n;
    while ((n = SSL_read(ssl, plain + plain_len, (int)(sizeof plain - plain_len))) > 0)
        plain_len += (size_t)n;
}

#define TLS_UNTIL(cond)                                               \
    for (int64_t until_ns = clock_mono_ns() + 5 * SEC_NS; !(cond);) { \
        CHECK(clock_mono_ns() < until_ns);                            \
        work(SLICE_MS *MS_NS);                                        \
        tls_step();                                                   \
    }

static void tls_ack(struct payload_id id)
{
    char chunk[PAYLOAD_ID_BASE64 + 1], out[64], *p = msgpack_put_map(out, 1);
    payload_id_base64(id, chunk);
    p = msgpack_put_str(p, "ack", 3);
    p = msgpack_put_str(p, chunk, PAYLOAD_ID_BASE64);
    CHECK_INT(SSL_write(ssl, out, (int)(p - out)), p - out);
}

/* A message of that many bytes. */
static struct payload_id tls_give(size_t len)
{
    static char body[1 << 21];
    CHECK(len < sizeof body);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)('a' + i % 23);
    struct payload *p = sink_run_payload(&run, body, len);
    struct payload_id id = p->id;
    CHECK_INT(run.ops->send(run.self, p, DEADLINE_NOW, &run.err), OK);
    return id;
}

TEST(messages_arrive_whole_over_tls)
{
    BEGIN("tls.ca", ours.path);
    CHECK_INT(try("begin"), ERR_TIMEOUT);
    TLS_UNTIL(run.lane.connected);
    struct payload_id a = tls_give(2000000), b = tls_give(3);
    TLS_UNTIL(plain_len == 2000003);
    for (size_t i = 0; i < 2000000; i++)
        CHECK(plain[i] == (char)('a' + i % 23));
    CHECK(nothing_ended());
    tls_ack(a);
    tls_ack(b);
    TLS_UNTIL(run.ended[OK] == 2);
    CHECK_INT(run.lane.connects, 1);
    end();
}

TEST(a_certificate_of_ours_is_shown)
{
    BEGIN("tls.ca", ours.path, "tls.cert", stranger.path, "tls.key", stranger.key_path);
    CHECK_INT(try("begin"), ERR_TIMEOUT);
    TLS_UNTIL(run.lane.connected);
    struct payload_id a = tls_give(3);
    TLS_UNTIL(plain_len == 3);
    X509 *x = SSL_get1_peer_certificate(ssl);
    CHECK(x && X509_cmp(x, stranger.cert) == 0);
    X509_free(x);
    tls_ack(a);
    TLS_UNTIL(run.ended[OK] == 1);
    end();
}

TEST(a_connection_that_is_cut_over_tls_leaves_what_was_written_unknown)
{
    BEGIN("tls.ca", ours.path);
    CHECK_INT(try("begin"), ERR_TIMEOUT);
    TLS_UNTIL(run.lane.connected);
    tls_give(3);
    TLS_UNTIL(plain_len == 3);
    close_fd(&servers[0].fd);
    for (int64_t until_ns = clock_mono_ns() + 5 * SEC_NS; run.ended[ERR_IO] == 0;) {
        CHECK(clock_mono_ns() < until_ns);
        work(MS_NS);
    }
    end();
}

/* What the sink says of a server that it must not talk to. */
static void check_denied(const char *const *settings, const char *want)
{
    begin(settings);
    enum status s = try("begin"); /* a file that is no good may be found out at once */
    CHECK(s == ERR_TIMEOUT || s == ERR_DENIED);
    struct err err = {OK, ""};
    TLS_UNTIL((run.ops->explain(run.self, &err), err.status != OK));
    CHECK_INT(err.status, ERR_DENIED);
    if (!strstr(err.text, want))
        test_fail(__FILE__, __LINE__, "'%s' lacks '%s'", err.text, want);
    CHECK_INT(plain_len, 0);
    CHECK(!run.lane.connected);
    end();
}
#define CHECK_DENIED(want, ...) check_denied((const char *const[]){__VA_ARGS__, NULL}, want)

TEST(a_stranger_gets_nothing)
{
    CHECK_DENIED("self-signed", "tls.ca", stranger.path);
    CHECK_DENIED("mismatch", "tls.ca", ours.path, "tls.server_name", "elsewhere");
    CHECK_DENIED("self-signed", "connect_timeout", "4s"); /* the system's authorities */
}

TEST(files_that_cannot_be_used_are_named)
{
    CHECK_DENIED("ca cannot be used", "tls.ca", "/nowhere.pem");
    CHECK_DENIED("cert and key", "tls.cert", "/nowhere.pem", "tls.key", "/nowhere.key");
}

TEST(without_verify_anybody_will_do)
{
    BEGIN("tls.verify", "false");
    CHECK_INT(try("begin"), ERR_TIMEOUT);
    TLS_UNTIL(run.lane.connected);
    end();
}
