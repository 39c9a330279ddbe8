/* SPDX-License-Identifier: Apache-2.0 */
/* What several sources tell the registry: who is scraped, and for whom there is room. */
#include "hash.h"
#include "place.h"
#include "registry_test.h"

TEST(what_two_sources_found_is_scraped_once_and_the_second_takes_over)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    struct target first = like("first", "main"), second = like("second", "main");
    first.url = second.url = "http://127.0.0.1:1/metrics";
    tell(r, TARGET_ADDED, 2, &second);
    tell(r, TARGET_ADDED, 1, &first);
    registry_step(r);
    struct job *j = take_job(in);
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

TEST(what_one_source_found_twice_is_scraped_once_whichever_goes)
{
    for (int gone = 0; gone < 2; gone++) {
        static const char *const ids[] = {"a", "b"};
        struct pool_inlet *in;
        struct registry *r = open_with_pool(true, &in);
        struct target a = like("a", "main"), b = like("b", "main");
        a.url = b.url = "http://127.0.0.1:1/metrics";
        tell(r, TARGET_ADDED, 1, &a);
        tell(r, TARGET_ADDED, 1, &b);
        registry_step(r);
        struct job *j = take_job(in);
        CHECK(next_job(in) == NULL);
        job_end(j);
        drop(r, 1, ids[gone]);
        j = wait_job(r, in);
        CHECK_INT(j->kind, JOB_SCRAPE);
        CHECK_STR(j->target->id, ids[1 - gone]);
        job_end(j);
        check_books(r);
        close_registry(r, in);
    }
}

TEST(those_that_are_not_scraped_are_told_with_the_winner)
{
    struct registry *r = open_registry_of(3, false);
    struct target first = like("first", "main"), second = like("second", "main"),
                  elsewhere = like("elsewhere", "old"), above = like("above", "main");
    first.url = second.url = elsewhere.url = "http://127.0.0.1:1/metrics";
    tell_ranked(r, TARGET_ADDED, 7, 1, &second);
    tell_ranked(r, TARGET_ADDED, 9, 0, &first);
    tell_ranked(r, TARGET_ADDED, 7, 1, &elsewhere);
    tell_ranked(r, TARGET_ADDED, 7, 1, &above);
    registry_step(r);
    struct registry_other *others;
    size_t n = registry_others(r, &others);
    CHECK_INT(n, 2);
    CHECK_STR(others[0].target->id, "above");
    CHECK(!others[0].winner);
    CHECK_STR(others[1].target->id, "second");
    CHECK_STR(others[1].winner->id, "first");
    CHECK(registry_other_find(others, n, 7, "second") == &others[1]);
    CHECK(registry_other_find(others, n, 7, "above") == &others[0]);
    CHECK(!registry_other_find(others, n, 9, "second"));
    CHECK(!registry_other_find(others, n, 7, "zzz"));
    CHECK(!registry_other_find(others, n, 9, "first"));
    registry_others_free(others, n);
    close_registry(r, NULL);
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
    CHECK_INT(registry_books(r).targets_waiting, 5);
    close_registry(r, NULL);
}

/* A target of ten seconds that every source may find. */
static struct target found(const char *id)
{
    struct target t = like(id, "main");
    t.url = "http://127.0.0.1:1/metrics";
    return t;
}

static void add_ranked(struct registry *r, uint32_t source, uint32_t rank, const char *id)
{
    struct target t = found(id);
    tell_ranked(r, TARGET_ADDED, source, rank, &t);
}

/* That one is scraped, and at its times. */
static void check_scraped(struct registry *r, const char *id)
{
    struct registry_entry *entries;
    registry_step(r);
    size_t n = registry_entries(r, &entries);
    CHECK_INT(n, 1);
    CHECK_STR(entries[0].target->id, id);
    CHECK_INT(entries[0].next_due_ms % 10000, hash_bytes(id, strlen(id)) % 10000);
    registry_entries_free(entries, n);
}

TEST(the_first_source_in_the_file_wins_whatever_its_number)
{
    struct registry *r = open_registry(false);
    add_ranked(r, 3, 1, "old");
    check_scraped(r, "old");
    add_ranked(r, 9, 0, "new");
    check_scraped(r, "new");
    add_ranked(r, 10, 0, "newer"); /* both for a moment: 10 takes over from 9 */
    check_scraped(r, "new");
    drop(r, 9, "new");
    check_scraped(r, "newer");
    drop(r, 10, "newer");
    check_scraped(r, "old");
    close_registry(r, NULL);
}

TEST(who_wins_by_a_new_rank_takes_over_the_state_and_nothing_ends)
{
    struct pool_inlet *in;
    struct registry *r = open_with_pool(true, &in);
    add_ranked(r, 1, 0, "a");
    add_ranked(r, 2, 1, "b");
    registry_step(r);
    struct job *j = take_job(in);
    CHECK_STR(j->target->id, "a");
    struct target_state *state = j->state;
    job_end(j);
    tell_ranked(r, TARGET_RANK, 1, 1, NULL);
    tell_ranked(r, TARGET_RANK, 2, 0, NULL);
    check_scraped(r, "b");
    int64_t start_ns = mono_ns;
    j = wait_job(r, in);
    CHECK_INT(j->kind, JOB_SCRAPE);
    CHECK_STR(j->target->id, "b");
    CHECK(j->state == state);
    CHECK(mono_ns - start_ns >= 5 * SEC_NS && mono_ns - start_ns < 15 * SEC_NS);
    job_end(j);
    drop(r, 2, "b");
    check_scraped(r, "a");
    CHECK_INT(registry_books(r).targets, 1);
    check_books(r);
    close_registry(r, in);
}

TEST(all_targets_of_a_source_follow_its_rank)
{
    struct registry *r = open_registry(false);
    add_ranked(r, 1, 0, "a1");
    add_ranked(r, 1, 0, "a2");
    add_ranked(r, 2, 1, "b");
    add_ranked(r, 3, 2, "c");
    check_scraped(r, "a1");
    tell_ranked(r, TARGET_RANK, 1, 3, NULL);
    check_scraped(r, "b");
    tell_ranked(r, TARGET_RANK, 1, 0, NULL);
    check_scraped(r, "a1"); /* before a2, as it was found */
    tell_ranked(r, TARGET_RANK, 1, 3, NULL);
    check_scraped(r, "b");
    drop(r, 2, "b");
    check_scraped(r, "c");
    tell_ranked(r, TARGET_RANK, 7, 0, NULL); /* of no source that has targets */
    check_scraped(r, "c");
    drop(r, 3, "c");
    check_scraped(r, "a1");
    close_registry(r, NULL);
}

TEST(a_target_told_with_a_new_rank_moves_the_others_of_its_source)
{
    struct registry *r = open_registry(false);
    add_ranked(r, 1, 0, "a");
    add_ranked(r, 2, 1, "b");
    check_scraped(r, "a");
    tell_ranked(r, TARGET_RANK, 1, 5, NULL);
    add_ranked(r, 2, 6, "b"); /* of the same reload: a is first again */
    check_scraped(r, "a");
    close_registry(r, NULL);
}

/* The ids of all targets that are scraped, in order. */
static void check_known(struct registry *r, const char *want)
{
    AUTO(buf) struct buf ids = BUF_INIT(1000);
    struct registry_entry *entries;
    registry_step(r);
    size_t n = registry_entries(r, &entries);
    for (size_t i = 0; i < n; i++)
        CHECK_INT(buf_cat(&ids, i ? " " : "", entries[i].target->id, NULL), OK);
    registry_entries_free(entries, n);
    CHECK_STR(ids.data, want);
    CHECK_INT(registry_books(r).targets, n);
}

static void add_all(struct registry *r, const char *ids)
{
    for (char id[2] = {*ids}; *ids; id[0] = *++ids)
        add(r, 1, id, "main");
}

TEST(targets_without_room_get_it_in_the_order_they_came)
{
    struct registry *r = open_registry_of(2, true);
    struct pool_inlet *in = make_inlet(1, ROOM);
    registry_put_pool(r, "main", in);
    add_all(r, "abzy");
    check_known(r, "a b");
    CHECK_INT(registry_books(r).due, 2); /* no job of those that wait */
    CHECK_INT(registry_books(r).targets_waiting, 2);
    drop(r, 1, "a");
    check_known(r, "b z");
    CHECK_INT(registry_books(r).targets_waiting, 1);
    drop(r, 1, "b");
    drop(r, 1, "z");
    check_known(r, "y");
    CHECK_INT(registry_books(r).targets_waiting, 0);
    CHECK_INT(registry_books(r).targets_refused, 2);
    check_books(r);
    close_registry(r, in);
}

TEST(at_most_as_many_targets_wait_as_there_is_room_for)
{
    struct registry *r = open_registry_of(2, false);
    add_all(r, "abcdefg");
    check_known(r, "a b");
    CHECK_INT(registry_books(r).targets_waiting, 2);
    CHECK_INT(registry_books(r).targets_refused, 5);
    static const char *const ids[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        drop(r, 1, ids[i]);
    check_known(r, "");
    add_all(r, "g");
    check_known(r, "g");
    close_registry(r, NULL);
}

TEST(a_target_that_waits_may_change_go_or_be_missing_from_a_list)
{
    struct registry *r = open_registry_of(2, false);
    add_all(r, "abcd");
    struct target changed = like("c", "other");
    changed.url = "elsewhere";
    changed.interval_ns = 20 * SEC_NS;
    tell(r, TARGET_ADDED, 1, &changed);
    check_known(r, "a b");
    CHECK_INT(registry_pool_places(r, "other"), 0);
    CHECK_INT(registry_books(r).targets_waiting, 2);
    drop(r, 1, "a");
    check_known(r, "b c"); /* as it is now, and before d as ever */
    CHECK_INT(registry_pool_places(r, "other"), 1);
    drop(r, 1, "d");
    check_known(r, "b c");
    CHECK_INT(registry_books(r).targets_waiting, 0);
    add_all(r, "x");
    tell(r, TARGET_RESYNC, 1, NULL);
    add_all(r, "b");
    tell(r, TARGET_ADDED, 1, &changed);
    tell(r, TARGET_SYNCED, 1, NULL);
    check_known(r, "b c");
    CHECK_INT(registry_books(r).targets_waiting, 0);
    close_registry(r, NULL);
}

TEST(a_target_that_moves_keeps_its_room_before_those_that_wait)
{
    struct registry *r = open_registry_of(1, false);
    add_all(r, "ab");
    struct target moved = like("a", "main");
    moved.url = "elsewhere";
    tell(r, TARGET_ADDED, 1, &moved);
    check_known(r, "a");
    CHECK_INT(registry_books(r).targets_waiting, 1);
    close_registry(r, NULL);
}

TEST(a_source_is_forgotten_with_its_last_candidate)
{
    struct places ps;
    struct target t = like("a", "main"), u = like("b", "main");
    places_init(&ps);
    for (uint32_t source = 1; source <= 100; source++) {
        struct candidate *c = candidate_add(&ps, source, 0, target_new(&t));
        struct candidate *waits = candidate_add(&ps, source, 0, target_new(&u));
        candidate_enter(&ps, c);
        candidate_remove(&ps, c);
        CHECK(origin_find(&ps, source) != NULL);
        candidate_remove(&ps, waits);
        CHECK(origin_find(&ps, source) == NULL);
    }
    CHECK_INT(ps.origins.len, 0);
    CHECK_INT(ps.candidates.len, 0);
    CHECK_INT(ps.line_len, 0);
    places_done(&ps);
}

TEST(a_pool_is_forgotten_when_it_is_removed_and_has_no_places)
{
    struct places ps;
    struct target t = like("a", "main");
    places_init(&ps);
    struct candidate *c = candidate_add(&ps, 1, 0, target_new(&t));
    candidate_enter(&ps, c);
    struct place *p = c->place;
    slot_get(&ps, "empty");
    slots_trim(&ps);
    CHECK(slot_find(&ps, "main") != NULL);
    CHECK(slot_find(&ps, "empty") == NULL);
    candidate_remove(&ps, c);
    place_drop(&ps, p);
    slots_trim(&ps);
    CHECK(ps.slots == NULL);
    places_done(&ps);
}
