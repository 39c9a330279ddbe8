/* SPDX-License-Identifier: Apache-2.0 */
/* test_window.c - whose turn it is in a lane, and the pool of empty payloads. */
#include "mem.h"
#include "payload_pool.h"
#include "test.h"
#include "window.h"

static struct window w; /* large */

static struct payload *put(const char *key, int64_t due_ms, uint32_t part)
{
    struct payload *p = payload_new(key, 100);
    p->due_ms = due_ms;
    p->part = part;
    window_put(&w, p);
    return p;
}

static void leave(struct payload *p)
{
    window_leave(&w, p);
    payload_free(p);
}

/* All that may be sent now, as "key due.part" each; they are in flight then. */
static struct payload *sent[10];
static char text[200];

static void send_all(void)
{
    size_t n = 0, len = 0;
    text[0] = '\0';
    for (struct payload *p; (p = window_next(&w, 1)) != NULL; sent[n++] = p)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s%d.%u", n ? " " : "",
                                p->key.data, (int)p->due_ms, p->part);
}

#define CHECK_NEXT(want)       \
    do {                       \
        send_all();            \
        CHECK_STR(text, want); \
    } while (0)

TEST(flows_take_turns_and_wait_for_their_own_due_times_only)
{
    window_init(&w, 1 << 20);
    put("a", 1, 0);
    put("a", 1, 1);
    put("a", 2, 0);
    put("b", 1, 0);
    put("b", 3, 0);
    CHECK_INT(w.held, 5);
    CHECK_NEXT("a1.0 b1.0 a1.1");
    CHECK_INT(w.in_flight, 3);
    struct payload *a0 = sent[0], *b0 = sent[1], *a1 = sent[2];
    leave(a1);
    CHECK_NEXT("");
    leave(b0);
    CHECK_NEXT("b3.0");
    leave(sent[0]);
    leave(a0);
    CHECK_NEXT("a2.0");
    leave(sent[0]);
    CHECK_INT(w.bytes, 0);
    CHECK_INT(w.flows.len, 0);
    window_done(&w);
}

TEST(what_comes_back_stands_before_later_due_times_by_part)
{
    window_init(&w, 1 << 20);
    for (uint32_t part = 0; part < 3; part++)
        put("a", 1, part);
    put("a", 2, 0);
    CHECK_NEXT("a1.0 a1.1 a1.2");
    struct payload *part1 = sent[1];
    window_back(&w, sent[2]);
    window_back(&w, sent[0]);
    CHECK_NEXT("a1.0 a1.2");
    leave(sent[0]);
    leave(sent[1]);
    CHECK_NEXT(""); /* part 1 is still out */
    leave(part1);
    CHECK_NEXT("a2.0");
    leave(sent[0]);
    window_done(&w);
}

TEST(a_payload_of_an_earlier_wall_clock_still_waits_for_those_before_it)
{
    window_init(&w, 1 << 20);
    put("a", 100, 0);
    put("a", 50, 0); /* the clock was set back */
    put("a", 60, 0);
    CHECK_NEXT("a100.0");
    window_back(&w, sent[0]);
    CHECK_NEXT("a100.0");
    leave(sent[0]);
    CHECK_NEXT("a50.0");
    leave(sent[0]);
    CHECK_NEXT("a60.0");
    leave(sent[0]);
    window_done(&w);
}

/* The next payload is a's and fails. */
static unsigned fail_a(int64_t now_ns)
{
    struct payload *p = window_next(&w, now_ns);
    CHECK_STR(p->key.data, "a");
    return window_failed(&w, p);
}

static void deliver(const char *key, int64_t now_ns)
{
    struct payload *p = window_next(&w, now_ns);
    CHECK_STR(p->key.data, key);
    window_delivered(&w, p);
    payload_free(p);
}

TEST(a_flow_that_fails_while_others_get_through_is_stubborn_and_waits_alone)
{
    window_init(&w, 1 << 20);
    struct payload *first = put("a", 1, 0);
    put("a", 2, 0);
    for (int i = 0; i < 10; i++) /* nothing gets through: that is no fault of a */
        CHECK_INT(fail_a(1), 0);
    for (unsigned i = 1; i <= WINDOW_STUBBORN_FROM; i++) {
        CHECK(window_evict(&w) == NULL);
        put("b", i, 0);
        unsigned stubborn = fail_a(1); /* nothing new since the last time */
        deliver("b", 1);
        CHECK_INT(stubborn, 0);
        CHECK_INT(fail_a(1), i < WINDOW_STUBBORN_FROM ? 0 : WINDOW_STUBBORN_FROM);
    }
    window_delay(&w, first, 11);
    CHECK_INT(window_resume_ns(&w), 11);
    put("b", 10, 0);
    deliver("b", 1);
    CHECK(window_next(&w, 10) == NULL);
    CHECK_INT(fail_a(11), WINDOW_STUBBORN_FROM + 1);
    window_delay(&w, first, 100);
    CHECK(window_evict(&w) == first); /* the oldest */
    payload_free(first);
    CHECK_INT(w.stubborn, 1);
    deliver("a", 100); /* it is well again */
    CHECK_INT(w.stubborn, 0);
    CHECK_INT(window_resume_ns(&w), DEADLINE_NEVER);
    window_done(&w);
}

TEST(a_stubborn_flow_that_loses_all_is_forgotten)
{
    window_init(&w, 1 << 20);
    struct payload *p = put("a", 1, 0);
    CHECK_INT(fail_a(1), 0);
    for (unsigned i = 1; i <= WINDOW_STUBBORN_FROM; i++) {
        put("b", i, 0);
        CHECK_INT(fail_a(1), 0);
        deliver("b", 1);
        if (fail_a(1) > 0)
            window_delay(&w, p, 11);
    }
    payload_free(window_evict(&w));
    CHECK(window_evict(&w) == NULL);
    CHECK_INT(w.stubborn, 0);
    CHECK_INT(w.flows.len, 0);
    put("a", 2, 0);
    deliver("a", 1);
    window_done(&w);
}

TEST(a_full_window_takes_no_more)
{
    char key[16];
    window_init(&w, 1 << 30);
    for (int i = 0; i < LANE_WINDOW; i++) {
        CHECK(window_has_room(&w));
        snprintf(key, sizeof key, "k%d", i);
        put(key, i, 0);
    }
    CHECK(!window_has_room(&w));
    payload_free(window_take(&w));
    CHECK(window_has_room(&w)); /* and its flow is free for another key */
    put("another", 1, 0);
    for (struct payload *p; (p = window_next(&w, 1)) != NULL;)
        leave(p);
    CHECK_INT(w.held, 0);
    window_done(&w);

    window_init(&w, PAYLOAD_OVERHEAD);
    struct payload *p = put("a", 1, 0);
    CHECK_INT(w.bytes, payload_cost(p));
    CHECK(!window_has_room(&w));
    leave(window_next(&w, 1));
    window_done(&w);
}

TEST(a_pool_gives_the_smallest_size_that_fits_and_takes_it_back)
{
    static const struct {
        size_t want, max;
    } cases[] = {
        {0, 256}, {1, 256}, {256, 256}, {257, 512}, {512, 512}, {513, 1000}, {1000, 1000},
    };
    struct payload_pool pool;
    payload_pool_init(&pool, 1000, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct payload *p = payload_pool_take(&pool, cases[i].want);
        CHECK_INT(p->body.max, cases[i].max);
        CHECK(p->body.cap > cases[i].max);
        CHECK_INT(buf_puts(&p->body, "x"), OK);
        payload_mark(p, 0);
        payload_pool_give(&pool, p);
        uint64_t before = mem_count();
        struct payload *q = payload_pool_take(&pool, cases[i].want);
        CHECK(q == p);
        CHECK_INT(mem_count(), before);
        CHECK_INT(q->body.len, 0);
        CHECK_INT(q->marks.len, 0);
        payload_pool_give(&pool, q);
    }
    CHECK(payload_pool_bytes(&pool) > 256 + 512 + 1000);
    payload_pool_done(&pool);
}

TEST(a_pool_keeps_no_more_than_it_may)
{
    struct payload_pool pool;
    struct payload *p[4];
    payload_pool_init(&pool, 1000, 5000);
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        p[i] = payload_pool_take(&pool, 1000);
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        payload_pool_give(&pool, p[i]);
        CHECK(payload_pool_bytes(&pool) <= 5000);
    }
    CHECK(payload_pool_bytes(&pool) > 2000);
    payload_pool_done(&pool);
}
