/* SPDX-License-Identifier: Apache-2.0 */
/* test_kube_tls.c - certificates: who is trusted, and who we are. */
#include "json_out.h"
#include "kube_server.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static struct kube_said said;

/* A certificate with its key, as PEM and as base64 of that. */
struct identity {
    X509 *cert;
    EVP_PKEY *key;
    char cert_pem[2048], key_pem[512], cert_data[3072], key_data[1024];
};

static struct identity ca, server, other_name, client, second;

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    CHECK(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static void take_pem(BIO *from, char *pem, size_t size, char *data)
{
    int n = BIO_read(from, pem, (int)size - 1);
    CHECK(n > 0 && n < (int)size - 1);
    pem[n] = '\0';
    EVP_EncodeBlock((unsigned char *)data, (const unsigned char *)pem, n);
    BIO_free(from);
}

/* extension: basicConstraints of the authority, else subjectAltName; NULL: none. */
static void make(struct identity *i, const char *name, const struct identity *issuer, int nid,
                 const char *extension)
{
    static long serial;
    X509 *x = i->cert = X509_new();
    i->key = EVP_EC_gen("P-256");
    CHECK(x && i->key);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer->cert));
    X509_set_pubkey(x, i->key);
    if (extension)
        add_extension(x, nid, extension);
    CHECK(X509_sign(x, issuer->key, EVP_sha256()) > 0);
    BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(cert, x);
    PEM_write_bio_PrivateKey(key, i->key, NULL, NULL, 0, NULL, NULL);
    take_pem(cert, i->cert_pem, sizeof i->cert_pem, i->cert_data);
    take_pem(key, i->key_pem, sizeof i->key_pem, i->key_data);
}

static void done(struct identity *i)
{
    X509_free(i->cert);
    EVP_PKEY_free(i->key);
}

static void done_all(void)
{
    kube_forget(&said);
    done(&ca);
    done(&server);
    done(&other_name);
    done(&client);
    done(&second);
}

static void fresh(const char *cluster, const char *user)
{
    if (!ca.cert) {
        make(&ca, "an authority", &ca, NID_basic_constraints, "critical,CA:TRUE");
        make(&server, "server", &ca, NID_subject_alt_name, "IP:127.0.0.1");
        make(&other_name, "server", &ca, NID_subject_alt_name, "DNS:kube.example");
        make(&client, "client", &ca, 0, NULL);
        make(&second, "second", &ca, 0, NULL);
        atexit(done_all);
    }
    kube_forget(&said);
    kube_open("https", cluster, user);
}

static const char *with_ca(const char *more)
{
    static char text[4096];
    snprintf(text, sizeof text, "certificate-authority-data: %s%s", ca.cert_data, more);
    return text;
}

/* The server's side of a connection. */
struct side {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

static int take_any(int good, X509_STORE_CTX *of)
{
    (void)good;
    (void)of;
    return 1;
}

static struct side side_new(const struct identity *who)
{
    struct side s = {.fd = kube_accept(), .ctx = SSL_CTX_new(TLS_server_method())};
    CHECK_INT(SSL_CTX_use_certificate(s.ctx, who->cert), 1);
    CHECK_INT(SSL_CTX_use_PrivateKey(s.ctx, who->key), 1);
    SSL_CTX_set_verify(s.ctx, SSL_VERIFY_PEER, take_any);
    s.ssl = SSL_new(s.ctx);
    SSL_set_fd(s.ssl, s.fd);
    return s;
}

static void side_done(struct side *s)
{
    SSL_free(s->ssl);
    SSL_CTX_free(s->ctx);
    close(s->fd);
}

/* Reads a request; the name in the client's certificate, "" without one. */
static const char *side_request(struct side *s)
{
    static char name[64];
    int n = -1;
    KUBE_WAIT_ON(s->fd, SSL_accept(s->ssl) == 1)
    KUBE_WAIT_ON(s->fd, (n = SSL_read(s->ssl, kube.text, sizeof kube.text - 1)) > 0)
    kube.text[n] = '\0';
    X509 *x = SSL_get1_peer_certificate(s->ssl);
    name[0] = '\0';
    if (x)
        X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, sizeof name);
    X509_free(x);
    return name;
}

static void side_reply(struct side *s, const char *text)
{
    CHECK_INT(SSL_write(s->ssl, text, (int)strlen(text)), strlen(text));
}

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* One good call; says who the client was. */
static void good_call(const struct identity *who, const char *want_client)
{
    kube_get(&said, "/x");
    struct side s = side_new(who);
    CHECK_STR(side_request(&s), want_client);
    side_reply(&s, GOOD);
    KUBE_WAIT(said.ended)
    CHECK_STR(said.err, "");
    CHECK_INT(said.status, OK);
    side_done(&s);
}

static void refused_call(const struct identity *who)
{
    kube_get(&said, "/x");
    struct side s = side_new(who);
    KUBE_WAIT_ON(s.fd, (SSL_accept(s.ssl), said.ended))
    CHECK_INT(said.status, ERR_INVALID);
    side_done(&s);
}

TEST(an_authority_in_the_kubeconfig_is_trusted)
{
    fresh("", "");
    fresh(with_ca(""), "token: abc");
    good_call(&server, "");
    CHECK_STR(kube_bearer(), "abc");
}

TEST(an_authority_in_a_file_is_trusted)
{
    fresh("", "");
    kube_put("ca.pem", ca.cert_pem);
    fresh("certificate-authority: ca.pem", "");
    good_call(&server, "");
}

TEST(who_is_not_trusted_is_told_with_what_to_set)
{
    fresh("", "");
    refused_call(&server);
    if (!strstr(said.err, "is not trusted (") ||
        !strstr(said.err, "): set certificate-authority of cluster 'k' in "))
        test_fail(__FILE__, __LINE__, "%s", said.err);
}

TEST(a_certificate_for_another_name_is_told_with_what_to_set)
{
    fresh("", "");
    fresh(with_ca(""), "");
    refused_call(&other_name);
    if (!strstr(said.err, "is for another name (") || !strstr(said.err, "set tls-server-name"))
        test_fail(__FILE__, __LINE__, "%s", said.err);
    fresh(with_ca(", tls-server-name: kube.example"), "");
    char want[64];
    snprintf(want, sizeof want, "\r\nHost: 127.0.0.1:%d\r\n", kube.port);
    good_call(&other_name, "");
    CHECK(strstr(kube.text, want));
}

TEST(verification_can_be_switched_off)
{
    fresh("insecure-skip-tls-verify: true", "");
    good_call(&other_name, "");
}

TEST(a_client_shows_its_certificate)
{
    char user[8192];
    fresh("", "");
    snprintf(user, sizeof user, "client-certificate-data: %s, client-key-data: %s",
             client.cert_data, client.key_data);
    fresh(with_ca(""), user);
    good_call(&server, "client");
    kube_put("cert.pem", second.cert_pem);
    kube_put("key.pem", second.key_pem);
    fresh(with_ca(""), "client-certificate: cert.pem, client-key: key.pem");
    good_call(&server, "second");
}

TEST(a_key_that_does_not_fit_is_told)
{
    char user[8192];
    fresh("", "");
    snprintf(user, sizeof user, "client-certificate-data: %s, client-key-data: %s",
             client.cert_data, second.key_data);
    fresh(with_ca(""), user);
    kube_get(&said, "/x");
    int fd = kube_accept();
    KUBE_WAIT(said.ended)
    close(fd);
    CHECK_INT(said.status, ERR_DENIED);
    CHECK(strncmp(said.err, "GET /x: ", 8) == 0);
}

static void put_credential(const struct identity *who)
{
    AUTO(buf) struct buf text = BUF_INIT(8192);
    struct json_out j = JSON_OUT(&text);
    json_out_open(&j, NULL, '{');
    json_out_string(&j, "apiVersion", "client.authentication.k8s.io/v1");
    json_out_string(&j, "kind", "ExecCredential");
    json_out_open(&j, "status", '{');
    json_out_string(&j, "clientCertificateData", who->cert_pem);
    json_out_string(&j, "clientKeyData", who->key_pem);
    json_out_close(&j, '}');
    json_out_close(&j, '}');
    kube_put("credential", text.data);
}

TEST(a_plugin_gives_certificates_and_others_after_a_401)
{
    char script[256];
    fresh("", "");
    put_credential(&client);
    snprintf(script, sizeof script, "#!/bin/sh\ncat %s\n", kube_file("credential"));
    kube_put("plugin", script);
    CHECK_INT(chmod(kube_file("plugin"), 0700), 0);
    fresh(with_ca(""), "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}");
    kube_get(&said, "/x");
    struct side s = side_new(&server);
    CHECK_STR(side_request(&s), "client");
    put_credential(&second);
    side_reply(&s, KUBE_401);
    struct side t = side_new(&server); /* another connection */
    CHECK_STR(side_request(&t), "second");
    side_reply(&t, GOOD);
    KUBE_WAIT(said.ended)
    CHECK_INT(said.status, OK);
    side_done(&s);
    side_done(&t);
}
