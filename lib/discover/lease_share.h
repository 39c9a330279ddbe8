/* SPDX-License-Identifier: Apache-2.0 */
/* lease_share.h - sources of one thread that name the same lease of the same API server share it.
 *
 *     s = lease_share_join(hub, &conf);
 *     kube_lease_run(lease_share_lease(s));    by each of them, at each ready
 *     lease_share_leave(s, 1 * SEC_NS);        the last one gives it up
 *
 * Each would be another holder to the others if it had a lease of its own, and only one of them would
 * ever scrape.  Part of kubernetes.c; discovery thread.  */
#ifndef LEASE_SHARE_H
#define LEASE_SHARE_H

#include "kube_lease.h"
#include "kube_store.h"

struct lease_share;

/* Who comes first says holder and duration.  hub outlives it. */
struct lease_share *lease_share_join(struct kube_hub *hub, const struct kube_lease_conf *conf);

/* Nobody is called when it changes: each looks at kube_lease_held. */
struct kube_lease *lease_share_lease(const struct lease_share *s);

/* Gives the lease up if nobody else shares it, and waits for the server to have it: goodbye_ns at
 * most.  NULL is fine. */
void lease_share_leave(struct lease_share *s, int64_t goodbye_ns);

#endif
