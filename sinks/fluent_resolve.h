/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_resolve.h - the addresses of a host, asked for in a thread of its own.
 *
 * getaddrinfo waits for name servers as long as it likes; who asks here never does.  One thread
 * asks; it may lose interest at any time.  */
#ifndef FLUENT_RESOLVE_H
#define FLUENT_RESOLVE_H

#include "err.h"

#include <netdb.h>

struct fluent_resolve;

/* ERR_IO: no thread, no descriptor. */
enum status fluent_resolve_new(struct fluent_resolve **ret, const char *host, const char *port,
                               struct err *err) NODISCARD;
void fluent_resolve_free(struct fluent_resolve *r); /* NULL is fine */

/* Readable when there is an answer. */
int fluent_resolve_fd(const struct fluent_resolve *r);

/* ERR_AGAIN: no answer yet.  OK: *ret is the caller's, freeaddrinfo frees it.  ERR_IO: there is
 * no such host, or nobody to ask. */
enum status fluent_resolve_take(struct fluent_resolve *r, struct addrinfo **ret,
                                struct err *err) NODISCARD;

#endif
