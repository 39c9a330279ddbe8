/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_hello.h - the login of the Forward protocol: HELO, PING, PONG.
 *
 * The server says HELO with a nonce; the agent's PING proves with it that it knows the shared key,
 * the server's PONG proves the same of the server.  */
#ifndef FLUENT_HELLO_H
#define FLUENT_HELLO_H

#include "buf.h"
#include "text.h"

#define FLUENT_NONCE_MAX 256
#define FLUENT_SALT      32

struct fluent_hello {
    char nonce[FLUENT_NONCE_MAX], auth[FLUENT_NONCE_MAX]; /* any bytes; auth: empty, no user */
    size_t nonce_len, auth_len;
    char salt[FLUENT_SALT + 1]; /* of the PING */
};

/* Each reads the message in front of *left, which moves behind it.  ERR_AGAIN: there is only a
 * part as yet.  ERR_INVALID: it is something else. */
enum status fluent_hello_read(struct span *left, struct fluent_hello *ret,
                              struct err *err) NODISCARD;

/* Besides, ERR_DENIED: the server refuses us, or does not know the key itself. */
enum status fluent_hello_read_pong(struct span *left, const struct fluent_hello *h, const char *key,
                                   struct err *err) NODISCARD;

struct fluent_login {
    const char *host; /* of this machine */
    const char *key;
    const char *user, *password; /* "": none */
};

/* The PING, behind what out holds.  ERR_IO: no random numbers.  ERR_LIMIT: as buf.h. */
enum status fluent_hello_ping(struct fluent_hello *h, const struct fluent_login *login,
                              struct buf *out, struct err *err) NODISCARD;

#endif
