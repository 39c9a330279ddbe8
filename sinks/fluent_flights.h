/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_flights.h - payloads a fluent link has accepted, in the order of sending.
 *
 *     [ written, waiting for their acknowledgements | being written, from offset on | to be written ]
 *                                              written ^
 * One thread.  */
#ifndef FLUENT_FLIGHTS_H
#define FLUENT_FLIGHTS_H

#include "payload.h"

struct fluent_flight {
    struct payload *p;
    int64_t written_ns;
    bool acknowledged; /* by its id, before this copy was written */
};

struct fluent_flights {
    struct fluent_flight *at;
    size_t cap, len;
    size_t written;    /* of them, whole */
    size_t offset;     /* bytes written of the next one */
    int64_t passed_ns; /* when the last one written that is acknowledged was written */
};

void fluent_flights_init(struct fluent_flights *f, size_t cap);
void fluent_flights_done(struct fluent_flights *f); /* must be empty */
size_t fluent_flights_bytes(size_t cap);            /* of memory, beside the payloads */

void fluent_flights_put(struct fluent_flights *f, struct payload *p); /* len is below cap */

/* What is to be written next; .len 0: nothing. */
struct span fluent_flights_next(const struct fluent_flights *f);

/* So many bytes of that were written.  Ends the payload once it is whole, if the server has
 * acknowledged it already, or never will (acks is false). */
void fluent_flights_wrote(struct fluent_flights *f, size_t bytes, bool acks);

/* The server has acknowledged that id. */
void fluent_flights_acknowledge(struct fluent_flights *f, struct payload_id id);

/* Ends those that were written no later than that as timed out; returns how many. */
size_t fluent_flights_end_until(struct fluent_flights *f, int64_t written_ns);

/* Ends all: what may have arrived as how, the others as rest. */
void fluent_flights_end_all(struct fluent_flights *f, enum status how, enum status rest);

#endif
