/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "number.h"
#include "test.h"
#include <time.h>
#include "text.h"

#include <math.h>

static struct span span(const char *s)
{
    return (struct span){s, strlen(s)};
}

TEST(utf8_is_told_from_what_only_looks_like_it)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"", true},
        {"abc", true},
        {"h\xc3\xa9", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xc3", false},
        {"\x80", false},
        {"\xc0\x80", false},
        {"\xe0\x80\x80", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false},
        {"\xff", false},
        {"\xc3(", false},
        {"\xef\xbf\xbf", true},
        {"\xf5\x80\x80\x80", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (text_is_utf8(span(cases[i].text)) != cases[i].good)
            test_fail(__FILE__, __LINE__, "case %zu", i);
    CHECK(!text_is_utf8((struct span){"a\0b", 3}));
}

TEST(numbers_are_read_as_strtod_reads_them)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "-1",
        "+1",
        "1.5",
        ".5",
        "5.",
        "1e3",
        "1E-3",
        "1e+22",
        "1e23",
        "007",
        "9007199254740993",
        "123456789012345678",
        "12345678901234567890123",
        "0.1",
        "1e-400",
        "1e999",
        "2.2250738585072014e-308",
        "4.9e-324",
        "1.7976931348623157e308",
        "0.000000000000000000001",
        "9007199254740993e1",
        "18446744073709551617",
        "100000000000000000000000",
        "3.141592653589793",
        "1e00000000000000000000001",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        double v;
        CHECK_INT(number_parse(span(texts[i]), &v, NULL), OK);
        CHECK_DBL(v, strtod(texts[i], NULL));
        CHECK_INT(signbit(v), signbit(strtod(texts[i], NULL)));
    }
}

TEST(a_number_is_plain_when_json_would_write_it_so)
{
    static const struct {
        const char *text;
        bool plain;
    } cases[] = {
        {"0", true},    {"-0", true},     {"10", true},   {"1.5", true},   {"1e5", true},
        {"1E+5", true}, {"+1", false},    {"01", false},  {"1.", false},   {".5", false},
        {"-.5", false}, {"00", false},    {"NaN", false}, {"-Inf", false}, {"1e999", false},
        {"0.5", true},  {"-00.5", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double v;
        bool plain;
        CHECK_INT(number_parse(span(cases[i].text), &v, &plain), OK);
        if (plain != cases[i].plain)
            test_fail(__FILE__, __LINE__, "%s", cases[i].text);
    }
}

TEST(what_is_no_number_is_refused)
{
    static const char *const texts[] = {
        "",   "-",  "+",   ".",   "e5",   "1e", "1e+",     "1x",    "0x1p3", "1_000",
        " 1", "1 ", "1,5", "--1", "nanx", "in", "infinit", "+-inf", "1.2.3",
    };
    double v = 7;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        CHECK_INT(number_parse(span(texts[i]), &v, NULL), ERR_INVALID);
    CHECK_DBL(v, 7);
    CHECK_INT(number_parse(span("-iNfInItY"), &v, NULL), OK);
    CHECK(v < 0 && isinf(v));
    CHECK_INT(number_parse(span("+NaN"), &v, NULL), OK);
    CHECK(isnan(v));
}

TEST(a_printed_number_is_short_and_parses_back)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-12, "-12"},
        {0.1, "0.1"},
        {1e15, "1e+15"},
        {999999999999999, "999999999999999"},
        {1.0 / 3, "0.3333333333333333"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {NAN, "NaN"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[NUMBER_ROOM + 1];
        out[number_print(out, cases[i].v)] = '\0';
        CHECK_STR(out, cases[i].text);
    }
}

TEST(times_are_written_in_utc)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(1795271160123), "2026-11-21T14:26:00.123Z"},
        {CLOCK_MIN_MS, "0001-01-01T00:00:00.000Z"},
        {CLOCK_MAX_MS, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[CLOCK_TEXT + 1];
        clock_format(out, cases[i].ms);
        CHECK_STR(out, cases[i].text);
    }
}

/* Every so many days, so that all dates and all kinds of years are met. */
TEST(dates_are_those_of_the_calendar)
{
    for (int64_t ms = CLOCK_MIN_MS; ms <= CLOCK_MAX_MS; ms += INT64_C(89) * 86400000 + 12345678) {
        char out[CLOCK_TEXT + 1], want[64];
        time_t s = (time_t)((ms - CLOCK_MIN_MS) / 1000 + CLOCK_MIN_MS / 1000);
        struct tm t;
        gmtime_r(&s, &t);
        snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900,
                 t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                 (int)((ms - CLOCK_MIN_MS) % 1000));
        clock_format(out, ms);
        CHECK_STR(out, want);
    }
}

TEST(a_line_for_people_is_the_first_and_whole)
{
    static const struct {
        const char *said, *want;
        size_t size;
    } lines[] = {
        {"one\r\ntwo", "one", 100},       {"", "", 100},        {"\n", "", 100},
        {"a\tb\x1b[1m ", "a b [1m", 100}, {"abcdef", "abc", 4}, {"ab\xc3\xa9", "ab", 4},
        {"ab\xc3\xa9", "ab\xc3\xa9", 5},  {"a\xff", "a?", 100}, {"abc", "", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char line[100];
        text_line(line, lines[i].size, (struct span){lines[i].said, strlen(lines[i].said)});
        CHECK_STR(line, lines[i].want);
    }
}
