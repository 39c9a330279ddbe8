/* SPDX-License-Identifier: Apache-2.0 */
#include "texts.h"

#include "test.h"

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void check_entry(const struct texts *t, uint32_t at, const char *key, const char *part)
{
    const struct text *of = texts_at(t, at);
    CHECK(span_is((struct span){(const char *)&of->parts[2], of->key_len}, key));
    CHECK_INT(of->parts[0].at == 0, part == NULL);
    if (part)
        CHECK(span_is(texts_part(t, &of->parts[0]), part));
    CHECK_INT(of->parts[1].at, 0);
}

TEST(entries_and_their_parts_stay_what_they_are_while_others_are_added)
{
    AUTO(texts) struct texts t = {.data = NULL};
    uint32_t first = texts_add(&t, span_of("first"), 2), at[100];
    texts_set_part(&t, first, 0, span_of("its part"));
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        at[i] = texts_add(&t, span_of("another"), 2);
    texts_set_part(&t, at[7], 0, span_of("")); /* there, and empty */
    check_entry(&t, first, "first", "its part");
    check_entry(&t, at[7], "another", "");
    check_entry(&t, at[99], "another", NULL);
    CHECK_INT(t.len % TEXTS_UNIT, 0);
    CHECK(t.changed && t.dead == 0);
}

TEST(a_part_is_changed_where_it_stands_if_there_is_room)
{
    AUTO(texts) struct texts t = {.data = NULL};
    uint32_t a = texts_add(&t, span_of("a"), 2), b = texts_add(&t, span_of("b"), 2);
    texts_set_part(&t, a, 0, span_of("123456789"));
    texts_set_part(&t, b, 0, span_of("last"));
    size_t len = t.len;
    t.changed = false;
    texts_change_part(&t, a, 0, span_of("1234567890123456")); /* what rounds it up is room */
    check_entry(&t, a, "a", "1234567890123456");
    CHECK(t.changed);
    texts_change_part(&t, a, 0, span_of("short"));
    check_entry(&t, a, "a", "short67890123456");
    CHECK_INT(t.len, len);
    texts_change_part(&t, b, 0, span_of("the last one grows there"));
    CHECK_INT(t.len, len + 16);
    CHECK_INT(t.dead, 0);
    texts_change_part(&t, a, 0, span_of("12345678901234567"));
    const struct text_part *part = &texts_at(&t, a)->parts[0];
    CHECK_INT(part->len, 17 + 17 / 4);
    CHECK_STR(texts_part(&t, part).data, "12345678901234567");
    check_entry(&t, b, "b", "the last one grows there");
    CHECK_INT(t.dead, 16);
}

TEST(all_that_is_given_up_is_counted)
{
    AUTO(texts) struct texts t = {.data = NULL};
    uint32_t a = texts_add(&t, span_of("a"), 2), b = texts_add(&t, span_of("b"), 2);
    size_t entries = t.len;
    texts_set_part(&t, a, 0, span_of("123456789"));
    texts_set_part(&t, b, 1, span_of("1"));
    texts_forget(&t, a, 2);
    CHECK_INT(t.dead, 16);
    check_entry(&t, a, "a", NULL);
    texts_set_part(&t, a, 0, span_of("new"));
    texts_remove(&t, a, 2);
    texts_remove(&t, b, 2);
    CHECK_INT(t.dead, t.len);
    CHECK_INT(entries, 2 * texts_entry_bytes(1, 2));
}

TEST(what_is_moved_takes_its_parts_along_and_leaves_the_rest)
{
    AUTO(texts) struct texts t = {.data = NULL};
    AUTO(texts) struct texts to = {.data = NULL};
    texts_add(&t, span_of("left behind"), 2);
    uint32_t at = texts_add(&t, span_of("moved"), 2);
    texts_set_part(&t, at, 0, span_of("part"));
    texts_at(&t, at)->parts[1].sent = 1;
    uint32_t moved = texts_move(&t, at, 2, &to);
    check_entry(&to, moved, "moved", "part");
    CHECK(!texts_at(&to, moved)->parts[0].sent && texts_at(&to, moved)->parts[1].sent);
    CHECK_INT(to.len, texts_entry_bytes(5, 2) + 8);
}
