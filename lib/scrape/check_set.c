/* SPDX-License-Identifier: Apache-2.0 */
#include "check_set.h"

#include "hash.h"
#include "mem.h"

enum { FIRST_BITS = 6, KEPT_BITS = 9 };

void check_set_init(struct check_set *s)
{
    *s = (struct check_set){.salt = hash_salt()};
}

void check_set_done(struct check_set *s)
{
    mem_free(s->slots);
    s->slots = NULL;
    s->bits = 0;
    s->len = 0;
}

/* The slot of hash, or the free one where it belongs. */
static uint64_t *find(const struct check_set *s, uint64_t hash)
{
    size_t mask = ((size_t)1 << s->bits) - 1;
    size_t i = (size_t)((hash * s->salt) >> (64 - s->bits));
    while (s->slots[i] != 0 && s->slots[i] != hash)
        i = (i + 1) & mask;
    return &s->slots[i];
}

static void grow(struct check_set *s)
{
    struct check_set old = *s;
    s->bits = old.bits ? old.bits + 1 : FIRST_BITS;
    s->slots = mem_alloc(sizeof *s->slots << s->bits);
    for (size_t i = 0; old.bits && i < (size_t)1 << old.bits; i++)
        if (old.slots[i] != 0)
            *find(s, old.slots[i]) = old.slots[i];
    mem_free(old.slots);
}

bool check_set_has(const struct check_set *s, uint64_t hash)
{
    return s->bits && *find(s, hash ? hash : 1) != 0;
}

bool check_set_add(struct check_set *s, uint64_t hash)
{
    if (s->bits == 0 || s->len * 2 >= (size_t)1 << s->bits)
        grow(s);
    uint64_t *slot = find(s, hash ? hash : 1);
    if (*slot != 0)
        return false;
    *slot = hash ? hash : 1;
    s->len++;
    return true;
}

void check_set_clear(struct check_set *s)
{
    if (s->bits > KEPT_BITS)
        check_set_done(s);
    else if (s->len > 0)
        memset(s->slots, 0, sizeof *s->slots << s->bits);
    s->len = 0;
}
