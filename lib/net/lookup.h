/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.h - the addresses of a host, looked up in a thread of its own.
 *
 * getaddrinfo waits for name servers as long as it likes; whoever has a deadline waits for fd
 * instead.  A look-up that is freed before its end leaves its thread to end by itself.
 *
 *     lookup_start(&l, host, port, &err);
 *     ... lookup_fd(l) is readable ...
 *     lookup_take(l, &addresses, &err);
 *     lookup_free(l);  */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "err.h"

#include <sys/socket.h>

#define LOOKUP_ADDRESSES 8                 /* of one host; others are left out */
#define LOOKUP_BYTES     ((size_t)8 << 10) /* of the heap, that one takes while it lasts */

struct lookup_addresses {
    struct sockaddr_storage at[LOOKUP_ADDRESSES];
    socklen_t size[LOOKUP_ADDRESSES];
    size_t len;
};

/* At once, without a thread, for a host that is an address; ERR_INVALID: it is none. */
enum status lookup_literal(const char *host, const char *port,
                           struct lookup_addresses *ret) NODISCARD;

struct lookup;

/* ERR_AGAIN: no thread or descriptor is left. */
enum status lookup_start(struct lookup **ret, const char *host, const char *port,
                         struct err *err) NODISCARD;
int lookup_fd(const struct lookup *l); /* readable once it has ended */

/* OK; ERR_AGAIN: it has not ended yet; ERR_IO: there is no address, *err says why. */
enum status lookup_take(const struct lookup *l, struct lookup_addresses *ret,
                        struct err *err) NODISCARD;
void lookup_free(struct lookup *l); /* NULL is fine */

#endif
