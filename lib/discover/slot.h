/* SPDX-License-Identifier: Apache-2.0 */
/* slot.h - a source that runs, and what its receiver has of it.
 *
 * Part of discover.c.  All calls are made by the discovery thread.  */
#ifndef SLOT_H
#define SLOT_H

#include "discover.h"
#include "target_set.h"

#include <pthread.h>

/* What all slots of a thread share. */
struct slot_home {
    struct target_emit emit;
    int epoll_fd;
    pthread_mutex_t lock;
};

/* A source that runs.  The thread alone writes it, and reads it without the lock; what
 * others read (state, lines) it writes under the lock. */
struct slot {
    const struct source_ops *ops;
    void *self;
    struct slot_home *home;
    char *identity;
    struct source_common common;
    char *instance, *cluster;
    struct text_map labels;
    struct source_env env; /* points at those above */

    uint32_t rank; /* its place in the file */
    bool rank_new; /* the receiver is still to be told so */

    struct target_set known; /* what the receiver has; mark: the round it was ADDED in */
    uint32_t round;          /* grows with each RESYNC */
    size_t fresh;            /* of known: of this round */
    size_t excess;           /* ADDED above the bound: not handed on */
    uint64_t told;           /* events that the receiver took */
    int fd;
    bool readable, blocked, ended;
    bool failed; /* ever; to follow a peer that cannot be reached is no failure */

    struct source_state state;
    struct buf lines;
};

/* Opens the source under a new number and watches its descriptor, with that number as the
 * key.  As discover_set says it; *err begins with the source's name. */
enum status slot_open(struct slot **ret, struct slot_home *home, const struct source_conf *conf,
                      const struct source_agent *agent, struct err *err) NODISCARD;

/* Its place in the file from now on. */
void slot_set_rank(struct slot *s, uint32_t rank);
/* Tells of a new rank, if there is one, and may be called again until it is told.  OK: it is;
 * ERR_AGAIN, ERR_CLOSED: emit said so. */
enum status slot_tell_rank(struct slot *s) NODISCARD;

/* Calls ready and notes what came of it. */
void slot_ready(struct slot *s);

/* As source_ops.candidates. */
size_t slot_candidates(const struct slot *s, const struct source_candidates *to);

/* Its descriptor is watched no more. */
void slot_unwatch(struct slot *s);

void slot_free(struct slot *s);

#endif
