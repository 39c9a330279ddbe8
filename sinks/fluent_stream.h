/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_stream.h - bytes to and from a server, over TCP, TLS or a unix socket, without waiting.
 *
 *     fluent_stream_open(&s, address, tls, host, &err)
 *     while (fluent_stream_step(&s, &err) == ERR_AGAIN)
 *         ... poll fd for fluent_stream_events(&s, false) ...
 *     fluent_stream_write(&s, data, len, &n, &err)
 *
 * One thread.  */
#ifndef FLUENT_STREAM_H
#define FLUENT_STREAM_H

#include "err.h"
#include "http.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

struct fluent_address {
    int family;
    socklen_t len;
    struct sockaddr_storage addr;
};

struct fluent_stream {
    int fd; /* -1: none */
    SSL *ssl;
    bool connecting, shaking;
    bool wants_write, wants_read; /* what TLS has to do before it goes on */
};

#define FLUENT_STREAM_NONE \
    {                      \
        .fd = -1           \
    }

/* Begins to connect; tls NULL: no TLS.  host is what the certificate must name, unless tls says
 * server_name.  s is FLUENT_STREAM_NONE before, and again after a failure.
 *   ERR_IO       the system or the peer
 *   ERR_DENIED   no right to connect; a file of tls cannot be used  */
enum status fluent_stream_open(struct fluent_stream *s, const struct fluent_address *address,
                               const struct tls_conf *tls, const char *host,
                               struct err *err) NODISCARD;
void fluent_stream_close(struct fluent_stream *s);

/* OK: connected, with TLS if asked for.  ERR_AGAIN: not yet.  ERR_IO, ERR_DENIED (a certificate
 * that is not trusted): s is to be closed. */
enum status fluent_stream_step(struct fluent_stream *s, struct err *err) NODISCARD;

/* Of poll; write: the caller has something to write. */
short fluent_stream_events(const struct fluent_stream *s, bool write);

/* Whether a read will give something though poll does not say so. */
bool fluent_stream_pending(const struct fluent_stream *s);

/* OK: *ret bytes, at least one, of len, which is not 0.  ERR_AGAIN: none now.  ERR_IO: the
 * connection is gone. */
enum status fluent_stream_read(struct fluent_stream *s, void *data, size_t len, size_t *ret,
                               struct err *err) NODISCARD;
enum status fluent_stream_write(struct fluent_stream *s, const void *data, size_t len, size_t *ret,
                                struct err *err) NODISCARD;

#endif
