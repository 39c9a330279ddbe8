/* SPDX-License-Identifier: Apache-2.0 */
/* asked.h - a list of candidates, and those threads that ask for one.
 *
 *     asked_wait(&a, wake_fd, deadline_ns, &list, &err)     any thread, several at once
 *     if (asked_pending(&a, &ask))                          the discovery thread, on its loop
 *         asked_answer(&a, ask, list);
 *
 * One list answers all who asked before it was begun.  Nobody waits for who asks: one whose deadline
 * has passed is gone, and its list goes with the next one.  Part of discover.c.  */
#ifndef ASKED_H
#define ASKED_H

#include "discover.h"

#include <pthread.h>

struct asked {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* on the monotonic clock */
    uint64_t asks, answered;
    size_t waiting;
    struct discover_candidates *list; /* the last one, while somebody waits; else NULL */
    bool closed;
};

void asked_init(struct asked *a);
void asked_done(struct asked *a); /* after asked_close */

/* As discover_candidates; writes to wake_fd, an eventfd. */
enum status asked_wait(struct asked *a, int wake_fd, int64_t deadline_ns,
                       struct discover_candidates **ret, struct err *err) NODISCARD;

bool asked_pending(struct asked *a, uint64_t *ret_ask);
void asked_answer(struct asked *a, uint64_t ask, struct discover_candidates *list); /* takes it */

/* Who waits, or comes, gets ERR_CLOSED; returns when all have gone. */
void asked_close(struct asked *a);

struct discover_candidates *candidates_new(void);
/* Counts it as left out where it has no room. */
void candidates_add(struct discover_candidates *c, uint32_t source, const char *source_name,
                    const struct source_candidate *one);

#endif
