/* SPDX-License-Identifier: Apache-2.0 */
/* nats_flights.c - payloads not yet confirmed; the contract is in nats_flights.h. */
#include "nats_flights.h"

#include "mem.h"

#include <assert.h>

#define NONE UINT32_MAX

struct nats_flight {
    struct payload *p; /* NULL: free, or only reserved */
    int64_t deadline_ns;
    uint32_t generation; /* the upper half of its ticket, never 0 */
    uint32_t before, behind;
    bool out; /* its ticket is with somebody */
};

static uint64_t ticket_of(const struct nats_flights *f, uint32_t slot)
{
    return slot == NONE ? 0 : (uint64_t)f->slots[slot].generation << 32 | slot;
}

static uint32_t slot_of(const struct nats_flights *f, uint64_t ticket)
{
    uint32_t slot = (uint32_t)ticket;
    return slot < f->cap && f->slots[slot].out && f->slots[slot].generation == ticket >> 32 ? slot
                                                                                            : NONE;
}

void nats_flights_init(struct nats_flights *f, uint32_t cap)
{
    *f = (struct nats_flights){.cap = cap, .first = NONE, .last = NONE};
    f->slots = mem_alloc(cap * sizeof *f->slots);
    for (uint32_t i = 0; i < cap; i++)
        f->slots[i] = (struct nats_flight){.generation = 1, .behind = i + 1 < cap ? i + 1 : NONE};
}

void nats_flights_done(struct nats_flights *f)
{
    assert(f->len == 0);
    mem_free(f->slots);
    *f = (struct nats_flights){.first = NONE, .last = NONE};
}

enum status nats_flights_reserve(struct nats_flights *f, uint64_t *ret_ticket)
{
    if (f->len == f->cap)
        return ERR_AGAIN;
    uint32_t slot = f->free;
    f->free = f->slots[slot].behind;
    f->len++;
    f->slots[slot].out = true;
    *ret_ticket = ticket_of(f, slot);
    return OK;
}

void nats_flights_put(struct nats_flights *f, uint64_t ticket, struct payload *p,
                      int64_t deadline_ns)
{
    uint32_t slot = slot_of(f, ticket);
    assert(slot != NONE && !f->slots[slot].p);
    struct nats_flight *s = &f->slots[slot];
    s->p = p;
    s->deadline_ns = deadline_ns;
    s->before = f->last;
    s->behind = NONE;
    if (f->last == NONE)
        f->first = slot;
    else
        f->slots[f->last].behind = slot;
    f->last = slot;
}

static void unlink_slot(struct nats_flights *f, const struct nats_flight *s)
{
    if (s->before == NONE)
        f->first = s->behind;
    else
        f->slots[s->before].behind = s->behind;
    if (s->behind == NONE)
        f->last = s->before;
    else
        f->slots[s->behind].before = s->before;
}

struct payload *nats_flights_take(struct nats_flights *f, uint64_t ticket)
{
    uint32_t slot = slot_of(f, ticket);
    if (slot == NONE)
        return NULL;
    struct nats_flight *s = &f->slots[slot];
    struct payload *p = s->p;
    if (p)
        unlink_slot(f, s);
    s->p = NULL;
    s->out = false;
    s->generation = s->generation == UINT32_MAX ? 1 : s->generation + 1;
    s->behind = f->free;
    f->free = slot;
    f->len--;
    return p;
}

uint64_t nats_flights_next(const struct nats_flights *f, uint64_t ticket)
{
    return ticket_of(f, ticket ? f->slots[slot_of(f, ticket)].behind : f->first);
}

const struct payload *nats_flights_payload(const struct nats_flights *f, uint64_t ticket)
{
    return f->slots[slot_of(f, ticket)].p;
}

int64_t nats_flights_deadline_ns(const struct nats_flights *f, uint64_t ticket)
{
    uint32_t slot = slot_of(f, ticket);
    return slot == NONE || !f->slots[slot].p ? 0 : f->slots[slot].deadline_ns;
}
