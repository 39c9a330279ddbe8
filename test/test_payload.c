/* SPDX-License-Identifier: Apache-2.0 */
#include "mem.h"
#include "payload.h"
#include "test.h"

static const struct payload_origin example = {
    .cluster = "prod",
    .instance = "node-7",
    .pool = "main",
    .output = "json-nats",
    .settings = "mode=ndjson",
    .target = "shop/cart-0/app:8080/metrics",
    .due_ms = INT64_C(1795271160000),
    .part = 0,
};

static bool same(struct payload_id a, struct payload_id b)
{
    return a.high == b.high && a.low == b.low;
}

TEST(an_id_is_the_same_in_every_process_and_for_ever)
{
    struct payload_id id = payload_id_make(&example);
    CHECK(id.high == UINT64_C(0x73d9fe2d56ea5761));
    CHECK(id.low == UINT64_C(0xdc3114a56d4a743e));
    CHECK(same(payload_id_make(&example), id));
}

TEST(every_field_makes_another_id)
{
    struct payload_origin cases[] = {
        example, example, example, example, example, example, example,
        example, example, example, example, example, example, example,
    };
    size_t n = 1; /* case 0 stays as it is */
    cases[n++].cluster = "test";
    cases[n++].instance = "node-8";
    cases[n++].instance = NULL;
    cases[n++].instance = "";
    cases[n++].pool = "slow";
    cases[n++].output = "json-kafka";
    cases[n++].settings = "mode=array";
    cases[n++].target = "shop/cart-1/app:8080/metrics";
    cases[n++].due_ms++;
    cases[n++].part++;
    cases[n++].series = 1;
    cases[n++].outcome++;
    cases[n++].clock_steps++;
    CHECK_INT(n, ARRAY_LEN(cases));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (same(payload_id_make(&cases[i]), payload_id_make(&cases[k])))
                test_fail(__FILE__, __LINE__, "cases %zu and %zu have one id", i, k);
}

TEST(text_that_moves_from_one_field_to_the_next_makes_another_id)
{
    struct payload_origin a = example, b = example;
    a.pool = "ab", a.output = "c";
    b.pool = "a", b.output = "bc";
    CHECK(!same(payload_id_make(&a), payload_id_make(&b)));
}

TEST(of_few_records_each_is_marked)
{
    AUTO_PTR(payload) struct payload *p = payload_new("key", 1000);
    CHECK(p->marks.at == NULL);
    for (uint32_t i = 0; i < PAYLOAD_MARKS; i++)
        payload_mark(p, 10 * i);
    CHECK_INT(p->marks.len, PAYLOAD_MARKS);
    CHECK_INT(p->marks.stride, 1);
    CHECK_INT(p->marks.at[7], 70);
    payload_unmark(p);
    CHECK_INT(p->marks.len, 0);
}

TEST(of_many_records_mark_i_is_where_record_i_times_stride_begins)
{
    AUTO_PTR(payload) struct payload *p = payload_new("key", 1000);
    for (uint32_t records = 1; records <= 20 * PAYLOAD_MARKS; records++) {
        payload_mark(p, 3 * (records - 1));
        CHECK(p->marks.len <= PAYLOAD_MARKS);
        CHECK_INT(p->marks.len, (records + p->marks.stride - 1) / p->marks.stride);
    }
    CHECK_INT(p->marks.stride, 32);
    for (uint32_t i = 0; i < p->marks.len; i++)
        CHECK_INT(p->marks.at[i], 3 * i * p->marks.stride);
    payload_unmark(p);
    payload_mark(p, 5); /* the next body starts anew */
    CHECK_INT(p->marks.stride, 1);
    CHECK_INT(p->marks.at[0], 5);
}

static enum status ended;

static void take_back(void *lane, struct payload *p, enum status how)
{
    CHECK(lane == &ended);
    ended = how;
    payload_free(p);
}

TEST(an_end_goes_to_the_lane)
{
    struct payload *p = payload_new("key", 1000);
    CHECK_INT(buf_puts(&p->address, "metrics.shop"), OK);
    p->end = take_back;
    p->lane = &ended;
    payload_end(p, ERR_LIMIT);
    CHECK_INT(ended, ERR_LIMIT);
    payload_end(payload_new("key", 1000), OK); /* the asan preset would see a leak */
}

TEST(a_payload_that_is_used_again_says_nothing_of_its_last_message)
{
    AUTO_PTR(payload) struct payload *p = payload_new("x", 10);
    p->more = p->unknown = p->maybe_twice = true;
    p->samples = 3;
    p->row = p->seq = 4;
    p->first_sent_ns = 5;
    payload_reset(p);
    CHECK(!p->more && !p->unknown && !p->maybe_twice);
    CHECK_INT(p->samples + (size_t)p->row + (size_t)p->seq + (size_t)p->first_sent_ns, 0);
}

TEST(a_header_is_a_name_and_a_value)
{
    struct payload_header h = payload_header_split("Content-Encoding: snappy: yes");
    CHECK(span_is(h.name, "Content-Encoding"));
    CHECK_STR(h.value, "snappy: yes");
}
