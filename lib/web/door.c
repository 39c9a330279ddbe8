/* SPDX-License-Identifier: Apache-2.0 */
#include "door.h"

#include "buf.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "secret.h"
#include "text.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#define LOOK_NS (1 * SEC_NS)
enum { FILES = 3, LOGIN_BYTES = 2 * SECRET_MAX };

struct door {
    const struct http_server_conf *conf;
    struct secret password, bearer;
    SSL_CTX *tls; /* NULL: none */
    int64_t looked_ns;
    struct stat seen[FILES]; /* of cert, key, client_ca: what tls was made of, or failed to be */
};

/* TLS. */

static enum status fail(const char *what, const char *path, struct err *err)
{
    char text[120] = "";
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(err, ERR_INVALID, "agent.web: tls: %s %.200s: %s", what, path, text);
}

static enum status fill(SSL_CTX *ctx, const struct http_server_tls_conf *c, struct err *err)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    if (SSL_CTX_use_certificate_chain_file(ctx, c->cert) != 1)
        return fail("no certificate can be had of", c->cert, err);
    if (SSL_CTX_use_PrivateKey_file(ctx, c->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return fail("no key of that certificate can be had of", c->key, err);
    if (!c->client_ca[0])
        return OK;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(c->client_ca);
    if (!names || SSL_CTX_load_verify_locations(ctx, c->client_ca, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail("no authorities can be had of", c->client_ca, err);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return OK;
}

/* What is there now in place of what was, if it can be used. */
static enum status load(struct door *d, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return fail("no memory for", "it", err);
    /* A session taken up again would need this: certificates were verified in this one. */
    static const unsigned char context[] = "strata";
    SSL_CTX_set_session_id_context(ctx, context, sizeof context - 1);
    enum status s = fill(ctx, &d->conf->tls, err);
    if (s != OK) {
        SSL_CTX_free(ctx);
        return s;
    }
    SSL_CTX_free(d->tls);
    d->tls = ctx;
    return OK;
}

static bool differs(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec ||
           a->st_size != b->st_size || a->st_ino != b->st_ino || a->st_dev != b->st_dev;
}

/* True when a file is another one than the last time. */
static bool look(struct door *d)
{
    const struct http_server_tls_conf *c = &d->conf->tls;
    const char *const paths[FILES] = {c->cert, c->key, c->client_ca};
    bool changed = false;
    for (size_t i = 0; i < FILES; i++) {
        struct stat now = {0};
        if (paths[i][0] && stat(paths[i], &now) != 0)
            memset(&now, 0, sizeof now); /* in the middle of a rotation */
        changed |= differs(&now, &d->seen[i]);
        d->seen[i] = now;
    }
    d->looked_ns = clock_mono_ns();
    return changed;
}

struct ssl_st *door_tls(struct door *d)
{
    struct err err;
    if (clock_mono_ns() - d->looked_ns >= LOOK_NS && look(d) && load(d, &err) != OK)
        log_warn("the certificate of before goes on", LOG_S("why", err.text));
    return SSL_new(d->tls);
}

bool door_has_tls(const struct door *d)
{
    return d->conf->tls.cert[0] != '\0';
}

/* Credentials. */

static bool is_equal(struct span given, const char *wanted)
{
    size_t len = strlen(wanted);
    return given.len == len && CRYPTO_memcmp(given.data, wanted, len) == 0;
}

/* What stands behind "SCHEME ", whose letters may be of any case; false: another scheme. */
static bool read_scheme(const char *header, const char *scheme, struct span *ret)
{
    size_t len = strlen(scheme);
    if (strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
        return false;
    header += len + strspn(header + len, " ");
    *ret = (struct span){header, strlen(header)};
    return true;
}

static bool is_bearer(struct door *d, struct span given)
{
    const char *wanted;
    struct err err;
    return secret_get(&d->bearer, &wanted, &err) == OK && wanted && is_equal(given, wanted);
}

/* The login is made into what a client would send: nothing foreign is decoded. */
static bool is_login(struct door *d, struct span given)
{
    const char *password;
    struct err err;
    AUTO(buf) struct buf plain = BUF_INIT(LOGIN_BYTES), text = BUF_INIT(2 * LOGIN_BYTES);
    if (secret_get(&d->password, &password, &err) != OK || !password ||
        buf_cat(&plain, d->conf->user, ":", password, NULL) != OK)
        return false;
    unsigned char *room = (unsigned char *)buf_room(&text, (plain.len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock(room, (const unsigned char *)plain.data, (int)plain.len);
    bool same = is_equal(given, (const char *)room);
    OPENSSL_cleanse(plain.data, plain.len);
    OPENSSL_cleanse(room, strlen((const char *)room));
    return same;
}

bool door_lets(struct door *d, const char *authorization, bool certified)
{
    struct span given;
    if (!http_server_is_guarded(d->conf) || (d->conf->tls.client_ca[0] && certified))
        return true;
    if (!authorization)
        return false;
    if (d->conf->bearer[0] && read_scheme(authorization, "Bearer", &given))
        return is_bearer(d, given);
    return d->conf->user[0] && read_scheme(authorization, "Basic", &given) && is_login(d, given);
}

const char *door_challenge(const struct door *d)
{
    return d->conf->user[0] ? "Basic realm=\"strata\", charset=\"UTF-8\"" : "Bearer";
}

/* Files that cannot be read are found at the start, not by the first who asks. */
static enum status try_secret(struct secret *s, const char *name, struct err *err)
{
    const char *text;
    enum status r = secret_get(s, &text, err);
    if (r == OK)
        return OK;
    char why[sizeof err->text];
    memcpy(why, err->text, sizeof why);
    return err_set(err, ERR_INVALID, "agent.web: %s: %s", name, why);
}

enum status door_new(struct door **ret, const struct http_server_conf *conf, struct err *err)
{
    struct door *d = mem_alloc(sizeof *d);
    d->conf = conf;
    secret_init(&d->password, conf->password);
    secret_init(&d->bearer, conf->bearer);
    enum status s = try_secret(&d->password, "password", err);
    if (s == OK)
        s = try_secret(&d->bearer, "bearer", err);
    if (s == OK && door_has_tls(d)) {
        look(d);
        s = load(d, err);
    }
    if (s != OK) {
        door_free(d);
        return s;
    }
    *ret = d;
    return OK;
}

void door_free(struct door *d)
{
    if (!d)
        return;
    secret_done(&d->password);
    secret_done(&d->bearer);
    SSL_CTX_free(d->tls);
    mem_free(d);
}
