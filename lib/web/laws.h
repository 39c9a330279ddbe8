/* SPDX-License-Identifier: Apache-2.0 */
/* laws.h - the books of law 1 as sums, for the pages.
 *
 *     struct law law;
 *     for (size_t i = 0; laws_get(v, i, &law); i++)
 *         ... law.left = law.right, but for law.balance ...
 *
 * The numbers are read one after the other while threads go on counting, so a balance is
 * exact when nothing runs, and else off by what happened meanwhile.  */
#ifndef LAWS_H
#define LAWS_H

#include "view.h"

#define LAWS_TERMS 8

struct law {
    const char *name;          /* what is counted: static */
    const char *pool, *output; /* whose; NULL: the agent's, the pool's */
    struct law_term {
        const char *name;
        uint64_t value;
    } left[LAWS_TERMS], right[LAWS_TERMS]; /* ended by .name NULL */
    int64_t balance;                       /* left less right */
};

/* Number i of all sums of the view; false: there is none. */
bool laws_get(const struct view *v, size_t i, struct law *ret);

/* What all are off, without their signs. */
uint64_t laws_off(const struct view *v);

#endif
