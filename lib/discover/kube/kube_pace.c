/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_pace.h"

#include "clock.h"
#include "hash.h"

#define FIRST_NS (200 * MS_NS)
#define MOST_NS  (30 * SEC_NS)

enum { AWAY_FROM = 4, LOST_FROM = 2 /* failures */ };

int64_t kube_pace_random(int64_t low, int64_t high)
{
    static _Atomic uint64_t draws;
    uint64_t seed[] = {hash_salt(), draws++};
    return low + (int64_t)(hash_bytes(seed, sizeof seed) % ((uint64_t)(high - low) + 1));
}

int64_t kube_pace_wait_ns(struct kube_pace *p, enum kube_trouble why, int64_t retry_after_ns)
{
    int64_t whole = p->failures < 8 ? FIRST_NS << p->failures : MOST_NS;
    whole = whole < MOST_NS ? whole : MOST_NS;
    int64_t wait = kube_pace_random(whole / 2, whole);
    p->failures++;
    p->away = p->away || why == KUBE_TROUBLE_AWAY;
    bool away =
        p->away && why != KUBE_TROUBLE_EXPIRED && p->failures >= (p->known ? LOST_FROM : AWAY_FROM);
    bool expired = why == KUBE_TROUBLE_EXPIRED && !p->expired;
    if (!p->spread && (away || expired)) {
        wait = kube_pace_random(0, p->spread_ns);
        p->spread = true;
    } else if (away) {
        int64_t late = kube_pace_random(p->spread_ns / 2, p->spread_ns);
        wait = late > wait ? late : wait;
    } else if (expired) {
        wait = kube_pace_random(FIRST_NS / 2, FIRST_NS);
    }
    p->expired = p->expired || expired;
    if (retry_after_ns > wait)
        wait = retry_after_ns + kube_pace_random(0, whole / 2);
    return wait;
}

void kube_pace_good(struct kube_pace *p)
{
    p->failures = 0;
    p->spread = p->expired = p->away = false;
    p->known = true;
}
