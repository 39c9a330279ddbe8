/* SPDX-License-Identifier: Apache-2.0 */
/* test_registry_clock.c - due times on a wall clock that is set, and on a process that stands still. */
#include "log.h"
#include "registry_test.h"

enum { TARGETS = 20, JOBS = 4000 };

#define HOUR_MS INT64_C(3600000)

/* What is known of a target of the fleet. */
struct seen {
    char id[16];
    int64_t interval_ns, last_ns; /* when its last job came; 0: none yet */
    uint64_t jobs, gap_most_ns;
    int64_t due_ms[JOBS];
    uint32_t steps[JOBS];
};

struct fleet {
    struct registry *r;
    struct pool_inlet *in;
    struct seen seen[TARGETS];
};

static struct fleet *fleet_new(void)
{
    struct fleet *f = mem_alloc(sizeof *f);
    log_configure(LOG_ERROR, LOG_LOGFMT); /* steps are what is tested */
    f->r = open_registry(false);
    f->in = make_inlet(1, TARGETS);
    registry_put_pool(f->r, "main", f->in);
    for (size_t i = 0; i < TARGETS; i++) {
        struct seen *s = &f->seen[i];
        snprintf(s->id, sizeof s->id, "t%zu", i);
        s->interval_ns = (int64_t)(5 + i) * SEC_NS;
        struct target t = like(s->id, "main");
        t.interval_ns = s->interval_ns;
        tell(f->r, TARGET_ADDED, 1, &t);
    }
    registry_step(f->r);
    return f;
}

static void fleet_free(struct fleet *f)
{
    close_registry(f->r, f->in);
    mem_free(f);
}

static void see(struct fleet *f, struct job *j)
{
    struct seen *s = f->seen;
    while (strcmp(s->id, j->target->id) != 0)
        s++;
    CHECK(s->jobs < JOBS);
    for (uint64_t i = 0; i < s->jobs; i++) /* an id is made of these */
        CHECK(s->due_ms[i] != j->due_ms || s->steps[i] != j->clock_steps);
    s->due_ms[s->jobs] = j->due_ms;
    s->steps[s->jobs++] = j->clock_steps;
    if (s->last_ns > 0 && (uint64_t)(mono_ns - s->last_ns) > s->gap_most_ns)
        s->gap_most_ns = (uint64_t)(mono_ns - s->last_ns);
    s->last_ns = mono_ns;
    job_end(j);
}

/* Time passes; each job ends as soon as it is there. */
static void run_for(struct fleet *f, int64_t ns)
{
    int64_t end_ns = mono_ns + ns;
    while (mono_ns < end_ns) {
        struct job *j;
        int64_t next_ns = registry_step(f->r);
        while ((j = next_job(f->in)))
            see(f, j);
        at(next_ns > mono_ns && next_ns < end_ns ? next_ns : end_ns);
    }
}

TEST(steps_of_an_hour_at_any_moment_make_no_burst_and_no_hole)
{
    struct fleet *f = fleet_new();
    uint64_t random = 7;
    unsigned steps = 0;
    int64_t start_ns = mono_ns;
    for (; steps < 40; steps++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        run_for(f, 30 * SEC_NS +
                       (int64_t)(random >> 33) % 20000 * MS_NS); /* longer than any interval */
        int64_t by_ms = random >> 40 & 1 ? HOUR_MS : -HOUR_MS;
        step_wall(by_ms + (int64_t)(random >> 50) % 3001 - 1500);
    }
    run_for(f, 60 * SEC_NS);
    for (size_t i = 0; i < TARGETS; i++) {
        const struct seen *s = &f->seen[i];
        uint64_t due = (uint64_t)((mono_ns - start_ns) / s->interval_ns);
        /* At a step all are worked out anew: it brings or takes one scrape at most. */
        CHECK(s->jobs <= due + steps + 1);
        CHECK(s->jobs + steps + 1 >= due);
        CHECK(s->gap_most_ns <= 2 * (uint64_t)s->interval_ns);
    }
    check_books(f->r);
    struct registry_books b = registry_books(f->r);
    for (size_t i = 0; i < REGISTRY_DROPS; i++)
        CHECK_INT(b.dropped[i], 0);
    fleet_free(f);
}

TEST(of_a_minute_asleep_each_missed_time_is_counted_and_one_scrape_a_target_is_made)
{
    struct fleet *f = fleet_new();
    run_for(f, 60 * SEC_NS);
    struct registry_books before = registry_books(f->r);
    uint64_t jobs[TARGETS], missed = 0, made = 0;
    for (size_t i = 0; i < TARGETS; i++)
        jobs[i] = f->seen[i].jobs;
    later(60 * SEC_NS); /* nobody has looked: it was asleep */
    registry_step(f->r);
    struct job *j;
    while ((j = next_job(f->in)))
        see(f, j);
    for (size_t i = 0; i < TARGETS; i++) {
        uint64_t due = (uint64_t)(60 * SEC_NS / f->seen[i].interval_ns);
        uint64_t more = f->seen[i].jobs - jobs[i];
        CHECK_INT(more, 1);
        made += more;
        missed += due - more;
    }
    struct registry_books after = registry_books(f->r);
    uint64_t late = after.dropped[DROP_LATE] - before.dropped[DROP_LATE];
    CHECK_INT(after.due - before.due, made + late);
    CHECK(late >= missed); /* a minute holds so many times of each, or one more */
    CHECK(late <= missed + TARGETS);
    check_books(f->r);
    fleet_free(f);
}

TEST(asleep_while_the_clock_is_set_is_no_burst_either)
{
    static const int64_t steps_ms[] = {HOUR_MS, -HOUR_MS, 60000, -60000, -59000, 1};
    for (size_t i = 0; i < ARRAY_LEN(steps_ms); i++) {
        struct fleet *f = fleet_new();
        run_for(f, 30 * SEC_NS);
        uint64_t handed = registry_books(f->r).handed;
        later(60 * SEC_NS);
        step_wall(steps_ms[i]);
        registry_step(f->r);
        CHECK(registry_books(f->r).handed - handed <= TARGETS);
        run_for(f, 30 * SEC_NS);
        for (size_t k = 0; k < TARGETS; k++)
            CHECK(mono_ns - f->seen[k].last_ns <= f->seen[k].interval_ns);
        check_books(f->r);
        fleet_free(f);
    }
}
