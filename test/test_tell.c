/* SPDX-License-Identifier: Apache-2.0 */
#include "tell.h"

#include "sources_test.h"

#define DUE_MS INT64_C(1795271160000)

/* What is told goes to a receiver that writes it down. */
static struct test_env env;
static struct test_receiver receiver;
static struct tell tell;

static void start(size_t targets)
{
    test_env_init(&env);
    env.common.targets = (int64_t)targets;
    receiver = (struct test_receiver)TEST_RECEIVER;
    tell_init(&tell, &env.env);
}

static void stop(void)
{
    tell_done(&tell);
    buf_done(&receiver.text);
    test_env_done(&env);
}

static enum status put_like(const char *id, const char *url, const char *value)
{
    const struct label label = {"a", value};
    return tell_put(&tell, target_new(&(struct target){
                               .id = id, .url = url, .labels = &label, .labels_len = 1}));
}

static enum status put(const char *id)
{
    return put_like(id, "http://h:1/", "b");
}

static enum status emit(size_t room)
{
    receiver.room = room;
    return tell_emit(&tell, &(struct target_emit){test_receive, &receiver});
}

static void check_told(const char *want)
{
    CHECK_INT(emit(SIZE_MAX), OK);
    CHECK(!tell_pending(&tell));
    CHECK_STR(receiver.text.data ? receiver.text.data : "", want);
    buf_truncate(&receiver.text, 0);
}

TEST(what_is_new_has_changed_or_is_gone_is_told_once)
{
    start(10);
    CHECK_INT(put("a"), OK);
    CHECK_INT(put("b"), OK);
    CHECK(tell_pending(&tell) && tell_has(&tell, "a") && !tell_has(&tell, "c"));
    check_told("+a +b");
    check_told("");
    CHECK_INT(put_like("a", "http://h:2/", "b"), OK);
    check_told("+a");
    tell_remove(&tell, "b");
    tell_remove(&tell, "b");
    tell_remove(&tell, "c");
    CHECK(!tell_has(&tell, "b"));
    CHECK_INT(tell.len, 1);
    check_told("-b");
    stop();
}

TEST(of_changes_not_yet_told_only_the_newest_counts)
{
    start(10);
    CHECK_INT(put("a"), OK);
    CHECK_INT(put_like("a", "http://h:2/", "b"), OK);
    CHECK_INT(put("gone"), OK);
    tell_remove(&tell, "gone");
    CHECK_INT(tell.len, 1);
    check_told("+a");
    CHECK_INT(put("a"), OK);
    tell_remove(&tell, "a");
    CHECK_INT(tell.len, 0);
    check_told("-a");
    stop();
}

TEST(what_comes_back_before_it_was_told_as_gone_is_no_change)
{
    start(10);
    CHECK_INT(put("a"), OK);
    CHECK_INT(put("b"), OK);
    check_told("+a +b");
    tell_remove(&tell, "a");
    tell_remove(&tell, "b");
    CHECK_INT(put("a"), OK);
    CHECK_INT(put_like("b", "http://h:1/", "other"), OK);
    check_told("+b");
    CHECK_INT(put("b"), OK); /* there and back again */
    CHECK_INT(put_like("b", "http://h:1/", "other"), OK);
    CHECK(!tell_pending(&tell));
    check_told("");
    stop();
}

TEST(each_field_of_its_own_makes_a_target_another)
{
    const struct label label = {"a", "b"}, other = {"a", "c"};
    const struct target like = {.id = "t",
                                .url = "http://h:1/",
                                .interval_ns = 5 * SEC_NS,
                                .timeout_ns = SEC_NS,
                                .max_samples = 9,
                                .labels = &label,
                                .labels_len = 1};
    struct target changed[] = {like, like, like, like, like, like, like};
    changed[1].url = "http://h:1/m";
    changed[2].interval_ns = 6 * SEC_NS;
    changed[3].timeout_ns = 2 * SEC_NS;
    changed[4].max_samples = 0;
    changed[5].labels = &other;
    changed[6].labels_len = 0;
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        start(10);
        CHECK_INT(tell_put(&tell, target_new(&like)), OK);
        check_told("+t");
        CHECK_INT(tell_put(&tell, target_new(&changed[i])), OK);
        check_told(i == 0 ? "" : "+t");
        stop();
    }
}

TEST(what_is_gone_is_told_first_so_that_the_bound_holds)
{
    start(2);
    CHECK_INT(put("a"), OK);
    CHECK_INT(put("b"), OK);
    CHECK_INT(put("c"), ERR_LIMIT);
    CHECK(!tell_has(&tell, "c"));
    CHECK_INT(put_like("b", "http://h:2/", "b"), OK); /* has its place */
    check_told("+a +b");
    CHECK_INT(put_like("a", "http://h:2/", "b"), OK);
    tell_remove(&tell, "b");
    CHECK_INT(put("c"), OK);
    CHECK_INT(put("b"), ERR_LIMIT); /* gone, though the receiver does not know it yet */
    check_told("-b +a +c");
    stop();
}

TEST(one_scrape_more_comes_behind_the_target_and_is_asked_of_what_is_there)
{
    start(10);
    tell_extra(&tell, "a", DUE_MS);
    CHECK(!tell_pending(&tell));
    CHECK_INT(put("a"), OK);
    tell_extra(&tell, "a", DUE_MS);
    check_told("+a *a");
    CHECK_INT(receiver.due_ms, DUE_MS);
    tell_extra(&tell, "a", DUE_MS + 1);
    CHECK_INT(put("a"), OK); /* no change takes it away */
    check_told("*a");
    CHECK_INT(receiver.due_ms, DUE_MS + 1);
    tell_extra(&tell, "a", DUE_MS + 2);
    tell_remove(&tell, "a");
    check_told("-a");
    tell_extra(&tell, "a", DUE_MS);
    CHECK_INT(put("a"), OK);
    check_told("+a");
    tell_extra(&tell, "a", DUE_MS);
    tell_remove(&tell, "a");
    CHECK_INT(put("a"), OK); /* another one of that name, as far as anybody knows */
    check_told("");
    stop();
}

TEST(the_first_list_is_told_as_complete_once)
{
    start(10);
    CHECK_INT(put("a"), OK);
    tell_synced(&tell);
    tell_synced(&tell);
    CHECK(tell_pending(&tell));
    check_told("+a synced");
    tell_synced(&tell);
    CHECK(!tell_pending(&tell));
    check_told("");
    stop();
}

/* Everything that can be told, with a receiver that takes one event at a time. */
TEST(who_had_no_room_is_told_the_rest_and_nothing_twice)
{
    start(10);
    CHECK_INT(put("old"), OK);
    CHECK_INT(put("less"), OK);
    check_told("+old +less");
    tell_remove(&tell, "old");
    tell_remove(&tell, "less");
    CHECK_INT(put("a"), OK);
    tell_extra(&tell, "a", DUE_MS);
    CHECK_INT(put("b"), OK);
    tell_synced(&tell);
    static const char *const want[] = {"-old", "-less", "+a", "*a", "+b"};
    CHECK_INT(emit(0), ERR_AGAIN);
    CHECK_STR(receiver.text.data, "");
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        CHECK_INT(emit(1), ERR_AGAIN);
        CHECK(tell_pending(&tell));
        CHECK_STR(receiver.text.data, want[i]);
        buf_truncate(&receiver.text, 0);
    }
    check_told("synced");
    stop();
}

TEST(what_changes_while_there_is_no_room_is_told_as_it_is_then)
{
    start(10);
    CHECK_INT(put("a"), OK);
    CHECK_INT(put("b"), OK);
    CHECK_INT(put("c"), OK);
    tell_extra(&tell, "a", DUE_MS);
    CHECK_INT(emit(1), ERR_AGAIN); /* a is told, its scrape is not */
    tell_remove(&tell, "a");
    tell_remove(&tell, "b");
    CHECK_INT(put_like("c", "http://h:2/", "b"), OK);
    check_told("+a -a +c");
    stop();
}

static enum status refuse(void *to, const struct target_event *e)
{
    (void)e;
    ++*(int *)to;
    return ERR_CLOSED;
}

TEST(a_receiver_that_takes_no_more_is_asked_no_more)
{
    int calls = 0;
    start(10);
    CHECK_INT(put("a"), OK);
    CHECK_INT(put("b"), OK);
    tell_synced(&tell);
    CHECK_INT(tell_emit(&tell, &(struct target_emit){refuse, &calls}), ERR_CLOSED);
    CHECK_INT(calls, 1);
    stop();
}

/* What the receiver has in the end is what is there, whatever happened in between. */

struct mirror {
    uint64_t state;
    bool has[16];
};

static uint32_t draw(struct mirror *m, uint32_t below)
{
    m->state = m->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(m->state >> 33) % below;
}

static enum status mirror_event(void *to, const struct target_event *e)
{
    struct mirror *m = to;
    if (draw(m, 4) == 0)
        return ERR_AGAIN;
    size_t i = (size_t)(e->target->id[0] - 'a'), n = 0;
    if (e->change != TARGET_ADDED && !m->has[i])
        abort();
    m->has[i] = e->change != TARGET_REMOVED;
    for (size_t k = 0; k < ARRAY_LEN(m->has); k++)
        n += m->has[k];
    if (n > 8)
        abort(); /* above the bound */
    target_unref(e->target);
    return OK;
}

TEST(any_sequence_ends_with_the_receiver_having_what_is_there)
{
    struct mirror m = {.state = 1};
    bool there[16] = {false};
    start(8);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = draw(&m, 16);
        char id[2] = {(char)('a' + (char)i), '\0'};
        switch (draw(&m, 5)) {
        case 0:
        case 1:
            there[i] = put_like(id, draw(&m, 2) ? "http://h:1/" : "http://h:2/", "b") == OK;
            break;
        case 2:
            tell_remove(&tell, id);
            there[i] = false;
            break;
        case 3: tell_extra(&tell, id, DUE_MS); break;
        default: (void)!tell_emit(&tell, &(struct target_emit){mirror_event, &m});
        }
        CHECK(tell_has(&tell, id) == there[i]);
    }
    while (tell_pending(&tell))
        (void)!tell_emit(&tell, &(struct target_emit){mirror_event, &m});
    for (size_t i = 0; i < 16; i++)
        CHECK(m.has[i] == there[i]);
    stop();
}
