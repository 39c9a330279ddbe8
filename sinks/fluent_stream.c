/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_stream.c - a socket, with or without TLS; the contract is in fluent_stream.h. */
#include "fluent_stream.h"

#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <unistd.h>

static enum status fail(int why, const char *what, struct err *err)
{
    enum status s = why == EACCES || why == EPERM ? ERR_DENIED : ERR_IO;
    return err_set(err, s, "cannot %s: %s", what, strerror(why));
}

static enum status fail_tls(const char *what, struct err *err)
{
    char text[160] = "";
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(err, ERR_DENIED, "tls: %s%s%.150s", what, text[0] ? ": " : "", text);
}

static enum status load(SSL_CTX *ctx, const struct tls_conf *c, struct err *err)
{
    bool trust = c->ca[0] ? SSL_CTX_load_verify_locations(ctx, c->ca, NULL) == 1
                          : SSL_CTX_set_default_verify_paths(ctx) == 1;
    if (!trust)
        return fail_tls("ca cannot be used", err);
    if (c->cert[0] && (SSL_CTX_use_certificate_chain_file(ctx, c->cert) != 1 ||
                       SSL_CTX_use_PrivateKey_file(ctx, c->key, SSL_FILETYPE_PEM) != 1))
        return fail_tls("cert and key cannot be used", err);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return OK;
}

/* An address of IP is no name of SNI. */
static bool expect(SSL *ssl, const char *name)
{
    struct in6_addr any;
    bool ip = inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
    if (ip)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

/* Files are read for each connection: they may have been rotated. */
static enum status start_tls(struct fluent_stream *s, const struct tls_conf *c, const char *host,
                             struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return fail_tls("no memory", err);
    enum status r = load(ctx, c, err);
    SSL *ssl = r == OK ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx); /* ssl holds it */
    if (r == OK && (!ssl || SSL_set_fd(ssl, s->fd) != 1 ||
                    !expect(ssl, c->server_name[0] ? c->server_name : host)))
        r = fail_tls("cannot begin", err);
    if (r != OK) {
        SSL_free(ssl);
        return r;
    }
    SSL_set_connect_state(ssl);
    s->ssl = ssl;
    s->shaking = true;
    return OK;
}

enum status fluent_stream_open(struct fluent_stream *s, const struct fluent_address *address,
                               const struct tls_conf *tls, const char *host, struct err *err)
{
    int on = 1;
    s->fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return fail(errno, "make a socket", err);
    net_socket_opened(s->fd);
    if (address->family != AF_UNIX)
        (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    enum status r = OK;
    if (connect(s->fd, (const struct sockaddr *)&address->addr, address->len) == 0)
        s->connecting = false;
    else if (errno == EINPROGRESS || errno == EINTR)
        s->connecting = true;
    else
        r = fail(errno, "connect", err);
    if (r == OK && tls)
        r = start_tls(s, tls, host, err);
    if (r != OK)
        fluent_stream_close(s);
    return r;
}

void fluent_stream_close(struct fluent_stream *s)
{
    SSL_free(s->ssl);
    if (s->fd >= 0) {
        net_socket_closed(s->fd);
        close(s->fd);
    }
    *s = (struct fluent_stream)FLUENT_STREAM_NONE;
}

static enum status step_connect(struct fluent_stream *s, struct err *err)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};
    int why = 0;
    socklen_t len = sizeof why;
    if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLOUT | POLLERR | POLLHUP)))
        return ERR_AGAIN;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0)
        why = errno;
    if (why != 0)
        return fail(why, "connect", err);
    s->connecting = false;
    return OK;
}

/* What a call of the library that did not succeed means.  s->ssl is of no use after ERR_IO. */
static enum status judge(struct fluent_stream *s, int r, const char *what, struct err *err)
{
    int why = errno;
    int code = SSL_get_error(s->ssl, r);
    s->wants_read = code == SSL_ERROR_WANT_READ;
    s->wants_write = code == SSL_ERROR_WANT_WRITE;
    if (s->wants_read || s->wants_write)
        return ERR_AGAIN;
    if (code == SSL_ERROR_ZERO_RETURN || ERR_peek_error() == 0)
        return err_set(err, ERR_IO, "tls: the server has closed the connection while we %s%s%s",
                       what, code == SSL_ERROR_SYSCALL && why ? ": " : "",
                       code == SSL_ERROR_SYSCALL && why ? strerror(why) : "");
    (void)fail_tls(what, err);
    if (err)
        err->status = ERR_IO;
    return ERR_IO;
}

static enum status step_tls(struct fluent_stream *s, struct err *err)
{
    ERR_clear_error();
    int r = SSL_do_handshake(s->ssl);
    if (r == 1) {
        s->shaking = s->wants_read = s->wants_write = false;
        return OK;
    }
    enum status status = judge(s, r, "shake hands", err);
    long verdict = SSL_get_verify_result(s->ssl);
    if (status == ERR_IO && verdict != X509_V_OK)
        return err_set(err, ERR_DENIED, "tls: the server's certificate: %s",
                       X509_verify_cert_error_string(verdict));
    return status;
}

enum status fluent_stream_step(struct fluent_stream *s, struct err *err)
{
    enum status r = s->connecting ? step_connect(s, err) : OK;
    return r == OK && s->shaking ? step_tls(s, err) : r;
}

short fluent_stream_events(const struct fluent_stream *s, bool write)
{
    if (s->connecting)
        return POLLOUT;
    if (s->shaking)
        return s->wants_write ? POLLOUT : POLLIN;
    if (s->wants_read && write) /* TLS has to read before it writes */
        return POLLIN;
    return (short)(POLLIN | (write ? POLLOUT : 0));
}

bool fluent_stream_pending(const struct fluent_stream *s)
{
    return s->ssl && !s->connecting && !s->shaking && SSL_pending(s->ssl) > 0;
}

static enum status judge_socket(ssize_t n, const char *what, size_t *ret, struct err *err)
{
    if (n > 0) {
        *ret = (size_t)n;
        return OK;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_AGAIN;
    if (n == 0)
        return err_set(err, ERR_IO, "the server has closed the connection");
    return err_set(err, ERR_IO, "cannot %s: %s", what, strerror(errno));
}

enum status fluent_stream_read(struct fluent_stream *s, void *data, size_t len, size_t *ret,
                               struct err *err)
{
    if (!s->ssl)
        return judge_socket(recv(s->fd, data, len, 0), "read", ret, err);
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(s->ssl, data, len < INT_MAX ? (int)len : INT_MAX);
    if (n > 0) {
        *ret = (size_t)n;
        return OK;
    }
    bool wants_read = s->wants_read, wants_write = s->wants_write;
    enum status r = judge(s, n, "read", err);
    s->wants_read = wants_read; /* those are of writing */
    s->wants_write = wants_write;
    return r;
}

enum status fluent_stream_write(struct fluent_stream *s, const void *data, size_t len, size_t *ret,
                                struct err *err)
{
    if (!s->ssl)
        return judge_socket(send(s->fd, data, len, MSG_NOSIGNAL), "write", ret, err);
    ERR_clear_error();
    errno = 0;
    int n = SSL_write(s->ssl, data, len < INT_MAX ? (int)len : INT_MAX);
    if (n > 0) {
        s->wants_read = s->wants_write = false;
        *ret = (size_t)n;
        return OK;
    }
    return judge(s, n, "write", err);
}
