/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.h - which of several names was meant.
 *
 *     struct nearest n = NEAREST("intervall");
 *     nearest_try(&n, "interval");  nearest_try(&n, "timeout");
 *     nearest_say(&n, &buf)             "; did you mean 'interval'?"
 *
 * Where none is near, all are listed.  */
#ifndef NEAREST_H
#define NEAREST_H

#include "buf.h"

#define NEAREST_ROOM 300 /* bytes of the list */

struct nearest {
    const char *word;
    const char *best; /* borrowed; NULL: none yet */
    unsigned distance;
    struct buf all;
};
#define NEAREST(word_) ((struct nearest){.word = (word_), .all = BUF_INIT(NEAREST_ROOM)})

void nearest_try(struct nearest *n, const char *name);

/* What to put behind the complaint; "" where there are no names.  Valid until
 * nearest_done. */
const char *nearest_say(struct nearest *n);
void nearest_done(struct nearest *n);
DEFINE_AUTO(nearest, nearest_done)

#endif
