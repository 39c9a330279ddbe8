/* SPDX-License-Identifier: Apache-2.0 */
/* kube_lease.h - one of many agents holds a lease: it does what only one may do.
 *
 * A Lease of coordination.k8s.io/v1.  Whoever finds it absent, given up, or not renewed for longer than
 * its duration since it was first seen so (by the own monotonic clock: clocks of two machines are not
 * compared) writes its name into it; the resourceVersion decides who was first.  The holder renews
 * every third of the duration, and counts itself out when two thirds have passed since the
 * start of the last request that succeeded, by the monotonic clock or by the wall clock (which goes on
 * where a machine was suspended): so never two, even when one cannot reach the server or stood still.
 * A holder that stops gives it up (holderIdentity "", duration 1 s), and the others, who watch it,
 * take over at once.  Where somebody deletes or rewrites the lease of one that holds, there may be two until
 * its watch tells it, and no longer than two thirds of the duration.
 *
 * The others follow the one Lease by a watch of metadata.name, so each change is known at once, and
 * write nothing; their attempts are spread by a random moment of up to 300 ms.  What the watch missed is
 * told by the conflict, and read then.  Failures back off from 200 ms, doubled, to a twelfth of the
 * duration for who holds, two thirds of it for others, 30 s for what an operator must mend; Retry-After counts
 * when it is longer.
 *
 * One thread, as kube_client.h; what it does it does from within kube_lease_run:
 *
 *     wait for the client, or until kube_lease_timer_ns
 *     kube_client_run(client); kube_lease_run(l);
 *
 * Rights: get, list, watch, create, update of one lease.  */
#ifndef KUBE_LEASE_H
#define KUBE_LEASE_H

#include "kube_client.h"

struct kube_lease_conf {
    const char *ns, *name; /* of the lease: names as Kubernetes allows them */
    const char *holder;    /* who we are; unique among the agents, never "" */
    int64_t
        duration_ns; /* whole seconds, from 3 s to an hour.  12 s: 15 s after a holder has died another
                              one has it */
};

struct kube_lease;

/* changed is called when held changes, from within kube_lease_run; it may not free.  Copies conf; client
 * outlives it. */
struct kube_lease *kube_lease_new(struct kube_client *client, const struct kube_lease_conf *conf,
                                  void (*changed)(void *of), void *of);
/* As the clocks stand now: false before changed has said so, where the thread stood still. */
bool kube_lease_held(const struct kube_lease *l);
/* Who holds it, as far as we know; "": nobody. */
const char *kube_lease_holder(const struct kube_lease *l);
const struct err *kube_lease_fault(const struct kube_lease *l); /* status OK: none */
int64_t kube_lease_timer_ns(const struct kube_lease *l);
void kube_lease_run(struct kube_lease *l);

/* Gives the lease up, if held: held is false from now on, so the caller has ended what it did.  done
 * is called once, from within kube_lease_run, when the server has it or timeout_ns has passed; it may
 * free l. */
void kube_lease_release(struct kube_lease *l, int64_t timeout_ns, void (*done)(void *of));
void kube_lease_free(struct kube_lease *l); /* without giving it up; NULL is fine */

#endif
