/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <assert.h>
#include <time.h>

static _Atomic bool held;
static _Atomic int64_t held_mono_ns, held_wall_ms;

void clock_hold(int64_t mono_ns, int64_t wall_ms)
{
    held_mono_ns = mono_ns;
    held_wall_ms = wall_ms;
    held = true;
}

void clock_release(void)
{
    held = false;
}

int64_t clock_mono_ns(void)
{
    if (held)
        return held_mono_ns;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SEC_NS + t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    if (held)
        return held_wall_ms;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void clock_format(char out[CLOCK_TEXT + 1], int64_t wall_ms)
{
    assert(wall_ms >= CLOCK_MIN_MS && wall_ms <= CLOCK_MAX_MS);
    int64_t ms = (wall_ms % 1000 + 1000) % 1000;
    time_t sec = (time_t)((wall_ms - ms) / 1000);
    struct tm t;
    gmtime_r(&sec, &t);
    char text[128]; /* more than the compiler fears */
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900,
             t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)ms);
    memcpy(out, text, CLOCK_TEXT);
    out[CLOCK_TEXT] = '\0';
}
