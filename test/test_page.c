/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"
#include "mem.h"
#include "read.h"
#include "test.h"

static struct page *new_page(void)
{
    return page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
}

static void check_sample(const struct batch *b, size_t i, const char *name, double value)
{
    CHECK(i < b->len);
    CHECK_STR(series_name(b->samples[i].series), name);
    CHECK_DBL(b->samples[i].value, value);
}

TEST(a_series_has_sorted_labels_and_an_id_of_its_own)
{
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a{y=\"2\",x=\"q\\\\\",z=\"\"} 1\na 2\n");
    struct series *s = b->samples[0].series;
    struct label l = series_first(s);
    CHECK_STR(l.name, "x");
    CHECK_STR(l.value, "q\\");
    l = series_next(s, l);
    CHECK_STR(l.name, "y");
    CHECK(series_next(s, l).name == NULL);
    CHECK_STR(series_label(s, "y"), "2");
    CHECK(series_label(s, "z") == NULL); /* "" is the same as absent */
    CHECK(series_first(b->samples[1].series).name == NULL);

    AUTO_PTR(page) struct page *other = new_page();
    uint64_t second = b->samples[1].series->id;
    b = read_text(other, "a{x=\"q\\\\\",y=\"2\"} 7\n");
    CHECK(b->samples[0].series->id == s->id);
    CHECK(b->samples[0].series->id != second);
}

TEST(an_id_is_the_same_in_every_process)
{
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "up{pod=\"a\"} 1\n");
    CHECK(b->samples[0].series->id == UINT64_C(0xcf639b17b5cf2c2d)); /* for ever */
}

TEST(the_second_scrape_knows_every_line)
{
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "# TYPE a gauge\na{x=\"1\"} 1\n\n# a comment\nb 2 5\n");
    uint64_t a = b->samples[0].series->id;
    b = read_text(p, "# TYPE a gauge\na{x=\"1\"} 10\n\n# a comment\nb 20 6\n");
    CHECK_INT(page_stats(p).known, 2);
    CHECK_INT(page_stats(p).parsed, 2);
    CHECK(b->samples[0].series->id == a);
    check_sample(b, 0, "a", 10);
    check_sample(b, 1, "b", 20);
    CHECK_INT(b->samples[0].ts_ms, INT64_C(1795271160123));
    CHECK_INT(b->samples[1].ts_ms, 6);
    CHECK(span_is(b->samples[1].text, "20"));
}

TEST(a_repeat_scrape_allocates_nothing)
{
    AUTO_PTR(page) struct page *p = new_page();
    page_rest(p, read_text(p, "a 1\nb 2\nc 3\nd 4\n"));
    uint64_t before = mem_count();
    CHECK_INT(read_text(p, "a 5\nb 6\nc 0.1234567890123456789\nd NaN\n")->len, 4);
    CHECK_INT(mem_count(), before);
}

TEST(a_line_gained_or_lost_costs_one_slow_line)
{
    AUTO_PTR(page) struct page *p = new_page();
    read_text(p, "a 1\nb 1\nc 1\nd 1\n");
    read_text(p, "a 1\nnew 1\nb 1\nc 1\nd 1\n");
    CHECK_INT(page_stats(p).parsed, 4 + 1);
    series_set_part(read_text(p, "a 1\nnew 1\nb 1\nc 1\nd 1\n")->samples[3].series, 0,
                    (struct span){"part", 4});
    struct batch *b = read_text(p, "a 1\nc 1\nd 1\n");
    CHECK_INT(page_stats(p).parsed, 4 + 1 + 1);
    CHECK_INT(b->len, 3);
    CHECK(span_is(series_part(b->samples[1].series, 0), "part")); /* c was the slow one */
    CHECK_INT(b->ended_len, 2);
    CHECK_STR(series_name(b->ended[0]), "new");
    CHECK_STR(series_name(b->ended[1]), "b");
    b = read_text(p, "c 1\nd 1\na 1\n");
    CHECK_INT(b->len, 3);
    CHECK_INT(b->ended_len, 0);
    CHECK_INT(page_stats(p).series, 3);
}

TEST(a_series_is_taken_once_even_where_it_is_expected)
{
    AUTO_PTR(page) struct page *p = new_page();
    read_text(p, "a 1\nb 1\nc 1\n");
    struct batch *b = read_text(p, "b 1\na 1\nb 2\nc 1\n"); /* behind a, b is expected */
    CHECK_INT(b->len, 3);
    check_sample(b, 0, "b", 1);
    CHECK_INT(page_stats(p).refused[PAGE_SERIES_TWICE], 1);
}

TEST(a_bad_value_on_a_known_line_is_named_as_on_a_new_one)
{
    AUTO_PTR(page) struct page *p = new_page();
    struct page_faults faults;
    read_text(p, "a 1\nb 1\n");
    AUTO(batch) struct batch batch = {0};
    struct batch *b = &batch;
    page_read(p, (struct span){"a x\nb 2\n", 8}, 0, b, &faults);
    CHECK_STR(faults.first_bad.text, "line 1, column 3: the value is no number");
    CHECK_INT(faults.lines_bad, 1);
    CHECK_INT(faults.refused, 0);
    CHECK_INT(b->len, 1);
    check_sample(b, 0, "b", 2);
}

TEST(what_ended_may_come_back_as_new)
{
    AUTO_PTR(page) struct page *p = new_page();
    batch_commit(read_text(p, "# TYPE a counter\na 1\n"));
    struct batch *b = read_text(p, "");
    CHECK_INT(b->len, 0);
    CHECK_INT(b->ended_len, 1);
    b = read_text(p, "a 2\n");
    CHECK_INT(b->ended_len, 0);
    CHECK_INT(b->samples[0].series->has_last, 0);
    CHECK_INT(b->samples[0].series->family->kind, SERIES_UNTYPED);
    read_text(p, "");
    read_text(p, "");
    CHECK_INT(page_stats(p).series, 0);
    CHECK_INT(page_stats(p).families, 0);
    CHECK_INT(page_stats(p).bytes, 0);
}

TEST(parts_of_a_histogram_share_its_family)
{
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b =
        read_text(p, "# HELP h Some \\\\ help.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"
                     "h_sum 2\nh_count 3\nh_max 4\n# TYPE s summary\ns_sum 1\ns_bucket 2\n");
    for (size_t i = 0; i < 3; i++)
        CHECK(b->samples[i].series->family == b->samples[0].series->family);
    CHECK_STR(family_name(b->samples[0].series->family), "h");
    CHECK_STR(family_help(b->samples[0].series->family), "Some \\ help.");
    CHECK_INT(b->samples[2].series->family->kind, SERIES_HISTOGRAM);
    CHECK_INT(b->samples[3].series->family->kind, SERIES_UNTYPED);
    CHECK_INT(b->samples[4].series->family->kind, SERIES_SUMMARY);
    CHECK_INT(b->samples[5].series->family->kind, SERIES_UNTYPED);
}

TEST(parts_of_a_gauge_histogram_share_its_family)
{
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "# TYPE g gaugehistogram\ng_bucket{le=\"1\"} 1\ng_gsum 2\n"
                                   "g_gcount 3\ng_sum 4\n");
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(b->samples[i].series->family->kind, SERIES_GAUGEHISTOGRAM);
    CHECK_STR(series_kind_name(b->samples[2].series->family->kind), "gaugehistogram");
    CHECK(b->samples[2].series->family == b->samples[0].series->family);
    CHECK_INT(b->samples[3].series->family->kind, SERIES_UNTYPED);
}

TEST(a_new_line_in_a_known_family_belongs_to_it)
{
    AUTO_PTR(page) struct page *p = new_page();
    read_text(p, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\n");
    struct batch *b =
        read_text(p, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n");
    CHECK_INT(b->samples[1].series->family->kind, SERIES_HISTOGRAM);
}

TEST(another_type_makes_all_series_forget_what_was_derived)
{
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n");
    for (size_t i = 0; i < 2; i++) {
        series_set_part(b->samples[i].series, 0, (struct span){"part", 4});
        b->samples[i].series->asked = true;
    }
    b = read_text(p, "# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\n");
    CHECK_INT(page_stats(p).known, 1);
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(b->samples[i].series->family->kind, SERIES_COUNTER);
        CHECK(series_part(b->samples[i].series, 0).data == NULL);
        CHECK(!b->samples[i].series->asked);
    }
}

TEST(a_family_keeps_its_kind_until_another_is_said)
{
    AUTO_PTR(page) struct page *p = new_page();
    read_text(p, "# TYPE a gauge\na 1\n");
    struct batch *b = read_text(p, "# HELP a Only help.\na 1\n");
    CHECK_INT(b->samples[0].series->family->kind, SERIES_GAUGE);
    CHECK_STR(family_help(b->samples[0].series->family), "Only help.");
    b = read_text(p, "# TYPE a untyped\na 1\n");
    CHECK_INT(b->samples[0].series->family->kind, SERIES_UNTYPED);
}

/* Reads text from a target with the labels job, node, exported_node; what comes out is
 * the labels of its one series as "name=value ", or "" when it was refused. */
static void check_labels(bool honor, const char *text, const char *want)
{
    struct label labels[] = {{"job", "j"}, {"node", "n"}, {"exported_node", "en"}};
    AUTO_PTR(target)
    struct target *t = target_new(&(struct target){
        .id = "x", .labels = labels, .labels_len = ARRAY_LEN(labels), .honor_labels = honor});
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_name_bytes = sizeof "exported_exported_node" - 1;
    AUTO_PTR(page) struct page *p = page_new(t, &limits, 0);
    AUTO(buf) struct buf got = BUF_INIT(1000);
    for (int scrape = 0; scrape < 2; scrape++) {
        struct batch *b = read_text(p, text);
        buf_truncate(&got, 0);
        for (size_t i = 0; i < b->len; i++) {
            const struct series *s = b->samples[i].series;
            for (struct label l = series_first(s); l.name; l = series_next(s, l))
                CHECK_INT(buf_cat(&got, l.name, "=", l.value, " ", NULL), OK);
        }
        CHECK_STR(got.data, want);
    }
}

TEST(labels_of_the_target_are_added_and_a_clashing_one_is_exported)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a 1\n", "exported_node=en job=j node=n "},
        {"a{x=\"y\"} 1\n", "exported_node=en job=j node=n x=y "},
        {"a{job=\"q\\\\\"} 1\n", "exported_job=q\\ exported_node=en job=j node=n "},
        {"a{job=\"\"} 1\n", "exported_node=en job=j node=n "},
        {"a{job=\"q\",exported_job=\"e\"} 1\n",
         "exported_exported_job=q exported_job=e exported_node=en job=j node=n "},
        {"a{node=\"q\"} 1\n", "exported_exported_node=q exported_node=en job=j node=n "},
        {"a{exported_node=\"q\",job=\"r\"} 1\n",
         "exported_exported_node=q exported_job=r exported_node=en job=j node=n "},
        {"a{job=\"1\",job=\"2\"} 1\n", ""},                     /* a label twice */
        {"a{node=\"1\",exported_exported_node=\"2\"} 1\n", ""}, /* a name too long */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_labels(false, cases[i].text, cases[i].want);
}

TEST(honored_labels_win_even_empty_ones)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a 1\n", "exported_node=en job=j node=n "},
        {"a{node=\"q\",x=\"y\"} 1\n", "exported_node=en job=j node=q x=y "},
        {"a{job=\"\"} 1\n", "exported_node=en node=n "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_labels(true, cases[i].text, cases[i].want);
}

TEST(each_refusal_is_counted_in_every_scrape)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_series = 2;
    limits.max_labels = 2;
    limits.max_name_bytes = 5;
    limits.max_value_bytes = 3;
    static const struct {
        const char *text;
        enum page_refusal why;
        const char *error;
    } cases[] = {
        {"a{x=\"1\",x=\"2\"} 1\nc 1\n", PAGE_LABEL_TWICE, "label_twice: a"},
        {"a 1\na 2\nc 1\n", PAGE_SERIES_TWICE, "series_twice: a"},
        {"a 1\nb 2\nc 1\n", PAGE_MAX_SERIES, "max_series: c"},
        {"a{x=\"1\",y=\"2\",z=\"3\"} 1\nc 1\n", PAGE_MAX_LABELS, "max_labels: a"},
        {"abcdef 1\nc 1\n", PAGE_MAX_NAME_BYTES, "max_name_bytes: abcdef"},
        {"a{abcdef=\"\"} 1\nc 1\n", PAGE_MAX_NAME_BYTES, "max_name_bytes: a"},
        {"a{x=\"1234\"} 1\nc 1\n", PAGE_MAX_VALUE_BYTES, "max_value_bytes: a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
        AUTO(batch) struct batch batch = {0};
        struct page_faults faults;
        for (unsigned scrape = 1; scrape <= 3; scrape++) {
            page_read(p, (struct span){cases[i].text, strlen(cases[i].text)}, 0, &batch, &faults);
            CHECK_STR(faults.first_refused.text, cases[i].error);
            CHECK_INT(faults.refused, 1);
            CHECK_INT(faults.refused_by[cases[i].why], 1);
            CHECK_INT(faults.lines_bad, 0);
            CHECK_INT(page_stats(p).refused[cases[i].why], scrape);
        }
    }
}

TEST(bad_lines_are_counted_apart_and_the_first_is_named)
{
    static const char text[] = "a 1\n# TYPE b goo\nb 1\nc x\na 2\nd 1\n";
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch batch = {0};
    struct page_faults faults;
    for (unsigned scrape = 1; scrape <= 3; scrape++) {
        page_read(p, (struct span){text, sizeof text - 1}, 0, &batch, &faults);
        CHECK_INT(batch.len, 3);
        CHECK_INT(faults.lines_bad, 2);
        CHECK_STR(faults.first_bad.text, "line 2, column 10: no such type");
        CHECK_INT(faults.refused, 1);
        CHECK_STR(faults.first_refused.text, "series_twice: a");
        CHECK_INT(page_stats(p).lines_bad, 2 * scrape);
    }
    page_read(p, (struct span){text, 4}, 0, &batch, &faults);
    CHECK_INT(faults.lines_bad + faults.refused, 0);
    CHECK_INT(faults.first_bad.status, OK);
}

TEST(the_second_failure_in_a_row_ends_all_series_once)
{
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch b = {0};
    read_text(p, "a 1\nb 1\n");
    page_failed(p, 1, &b);
    CHECK_INT(batch_records(&b), 0);
    CHECK_INT(page_stats(p).series, 2);
    read_text(p, "a 1\nb 1\n"); /* a good one between: counted anew */
    CHECK_INT(page_stats(p).known, 2);
    page_failed(p, 2, &b);
    CHECK_INT(batch_records(&b), 0);
    page_failed(p, 3, &b);
    CHECK_INT(b.len, 0);
    CHECK_INT(b.ended_len, 2);
    CHECK_STR(series_name(b.ended[1]), "b");
    CHECK_INT(b.scraped_ms, 3);
    page_failed(p, 4, &b);
    CHECK_INT(batch_records(&b), 0);
    CHECK_INT(page_stats(p).bytes, 0);
    CHECK_INT(read_text(p, "a 1\nb 1\n")->len, 2);
}

TEST(a_target_that_is_gone_ends_its_series)
{
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch b = {0};
    read_text(p, "a 1\nb 1\nc 1\n");
    CHECK_INT(read_text(p, "a 1\nc 1\n")->ended_len, 1);
    page_end(p, 9, &b);
    CHECK_INT(b.len, 0);
    CHECK_INT(b.ended_len, 2); /* b has been told before */
    CHECK_STR(series_name(b.ended[0]), "a");
    CHECK_STR(series_name(b.ended[1]), "c");
    CHECK_INT(b.scraped_ms, 9);
    page_end(p, 10, &b);
    CHECK_INT(batch_records(&b), 0);
}

TEST(memory_is_bounded)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_bytes = 1000;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    char text[4000];
    int n = 0;
    for (int i = 0; i < 200; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "metric_%d 1\n", i);
    size_t len = read_text(p, text)->len;
    CHECK(len > 0 && len < 10);
    CHECK_INT(page_stats(p).refused[PAGE_MAX_BYTES], 200 - len);
    CHECK(page_stats(p).bytes < 1000 + 200);
}

TEST(commit_remembers_what_the_filters_left)
{
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a 1\nb 2\n");
    struct series *a = b->samples[0].series, *second = b->samples[1].series;
    sample_set(&b->samples[0], 5);
    b->len = 1; /* as if b were dropped */
    batch_commit(b);
    CHECK_DBL(a->last_value, 5);
    CHECK(a->has_last);
    CHECK(!second->has_last);
}
