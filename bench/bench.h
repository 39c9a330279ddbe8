/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h - what the programs that measure have in common. */
#ifndef BENCH_H
#define BENCH_H

#include "clock.h"

#include <time.h>

/* Time that the processor gave this thread. */
static inline int64_t thread_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * SEC_NS + t.tv_nsec;
}

#endif
