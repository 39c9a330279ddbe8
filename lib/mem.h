/* SPDX-License-Identifier: Apache-2.0 */
/* mem.h - allocation that does not fail.
 *
 * mem_* abort with a log line when the system has no memory: the container's
 * limit decides that, and no caller could do better.  What a peer can make us
 * allocate is bounded before the call (see buf.h, channel.h, page.h), so an
 * abort here means a wrong bound or a wrong limit, not a large input.  */
#ifndef MEM_H
#define MEM_H

#include "base.h"

void *mem_alloc(size_t size);               /* zeroed; free with mem_free */
void *mem_realloc(void *p, size_t size);    /* new bytes are not zeroed */
char *mem_strdup(const char *s);            /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n); /* n bytes and a NUL; may hold NULs */
void mem_free(void *p);                     /* NULL is fine */

/* How many times mem_* allocated, in all threads since start.  For /metrics, and
 * for tests that prove that a hot path does not allocate. */
uint64_t mem_count(void);

/* At start, before any thread: how the allocator keeps memory, so that what is resident follows what is in
 * use. */
void mem_tune(void);

/* Gives back to the system what is free in the allocator, if that is much.  Takes milliseconds then; any
 * thread. */
void mem_trim(void);

size_t mem_resident(void); /* bytes of this process; 0: not known */

#endif
