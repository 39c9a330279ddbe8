/* SPDX-License-Identifier: Apache-2.0 */
/* nats_flights.h - payloads that are sent and not yet confirmed.
 *
 * A payload is known by a ticket, which goes out with it and comes back with the
 * acknowledgement.  A ticket is good once: what comes late or twice finds nothing.  The
 * order is that of nats_flights_put.  The caller locks.  */
#ifndef NATS_FLIGHTS_H
#define NATS_FLIGHTS_H

#include "payload.h"

struct nats_flight;

struct nats_flights {
    struct nats_flight *slots;
    uint32_t cap, len; /* len: tickets out */
    uint32_t free;     /* list of free slots */
    uint32_t first, last;
};

void nats_flights_init(struct nats_flights *f, uint32_t cap);
void nats_flights_done(struct nats_flights *f); /* must be empty */

/* ERR_AGAIN: cap tickets are out. */
enum status nats_flights_reserve(struct nats_flights *f, uint64_t *ret_ticket) NODISCARD;
void nats_flights_put(struct nats_flights *f, uint64_t ticket, struct payload *p,
                      int64_t deadline_ns);

/* Takes the ticket back, and with it its payload: NULL when there was none, or when the
 * ticket is no longer good. */
struct payload *nats_flights_take(struct nats_flights *f, uint64_t ticket);

/* The ticket behind that one in the order, or the first one for 0; 0: none. */
uint64_t nats_flights_next(const struct nats_flights *f, uint64_t ticket);
const struct payload *nats_flights_payload(const struct nats_flights *f, uint64_t ticket);
int64_t nats_flights_deadline_ns(const struct nats_flights *f, uint64_t ticket); /* 0: no good */

#endif
