/* SPDX-License-Identifier: Apache-2.0 */
#include "mem.h"
#include "repeats.h"
#include "test.h"

#define TEXT(text) ((struct span){text, sizeof text - 1})

enum { ROOM = 4000 };

static struct repeats *make(void)
{
    struct repeats *r = mem_alloc(sizeof *r);
    *r = (struct repeats){
        .data = mem_alloc(ROOM), .before = mem_alloc(ROOM * sizeof(uint16_t)), .room = ROOM};
    repeats_begin(r);
    return r;
}

static void drop(struct repeats *r)
{
    mem_free(r->data);
    mem_free(r->before);
    mem_free(r);
}

static void check(const struct repeat *r, size_t at, unsigned back, size_t from, size_t len)
{
    CHECK_INT(r->at, at);
    CHECK_INT(r->back, back);
    CHECK_INT(r->from, from);
    CHECK_INT(r->len, len);
}

TEST(the_longest_is_found_and_of_equal_ones_the_last)
{
    struct repeats *r = make();
    struct repeat found[REPEATS_MAX];
    CHECK(repeats_add(r, TEXT("one=abcdefgh")));
    CHECK(repeats_add(r, TEXT("two=abcdef,x=12345")));
    CHECK(repeats_add(r, TEXT("")));
    CHECK(repeats_add(r, TEXT("six=12345")));
    CHECK_INT(repeats_find(r, TEXT("=abcdefgh,..12345"), 0, 17, 0, found), 2);
    check(&found[0], 0, 4, 3, 9);
    check(&found[1], 12, 1, 4, 5);
    CHECK_INT(repeats_find(r, TEXT("=abcdefgh,..12345"), 1, 16, 0, found), 2);
    check(&found[0], 1, 4, 4, 8);
    check(&found[1], 12, 1, 4, 4);
    CHECK_INT(repeats_find(r, TEXT("123"), 0, 3, 0, found), 0);
    drop(r);
}

TEST(one_that_ends_both_texts_may_be_worth_more)
{
    struct repeats *r = make();
    struct repeat found[REPEATS_MAX];
    CHECK(repeats_add(r, TEXT("x=12345")));
    CHECK(repeats_add(r, TEXT("x=12345,y")));
    CHECK_INT(repeats_find(r, TEXT("x=12345"), 0, 7, 0, found), 1);
    check(&found[0], 0, 1, 0, 7);
    CHECK_INT(repeats_find(r, TEXT("x=12345"), 0, 7, 1, found), 1);
    check(&found[0], 0, 2, 0, 7);
    drop(r);
}

TEST(what_is_older_than_the_last_texts_is_not_found)
{
    struct repeats *r = make();
    struct repeat found[REPEATS_MAX];
    CHECK(repeats_add(r, TEXT("abcdefgh")));
    for (int i = 1; i < REPEATS_TEXTS; i++)
        CHECK(repeats_add(r, TEXT("..")));
    CHECK_INT(repeats_find(r, TEXT("abcdefgh"), 0, 8, 0, found), 1);
    check(&found[0], 0, REPEATS_TEXTS, 0, 8);
    CHECK_INT(repeats_get(r, REPEATS_TEXTS).len, 8);
    CHECK(repeats_add(r, TEXT("..")));
    CHECK_INT(repeats_find(r, TEXT("abcdefgh"), 0, 8, 0, found), 0);
    drop(r);
}

TEST(what_has_no_room_changes_nothing)
{
    struct repeats *r = make();
    static char text[ROOM + 1];
    CHECK(repeats_add(r, TEXT("abcd")));
    CHECK(!repeats_add(r, (struct span){text, ROOM - 3}));
    CHECK_INT(r->texts, 1);
    CHECK(repeats_add(r, (struct span){text, ROOM - 4}));
    drop(r);
}

TEST(starts_and_ends)
{
    static const char a[] = "0123456789abcdefghij", b[] = "0123456789abcdefghij";
    for (size_t len = 0; len < sizeof a; len++)
        for (size_t other = 0; other < len; other++) {
            char c[sizeof a];
            memcpy(c, b, sizeof b);
            c[other] = '!';
            CHECK_INT(repeats_start(a, c, len), other);
            CHECK_INT(repeats_end(a + len, c + len, len), len - other - 1);
            CHECK_INT(repeats_start(a, b, len), len);
            CHECK_INT(repeats_end(a + len, b + len, len), len);
        }
}
