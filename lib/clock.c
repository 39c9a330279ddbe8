/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <assert.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)

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

/* Of n, the last len digits. */
static void put_digits(char *p, uint32_t n, size_t len)
{
    for (; len-- > 0; n /= 10)
        p[len] = (char)('0' + n % 10);
}

/* Years begin in March here, so that the odd day is a year's last; eras of 400 years are of equal
 * length.  gmtime and printf take ten times as long. */
static void put_date(char *p, uint32_t days_since_0000_03_01)
{
    uint32_t era = days_since_0000_03_01 / 146097, day = days_since_0000_03_01 % 146097;
    uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    uint32_t month = (5 * day + 2) / 153; /* from March */
    put_digits(p, era * 400 + year + (month >= 10), 4);
    put_digits(p + 5, month < 10 ? month + 3 : month - 9, 2);
    put_digits(p + 8, day - (153 * month + 2) / 5 + 1, 2);
}

void clock_format(char out[CLOCK_TEXT + 1], int64_t wall_ms)
{
    assert(wall_ms >= CLOCK_MIN_MS && wall_ms <= CLOCK_MAX_MS);
    int64_t since = wall_ms + 719468 * DAY_MS; /* 0000-03-01 */
    uint32_t ms = (uint32_t)(since % DAY_MS);
    memcpy(out, "YYYY-MM-DDThh:mm:ss.mmmZ", CLOCK_TEXT + 1);
    put_date(out, (uint32_t)(since / DAY_MS));
    put_digits(out + 11, ms / 3600000, 2);
    put_digits(out + 14, ms / 60000 % 60, 2);
    put_digits(out + 17, ms / 1000 % 60, 2);
    put_digits(out + 20, ms % 1000, 3);
}
