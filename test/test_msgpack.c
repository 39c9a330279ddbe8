/* SPDX-License-Identifier: Apache-2.0 */
/* MessagePack as msgpack-c writes and reads it. */
#include "msgpack.h"

#include "test.h"

#include <math.h>
#include <msgpack.h>

enum { BIG = UINT16_MAX + 2 };

static msgpack_sbuffer want;
static msgpack_packer packer;

static msgpack_packer *fresh(void)
{
    msgpack_sbuffer_destroy(&want);
    msgpack_sbuffer_init(&want);
    msgpack_packer_init(&packer, &want, msgpack_sbuffer_write);
    return &packer;
}

static void check_bytes(const char *what, size_t n, const char *got, const char *end)
{
    size_t len = (size_t)(end - got);
    if (len != want.size || memcmp(got, want.data, len) != 0)
        test_fail(__FILE__, __LINE__, "%s of %zu differs", what, n);
}

static const size_t lengths[] = {0,   1,   15,  16,  17,    31,    32,        33,
                                 127, 128, 255, 256, 65535, 65536, UINT32_MAX};

TEST(heads_are_those_of_msgpack_c)
{
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        char got[16];
        size_t n = lengths[i];
        msgpack_pack_array(fresh(), n);
        check_bytes("array", n, got, msgpack_put_array(got, n));
        msgpack_pack_map(fresh(), n);
        check_bytes("map", n, got, msgpack_put_map(got, n));
        msgpack_pack_str(fresh(), n);
        check_bytes("str", n, got, msgpack_put_str_head(got, n));
        msgpack_pack_uint64(fresh(), n);
        check_bytes("uint", n, got, msgpack_put_uint(got, (uint32_t)n));
    }
    fresh();
}

TEST(doubles_are_those_of_msgpack_c)
{
    static const double values[] = {0, -0.0, 1, -1.5, 1e308, 5e-324, 0.1, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char got[9];
        msgpack_pack_double(fresh(), values[i]);
        check_bytes("double", i, got, msgpack_put_double(got, values[i]));
    }
    fresh();
}

/* Reads what was packed: whole it is an item of that kind, cut anywhere it is a part of one. */
static struct msgpack_item check_item(enum msgpack_type type)
{
    struct msgpack_item it;
    for (size_t len = 0; len < want.size && len < 300; len++) {
        struct span left = {want.data, len};
        CHECK_INT(msgpack_read(&left, &it), ERR_AGAIN);
        CHECK(left.len == len && left.data == want.data);
    }
    struct span left = {want.data, want.size};
    CHECK_INT(msgpack_read(&left, &it), OK);
    CHECK_INT(it.type, type);
    CHECK_INT(left.len, 0);
    return it;
}

TEST(texts_of_any_length_are_read)
{
    static char text[BIG];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < ARRAY_LEN(lengths) && lengths[i] <= BIG; i++) {
        size_t n = lengths[i];
        msgpack_pack_str_with_body(fresh(), text, n);
        CHECK_INT(check_item(MSGPACK_TEXT).text.len, n);
        msgpack_pack_bin_with_body(fresh(), text, n);
        CHECK_INT(check_item(MSGPACK_TEXT).text.len, n);
        msgpack_pack_ext_with_body(fresh(), text, n, 3);
        CHECK_INT(check_item(MSGPACK_EXT).text.len, n);
        msgpack_pack_v4raw(fresh(), n);
        msgpack_pack_v4raw_body(&packer, text, n);
        struct msgpack_item it = check_item(MSGPACK_TEXT);
        CHECK_INT(it.text.len, n);
        CHECK(n == 0 || it.text.data[n - 1] == 'x');
    }
    for (size_t n = 1; n <= 16; n *= 2) { /* fixext */
        msgpack_pack_ext_with_body(fresh(), text, n, 0);
        CHECK_INT(check_item(MSGPACK_EXT).text.len, n);
    }
    fresh();
}

TEST(numbers_and_words_are_read)
{
    static const int64_t numbers[] = {0,     1,     127,        128,       255,       256,
                                      65535, 65536, UINT32_MAX, INT64_MAX, -1,        -32,
                                      -33,   -128,  -129,       -32769,    INT32_MIN, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        msgpack_pack_int64(fresh(), numbers[i]);
        check_item(MSGPACK_NUMBER);
    }
    msgpack_pack_float(fresh(), 1.5f);
    check_item(MSGPACK_NUMBER);
    msgpack_pack_double(fresh(), 1.5);
    check_item(MSGPACK_NUMBER);
    msgpack_pack_nil(fresh());
    check_item(MSGPACK_NIL);
    msgpack_pack_true(fresh());
    CHECK(check_item(MSGPACK_BOOL).yes);
    msgpack_pack_false(fresh());
    CHECK(!check_item(MSGPACK_BOOL).yes);
    fresh();
}

TEST(counts_are_read)
{
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        msgpack_pack_array(fresh(), lengths[i]);
        CHECK_INT(check_item(MSGPACK_ARRAY).count, lengths[i]);
        msgpack_pack_map(fresh(), lengths[i]);
        CHECK_INT(check_item(MSGPACK_MAP).count, lengths[i]);
    }
    fresh();
}

static enum status skip(const char *bytes, size_t len, size_t *ret_left)
{
    struct span left = {bytes, len};
    enum status s = msgpack_skip(&left);
    *ret_left = left.len;
    return s;
}

TEST(a_value_is_skipped_with_all_that_is_in_it)
{
    size_t left;
    msgpack_packer *p = fresh();
    msgpack_pack_map(p, 2);
    msgpack_pack_int(p, 1);
    msgpack_pack_array(p, 3);
    msgpack_pack_array(p, 0);
    msgpack_pack_map(p, 0);
    msgpack_pack_str_with_body(p, "abc", 3);
    msgpack_pack_nil(p);
    msgpack_pack_double(p, 2);
    for (size_t n = 0; n < want.size; n++)
        CHECK_INT(skip(want.data, n, &left), ERR_AGAIN);
    msgpack_pack_nil(p);
    CHECK_INT(skip(want.data, want.size, &left), OK);
    CHECK_INT(left, 1);
    CHECK_INT(skip("\x91\xc1", 2, &left), ERR_INVALID);
    CHECK_INT(left, 2);
    char deep[MSGPACK_DEPTH + 2];
    memset(deep, 0x91, sizeof deep);
    deep[MSGPACK_DEPTH] = 0;
    CHECK_INT(skip(deep, MSGPACK_DEPTH + 1, &left), OK);
    deep[MSGPACK_DEPTH] = (char)0x91;
    deep[MSGPACK_DEPTH + 1] = 0;
    CHECK_INT(skip(deep, sizeof deep, &left), ERR_LIMIT);
    fresh();
}
