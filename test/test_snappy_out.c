/* SPDX-License-Identifier: Apache-2.0 */
/* What the library opens. */
#include "mem.h"
#include "snappy_out.h"
#include "test.h"

#include <snappy-c.h>

enum { MOST = 1 << 20 };

static char block[MOST], back[MOST], want[MOST];

/* So many bytes that differ, and a copy; the block without its length has so many bytes. */
static size_t check(size_t literals, size_t distance, size_t len)
{
    size_t all = literals + len, got = sizeof back;
    char *p = block;
    for (size_t n = all; p == block || n > 0; n >>= 7)
        *p++ = (char)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
    char *start = p;
    p = snappy_literal(p, literals);
    for (size_t i = 0; i < literals; i++)
        *p++ = want[i] = (char)(i * 7 + i / 256);
    char *copy = p;
    p = snappy_copy(p, distance, len);
    CHECK((size_t)(p - copy) <= snappy_copy_max(len));
    CHECK((size_t)(copy - start) <= literals + SNAPPY_OUT_ROOM);
    for (size_t i = literals; i < all; i++)
        want[i] = want[i - distance];
    CHECK_INT(snappy_uncompress(block, (size_t)(p - block), back, &got), SNAPPY_OK);
    CHECK_INT(got, all);
    CHECK(memcmp(back, want, all) == 0);
    return (size_t)(p - copy);
}

TEST(literals_of_all_lengths)
{
    static const size_t lengths[] = {1, 59, 60, 61, 255, 256, 257, 65535, 65536, 65537, 500000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        check(lengths[i], 1, 0);
}

TEST(copies_of_all_lengths)
{
    static const size_t distances[] = {1, 2, 255, 256, 2047, 2048, 65535};
    for (size_t i = 0; i < ARRAY_LEN(distances); i++)
        for (size_t len = 0; len < 400; len++)
            check(70000, distances[i], len);
}

TEST(short_copies_take_two_bytes)
{
    CHECK_INT(check(100, 50, 0), 0);
    CHECK_INT(check(100, 50, 3), 3);
    CHECK_INT(check(100, 50, 4), 2);
    CHECK_INT(check(100, 50, 11), 2);
    CHECK_INT(check(100, 50, 12), 3);
    CHECK_INT(check(100, 50, 64), 3);
    CHECK_INT(check(100, 50, 65), 5);
    CHECK_INT(check(100, 50, 76), 6);
    CHECK_INT(check(3000, 2048, 4), 3);
}
