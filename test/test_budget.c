/* SPDX-License-Identifier: Apache-2.0 */
/* test_budget.c - what is accounted, and what gives way first. */
#include "budget.h"

#include "test.h"

TEST(parts_add_up_and_the_most_is_remembered)
{
    size_t mine = 0;
    budget_add(BUDGET_PAGES, 100);
    budget_count(BUDGET_BODIES, &mine, 50);
    CHECK_INT(budget_used(), 150);
    budget_count(BUDGET_BODIES, &mine, 20);
    budget_add(BUDGET_PAGES, -100);
    CHECK_INT(mine, 20);
    CHECK_INT(budget_used(), 20);
    CHECK_INT(budget_part_bytes(BUDGET_BODIES), 20);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
    CHECK_INT(budget_peak(), 150);
    budget_count(BUDGET_BODIES, &mine, 0);
}

TEST(without_a_bound_there_is_always_room)
{
    CHECK(budget_has_room(BUDGET_TEXTS, SIZE_MAX));
}

TEST(one_class_after_the_other_gives_way)
{
    static const enum budget_class classes[] = {BUDGET_TEXTS, BUDGET_SERIES, BUDGET_BODY,
                                                BUDGET_PAYLOAD};
    static const size_t marks[] = {400, 600, 700, 800};
    budget_set_bound(800);
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        CHECK(budget_has_room(classes[i], marks[i]));
        CHECK(!budget_has_room(classes[i], marks[i] + 1));
        budget_add(BUDGET_WORK, (ptrdiff_t)marks[i] + 1);
        for (size_t j = 0; j < ARRAY_LEN(classes); j++)
            CHECK(budget_has_room(classes[j], 0) == (j > i));
        budget_add(BUDGET_WORK, -(ptrdiff_t)marks[i] - 1);
    }
    budget_set_bound(SIZE_MAX);
}

TEST(lanes_are_asked_for_what_is_above_the_bound_or_while_scrapes_wait_for_what_is_old)
{
    bool old;
    budget_set_bound(800);
    budget_add(BUDGET_PAYLOADS, 700);
    CHECK_INT(budget_to_give_up(&old), 0);
    budget_wait(2);
    CHECK_INT(budget_waiting(), 2);
    CHECK_INT(budget_to_give_up(&old), 100);
    CHECK(old);
    budget_add(BUDGET_PAYLOADS, 150);
    CHECK_INT(budget_to_give_up(&old), 50);
    CHECK(!old);
    budget_wait(-2);
    CHECK_INT(budget_to_give_up(&old), 50);
    CHECK(budget_has_room(BUDGET_LAST, 0));
    budget_set_bound(SIZE_MAX);
    CHECK_INT(budget_to_give_up(&old), 0);
    budget_add(BUDGET_PAYLOADS, -850);
}

TEST(a_part_that_is_summed_up_elsewhere_is_set)
{
    budget_set(BUDGET_SPOOLS, 70);
    CHECK_INT(budget_used(), 70);
    budget_set(BUDGET_SPOOLS, 20);
    CHECK_INT(budget_part_bytes(BUDGET_SPOOLS), 20);
    budget_set(BUDGET_SPOOLS, 0);
    CHECK_INT(budget_used(), 0);
}
