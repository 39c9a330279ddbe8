/* SPDX-License-Identifier: Apache-2.0 */
/* kube_pace.h - how long to wait before the API server is asked again, so that many agents do not ask at
 * once.
 *
 * Each failure in a row doubles the wait, from 200 ms to 30 s; it is a random value between half and the
 * whole.  Retry-After counts when it is longer.  What all agents see at the same moment is spread: history
 * that has expired, and a server that is away.  That is a failure again after the first, which may be a
 * connection that only broke; where all has never been well, the fourth in a row.  The next attempt waits
 * for a random moment of spread_ns, once; a server that stays away is asked again after between half and the
 * whole of it.  So is one that comes back and refuses: it takes connections before it can answer, then
 * answers all of them at once, and knows no rights in its first second.  Who was spread already and now
 * sees that history has expired begins anew soon.  */
#ifndef KUBE_PACE_H
#define KUBE_PACE_H

#include "base.h"

enum kube_trouble {
    KUBE_TROUBLE_OWN,     /* refused, denied, not understood */
    KUBE_TROUBLE_AWAY,    /* no connection, cut off, silent, 5xx */
    KUBE_TROUBLE_EXPIRED, /* 410 */
};

struct kube_pace {
    int64_t spread_ns;
    unsigned failures; /* in a row */
    bool spread;       /* has been spread since all was well */
    bool expired;      /* history has expired since then */
    bool away;         /* the server was away since then */
    bool known;        /* all has been well, once */
};

/* Counts a failure; how long to wait from now on. */
int64_t kube_pace_wait_ns(struct kube_pace *p, enum kube_trouble why, int64_t retry_after_ns);
void kube_pace_good(struct kube_pace *p); /* all is well again */

/* low to high, both included; others in each process.  Any thread. */
int64_t kube_pace_random(int64_t low, int64_t high);

#endif
