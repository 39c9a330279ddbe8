/* SPDX-License-Identifier: Apache-2.0 */
/* The message contract of the prometheus encoder. */
#include "encoder_run.h"

static void check_text(const char *conf, const char *text, const char *want)
{
    struct encoder_step e = encoder_configured("prometheus", conf);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    for (int scrape = 0; scrape < 2; scrape++) /* constants made, then remembered */
        encoder_check(&e, read_text(p, text), 5000, want);
    e.ops->close(e.self);
}

#define TS " 1795271160123\n"
#define A  "# HELP a_total Two \\\\ lines\\n \"here\".\n# TYPE a_total counter\n"

TEST(a_family_is_told_once_and_samples_have_times)
{
    check_text("", A "a_total{y=\"2\",x=\"1\"} 1.50\na_total 2 5\nb 3\n",
               A "a_total{x=\"1\",y=\"2\"} 1.50" TS "a_total 2 5\n# TYPE b untyped\nb 3" TS);
}

TEST(times_and_help_may_be_left_out)
{
    check_text("timestamps=false help=false", A "a_total 1\na_total{x=\"1\"} 2 5\n",
               "# TYPE a_total counter\na_total 1\na_total{x=\"1\"} 2\n");
}

TEST(a_family_that_is_scattered_is_told_once)
{
    check_text("timestamps=false",
               "# TYPE a gauge\na{x=\"1\"} 1\n# TYPE b gauge\nb 2\na{x=\"2\"} 3\n",
               "# TYPE a gauge\na{x=\"1\"} 1\n# TYPE b gauge\nb 2\na{x=\"2\"} 3\n");
}

TEST(series_of_a_histogram_share_their_comments)
{
    static const char text[] = "# HELP h Sizes.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"
                               "h_bucket{le=\"+Inf\"} 2\nh_sum 3.5\nh_count 2\n"
                               "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum +Inf\ns_count 1\n";
    check_text("timestamps=false", text, text);
}

TEST(values_of_labels_are_escaped)
{
    static const char text[] = "# TYPE a gauge\na{x=\"q\\\" b\\\\ n\\n \xc3\xa9 \t\"} -Inf\n";
    check_text("timestamps=false", text, text);
}

TEST(each_message_tells_anew)
{
    struct encoder_step e = encoder_configured("prometheus", "timestamps=false");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    e.max_samples = 2;
    encoder_check(&e, read_text(p, "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"3\"} 3\n"),
                  1000,
                  "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n|# TYPE a gauge\na{x=\"3\"} 3\n");
    e.ops->close(e.self);
}

TEST(a_sample_that_does_not_fit_has_not_told)
{
    struct encoder_step e = encoder_configured("prometheus", "timestamps=false");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    static const char want[] = "# TYPE a gauge\na 2\n";
    struct encoder_counts c = encoder_check(&e, read_text(p, "# TYPE a gauge\na{x=\"1\"} 1\na 2\n"),
                                            sizeof want - 1, want);
    CHECK_INT(c.skipped[SKIP_TOO_LARGE], 1);
    e.ops->close(e.self);
}

TEST(two_outputs_of_one_page_both_tell)
{
    struct encoder_step a = encoder_configured("prometheus", "timestamps=false"), b = a;
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 2);
    b.lane = 1;
    struct batch *batch = read_text(p, "# TYPE a gauge\na 1\n");
    encoder_check(&a, batch, 100, "# TYPE a gauge\na 1\n");
    encoder_check(&b, batch, 100, "# TYPE a gauge\na 1\n");
    a.ops->close(a.self);
}

TEST(an_end_cannot_be_said)
{
    struct encoder_step e = encoder_configured("prometheus", "");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    encoder_check(&e, read_text(p, "a 1 1\n"), 500, "# TYPE a untyped\na 1 1\n");
    struct encoder_counts c = encoder_check(&e, read_text(p, ""), 500, "");
    CHECK_INT(c.skipped[SKIP_UNSAYABLE], 1);
    CHECK_STR(e.ops->content_type(e.self), "text/plain; version=0.0.4; charset=utf-8");
    e.ops->close(e.self);
}

TEST(messages_are_whole_in_any_bound)
{
    encoder_check_bounds("prometheus", "");
    encoder_check_bounds("prometheus", "timestamps=false");
}

TEST(a_repeat_scrape_allocates_nothing)
{
    encoder_check_repeat("prometheus", "");
}
