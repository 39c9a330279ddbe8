/* SPDX-License-Identifier: Apache-2.0 */
/* burst.h - of equal events the first few pass, the rest are counted.
 *
 *     static struct burst burst = BURST_INIT(5, 10 * SEC_NS);
 *     if (burst_pass(&burst, key, clock_mono_ns(), &kept))
 *         ... write it, and that `kept` like it were kept back ...
 *
 * A key's window opens with its first event; so many pass until it closes, and the next
 * window opens with the next event.  Keys share a table of fixed size: of more live keys
 * than it holds the one with the eldest window is forgotten.  Not thread-safe.  */
#ifndef BURST_H
#define BURST_H

#include "base.h"

#define BURST_SLOTS 256

struct burst {
    uint64_t most; /* that pass in a window; at least 1 */
    int64_t window_ns;
    struct burst_slot {
        uint64_t key, seen, kept; /* seen 0: free */
        int64_t since_ns;
    } slots[BURST_SLOTS];
};

#define BURST_INIT(most_, window_ns_)                                \
    {                                                                \
        .most = (most_), .window_ns = (window_ns_), .slots = { {0} } \
    }

/* key: a hash of what makes events equal.  now_ns never goes backward.  True: the event
 * passes, and *ret_kept like it were kept back since the last one that passed. */
bool burst_pass(struct burst *b, uint64_t key, int64_t now_ns, uint64_t *ret_kept) NODISCARD;

#endif
