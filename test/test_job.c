/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"
#include "mem.h"
#include "test.h"

TEST(what_is_wrong_is_shown_until_it_is_well)
{
    struct target_state *s = target_state_new("a");
    CHECK_INT(target_state_shown(s).health, TARGET_UNKNOWN);
    struct target_shown bad = {.health = TARGET_DOWN, .failure = SCRAPE_TIMEOUT, .failures = 3};
    err_set(&bad.last_error, ERR_TIMEOUT, "timed out");
    target_state_show(s, &bad);
    struct target_shown seen = target_state_shown(s);
    CHECK_INT(seen.failure, SCRAPE_TIMEOUT);
    CHECK_INT(seen.failures, 3);
    CHECK_STR(seen.last_error.text, "timed out");
    struct target_shown well = {.health = TARGET_UP, .samples = 7, .failures = 3};
    target_state_show(s, &well);
    seen = target_state_shown(s);
    CHECK_INT(seen.health, TARGET_UP);
    CHECK_INT(seen.samples, 7);
    CHECK_INT(seen.failures, 3);
    CHECK_INT(seen.last_error.status, OK);
    CHECK_STR(seen.last_error.text, "");
    target_state_unref(s);
}

TEST(what_is_shown_again_allocates_nothing)
{
    struct target_state *s = target_state_new("a");
    struct target_shown shown = {.health = TARGET_UP, .named_len = 1};
    target_state_show(s, &shown);
    uint64_t before = mem_count();
    target_state_show(s, &shown);
    CHECK_INT(mem_count(), before);
    CHECK_INT(target_state_shown(s).named_len, 1);
    shown.named_len = 0;
    target_state_show(s, &shown);
    before = mem_count();
    target_state_show(s, &shown);
    CHECK_INT(mem_count(), before);
    target_state_unref(s);
}
