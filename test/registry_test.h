/* SPDX-License-Identifier: Apache-2.0 */
/* registry_test.h - the registry on a clock that stands still until a test moves it. */
#ifndef REGISTRY_TEST_H
#define REGISTRY_TEST_H

#include "clock.h"
#include "mem.h"
#include "registry.h"
#include "test.h"

enum { ROOM = 4 };

#define START_MS INT64_C(1795271160000)

static int64_t mono_ns, wall_ms;

static inline void at(int64_t ns)
{
    wall_ms += (ns - mono_ns) / MS_NS;
    mono_ns = ns;
    clock_hold(mono_ns, wall_ms);
}

static inline void later(int64_t ns)
{
    at(mono_ns + ns);
}

static inline void step_wall(int64_t ms)
{
    wall_ms += ms;
    clock_hold(mono_ns, wall_ms);
}

static inline void free_job(void *j)
{
    job_end(j);
}

static inline struct pool_inlet *make_inlet(size_t workers, size_t room)
{
    struct pool_inlet *in = mem_alloc(sizeof *in + workers * sizeof(struct channel *));
    in->len = workers;
    for (size_t i = 0; i < workers; i++)
        in->channels[i] = channel_new(room, SIZE_MAX, free_job);
    return in;
}

static inline void free_inlet(struct pool_inlet *in)
{
    for (size_t i = 0; i < in->len; i++)
        channel_free(in->channels[i]);
    mem_free(in);
}

/* The next job of a pool with one worker, or NULL. */
static inline struct job *next_job(struct pool_inlet *in)
{
    void *j = NULL;
    return channel_recv(in->channels[0], &j, NULL, DEADLINE_NOW) == OK ? j : NULL;
}

/* Likewise, and there is one. */
static inline struct job *take_job(struct pool_inlet *in)
{
    struct job *j = next_job(in);
    CHECK(j != NULL);
    return j;
}

/* Lets time pass until there is a job. */
static inline struct job *wait_job(struct registry *r, struct pool_inlet *in)
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

static inline struct registry *open_registry_of(size_t max_targets, bool now)
{
    struct registry_conf conf = {.max_targets = max_targets, .first_scrape_now = now};
    mono_ns = 1000 * SEC_NS;
    wall_ms = START_MS;
    clock_hold(mono_ns, wall_ms);
    return registry_new(&conf);
}

static inline struct registry *open_registry(bool now)
{
    return open_registry_of(100, now);
}

/* With a pool, main, of one worker. */
static inline struct registry *open_with_pool(bool now, struct pool_inlet **ret)
{
    struct registry *r = open_registry(now);
    *ret = make_inlet(1, ROOM);
    registry_put_pool(r, "main", *ret);
    return r;
}

static inline void close_registry(struct registry *r, struct pool_inlet *in)
{
    registry_free(r);
    if (in)
        free_inlet(in);
    clock_release();
}

static inline void tell_ranked(struct registry *r, enum target_change change, uint32_t source,
                               uint32_t rank, const struct target *like)
{
    struct target_emit e = registry_emit(r);
    struct target_event event = {
        .change = change, .source = source, .rank = rank, .target = like ? target_new(like) : NULL};
    CHECK_INT(e.call(e.to, &event), OK);
}

static inline void tell(struct registry *r, enum target_change change, uint32_t source,
                        const struct target *like)
{
    tell_ranked(r, change, source, 0, like);
}

static inline struct target like(const char *id, const char *pool)
{
    return (struct target){.id = id,
                           .source = "s",
                           .pool = pool,
                           .url = id,
                           .interval_ns = 10 * SEC_NS,
                           .timeout_ns = 5 * SEC_NS};
}

static inline void add(struct registry *r, uint32_t source, const char *id, const char *pool)
{
    struct target t = like(id, pool);
    tell(r, TARGET_ADDED, source, &t);
}

static inline void drop(struct registry *r, uint32_t source, const char *id)
{
    struct target t = {.id = id};
    tell(r, TARGET_REMOVED, source, &t);
}

/* Due = dropped + queued + handed, at every moment. */
static inline void check_books(struct registry *r)
{
    struct registry_books b = registry_books(r);
    uint64_t dropped = 0;
    for (size_t i = 0; i < REGISTRY_DROPS; i++)
        dropped += b.dropped[i];
    CHECK_INT(b.due, dropped + b.queued + b.handed);
}

#endif
