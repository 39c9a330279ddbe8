/* SPDX-License-Identifier: Apache-2.0 */
/* Three agents, a network and a server that do whatever chance wants: never do two hold the lease. */
#include "kube_lease_world.h"

static struct world world;

/* Until then it does nothing, and its monotonic clock stands. */
static void suspend(struct agent *a, int64_t for_ns)
{
    a->paused_ns = a->world->now_ns + for_ns;
    a->suspended = true;
}

/* Something happens to one of them: it stands still, its machine is suspended, its watch breaks, it dies
 * or stops, and in the end there is another one in its place. */
static void harm(struct world *w, struct agent *a)
{
    if (!a->lease || a->dead) {
        if (a->lease)
            end_agent(a);
        if (a->call)
            abort();
        begin_agent(a);
        return;
    }
    int64_t for_ns = between(w, 0, 30) * SEC_NS;
    bool first = a == &w->agents[0];
    switch (roll(w) % 6) {
    case 0: a->paused_ns = w->now_ns + for_ns; break;
    case 1: /* one of them has a bad wall clock, the others are suspended: no clock tells both */
        if (first)
            a->ahead_ms += between(w, -3600000, 3600000);
        else
            suspend(a, for_ns);
        break;
    case 2: cut_watch(a->watch, for_ns + 1); break;
    case 3: a->ahead_ms += first ? 0 : between(w, 0, 3600000); break;
    case 4: a->dead = true; break;
    default:
        if (!a->stopping && a->paused_ns <= w->now_ns)
            stop_agent(a);
    }
}

static void stand_still(struct world *w)
{
    for (size_t i = 0; i < w->len; i++) {
        struct agent *a = &w->agents[i];
        a->suspended = a->suspended && a->paused_ns > w->now_ns;
        a->ahead_ns -= a->suspended ? TICK_NS : 0;
    }
}

/* Messages take up to seconds, now and then longer than the lease lasts, and many get lost. */
static void chaos(struct world *w, int64_t ns)
{
    for (int64_t until = w->now_ns + ns; w->now_ns < until;) {
        if (one_in(w, 100)) {
            w->high_ns = one_in(w, 4) ? 20 * SEC_NS : between(w, 2, 3000) * MS_NS;
            w->lost = (unsigned)between(w, 0, 60);
            w->down = one_in(w, 8);
        }
        if (one_in(w, 300))
            harm(w, &w->agents[roll(w) % w->len]);
        stand_still(w);
        tick(w);
        CHECK(w->most_held <= 1);
    }
}

/* All is well again, with three agents. */
static void heal(struct world *w)
{
    w->high_ns = 50 * MS_NS;
    w->lost = 0;
    w->down = false;
    for (size_t i = 0; i < w->len; i++) {
        struct agent *a = &w->agents[i];
        a->paused_ns = 0;
        a->suspended = false;
        if (a->lease && (a->dead || a->stopping))
            end_agent(a);
        if (!a->lease)
            begin_agent(a);
        if (a->watch->back_ns > 0)
            a->watch->back_ns = w->now_ns + SEC_NS;
    }
}

/* What it showed, so that a seed that shows nothing is noticed. */
static struct {
    uint64_t conflicts, transitions, slowest_ns;
} seen;

static void live(uint64_t seed)
{
    struct world *w = &world;
    begin_world(w, seed, 3);
    for (int round = 0; round < 3; round++) {
        chaos(w, 60 * SEC_NS);
        heal(w);
        pass(w, 30 * SEC_NS);
        struct agent *a = who_holds(w);
        CHECK(a != NULL);
        a->dead = true;
        int64_t took_ns = until_held(w, 15 * SEC_NS);
        CHECK(took_ns > 0);
        seen.slowest_ns = (uint64_t)took_ns > seen.slowest_ns ? (uint64_t)took_ns : seen.slowest_ns;
        pass(w, between(w, 0, 5000) * MS_NS);
        a = who_holds(w);
        CHECK(a != NULL);
        stop_agent(a);
        CHECK(until_held(w, 2 * SEC_NS) > 0);
        CHECK_INT(w->most_held, 1);
    }
    seen.conflicts += w->conflicts;
    seen.transitions += (uint64_t)lease_number(w, "leaseTransitions");
    end_world(w);
}

/* LEASE_SEEDS=N tries so many in place of a few. */
TEST(never_do_two_hold_it_and_somebody_soon_does_when_all_is_well)
{
    const char *env = getenv("LEASE_SEEDS");
    uint64_t seeds = env ? strtoull(env, NULL, 10) : 5;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        fprintf(stderr, "%s%" PRIu64, seed == 1 ? "seed " : " ", seed);
        live(seed);
    }
    fprintf(stderr, "\n%" PRIu64 " conflicts, %" PRIu64 " transitions, slowest %" PRIu64 " ms\n",
            seen.conflicts, seen.transitions, seen.slowest_ns / (uint64_t)MS_NS);
    CHECK(seen.conflicts > seeds && seen.transitions > 3 * seeds);
}
