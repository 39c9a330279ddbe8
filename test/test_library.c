/* SPDX-License-Identifier: Apache-2.0 */
#include "library.h"
#include "test.h"

#include <math.h>
#include <pthread.h>
#include <zlib.h>

/* What of this process files back, in KiB. */
static long resident_kib(void)
{
    char line[200];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && kib < 0 && fgets(line, sizeof line, f))
        (void)sscanf(line, "RssFile: %ld kB", &kib);
    if (f)
        fclose(f);
    return kib;
}

static unsigned long sum_of(const char *text)
{
    return crc32(0, (const unsigned char *)text, (unsigned)strlen(text));
}

TEST(code_comes_back_and_takes_less_room_meanwhile)
{
    unsigned long sum = sum_of("strata");
    long before = resident_kib();
    CHECK(before > 0);
    library_rest();
    CHECK(resident_kib() < before);
    CHECK(sum_of("strata") == sum);
    CHECK(fabs(cos(0.0) - 1) < 1e-12);
}

static int changed = 1; /* data: a page of our own */
static int (*const volatile printer)(const char *,
                                     ...) = printf; /* linked: written by the linker */

TEST(data_and_what_the_linker_has_written_stay)
{
    changed = 42;
    int (*before)(const char *, ...) = printer;
    library_rest();
    CHECK_INT(changed, 42);
    CHECK(printer == before);
}

static _Atomic bool done;

static void *work(void *unused)
{
    (void)unused;
    while (!done)
        if (sum_of("strata") != 0xc9e3bcffUL)
            abort();
    return NULL;
}

TEST(threads_go_on_meanwhile)
{
    pthread_t threads[2];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        CHECK_INT(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (int i = 0; i < 20; i++)
        library_rest();
    done = true;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
}
