/* SPDX-License-Identifier: Apache-2.0 */
/* lane_private.h - what the files of a lane share; nobody else includes it.
 *
 *     lane.c         lifecycle and state
 *     lane_encode.c  the workers' side
 *     lane_replicas.c  its parts, when other agents make the same
 *     lane_thread.c  the thread's loop
 *     lane_end.c     what the end of a payload means  */
#ifndef LANE_PRIVATE_H
#define LANE_PRIVATE_H

#include "payload_pool.h"
#include "window.h"

struct lane {
    /* fixed while it lives */
    uint32_t id;
    char *pool_name, *output, *name, *sink_name, *cluster, *instance, *encoder_text;
    const struct encoder_ops *encoder;
    void *encoder_self;
    const struct sink_ops *sink;
    void *sink_self; /* NULL once it is closed; only then it changes */
    size_t max_message, max_samples;
    bool replicas;
    struct lane_retry retry;
    struct channel *input, *ends;
    int ends_fd, input_fd, wake_fd, epoll_fd; /* -1: none */
    pthread_t thread;

    /* any thread */
    struct lane_books *books;
    struct sink_lane shared;
    struct payload_pool pool;
    _Atomic bool closing, done; /* closing: input is closed */
    _Atomic bool hold;          /* nothing is sent */
    _Atomic bool woken;         /* wake_fd has been written to */
    _Atomic uint32_t rendering; /* workers inside of the sink's render */
    _Atomic int64_t close_ns, beat_ns;
    _Atomic size_t held, in_flight, held_bytes;
    pthread_mutex_t lock; /* guards what follows */
    bool failing;
    struct err last_error;
    int64_t last_delivered_ms;

    /* the thread's alone */
    uint64_t random;
    bool drained; /* nothing will come from input any more */
    bool polls_input, knows_closing;
    bool busy;          /* the sink takes no more until something ends */
    int64_t resume_ns;  /* nothing is sent before */
    unsigned failures;  /* in a row */
    int64_t failing_ns; /* since when it fails; 0: it does not */
    bool denied;        /* meanwhile */
    uint64_t retries;   /* meanwhile */
    int64_t losses_said_ns;
    uint64_t losses_said[LANE_LOSSES];
    struct window window;
};

void *lane_run(void *l); /* the thread */

/* Gives to, whose body is that of from's records from mark `first` on, the len marks of these. */
void lane_copy_marks(struct payload *to, const struct payload *from, uint32_t first, uint32_t len);

/* The one place where the lane gives up an encoded payload, which is in no list any more. */
void lane_give_up(struct lane *l, struct payload *p, enum lane_loss why);

/* p, which is in flight, ended so; text (may be NULL) says more, for an accepted one the
 * sink does.  accepted: the sink had taken
 * it, so after a failure nobody knows whether it arrived. */
void lane_end(struct lane *l, struct payload *p, enum status how, bool accepted, const char *text);

/* Whether the sink, which did not take p, is merely full: p waits until something ends. */
bool lane_is_busy(struct lane *l, struct payload *p, enum status how);

/* Says what was lost since it last did; not often, unless now is asked for. */
void lane_say_losses(struct lane *l, bool at_once);

#endif
