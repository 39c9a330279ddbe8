/* SPDX-License-Identifier: Apache-2.0 */
/* Rules for series: what a page makes of them, and what it remembers. */
#include "buf.h"
#include "mem.h"
#include "read.h"
#include "relabel_test.h"

static void bind(struct page *p, uint64_t generation, const struct relabel *rules)
{
    static const uint32_t lane = 7;
    page_bind(p, &(struct page_plan){.generation = generation,
                                     .lane_ids = &lane,
                                     .lanes_len = 1,
                                     .relabel = rules,
                                     .relabel_hash = rules ? generation : 0});
}

/* The samples of text, as "name{a=b} 1 "; how many samples the rules dropped. */
static uint64_t check_page(struct page *p, const char *text, const char *want)
{
    static struct batch b;
    AUTO(buf) struct buf got = BUF_INIT(4000);
    struct page_faults f;
    page_read(p, (struct span){text, strlen(text)}, 1, &b, &f);
    for (size_t i = 0; i < b.len; i++) {
        const struct series *s = b.samples[i].series;
        CHECK_INT(buf_puts(&got, series_name(s)), OK);
        for (struct label l = series_first(s); l.name; l = series_next(s, l))
            CHECK_INT(buf_cat(&got, "{", l.name, "=", l.value, "}", NULL), OK);
        CHECK_INT(buf_printf(&got, " %g ", b.samples[i].value), OK);
    }
    for (size_t i = 0; i < b.ended_len; i++)
        CHECK_INT(buf_cat(&got, "-", series_name(b.ended[i]), " ", NULL), OK);
    if (f.refused > 0)
        CHECK_INT(buf_cat(&got, "! ", f.first_refused.text, NULL), OK);
    CHECK_STR(got.data, want);
    return f.filtered;
}

static const struct rule drop_b[MAX_RULES] = {
    {.action = "drop", .source = "__name__", .regex = "b.*"}};

TEST(what_is_dropped_costs_no_rule_and_no_memory_of_its_labels)
{
    static const char text[] = "# TYPE b counter\nb 1\nb{x=\"a long value of a label\"} 2\na 3\n";
    AUTO_PTR(relabel) struct relabel *rules = make(drop_b);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    bind(p, 1, rules);
    CHECK_INT(check_page(p, text, "a 3 "), 2);
    CHECK_INT(page_stats(p).series, 1);
    check_page(p, text, "a 3 ");
    uint64_t known = page_stats(p).known;
    static struct batch b;
    page_read(p, (struct span){text, strlen(text)}, 1, &b, NULL);
    uint64_t first = mem_count();
    page_read(p, (struct span){text, strlen(text)}, 1, &b, NULL);
    page_read(p, (struct span){text, strlen(text)}, 1, &b, NULL);
    CHECK_INT(mem_count(), first);
    CHECK_INT(page_stats(p).known, known + 9);
    CHECK_INT(check_page(p, "b 1\n", "-a "), 1); /* the other b went without a word */
    CHECK_INT(check_page(p, "", ""), 0);
    page_rest(p, &b);
    CHECK_INT(page_stats(p).bytes, 0);
    batch_done(&b);
}

TEST(rules_run_when_lines_move_only_where_they_changed_something)
{
    AUTO_PTR(relabel) struct relabel *rules = make(drop_b);
    static const char moved[] = "d 4\nc 3\nb 2\na 1\n";
    uint64_t allocations[3]; /* first to make the batch's room for work */
    AUTO(batch) struct batch b = {0};
    for (size_t i = 0; i < 3; i++) {
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
        bind(p, 1, i != 1 ? rules : NULL);
        check_page(p, "a 1\nb 2\nc 3\nd 4\n", i != 1 ? "a 1 c 3 d 4 " : "a 1 b 2 c 3 d 4 ");
        check_page(p, "a 1\nb 2\nc 3\nd 4\n", i != 1 ? "a 1 c 3 d 4 " : "a 1 b 2 c 3 d 4 ");
        allocations[i] = mem_count();
        page_read(p, (struct span){moved, sizeof moved - 1}, 1, &b, NULL);
        allocations[i] = mem_count() - allocations[i];
        CHECK_INT(b.len, i != 1 ? 3 : 4);
    }
    CHECK_INT(allocations[2], allocations[1]); /* a rule needs room for work */
}

TEST(names_and_labels_become_what_the_rules_say)
{
    static const struct rule rename[MAX_RULES] = {
        {.source = "__name__", .regex = "old_(.*)", .target = "__name__", .replacement = "new_$1"},
        {.source = "x", .target = "__tmp"},
        {.source = "__tmp", .regex = "(.+)", .target = "y"},
        {.action = "labeldrop", .regex = "x|z"},
    };
    static const char text[] = "# TYPE old_h histogram\n# HELP old_h Help.\n"
                               "old_h_bucket{le=\"1\",x=\"v\"} 1\nold_h_sum 2\nb{z=\"1\"} 3\n"
                               "# TYPE old_c counter\nold_c 4\n";
    AUTO_PTR(relabel) struct relabel *rules = make(rename);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    bind(p, 1, rules);
    for (int i = 0; i < 2; i++)
        check_page(p, text, "new_h_bucket{le=1}{y=v} 1 new_h_sum 2 b 3 new_c 4 ");
    const struct batch *b = read_text(p, text);
    const struct family *h = b->samples[0].series->family;
    CHECK_STR(family_name(h), "new_h");
    CHECK_STR(family_help(h), "Help.");
    CHECK_INT(h->kind, SERIES_HISTOGRAM);
    CHECK(b->samples[1].series->family == h);
    CHECK_INT(b->samples[3].series->family->kind, SERIES_COUNTER);
    CHECK_STR(family_name(b->samples[3].series->family), "new_c");
    check_page(p, "old_c 4\nb{z=\"1\"} 3\n", "new_c 4 b 3 -new_h_bucket -new_h_sum ");
    check_page(p, "b{z=\"1\"} 3\nb{z=\"2\"} 3\nold_c 4\n", "b 3 new_c 4 ! series_twice: b");
}

TEST(a_bucket_that_loses_its_ending_is_no_histogram)
{
    static const struct rule rename[MAX_RULES] = {
        {.source = "__name__", .regex = "h_sum", .target = "__name__", .replacement = "total"}};
    AUTO_PTR(relabel) struct relabel *rules = make(rename);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    bind(p, 1, rules);
    const struct batch *b = read_text(p, "# TYPE h histogram\nh_sum 1\nh_count 2\n");
    CHECK_STR(family_name(b->samples[0].series->family), "total");
    CHECK_INT(b->samples[0].series->family->kind, SERIES_UNTYPED);
    CHECK_STR(family_name(b->samples[1].series->family), "h");
    CHECK_INT(b->samples[1].series->family->kind, SERIES_HISTOGRAM);
}

TEST(what_a_dropped_line_says_is_not_what_another_becomes)
{
    static const struct rule swap[MAX_RULES] = {
        {.action = "drop", .source = "__name__", .regex = "a"},
        {.source = "__name__", .regex = "b", .target = "__name__", .replacement = "a"},
    };
    AUTO_PTR(relabel) struct relabel *rules = make(swap);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    bind(p, 1, rules);
    CHECK_INT(check_page(p, "a 1\nb 2\n", "a 2 "), 1);
    CHECK_INT(check_page(p, "b 2\na 1\n", "a 2 "), 1);
    CHECK_INT(check_page(p, "a 1\n", "-a "), 1);
}

TEST(other_rules_decide_anew_and_the_same_ones_do_not)
{
    static const struct rule drop_a[MAX_RULES] = {
        {.action = "drop", .source = "__name__", .regex = "a"}};
    static const char text[] = "a 1\nb 2\nc 3\n";
    AUTO_PTR(relabel) struct relabel *first = make(drop_b), *second = make(drop_a);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    bind(p, 1, first);
    check_page(p, text, "a 1 c 3 ");
    bind(p, 2, second);
    CHECK_INT(page_stats(p).series, 2);
    CHECK_INT(check_page(p, text, "b 2 c 3 -a "), 1);
    CHECK_INT(check_page(p, text, "b 2 c 3 "), 1);
    uint64_t known = page_stats(p).known;
    page_bind(p, &(struct page_plan){.generation = 3, .relabel = first, .relabel_hash = 2});
    CHECK_INT(check_page(p, text, "b 2 c 3 "), 1);
    CHECK_INT(page_stats(p).known, known + 3);
    bind(p, 4, NULL);
    CHECK_INT(check_page(p, text, "a 1 b 2 c 3 "), 0);
}

TEST(limits_count_what_the_rules_drop_and_hold_for_what_they_make)
{
    static const struct rule longer[MAX_RULES] = {
        {.action = "drop", .source = "__name__", .regex = "b.*"},
        {.source = "n", .regex = "(.+)", .target = "__name__"},
        {.source = "e", .regex = "(.+)", .target = "__name__", .replacement = ""},
        {.source = "v", .regex = "(.+)", .target = "v", .replacement = "$1$1"},
    };
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    limits.max_samples = 3;
    limits.max_name_bytes = 3;
    limits.max_value_bytes = 4;
    AUTO_PTR(relabel) struct relabel *rules = make(longer);
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    bind(p, 1, rules);
    CHECK_INT(check_page(p, "b1 1\nb2 2\na 3\nc 4\n", "a 3 ! max_samples: c"), 2);
    CHECK_INT(check_page(p, "b1 1\nb2 2\na 3\nc 4\n", "a 3 ! max_samples: c"), 2);
    check_page(p, "a{n=\"four\"} 1\n", "-a ! max_name_bytes: a");
    check_page(p, "a{v=\"123\"} 1\n", "! max_value_bytes: a");
    check_page(p, "a{e=\"1\"} 1\n", "! metric_relabel: a");
}

TEST(a_steady_page_with_dropped_and_renamed_series_is_all_known)
{
    static const struct rule rename[MAX_RULES] = {
        {.source = "__name__", .regex = "a(.*)", .target = "__name__", .replacement = "z$1"},
        {.action = "drop", .source = "__name__", .regex = "b.*"},
    };
    AUTO_PTR(relabel) struct relabel *rules = make(rename);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    bind(p, 1, rules);
    read_text(p, "a1 1\nb1 2\na2 3\n");
    uint64_t parsed = page_stats(p).parsed;
    read_text(p, "a1 1\nb1 5\na2 3\n");
    CHECK_INT(page_stats(p).parsed, parsed);
    check_page(p, "b1 1\n", "-z1 -z2 ");
}
