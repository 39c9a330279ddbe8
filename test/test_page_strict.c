/* SPDX-License-Identifier: Apache-2.0 */
/* Strict mode: a faulty page is refused before anything of it is taken, and a good one costs a scrape
 * like any other. */
#include "buf.h"
#include "check.h"
#include "mem.h"
#include "page.h"
#include "test.h"

static struct page *new_page(enum page_format format)
{
    struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    page_set_manner(p, &(struct page_manner){.format = format, .mode = MODE_STRICT});
    return p;
}

static struct batch batch; /* as in a worker */

static struct page_faults read_page(struct page *p, const char *text)
{
    struct page_faults f;
    page_read(p, (struct span){text, strlen(text)}, 1, &batch, &f);
    return f;
}

/* Reads good, whose lines are known then, and bad, which is refused for the fault that it has. */
static void check_refused(enum page_format format, const char *good, const char *bad,
                          const char *rule, size_t i)
{
    AUTO_PTR(page) struct page *p = new_page(format);
    for (int k = 0; k < 2; k++)
        if (read_page(p, good).strict)
            test_fail(__FILE__, __LINE__, "case %zu: the good page is refused: %s", i,
                      read_page(p, good).first_bad.text);
    size_t series = page_stats(p).series;
    uint64_t known = page_stats(p).known;
    struct page_faults f = read_page(p, bad);
    CHECK_INT(batch_records(&batch), 0);
    CHECK_INT(page_stats(p).series, series);
    CHECK_INT(page_stats(p).known, known);
    if (!f.strict || !f.unreadable || !strstr(f.first_bad.text, rule))
        test_fail(__FILE__, __LINE__, "case %zu: '%s', want %s", i, f.first_bad.text, rule);
    f = read_page(p, good); /* as if nothing had been */
    CHECK(!f.strict && f.added == 0 && batch.ended_len == 0);
    CHECK(page_stats(p).known > known);
}

#define HISTOGRAM(b1, inf, sum, count)                                                           \
    "# TYPE h histogram\nh_bucket{le=\"1.0\"} " b1 "\nh_bucket{le=\"+Inf\"} " inf "\nh_sum " sum \
    "\nh_count " count "\n"

TEST(what_a_value_may_not_be_is_found_on_known_lines)
{
    static const struct {
        const char *good, *bad, *rule;
    } cases[] = {
        {"# TYPE c counter\nc_total 1\n# EOF\n", "# TYPE c counter\nc_total -1\n# EOF\n",
         "(counter-negative)"},
        {"# TYPE c counter\nc_total 1\n# EOF\n", "# TYPE c counter\nc_total NaN\n# EOF\n",
         "(counter-nan)"},
        {"a 1\n# EOF\n", "a 1x\n# EOF\n", "(number)"},
        {"a 1\n# EOF\n", "a 1  \n# EOF\n", "(white-space)"},
        {"a 1\n# EOF\n", "a 1 # {} 1\n# EOF\n", "(exemplar-place)"},
        {HISTOGRAM("1", "2", "3", "2") "# EOF\n", HISTOGRAM("3", "2", "3", "2") "# EOF\n",
         "(bucket-cumulative)"},
        {HISTOGRAM("1", "2", "3", "2") "# EOF\n", HISTOGRAM("1", "2", "3", "4") "# EOF\n",
         "(count-differs)"},
        {HISTOGRAM("1", "2", "3", "2") "# EOF\n", HISTOGRAM("1.5", "2", "3", "2") "# EOF\n",
         "(bucket-integer)"},
        {HISTOGRAM("1", "2", "3", "2") "# EOF\n", HISTOGRAM("1", "2", "-3", "2") "# EOF\n",
         "(sum-negative)"},
        {"# TYPE h histogram\nh_count 2\nh_sum 1\nh_bucket{le=\"+Inf\"} 2\n# EOF\n",
         "# TYPE h histogram\nh_count 2\nh_sum 1\nh_bucket{le=\"+Inf\"} 3\n# EOF\n",
         "(count-differs)"},
        {"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 1\ns_sum 1\n# EOF\n",
         "# TYPE s summary\ns{quantile=\"0.5\"} -1\ns_count 1\ns_sum 1\n# EOF\n",
         "(quantile-negative)"},
        {"# TYPE s summary\ns_count 1\ns_sum 1\n# EOF\n",
         "# TYPE s summary\ns_count 1.5\ns_sum 1\n# EOF\n", "(count-integer)"},
        {"# TYPE i info\ni_info{a=\"b\"} 1\n# EOF\n", "# TYPE i info\ni_info{a=\"b\"} 2\n# EOF\n",
         "(info-value)"},
        {"# TYPE t stateset\nt{t=\"b\"} 1\n# EOF\n", "# TYPE t stateset\nt{t=\"b\"} 2\n# EOF\n",
         "(stateset-value)"},
        {"# TYPE c counter\nc_total 1\nc_created 1\n# EOF\n",
         "# TYPE c counter\nc_total 1\nc_created NaN\n# EOF\n", "(created-time)"},
        {"# TYPE c counter\nc_total 1 5\nc_created 1 5\n# EOF\n",
         "# TYPE c counter\nc_total 1 5\nc_created 1 4\n# EOF\n", "(timestamp-order)"},
        {"# TYPE c counter\nc_total 1\nc_created 1\n# EOF\n",
         "# TYPE c counter\nc_total 1\nc_created 1 4\n# EOF\n", "(timestamp-mixed)"},
        {"# TYPE t stateset\nt{t=\"a\"} 1\nt{t=\"b\"} 0\n# EOF\n",
         "# TYPE t stateset\nt{t=\"a\"} 1\nt{t=\"b\"} 0 4\n# EOF\n", "(timestamp-mixed)"},
        {"# TYPE h histogram\nh_bucket{le=\"1.0\"} 1 # {a=\"b\"} 0.5\nh_bucket{le=\"+Inf\"} 1\n# "
         "EOF\n",
         "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1 # {a=\"b\"} 1.5\nh_bucket{le=\"+Inf\"} 1\n# "
         "EOF\n",
         "(exemplar-bucket)"},
        {"# TYPE c counter\nc_total 1 # {a=\"b\"} 1\n# EOF\n",
         "# TYPE c counter\nc_total 1 # {a=\"b\",a=\"c\"} 1\n# EOF\n", "(label-twice)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused(FORMAT_OPENMETRICS, cases[i].good, cases[i].bad, cases[i].rule, i);
}

TEST(what_is_missing_or_behind_the_last_line_is_found)
{
    static const char good[] = HISTOGRAM("1", "2", "3", "2") "# EOF\n";
    static const struct {
        const char *bad, *rule;
    } cases[] = {
        {HISTOGRAM("1", "2", "3", "2"), "(eof-missing)"},
        {HISTOGRAM("1", "2", "3", "2") "# EOX\n", "(comment)"},
        {HISTOGRAM("1", "2", "3", "2") "# EOF\n ", "(after-eof)"},
        {"# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 2\n# EOF\n",
         "(sum-count)"},
        {"# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_sum 2\nh_count 1\n# EOF\n",
         "(inf-missing)"},
        {"", "(eof-missing)"},
        {"<html>\n", "(metric-name)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused(FORMAT_OPENMETRICS, good, cases[i].bad, cases[i].rule, i);
}

#define MIXED(inf)                                                                 \
    "# TYPE h histogram\nh_sum{a=\"1\"} 1\nh_sum{a=\"2\"} 1\nh_count{a=\"1\"} 2\n" \
    "h_count{a=\"2\"} 3\nh_bucket{a=\"1\",le=\"+Inf\"} " inf "\nh_bucket{a=\"2\",le=\"+Inf\"} 3\n"

TEST(the_text_format_has_rules_of_its_own)
{
    static const char good[] = HISTOGRAM("1", "2", "3", "2");
    static const struct {
        const char *good, *bad, *rule;
    } cases[] = {
        {good, HISTOGRAM("1", "2", "3", "4"), "(count-differs)"},
        {good, HISTOGRAM("1", "4", "3", "2"), "(count-differs)"},
        {"a 1\n", "a 1", "(newline-missing)"},
        {"a 1\n", "a 1\r\n", "(carriage-return)"},
        {good, "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 2\n",
         "(count-missing)"},
        {"# TYPE h histogram\nh_count 2\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\n",
         "# TYPE h histogram\nh_count 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 1\n", "(count-differs)"},
        /* label sets mixed, which is nowhere forbidden */
        {MIXED("2"), MIXED("3"), "(count-differs)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused(FORMAT_TEXT, cases[i].good, cases[i].bad, cases[i].rule, i);
}

TEST(the_fault_is_told_as_check_page_tells_it)
{
    AUTO_PTR(page) struct page *p = new_page(FORMAT_OPENMETRICS);
    struct page_faults f = read_page(p, "# TYPE c counter\nc_total{a=\"b\"} -7\n# EOF\n");
    CHECK_STR(f.first_bad.text,
              "line 2, column 16: -7: what is counted is not negative (counter-negative)");
    CHECK_INT(f.lines_bad, 1);
    CHECK_INT(page_stats(p).lines_bad, 1);
    CHECK_INT(page_stats(p).series, 0);
}

TEST(a_good_page_that_repeats_is_known_and_allocates_nothing)
{
    static const char *const texts[] = {
        "# TYPE c counter\n# HELP c Help.\nc_total{a=\"1\"} 1 # {t=\"x\",s=\"y\"} 1 2\n"
        "c_created{a=\"1\"} 5\nc_total{a=\"2\"} 1\nc_created{a=\"2\"} 5.25\n" HISTOGRAM(
            "1", "2", "3", "2") "h_created 4\n# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n",
        "# TYPE c counter\n# HELP c Help.\nc_total{a=\"1\"} 2 # {t=\"z\",s=\"y\"} 1 2\n"
        "c_created{a=\"1\"} 5\nc_total{a=\"2\"} 7\nc_created{a=\"2\"} 5.25\n" HISTOGRAM(
            "2", "7", "3", "7") "h_created 4\n# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n",
    };
    AUTO_PTR(page) struct page *p = new_page(FORMAT_OPENMETRICS);
    for (int i = 0; i < 4; i++)
        CHECK(!read_page(p, texts[i % 2]).strict);
    uint64_t known = page_stats(p).known, parsed = page_stats(p).parsed, before = mem_count();
    for (int i = 0; i < 4; i++)
        CHECK(!read_page(p, texts[i % 2]).strict);
    CHECK_INT(mem_count(), before);
    CHECK_INT(page_stats(p).parsed, parsed);
    CHECK_INT(page_stats(p).known, known + 4 * 10);
    CHECK_INT(batch.len, 7);
    batch_done(&batch);
}

TEST(a_refusal_is_a_failure_and_the_next_one_ends_all)
{
    AUTO_PTR(page) struct page *p = new_page(FORMAT_OPENMETRICS);
    read_page(p, "a 1\nb 2\n# EOF\n");
    for (int i = 0; i < 2; i++) {
        CHECK(read_page(p, "a 1\nb 2\n").unreadable);
        page_failed(p, 2, &batch);
        CHECK_INT(batch.ended_len, i == 0 ? 0 : 2);
    }
    struct page_faults f = read_page(p, "a 1\nb 2\n# EOF\n");
    CHECK_INT(f.added, 2); /* they are new */
}

TEST(lines_come_and_go_on_good_pages)
{
    static const struct {
        const char *text;
        size_t len, ended, added;
    } scrapes[] = {
        {"a 1\nb 2\n# EOF\n", 2, 0, 2},      {"a 1\nc 3\nb 2\n# EOF\n", 3, 0, 1},
        {"a 1\nc 3\nb 2\n# EOF\n", 3, 0, 0}, {"c 3\nb 2\n# EOF\n", 2, 1, 0},
        {"c 3\n# EOF\n", 1, 1, 0},           {"# EOF\n", 0, 1, 0},
        {"c 3\n# EOF\n", 1, 0, 1},
    };
    AUTO_PTR(page) struct page *p = new_page(FORMAT_OPENMETRICS);
    for (size_t i = 0; i < ARRAY_LEN(scrapes); i++) {
        struct page_faults f = read_page(p, scrapes[i].text);
        CHECK(!f.strict);
        CHECK_INT(batch.len, scrapes[i].len);
        CHECK_INT(batch.ended_len, scrapes[i].ended);
        CHECK_INT(f.added, scrapes[i].added);
    }
}

TEST(a_page_that_was_salvaged_is_checked_whole_when_it_is_strict)
{
    static const char text[] = "# TYPE c counter\nc_total -1\n# EOF\n";
    AUTO_PTR(page) struct page *p = new_page(FORMAT_OPENMETRICS);
    page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS});
    for (int i = 0; i < 2; i++)
        CHECK(!read_page(p, text).unreadable);
    page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS, .mode = MODE_STRICT});
    CHECK(read_page(p, text).strict);
    page_set_manner(p, &(struct page_manner){.format = FORMAT_TEXT, .mode = MODE_STRICT});
    CHECK(!read_page(p, text).strict); /* c and c_total are two families there */
    page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS, .mode = MODE_STRICT});
    CHECK(read_page(p, text).strict);
}

TEST(limits_refuse_samples_of_a_strict_page_and_not_the_page)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_samples = 2;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS, .mode = MODE_STRICT});
    for (int i = 0; i < 3; i++) {
        struct page_faults f = read_page(p, "a 1\nb 2\nc 3\n# EOF\n");
        CHECK(!f.strict);
        CHECK_INT(f.refused_by[PAGE_MAX_SAMPLES], 1);
        CHECK_INT(batch.len, 2);
    }
}
