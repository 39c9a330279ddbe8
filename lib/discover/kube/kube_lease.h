/* SPDX-License-Identifier: Apache-2.0 */
/* kube_lease.h - one of many agents holds a lease: it does what only one may do.
 *
 * A Lease of coordination.k8s.io/v1.  Whoever finds it absent, given up, or not renewed for longer than
 * its duration since it was first seen so (by the own monotonic clock: clocks of two machines are not
 * compared) writes its name into it; the resourceVersion decides who was first.  The holder renews
 * every third of the duration, and counts itself out when two thirds have passed since the
 * start of the last request that succeeded: so never two for longer than the lease, even when one cannot reach the
 * server.  A holder that stops gives it up (holderIdentity "", duration 1 s), and the others, who
 * watch it, take over at once.
 *
 * The others follow the one Lease by a watch of metadata.name, so each change is known at once;
 * their attempts are spread by a random moment of up to 300 ms.
 *
 * One thread, as kube_client.h.  Rights: get, list, watch, create, update of one lease.  */
#ifndef KUBE_LEASE_H
#define KUBE_LEASE_H

#include "kube_client.h"

struct kube_lease_conf {
    const char *ns, *name; /* of the lease */
    const char *holder;    /* who we are; unique among the agents */
    int64_t duration_ns;   /* 15 s */
};

struct kube_lease;

/* changed is called when held changes.  Copies conf; client outlives it. */
struct kube_lease *kube_lease_new(struct kube_client *client, const struct kube_lease_conf *conf,
                                  void (*changed)(void *of), void *of);
bool kube_lease_held(const struct kube_lease *l);
/* Who holds it, as far as we know; "": nobody. */
const char *kube_lease_holder(const struct kube_lease *l);
const struct err *kube_lease_fault(const struct kube_lease *l); /* status OK: none */
int64_t kube_lease_timer_ns(const struct kube_lease *l);
void kube_lease_run(struct kube_lease *l);

/* Gives the lease up, if held: sends the request; done is called when it has been answered or timeout_ns has
 * passed.  Then free. */
void kube_lease_release(struct kube_lease *l, int64_t timeout_ns, void (*done)(void *of));
void kube_lease_free(struct kube_lease *l); /* NULL is fine */

#endif
