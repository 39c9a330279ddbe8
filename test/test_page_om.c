/* SPDX-License-Identifier: Apache-2.0 */
/* OpenMetrics on a page: families, created times, exemplars, quoted names. */
#include "buf.h"
#include "mem.h"
#include "page.h"
#include "test.h"

static struct batch batch; /* as in a worker */

static struct page *new_page(struct target *t)
{
    struct page *p = page_new(t, &PAGE_LIMITS_DEFAULT, 0);
    page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS});
    return p;
}

static struct page_faults read_page(struct page *p, const char *text)
{
    struct page_faults f;
    page_read(p, (struct span){text, strlen(text)}, 1000, &batch, &f);
    return f;
}

/* Each sample as "name(kind of family)=value[@created][#exemplar's labels,value,time] ". */
static void check_samples(const char *want)
{
    AUTO(buf) struct buf got = BUF_INIT(4000);
    for (size_t i = 0; i < batch.len; i++) {
        const struct sample *s = &batch.samples[i];
        const struct sample_extra *e = sample_extra(&batch, s);
        CHECK_INT(buf_printf(&got, "%s(%s of %s)=%g", series_name(s->series),
                             series_kind_name(s->series->family->kind),
                             family_name(s->series->family), s->value),
                  OK);
        if (e && e->created_ms != EXTRA_NO_TIME)
            CHECK_INT(buf_printf(&got, "@%lld", (long long)e->created_ms), OK);
        if (e && e->has_exemplar) {
            CHECK_INT(buf_puts(&got, "#"), OK);
            for (size_t k = 0; k < e->exemplar.labels.len; k++)
                CHECK_INT(buf_printf(&got, "%c",
                                     e->exemplar.labels.data[k] ? e->exemplar.labels.data[k] : ','),
                          OK);
            CHECK_INT(buf_printf(&got, "%g", e->exemplar.value), OK);
            if (e->exemplar.has_ts)
                CHECK_INT(buf_printf(&got, ",%lld", (long long)e->exemplar.ts_ms), OK);
        }
        CHECK_INT(buf_puts(&got, " "), OK);
    }
    CHECK_STR(got.data, want);
}

static void check_page(const char *text, const char *want)
{
    AUTO_PTR(page) struct page *p = new_page(NULL);
    for (int i = 0; i < 3; i++) {
        struct page_faults f = read_page(p, text);
        CHECK_STR(f.first_bad.status == OK ? "" : f.first_bad.text, "");
        CHECK_INT(f.refused, 0);
        check_samples(want);
    }
    CHECK_INT(page_stats(p).known, 2 * page_stats(p).parsed);
}

TEST(a_sample_has_the_type_of_its_family)
{
    check_page("# TYPE a unknown\na 1\n# TYPE c counter\nc_total 2\n# TYPE g gauge\ng 3\n"
               "# TYPE i info\ni_info 1\n# TYPE s stateset\ns{s=\"x\"} 1\n# EOF\n",
               "a(untyped of a)=1 c_total(counter of c_total)=2 g(gauge of g)=3 "
               "i_info(info of i_info)=1 s(stateset of s)=1 ");
    check_page("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 2\n"
               "# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 3\ng_gcount 3\ng_gsum 4\n"
               "# TYPE s summary\ns{quantile=\"0.5\"} 5\ns_count 6\ns_sum 7\nz 8\n# EOF\n",
               "h_bucket(histogram of h)=1 h_count(histogram of h)=1 h_sum(histogram of h)=2 "
               "g_bucket(gaugehistogram of g)=3 g_gcount(gaugehistogram of g)=3 "
               "g_gsum(gaugehistogram of g)=4 s(summary of s)=5 s_count(summary of s)=6 "
               "s_sum(summary of s)=7 z(untyped of z)=8 ");
}

TEST(created_times_go_to_all_samples_of_their_metric_wherever_they_stand)
{
    check_page("# TYPE c counter\nc_total{a=\"1\"} 1\nc_created{a=\"1\"} 1.5\n"
               "c_total{a=\"2\"} 2\nc_total{a=\"3\"} 3\nc_created{a=\"3\"} 2\n# EOF\n",
               "c_total(counter of c_total)=1@1500 c_total(counter of c_total)=2 "
               "c_total(counter of c_total)=3@2000 ");
    check_page("# TYPE c counter\nc_created{a=\"1\"} 1.5\nc_total{a=\"1\"} 1\n"
               "c_total{a=\"2\"} 2\n# TYPE g gauge\ng 3\n# EOF\n",
               "c_total(counter of c_total)=1@1500 c_total(counter of c_total)=2 g(gauge of g)=3 ");
    check_page("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_created 3\nh_count 1\nh_sum 2\n"
               "g 5\n# EOF\n",
               "h_bucket(histogram of h)=1@3000 h_count(histogram of h)=1@3000 "
               "h_sum(histogram of h)=2@3000 g(untyped of g)=5 ");
}

TEST(a_new_first_line_of_a_metric_takes_its_beginning_over)
{
    static const char first[] = "# TYPE h histogram\nh_bucket{a=\"1\",le=\"+Inf\"} 1\n";
    static const char rest[] = "h_bucket{a=\"2\",le=\"+Inf\"} 1\nh_created{a=\"2\"} 3\n# EOF\n";
    AUTO_PTR(page) struct page *p = new_page(NULL);
    AUTO(buf) struct buf text = BUF_INIT(1000);
    CHECK_INT(buf_cat(&text, first, rest, NULL), OK);
    read_page(p, text.data);
    check_samples("h_bucket(histogram of h)=1 h_bucket(histogram of h)=1@3000 ");
    buf_truncate(&text, 0);
    CHECK_INT(buf_cat(&text, first, "h_bucket{a=\"2\",le=\"1\"} 0\n", rest, NULL), OK);
    for (int i = 0; i < 2; i++) {
        read_page(p, text.data);
        check_samples("h_bucket(histogram of h)=1 h_bucket(histogram of h)=0@3000 "
                      "h_bucket(histogram of h)=1@3000 ");
    }
}

TEST(a_created_that_is_no_time_says_nothing)
{
    check_page("# TYPE c counter\nc_total 1\nc_created 1e300\n# EOF\n",
               "c_total(counter of c_total)=1 ");
}

TEST(a_gauge_of_such_a_name_is_a_gauge)
{
    check_page("# TYPE pod_created gauge\npod_created{a=\"1\"} 1.5\n# TYPE c gauge\nc 1\n"
               "c_created 2\n# EOF\n",
               "pod_created(gauge of pod_created)=1.5 c(gauge of c)=1 "
               "c_created(untyped of c_created)=2 ");
}

TEST(created_times_are_series_where_a_pool_says_so)
{
    static const char text[] = "# TYPE c counter\nc_total 1\nc_created 1.5\n# EOF\n";
    AUTO_PTR(page) struct page *p = new_page(NULL);
    page_bind(p, &(struct page_plan){.generation = 1});
    read_page(p, text);
    check_samples("c_total(counter of c_total)=1@1500 ");
    CHECK_INT(page_stats(p).series, 1);
    page_bind(p, &(struct page_plan){.generation = 2, .keep_created = true});
    for (int i = 0; i < 2; i++) {
        CHECK_INT(read_page(p, text).added, i == 0);
        check_samples("c_total(counter of c_total)=1 c_created(untyped of c_created)=1.5 ");
        CHECK_INT(batch.ended_len, 0);
    }
    page_bind(p, &(struct page_plan){.generation = 3});
    read_page(p, text);
    check_samples("c_total(counter of c_total)=1@1500 ");
    CHECK_INT(batch.ended_len, 1);
    CHECK_STR(series_name(batch.ended[0]), "c_created");
}

/* Two pages in turn, each of which is known when the other comes. */
static void check_turns(const char *const texts[2], const char *const wants[2])
{
    for (unsigned mode = 0; mode < 2; mode++) {
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
        page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS,
                                                 .mode = mode ? MODE_STRICT : MODE_SALVAGE});
        for (unsigned i = 0; i < 8; i++) {
            struct page_faults f = read_page(p, texts[i / 2 % 2]);
            CHECK_INT(f.lines_bad + f.flaws + f.refused, 0);
            check_samples(wants[i / 2 % 2]);
        }
    }
}

TEST(a_type_that_comes_or_goes_says_anew_what_created_is)
{
    check_turns((const char *const[]){"c_total{a=\"1\"} 1\nc_created{a=\"1\"} 1500000000\n# EOF\n",
                                      "# TYPE c counter\nc_total 1\nc_total{a=\"1\"} 1\n"
                                      "c_created{a=\"1\"} 1500000000\n# EOF\n"},
                (const char *const[]){
                    "c_total(untyped of c_total)=1 c_created(untyped of c_created)=1.5e+09 ",
                    "c_total(counter of c_total)=1 c_total(counter of c_total)=1@1500000000000 "});
}

TEST(a_family_that_comes_takes_its_lines_over)
{
    check_turns((const char *const[]){"s_count 1\ns_sum 2\ns_created 1500000000\n# EOF\n",
                                      "# TYPE s summary\ns_count 1\ns_sum 2\n"
                                      "s_created 1500000000\n# EOF\n"},
                (const char *const[]){
                    "s_count(untyped of s_count)=1 s_sum(untyped of s_sum)=2 "
                    "s_created(untyped of s_created)=1.5e+09 ",
                    "s_count(summary of s)=1@1500000000000 s_sum(summary of s)=2@1500000000000 "});
}

TEST(a_help_without_type_takes_the_type_away)
{
    check_turns(
        (const char *const[]){"# TYPE s summary\ns{quantile=\"0.5\"} 3\n"
                              "s_created 1500000000\n# EOF\n",
                              "# HELP s Help.\ns{quantile=\"0.5\"} 3\n"
                              "s_created 1500000000\n# EOF\n"},
        (const char *const[]){"s(summary of s)=3@1500000000000 ",
                              "s(untyped of s)=3 s_created(untyped of s_created)=1.5e+09 "});
}

TEST(exemplars_stay_beside_their_samples)
{
    check_page("# TYPE c counter\nc_total 1 # {t=\"x\\\"y\",a=\"b\"} 0.5 1.25\n"
               "c_created 2\n# TYPE h histogram\nh_bucket{le=\"1\"} 1 5 # {} 0.5\n"
               "h_bucket{le=\"+Inf\"} 2 5\n# EOF\n",
               "c_total(counter of c_total)=1@2000#a,b,t,x\"y,0.5,1250 "
               "h_bucket(histogram of h)=1#0.5 h_bucket(histogram of h)=2 ");
    CHECK_INT(batch.extras_len, 2);
}

TEST(many_exemplars_do_not_mix)
{
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    AUTO_PTR(page) struct page *p = new_page(NULL);
    CHECK_INT(buf_puts(&text, "# TYPE c counter\n"), OK);
    for (int i = 0; i < 500; i++)
        CHECK_INT(buf_printf(&text, "c_total{a=\"%d\"} 1 # {trace=\"%d-%032d\"} 1\n", i, i, i), OK);
    CHECK_INT(buf_puts(&text, "# EOF\n"), OK);
    for (int k = 0; k < 2; k++) {
        read_page(p, text.data);
        for (int i = 0; i < 500; i++) {
            char want[80];
            const struct sample_extra *e = sample_extra(&batch, &batch.samples[i]);
            CHECK(e);
            snprintf(want, sizeof want, "%d-%032d", i, i);
            CHECK_STR(e->exemplar.labels.data, "trace");
            CHECK_STR(e->exemplar.labels.data + 6, want);
        }
    }
    uint64_t before = mem_count();
    read_page(p, text.data);
    CHECK_INT(mem_count(), before);
    CHECK_INT(page_stats(p).known, 1000);
}

TEST(an_exemplar_with_a_label_twice_is_left_out_and_its_sample_is_not)
{
    AUTO_PTR(page) struct page *p = new_page(NULL);
    for (int i = 0; i < 3; i++) {
        struct page_faults f =
            read_page(p, "# TYPE c counter\nc_total 1 # {a=\"b\",a=\"c\"} 0.5\n# EOF\n");
        check_samples("c_total(counter of c_total)=1 ");
        CHECK_INT(f.refused + f.lines_bad, 0);
        CHECK_INT(f.flaws, 1);
        CHECK_STR(f.first_flaw.text,
                  "line 2, column 20: a: a label of this name was there (label-twice)");
    }
}

TEST(times_are_seconds_and_count_where_they_are_honored)
{
    for (int honor = 0; honor < 2; honor++) {
        AUTO_PTR(target)
        struct target *t = target_new(&(struct target){.id = "x", .honor_timestamps = honor});
        AUTO_PTR(page) struct page *p = new_page(t);
        read_page(p, "a 1 1520879607.789\n# EOF\n");
        CHECK_INT(batch.samples[0].ts_ms, honor ? INT64_C(1520879607789) : 1000);
    }
}

TEST(quoted_names_are_names_like_others)
{
    static const struct label labels[] = {{"job", "j"}, {"l.m", "own"}};
    AUTO_PTR(target)
    struct target *t = target_new(&(struct target){.id = "x", .labels = labels, .labels_len = 2});
    AUTO_PTR(page) struct page *p = new_page(t);
    for (int i = 0; i < 2; i++) {
        read_page(p, "# TYPE \"my.x\\\"y\" gauge\n{\"my.x\\\"y\",\"l.m\"=\"z\",\"a\\\\b\"=\"c\"} "
                     "1\n# EOF\n");
        const struct series *s = batch.samples[0].series;
        CHECK_STR(series_name(s), "my.x\"y");
        CHECK_INT(s->family->kind, SERIES_GAUGE);
        CHECK_STR(family_name(s->family), "my.x\"y");
        CHECK_STR(series_label(s, "a\\b"), "c");
        CHECK_STR(series_label(s, "l.m"), "own");
        CHECK_STR(series_label(s, "exported_l.m"), "z");
        CHECK_STR(series_label(s, "job"), "j");
    }
}

TEST(a_nul_in_a_label_is_refused_by_name)
{
    static const char text[] = "a{b=\"x\0y\"} 1\nc 2\n# EOF\n";
    AUTO_PTR(page) struct page *p = new_page(NULL);
    struct page_faults f;
    page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS, .mode = MODE_STRICT});
    page_read(p, (struct span){text, sizeof text - 1}, 1, &batch, &f);
    CHECK(!f.strict);
    CHECK_STR(f.first_refused.text, "nul: a");
    CHECK_INT(batch.len, 1);
}

TEST(another_format_reads_all_lines_anew)
{
    static const char text[] = "# TYPE c counter\nc_total 1\n# EOF\n";
    AUTO_PTR(page) struct page *p = new_page(NULL);
    read_page(p, text);
    check_samples("c_total(counter of c_total)=1 ");
    page_set_manner(p, &(struct page_manner){.format = FORMAT_TEXT});
    read_page(p, text);
    CHECK_INT(batch.ended_len, 0);
    CHECK_INT(page_stats(p).known, 0);
    page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS});
    read_page(p, text);
    check_samples("c_total(counter of c_total)=1 ");
}

TEST(salvage_keeps_what_is_sound_of_a_faulty_page)
{
    AUTO_PTR(page) struct page *p = new_page(NULL);
    for (int i = 0; i < 2; i++) {
        struct page_faults f = read_page(p, "# TYPE c counter\nc_total 1\nc_total x\nc_total 3\n"
                                            "c_total{a=\"1\"} 4 5 6\nd 5\n"); /* no # EOF */
        CHECK_INT(f.lines_bad, 2);
        CHECK_INT(f.refused_by[PAGE_SERIES_TWICE], 1);
        check_samples("c_total(counter of c_total)=1 d(untyped of d)=5 ");
    }
}
