/* SPDX-License-Identifier: Apache-2.0 */
/* kubernetes_diff.h - what was found at an object before and now, and the difference, told.
 *
 *     kube_found_pod(conf, before, gathered_sink(&d.sides[0]));
 *     kube_found_pod(conf, now, gathered_sink(&d.sides[1]));
 *     diff_tell(&d);
 *
 * Part of kubernetes.c.  */
#ifndef KUBERNETES_DIFF_H
#define KUBERNETES_DIFF_H

#include "kube_found.h"
#include "tell.h"

struct gathered_one {
    char *id;
    uint64_t hash;         /* of it */
    struct target *target; /* NULL: it is none */
    char *why;             /* NULL where there is a target */
    bool unasked;          /* nobody asked for it, or a rule dropped it: no fault */
};

struct gathered {
    const struct source_env *env;
    struct gathered_one *all;
    size_t len, cap;
};

struct kube_found_sink gathered_sink(struct gathered *g);
void gathered_reset(struct gathered *g);

struct diff {
    struct tell tell;
    struct gathered sides[2]; /* before, now; both empty between two calls */
    size_t refused;           /* found, and no target by a fault */
    size_t excess;            /* targets above the bound */
    int64_t extra_ms;         /* targets that stay are scraped once more, due then; 0: not */
};

void diff_init(struct diff *d, const struct source_env *env); /* env outlives it */
void diff_done(struct diff *d);

/* Empties both sides. */
void diff_tell(struct diff *d);

/* Some targets are above the bound, and there is room now. */
bool diff_has_room(const struct diff *d);
/* Takes of side now those that had no room; empties it. */
void diff_fill(struct diff *d);

#endif
