/* SPDX-License-Identifier: Apache-2.0 */
/* statsd_lookup.h - the addresses of a host, looked up in a thread of its own.
 *
 * getaddrinfo waits for name servers as long as it likes; whoever has a deadline waits for fd
 * instead.  A look-up that is freed before its end leaves its thread to end by itself.
 *
 *     statsd_lookup_start(&l, host, port, type, &err);
 *     ... statsd_lookup_fd(l) is readable ...
 *     statsd_lookup_take(l, &addresses, &err);
 *     statsd_lookup_free(l);  */
#ifndef STATSD_LOOKUP_H
#define STATSD_LOOKUP_H

#include "err.h"

#include <sys/socket.h>

#define STATSD_ADDRESSES 8 /* of one host; others are left out */

struct statsd_addresses {
    struct sockaddr_storage at[STATSD_ADDRESSES];
    socklen_t size[STATSD_ADDRESSES];
    size_t len;
};

/* At once, without a thread, for a host that is an address; ERR_INVALID: it is none. */
enum status statsd_lookup_literal(const char *host, const char *port,
                                  struct statsd_addresses *ret) NODISCARD;

struct statsd_lookup;

/* ERR_AGAIN: no thread or descriptor is left. */
enum status statsd_lookup_start(struct statsd_lookup **ret, const char *host, const char *port,
                                struct err *err) NODISCARD;
int statsd_lookup_fd(const struct statsd_lookup *l); /* readable once it has ended */

/* OK; ERR_AGAIN: it has not ended yet; ERR_IO: there is no address, *err says why. */
enum status statsd_lookup_take(const struct statsd_lookup *l, struct statsd_addresses *ret,
                               struct err *err) NODISCARD;
void statsd_lookup_free(struct statsd_lookup *l); /* NULL is fine */

#endif
