/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds the lease, who writes what, and what is done when something fails. */
#include "kube_lease_world.h"

static struct world world;

static unsigned requests(const struct world *w)
{
    return w->gets + w->puts + w->posts;
}

static void set_holder(struct world *w, const char *holder)
{
    cJSON *spec = cJSON_GetObjectItemCaseSensitive(w->lease, "spec");
    cJSON_DeleteItemFromObjectCaseSensitive(spec, "holderIdentity");
    cJSON_AddStringToObject(spec, "holderIdentity", holder);
    w->meddled = true;
    write_lease(w, w->lease);
}

/* Agents, of which one holds the lease; the world is quiet for long. */
static struct agent *begin_held(struct world *w, size_t agents)
{
    begin_world(w, 1, agents);
    CHECK(until_held(w, 2 * SEC_NS) >= 0);
    pass(w, SEC_NS);
    return who_holds(w);
}

static struct agent *another(struct world *w, const struct agent *than)
{
    return &w->agents[than == &w->agents[0]];
}

TEST(one_of_three_makes_the_lease_and_holds_it_for_ever)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 3);
    CHECK_DBL(lease_number(w, "leaseTransitions"), 0);
    for (int i = 0; i < 60; i++) {
        pass(w, SEC_NS);
        CHECK(who_holds(w) == a);
    }
    for (size_t i = 0; i < 3; i++) {
        hold_clock(&w->agents[i]);
        CHECK_STR(kube_lease_holder(w->agents[i].lease), a->name);
        CHECK_INT(kube_lease_fault(w->agents[i].lease)->status, OK);
        CHECK_INT(w->agents[i].changes, &w->agents[i] == a);
    }
    CHECK(w->puts >= 14 && w->puts <= 16); /* by the holder, every 4 s; others only listen */
    CHECK_INT(w->most_held, 1);
    end_world(w);
}

TEST(a_dead_holder_has_a_successor_within_fifteen_seconds)
{
    for (int64_t age_ns = 0; age_ns < 4 * SEC_NS; age_ns += 1300 * MS_NS) {
        struct world *w = &world;
        struct agent *a = begin_held(w, 3);
        pass(w, age_ns);
        a->dead = true;
        int64_t took_ns = until_held(w, 15 * SEC_NS);
        CHECK(took_ns > 0);
        CHECK_DBL(lease_number(w, "leaseTransitions"), 1);
        CHECK_INT(w->most_held, 1);
        end_world(w);
    }
}

TEST(a_holder_that_stops_has_a_successor_within_two_seconds)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 3);
    stop_agent(a);
    int64_t took_ns = until_held(w, 2 * SEC_NS);
    CHECK(took_ns > 0);
    CHECK(!a->lease); /* it was told that the server has it, and is freed */
    CHECK_INT(a->changes, 2);
    CHECK_INT(w->most_held, 1);
    end_world(w);
}

TEST(who_does_not_hold_it_stops_without_a_request)
{
    struct world *w = &world;
    struct agent *a = another(w, begin_held(w, 2));
    unsigned before = requests(w);
    stop_agent(a);
    run_agent(a);
    CHECK(a->stopped);
    CHECK_INT(requests(w), before);
    end_world(w);
}

TEST(a_holder_that_cannot_say_that_it_stops_is_done_in_time)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 1);
    w->down = true;
    stop_agent(a);
    pass(w, 1900 * MS_NS);
    CHECK(!a->stopped);
    pass(w, 110 * MS_NS);
    CHECK(a->stopped);
    end_world(w);
}

TEST(who_stops_while_it_takes_the_lease_gives_it_up)
{
    struct world *w = &world;
    begin_world(w, 1, 1);
    w->low_ns = w->high_ns = 200 * MS_NS;
    while (!w->lease)
        tick(w);
    CHECK(!says_held(&w->agents[0])); /* the answer is under way */
    stop_agent(&w->agents[0]);
    pass(w, 2 * SEC_NS);
    CHECK(w->agents[0].stopped);
    CHECK_STR(lease_text(w, "holderIdentity"), "");
    CHECK_INT(w->most_held, 0);
    end_world(w);
}

TEST(who_stops_while_it_takes_the_lease_and_hears_nothing_of_it_looks)
{
    struct world *w = &world;
    begin_world(w, 1, 1);
    struct agent *a = &w->agents[0];
    while (!a->call)
        tick(w);
    w->lost = 100; /* of answers */
    cut_watch(a->watch, 60 * SEC_NS);
    kube_lease_release(a->lease, 5 * SEC_NS, note_stopped);
    pass(w, SEC_NS);
    CHECK_STR(lease_text(w, "holderIdentity"), a->name);
    w->lost = 0;
    pass(w, 2 * SEC_NS);
    CHECK(a->stopped);
    CHECK_STR(lease_text(w, "holderIdentity"), "");
    end_world(w);
}

TEST(who_stops_does_not_wait_for_an_answer_to_what_it_needs_no_more)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 1);
    w->lost = 100;
    while (!a->call)
        tick(w);
    w->lost = 0;
    stop_agent(a);
    pass(w, 200 * MS_NS);
    CHECK(a->stopped);
    CHECK_STR(lease_text(w, "holderIdentity"), "");
    end_world(w);
}

TEST(what_a_watch_tells_late_is_known_to_be_old)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 1);
    static const char *const old[] = {
        "{\"metadata\":{\"resourceVersion\":\"99\"},\"spec\":{\"holderIdentity\":\"b\"}}",
        "{\"metadata\":{\"resourceVersion\":\"99\"},\"spec\":{}}"};
    for (size_t i = 0; i < ARRAY_LEN(old); i++) {
        cJSON *json = cJSON_Parse(old[i]);
        a->watch->sink.object(a->watch->sink.of, json);
        CHECK(says_held(a));
        a->watch->sink.gone(a->watch->sink.of, json);
        CHECK(says_held(a));
        cJSON_Delete(json);
    }
    CHECK_STR(kube_lease_holder(a->lease), a->name);
    end_world(w);
}

TEST(who_cannot_reach_the_server_counts_itself_out_before_another_may_have_it)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 1);
    w->down = true;
    pass(w, 4 * SEC_NS - 100 * MS_NS);
    CHECK(says_held(a));
    pass(w, 5 * SEC_NS);
    CHECK(!says_held(a));
    CHECK_INT(a->changes, 2);
    CHECK_INT(kube_lease_fault(a->lease)->status, ERR_TIMEOUT);
    pass(w, 60 * SEC_NS);
    w->down = false;
    CHECK(until_held(w, 11 * SEC_NS) >= 0);
    CHECK_INT(kube_lease_fault(a->lease)->status, OK);
    CHECK_DBL(lease_number(w, "leaseTransitions"), 0); /* nobody else had it */
    end_world(w);
}

TEST(what_failed_is_forgotten_when_another_is_seen_to_hold_it)
{
    struct world *w = &world;
    begin_held(w, 2);
    w->down = true;
    pass(w, 40 * SEC_NS);
    CHECK_INT(kube_lease_fault(w->agents[0].lease)->status, ERR_TIMEOUT);
    CHECK_INT(kube_lease_fault(w->agents[1].lease)->status, ERR_TIMEOUT);
    w->down = false;
    pass(w, 12 * SEC_NS);
    CHECK(who_holds(w) != NULL);
    CHECK_INT(kube_lease_fault(w->agents[0].lease)->status, OK);
    CHECK_INT(kube_lease_fault(w->agents[1].lease)->status, OK);
    end_world(w);
}

TEST(a_process_that_stood_still_does_not_hold_it_from_its_first_moment_on)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 2);
    a->paused_ns = w->now_ns + 30 * SEC_NS;
    pass(w, 29 * SEC_NS);
    CHECK(!says_held(a)); /* nothing of it has run */
    CHECK_INT(a->changes, 1);
    CHECK(who_holds(w) == another(w, a));
    pass(w, 2 * SEC_NS);
    CHECK(!says_held(a));
    CHECK_INT(a->changes, 2);
    CHECK_INT(w->most_held, 1);
    end_world(w);
}

TEST(a_machine_that_was_suspended_is_told_by_its_wall_clock)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 2);
    a->paused_ns = w->now_ns + 30 * SEC_NS;
    for (int i = 0; i < 30; i++) {
        a->ahead_ns -= SEC_NS; /* the monotonic clock stands still meanwhile */
        pass(w, SEC_NS);
    }
    CHECK(!says_held(a));
    CHECK_INT(w->most_held, 1);
    end_world(w);
}

/* Nothing but the watch can tell this one. */
TEST(who_has_no_clock_that_goes_holds_it_no_longer_than_its_watch_says)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 2);
    w->meddled = true;
    for (int i = 0; i < 1600; i++) {
        a->ahead_ns -= TICK_NS;
        a->ahead_ms -= TICK_NS / MS_NS;
        tick(w);
    }
    CHECK(who_holds(w) == another(w, a));
    CHECK(!says_held(a));
    end_world(w);
}

TEST(a_wall_clock_that_is_set_back_or_forward_costs_at_most_a_moment)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 2);
    a->ahead_ms -= 3600000;
    for (int i = 0; i < 2000; i++) {
        tick(w);
        CHECK(says_held(a));
    }
    a->ahead_ms += 7200000;
    CHECK(!says_held(a));
    pass(w, 5 * SEC_NS);
    CHECK(says_held(a));
    CHECK_DBL(lease_number(w, "leaseTransitions"), 0);
    end_world(w);
}

TEST(an_answer_that_was_lost_is_made_good)
{
    struct world *w = &world;
    begin_world(w, 1, 1);
    while (!w->agents[0].call)
        tick(w);
    w->lost = 100; /* of answers: the request is on its way */
    pass(w, 100 * MS_NS);
    CHECK(w->lease != NULL);
    CHECK(!says_held(&w->agents[0]));
    w->lost = 0;
    CHECK(until_held(w, 3 * SEC_NS) >= 0);
    CHECK_INT(w->posts, 1); /* the watch has told what became of it */
    CHECK_INT(w->most_held, 1);
    end_world(w);
}

TEST(an_answer_slower_than_the_lease_lasts_holds_nothing)
{
    struct world *w = &world;
    begin_world(w, 1, 1);
    struct agent *a = &w->agents[0];
    w->low_ns = w->high_ns = 200 * MS_NS;
    while (!w->lease)
        tick(w);
    a->paused_ns = w->now_ns + 8 * SEC_NS; /* the answer lies there */
    a->ahead_ms -= 8000;                   /* and the wall clock tells nothing */
    pass(w, 7990 * MS_NS);
    CHECK_INT(w->posts, 1);
    hold_clock(a);
    run_call(a);
    kube_lease_run(a->lease);
    CHECK(!kube_lease_held(a->lease));
    CHECK_INT(a->changes, 0);
    CHECK(until_held(w, SEC_NS) >= 0); /* it names us: written anew at once */
    end_world(w);
}

TEST(two_that_take_it_at_once_are_told_apart_by_the_version)
{
    struct world *w = &world;
    begin_held(w, 2);
    unsigned conflicts = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        end_world(w);
        begin_world(w, seed, 8);
        w->low_ns = w->high_ns = 150 * MS_NS;
        CHECK(until_held(w, 3 * SEC_NS) >= 0);
        pass(w, SEC_NS);
        CHECK_INT(w->most_held, 1);
        conflicts += w->conflicts;
    }
    CHECK(conflicts > 20);
    end_world(w);
}

TEST(a_watch_that_is_cut_hides_neither_who_renews_nor_who_died)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 2), *b = another(w, a);
    cut_watch(b->watch, 3600 * SEC_NS);
    pass(w, 60 * SEC_NS);
    CHECK(who_holds(w) == a);
    CHECK(w->conflicts >= 4 && w->conflicts <= 5); /* once a duration it tried, and read */
    CHECK_INT(w->gets, w->conflicts);
    a->dead = true;
    CHECK(until_held(w, 26 * SEC_NS) > 0);
    CHECK_INT(w->most_held, 1);
    end_world(w);
}

TEST(a_lease_that_somebody_deletes_is_made_again)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 2);
    w->meddled = true;
    delete_lease(w);
    pass(w, 50 * MS_NS);
    CHECK(!says_held(a));
    CHECK(until_held(w, 2 * SEC_NS) >= 0);
    CHECK_DBL(lease_number(w, "leaseTransitions"), 0);
    CHECK_INT(w->most_held, 1);
    for (size_t i = 0; i < 2; i++)
        cut_watch(w->agents[i].watch, 60 * SEC_NS);
    delete_lease(w); /* and nobody hears of it */
    pass(w, 5 * SEC_NS);
    CHECK(who_holds(w) != NULL);
    CHECK(w->lease != NULL);
    end_world(w);
}

TEST(a_lease_that_is_written_over_is_left_to_whom_it_names)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, 1);
    set_holder(w, "somebody");
    pass(w, 100 * MS_NS);
    CHECK(!says_held(a));
    CHECK_STR(kube_lease_holder(a->lease), "somebody");
    pass(w, 11 * SEC_NS);
    CHECK(!says_held(a));
    CHECK(until_held(w, 2 * SEC_NS) >= 0);
    set_holder(w, "");
    CHECK(until_held(w, 2 * SEC_NS) >= 0);
    end_world(w);
}

TEST(what_others_wrote_into_the_lease_stays)
{
    struct world *w = &world;
    begin_world(w, 1, 1);
    cJSON *lease = cJSON_Parse("{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\","
                               "\"metadata\":{\"name\":\"clusterips\",\"namespace\":\"strata\","
                               "\"labels\":{\"team\":\"blue\"}},\"spec\":{\"strategy\":\"x\"}}");
    write_lease(w, lease); /* made by whoever installed the agents, who may not create one */
    CHECK(until_held(w, 2 * SEC_NS) >= 0);
    pass(w, 10 * SEC_NS);
    CHECK_INT(w->posts, 0);
    const cJSON *labels = lease_at(w, "metadata", "labels");
    CHECK_STR(cJSON_GetObjectItem(labels, "team")->valuestring, "blue");
    CHECK_STR(lease_text(w, "strategy"), "x");
    end_world(w);
}

TEST(who_may_not_write_is_told_so_and_asks_less_and_less)
{
    struct world *w = &world;
    begin_world(w, 1, 1);
    w->refuse = 403;
    unsigned before = 0;
    pass(w, 60 * SEC_NS);
    struct agent *a = &w->agents[0];
    CHECK_INT(kube_lease_fault(a->lease)->status, ERR_DENIED);
    CHECK_STR(kube_lease_fault(a->lease)->text, "leases: code 403");
    before = (unsigned)w->calls;
    CHECK(before < 14);
    pass(w, 300 * SEC_NS);
    CHECK(w->calls - before >= 10 && w->calls - before <= 21); /* one in 15 to 30 s */
    w->refuse = 0;
    CHECK(until_held(w, 31 * SEC_NS) >= 0);
    end_world(w);
}

TEST(a_server_that_asks_to_wait_is_left_alone)
{
    struct world *w = &world;
    begin_world(w, 1, 1);
    w->refuse = 429;
    w->retry_after_ns = 20 * SEC_NS;
    pass(w, 19 * SEC_NS);
    CHECK_INT(w->calls, 1);
    pass(w, 3 * SEC_NS);
    CHECK_INT(w->calls, 2);
    end_world(w);
}

TEST(what_is_no_lease_is_no_answer)
{
    struct world *w = &world;
    static const char *const bad[] = {"", "[]", "{\"metadata\":7}",
                                      "{\"metadata\":{},\"spec\":[]}"};
    begin_world(w, 1, 1);
    struct agent *a = &w->agents[0];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        while (!a->call || a->call->answer_ns == 0)
            tick(w);
        cJSON_free(a->call->answer);
        a->call->answer = cJSON_malloc(64);
        snprintf(a->call->answer, 64, "%s", bad[i]);
        pass(w, 30 * MS_NS);
        CHECK_INT(kube_lease_fault(a->lease)->status, ERR_INVALID);
    }
    CHECK(until_held(w, 10 * SEC_NS) >= 0);
    end_world(w);
}

TEST(two_hundred_that_wait_ask_little_when_the_holder_goes)
{
    struct world *w = &world;
    struct agent *a = begin_held(w, AGENTS);
    unsigned before = requests(w);
    pass(w, 8 * SEC_NS);
    CHECK(requests(w) - before <= 3); /* who waits asks nothing */
    before = requests(w);
    stop_agent(a);
    CHECK(until_held(w, 2 * SEC_NS) > 0);
    pass(w, 500 * MS_NS);
    CHECK(requests(w) - before < 60); /* the first of them is seen before most have tried */
    CHECK_INT(w->most_held, 1);
    end_world(w);
}
