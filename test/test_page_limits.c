/* SPDX-License-Identifier: Apache-2.0 */
/* What a page takes in, and what it refuses. */
#include "buf.h"
#include "mem.h"
#include "read.h"
#include "test.h"

/* Reads text and checks the values that were taken, as "1 2 3 ". */
static struct page_faults check_read(struct page *p, const char *text, const char *want)
{
    AUTO(batch) struct batch b = {0};
    AUTO(buf) struct buf got = BUF_INIT(1000);
    struct page_faults faults;
    page_read(p, (struct span){text, strlen(text)}, 1, &b, &faults);
    for (size_t i = 0; i < b.len; i++)
        CHECK_INT(buf_printf(&got, "%g ", b.samples[i].value), OK);
    CHECK_STR(got.data, want);
    return faults;
}

TEST(the_first_samples_of_a_scrape_count_known_or_not)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_samples = 2;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    for (int scrape = 0; scrape < 3; scrape++) {
        struct page_faults f = check_read(p, "a 1\nb 2\nc 3\nd 4\n", "1 2 ");
        CHECK_INT(f.refused_by[PAGE_MAX_SAMPLES], 2);
        CHECK_INT(f.refused, 2);
        CHECK_STR(f.first_refused.text, "max_samples: c");
        CHECK_INT(f.added, scrape == 0 ? 2 : 0);
    }
    check_read(p, "new 0\na 1\nb 2\n", "0 1 ");
    CHECK_INT(page_stats(p).series, 2); /* b has ended */
    check_read(p, "x 5\ny 6\n", "5 6 ");
}

TEST(a_target_may_lower_the_number_of_samples_and_not_raise_it)
{
    static const struct {
        int64_t max_samples;
        const char *want;
    } cases[] = {{0, "1 2 "}, {1, "1 "}, {5, "1 2 "}};
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_samples = 2;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_PTR(target)
        struct target *t =
            target_new(&(struct target){.id = "x", .max_samples = cases[i].max_samples});
        AUTO_PTR(page) struct page *p = page_new(t, &limits, 0);
        check_read(p, "a 1\nb 2\nc 3\n", cases[i].want);
    }
}

TEST(a_scrape_adds_some_new_series_and_the_next_one_more)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_new_series = 2;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    static const char text[] = "a 1\nb 2\nc 3\nd 4\ne 5\n";
    struct page_faults f = check_read(p, text, "1 2 ");
    CHECK_INT(f.refused_by[PAGE_MAX_NEW_SERIES], 3);
    CHECK_STR(f.first_refused.text, "max_new_series: c");
    CHECK_INT(check_read(p, text, "1 2 3 4 ").refused, 1);
    f = check_read(p, text, "1 2 3 4 5 ");
    CHECK_INT(f.refused, 0);
    CHECK_INT(f.added, 1);
}

TEST(no_name_above_the_limit_is_taken_and_known_ones_go_on)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_names = 2;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    static const char text[] = "# TYPE h histogram\nh_sum 1\nh_count 2\nb 3\nc 4\n";
    for (int scrape = 0; scrape < 2; scrape++) {
        struct page_faults f = check_read(p, text, "1 2 3 ");
        CHECK_INT(f.refused_by[PAGE_MAX_NAMES], 1);
        CHECK_STR(f.first_refused.text, "max_names: c");
    }
    check_read(p, "b{x=\"y\"} 5\nh_sum 1\nb 3\nh_count 2\n", "5 1 3 2 "); /* no TYPE any more */
    CHECK_INT(page_stats(p).families, 2);
    check_read(p, "c 1\nd 2\nb 3\n", "3 "); /* names are free from the next scrape on */
    check_read(p, "c 1\nd 2\nb 3\n", "1 3 ");
}

TEST(known_series_go_on_where_new_ones_are_refused)
{
    static const struct {
        const char *name;
        enum page_refusal why;
        struct page_limits limits;
    } cases[] = {
        {"max_series: c", PAGE_MAX_SERIES, {.max_series = 2}},
        {"max_bytes: c", PAGE_MAX_BYTES, {.max_bytes = 200}},
        {"max_names: c", PAGE_MAX_NAMES, {.max_names = 2}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page_limits limits = PAGE_LIMITS_DEFAULT;
        if (cases[i].limits.max_series)
            limits.max_series = cases[i].limits.max_series;
        if (cases[i].limits.max_bytes)
            limits.max_bytes = cases[i].limits.max_bytes;
        if (cases[i].limits.max_names)
            limits.max_names = cases[i].limits.max_names;
        AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
        check_read(p, "a 1\nb 2\n", "1 2 ");
        for (unsigned scrape = 1; scrape <= 3; scrape++) {
            struct page_faults f = check_read(p, "c 0\na 1\nd 9\nb 2\n", "1 2 ");
            CHECK_STR(f.first_refused.text, cases[i].name);
            CHECK_INT(f.refused_by[cases[i].why], 2);
            CHECK_INT(page_stats(p).refused[cases[i].why], 2 * scrape);
        }
    }
}

TEST(a_page_with_refusals_at_limits_allocates_nothing)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_samples = 6;
    limits.max_series = 5;
    limits.max_names = 3;
    limits.max_labels = 2;
    limits.max_value_bytes = 20;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    static const char text[] =
        "# HELP a Some \\\\ help.\n# TYPE a gauge\na 1\na 1\nb{x=\"1\",x=\"2\"} 2\n"
        "# HELP b More help.\n# UNIT b seconds\nb 2\nb{x=\"1\"} 2\n"
        "b{x=\"1\",y=\"2\",z=\"3\"} 2\nc 3\nd 4\nc{x=\"1\"} 5\n"
        "c{x=\"2\"} 6\nc{x=\"3\"} 7\nnot a line\n";
    for (int scrape = 0; scrape < 3; scrape++)
        CHECK_INT(read_text(p, text)->len, 5);
    uint64_t before = mem_count();
    CHECK_INT(read_text(p, text)->len, 5);
    CHECK_INT(mem_count(), before);
    CHECK(page_stats(p).refused[PAGE_MAX_NAMES] > 0 && page_stats(p).refused[PAGE_MAX_SERIES] > 0);
    CHECK(page_stats(p).refused[PAGE_MAX_LABELS] > 0 && page_stats(p).lines_bad == 4);
}

TEST(the_first_names_that_were_refused_are_told)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_labels = 1;
    limits.max_series = 1;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    for (int scrape = 0; scrape < 2; scrape++) {
        struct page_faults f = check_read(p,
                                          "a 0\nb 1\nb{x=\"1\"} 2\nb{x=\"1\",y=\"2\"} 3\n"
                                          "c 4\na 5\nd 6\ne 7\nf 8\n",
                                          "0 ");
        static const struct page_named want[] = {{PAGE_MAX_SERIES, "b"},
                                                 {PAGE_MAX_LABELS, "b"},
                                                 {PAGE_MAX_SERIES, "c"},
                                                 {PAGE_SERIES_TWICE, "a"},
                                                 {PAGE_MAX_SERIES, "d"}};
        CHECK_INT(f.refused, 8);
        CHECK_INT(f.named_len, ARRAY_LEN(want));
        for (size_t i = 0; i < ARRAY_LEN(want); i++) {
            CHECK_INT(f.named[i].why, want[i].why);
            CHECK_STR(f.named[i].name, want[i].name);
        }
    }
}

TEST(every_limit_is_looked_at_before_any_rule_in_both_formats)
{
    static const struct {
        struct page_limits limits; /* 0: the default */
        const char *text, *refused;
    } cases[] = {
        {{.max_series = 1}, "a 1\nb 2\n", "max_series: b"},
        {{.max_bytes = 100}, "a 1\nb 2\n", "max_bytes: b"},
        {{.max_labels = 1}, "a 1\nb{x=\"1\",y=\"2\"} 2\n", "max_labels: b"},
        {{.max_name_bytes = 2}, "a 1\nbcd 2\n", "max_name_bytes: bcd"},
        {{.max_name_bytes = 2}, "a 1\nb{xyz=\"1\"} 2\n", "max_name_bytes: b"},
        {{.max_value_bytes = 2}, "a 1\nb{x=\"123\"} 2\n", "max_value_bytes: b"},
        {{.max_samples = 1}, "a 1\nb 2\n", "max_samples: b"},
        {{.max_new_series = 1}, "a 1\nb 2\n", "max_new_series: b"},
        {{.max_names = 1}, "a 1\nb 2\n", "max_names: b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page_limits limits = PAGE_LIMITS_DEFAULT;
        size_t *to = (size_t *)&limits;
        const size_t *from = (const size_t *)&cases[i].limits;
        for (size_t k = 0; k < sizeof limits / sizeof *to; k++)
            to[k] = from[k] ? from[k] : to[k];
        for (int format = FORMAT_TEXT; format <= FORMAT_OPENMETRICS; format++) {
            AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
            page_set_manner(p, &(struct page_manner){.format = (enum page_format)format});
            struct page_faults f = check_read(p, cases[i].text, "1 ");
            CHECK_STR(f.first_refused.text, cases[i].refused);
            CHECK_INT(f.refused, 1);
        }
    }
}

TEST(every_refusal_has_a_name)
{
    for (int i = 0; i < PAGE_REFUSALS; i++)
        CHECK(page_refusal_name((enum page_refusal)i)[0] != '\0');
    CHECK_STR(page_refusal_name(PAGE_MAX_NEW_SERIES), "max_new_series");
}

TEST(a_line_longer_than_the_limit_is_a_bad_line)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_line_bytes = 10;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    static const struct {
        const char *text, *want;
        unsigned bad;
    } cases[] = {
        {"a 34567890\nb 2\n", "3.45679e+07 2 ", 0},
        {"a 345678901\nb 2\n", "2 ", 1},
        {"b 2\na 34567890\n", "2 3.45679e+07 ", 0},
        {"b 2\na 345678901\n", "2 ", 1},
        {"# HELP a h\na 1\n", "1 ", 0}, /* two lines, together above the limit */
        {"# HELP a 11\na 1\n", "1 ", 1},
        {"# a comment\na 1\n", "1 ", 1},
        {"          \na 1\n", "1 ", 0},
        {"           \na 1\n", "1 ", 1},
        {"a 3456789 \r\nb 2\n", "2 ", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int scrape = 0; scrape < 2; scrape++) {
            struct page_faults f = check_read(p, cases[i].text, cases[i].want);
            CHECK_INT(f.lines_bad, cases[i].bad);
            if (f.lines_bad)
                CHECK(strstr(f.first_bad.text, ", column 11: the line is too long") != NULL);
        }
    }
    check_read(p, "a 1\nb 2\n", "1 2 ");
    CHECK_INT(check_read(p, "a 1          \nb 2\n", "2 ").lines_bad, 1); /* known, then longer */
}

/* A page that was cut may end within a number. */
TEST(where_a_page_may_have_been_cut_a_line_without_its_end_is_a_bad_line)
{
    const struct page_manner manner = {.may_be_cut = true};
    static const struct {
        const char *text, *want;
        unsigned line; /* 0: good */
    } cases[] = {
        {"a 1\nb 23", "1 ", 2}, {"b 23", "", 1}, {"\n\nb 23", "", 3}, {"a 1\nb 2\n ", "1 2 ", 3},
        {"a 1\n# x", "1 ", 2},  {"", "", 0},     {"a 1\n", "1 ", 0},
    };
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    check_read(p, "a 1\nb 23", "1 23 "); /* a whole one */
    page_set_manner(p, &manner);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int scrape = 0; scrape < 2; scrape++) {
            AUTO(buf) struct buf want = BUF_INIT(100);
            struct page_faults f = check_read(p, cases[i].text, cases[i].want);
            CHECK_INT(buf_printf(&want,
                                 "line %u, column 1: the last line does not end with a line feed",
                                 cases[i].line),
                      OK);
            CHECK_INT(f.lines_bad, cases[i].line > 0);
            if (f.lines_bad)
                CHECK_STR(f.first_bad.text, want.data);
        }
        check_read(p, "a 1\nb 2\n", "1 2 ");
    }
}

static void check_time(bool honor, const char *text, int64_t want)
{
    AUTO_PTR(target)
    struct target *t = target_new(&(struct target){.id = "x", .honor_timestamps = honor});
    AUTO_PTR(page) struct page *p = page_new(t, &PAGE_LIMITS_DEFAULT, 0);
    for (int scrape = 0; scrape < 2; scrape++)
        CHECK_INT(read_text(p, text)->samples[0].ts_ms, want);
}

TEST(exposed_times_count_if_the_target_honors_them)
{
    check_time(true, "a 1 5\n", 5);
    check_time(false, "a 1 5\n", INT64_C(1795271160123));
    check_time(true, "a 1\n", INT64_C(1795271160123));
}

TEST(another_unit_or_help_makes_the_series_of_that_family_forget)
{
    static const struct {
        const char *text;
        bool forgotten;
    } scrapes[] = {
        {"# HELP a One.\n# UNIT a x\na 1\nb 1\n", false},
        {"# HELP a One.\n# UNIT a x\na 2\nb 1\n", false},
        {"# HELP a Two.\n# UNIT a x\na 2\nb 1\n", true},
        {"# HELP a Two.\n# UNIT a y\na 2\nb 1\n", true},
        {"# UNIT a y\na 2\nb 1\n", false},
    };
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    for (size_t i = 0; i < ARRAY_LEN(scrapes); i++) {
        struct batch *b = read_text(p, scrapes[i].text);
        for (size_t k = 0; k < 2; k++) {
            struct series *s = b->samples[k].series;
            CHECK_INT(series_part(s, 0).data == NULL, i == 0 || (k == 0 && scrapes[i].forgotten));
            if (!series_part(s, 0).data)
                series_set_part(s, 0, (struct span){"part", 4});
        }
    }
    read_text(p, "");
    read_text(p, "");
    CHECK_INT(page_stats(p).bytes, 0);
}

TEST(a_series_that_changes_its_family_forgets_what_was_derived)
{
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    struct series *s = read_text(p, "# TYPE h histogram\nh_sum 1\n")->samples[0].series;
    series_set_part(s, 0, (struct span){"part", 4});
    s->asked = true;
    s = read_text(p, "h_sum 1\n")->samples[0].series;
    CHECK(series_part(s, 0).data == NULL && !s->asked);
    CHECK_STR(family_name(s->family), "h_sum");
}
