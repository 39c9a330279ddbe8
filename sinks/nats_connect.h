/* SPDX-License-Identifier: Apache-2.0 */
/* nats_connect.h - one attempt to connect to one NATS server, and what its errors mean. */
#ifndef NATS_CONNECT_H
#define NATS_CONNECT_H

#include "nats_conf.h"
#include "secret.h"

#include <nats/nats.h>

/* What a connection is made of; all borrowed. */
struct nats_login {
    const struct nats_conf *conf;
    const char *name;
    struct secret *password, *token; /* read anew at each attempt */
    natsErrHandler on_error;
    natsConnectionHandler on_closed;
    void *closure; /* of both; they may be called even after a failed attempt */
};

/* May last conf->connect_timeout, and with TLS or a slow resolver longer.  A connection
 * that is lost stays lost: it never comes back by itself.  ERR_IO, ERR_DENIED; *err begins
 * with the server. */
enum status nats_connect(natsConnection **ret, const struct nats_login *login, const char *server,
                         struct err *err) NODISCARD;

/* The status for what a call of the library says. */
enum status nats_status(natsStatus s);

/* Words for it: those that the library kept in this thread, else its general ones. */
const char *nats_words(natsStatus s);

#endif
