/* SPDX-License-Identifier: Apache-2.0 */
/* test_json_out.c - commas, escapes, numbers, the bound. */
#include "json_out.h"
#include "test.h"

#include <math.h>

TEST(members_and_elements_have_commas_between_them)
{
    AUTO(buf) struct buf b = BUF_INIT(1000);
    struct json_out j = JSON_OUT(&b);
    json_out_open(&j, NULL, '{');
    json_out_open(&j, "none", '[');
    json_out_close(&j, ']');
    json_out_open(&j, "two", '[');
    json_out_uint(&j, NULL, UINT64_MAX);
    json_out_int(&j, NULL, INT64_MIN);
    json_out_close(&j, ']');
    json_out_open(&j, "o", '{');
    json_out_bool(&j, "yes", true);
    json_out_bool(&j, "no", false);
    json_out_string(&j, "nil", NULL);
    json_out_close(&j, '}');
    json_out_string(&j, "s", "x");
    json_out_close(&j, '}');
    CHECK_INT(j.status, OK);
    CHECK_STR(b.data, "{\"none\":[],\"two\":[18446744073709551615,-9223372036854775808],"
                      "\"o\":{\"yes\":true,\"no\":false,\"nil\":null},\"s\":\"x\"}");
}

TEST(text_is_escaped_and_made_utf8)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"a\nb\tc\x7f", "\"a\\nb\\u0009c\\u007f\""},
        {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\xff"
         "a\xc3",
         "\"\xef\xbf\xbd"
         "a\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf b = BUF_INIT(100);
        CHECK_INT(json_out_quote(&b, cases[i].in), OK);
        CHECK_STR(b.data, cases[i].out);
    }
}

TEST(what_is_no_number_or_no_time_is_null)
{
    AUTO(buf) struct buf b = BUF_INIT(200);
    struct json_out j = JSON_OUT(&b);
    json_out_open(&j, NULL, '[');
    json_out_double(&j, NULL, 0.25);
    json_out_double(&j, NULL, (double)NAN);
    json_out_double(&j, NULL, (double)INFINITY);
    json_out_time(&j, NULL, INT64_C(1795271160123));
    json_out_time(&j, NULL, 0);
    json_out_time(&j, NULL, INT64_MAX);
    json_out_close(&j, ']');
    CHECK_STR(b.data, "[0.25,null,null,\"2026-11-21T14:26:00.123Z\",null,null]");
}

TEST(what_does_not_fit_sticks)
{
    for (size_t max = 0; max < 20; max++) {
        AUTO(buf) struct buf b = BUF_INIT(max);
        struct json_out j = JSON_OUT(&b);
        json_out_open(&j, NULL, '{');
        json_out_string(&j, "k", "1234567");
        json_out_string(&j, "l", "");
        json_out_close(&j, '}');
        CHECK_INT(j.status, ERR_LIMIT); /* 20 bytes in all */
        CHECK(b.len <= max);
    }
    AUTO(buf) struct buf b = BUF_INIT(3);
    CHECK_INT(json_out_quote(&b, "ab"), ERR_LIMIT);
    CHECK_INT(b.len, 0);
    CHECK_INT(json_out_quote(&b, "a"), OK);
}
