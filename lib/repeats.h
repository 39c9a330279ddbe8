/* SPDX-License-Identifier: Apache-2.0 */
/* repeats.h - what one short text repeats of another.
 *
 * For scripts (lz4_script.h, encoders/remote_write_v1.c), which are made once per series.  */
#ifndef REPEATS_H
#define REPEATS_H

#include "text.h"

#define REPEATS_MAX   32
#define REPEATS_WORTH 5    /* bytes of a repeat in the middle, at least */
#define REPEATS_TEXT  4096 /* the longest text */

/* len bytes at `at` stand at `from` in the other text. */
struct repeat {
    uint16_t at, from, len;
};

/* Of the text in order, none in another: prefix and suffix, and what is between them. */
struct repeats {
    size_t prefix, suffix; /* bytes that both begin and end with */
    unsigned len;
    struct repeat of[REPEATS_MAX];
};

/* What text repeats of before.  The prefix leaves at least `least` bytes of both, which neither is
 * shorter than. */
void repeats_find(struct repeats *ret, struct span before, struct span text, size_t least);

#endif
