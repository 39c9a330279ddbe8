/* SPDX-License-Identifier: Apache-2.0 */
/* OpenMetrics salvaged: what is sound of a faulty page is taken, the rest is refused by name. */
#include "buf.h"
#include "check.h"
#include "page.h"
#include "test.h"

#include <dirent.h>
#include <math.h>

enum { SCRAPED_MS = 77777777 };
static struct batch batch; /* as in a worker */

static struct page *new_page(bool version2)
{
    struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS, .version2 = version2});
    return p;
}

static struct page_faults read_page(struct page *p, const char *text)
{
    struct page_faults f;
    page_read(p, (struct span){text, strlen(text)}, SCRAPED_MS, &batch, &f);
    return f;
}

/* Each sample as "name{value of a label}...=value[@time] ". */
static void tell(struct buf *out)
{
    enum status st = OK;
    buf_truncate(out, 0);
    for (size_t i = 0; i < batch.len && st == OK; i++) {
        const struct sample *s = &batch.samples[i];
        st = buf_puts(out, series_name(s->series));
        for (struct label l = series_first(s->series); l.name && st == OK;
             l = series_next(s->series, l))
            st = buf_printf(out, "{%s}", l.value);
        if (st == OK)
            st = buf_printf(out, "=%g", s->value);
        if (st == OK && s->ts_ms != SCRAPED_MS)
            st = buf_printf(out, "@%lld", (long long)s->ts_ms);
        if (st == OK)
            st = buf_puts(out, " ");
    }
    CHECK_INT(st, OK);
}

#define C    "# TYPE c counter\n"
#define H    "# TYPE h histogram\n"
#define EOF_ "# EOF\n"

static const struct {
    const char *text, *want, *first;
    unsigned unsound, twice, lines_bad, flaws;
} cases[] = {
    {C "c_total{a=\"1\"} -1\nc_total{a=\"2\"} 2\n" EOF_, "c_total{2}=2 ",
     "unsound: line 2, column 16: -1: what is counted is not negative (counter-negative)", 1, 0, 0,
     0},
    {C "c_total NaN\nc_created 5\nd 1\n" EOF_, "d=1 ", NULL, 1, 0, 0, 0},
    {C "c_total 1\nc_created NaN\n" EOF_, "c_total=1 ",
     "unsound: line 3, column 11: NaN: the value of _created is a time (created-time)", 1, 0, 0, 0},
    {H "h_bucket{le=\"1.0\"} 3\nh_bucket{le=\"2.0\"} 2\nh_bucket{le=\"+Inf\"} 4\nh_count 4\n"
       "h_sum 1\n" EOF_,
     "h_bucket{1.0}=3 h_bucket{+Inf}=4 h_count=4 h_sum=1 ", NULL, 1, 0, 0, 0},
    {H "h_bucket{le=\"2.0\"} 2\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 4\n" EOF_,
     "h_bucket{2.0}=2 h_bucket{+Inf}=4 ", NULL, 1, 0, 0, 0},
    {H "h_bucket{le=\"+Inf\"} 4\nh_count 5\nh_sum 1\n" EOF_, "h_bucket{+Inf}=4 h_sum=1 ",
     "unsound: line 3, column 9: 5: the count of a histogram equals its bucket +Inf "
     "(count-differs)",
     1, 0, 0, 0},
    {H "h_bucket{le=\"1.0\"} 4\nh_count 5\nh_sum 1\nd 1\n" EOF_,
     "h_bucket{1.0}=4 h_count=5 h_sum=1 d=1 ", NULL, 0, 0, 0, 1},
    {"# TYPE i info\ni_info{a=\"1\"} 2\ni_info{a=\"2\"} 1\n# TYPE s stateset\ns{s=\"x\"} 0.5\n"
     "s{s=\"y\"} 1\n" EOF_,
     "i_info{2}=1 s{y}=1 ", NULL, 2, 0, 0, 0},
    {C "c_total 1 5\nc_total 2 4\nc_total 3 6\nd 1\n" EOF_, "c_total=3@6000 d=1 ", NULL, 1, 0, 0,
     0},
    {C "c_total 1 5\nc_total 2\nd 1\n" EOF_, "c_total=1@5000 d=1 ", NULL, 1, 0, 0, 0},
    {C "c_total{a=\"1\"} 1\nc_total{a=\"2\"} 2\nc_total{a=\"1\"} 3\n" EOF_,
     "c_total{1}=1 c_total{2}=2 ", NULL, 1, 0, 0, 0},
    {"a 1\nb 2\na{x=\"y\"} 3\nc 4\n" EOF_, "a=1 b=2 c=4 ", NULL, 1, 0, 0, 0},
    {"c_total 1\n" C "c_total{a=\"1\"} 2\nc_total{a=\"2\"} 2\nd 1\n" EOF_, "c_total=1 d=1 ",
     "unsound: line 2, column 8: c: a family before may have samples of the same name "
     "(name-clash)",
     2, 0, 0, 0},
    {"_a 1\n_a{b=\"c\"} 1\nd{_e=\"f\"} 1\nd 2\n" EOF_, "d=2 ", NULL, 3, 0, 0, 0},
    {C "c 1\nc_total 2\n" EOF_, "c_total=2 ",
     "unsound: line 2, column 1: c: samples of this type have a suffix behind the family's "
     "name "
     "(suffix)",
     1, 0, 0, 0},
    {"a 1\na 2\nb 1\n" EOF_, "a=1 b=1 ",
     "series_twice: line 2, column 1: a: a sample of this name and these labels was there "
     "(series-twice)",
     0, 1, 0, 0},
    {C "# TYPE c gauge\nc_total -1\nc_total 1\n# HELP c Late.\n" EOF_, "c_total=1 ", NULL, 1, 0, 2,
     0},
    {"a 1\n" EOF_ "b 2\n\n# EOF\n", "a=1 ", NULL, 1, 0, 1, 0},
    {"a 1\nb 2\n", "a=1 b=2 ", NULL, 0, 0, 0, 1},
    {"\xef\xbb\xbf"
     "a 1\nb 2\n" EOF_,
     "b=2 ", NULL, 0, 0, 1, 0},
    {"a 1 # {x=\"y\"} 1\nb 2\n" EOF_, "a=1 b=2 ", NULL, 0, 0, 0, 1},
    {"a  1 \r\n\n# hello\nb\t2\n" EOF_, "a=1 b=2 ", NULL, 0, 0, 0, 0},
    {"a 1\nb x\na 2\nc 1e999\n" EOF_, "a=1 ", NULL, 0, 1, 2, 0},
};

TEST(what_a_rule_forbids_is_refused_and_the_rest_is_taken)
{
    AUTO(buf) struct buf got = BUF_INIT(4000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_PTR(page) struct page *p = new_page(false);
        for (int k = 0; k < 4; k++) {
            struct page_faults f = read_page(p, cases[i].text);
            tell(&got);
            if (strcmp(got.data ? got.data : "", cases[i].want) != 0)
                test_fail(__FILE__, __LINE__, "case %zu: %s", i, got.data);
            if (f.refused_by[PAGE_UNSOUND] != cases[i].unsound ||
                f.refused_by[PAGE_SERIES_TWICE] != cases[i].twice ||
                f.lines_bad != cases[i].lines_bad || f.flaws != cases[i].flaws)
                test_fail(__FILE__, __LINE__, "case %zu: %d unsound, %d bad, %d flaws: %s %s", i,
                          (int)f.refused_by[PAGE_UNSOUND], (int)f.lines_bad, (int)f.flaws,
                          f.first_refused.text, f.first_bad.text);
            if (cases[i].first)
                CHECK_STR(f.first_refused.text, cases[i].first);
        }
    }
}

TEST(a_fault_comes_and_goes_and_known_lines_stay_known)
{
    static const char good[] = C "c_total 1\n" H "h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                                 "h_count 2\nh_sum 1\nd 1\n" EOF_;
    static const char bad[] = C "c_total -1\n" H "h_bucket{le=\"1.0\"} 3\nh_bucket{le=\"+Inf\"} 2\n"
                                "h_count 3\nh_sum 1\nd 1\n" EOF_;
    AUTO(buf) struct buf got = BUF_INIT(4000);
    AUTO_PTR(page) struct page *p = new_page(false);
    for (int i = 0; i < 40; i++) {
        bool faulty = i % 8 >= 4 && i % 8 < 6 - i % 3 / 2;
        struct page_faults f = read_page(p, faulty ? bad : good);
        tell(&got);
        CHECK_STR(got.data, faulty ? "h_bucket{1.0}=3 h_count=3 h_sum=1 d=1 "
                                   : "c_total=1 h_bucket{1.0}=1 h_bucket{+Inf}=2 h_count=2 h_sum=1 "
                                     "d=1 ");
        CHECK_INT(f.refused, faulty ? 2 : 0);
    }
    uint64_t known = page_stats(p).known;
    for (int i = 0; i < 3; i++)
        read_page(p, good);
    CHECK(page_stats(p).known >= known + 12);
}

TEST(a_series_whose_sample_is_unsound_once_has_not_ended)
{
    AUTO_PTR(page) struct page *p = new_page(false);
    for (int i = 0; i < 2; i++)
        read_page(p, C "c_total 1\n" EOF_);
    read_page(p, C "c_total NaN\n" EOF_);
    CHECK_INT(batch.ended_len, 0);
    CHECK_INT(read_page(p, C "c_total 2\n" EOF_).added, 0);
    read_page(p, C "c_total NaN\n" EOF_);
    read_page(p, C "c_total NaN\n" EOF_);
    CHECK_INT(batch.ended_len, 1);
}

TEST(of_several_points_the_last_counts)
{
    AUTO(buf) struct buf got = BUF_INIT(4000);
    for (int honor = 0; honor < 2; honor++)
        for (int strict = 0; strict < 2; strict++) {
            AUTO_PTR(target)
            struct target *t = target_new(&(struct target){.id = "x", .honor_timestamps = honor});
            AUTO_PTR(page) struct page *p = page_new(t, &PAGE_LIMITS_DEFAULT, 0);
            page_set_manner(p, &(struct page_manner){.format = FORMAT_OPENMETRICS,
                                                     .mode = strict ? MODE_STRICT : MODE_SALVAGE});
            for (int i = 0; i < 3; i++) {
                struct page_faults f = read_page(
                    p, H
                    "h_bucket{le=\"+Inf\"} 1 5\nh_count 1 5\nh_sum 1 5\nh_created 1 5\n"
                    "h_bucket{le=\"+Inf\"} 2 6 # {t=\"x\"} 1\nh_count 2 6\nh_sum 3 6\nd 4\n" EOF_);
                CHECK(!f.strict);
                tell(&got);
                CHECK_STR(got.data, honor ? "h_bucket{+Inf}=2@6000 h_count=2@6000 h_sum=3@6000 d=4 "
                                          : "h_bucket{+Inf}=2 h_count=2 h_sum=3 d=4 ");
                CHECK_INT(f.refused_by[PAGE_OLDER_POINT], 3);
                CHECK_INT(f.refused, 3);
                CHECK_STR(f.first_refused.text, "older_point: h_bucket");
                const struct sample_extra *e = sample_extra(&batch, &batch.samples[0]);
                CHECK(e && e->has_exemplar && e->created_ms == 1000);
                CHECK_STR(batch.samples[0].text.data ? "digits" : "", "digits");
                CHECK_INT(batch.samples[0].text.data[0], '2');
            }
        }
}

TEST(a_value_of_several_fields_costs_itself)
{
    static const char text[] = "# TYPE h histogram\nh {count:1,sum:2,bucket:[+Inf:1]}\n"
                               "# TYPE g gauge\ng 5\n" EOF_;
    AUTO(buf) struct buf got = BUF_INIT(4000);
    for (int version2 = 0; version2 < 2; version2++) {
        AUTO_PTR(page) struct page *p = new_page(version2);
        for (int i = 0; i < 3; i++) {
            struct page_faults f = read_page(p, text);
            tell(&got);
            CHECK_STR(got.data, "g=5 ");
            CHECK_INT(f.lines_bad, 1);
            CHECK(strstr(f.first_bad.text, "line 2, column 3: ") &&
                  strstr(f.first_bad.text, "(composite)"));
        }
    }
}

/* What was delivered, as a page again. */

static enum status put_quoted(struct buf *out, const char *text)
{
    enum status st = buf_puts(out, "\"");
    for (; *text && st == OK; text++)
        st = *text == '\n' ? buf_puts(out, "\\n")
                           : buf_printf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    return st == OK ? buf_puts(out, "\"") : st;
}

static void put_type(struct buf *out, const struct family *f, bool version2)
{
    static const char *const ends[SERIES_KINDS] = {
        [SERIES_COUNTER] = "_total", [SERIES_INFO] = "_info"};
    char name[600];
    snprintf(name, sizeof name, "%s", family_name(f));
    size_t len = strlen(name), end = ends[f->kind] && !version2 ? strlen(ends[f->kind]) : 0;
    CHECK(len > end);
    name[len - end] = '\0';
    CHECK_INT(buf_puts(out, "# TYPE "), OK);
    CHECK_INT(put_quoted(out, name), OK);
    CHECK_INT(
        buf_printf(out, " %s\n", f->kind == SERIES_UNTYPED ? "unknown" : series_kind_name(f->kind)),
        OK);
}

static void put_sample(struct buf *out, const struct sample *s)
{
    enum status st = buf_puts(out, "{");
    if (st == OK)
        st = put_quoted(out, series_name(s->series));
    for (struct label l = series_first(s->series); l.name && st == OK;
         l = series_next(s->series, l)) {
        st = buf_puts(out, ",");
        if (st == OK)
            st = put_quoted(out, l.name);
        if (st == OK)
            st = buf_puts(out, "=");
        if (st == OK)
            st = put_quoted(out, l.value);
    }
    if (st == OK)
        st = isnan(s->value) ? buf_puts(out, "} NaN") : buf_printf(out, "} %.17g", s->value);
    if (st == OK && s->ts_ms != SCRAPED_MS)
        st = buf_printf(out, " %.3f", (double)s->ts_ms / 1000);
    CHECK_INT(st, OK);
    CHECK_INT(buf_puts(out, "\n"), OK);
}

/* Anything but that something is missing. */
static void keep_fault(void *of, const struct check_fault *f)
{
    if (!f->missing)
        *(const char **)of = f->rule;
}

static const char *judge(const struct buf *page, bool version2)
{
    const char *rule = NULL;
    struct check_conf conf = {.format = FORMAT_OPENMETRICS,
                              .version2 = version2,
                              .max_line = 10000,
                              .max_series = 1000,
                              .max_families = 1000,
                              .of = &rule,
                              .fault = keep_fault};
    AUTO_PTR(check) struct check *c = check_new(&conf);
    for (const char *at = page->data, *end = at + page->len, *next; at < end; at = next) {
        next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        check_line(c, (struct span){at, (size_t)(next - at)});
    }
    check_end(c);
    return rule;
}

static void check_file(const char *path, bool version2)
{
    static char room[1 << 16];
    AUTO_PTR(page) struct page *p = new_page(version2);
    AUTO(buf) struct buf again = BUF_INIT(1 << 20);
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    size_t n = fread(room, 1, sizeof room, f);
    fclose(f);
    for (int k = 0; k < 2; k++) {
        struct page_faults faults;
        page_read(p, (struct span){room, n}, SCRAPED_MS, &batch, &faults);
        buf_truncate(&again, 0);
        for (size_t i = 0; i < batch.len; i++) {
            const struct family *family = batch.samples[i].series->family;
            if (i == 0 || family != batch.samples[i - 1].series->family)
                put_type(&again, family, version2);
            put_sample(&again, &batch.samples[i]);
        }
        const char *rule = judge(&again, version2);
        if (rule)
            test_fail(__FILE__, __LINE__, "%s: %s: %s", path, rule, again.data);
    }
}

TEST(what_is_delivered_of_a_bad_page_is_good)
{
    static const char *const folders[] = {"openmetrics", "openmetrics2"};
    char path[600];
    size_t files = 0;
    for (unsigned i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof path, STRATA_SOURCE "/test/pages/%s/bad", folders[i]);
        DIR *d = opendir(path);
        CHECK(d != NULL);
        for (struct dirent *e; (e = readdir(d));) {
            if (e->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, STRATA_SOURCE "/test/pages/%s/bad/%s", folders[i],
                     e->d_name);
            check_file(path, i == 1);
            files++;
        }
        closedir(d);
    }
    CHECK(files > 300);
}
