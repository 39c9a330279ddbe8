/* SPDX-License-Identifier: Apache-2.0 */
/* test_registry_ask.c - workers that ask for what is due, beside the registry's thread that hands it. */
#include "registry_test.h"

enum { TARGETS = 12 };

/* As worker number of in would: a job, or NULL and when to ask again. */
static struct job *ask(struct pool_inlet *in, size_t number, int64_t *ret_ns)
{
    return in->source->next(in->source->of, in, number, ret_ns);
}

/* With the target a, of which the one worker knows: it is to ask at *ret_ns. */
static struct registry *open_asked(struct pool_inlet **ret, int64_t *ret_ns)
{
    struct registry *r = open_with_pool(false, ret);
    add(r, 1, "a", "main");
    registry_step(r);
    CHECK(ask(*ret, 0, ret_ns) == NULL);
    return r;
}

static int64_t next_ms_of(struct registry *r)
{
    struct registry_entry *entries;
    size_t n = registry_entries(r, &entries);
    CHECK_INT(n, 1);
    int64_t next_ms = entries[0].next_due_ms;
    registry_entries_free(entries, n);
    return next_ms;
}

static uint64_t late_of(struct registry *r)
{
    struct registry_books b = registry_books(r);
    return b.dropped[DROP_LATE] + b.dropped[DROP_BUSY];
}

TEST(who_asks_gets_each_job_at_its_due_time_and_no_other_thread_wakes_for_it)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(false, &in);
    int64_t ask_ns, wake_ns;
    add(r, 1, "a", "main");
    wake_ns = registry_step(r);
    CHECK_INT((wake_ns - mono_ns) / MS_NS, next_ms_of(r) - wall_ms); /* nobody has asked yet */
    for (int i = 0; i < 3; i++) {
        CHECK(ask(in, 0, &ask_ns) == NULL);
        int64_t due_ms = next_ms_of(r);
        CHECK_INT((ask_ns - mono_ns) / MS_NS, due_ms - wall_ms);
        wake_ns = registry_step(r);
        CHECK(wake_ns > ask_ns || wake_ns == mono_ns + 10 * SEC_NS); /* its beat */
        at(ask_ns);
        struct job *j = ask(in, 0, &ask_ns);
        CHECK(j != NULL);
        CHECK_INT(j->kind, JOB_SCRAPE);
        CHECK_INT(j->due_ms, due_ms);
        CHECK_INT(j->due_ns, mono_ns);
        CHECK(j->state->busy);
        check_books(r);
        registry_step(r);
        CHECK(next_job(in) == NULL); /* each is due once */
        job_end(j);
    }
    CHECK_INT(registry_books(r).handed, 3);
    CHECK_INT(late_of(r), 0);
    close_registry(r, in);
}

TEST(who_does_not_come_when_it_said_finds_what_was_due_in_its_channel)
{
    struct pool_inlet *in;
    int64_t ask_ns;
    struct registry *r = open_asked(&in, &ask_ns);
    int64_t due_ms = next_ms_of(r), wake_ns = registry_step(r);
    CHECK(wake_ns > ask_ns && wake_ns <= ask_ns + 2500 * MS_NS); /* a quarter of the interval */
    at(wake_ns);
    registry_step(r);
    struct job *j = take_job(in);
    CHECK_INT(j->due_ms, due_ms);
    CHECK_INT(j->due_ns, ask_ns);
    job_end(j);
    CHECK(ask(in, 0, &ask_ns) == NULL);
    CHECK_INT(registry_books(r).due, 1);
    check_books(r);
    close_registry(r, in);
}

TEST(a_target_that_goes_or_comes_between_two_askings_is_seen)
{
    struct pool_inlet *in;
    int64_t ask_ns, none_ns;
    struct registry *r = open_asked(&in, &ask_ns);
    drop(r, 1, "a");
    registry_step(r);
    at(ask_ns);
    CHECK(ask(in, 0, &none_ns) == NULL);
    CHECK(none_ns == DEADLINE_NEVER);
    add(r, 1, "b", "main");
    int64_t wake_ns = registry_step(r), due_ms = next_ms_of(r);
    CHECK_INT((wake_ns - mono_ns) / MS_NS, due_ms - wall_ms); /* the worker does not know of b */
    at(wake_ns);
    registry_step(r);
    struct job *j = take_job(in);
    CHECK_INT(j->due_ms, due_ms);
    job_end(j);
    CHECK_INT(registry_books(r).due, 1);
    check_books(r);
    close_registry(r, in);
}

TEST(a_target_whose_scrape_still_runs_waits_for_the_registrys_thread)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    int64_t ask_ns;
    add(r, 1, "a", "main");
    registry_step(r);
    struct job *running = take_job(in);
    CHECK(ask(in, 0, &ask_ns) == NULL);
    at(ask_ns);
    CHECK(ask(in, 0, &ask_ns) == NULL);
    CHECK_INT(registry_books(r).queued, 1);
    job_end(running);
    CHECK(registry_step(r) > mono_ns);
    struct job *j = take_job(in);
    job_end(j);
    at(ask_ns);
    j = ask(in, 0, &ask_ns);
    CHECK(j != NULL);
    CHECK(ask(in, 0, &ask_ns) == NULL);
    at(ask_ns);
    CHECK(ask(in, 0, &ask_ns) == NULL);
    at(ask_ns);
    CHECK(ask(in, 0, &ask_ns) == NULL);
    CHECK_INT(registry_books(r).dropped[DROP_BUSY], 1);
    job_end(j);
    check_books(r);
    close_registry(r, in);
}

TEST(at_a_step_of_the_clock_who_asks_gets_nothing_until_all_is_worked_out_anew)
{
    static const int64_t steps_ms[] = {3600000, -3600000, 7000, -7000};
    for (size_t i = 0; i < ARRAY_LEN(steps_ms); i++) {
        struct pool_inlet *in;
        int64_t ask_ns;
        struct registry *r = open_asked(&in, &ask_ns);
        at(ask_ns);
        step_wall(steps_ms[i]);
        CHECK(ask(in, 0, &ask_ns) == NULL);
        CHECK(ask_ns - mono_ns <= 20 * MS_NS);
        CHECK_INT(registry_books(r).due, 0);
        registry_step(r);
        CHECK(ask(in, 0, &ask_ns) == NULL);
        CHECK(ask_ns - mono_ns <= 10 * SEC_NS);
        at(ask_ns);
        struct job *j = ask(in, 0, &ask_ns);
        CHECK(j != NULL);
        CHECK_INT(j->due_ms, wall_ms);
        CHECK_INT(j->clock_steps, steps_ms[i] < 0);
        job_end(j);
        check_books(r);
        close_registry(r, in);
    }
}

TEST(what_passed_before_somebody_asked_is_counted_as_late)
{
    struct pool_inlet *in;
    int64_t ask_ns;
    struct registry *r = open_asked(&in, &ask_ns);
    later(100 * SEC_NS);
    struct job *j = ask(in, 0, &ask_ns);
    CHECK(j != NULL);
    CHECK(wall_ms - j->due_ms < 10000);
    job_end(j);
    CHECK(ask(in, 0, &ask_ns) == NULL);
    struct registry_books b = registry_books(r);
    CHECK_INT(b.dropped[DROP_LATE], b.due - 1);
    CHECK(b.due >= 10 && b.due <= 11);
    check_books(r);
    close_registry(r, in);
}

TEST(a_pool_that_has_left_is_told_nothing_and_its_successor_is)
{
    struct registry *r = open_registry(false);
    struct pool_inlet *old = make_inlet(1, ROOM), *new = make_inlet(3, TARGETS);
    registry_put_pool(r, "main", old);
    const struct job_source *from = old->source;
    int64_t ask_ns;
    for (int i = 0; i < TARGETS; i++)
        add(r, 1, (char[]){(char)('a' + i), '\0'}, "main");
    registry_step(r);
    CHECK(ask(old, 0, &ask_ns) == NULL);
    registry_put_pool(r, "main", new);
    CHECK(old->source == NULL);
    CHECK(from->next(from->of, old, 0, &ask_ns) == NULL); /* a worker that was about to ask */
    CHECK(ask_ns == DEADLINE_NEVER);
    size_t jobs = 0;
    for (int64_t end_ns = mono_ns + 10 * SEC_NS; mono_ns < end_ns;) {
        int64_t wake_ns = end_ns;
        for (size_t w = 0; w < 3; w++) {
            struct job *j;
            while ((j = ask(new, w, &ask_ns))) {
                CHECK_INT(j->state->shard % 3, w);
                job_end(j);
                jobs++;
            }
            wake_ns = ask_ns < wake_ns ? ask_ns : wake_ns;
        }
        at(wake_ns);
    }
    CHECK(jobs >= TARGETS - 1 && jobs <= TARGETS); /* the last may be due at the end */
    registry_remove_pool(r, "main");
    CHECK(new->source == NULL);
    check_books(r);
    close_registry(r, new);
    free_inlet(old);
}

TEST(targets_with_short_intervals_are_not_left_to_a_worker_that_is_late_for_longer)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(false, &in);
    int64_t ask_ns;
    struct target t = like("a", "main");
    t.interval_ns = t.timeout_ns = 100 * MS_NS;
    tell(r, TARGET_ADDED, 1, &t);
    registry_step(r);
    CHECK(ask(in, 0, &ask_ns) == NULL);
    for (int i = 0; i < 50; i++) { /* it never comes, but takes what is in its channel */
        at(registry_step(r));
        struct job *j = next_job(in);
        if (j)
            job_end(j);
    }
    CHECK_INT(late_of(r), 0);
    CHECK(registry_books(r).handed >= 10);
    check_books(r);
    close_registry(r, in);
}
