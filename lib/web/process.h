/* SPDX-License-Identifier: Apache-2.0 */
/* process.h - what the kernel says of this process, from /proc. */
#ifndef PROCESS_H
#define PROCESS_H

#include "base.h"

struct process {
    double cpu_seconds;   /* user and system, since start */
    double start_seconds; /* since 1970 */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t threads, open_fds, max_fds;
};

/* What cannot be read stays 0. */
struct process process_now(void);

#endif
