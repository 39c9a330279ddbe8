/* SPDX-License-Identifier: Apache-2.0 */
/* The registry on a clock that stands still until a test moves it. */
#include "clock.h"
#include "mem.h"
#include "registry.h"
#include "test.h"

#include <unistd.h>

enum { ROOM = 4 };

#define START_MS INT64_C(1795271160000)

static int64_t mono_ns, wall_ms;

static void at(int64_t ns)
{
    wall_ms += (ns - mono_ns) / MS_NS;
    mono_ns = ns;
    clock_hold(mono_ns, wall_ms);
}

static void later(int64_t ns)
{
    at(mono_ns + ns);
}

static void step_wall(int64_t ms)
{
    wall_ms += ms;
    clock_hold(mono_ns, wall_ms);
}

static void free_job(void *j)
{
    job_end(j);
}

static struct pool_inlet *make_inlet(size_t workers, size_t room)
{
    struct pool_inlet *in = mem_alloc(sizeof *in + workers * sizeof(struct channel *));
    in->len = workers;
    for (size_t i = 0; i < workers; i++)
        in->channels[i] = channel_new(room, SIZE_MAX, free_job);
    return in;
}

static void free_inlet(struct pool_inlet *in)
{
    for (size_t i = 0; i < in->len; i++)
        channel_free(in->channels[i]);
    mem_free(in);
}

/* The next job of a pool with one worker, or NULL. */
static struct job *next_job(struct pool_inlet *in)
{
    void *j = NULL;
    return channel_recv(in->channels[0], &j, NULL, DEADLINE_NOW) == OK ? j : NULL;
}

/* Lets time pass until there is a job. */
static struct job *wait_job(struct registry *r, struct pool_inlet *in)
{
    for (int steps = 0; steps < 100; steps++) {
        int64_t next_ns = registry_step(r);
        struct job *j = next_job(in);
        if (j)
            return j;
        at(next_ns);
    }
    test_fail(__FILE__, __LINE__, "no job in 100 rounds");
}

static struct registry *open_registry(bool now)
{
    struct registry_conf conf = {.max_targets = 100, .first_scrape_now = now};
    mono_ns = 1000 * SEC_NS;
    wall_ms = START_MS;
    clock_hold(mono_ns, wall_ms);
    return registry_new(&conf);
}

static void close_registry(struct registry *r, struct pool_inlet *in)
{
    registry_free(r);
    if (in)
        free_inlet(in);
    clock_release();
}

static void tell(struct registry *r, enum target_change change, uint32_t source,
                 const struct target *like)
{
    struct target_emit e = registry_emit(r);
    struct target_event event = {
        .change = change, .source = source, .target = like ? target_new(like) : NULL};
    CHECK_INT(e.call(e.to, &event), OK);
}

static struct target like(const char *id, const char *pool)
{
    return (struct target){.id = id,
                           .source = "s",
                           .pool = pool,
                           .url = id,
                           .interval_ns = 10 * SEC_NS,
                           .timeout_ns = 5 * SEC_NS};
}

static void add(struct registry *r, uint32_t source, const char *id, const char *pool)
{
    struct target t = like(id, pool);
    tell(r, TARGET_ADDED, source, &t);
}

static void drop(struct registry *r, uint32_t source, const char *id)
{
    struct target t = {.id = id};
    tell(r, TARGET_REMOVED, source, &t);
}

/* Due = dropped + queued + handed, at every moment. */
static void check_books(struct registry *r)
{
    struct registry_books b = registry_books(r);
    uint64_t dropped = 0;
    for (size_t i = 0; i < REGISTRY_DROPS; i++)
        dropped += b.dropped[i];
    CHECK_INT(b.due, dropped + b.queued + b.handed);
}

TEST(a_target_is_due_once_an_interval_at_its_own_offset)
{
    struct registry *r = open_registry(false);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
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
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    registry_step(r);
    struct job *j = next_job(in);
    CHECK(j != NULL);
    CHECK_INT(j->due_ms, START_MS);
    job_end(j);
    close_registry(r, in);
}

TEST(the_same_target_is_due_at_the_same_times_in_every_process)
{
    int64_t due[2];
    for (size_t i = 0; i < 2; i++) {
        struct registry *r = open_registry(false);
        struct pool_inlet *in = make_inlet(1, ROOM);
        later((int64_t)i * 3 * SEC_NS);
        registry_put_pool(r, "main", in);
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
    job_end(next_job(in));
    registry_step(r);
    struct job *j = next_job(in);
    CHECK(j != NULL); /* room came: the newest job is handed on */
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
    struct job *j = next_job(in);
    CHECK(j != NULL);
    CHECK_INT(j->due_ms, START_MS);
    job_end(j);
    close_registry(r, in);
}

TEST(a_target_whose_scrape_still_runs_is_dropped_as_busy)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    registry_step(r);
    struct job *running = next_job(in);
    CHECK(running != NULL);
    for (int i = 0; i < 3; i++) {
        later(10 * SEC_NS);
        registry_step(r);
        CHECK(next_job(in) == NULL);
    }
    CHECK_INT(registry_books(r).dropped[DROP_BUSY], 2);
    job_end(running);
    later(20 * MS_NS);
    registry_step(r);
    struct job *j = next_job(in);
    CHECK(j != NULL);
    job_end(j);
    check_books(r);
    close_registry(r, in);
}

TEST(a_removed_target_gets_one_last_job)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    registry_step(r);
    job_end(next_job(in));
    drop(r, 1, "a");
    registry_step(r);
    struct job *j = next_job(in);
    CHECK(j != NULL);
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
    struct registry *r = open_registry(false);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    drop(r, 1, "a");
    registry_step(r);
    CHECK(next_job(in) == NULL);
    close_registry(r, in);
}

TEST(a_target_that_comes_back_before_its_end_was_said_goes_on)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    registry_step(r);
    struct job *running = next_job(in);
    CHECK(running != NULL);
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

TEST(what_two_sources_found_is_scraped_once_and_the_second_takes_over)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    struct target first = like("first", "main"), second = like("second", "main");
    first.url = second.url = "http://127.0.0.1:1/metrics";
    tell(r, TARGET_ADDED, 2, &second);
    tell(r, TARGET_ADDED, 1, &first);
    registry_step(r);
    struct job *j = next_job(in);
    CHECK(j != NULL);
    struct target_state *state = j->state;
    CHECK_STR(j->target->id, "first");
    CHECK(next_job(in) == NULL);
    job_end(j);
    drop(r, 1, "first");
    j = wait_job(r, in);
    CHECK_INT(j->kind, JOB_SCRAPE);
    CHECK_STR(j->target->id, "second");
    CHECK(j->state == state); /* with the page: nothing ends */
    job_end(j);
    close_registry(r, in);
}

TEST(what_a_source_did_not_add_again_since_a_resync_is_gone)
{
    struct registry *r = open_registry(false);
    add(r, 1, "a", "main");
    add(r, 1, "b", "main");
    add(r, 2, "c", "main");
    tell(r, TARGET_SYNCED, 1, NULL);
    registry_step(r);
    CHECK_INT(registry_books(r).targets, 3);
    tell(r, TARGET_RESYNC, 1, NULL);
    add(r, 1, "b", "main");
    tell(r, TARGET_SYNCED, 1, NULL);
    registry_step(r);
    CHECK_INT(registry_books(r).targets, 2);
    struct registry_entry *entries;
    size_t n = registry_entries(r, &entries);
    CHECK_INT(n, 2);
    CHECK_STR(entries[0].target->id, "b");
    CHECK_STR(entries[1].target->id, "c");
    registry_entries_free(entries, n);
    close_registry(r, NULL);
}

TEST(a_step_of_the_wall_clock_makes_neither_a_burst_nor_a_repeated_due_time)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    registry_step(r);
    job_end(next_job(in));
    step_wall(3600 * 1000);
    registry_step(r);
    CHECK(next_job(in) == NULL); /* no burst */
    later(10 * SEC_NS);
    registry_step(r);
    struct job *j = next_job(in);
    CHECK(j != NULL);
    CHECK_INT(j->clock_steps, 0);
    job_end(j);
    step_wall(-7200 * 1000);
    registry_step(r);
    later(10 * SEC_NS);
    registry_step(r);
    j = next_job(in);
    CHECK(j != NULL);
    CHECK_INT(j->clock_steps, 1);
    job_end(j);
    CHECK_INT(registry_books(r).dropped[DROP_LATE], 0);
    close_registry(r, in);
}

TEST(what_passed_while_the_process_stood_still_is_counted_as_late)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    add(r, 1, "a", "main");
    registry_step(r);
    job_end(next_job(in));
    later(100 * SEC_NS);
    registry_step(r);
    struct job *j = next_job(in);
    CHECK(j != NULL);
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

TEST(targets_above_the_bound_are_refused_and_counted)
{
    struct registry *r = open_registry(false);
    for (int i = 0; i < 105; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%d", i);
        add(r, 1, id, "main");
    }
    registry_step(r);
    CHECK_INT(registry_books(r).targets, 100);
    CHECK_INT(registry_books(r).targets_refused, 5);
    close_registry(r, NULL);
}

TEST(a_pool_taken_away_gets_no_more_jobs_and_those_queued_are_dropped_at_stop)
{
    struct registry *r = open_registry(true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    registry_remove_pool(r, "main");
    add(r, 1, "a", "main");
    registry_step(r);
    CHECK(next_job(in) == NULL);
    registry_stop(r);
    CHECK_INT(registry_books(r).dropped[DROP_REMOVED], 1);
    check_books(r);
    close_registry(r, in);
}
