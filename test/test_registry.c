/* SPDX-License-Identifier: Apache-2.0 */
/* When targets are due, and what becomes of their jobs. */
#include "hash.h"
#include "registry_test.h"

#include <unistd.h>

TEST(a_target_is_due_once_an_interval_at_its_own_offset)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(false, &in);
    add(r, 1, "a", "main");
    int64_t due_ms[3];
    for (size_t i = 0; i < 3; i++) {
        struct job *j = wait_job(r, in);
        due_ms[i] = j->due_ms;
        CHECK_INT(j->kind, JOB_SCRAPE);
        CHECK_INT(j->due_ms, wall_ms);
        CHECK_STR(j->target->id, "a");
        job_end(j);
    }
    CHECK(due_ms[0] > START_MS && due_ms[0] <= START_MS + 10000);
    CHECK_INT(due_ms[1] - due_ms[0], 10000);
    CHECK_INT(due_ms[2] - due_ms[1], 10000);
    check_books(r);
    close_registry(r, in);
}

TEST(first_scrape_now_is_due_at_the_moment_it_appears)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, "a", "main");
    registry_step(r);
    struct job *j = take_job(in);
    CHECK_INT(j->due_ms, START_MS);
    job_end(j);
    close_registry(r, in);
}

TEST(the_same_target_is_due_at_the_same_times_in_every_process)
{
    int64_t due[2];
    for (size_t i = 0; i < 2; i++) {
        struct pool_inlet *in;
        struct registry *r = open_with_pool(false, &in);
        later((int64_t)i * 3 * SEC_NS);
        add(r, 1, "a", "main");
        struct job *j = wait_job(r, in);
        due[i] = j->due_ms % 10000;
        job_end(j);
        close_registry(r, in);
    }
    CHECK_INT(due[0], due[1]);
}

TEST(a_job_without_room_waits_and_is_dropped_as_late_at_the_next_due_time)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, 1);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    add(r, 1, "b", "main");
    int64_t next = registry_step(r);
    CHECK_INT(registry_books(r).queued, 1);
    CHECK_INT(registry_books(r).handed, 1);
    CHECK(next - mono_ns <= 20 * MS_NS); /* it is tried again soon */
    later(9 * SEC_NS);
    registry_step(r);
    later(12 * SEC_NS); /* beyond the next due time of both */
    registry_step(r);
    struct registry_books b = registry_books(r);
    CHECK(b.dropped[DROP_LATE] >= 1);
    check_books(r);
    job_end(take_job(in));
    registry_step(r);
    struct job *j = take_job(in); /* room came: the newest job is handed on */
    job_end(j);
    check_books(r);
    close_registry(r, in);
}

TEST(a_job_goes_out_as_soon_as_its_pool_appears)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    add(r, 1, "a", "late-pool");
    registry_step(r);
    CHECK_INT(registry_books(r).queued, 1);
    registry_put_pool(r, "late-pool", in);
    later(SEC_NS);
    registry_step(r);
    struct job *j = take_job(in);
    CHECK_INT(j->due_ms, START_MS);
    job_end(j);
    close_registry(r, in);
}

TEST(a_target_whose_scrape_still_runs_is_dropped_as_busy)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, "a", "main");
    registry_step(r);
    struct job *running = take_job(in);
    for (int i = 0; i < 3; i++) {
        later(10 * SEC_NS);
        registry_step(r);
        CHECK(next_job(in) == NULL);
    }
    CHECK_INT(registry_books(r).dropped[DROP_BUSY], 2);
    job_end(running);
    later(20 * MS_NS);
    registry_step(r);
    struct job *j = take_job(in);
    job_end(j);
    check_books(r);
    close_registry(r, in);
}

TEST(a_removed_target_gets_one_last_job)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, "a", "main");
    registry_step(r);
    job_end(take_job(in));
    drop(r, 1, "a");
    registry_step(r);
    struct job *j = take_job(in);
    CHECK_INT(j->kind, JOB_END);
    CHECK_STR(j->target->id, "a");
    job_end(j);
    CHECK_INT(registry_books(r).targets, 0);
    later(100 * SEC_NS);
    registry_step(r);
    CHECK(next_job(in) == NULL);
    check_books(r);
    close_registry(r, in);
}

TEST(a_target_that_was_never_scraped_goes_without_a_job)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(false, &in);
    add(r, 1, "a", "main");
    drop(r, 1, "a");
    registry_step(r);
    CHECK(next_job(in) == NULL);
    close_registry(r, in);
}

TEST(a_target_that_comes_back_before_its_end_was_said_goes_on)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, "a", "main");
    registry_step(r);
    struct job *running = take_job(in);
    struct target_state *state = running->state;
    drop(r, 1, "a");
    registry_step(r); /* its end waits: a scrape still runs */
    add(r, 1, "a", "main");
    registry_step(r);
    job_end(running);
    struct job *j = wait_job(r, in);
    CHECK_INT(j->kind, JOB_SCRAPE);
    CHECK(j->state == state);
    job_end(j);
    check_books(r);
    close_registry(r, in);
}

TEST(a_step_of_the_wall_clock_makes_neither_a_burst_nor_a_repeated_due_time)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, "a", "main");
    registry_step(r);
    job_end(take_job(in));
    step_wall(3600 * 1000);
    registry_step(r);
    CHECK(next_job(in) == NULL); /* no burst */
    later(10 * SEC_NS);
    registry_step(r);
    struct job *j = take_job(in);
    CHECK_INT(j->clock_steps, 0);
    job_end(j);
    step_wall(-7200 * 1000);
    registry_step(r);
    later(10 * SEC_NS);
    registry_step(r);
    j = take_job(in);
    CHECK_INT(j->clock_steps, 1);
    job_end(j);
    CHECK_INT(registry_books(r).dropped[DROP_LATE], 0);
    close_registry(r, in);
}

TEST(what_passed_while_the_process_stood_still_is_counted_as_late)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, "a", "main");
    registry_step(r);
    job_end(take_job(in));
    later(100 * SEC_NS);
    registry_step(r);
    struct job *j = take_job(in);
    CHECK(wall_ms - j->due_ms < 10000);
    job_end(j);
    CHECK(next_job(in) == NULL); /* one, not ten */
    struct registry_books b = registry_books(r);
    CHECK(b.dropped[DROP_LATE] >= 8);
    CHECK(b.due >= 10 && b.due <= 12);
    check_books(r);
    close_registry(r, in);
}

TEST(a_target_always_meets_the_same_worker)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(3, ROOM);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    size_t seen = 0;
    for (int i = 0; i < 5; i++) {
        registry_step(r);
        for (size_t w = 0; w < 3; w++) {
            void *j = NULL;
            if (channel_recv(in->channels[w], &j, NULL, DEADLINE_NOW) == OK) {
                seen |= (size_t)1 << w;
                job_end(j);
            }
        }
        later(10 * SEC_NS);
    }
    CHECK(seen == 1 || seen == 2 || seen == 4);
    close_registry(r, in);
}

TEST(a_full_channel_of_changes_says_again_and_tells_when_there_is_room)
{
    struct registry *r = open_registry(false);
    struct target_emit e = registry_emit(r);
    enum status s = OK;
    for (int i = 0; i < 100000 && s == OK; i++) {
        struct target_event event = {.change = TARGET_RESYNC, .source = 1};
        s = e.call(e.to, &event);
    }
    CHECK_INT(s, ERR_AGAIN);
    uint64_t count = 0;
    CHECK(read(registry_room_fd(r), &count, sizeof count) < 0);
    registry_step(r);
    CHECK_INT(read(registry_room_fd(r), &count, sizeof count), sizeof count);
    close_registry(r, NULL);
}

TEST(a_pool_taken_away_gets_no_more_jobs_and_those_queued_are_dropped_at_stop)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    registry_remove_pool(r, "main");
    add(r, 1, "a", "main");
    registry_step(r);
    CHECK(next_job(in) == NULL);
    registry_stop(r);
    CHECK_INT(registry_books(r).dropped[DROP_REMOVED], 1);
    check_books(r);
    close_registry(r, in);
}

TEST(places_are_counted_until_their_last_job_is_handed_on)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    CHECK_INT(registry_pool_places(r, "main"), 0);
    CHECK_INT(registry_pool_places(r, "none"), 0);
    add(r, 1, "a", "main");
    add(r, 1, "b", "main");
    add(r, 2, "a", "main"); /* the same place */
    add(r, 1, "c", "other");
    registry_step(r);
    CHECK_INT(registry_pool_places(r, "main"), 2);
    CHECK_INT(registry_pool_places(r, "other"), 1);
    struct job *first = next_job(in), *second = next_job(in);
    drop(r, 1, "a");
    drop(r, 1, "b");
    drop(r, 1, "c"); /* never handed on: nothing ends */
    registry_step(r);
    CHECK_INT(registry_pool_places(r, "other"), 0);
    CHECK_INT(registry_pool_places(r, "main"), 2); /* b's scrape still runs */
    drop(r, 2, "a");
    registry_step(r);
    CHECK_INT(registry_pool_places(r, "main"), 2);
    job_end(first);
    job_end(second);
    registry_step(r);
    CHECK_INT(registry_pool_places(r, "main"), 0);
    for (int i = 0; i < 2; i++) {
        struct job *j = take_job(in);
        CHECK_INT(j->kind, JOB_END);
        job_end(j);
    }
    check_books(r);
    close_registry(r, in);
}

TEST(places_of_a_pool_without_room_are_counted_for_a_bounded_time)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, 1);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    registry_step(r);
    drop(r, 1, "a");
    registry_step(r); /* the scrape's job lies in the channel yet */
    later(14 * SEC_NS);
    registry_step(r);
    CHECK_INT(registry_pool_places(r, "main"), 1);
    later(1 * SEC_NS);
    registry_step(r);
    CHECK_INT(registry_pool_places(r, "main"), 0);
    CHECK_INT(registry_books(r).dropped[DROP_REMOVED], 1);
    check_books(r);
    close_registry(r, in);
}

/* An id whose regular times are from ms to ms + 100 behind START_MS. */
static const char *id_due_at(int64_t ms, char id[static 16])
{
    int64_t after;
    unsigned n = 0;
    do {
        snprintf(id, 16, "t%u", n++);
        after = (int64_t)(hash_bytes(id, strlen(id)) % 10000) - START_MS % 10000 - ms;
    } while (after < 0 || after > 100);
    return id;
}

TEST(a_first_scrape_that_waits_for_its_pool_is_not_dropped_at_a_regular_time_that_is_near)
{
    char id[16];
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    add(r, 1, id_due_at(5, id), "main");
    registry_step(r);
    for (int i = 0; i < 49; i++) {
        later(100 * MS_NS);
        registry_step(r);
    }
    CHECK_INT(registry_books(r).due, 1);
    registry_put_pool(r, "main", in);
    registry_step(r);
    struct job *j = take_job(in);
    CHECK_INT(j->due_ms, START_MS);
    job_end(j);
    int64_t regular_ms = (int64_t)(hash_bytes(id, strlen(id)) % 10000);
    for (int64_t k = 1; k <= 3; k++) { /* one regular time is left out, and no other */
        j = wait_job(r, in);
        CHECK_INT(j->due_ms, START_MS + k * 10000 + regular_ms);
        job_end(j);
    }
    CHECK_INT(registry_books(r).dropped[DROP_LATE], 0);
    check_books(r);
    close_registry(r, in);
}

TEST(a_regular_time_half_an_interval_after_the_first_scrape_is_kept)
{
    char id[16];
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, id_due_at(5000, id), "main");
    registry_step(r);
    job_end(take_job(in));
    struct job *j = wait_job(r, in);
    CHECK_INT(j->due_ms, START_MS + (int64_t)(hash_bytes(id, strlen(id)) % 10000));
    job_end(j);
    close_registry(r, in);
}

TEST(a_replaced_pool_keeps_the_jobs_it_has_and_its_successor_gets_the_next)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *old = make_inlet(1, ROOM), *new = make_inlet(1, ROOM);
    registry_put_pool(r, "main", old);
    add(r, 1, "a", "main");
    add(r, 1, "b", "main");
    registry_step(r);
    registry_put_pool(r, "main", new);
    channel_close(old->channels[0]);
    later(10 * SEC_NS);
    registry_step(r);
    CHECK(next_job(new) == NULL); /* both are still busy with the jobs of the old one */
    for (int i = 0; i < 2; i++) {
        struct job *j = take_job(old);
        job_end(j);
    }
    void *none = NULL;
    CHECK_INT(channel_recv(old->channels[0], &none, NULL, DEADLINE_NOW), ERR_CLOSED);
    job_end(wait_job(r, new));
    job_end(wait_job(r, new));
    CHECK_INT(registry_books(r).handed, 4);
    check_books(r);
    close_registry(r, new);
    free_inlet(old);
}

TEST(a_pool_with_fewer_workers_gets_all_targets)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *three = make_inlet(3, ROOM), *one = make_inlet(1, 2 * ROOM);
    registry_put_pool(r, "main", three);
    static const char *const ids[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        add(r, 1, ids[i], "main");
    registry_step(r);
    registry_put_pool(r, "main", one);
    for (size_t w = 0; w < 3; w++) {
        void *j = NULL;
        channel_close(three->channels[w]);
        while (channel_recv(three->channels[w], &j, NULL, DEADLINE_NOW) == OK)
            job_end(j);
    }
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        job_end(wait_job(r, one));
    CHECK_INT(registry_books(r).handed, 2 * ARRAY_LEN(ids));
    check_books(r);
    close_registry(r, one);
    free_inlet(three);
}

TEST(a_pool_removed_with_jobs_inside_drains_them_and_gets_no_more)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add(r, 1, "a", "main");
    registry_step(r);
    registry_remove_pool(r, "main");
    channel_close(in->channels[0]);
    struct job *j = take_job(in);
    job_end(j);
    later(30 * SEC_NS);
    registry_step(r);
    void *none = NULL;
    CHECK_INT(channel_recv(in->channels[0], &none, NULL, DEADLINE_NOW), ERR_CLOSED);
    CHECK_INT(registry_books(r).handed, 1);
    CHECK(registry_books(r).dropped[DROP_LATE] >= 1);
    check_books(r);
    close_registry(r, in);
}
