/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_flights.c - what is in flight; the contract is in fluent_flights.h. */
#include "fluent_flights.h"

#include "clock.h"
#include "mem.h"

#include <assert.h>

void fluent_flights_init(struct fluent_flights *f, size_t cap)
{
    *f = (struct fluent_flights){.at = mem_alloc(fluent_flights_bytes(cap)), .cap = cap};
}

void fluent_flights_done(struct fluent_flights *f)
{
    assert(f->len == 0);
    mem_free(f->at);
}

size_t fluent_flights_bytes(size_t cap)
{
    return cap * sizeof(struct fluent_flight);
}

void fluent_flights_put(struct fluent_flights *f, struct payload *p)
{
    assert(f->len < f->cap);
    f->at[f->len++] = (struct fluent_flight){.p = p};
}

struct span fluent_flights_next(const struct fluent_flights *f)
{
    if (f->written == f->len)
        return (struct span){NULL, 0};
    const struct buf *body = &f->at[f->written].p->body;
    return (struct span){body->data + f->offset, body->len - f->offset};
}

/* One that is written. */
static void end(struct fluent_flights *f, size_t i, enum status how)
{
    struct payload *p = f->at[i].p;
    f->len--;
    f->written--;
    memmove(f->at + i, f->at + i + 1, (f->len - i) * sizeof *f->at);
    payload_end(p, how);
}

void fluent_flights_wrote(struct fluent_flights *f, size_t bytes, bool acks)
{
    struct fluent_flight *now = &f->at[f->written];
    f->offset += bytes;
    if (f->offset < now->p->body.len)
        return;
    now->written_ns = clock_mono_ns();
    f->offset = 0;
    f->written++;
    if (now->acknowledged || !acks)
        end(f, f->written - 1, OK);
}

/* A resent payload may be acknowledged for its first copy, while the second is on its way. */
void fluent_flights_acknowledge(struct fluent_flights *f, struct payload_id id)
{
    for (size_t i = 0; i < f->len; i++) {
        const struct payload_id *has = &f->at[i].p->id;
        if (has->high != id.high || has->low != id.low)
            continue;
        if (i >= f->written) {
            f->at[i].acknowledged = true;
            return;
        }
        if (f->at[i].written_ns > f->passed_ns)
            f->passed_ns = f->at[i].written_ns;
        end(f, i, OK);
        return;
    }
}

size_t fluent_flights_end_until(struct fluent_flights *f, int64_t written_ns)
{
    size_t n = 0;
    for (; f->written > 0 && f->at[0].written_ns <= written_ns; n++)
        end(f, 0, ERR_TIMEOUT);
    return n;
}

void fluent_flights_end_all(struct fluent_flights *f, enum status how, enum status rest)
{
    size_t len = f->len, touched = f->written + (f->offset > 0);
    f->len = f->written = f->offset = 0;
    for (size_t i = 0; i < len; i++)
        payload_end(f->at[i].p, f->at[i].acknowledged ? OK : i < touched ? how : rest);
}
