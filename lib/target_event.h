/* SPDX-License-Identifier: Apache-2.0 */
/* target_event.h - what sources tell the registry: the one thing that flows from discovery
 * on.  */
#ifndef TARGET_EVENT_H
#define TARGET_EVENT_H

#include "err.h"
#include "target.h"

enum target_change {
    TARGET_ADDED,   /* new, or changed: replaces the one with the same id */
    TARGET_REMOVED, /* only target->id counts */
    TARGET_SYNCED,  /* the first full list is complete; target is NULL.  What this
                       source did not ADD since its last TARGET_RESYNC is gone */
    TARGET_RESYNC,  /* the view was lost, a full list follows; target is NULL */
    TARGET_RANK,    /* the source has another place in the file now, and so have its targets;
                       target is NULL.  Discovery says it, no source does */
    TARGET_EXTRA,   /* one scrape more, at once, of a target that is there, as of a pod that begins
                       to terminate; its regular ones go on.  Only target->id and due_ms count.
                       Of a target that is not there, or whose scrape is out, it says nothing, nor
                       when it was said before of the same target and due_ms */
};

struct target_event {
    enum target_change change;
    uint32_t source;       /* whose change it is: the number given to open.  Two
                              sources may have targets of the same id */
    uint32_t rank;         /* the source's place in the file, the first 0; discovery fills it
                              in.  Counts with ADDED and RANK */
    struct target *target; /* a reference, which moves to the receiver */
    int64_t due_ms; /* EXTRA: the moment that it is due, which its messages carry: the same on
                              every replica and after a restart */
};

/* Where changes go; a source calls it from within ready only.
 *   OK           the receiver has the event and its reference
 *   ERR_AGAIN    no room now; the event is still the source's.  It keeps the newest
 *                change of each target (an older one is then of no use; an EXTRA is kept
 *                beside an ADDED), and a SYNCED or RESYNC in its place among them, and goes
 *                on at the next ready,
 *                which is called without regard to fd and timer once there is room
 *   ERR_CLOSED   the agent stops; the event is still the source's, and no further
 *                one will be taken */
struct target_emit {
    enum status (*call)(void *to, const struct target_event *event);
    void *to;
};

#endif
