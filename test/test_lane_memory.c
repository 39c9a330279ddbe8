/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane_memory.c - what lanes give up when the process has no room, and what they keep. */
#include "budget.h"
#include "fake_sink.h"
#include "payload_pool.h"
#include "spool_rig.h"

#include <sched.h>

#define ROOM ((size_t)300 << 10)
/* In which a lane gives way; the clock stands, so that no time bounds them. */
#define ROUNDS_MAX 1000000

/* Nothing is sent until lane_release.  What a worker writes into is there already. */
static struct rig *held_rig(void)
{
    struct rig *r = rig_new();
    r->conf.hold = true;
    rig_start(r);
    rig_scrape(r, "x", -1, "a 1\n");
    return r;
}

static void scrape_many(struct rig *r, int64_t from, int64_t to)
{
    for (int64_t due = from; due < to; due++)
        rig_scrape(r, "x", due, "a 1\n");
}

TEST(a_lane_without_room_gives_up_its_oldest_by_name)
{
    struct rig *r = held_rig();
    budget_set_bound(budget_used() + ROOM);
    scrape_many(r, 0, 2000);
    WAIT(budget_used() <= budget_bound());
    budget_set_bound(SIZE_MAX);
    lane_release(r->lane);
    WAIT(r->books.delivered + rig_lost(r) == 2001);
    uint64_t lost = r->books.lost[LOST_MEMORY];
    CHECK(lost > 1000 && lost < 2000);
    CHECK_INT(rig_lost(r), lost);
    CHECK_INT(r->fake.log[fake_sends(&r->fake) - 1].due_ms, 1999);
    rig_finish(r);
    CHECK_INT(budget_part_bytes(BUDGET_PAYLOADS), 0);
}

TEST(a_lane_that_keeps_up_loses_nothing_to_another_that_does_not)
{
    struct rig *dead = held_rig(), *well = rig_started();
    /* As held_rig: what comes new when there is no room, be it a series, is refused. */
    rig_scrape(well, "x", -1, "a 1\n");
    WAIT(well->books.in_memory == 0);
    budget_set_bound(budget_used() + ROOM);
    scrape_many(dead, 0, 500);
    /* How much all lanes have is looked at now and then. */
    int64_t until_ns = clock_mono_ns() + 40 * MS_NS;
    for (int64_t due = 500; clock_mono_ns() < until_ns; due++)
        rig_scrape(dead, "x", due, "a 1\n");
    WAIT(dead->books.lost[LOST_MEMORY] > 0);
    for (int64_t due = 0; due < 500; due++) {
        scrape_many(well, due, due + 1);
        WAIT(well->books.in_memory == 0);
    }
    CHECK_INT(rig_lost(well), 0);
    CHECK_INT(well->books.delivered, 501);
    budget_set_bound(SIZE_MAX);
    rig_finish(well);
    lane_release(dead->lane);
    rig_finish(dead);
}

TEST(while_scrapes_wait_only_what_is_old_goes)
{
    struct rig *r = held_rig();
    int64_t now_ns = clock_mono_ns(), now_ms = clock_wall_ms();
    clock_hold(now_ns, now_ms);
    scrape_many(r, 0, 900);
    size_t used = budget_used();
    budget_set_bound(used + used / 16); /* above 3/4, with room to the bound */
    budget_wait(1);
    lane_give_way(r->lane);
    CHECK_INT(rig_lost(r), 0);
    now_ns += BUDGET_OLD_NS + 1;
    /* How much all lanes have is looked at now and then. */
    bool gave = false;
    for (int i = 0; i < ROUNDS_MAX && !gave; i++) {
        clock_hold(now_ns += SEC_NS, now_ms);
        lane_give_way(r->lane);
        sched_yield();
        gave = budget_used() <= budget_bound() / 4 * 3 && r->books.lost[LOST_MEMORY] > 0;
    }
    budget_wait(-1);
    clock_release();
    CHECK(gave);
    budget_set_bound(SIZE_MAX);
    lane_release(r->lane);
    rig_finish(r);
}

TEST(with_a_spool_the_oldest_go_to_disk_though_the_buffer_has_room)
{
    struct spool_rig disk;
    spool_rig_init(&disk);
    struct rig *r = rig_new();
    r->conf.max_message = 100;
    r->conf.spool = (struct lane_spool_conf){
        .file = disk.file, .size = SPOOL_SIZE_MIN, .mode = LANE_OVERFLOW, .vfs = FAIL_VFS};
    r->conf.retry.min_ns = r->conf.retry.max_ns =
        20 * MS_NS; /* the log of sends has room for all */
    fake_steer(&r->fake, FAKE_FAILS, ERR_IO);
    rig_start(r);
    rig_scrape(r, "x", 0, "a 1\n");
    WAIT(lane_state(r->lane).spool.works);
    budget_set_bound(budget_used() + ROOM);
    for (int64_t due = 1; due < 1000; due++) {
        rig_scrape(r, "x", due, "a 1\n");
        WAIT(budget_used() <= budget_bound() + 8192);
    }
    WAIT(r->books.in_spool > 0);
    CHECK_INT(rig_lost(r), 0);
    budget_set_bound(SIZE_MAX);
    fake_steer(&r->fake, FAKE_ENDS, OK);
    WAIT(r->books.delivered == 1000);
    int64_t last = -1;
    for (size_t i = 0; i < r->fake.sends; i++) {
        if (r->fake.log[i].result != OK)
            continue;
        CHECK_INT(r->fake.log[i].due_ms, last + 1);
        last = r->fake.log[i].due_ms;
    }
    rig_finish(r);
    spool_rig_done(&disk);
}

TEST(empty_payloads_are_not_kept_where_there_is_no_room)
{
    struct payload_pool pool;
    payload_pool_init(&pool, 1 << 20, 1 << 22);
    payload_pool_give(&pool, payload_pool_take(&pool, 1000));
    CHECK(payload_pool_bytes(&pool) > 1000);
    payload_pool_empty(&pool);
    CHECK_INT(payload_pool_bytes(&pool), 0);
    budget_set_bound(1000);
    payload_pool_give(&pool, payload_pool_take(&pool, 1000));
    budget_set_bound(SIZE_MAX);
    CHECK_INT(payload_pool_bytes(&pool), 0);
    CHECK_INT(budget_part_bytes(BUDGET_PAYLOADS), 0);
    payload_pool_done(&pool);
}

TEST(a_lane_reserves_what_the_library_of_its_sink_takes)
{
    size_t before = budget_part_bytes(BUDGET_CLIENTS);
    struct rig *r = rig_started();
    CHECK_INT(budget_part_bytes(BUDGET_CLIENTS) - before, lane_reserve(&r->conf));
    rig_finish(r);
    CHECK_INT(budget_part_bytes(BUDGET_CLIENTS), before);
}
