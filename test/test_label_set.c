/* SPDX-License-Identifier: Apache-2.0 */
/* Labels to work on: order, bounds, spans of the set itself, memory that stays. */
#include "label_set.h"
#include "mem.h"
#include "test.h"

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void set(struct label_set *s, const char *name, const char *value)
{
    CHECK_INT(label_set_set(s, span_of(name), span_of(value)), OK);
}

/* "name=value|..." in the set's order. */
static const char *text_of(const struct label_set *s)
{
    static char text[4096];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < s->len; i++) {
        struct label_span l = label_set_at(s, i);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s=%.*s", i ? "|" : "",
                                (int)l.name.len, l.name.data, (int)l.value.len, l.value.data);
    }
    return text;
}

TEST(labels_come_in_the_order_of_their_names)
{
    AUTO(label_set) struct label_set s;
    label_set_init(&s, 1000);
    CHECK_STR(text_of(&s), "");
    set(&s, "pod", "cart-0");
    set(&s, "a", "1");
    set(&s, "po", "x");
    set(&s, "Z", "2");
    set(&s, "\xc3\xa9", "3");
    CHECK_STR(text_of(&s), "Z=2|a=1|po=x|pod=cart-0|\xc3\xa9=3");
    CHECK_INT(s.bytes, 2 + 2 + 3 + 9 + 3);
}

TEST(a_name_has_one_value_and_an_empty_one_removes_it)
{
    AUTO(label_set) struct label_set s;
    label_set_init(&s, 1000);
    set(&s, "a", "1");
    set(&s, "b", "2");
    set(&s, "a", "longer than before");
    CHECK_STR(text_of(&s), "a=longer than before|b=2");
    set(&s, "a", "");
    set(&s, "none", "");
    CHECK_STR(text_of(&s), "b=2");
    CHECK_INT(s.bytes, 2);
    set(&s, "a", "again");
    CHECK_STR(text_of(&s), "a=again|b=2");
    label_set_remove(&s, span_of("none"));
    label_set_remove(&s, span_of("a"));
    CHECK_STR(text_of(&s), "b=2");
    label_set_remove_at(&s, 0);
    CHECK_INT(s.len, 0);
    CHECK_INT(s.bytes, 0);
}

TEST(a_label_that_is_not_there_has_an_empty_value)
{
    AUTO(label_set) struct label_set s;
    label_set_init(&s, 1000);
    CHECK_INT(label_set_get(&s, span_of("a")).len, 0);
    set(&s, "ab", "1");
    set(&s, "abc", "2");
    CHECK_INT(label_set_get(&s, span_of("a")).len, 0);
    CHECK(label_set_get(&s, span_of("a")).data != NULL);
    CHECK(span_is(label_set_get(&s, span_of("abc")), "2"));
    label_set_reset(&s);
    CHECK_INT(label_set_get(&s, span_of("ab")).len, 0);
    CHECK_INT(s.bytes, 0);
}

TEST(there_is_room_for_so_many_labels)
{
    AUTO(label_set) struct label_set s;
    char name[16];
    label_set_init(&s, 1 << 20);
    for (int i = 0; i < LABEL_SET_MAX; i++) {
        snprintf(name, sizeof name, "l%d", i);
        set(&s, name, "v");
    }
    CHECK_INT(label_set_set(&s, span_of("more"), span_of("v")), ERR_LIMIT);
    CHECK_INT(s.len, LABEL_SET_MAX);
    set(&s, "l7", "other"); /* one that is there may change */
    set(&s, "more", "");
    label_set_remove(&s, span_of("l0"));
    set(&s, "more", "v");
    CHECK(span_is(label_set_get(&s, span_of("l7")), "other"));
}

TEST(there_is_room_for_so_many_bytes)
{
    AUTO(label_set) struct label_set s;
    label_set_init(&s, 10);
    set(&s, "a", "12345");
    CHECK_INT(label_set_set(&s, span_of("b"), span_of("1234")), ERR_LIMIT);
    set(&s, "b", "123");
    CHECK_INT(s.bytes, 10);
    CHECK_INT(label_set_set(&s, span_of("a"), span_of("123456")), ERR_LIMIT);
    CHECK_STR(text_of(&s), "a=12345|b=123");
    set(&s, "a", "54321");
    for (int i = 0; i < 3000; i++) /* what was replaced takes no room */
        set(&s, "a", i % 2 ? "1" : "22222");
    CHECK_STR(text_of(&s), "a=1|b=123");
}

TEST(names_and_values_may_come_from_the_set_itself)
{
    AUTO(label_set) struct label_set s;
    char want[8], name[8];
    label_set_init(&s, 1 << 16);
    set(&s, "n0", "0123456789012345678901234567890123456789");
    for (int i = 1; i < 200; i++) { /* its text moves several times */
        snprintf(name, sizeof name, "n%d", i);
        snprintf(want, sizeof want, "n%d", i - 1);
        struct span value = label_set_get(&s, span_of(want));
        CHECK_INT(label_set_set(&s, span_of(name), value), OK);
        CHECK_INT(label_set_set(&s, value, label_set_get(&s, span_of(name))), OK);
    }
    CHECK(span_is(label_set_get(&s, span_of("n199")), "0123456789012345678901234567890123456789"));
    for (size_t i = 0; i < s.len; i++)
        CHECK_INT(label_set_at(&s, i).value.len, 40);
    for (int i = 0; i < 500; i++) /* a part of its own value */
        for (size_t k = 0; k < s.len; k++) {
            struct label_span l = label_set_at(&s, k);
            size_t cut = l.value.len > 2 ? 1 : 0;
            l.value.data += cut;
            l.value.len -= cut;
            CHECK_INT(label_set_set(&s, l.name, l.value), OK);
        }
    CHECK(span_is(label_set_get(&s, span_of("n199")), "89"));
}

static void use(struct label_set *s)
{
    char name[16];
    label_set_reset(s);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "label_%d", i % 70);
        set(s, name, i % 3 ? "some value of a label" : "other");
    }
}

TEST(a_set_in_use_comes_to_allocate_nothing)
{
    AUTO(label_set) struct label_set s;
    label_set_init(&s, 1 << 16);
    for (int i = 0; i < 4; i++)
        use(&s);
    uint64_t before = mem_count();
    for (int i = 0; i < 100; i++)
        use(&s);
    CHECK_INT(mem_count() - before, 0);
    CHECK_INT(s.len, 70);
}
