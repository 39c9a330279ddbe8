/* SPDX-License-Identifier: Apache-2.0 */
/* nats_connect.c - one attempt to connect; the contract is in nats_connect.h. */
#include "nats_connect.h"

#include "buf.h"
#include "clock.h"
#include "sink.h"

#include <pthread.h>

#define FINISH_MS 500

/* The library gives up the key of its threads' error buffers when the last of them has said that it
 * ends, which is before it has ended: it can be told as a leak from then on.  So leaks are looked
 * for before. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define CHECK_LEAKS() __lsan_do_leak_check()
#else
#define CHECK_LEAKS() ((void)0)
#endif

enum status nats_status(natsStatus s)
{
    switch (s) {
    case NATS_OK: return OK;
    case NATS_TIMEOUT: return ERR_TIMEOUT;
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
    case NATS_SECURE_CONNECTION_WANTED:
    case NATS_SECURE_CONNECTION_REQUIRED:
    case NATS_NO_SERVER_SUPPORT: return ERR_DENIED;
    case NATS_MAX_PAYLOAD: return ERR_LIMIT;
    case NATS_INVALID_SUBJECT:
    case NATS_INVALID_ARG: return ERR_INVALID;
    case NATS_INSUFFICIENT_BUFFER:
    case NATS_NO_RESPONDERS: return ERR_AGAIN;
    default: return ERR_IO;
    }
}

const char *nats_words(natsStatus s)
{
    natsStatus kept = NATS_OK;
    const char *text = nats_GetLastError(&kept);
    if (!text || !text[0] || kept != s)
        return natsStatus_GetText(s);
    const char *behind = text[0] == '(' ? strstr(text, "): ") : NULL;
    return behind ? behind + 3 : text; /* without the place in the library's source */
}

/* The library writes credentials into JSON as they are. */
static enum status quote(const char *text, struct buf *out)
{
    enum status s = OK;
    for (; *text && s == OK; text++) {
        if ((unsigned char)*text < ' ')
            s = buf_printf(out, "\\u%04x", (unsigned)*text);
        else
            s = buf_printf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    }
    return s;
}

static enum status set_secrets(natsOptions *o, const struct nats_login *l, struct err *err)
{
    const struct nats_conf *c = l->conf;
    AUTO(buf) struct buf user = BUF_INIT(8 * SECRET_MAX), text = BUF_INIT(8 * SECRET_MAX);
    const char *secret = NULL;
    enum status s = secret_get(c->user[0] ? l->password : l->token, &secret, err);
    if (s == OK)
        s = quote(c->user, &user);
    if (s == OK && secret)
        s = quote(secret, &text);
    natsStatus n = NATS_OK;
    if (s == OK && c->user[0])
        n = natsOptions_SetUserInfo(o, user.data, text.data);
    else if (s == OK && secret)
        n = natsOptions_SetToken(o, text.data);
    if (text.len)
        explicit_bzero(text.data, text.len);
    if (s == OK && n == NATS_OK && c->creds[0])
        n = natsOptions_SetUserCredentialsFromFiles(o, c->creds, NULL);
    if (s == OK && n == NATS_OK && c->nkey[0])
        n = natsOptions_SetNKeyFromSeed(o, c->nkey, c->seed);
    return n == NATS_OK ? s : err_set(err, ERR_IO, "credentials: %s", nats_words(n));
}

static bool is_secure(const char *server)
{
    return strncmp(server, "tls://", 6) == 0;
}

/* All of it for nats:// too: the library goes over to TLS when the server asks for it.  With nothing
 * said of TLS it then looks at the host and asks the system's authorities by itself; to tell it so
 * would make it read them for each attempt, a MiB of memory, where the server never asks. */
static enum status set_tls(natsOptions *o, const struct tls_conf *t, const char *server,
                           struct err *err)
{
    char host[NATS_HOST_MAX];
    enum status s = nats_conf_host(server, host, err);
    bool said = t->ca[0] || t->cert[0] || t->server_name[0] || !t->verify;
    if (s != OK || (!said && !is_secure(server)))
        return s;
    natsStatus n = NATS_OK;
    if (is_secure(server) || t->ca[0] || t->cert[0])
        n = natsOptions_SetSecure(o, true);
    if (n == NATS_OK && t->ca[0])
        n = natsOptions_LoadCATrustedCertificates(o, t->ca);
    if (n == NATS_OK && t->cert[0])
        n = natsOptions_LoadCertificatesChain(o, t->cert, t->key);
    if (n == NATS_OK)
        n = natsOptions_SetExpectedHostname(o, t->server_name[0] ? t->server_name : host);
    if (n == NATS_OK && !t->verify)
        n = natsOptions_SkipServerVerification(o, true);
    return n == NATS_OK ? OK : err_set(err, ERR_IO, "tls: %s", nats_words(n));
}

/* A message goes out in the call that publishes it: the library's thread that gathers messages would
 * wake three times for each, and what is written here is large or alone. */
static natsStatus set_plain(natsOptions *o, const struct nats_login *l, const char *server)
{
    const struct nats_conf *c = l->conf;
    natsStatus n = natsOptions_SetURL(o, server);
    if (n == NATS_OK)
        n = natsOptions_SetName(o, l->name);
    if (n == NATS_OK)
        n = natsOptions_SetAllowReconnect(o, false);
    if (n == NATS_OK)
        n = natsOptions_SetTimeout(o, c->connect_timeout / MS_NS);
    if (n == NATS_OK)
        n = natsOptions_SetWriteDeadline(
            o, (c->timeout < SINK_WRITE_NS ? c->timeout : SINK_WRITE_NS) / MS_NS);
    if (n == NATS_OK)
        n = natsOptions_SetPingInterval(o, c->ping / MS_NS);
    if (n == NATS_OK)
        n = natsOptions_SetMaxPingsOut(o, 2);
    /* Written by who publishes: the library's flusher would wake for each message, twice. */
    if (n == NATS_OK)
        n = natsOptions_SetSendAsap(o, true);
    if (n == NATS_OK)
        n = natsOptions_SetCustomInboxPrefix(o, c->inbox_prefix);
    if (n == NATS_OK)
        n = natsOptions_SetErrorHandler(o, l->on_error, l->closure);
    if (n == NATS_OK)
        n = natsOptions_SetClosedCB(o, l->on_closed, l->closure);
    return n;
}

/* What helps with the errors that an operator makes. */
static const char *hint(natsStatus n)
{
    switch ((int)n) {
    case NATS_CONNECTION_AUTH_FAILED: return "; check user, password, token, creds or nkey";
    case NATS_SECURE_CONNECTION_WANTED: return "; write nats:// and set no tls.ca and tls.cert";
    case NATS_SSL_ERROR: return "; check tls.ca and tls.server_name";
    default: return "";
    }
}

/* Threads of the library that end use libcrypto, whose own exit handler, registered before this
 * one and so run after it, does not wait for them. */
static void finish(void)
{
    CHECK_LEAKS();
    (void)nats_CloseAndWait(FINISH_MS);
}

#define SPINS 100 /* for a lock of the library; of itself it turns 2,000 times */

static void start(void)
{
    (void)nats_Open(SPINS); /* what is wrong, the first connection says as well */
    (void)atexit(finish);
}

enum status nats_connect(natsConnection **ret, const struct nats_login *login, const char *server,
                         struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    natsOptions *o = NULL;
    natsConnection *nc = NULL;
    natsStatus n = natsOptions_Create(&o);
    if (n == NATS_OK)
        n = set_plain(o, login, server);
    enum status s = n == NATS_OK ? OK : err_set(err, ERR_IO, "%s", nats_words(n));
    if (s == OK)
        s = set_secrets(o, login, err);
    if (s == OK)
        s = set_tls(o, &login->conf->tls, server, err);
    if (s == OK) {
        n = natsConnection_Connect(&nc, o);
        if (n != NATS_OK)
            s = err_set(err, nats_status(n) == ERR_DENIED ? ERR_DENIED : ERR_IO, "%.140s%s",
                        nats_words(n), hint(n));
    }
    natsOptions_Destroy(o);
    if (s != OK)
        return err_wrap(err, s, server);
    *ret = nc;
    return OK;
}
