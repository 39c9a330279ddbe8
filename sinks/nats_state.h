/* SPDX-License-Identifier: Apache-2.0 */
/* nats_state.h - what the parts of a nats link share: nats_link.c, the lane's side, nats_keeper.c,
 * its thread, and the library's callbacks, which are in nats_state.c. */
#ifndef NATS_STATE_H
#define NATS_STATE_H

#include "compress.h"
#include "nats_connect.h"
#include "nats_flights.h"
#include "sink.h"

#include <pthread.h>

#define NATS_DENIED_MAX 16 /* refused subjects remembered */
#define NATS_INBOX_MAX  192
#define NATS_RECHECK_NS ((int64_t)1000000000) /* between two looks for the stream */

struct nats_denied {
    char *subject; /* or NULL */
    int64_t until_ns;
};

struct nats_link {
    uintptr_t number;
    struct nats_link *next; /* in links */
    uint32_t refs;          /* the lane, the thread, a callback that runs; under links_lock */
    struct nats_conf conf;
    char *name; /* of the connection */
    struct secret password, token;
    bool stream;                   /* JetStream */
    struct compressor *compressor; /* the lane's own, with small; NULL: none */
    struct buf small;

    /* Held by who publishes, and by who puts another connection in place; taken before
     * lock.  nc changes under both. */
    pthread_mutex_t use;
    natsConnection *nc;
    natsSubscription *acks;
    char inbox[NATS_INBOX_MAX]; /* the keeper's own to change while nc is NULL */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sink_lane *lane; /* NULL once the link is freed */
    bool started, stop, done;
    bool up, broken;
    int64_t attempt_ns;    /* when the attempt that runs began; 0: none runs */
    uint16_t attempt_port; /* of the server */
    uint16_t own_port;     /* of the connection's own end; 0: none; under links_lock */
    struct err why;        /* there is no connection; OK: the first attempt still runs */
    struct err refused;    /* there is one, but it takes nothing; OK: it does */
    int64_t recheck_ns;    /* when to see whether that still holds */
    int64_t checked_ns;    /* when the stream was looked for last */
    struct err last_end;
    struct nats_flights flights;
    int64_t put_ns;       /* deadline of the last one put; they differ all */
    int64_t published_ns; /* deadline of the last one handed to the library */
    int64_t confirmed_ns; /* core: that of the last one confirmed */
    int64_t pinged_ns;    /* core: when the last PING went out */
    int64_t more_ns;      /* core: the next one waits until then, for another message comes */
    bool quick;           /* core: a PONG comes so soon that the lane's thread waits for it */
    int64_t looks_ns;     /* when the keeper looks again by itself */
    unsigned flushing;    /* threads that wait until nothing is in flight */
    int64_t acked_ns;     /* JetStream: that of the last one put that is acknowledged */
    int64_t heard_ns;     /* when anything was acknowledged last */
    struct nats_denied denied[NATS_DENIED_MAX];
    size_t denied_next;
};

/* New links are found from nats_state_add on, until nats_state_remove. */
void nats_state_add(struct nats_link *l);
void nats_state_remove(struct nats_link *l);
void nats_state_ref(struct nats_link *l);
void nats_state_unref(struct nats_link *l); /* the last one frees l */

void nats_state_set_own_port(struct nats_link *l, uint16_t port);
bool nats_state_owns(uint16_t own_port); /* it is that of a connection of some link */

/* With l->lock held: */

void nats_state_wait(struct nats_link *l, int64_t until_ns); /* for a change */

/* Ends those in flight whose deadline is no later than that. */
void nats_state_end_until(struct nats_link *l, int64_t deadline_ns, enum status how,
                          const struct err *why);

/* Ends those in flight that no acknowledgement will come for: now_ns is past their deadline, and
 * one behind them is acknowledged, or nothing has been for the timeout.  The others wait for their
 * turn on a slow connection, and sent again they would make all that follows later still.
 * Returns when to look again; DEADLINE_NEVER: nothing is in flight. */
int64_t nats_state_end_overdue(struct nats_link *l, int64_t now_ns);

/* Core NATS: how many messages may wait for a PONG together, at most `most`, after one that took so
 * long to come.  A PING goes behind what was published: on a slow connection a PONG for all that there
 * is would come too late each time, and all of it would be sent again and again. */
size_t nats_state_window(size_t window, size_t most, int64_t took_ns, int64_t timeout_ns);

/* The connection is to be given up. */
void nats_state_break(struct nats_link *l, const struct err *why);

/* True when the server has refused the subject a moment ago. */
bool nats_state_denied(const struct nats_link *l, const char *subject);

/* Callbacks of the library, on threads of its own; closure is the link's number. */
void nats_state_on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure);
void nats_state_on_error(natsConnection *nc, natsSubscription *sub, natsStatus n, void *closure);
void nats_state_on_closed(natsConnection *nc, void *closure);

#endif
