/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - two clocks, two units, told apart by name.
 *
 * _ns: nanoseconds of the monotonic clock; for deadlines and durations.
 * _ms: milliseconds since 1970-01-01 UTC; for what leaves the process.  */
#ifndef CLOCK_H
#define CLOCK_H

#include "base.h"

#define MS_NS          ((int64_t)1000000)
#define SEC_NS         ((int64_t)1000000000)
#define DEADLINE_NOW   ((int64_t)0) /* do not wait */
#define DEADLINE_NEVER INT64_MAX    /* wait for ever; tests and main only */

/* The wall-clock times that RFC 3339 can say: 0001-01-01 to 9999-12-31. */
#define CLOCK_MIN_MS INT64_C(-62135596800000)
#define CLOCK_MAX_MS INT64_C(253402300799999)
#define CLOCK_TEXT   24 /* strlen("2026-11-21T14:26:00.123Z") */

int64_t clock_mono_ns(void);
int64_t clock_wall_ms(void);

/* Of two times of the monotonic clock. */
static inline int64_t clock_earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* For tests: both clocks stand at these times until held elsewhere or released, in all
 * threads.  What waits on a condition or a descriptor still waits in real time. */
void clock_hold(int64_t mono_ns, int64_t wall_ms);
void clock_release(void);

/* RFC 3339 in UTC with milliseconds: CLOCK_TEXT bytes and a NUL.  wall_ms lies
 * between CLOCK_MIN_MS and CLOCK_MAX_MS. */
void clock_format(char out[CLOCK_TEXT + 1], int64_t wall_ms);

#endif
