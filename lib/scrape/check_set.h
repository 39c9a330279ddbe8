/* SPDX-License-Identifier: Apache-2.0 */
/* check_set.h - a set of 64-bit hashes; part of check.c. */
#ifndef CHECK_SET_H
#define CHECK_SET_H

#include "base.h"

struct check_set {
    size_t len;
    unsigned bits; /* 2^bits slots; 0 while there are none */
    uint64_t salt;
    uint64_t *slots; /* 0: free */
};

void check_set_init(struct check_set *s);
void check_set_done(struct check_set *s);

/* False: it was there before. */
bool check_set_add(struct check_set *s, uint64_t hash) NODISCARD;
bool check_set_has(const struct check_set *s, uint64_t hash);

/* Empties it; memory above a few hundred entries is given back. */
void check_set_clear(struct check_set *s);

#endif
