/* SPDX-License-Identifier: Apache-2.0 */
/* repeats.h - what a short text repeats of some that were before it.
 *
 * For scripts (lz4_script.h, encoders/remote_write_v1.c), which are made once per series.  What is found
 * depends on the last REPEATS_TEXTS texts alone, not on what was added before these.
 *
 *     repeats_begin(r);
 *     while (repeats_add(r, text)) ...
 *     n = repeats_find(r, text, 0, text.len, 0, found);                                      */
#ifndef REPEATS_H
#define REPEATS_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

#define REPEATS_TEXTS 16
#define REPEATS_MAX   32 /* of one text */
#define REPEATS_LEAST 4  /* bytes of one */
#define REPEATS_BITS  11

/* The texts.  data and before are the caller's, of room items each, which are below 65535. */
struct repeats {
    char *data;
    uint16_t *before; /* for each byte, where four like those last stood before it */
    size_t room, len;
    unsigned texts; /* that were added */
    struct repeats_text {
        uint16_t start, len;
    } of[REPEATS_TEXTS];
    uint16_t last[1 << REPEATS_BITS]; /* by the hash of four bytes: where they stood last */
};

/* So many bytes of a text at `at` stand at `from` in the one that was added so many before it. */
struct repeat {
    uint16_t at, from, len;
    uint8_t back; /* 1: the last */
};

void repeats_begin(struct repeats *r); /* without texts; data, before and room are set */

/* False: there is no room for text; nothing has happened. */
bool repeats_add(struct repeats *r, struct span text);

/* The text that was added so many before the next; back is at most REPEATS_TEXTS and r->texts. */
struct span repeats_get(const struct repeats *r, unsigned back);

/* What text repeats from `at` up to end: in order, none in another.  That one ends where its text and
 * the other one end is worth as much as so many bytes more.  After so many places looked at that it would
 * take microseconds nothing more is found.  Returns how many there are. */
unsigned repeats_find(const struct repeats *r, struct span text, size_t at, size_t end,
                      size_t worth, struct repeat ret[REPEATS_MAX]);

/* Bytes that both begin with, at most so many; likewise, that end at a and b. */
size_t repeats_start(const char *a, const char *b, size_t most);
size_t repeats_end(const char *a, const char *b, size_t most);

#endif
