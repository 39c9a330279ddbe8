/* SPDX-License-Identifier: Apache-2.0 */
/* test_burst.c - what passes, what is kept back, when the window opens again. */
#include "burst.h"
#include "test.h"

TEST(the_first_few_pass_and_the_rest_are_counted)
{
    struct burst b = BURST_INIT(2, 100);
    uint64_t kept = 7;
    CHECK(burst_pass(&b, 1, 1000, &kept));
    CHECK_INT(kept, 0);
    CHECK(burst_pass(&b, 1, 1001, &kept));
    CHECK(!burst_pass(&b, 1, 1002, &kept));
    CHECK(!burst_pass(&b, 1, 1099, &kept));
    CHECK(burst_pass(&b, 1, 1100, &kept));
    CHECK_INT(kept, 2);
    CHECK(burst_pass(&b, 1, 1101, &kept));
    CHECK_INT(kept, 0);
    CHECK(!burst_pass(&b, 1, 1199, &kept));
}

TEST(keys_do_not_share_a_window)
{
    struct burst b = BURST_INIT(1, 100);
    uint64_t kept;
    CHECK(burst_pass(&b, 1, 0, &kept));
    CHECK(burst_pass(&b, 1 + BURST_SLOTS, 0, &kept));
    CHECK(burst_pass(&b, 0, 0, &kept));
    CHECK(!burst_pass(&b, 1, 0, &kept));
    CHECK(!burst_pass(&b, 1 + BURST_SLOTS, 0, &kept));
    CHECK(!burst_pass(&b, 0, 0, &kept));
}

TEST(too_many_keys_forget_the_eldest)
{
    struct burst b = BURST_INIT(1, 1000);
    uint64_t kept;
    for (int64_t i = 0; i < 9; i++) /* eight slots are looked at */
        CHECK(burst_pass(&b, (uint64_t)i * BURST_SLOTS, i, &kept));
    CHECK(!burst_pass(&b, 1 * BURST_SLOTS, 20, &kept));
    CHECK(burst_pass(&b, 0, 20, &kept));
    CHECK_INT(kept, 0);
}
