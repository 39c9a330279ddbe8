/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane_replicas.c - what two agents that scrape the same send: the same, or twice, but never
 * neither. */
#include "fake_sink.h"

enum { SERIES = 60 };

/* Series s0 to s<n-1>, from the first or from the last on, but for one (n: none is left out). */
static void write_page(char *out, size_t max, size_t n, bool backward, size_t but)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t k = backward ? n - 1 - i : i;
        if (k != but)
            len += (size_t)snprintf(out + len, max - len, "s%zu %zu\n", k, k);
    }
}

/* An agent of that name that has sent such a page, the last meta lines of which are meta series. */
static struct rig *agent(const char *instance, const char *page, size_t meta, size_t records)
{
    struct rig *r = rig_new();
    r->conf.replicas = true;
    r->conf.instance = instance;
    r->conf.max_message = FAKE_TEXT - 1;
    rig_start(r);
    struct target t = {.id = "x", .source = "pods"};
    rig_scrape_as(r, page, meta, &(struct lane_scrape){.target = &t, .due_ms = 7});
    WAIT(r->books.delivered == records);
    return r;
}

static const struct fake_send *find(const struct rig *r, struct payload_id id)
{
    for (size_t i = 0; i < r->fake.sends; i++)
        if (same_id(r->fake.log[i].id, id))
            return &r->fake.log[i];
    return NULL;
}

/* How many messages of a have an id that none of b has. */
static size_t alone(const struct rig *a, const struct rig *b)
{
    size_t n = 0;
    for (size_t i = 0; i < a->fake.sends; i++)
        n += find(b, a->fake.log[i].id) == NULL;
    return n;
}

static bool says(const struct rig *r, const char *record, const struct rig *unless)
{
    for (size_t i = 0; i < r->fake.sends; i++) {
        const struct fake_send *s = &r->fake.log[i];
        if (unless && find(unless, s->id))
            continue; /* a stream that has the other's keeps that */
        const char *at = strstr(s->body, record);
        if (at && (at == s->body || at[-1] == '\n'))
            return true;
    }
    return false;
}

/* A stream that keeps the first message of each id, and got first's before second's, has all that both
 * have sent. */
static void check_union(const struct rig *first, const struct rig *second, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char record[64];
        snprintf(record, sizeof record, "s%zu:%zu|g\n", i, i);
        if (!says(first, record, NULL) && !says(second, record, first))
            test_fail(__FILE__, __LINE__, "%s is missing", record);
    }
}

TEST(equal_series_in_any_order_make_equal_ids)
{
    char page[2048], other[2048];
    write_page(page, sizeof page, SERIES, false, SERIES);
    write_page(other, sizeof other, SERIES, true, SERIES);
    struct rig *a = agent("a", page, 0, SERIES), *b = agent("b", other, 0, SERIES);
    CHECK(a->fake.sends >= 8);
    CHECK_INT(a->fake.sends, b->fake.sends);
    CHECK_INT(alone(a, b), 0);
    for (size_t i = 0; i < a->fake.sends; i++)
        for (size_t k = 0; k < i; k++)
            CHECK(!same_id(a->fake.log[i].id, a->fake.log[k].id));
    check_union(a, b, SERIES);
    rig_finish(a);
    rig_finish(b);
}

TEST(one_series_more_makes_one_part_another_and_nothing_is_lost)
{
    for (size_t but = 0; but < SERIES; but++) {
        char page[2048], other[2048];
        write_page(page, sizeof page, SERIES, false, SERIES);
        write_page(other, sizeof other, SERIES, false, but);
        struct rig *a = agent("a", page, 0, SERIES), *b = agent("b", other, 0, SERIES - 1);
        /* the part itself, or the two that it had to be cut into */
        CHECK(alone(a, b) >= 1 && alone(a, b) <= 2);
        CHECK(alone(b, a) <= 2);
        check_union(a, b, SERIES);
        check_union(b, a, SERIES);
        rig_finish(a);
        rig_finish(b);
    }
}

TEST(what_is_larger_than_thought_is_cut_further_and_counted_once)
{
    char page[4096] = "";
    size_t len = 0;
    for (size_t i = 0; i < 8; i++) /* a value of 20 digits each */
        len +=
            (size_t)snprintf(page + len, sizeof page - len, "v%zu 0.12345678901234567%zu\n", i, i);
    struct rig *r = agent("a", page, 0, 8);
    CHECK_INT(r->books.encoded, 8);
    CHECK_INT(r->books.passed, 8);
    check_balance(r);
    rig_finish(r);
}

TEST(meta_series_go_apart)
{
    struct rig *a = agent("a", "a 1\nup 1\n", 1, 2), *b = agent("b", "a 1\nup 0\n", 1, 2);
    CHECK_INT(a->fake.sends, 2);
    CHECK_STR(a->fake.log[0].body, "a:1|g\n");
    CHECK_STR(a->fake.log[1].body, "up:1|g\n");
    CHECK_INT(a->fake.log[1].part, LANE_META_PART);
    CHECK_INT(alone(a, b), 0);
    rig_finish(a);
    rig_finish(b);
}

TEST(what_has_to_be_cut_for_the_peer_is_each_agents_own)
{
    struct rig *r[2];
    for (size_t i = 0; i < 2; i++) {
        r[i] = rig_new();
        r[i]->conf.replicas = true;
        r[i]->conf.instance = i ? "b" : "a";
        r[i]->fake.limit = r[i]->fake.told_limit = 13;
        rig_start(r[i]);
        rig_scrape(r[i], "x", 1, "a 1\nb 2\nc 3\nd 4\n");
        WAIT(r[i]->books.delivered == 4);
        CHECK_INT(r[i]->books.splits, 1);
    }
    CHECK(same_id(r[0]->fake.log[0].id, r[1]->fake.log[0].id)); /* refused as too large */
    CHECK_INT(alone(r[0], r[1]), r[0]->fake.sends - 1);
    rig_finish(r[0]);
    rig_finish(r[1]);
}
