/* SPDX-License-Identifier: Apache-2.0 */
/* A scrape beside the regular ones, as of a pod that begins to terminate. */
#include "due.h"
#include "registry_test.h"

static void tell_extra(struct registry *r, uint32_t source, const char *id, int64_t due_ms)
{
    struct target_emit e = registry_emit(r);
    struct target_event event = {.change = TARGET_EXTRA,
                                 .source = source,
                                 .target = target_new(&(struct target){.id = id}),
                                 .due_ms = due_ms};
    CHECK_INT(e.call(e.to, &event), OK);
}

/* A moment shortly before now that is no regular time. */
static int64_t moment(const char *id)
{
    struct target t = like(id, "main");
    return due_extra(&t, wall_ms - 700, 0);
}

/* Both books, which move by this many jobs due and handed on. */
static void check_moved(struct registry *r, struct registry_books *before, uint64_t due,
                        uint64_t handed)
{
    registry_step(r);
    struct registry_books now = registry_books(r);
    CHECK_INT(now.due - before->due, due);
    CHECK_INT(now.handed - before->handed, handed);
    check_books(r);
    *before = now;
}

TEST(an_extra_scrape_is_made_at_once_and_the_regular_ones_go_on)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(false, &in);
    add(r, 1, "a", "main");
    struct job *j = wait_job(r, in);
    int64_t regular_ms = j->due_ms;
    job_end(j);
    later(4 * SEC_NS);
    struct registry_books b = registry_books(r);
    int64_t at_ms = moment("a");
    tell_extra(r, 1, "a", at_ms);
    check_moved(r, &b, 1, 1);
    j = take_job(in);
    CHECK_INT(j->kind, JOB_SCRAPE);
    CHECK_INT(j->due_ms, at_ms);
    CHECK_INT(j->due_ns, mono_ns); /* its age counts from now: the moment is of another clock */
    CHECK_STR(j->target->id, "a");
    job_end(j);
    for (int k = 1; k <= 3; k++) {
        j = wait_job(r, in);
        CHECK_INT(j->due_ms, regular_ms + k * 10000);
        job_end(j);
    }
    check_books(r);
    close_registry(r, in);
}

TEST(the_same_extra_scrape_is_made_once_and_another_one_again)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(false, &in);
    add(r, 1, "a", "main");
    add(r, 2, "a", "main"); /* another source that has the same place */
    struct registry_books b = registry_books(r);
    int64_t at_ms = moment("a");
    tell_extra(r, 2, "a", at_ms);
    check_moved(r, &b, 1, 1);
    job_end(take_job(in));
    tell_extra(r, 1, "a", at_ms);
    tell_extra(r, 2, "a", at_ms);
    check_moved(r, &b, 0, 0);
    tell_extra(r, 1, "a", at_ms + 3000);
    check_moved(r, &b, 1, 1);
    job_end(take_job(in));
    close_registry(r, in);
}

TEST(an_extra_scrape_of_what_is_not_there_is_none)
{
    struct pool_inlet *in = make_inlet(1, ROOM);
    struct registry *r = open_registry_of(1, false);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    add(r, 1, "in-line", "main"); /* above the bound of targets */
    struct registry_books b = registry_books(r);
    tell_extra(r, 1, "b", START_MS);
    tell_extra(r, 2, "a", START_MS);
    tell_extra(r, 1, "in-line", START_MS);
    check_moved(r, &b, 0, 0);
    close_registry(r, in);
}

TEST(a_scrape_that_runs_waits_or_is_due_makes_an_extra_one_needless)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, 1);
    registry_put_pool(r, "main", in);
    struct registry_books b = registry_books(r);
    add(r, 1, "a", "main");
    tell_extra(r, 1, "a", START_MS); /* due in this round */
    check_moved(r, &b, 1, 1);
    tell_extra(r, 1, "a", START_MS + 1); /* its job is out */
    check_moved(r, &b, 0, 0);
    add(r, 1, "b", "main");
    check_moved(r, &b, 1, 0); /* no room */
    tell_extra(r, 1, "b", START_MS);
    check_moved(r, &b, 0, 0);
    job_end(take_job(in));
    tell_extra(r, 1, "a", START_MS + 1); /* was told already, while the job was out */
    check_moved(r, &b, 0, 1);
    struct job *j = take_job(in);
    CHECK_STR(j->target->id, "b");
    job_end(j);
    check_moved(r, &b, 0, 0);
    close_registry(r, in);
}

TEST(an_extra_scrape_without_room_is_dropped_as_late_at_the_next_regular_time)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(false, &in);
    add(r, 1, "a", "main");
    struct job *j = wait_job(r, in);
    int64_t regular_ms = j->due_ms;
    job_end(j);
    registry_remove_pool(r, "main");
    struct registry_books b = registry_books(r);
    later(4 * SEC_NS);
    tell_extra(r, 1, "a", moment("a"));
    check_moved(r, &b, 1, 0);
    CHECK_INT(b.queued, 1);
    later(5900 * MS_NS);
    check_moved(r, &b, 0, 0);
    CHECK_INT(b.queued, 1);
    later(100 * MS_NS);
    check_moved(r, &b, 1, 0);
    CHECK_INT(b.dropped[DROP_LATE], 1);
    registry_put_pool(r, "main", in);
    j = wait_job(r, in);
    CHECK_INT(j->due_ms, regular_ms + 10000);
    job_end(j);
    check_books(r);
    close_registry(r, in);
}

TEST(an_extra_scrape_of_a_target_that_goes_before_it_was_handed_on_is_dropped_as_removed)
{
    struct registry *r = open_registry(false);
    add(r, 1, "a", "main");
    struct registry_books b = registry_books(r);
    tell_extra(r, 1, "a", START_MS);
    check_moved(r, &b, 1, 0);
    drop(r, 1, "a");
    check_moved(r, &b, 0, 0);
    CHECK_INT(b.dropped[DROP_REMOVED], 1);
    CHECK_INT(b.queued, 0);
    close_registry(r, NULL);
}

/* The ids of its messages must not be those of another scrape. */
TEST(an_extra_scrape_is_due_at_no_time_at_which_another_one_is)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, "a", "main");
    registry_step(r);
    job_end(take_job(in)); /* the first scrape, due at START_MS */
    tell_extra(r, 1, "a", START_MS);
    registry_step(r);
    struct job *j = take_job(in);
    CHECK(j->due_ms > START_MS && j->due_ms <= START_MS + 2);
    job_end(j);
    struct target t = like("a", "main");
    int64_t regular_ms = due_after(&t, START_MS);
    tell_extra(r, 1, "a", regular_ms); /* by a clock that is ahead */
    registry_step(r);
    j = take_job(in);
    CHECK_INT(j->due_ms, regular_ms + 1);
    job_end(j);
    close_registry(r, in);
}

TEST(the_moment_of_an_extra_scrape_is_the_same_on_every_replica)
{
    struct target t = {.id = "a", .interval_ns = 10 * MS_NS};
    int64_t regular_ms = due_after(&t, START_MS);
    CHECK_INT(due_extra(&t, regular_ms, 0), regular_ms + 1);
    CHECK_INT(due_extra(&t, regular_ms, regular_ms + 1), regular_ms + 2);
    CHECK_INT(due_extra(&t, regular_ms - 1, 0), regular_ms - 1);
    CHECK_INT(due_extra(&t, regular_ms - 1, regular_ms - 1), regular_ms + 1);
}
