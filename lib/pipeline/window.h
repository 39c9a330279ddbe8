/* SPDX-License-Identifier: Apache-2.0 */
/* window.h - a lane's payloads that are out of its channel, each in the flow of its key.
 *
 * It says which may be sent next, so that law 6 holds: payloads of one key and one due time
 * go out together, those of the key's next due time when all of them have left.  Flows take
 * turns.
 *
 *     window_put(w, p)                        from the channel
 *     while ((p = window_next(w, now)))       send it; it is in flight
 *         ...
 *     window_leave(w, p)                      it has ended
 *     window_back(w, p)                       it failed: again, at its old place
 *
 * A flow is stubborn when its payloads go on failing while others get through: then the
 * fault is the key's, not the peer's.  It waits on its own (law 8), and where there is no
 * more room its payloads are the first to go.
 *
 * Not thread-safe: it is for who has the lane's duty.  Allocates only while it grows.  */
#ifndef WINDOW_H
#define WINDOW_H

#include "idmap.h"
#include "lane.h"

#define WINDOW_STUBBORN_FROM 3 /* failures in a row, others delivered before each */

/* What a payload counts as: its body, key and address, and so much for the rest of it.  Its
 * memory is at most twice that. */
#define PAYLOAD_OVERHEAD 2048
size_t payload_cost(const struct payload *p);

struct flow {
    uint64_t key;
    struct payload *first, *last; /* waiting, in the order they are to be sent */
    size_t bytes;                 /* of these, as payload_cost */
    uint32_t in_flight;
    int64_t due_ms; /* of those in flight */
    bool failed;    /* since its last delivery */
    bool again;     /* something was sent since it failed */
    unsigned stubborn;
    uint64_t seen;     /* deliveries of the window at its last failure */
    int64_t resume_ns; /* not to be sent before */
    struct flow *next; /* in a list */
    bool listed;       /* in ready or delayed */
};

struct flow_list {
    struct flow *first, *last;
};

struct window {
    size_t held, in_flight; /* payloads */
    size_t bytes;           /* of both */
    size_t max_bytes;
    uint64_t delivered; /* payloads, so far */
    size_t stubborn;    /* flows */
    struct idmap flows;
    struct flow_list ready, delayed;
    struct flow *unused;
    size_t used; /* of all */
    struct flow all[LANE_WINDOW];
};

void window_init(struct window *w, size_t max_bytes);
void window_done(struct window *w); /* every payload has left */

/* Whether another payload may be put in; the last one may pass max_bytes. */
bool window_has_room(const struct window *w);
void window_put(struct window *w, struct payload *p);

/* The next payload to send, which is in flight now; NULL: none may be sent. */
struct payload *window_next(struct window *w, int64_t now_ns);

/* When a delayed flow is to go on; DEADLINE_NEVER: there is none. */
int64_t window_resume_ns(const struct window *w);

/* p is in flight and has ended for good, well or not. */
void window_leave(struct window *w, struct payload *p);
void window_delivered(struct window *w, struct payload *p);

/* p was in flight and waits again: before the key's later due times, by part. */
void window_back(struct window *w, struct payload *p);

/* As window_back, of a payload that failed.  Returns how stubborn its flow is: 0 when the
 * whole lane is to wait, else window_delay says until when the flow is. */
unsigned window_failed(struct window *w, struct payload *p);
void window_delay(struct window *w, const struct payload *p, int64_t resume_ns);

/* Puts a piece of p, which is in flight, where p would go back to. */
void window_put_piece(struct window *w, const struct payload *p, struct payload *piece);

/* Takes out the oldest waiting payload of a stubborn flow; NULL: there is none. */
struct payload *window_evict(struct window *w);

/* Takes out the waiting payload that came first to memory; NULL: there is none, or it came after
 * before_ns. */
struct payload *window_take_oldest(struct window *w, int64_t before_ns);

/* Lists up to `most` waiting payloads that have no row, those of a flow in their order; returns how many. */
size_t window_list_bare(const struct window *w, struct payload **ret, size_t most);

/* Takes out any waiting payload; NULL: there is none. */
struct payload *window_take(struct window *w);

#endif
