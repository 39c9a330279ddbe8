/* SPDX-License-Identifier: Apache-2.0 */
#include "promtext.h"
#include "test.h"

#include <math.h>

static struct promtext_line line;

/* Reads the first line of text that says something. */
static enum status read_first(const char *text, struct err *err)
{
    struct promtext t;
    promtext_init(&t, (struct span){text, strlen(text)});
    return promtext_next(&t, &line, err);
}

TEST(a_sample_gives_name_labels_value_and_time)
{
    CHECK_INT(
        read_first("\n# a comment\n a:b { x = \"1\",y=\"q\\\"\\n\" , } -1.5e3\t-42 \r\n", NULL),
        OK);
    CHECK_INT(line.item, PROMTEXT_SAMPLE);
    CHECK(span_is(line.name, "a:b"));
    CHECK_INT(line.labels_len, 2);
    CHECK(span_is(line.labels[0].name, "x") && span_is(line.labels[0].value, "1"));
    CHECK(!line.labels[0].escaped && line.labels[1].escaped);
    CHECK(span_is(line.labels[1].value, "q\\\"\\n"));
    CHECK_DBL(line.value.number, -1500);
    CHECK(span_is(line.value.text, "-1.5e3"));
    CHECK(line.value.has_ts);
    CHECK_INT(line.value.ts_ms, -42);
}

TEST(the_shapes_that_are_allowed)
{
    static const char *const texts[] = {
        "a 1",           "a 1\n",         "a 1\r\n",  "a\t1",           "a{} 1",
        "a{}1",          "a{b=\"\"} NaN", "a +Inf 5", "_ 0 0\r",        "a{b=\"}, {\"} 1",
        "a{b=\"c\",} 1", ":a 1",          "a  1  ",   "a{b=\"\\x\"} 1", "a 1 253402300799999",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err err = {.text = ""};
        if (read_first(texts[i], &err) != OK || line.item != PROMTEXT_SAMPLE)
            test_fail(__FILE__, __LINE__, "'%s': %s", texts[i], err.text);
    }
}

TEST(a_bad_line_is_named_by_line_and_column)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"1a 1", "line 1, column 1: no metric name"},
        {"\n\n a", "line 3, column 3: neither '{' nor a blank after the name"},
        {"a \nb 1", "line 1, column 3: no value"},
        {"a x", "line 1, column 3: the value is no number"},
        {"a 0x10", "line 1, column 3: the value is no number"},
        {"a 1 x", "line 1, column 5: the timestamp is no integer"},
        {"a 1 -", "line 1, column 5: the timestamp is no integer"},
        {"a 1 253402300800000", "line 1, column 5: the timestamp is out of range"},
        {"a 1 -99999999999999999999999", "line 1, column 5: the timestamp is out of range"},
        {"a 1\r2", "line 1, column 4: the timestamp is no integer"},
        {"a 1 2 3", "line 1, column 7: more text behind the timestamp"},
        {"a 1 # {x=\"y\"} 2", "line 1, column 5: the timestamp is no integer"},
        {"a{b} 1", "line 1, column 4: no '=' after the label name"},
        {"a{b=c} 1", "line 1, column 5: no '\"' before the label value"},
        {"a{b=\"c} 1\n", "line 1, column 10: the label value is not closed"},
        {"a{b=\"c\\\n\"} 1", "line 1, column 8: the label value is not closed"},
        {"a{b=\"c\" d=\"e\"} 1", "line 1, column 9: neither ',' nor '}' after a label"},
        {"a{,} 1", "line 1, column 3: no label name"},
        {"a{b:c=\"d\"} 1", "line 1, column 4: no '=' after the label name"},
        {"a{b=\"\xff\"} 1", "line 1, column 6: the label value is not UTF-8"},
        {"# TYPE a gouge", "line 1, column 10: no such type"},
        {"# HELP 1", "line 1, column 8: no metric name"},
        {"a{", "line 1, column 3: no label name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {.text = "no error"};
        CHECK_INT(read_first(cases[i].text, &err), ERR_INVALID);
        CHECK_STR(err.text, cases[i].error);
    }
}

TEST(a_bad_line_costs_that_line_only)
{
    struct promtext t;
    static const char text[] = "a{b=\"\n1 1\n# TYPE x y\nc 3";
    promtext_init(&t, (struct span){text, strlen(text)});
    for (int i = 0; i < 3; i++)
        CHECK_INT(promtext_next(&t, &line, NULL), ERR_INVALID);
    CHECK_INT(promtext_next(&t, &line, NULL), OK);
    CHECK(span_is(line.name, "c"));
    CHECK_INT(promtext_next(&t, &line, NULL), ERR_CLOSED);
    CHECK_INT(promtext_next(&t, &line, NULL), ERR_CLOSED);
}

TEST(comments_say_type_help_and_unit)
{
    CHECK_INT(read_first("#\n# EOF\n#TYPE x  histogram \r\n", NULL), OK);
    CHECK_INT(line.item, PROMTEXT_TYPE);
    CHECK_INT(line.kind, SERIES_HISTOGRAM);
    CHECK_INT(read_first("# HELP x  all \\\\ the rest \r\n", NULL), OK);
    CHECK_INT(line.item, PROMTEXT_HELP);
    CHECK(span_is(line.text, "all \\\\ the rest "));
    CHECK_INT(read_first("# HELP x", NULL), OK);
    CHECK_INT(line.text.len, 0);
    CHECK_INT(read_first("# UNIT x seconds\n", NULL), OK);
    CHECK(span_is(line.text, "seconds"));
    CHECK_INT(read_first("# TYPE x unknown", NULL), OK);
    CHECK_INT(line.kind, SERIES_UNTYPED);
}

TEST(more_labels_than_there_is_room_for_are_refused)
{
    char text[2000];
    int n = snprintf(text, sizeof text, "a{");
    for (int i = 0; i <= PROMTEXT_LABELS; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "l%d=\"v\",", i);
    snprintf(text + n, sizeof text - (size_t)n, "} 1\n");
    CHECK_INT(read_first(text, NULL), ERR_LIMIT);
}

TEST(escapes_are_undone)
{
    char out[20];
    static const char text[] = "a\\\\b\\\"c\\nd\\e\\";
    size_t n = promtext_unescape(out, (struct span){text, strlen(text)});
    out[n] = '\0';
    CHECK_STR(out, "a\\b\"c\nd\\e\\");
}

/* Every beginning of a body, in memory of exactly its size: the asan preset sees
 * one byte read too far. */
TEST(nothing_is_read_behind_the_end)
{
    static const char text[] =
        "# HELP a b\\n\n# TYPE a counter\na{b=\"c\\\"\",d=\"e\"} +Inf -12\r\nb 1e5";
    for (size_t n = 0; n < sizeof text; n++) {
        char *copy = malloc(n + (n == 0));
        memcpy(copy, text, n);
        struct promtext t;
        promtext_init(&t, (struct span){copy, n});
        while (promtext_next(&t, &line, NULL) != ERR_CLOSED)
            continue;
        free(copy);
    }
}
