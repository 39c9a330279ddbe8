/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
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

/* OpenMetrics and quoted names. */

static enum status read_as(const char *text, enum page_format format, bool exact, struct err *err)
{
    static struct promtext t;
    promtext_init(&t, (struct span){text, strlen(text)});
    t.format = format;
    t.exact = exact;
    t.quoted = true;
    return promtext_next(&t, &line, err);
}

TEST(openmetrics_times_are_seconds)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"a 1 5\n", 5000},
        {"a 1 1520879607.789\n", INT64_C(1520879607789)},
        {"a 1 -1.5\n", -1500},
        {"a 1 1.5e3\n", 1500000},
        {"a 1 0.0004\n", 0},
        {"a 1 0.0006\n", 1},
        {"a 1 12345678901234567890.5\n", CLOCK_MAX_MS},
        {"a 1 -1e300\n", CLOCK_MIN_MS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int exact = 0; exact < 2; exact++) {
            CHECK_INT(read_as(cases[i].text, FORMAT_OPENMETRICS, exact, NULL), OK);
            CHECK(line.value.has_ts && !line.value.has_created && !line.value.exemplar);
            CHECK_INT(line.value.ts_ms, cases[i].ms);
        }
    }
    CHECK_INT(read_as("a 1 1.5\n", FORMAT_TEXT, false, NULL), ERR_INVALID);
    CHECK_INT(read_as("a 1 9223372036854775807\n", FORMAT_TEXT, true, NULL), OK);
    CHECK_INT(line.value.ts_ms, CLOCK_MAX_MS);
}

TEST(an_exemplar_is_read_with_its_labels_value_and_time)
{
    static const char text[] = "a{b=\" # {\"} 17 5 # {c=\"d\\n\",e=\"\"} -0.5 7.25\n";
    for (int exact = 0; exact < 2; exact++) {
        CHECK_INT(read_as(text, FORMAT_OPENMETRICS, exact, NULL), OK);
        const struct promtext_exemplar *e = line.value.exemplar;
        CHECK(e != NULL);
        CHECK_DBL(line.value.number, 17);
        CHECK_INT(line.value.ts_ms, 5000);
        CHECK_INT(e->labels_len, 2);
        CHECK(span_is(e->labels[0].name, "c") && span_is(e->labels[0].value, "d\\n"));
        CHECK(e->labels[0].escaped && span_is(e->labels[1].name, "e"));
        CHECK_DBL(e->number, -0.5);
        CHECK(e->has_ts);
        CHECK_INT(e->ts_ms, 7250);
        CHECK(*e->at == '#' && e->at[1] == ' ' && e->at[-2] == '5');
    }
    CHECK_INT(read_as("a 1 # {} 2\n", FORMAT_OPENMETRICS, true, NULL), OK);
    CHECK(line.value.exemplar && !line.value.exemplar->has_ts && !line.value.has_ts);
    CHECK_INT(read_as("a 1\n", FORMAT_OPENMETRICS, true, NULL), OK);
    CHECK(!line.value.exemplar);
}

TEST(leniently_blanks_of_openmetrics_do_not_matter)
{
    static const char text[] = " a {b = \"c\" , } 17  5\tst@4   #  { d = \"e\" } 1 2  # {} 3 \r\n";
    CHECK_INT(read_as(text, FORMAT_OPENMETRICS, false, NULL), OK);
    CHECK(line.value.has_ts && line.value.has_created && line.value.exemplar);
    CHECK_INT(line.value.created_ms, 4000);
    CHECK_DBL(line.value.exemplar->number, 1); /* the first one */
    CHECK_INT(read_as(text, FORMAT_OPENMETRICS, true, NULL), ERR_INVALID);
    CHECK_INT(read_as("a 1 st@1.5", FORMAT_OPENMETRICS, false, NULL), OK);
    CHECK(!line.value.has_ts);
    CHECK_INT(line.value.created_ms, 1500);
    CHECK_INT(read_as("\n# a comment\n\n# EOF", FORMAT_OPENMETRICS, false, NULL), OK);
    CHECK_INT(line.item, PROMTEXT_EOF);
}

TEST(what_is_wrong_with_an_exemplar_is_named)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"a 1 #\n", "line 1, column 6: no '{' behind the '#' of an exemplar"},
        {"a 1 # {b} 1\n", "line 1, column 9: no '=' after the label name"},
        {"a 1 # {}\n", "line 1, column 9: no value"},
        {"a 1 # {} x\n", "line 1, column 10: the value is no number"},
        {"a 1 # {} 1 x\n", "line 1, column 12: the timestamp is no real number"},
        {"a 1 # {} 1 2 3\n", "line 1, column 14: more text behind the sample"},
        {"a 1 st@x\n", "line 1, column 8: the timestamp is no real number"},
        {"a 1 NaN\n", "line 1, column 5: the timestamp is no real number"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {.text = "no error"};
        CHECK_INT(read_as(cases[i].text, FORMAT_OPENMETRICS, false, &err), ERR_INVALID);
        CHECK_STR(err.text, cases[i].error);
    }
}

TEST(an_exemplar_has_its_own_bound_of_labels)
{
    char text[3000];
    int n = snprintf(text, sizeof text, "a 1 # {");
    for (int i = 0; i <= PROMTEXT_EXEMPLAR_LABELS; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "l%d=\"v\",", i);
    snprintf(text + n, sizeof text - (size_t)n, "} 1\n");
    CHECK_INT(read_as(text, FORMAT_OPENMETRICS, false, NULL), ERR_LIMIT);
}

TEST(quoted_names_are_read_when_asked_for)
{
    static const enum page_format formats[] = {FORMAT_TEXT, FORMAT_OPENMETRICS};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        enum page_format f = formats[i];
        for (int exact = 0; exact < 2; exact++) {
            CHECK_INT(read_as("{\"a.b\\n\",\"c d\"=\"e\",f=\"g\"} 1\n", f, exact, NULL), OK);
            CHECK(line.quoted && line.name_escaped && span_is(line.name, "a.b\\n"));
            CHECK_INT(line.labels_len, 2);
            CHECK(line.labels[0].quoted && span_is(line.labels[0].name, "c d"));
            CHECK(!line.labels[1].quoted && !line.labels[0].name_escaped);
            CHECK_INT(read_as("# TYPE \"a.b\" gauge\n", f, exact, NULL), OK);
            CHECK(line.quoted && span_is(line.name, "a.b"));
            CHECK_INT(line.kind, SERIES_GAUGE);
        }
    }
    CHECK_INT(read_as("a 1\n", FORMAT_TEXT, false, NULL), OK);
    CHECK(!line.quoted && !line.name_escaped);
    CHECK_INT(read_first("{\"a\"} 1\n", NULL), ERR_INVALID);
    CHECK_INT(read_first("a{\"b\"=\"c\"} 1\n", NULL), ERR_INVALID);
    CHECK_INT(read_first("# TYPE \"a\" gauge\n", NULL), ERR_INVALID);
}

TEST(a_value_may_be_read_alone)
{
    static struct promtext t;
    struct promtext_value v;
    static const char text[] = "17 5 # {a=\"b\"} 1\nx";
    promtext_init(&t, (struct span){text, strlen(text)});
    t.format = FORMAT_OPENMETRICS;
    t.exact = true;
    CHECK(promtext_value(&t, &v));
    CHECK(v.exemplar && v.has_ts && *t.at == 'x');
    CHECK(!promtext_value(&t, &v));
    CHECK_STR(t.rule, "number");
}

/* Every beginning of a body, in memory of exactly its size: the asan preset sees
 * one byte read too far. */
TEST(nothing_is_read_behind_the_end)
{
    static const char text[] =
        "# HELP a b\\n\n# TYPE a counter\na{b=\"c\\\"\",d=\"e\"} +Inf -12 # {f=\"g\"} 1 2\r\n"
        "{\"h\\\"\",\"i\"=\"j\"} 1 2 st@3 # {} 4 5\n# UNIT \"k\" l\nb 1e5\n# EOF";
    for (size_t n = 0; n < 4 * sizeof text; n++) {
        size_t len = n / 4;
        char *copy = malloc(len + (len == 0));
        memcpy(copy, text, len);
        static struct promtext t;
        promtext_init(&t, (struct span){copy, len});
        t.format = n & 1 ? FORMAT_OPENMETRICS : FORMAT_TEXT;
        t.exact = n & 2;
        t.quoted = true;
        while (promtext_next(&t, &line, NULL) != ERR_CLOSED)
            continue;
        free(copy);
    }
}
