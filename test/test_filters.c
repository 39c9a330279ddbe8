/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"
#include "filters.h"
#include "mem.h"
#include "read.h"
#include "test.h"

#include <math.h>

static enum status set(const struct setting *s, void *conf, const char *text)
{
    if (s->type != SETTING_T_MAP)
        return setting_set(s, conf, text, NULL);
    AUTO(buf) struct buf name = BUF_INIT(100);
    const char *value = strchr(text, '=');
    CHECK_INT(buf_add(&name, text, (size_t)(value - text)), OK);
    return setting_put(s, conf, name.data, value + 1, NULL);
}

/* Opens the filter called name with "key", "value" settings, ended by NULL; of a map the
 * value is "name=value", a list gains one. */
static enum status open_filter(struct filter_step *ret, const char *name, struct err *err,
                               const char *const *pairs)
{
    const struct filter_ops *ops = filter_find(name);
    CHECK(ops != NULL);
    _Alignas(max_align_t) char conf[256] = {0};
    CHECK(ops->conf_size <= sizeof conf);
    setting_defaults(ops->settings, conf);
    for (; *pairs; pairs += 2) {
        const struct setting *s = setting_find(ops->settings, pairs[0]);
        CHECK(s != NULL);
        CHECK_INT(set(s, conf, pairs[1]), OK);
    }
    ret->ops = ops;
    enum status r = ops->open(&ret->self, conf, err);
    setting_done(ops->settings, conf);
    return r;
}

#define OPEN(step, name, ...) \
    open_filter(step, name, NULL, (const char *const[]){__VA_ARGS__, NULL})

/* Runs text through one filter; what comes out, in the order of the page, is
 * "name value" per line. */
static void check_filter(struct filter_step *f, const char *text, const char *want)
{
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    AUTO(buf) struct buf out = BUF_INIT(1000);
    struct batch *b = read_text(p, text);
    uint64_t dropped[1] = {0};
    size_t before = b->len;
    CHECK_INT(filter_run(f, 1, b, dropped), before - b->len);
    CHECK_INT(dropped[0], before - b->len);
    for (size_t i = 0; i < b->len; i++) {
        char room[NUMBER_ROOM];
        struct span value = sample_text(&b->samples[i], room);
        CHECK_INT(buf_printf(&out, "%s %.*s\n", series_name(b->samples[i].series), (int)value.len,
                             value.data),
                  OK);
    }
    f->ops->close(f->self);
    CHECK_STR(out.data, want);
}

TEST(clamp_moves_a_value_to_the_nearer_bound)
{
    struct filter_step f;
    CHECK_INT(OPEN(&f, "clamp", "min", "0", "max", "10"), OK);
    check_filter(&f, "a -5\nb 0\nc 7.50\n# TYPE d counter\nd 10\ne 10.5\nf +Inf\ng NaN\n",
                 "a 0\nb 0\nc 7.50\nd 10\ne 10\nf 10\ng NaN\n");
}

TEST(clamp_may_put_other_values_in_place)
{
    struct filter_step f;
    CHECK_INT(OPEN(&f, "clamp", "min", "0", "min_value", "-1", "max", "10", "max_value", "99"), OK);
    check_filter(&f, "a -5\nb 5\nc 50\n", "a -1\nb 5\nc 99\n");
}

TEST(clamp_leaves_parts_of_histograms_alone)
{
    struct filter_step f;
    CHECK_INT(OPEN(&f, "clamp", "max", "10"), OK);
    check_filter(&f, "# TYPE h histogram\nh_count 99\n# TYPE s summary\ns_sum 99\nu 99\n",
                 "h_count 99\ns_sum 99\nu 10\n");
}

TEST(what_cannot_be_meant_is_refused)
{
    static const struct {
        const char *filter, *pairs[5], *error;
    } cases[] = {
        {"clamp", {"min", "3", "max", "2"}, "clamp: min 3 is above max 2"},
        {"clip", {"min", "inf", "max", "2"}, "clip: min inf is above max 2"},
        {"clip", {"regex", "a("}, "clip: regex 'a(': missing closing parenthesis, at character 2"},
        {"clamp",
         {"kinds", "gauge", "kinds", "gague"},
         "clamp: kinds: 'gague' is none of: untyped, gauge, counter, histogram, gaugehistogram, "
         "summary, info, stateset"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter_step f;
        struct err err;
        CHECK_INT(open_filter(&f, cases[i].filter, &err, cases[i].pairs), ERR_INVALID);
        CHECK_STR(err.text, cases[i].error);
    }
}

/* A clip that drops every number it is asked about shows by what is left which series it
 * selects. */
TEST(series_are_selected_by_all_that_is_said)
{
    static const char text[] = "# TYPE g_ratio gauge\ng_ratio{mode=\"user\",cpu=\"0\"} 1\n"
                               "g_ratio{mode=\"idle\",cpu=\"0\"} 2\n"
                               "# TYPE c counter\nc{mode=\"user2\"} 3\nu_ratio 4\n"
                               "# TYPE h histogram\nh_sum 5\n# TYPE s summary\ns_sum 6\n"
                               "# TYPE i info\ni 7\n";
    static const struct {
        const char *pairs[9], *want; /* the values that are left */
    } cases[] = {
        {{NULL}, "5 6 7 "},
        {{"match", "*_ratio"}, "3 5 6 7 "},
        {{"regex", ".*_ratio"}, "3 5 6 7 "},
        {{"regex", "_ratio"}, "1 2 3 4 5 6 7 "},
        {{"match", "g*", "regex", ".*_ratio"}, "3 4 5 6 7 "},
        {{"match", "g_ratio"}, "3 4 5 6 7 "},
        {{"match", "g_rati"}, "1 2 3 4 5 6 7 "},
        {{"match", "g_ratios"}, "1 2 3 4 5 6 7 "},
        {{"match", "g_ratio*"}, "3 4 5 6 7 "},
        {{"match", "g_ratio?"}, "1 2 3 4 5 6 7 "},
        {{"match", "g_rati?"}, "3 4 5 6 7 "},
        {{"match", "g_r*o"}, "3 4 5 6 7 "},
        {{"match", "g_\\r*"}, "3 4 5 6 7 "},
        {{"match", "c", "regex", ".*_ratio"}, "1 2 3 4 5 6 7 "},
        {{"labels", "mode=user*"}, "2 4 5 6 7 "},
        {{"labels", "mode=user*", "labels", "cpu=[01]"}, "2 3 4 5 6 7 "},
        {{"labels", "mode=*"}, "5 6 7 "}, /* absent is '' */
        {{"labels", "mode=?*"}, "4 5 6 7 "},
        {{"labels", "mode="}, "1 2 3 5 6 7 "},
        {{"kinds", "histogram", "kinds", "summary"}, "1 2 3 4 7 "},
        {{"kinds", "counter"}, "1 2 4 5 6 7 "},
        {{"kinds", "untyped", "match", "[gu]*"}, "1 2 3 5 6 7 "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter_step f;
        const char *pairs[ARRAY_LEN(cases[i].pairs) + 2] = {"max", "0"};
        memcpy(pairs + 2, cases[i].pairs, sizeof cases[i].pairs);
        CHECK_INT(open_filter(&f, "clip", NULL, pairs), OK);
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
        AUTO(buf) struct buf left = BUF_INIT(100);
        uint64_t dropped[1] = {0};
        struct batch *b = read_text(p, text);
        filter_run(&f, 1, b, dropped);
        for (size_t k = 0; k < b->len; k++)
            CHECK_INT(buf_printf(&left, "%g ", b->samples[k].value), OK);
        f.ops->close(f.self);
        CHECK_STR(left.data, cases[i].want);
    }
}

TEST(a_repeat_scrape_through_filters_allocates_nothing)
{
    struct filter_step chain[2];
    uint64_t dropped[2] = {0}, before = 0;
    CHECK_INT(OPEN(&chain[0], "clamp", "regex", "a.*", "labels", "x=?*", "max", "3", "kinds",
                   "gauge", "kinds", "histogram"),
              OK);
    CHECK_INT(OPEN(&chain[1], "clip", "regex", ".", "max", "1"), OK);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    for (int scrape = 0; scrape < 3; scrape++) {
        struct batch *b = read_text(p, "# TYPE a histogram\na_sum{x=\"y\"} 5\nb 2\n");
        CHECK_INT(filter_run(chain, 2, b, dropped), 1);
        CHECK_DBL(b->samples[0].value, 3);
        page_rest(p, b);
        before = scrape == 0 ? mem_count() : before;
    }
    CHECK_INT(mem_count(), before);
    for (size_t i = 0; i < 2; i++)
        chain[i].ops->close(chain[i].self);
}

TEST(clip_drops_what_is_outside)
{
    static const struct {
        const char *inclusive, *drop_nan, *want;
    } cases[] = {
        {"true", "false", "b 0\nc 10\ne NaN\n"},
        {"true", "true", "b 0\nc 10\n"},
        {"false", "false", "e NaN\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter_step f;
        CHECK_INT(OPEN(&f, "clip", "min", "0", "max", "10", "inclusive", cases[i].inclusive,
                       "drop_nan", cases[i].drop_nan),
                  OK);
        check_filter(&f, "a -1\nb 0\nc 10\nd 11\ne NaN\nf -Inf\n", cases[i].want);
    }
}

TEST(clip_without_bounds_drops_nothing)
{
    struct filter_step f;
    CHECK_INT(OPEN(&f, "clip", NULL), OK);
    check_filter(&f, "a -Inf\nb +Inf\nc NaN\n", "a -Inf\nb +Inf\nc NaN\n");
}

TEST(match_picks_metrics_by_name)
{
    struct filter_step f;
    CHECK_INT(OPEN(&f, "clip", "match", "node_*", "max", "0"), OK);
    check_filter(&f, "node_a 1\nnode 1\nanode_b 1\nnode_ 1\n", "node 1\nanode_b 1\n");
}

TEST(a_chain_keeps_the_order_and_counts)
{
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    struct filter_step chain[2];
    CHECK_INT(OPEN(&chain[0], "clip", "min", "1", "max", "4"), OK);
    CHECK_INT(OPEN(&chain[1], "clamp", "max", "3"), OK);
    uint64_t dropped[2] = {0};
    for (unsigned scrape = 1; scrape <= 2; scrape++) { /* asked, then remembered */
        struct batch *b = read_text(p, "a 0\nb 1\nc 2\nd 3\ne 4\nf 5\n");
        CHECK_INT(filter_run(chain, 2, b, dropped), 2);
        CHECK_INT(dropped[0], 2 * scrape);
        CHECK_INT(dropped[1], 0);
        CHECK_INT(b->len, 4);
        CHECK_DBL(b->samples[0].value, 1);
        CHECK_DBL(b->samples[3].value, 3); /* 4, clamped */
        CHECK(b->samples[0].text.data != NULL);
        CHECK(b->samples[3].text.data == NULL);
        CHECK_INT(b->samples[3].series->selected, 3);
    }
    for (size_t i = 0; i < 2; i++)
        chain[i].ops->close(chain[i].self);
}

static unsigned questions;

static bool count_question(const void *self, const struct series *s)
{
    (void)self;
    (void)s;
    questions++;
    return false;
}

TEST(a_filter_is_asked_once_per_series_and_again_for_another_kind)
{
    static const struct filter_ops ops = {.selects = count_question};
    struct filter_step step = {.ops = &ops};
    uint64_t dropped[1] = {0};
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    filter_run(&step, 1, read_text(p, "# TYPE a gauge\na 1\na{x=\"1\"} 1\n"), dropped);
    filter_run(&step, 1, read_text(p, "# TYPE a gauge\na 2\na{x=\"1\"} 2\n"), dropped);
    CHECK_INT(questions, 2);
    filter_run(&step, 1, read_text(p, "# TYPE a counter\na 2\na{x=\"1\"} 2\n"), dropped);
    CHECK_INT(questions, 4);
}

TEST(a_drop_is_counted_for_the_step_that_did_it)
{
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    struct filter_step chain[2];
    uint64_t dropped[2] = {0};
    CHECK_INT(OPEN(&chain[0], "clip", "max", "4"), OK);
    CHECK_INT(OPEN(&chain[1], "clip", "max", "2"), OK);
    CHECK_INT(filter_run(chain, 2, read_text(p, "a 1\nb 3\nc 4\nd 5\n"), dropped), 3);
    CHECK_INT(dropped[0], 1);
    CHECK_INT(dropped[1], 2);
    for (size_t i = 0; i < 2; i++)
        chain[i].ops->close(chain[i].self);
}
