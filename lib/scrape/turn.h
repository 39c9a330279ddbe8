/* SPDX-License-Identifier: Apache-2.0 */
/* turn.h - whose turn it is among scrapes that wait for memory, in all workers of the process.
 *
 *     turn_stand(&w->turn, since_ns, bytes)           the one that has waited longest in w
 *     if (turn_allows(since_ns, bytes, &first)) ...   and the budget has room: begin
 *     turn_leave(&w->turn)                            nobody waits in w any more
 *     turn_call(&w->turn)                             memory is given back: wakes whose turn it is
 *
 * It is the turn of who has waited longest.  What is not even half as large may pass, for it may fit
 * where the large one does not; anything else would take the room as it comes free and leave the large one
 * waiting for ever.  Any thread.  */
#ifndef TURN_H
#define TURN_H

#include "curl_loop.h"

struct turn {
    int64_t since_ns;
    size_t bytes;
    struct curl_loop *loop; /* of who waits: set before, outlives its standing */
    bool stands;            /* who waits alone looks at it */
    struct turn *next, **link;
};

/* Stands, or goes on standing, with one that waits since then for so much. */
void turn_stand(struct turn *t, int64_t since_ns, size_t bytes);
void turn_leave(struct turn *t); /* fine for who does not stand */

/* Whether one that waits since then for so much may begin if there is room.  *ret_first: nobody has
 * waited longer. */
bool turn_allows(int64_t since_ns, size_t bytes, bool *ret_first);

/* Wakes the loop of who has waited longest, unless it is t's own. */
void turn_call(const struct turn *t);

#endif
