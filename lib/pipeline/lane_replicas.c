/* SPDX-License-Identifier: Apache-2.0 */
/* lane_replicas.c - parts that are the same whoever makes them; see lane_work.h. */
#include "lane_work.h"

#include "hash.h"

/* A sample beside its series' key: numbers, punctuation.  A guess too low costs a second writing, one too
 * high a message more; but it is the same guess for all agents. */
enum { SAMPLE_BYTES = 64, MAX_BITS = 30 };

/* Part number of the samples whose ids begin with those bits: one of a binary tree's nodes, whose
 * root is 1; below LANE_META_PART. */
static uint32_t part_number(uint32_t prefix, unsigned bits)
{
    return UINT32_C(1) << bits | prefix;
}

/* The same for the same series in any order. */
static uint64_t hash_of_set(const struct sample *items, size_t len)
{
    uint64_t sum = len;
    for (size_t i = 0; i < len; i++)
        sum += hash_bytes(&items[i].series->id, sizeof items[i].series->id);
    return sum;
}

static unsigned bits_wanted(const struct work *w, const struct batch *b)
{
    size_t bytes = 0, max = w->lane->max_message / 2, most = w->step.max_samples;
    unsigned bits = 0;
    for (size_t i = 0; i < b->len; i++)
        bytes += series_key(b->samples[i].series).len + SAMPLE_BYTES;
    while (bits < MAX_BITS && (bytes >> bits > max || b->len >> bits > most))
        bits++;
    return bits;
}

/* One part of all of b.  False: it is more than a message, and nothing has happened. */
static bool send_whole(struct work *w, const struct batch *b, uint32_t number)
{
    struct encoder_counts before = w->counts;
    size_t from = 0;
    w->origin.part = number;
    w->origin.series = hash_of_set(b->samples, b->len);
    bool any = lane_write_part(w, b, &from) > 0;
    if (from < b->len) {
        w->counts = before;
        return false;
    }
    if (any)
        lane_put_part(w, b, false);
    return true;
}

/* Brings the samples whose id has a 0 at that bit (0: the highest) to the front, all in the order they
 * had; returns how many these are.  room is as large as items. */
static size_t part_by_bit(struct sample *items, struct sample *room, size_t len, unsigned bit)
{
    size_t zeros = 0, ones = 0;
    for (size_t i = 0; i < len; i++) {
        if (items[i].series->id >> (63 - bit) & 1)
            room[ones++] = items[i];
        else
            items[zeros++] = items[i];
    }
    memcpy(items + zeros, room, ones * sizeof *items);
    return zeros;
}

/* The few samples whose ids begin alike in so many bits: a part each. */
static void send_each(struct work *w, const struct batch *b, uint32_t number)
{
    for (size_t i = 0; i < b->len; i++) {
        struct batch one = *b;
        one.samples += i;
        one.len = 1;
        (void)send_whole(w, &one, number); /* a single one is sent, or counted as skipped */
    }
}

/* The samples of b, whose ids begin with those bits; room beside them for as many again. */
static void send(struct work *w, const struct batch *b, struct sample *room, uint32_t prefix,
                 unsigned bits, unsigned wanted)
{
    if (b->len == 0 || (bits >= wanted && send_whole(w, b, part_number(prefix, bits))))
        return;
    if (bits == MAX_BITS) {
        send_each(w, b, part_number(prefix, bits));
        return;
    }
    struct batch zeros = *b, ones = *b;
    zeros.len = part_by_bit(b->samples, room, b->len, bits);
    ones.samples += zeros.len;
    ones.len -= zeros.len;
    send(w, &zeros, room, prefix << 1, bits + 1, wanted);
    send(w, &ones, room, prefix << 1 | 1, bits + 1, wanted);
}

void lane_encode_replicas(struct work *w, const struct batch *b)
{
    struct batch *sorted = &w->scratch->sorted, all = *b;
    batch_reserve(sorted, 2 * b->len);
    memcpy(sorted->samples, b->samples, b->len * sizeof *b->samples);
    all.samples = sorted->samples;
    all.ended_len = 0;
    send(w, &all, sorted->samples + b->len, 0, 0, bits_wanted(w, b));
    w->origin.series = 0;
}
