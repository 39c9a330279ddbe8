/* SPDX-License-Identifier: Apache-2.0 */
#include "due.h"

#include "clock.h"
#include "hash.h"

#include <string.h>

int64_t due_interval_ms(const struct target *t)
{
    return t->interval_ns / MS_NS;
}

int64_t due_after(const struct target *t, int64_t wall_ms)
{
    int64_t interval = due_interval_ms(t);
    int64_t offset = (int64_t)(hash_bytes(t->id, strlen(t->id)) % (uint64_t)interval);
    int64_t k = (wall_ms - offset) / interval;
    int64_t due = k * interval + offset;
    return due > wall_ms ? due : due + interval;
}

int64_t due_extra(const struct target *t, int64_t wall_ms, int64_t last_ms)
{
    while (wall_ms == last_ms || due_after(t, wall_ms - 1) == wall_ms)
        wall_ms++;
    return wall_ms;
}
