/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"

#include "mem.h"
#include "test.h"

/* Ids of the ended ones, in order. */
static size_t done_len;
static uint64_t done_ids[8];

static void note(void *of, struct series *s)
{
    (void)of;
    done_ids[done_len++] = s->id;
}

static struct series *make(struct records *r, uint64_t id)
{
    struct series *s = records_make(r);
    *s = (struct series){.id = id};
    return s;
}

static void settle(struct records *r)
{
    done_len = 0;
    records_finish(r);
    records_settle(r, note, NULL);
}

static void check_order(const struct records *r, const char *want)
{
    CHECK_INT(r->len, strlen(want));
    CHECK_INT(r->live, r->len);
    for (size_t i = 0; i < r->len; i++)
        CHECK_INT(r->items[i].id, want[i]);
}

/* A scrape that brings those, in that order; who was not there before is new. */
static void scrape(struct records *r, const char *ids)
{
    records_start(r);
    for (const char *c = ids; *c; c++) {
        struct series *s = NULL;
        for (size_t i = 0; i < r->len; i++)
            if (r->items[i].id == (uint64_t)*c)
                s = &r->items[i];
        records_take(r, s ? s : make(r, (uint64_t)*c));
    }
    for (size_t i = 0; i < r->len; i++)
        if (!strchr(ids, (int)r->items[i].id))
            records_end(r, &r->items[i]);
    settle(r);
    check_order(r, ids);
}

TEST(series_stand_in_the_order_of_the_last_scrape)
{
    static const char *const orders[] = {"abcdef", "abcdef", "bcdefa", "bxcdyefa", "afz",
                                         "",       "a",      "ba",     "cba",      "abc"};
    struct records r = {.items = NULL};
    for (size_t i = 0; i < ARRAY_LEN(orders); i++)
        scrape(&r, orders[i]);
    records_done(&r);
}

TEST(those_that_ended_are_told_once)
{
    struct records r = {.items = NULL};
    scrape(&r, "abcd");
    scrape(&r, "db");
    CHECK_INT(done_len, 2);
    CHECK_INT(done_ids[0], 'a');
    CHECK_INT(done_ids[1], 'c');
    scrape(&r, "db");
    CHECK_INT(done_len, 0);
    records_done(&r);
}

TEST(a_scrape_in_the_same_order_moves_nothing)
{
    struct records r = {.items = NULL};
    scrape(&r, "abcd");
    const struct series *items = r.items;
    uint64_t before = mem_count();
    scrape(&r, "abcd");
    CHECK(r.items == items);
    CHECK_INT(mem_count(), before);
    records_done(&r);
}

TEST(new_ones_stay_where_they_are_while_more_are_made)
{
    struct records r = {.items = NULL};
    struct series *made[10000];
    records_start(&r);
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        records_take(&r, made[i] = make(&r, i));
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        CHECK_INT(made[i]->id, i);
    CHECK(records_bytes(&r) >= sizeof made / sizeof made[0] * sizeof *made[0]);
    settle(&r);
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        CHECK_INT(r.items[i].id, i);
    records_done(&r);
}
