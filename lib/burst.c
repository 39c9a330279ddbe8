/* SPDX-License-Identifier: Apache-2.0 */
/* burst.c - a small table of keys, each looked for in a few neighbouring slots. */
#include "burst.h"

#define PROBES 8

static struct burst_slot *slot_of(struct burst *b, uint64_t key)
{
    struct burst_slot *eldest = NULL;
    for (size_t i = 0; i < PROBES; i++) {
        struct burst_slot *s = &b->slots[(key + i) % BURST_SLOTS];
        if (s->seen > 0 && s->key == key)
            return s;
        if (!eldest || (eldest->seen > 0 && (s->seen == 0 || s->since_ns < eldest->since_ns)))
            eldest = s;
    }
    *eldest = (struct burst_slot){.key = key};
    return eldest;
}

bool burst_pass(struct burst *b, uint64_t key, int64_t now_ns, uint64_t *ret_kept)
{
    struct burst_slot *s = slot_of(b, key);
    if (s->seen == 0 || now_ns - s->since_ns >= b->window_ns) {
        s->since_ns = now_ns;
        s->seen = 0;
    }
    if (++s->seen > b->most) {
        s->kept++;
        return false;
    }
    *ret_kept = s->kept;
    s->kept = 0;
    return true;
}
