/* SPDX-License-Identifier: Apache-2.0 */
/* door.h - who may read the agent's own pages, and TLS in front of them.
 *
 * Basic authentication (RFC 7617), a bearer token (RFC 6750), or a client's certificate: each of
 * those configured opens.  Files of secrets and of certificates are looked at again, at most once a
 * second, and read when they have changed; while what is new in them cannot be used, the
 * old goes on and a line in the log says so.  One thread.  */
#ifndef DOOR_H
#define DOOR_H

#include "http.h"

struct door;
struct ssl_st; /* SSL of OpenSSL */

/* conf outlives the door.  ERR_INVALID: certificate, key or authorities cannot be used, or a secret's file
 * cannot be read; *err says which. */
enum status door_new(struct door **ret, const struct http_server_conf *conf,
                     struct err *err) NODISCARD;
void door_free(struct door *d); /* NULL is fine */

bool door_has_tls(const struct door *d);

/* For one connection, which is to be accepted; the caller's.  TLS 1.2 or newer; a certificate is asked
 * for where client_ca is set, and need not be shown.  NULL: no memory. */
struct ssl_st *door_tls(struct door *d);

/* authorization: that header, or NULL; certified: the client has shown a certificate that was
 * verified.  Takes as long for a wrong secret as for a right one of its length. */
bool door_lets(struct door *d, const char *authorization, bool certified);

/* For WWW-Authenticate: static. */
const char *door_challenge(const struct door *d);

#endif
