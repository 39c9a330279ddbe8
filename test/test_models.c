/* SPDX-License-Identifier: Apache-2.0 */
/* Texts by which others are compressed. */
#include "budget.h"
#include "models.h"
#include "test.h"

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

/* For one page and another one in turn. */
static struct model *get(struct models *m, uint64_t kind, struct span of)
{
    static char pages[2];
    static unsigned n;
    return models_get(m, kind, &pages[n++ % 2], of);
}

TEST(the_third_of_a_kind_becomes_its_model)
{
    struct models m = {0};
    struct span a = span_of("first"), b = span_of("third");
    CHECK(!get(&m, 7, a));
    CHECK(!get(&m, 7, a));
    struct model *made = get(&m, 7, b);
    CHECK(made && made->len == b.len && memcmp(made->data, b.data, b.len) == 0);
    CHECK(get(&m, 7, a) == made);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), sizeof *made + b.len);
    models_done(&m);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
}

TEST(a_kind_that_comes_more_often_takes_the_place)
{
    struct models m = {0};
    struct span a = span_of("one"), b = span_of("other");
    for (int i = 0; i < 3; i++)
        get(&m, 7, a);
    struct model *one = model_ref(get(&m, 7, a));
    for (int i = 0; i < 4; i++)
        CHECK(!get(&m, 7 + MODELS_LEN, b));
    for (int i = 0; i < 2; i++)
        CHECK(!get(&m, 7 + MODELS_LEN, b));
    struct model *other = get(&m, 7 + MODELS_LEN, b);
    CHECK(other && other != one);
    CHECK(memcmp(one->data, a.data, a.len) == 0); /* who needs it has it */
    models_done(&m);
    model_unref(one);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
}

TEST(a_model_is_no_longer_than_what_can_be_looked_back_at)
{
    struct models m = {0};
    static char all[MODEL_BYTES + 1];
    struct span t = {all, sizeof all};
    for (int i = 0; i < 2; i++)
        get(&m, 7, t);
    CHECK_INT(get(&m, 7, t)->len, MODEL_BYTES);
    models_done(&m);
}

TEST(a_model_that_no_page_needs_goes)
{
    struct models m = {0};
    struct span a = span_of("one");
    for (int i = 0; i < 2; i++)
        get(&m, 7, a);
    struct model *one = model_ref(get(&m, 7, a));
    models_trim(&m);
    CHECK(get(&m, 7, a) == one);
    model_unref(one);
    models_trim(&m);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
    CHECK(get(&m, 7, a)); /* made anew */
    models_done(&m);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
}

TEST(a_page_that_is_alone_of_its_kind_is_no_model)
{
    struct models m = {0};
    struct span a = span_of("one"), b = span_of("two");
    for (int i = 0; i < 10; i++)
        CHECK(!models_get(&m, 7, &a, a));
    CHECK(!models_get(&m, 7, &b, b));
    CHECK(models_get(&m, 7, &a, a));
    models_done(&m);
}

TEST(pages_of_one_length_that_come_often_have_a_model_of_their_own)
{
    struct models m = {0};
    struct span a = span_of("short"), b = span_of("longer");
    for (int i = 0; i < 3; i++)
        get(&m, 7, a);
    struct model *any = model_ref(get(&m, 7, a));
    for (int i = 0; i < 23; i++)
        CHECK(get(&m, 7, b) == any);
    struct model *own = get(&m, 7, b);
    CHECK(own != any && own->len == b.len && memcmp(own->data, b.data, b.len) == 0);
    CHECK(get(&m, 7, span_of("middle1")) == any);
    CHECK(get(&m, 7, b) == own);
    CHECK(get(&m, 8, b) == NULL); /* of another kind */
    models_done(&m);
    model_unref(any);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
}

TEST(each_kind_finds_a_place_whatever_its_length)
{
    for (uint64_t kind = 1; kind < 4 * MODELS_LEN; kind++) {
        struct models m = {0};
        struct span a = span_of("as long as this");
        for (int i = 0; i < 2; i++)
            get(&m, kind, a);
        CHECK(get(&m, kind, a));
        models_done(&m);
    }
}

TEST(models_that_pages_have_left_make_room_for_the_next)
{
    struct models m = {0};
    static char text[1000];
    for (size_t len = 500; len < sizeof text; len++)
        for (int i = 0; i < 30; i++)
            get(&m, 7, (struct span){text, len});
    CHECK(budget_part_bytes(BUDGET_PAGES) > 0);
    CHECK(budget_part_bytes(BUDGET_PAGES) < 4 * sizeof text);
    models_done(&m);
}
