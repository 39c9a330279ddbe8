/* SPDX-License-Identifier: Apache-2.0 */
/* test_turn.c - who goes first where there is no room for all. */
#include "clock.h"
#include "test.h"
#include "turn.h"

static bool allows(int64_t since_ns, size_t bytes)
{
    bool first;
    return turn_allows(since_ns, bytes, &first);
}

static bool is_first(int64_t since_ns)
{
    bool first;
    (void)turn_allows(since_ns, 1, &first);
    return first;
}

TEST(where_nobody_waits_everybody_may_begin)
{
    CHECK(allows(100, SIZE_MAX));
    CHECK(is_first(100));
    struct turn t = {.since_ns = 0};
    turn_leave(&t); /* who does not stand may leave */
    CHECK(allows(100, SIZE_MAX));
}

TEST(who_waits_longest_goes_first_and_only_what_is_small_passes)
{
    struct turn a = {.since_ns = 0}, b = {.since_ns = 0}, c = {.since_ns = 0};
    turn_stand(&a, 20, 1000);
    turn_stand(&b, 10, 500);
    turn_stand(&c, 30, 4000);
    CHECK(is_first(10) && !is_first(11) && !is_first(20));
    CHECK(allows(10, 500));
    CHECK(allows(9, 100000)); /* older than all that stand */
    CHECK(allows(20, 249));
    CHECK(!allows(20, 250));
    turn_leave(&b);
    CHECK(is_first(20));
    CHECK(allows(30, 499));
    CHECK(!allows(30, 4000));
    turn_stand(&a, 40, 1000); /* goes on standing, with another one */
    CHECK(is_first(30) && !is_first(40));
    turn_leave(&c);
    turn_leave(&a);
    turn_leave(&a);
    CHECK(is_first(1000));
}

TEST(memory_given_back_wakes_whose_turn_it_is_and_nobody_else)
{
    struct curl_loop_conf conf = {.shards = 1, .max_connections = 1};
    struct turn first = {.since_ns = 0}, later = {.since_ns = 0};
    struct err err;
    CHECK_INT(net_init(&err), OK);
    CHECK_INT(curl_loop_new(&first.loop, &conf, &err), OK);
    CHECK_INT(curl_loop_new(&later.loop, &conf, &err), OK);
    turn_stand(&later, 20, 1);
    turn_stand(&first, 10, 1);
    turn_call(&later);
    int64_t begun_ns = clock_mono_ns();
    curl_loop_wait(first.loop, begun_ns + 60 * SEC_NS);
    CHECK(clock_mono_ns() < begun_ns + 30 * SEC_NS);
    turn_call(&first); /* looks by itself */
    begun_ns = clock_mono_ns();
    curl_loop_wait(first.loop, begun_ns + MS_NS);
    CHECK(clock_mono_ns() >= begun_ns + MS_NS);
    begun_ns = clock_mono_ns();
    curl_loop_wait(later.loop, begun_ns + MS_NS);
    CHECK(clock_mono_ns() >= begun_ns + MS_NS);
    turn_leave(&first);
    turn_leave(&later);
    turn_call(&later);
    curl_loop_free(first.loop);
    curl_loop_free(later.loop);
}
