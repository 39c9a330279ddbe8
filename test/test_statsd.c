/* SPDX-License-Identifier: Apache-2.0 */
/* The statsd encoder: each dialect's shape, and all of them against a naive formatter. */
#include "encoders.h"
#include "read.h"
#include "test.h"

#include <math.h>

/* Defaults, then name, text, ..., NULL. */
static enum status open_with(struct encoder_step *e, const char *const *settings, struct err *err)
{
    *e = (struct encoder_step){.ops = encoder_find("statsd"), .max_samples = 1000};
    _Alignas(max_align_t) char conf[64] = {0};
    CHECK(e->ops->conf_size <= sizeof conf);
    setting_defaults(e->ops->settings, conf);
    for (; settings[0]; settings += 2)
        CHECK_INT(setting_set(setting_find(e->ops->settings, settings[0]), conf, settings[1], NULL),
                  OK);
    enum status r = e->ops->open(&e->self, conf, err);
    setting_done(e->ops->settings, conf);
    return r;
}

#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* All messages of b, each of at most max bytes, ended by '~'. */
static struct encoder_counts encode(const struct encoder_step *e, const struct batch *b, size_t max,
                                    struct buf *out)
{
    struct encoder_counts counts = {0};
    AUTO_PTR(payload) struct payload *p = payload_new("key", max);
    buf_truncate(out, 0);
    for (size_t from = 0; encoder_run(e, b, &from, p, NULL, &counts) > 0;
         buf_truncate(&p->body, 0)) {
        CHECK(p->body.len <= max && p->body.data[p->body.len - 1] == '\n');
        CHECK_INT(buf_cat(out, p->body.data, "~", NULL), OK);
    }
    CHECK_INT(counts.encoded + counts.skipped[0] + counts.skipped[1], b->len + counts.ended);
    return counts;
}

/* The second scrape of text, so that counters have a value before. */
static void check_shape(const char *const *settings, const char *text, const char *want)
{
    struct encoder_step e;
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO(buf) struct buf got = BUF_INIT(10000);
    CHECK_INT(open_with(&e, settings, NULL), OK);
    batch_commit(read_text(p, text));
    for (int i = 0; i < 2; i++) { /* made, then from the cache */
        encode(&e, read_text(p, text), 10000, &got);
        CHECK_STR(got.data, want);
    }
    e.ops->close(e.self);
}

#define TAGS(dialect) SETTINGS("tags", dialect)

TEST(each_dialect_has_its_shape)
{
    static const char text[] = "# TYPE hits counter\nhits{path=\"/a\",code=\"200\"} 4\nup 1.50\n";
    check_shape(TAGS("none"), text, "hits:0|c\nup:1.50|g\n~");
    check_shape(TAGS("dogstatsd"), text, "hits:0|c|#code:200,path:/a\nup:1.50|g\n~");
    check_shape(TAGS("influx"), text, "hits,code=200,path=/a:0|c\nup:1.50|g\n~");
    check_shape(TAGS("graphite"), text, "hits;code=200;path=/a:0|c\nup:1.50|g\n~");
    check_shape(TAGS("librato"), text, "hits#code=200,path=/a:0|c\nup:1.50|g\n~");
}

TEST(what_means_something_to_a_parser_becomes_an_underscore)
{
    static const char text[] = "a:b{v=\"~:|@#,;= \\n\\\\x\x7f\xc3\xa9\"} 1\n";
    check_shape(TAGS("dogstatsd"), text, "a_b:1|g|#v:~_____;=__\\x_\xc3\xa9\n~");
    check_shape(TAGS("influx"), text, "a_b,v=~_________\\x_\xc3\xa9:1|g\n~");
    check_shape(TAGS("librato"), text, "a_b#v=~_________\\x_\xc3\xa9:1|g\n~");
    check_shape(TAGS("graphite"), text, "a_b;v=__________\\x_\xc3\xa9:1|g\n~");
}

TEST(a_negative_gauge_is_set_to_zero_first_in_the_same_message)
{
    static const char text[] = "a -5\nb{c=\"d\"} -0\ne -1e-7\n# TYPE f gauge\nf -2.5\n";
    static const char want[] = "a:0|g\na:-5|g\nb:0|g|#c:d\nb:-0|g|#c:d\ne:0|g\ne:-1e-7|g\n"
                               "f:0|g\nf:-2.5|g\n~";
    check_shape(TAGS("dogstatsd"), text, want);

    struct encoder_step e;
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO(buf) struct buf got = BUF_INIT(10000);
    CHECK_INT(open_with(&e, TAGS("none"), NULL), OK);
    const struct batch *b = read_text(p, "a -5\nb -6\nc 7\n");
    encode(&e, b, 13, &got); /* just one pair */
    CHECK_STR(got.data, "a:0|g\na:-5|g\n~b:0|g\nb:-6|g\n~c:7|g\n~");
    CHECK_INT(encode(&e, b, 12, &got).skipped[SKIP_TOO_LARGE], 2);
    CHECK_STR(got.data, "c:7|g\n~");
    e.ops->close(e.self);
}

TEST(times_are_seconds_behind_the_tags)
{
    static const char *const with[] = {"timestamps", "true", NULL};
    check_shape(with, "a{b=\"c\"} -1\nd 2 1500\ne 3 999\nf 4 -5000\n",
                "a:0|g|#b:c|T1795271160\na:-1|g|#b:c|T1795271160\nd:2|g|T1\ne:3|g\nf:4|g\n~");
}

static const char distributions[] =
    "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n"
    "# TYPE s summary\ns{quantile=\"0.5\"} 5\ns_sum 6\ns_count 7\n";

TEST(histograms_and_summaries_are_gauges_or_left_out)
{
    check_shape(TAGS("dogstatsd"), distributions,
                "h_bucket:2|g|#le:1\nh_bucket:3|g|#le:+Inf\nh_sum:4|g\nh_count:3|g\n"
                "s:5|g|#quantile:0.5\ns_sum:6|g\ns_count:7|g\n~");
    check_shape(SETTINGS("histograms", "totals", "summaries", "none"), distributions,
                "h_sum:4|g\nh_count:3|g\n~");
    check_shape(SETTINGS("histograms", "none", "summaries", "totals"), distributions,
                "s_sum:6|g\ns_count:7|g\n~");
    struct encoder_step e;
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO(buf) struct buf got = BUF_INIT(10000);
    CHECK_INT(open_with(&e, SETTINGS("histograms", "none", "summaries", "none"), NULL), OK);
    struct encoder_counts c = encode(&e, read_text(p, distributions), 1000, &got);
    CHECK_INT(c.skipped[SKIP_UNSAYABLE], 7);
    CHECK_STR(got.data, "");
    c = encode(&e, read_text(p, ""), 1000, &got); /* never sent: their end is nobody's concern */
    CHECK_INT(c.ended, 0);
    e.ops->close(e.self);
}

TEST(increments_are_those_of_the_running_total)
{
    static const struct {
        const char *value, *want;
    } scrapes[] = {
        {"10", ""}, /* nothing to compare with */
        {"12.5", "a:2.5|c\n~"},
        {"+Inf", ""},
        {"12", ""}, /* what was before is no number */
        {"12", "a:0|c\n~"},
        {"4", "a:4|c\n~"}, /* the target started again */
        {"-3", ""},        /* no increment, whatever it means */
        {"2", "a:5|c\n~"},
        {"1e308", "a:1e+308|c\n~"},
        {"-1.5e308", ""},
        {"1.5e308", ""}, /* the difference is no number */
    };
    struct encoder_step e;
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO(buf) struct buf got = BUF_INIT(10000);
    CHECK_INT(open_with(&e, TAGS("none"), NULL), OK);
    for (size_t i = 0; i < ARRAY_LEN(scrapes); i++) {
        char text[64];
        snprintf(text, sizeof text, "# TYPE a counter\na %s\n", scrapes[i].value);
        const struct batch *b = read_text(p, text);
        encode(&e, b, 1000, &got);
        CHECK_STR(got.data, scrapes[i].want);
        batch_commit(b);
    }
    e.ops->close(e.self);
}

TEST(a_prefix_that_would_break_lines_is_refused)
{
    static const char *const bad[] = {":", "a b.", "a|", "x#", "x@", "a,", "a;", "a=", "\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct encoder_step e;
        struct err err = {.status = OK};
        CHECK_INT(open_with(&e, SETTINGS("prefix", bad[i]), &err), ERR_INVALID);
        CHECK(strstr(err.text, "prefix: '") != NULL);
    }
    check_shape(SETTINGS("prefix", "k8s.eu-1/", "tags", "none"), "a 1\n", "k8s.eu-1/a:1|g\n~");
}

/* The naive formatter: from name, tags and value to a line, a character at a time. */
struct naive {
    const char *words, *first, *next, *equals, *bad_in_values;
    bool in_name;
};
static const struct naive naives[] = {
    {"none", "", "", "", "", false},        {"dogstatsd", "|#", ",", ":", "", false},
    {"influx", ",", ",", "=", ";=", true},  {"graphite", ";", ";", "=", ";=~", true},
    {"librato", "#", ",", "=", ";=", true},
};

static void add_naive(struct buf *out, const char *s, const char *bad)
{
    for (; *s; s++)
        CHECK_INT(buf_printf(out, "%c", strchr(":|@#,\n\t ", *s) || strchr(bad, *s) ? '_' : *s),
                  OK);
}

static void add_naive_tags(struct buf *out, const struct naive *n, const struct series *s)
{
    const char *before = n->first;
    for (struct label l = series_first(s); n->first[0] && l.name; l = series_next(s, l)) {
        CHECK_INT(buf_puts(out, before), OK);
        add_naive(out, l.name, ";=");
        CHECK_INT(buf_puts(out, n->equals), OK);
        add_naive(out, l.value, n->bad_in_values);
        before = n->next;
    }
}

static void add_naive_line(struct buf *out, const struct naive *n, const struct series *s,
                           const char *value, char type)
{
    add_naive(out, series_name(s), ";=");
    if (n->in_name)
        add_naive_tags(out, n, s);
    CHECK_INT(buf_printf(out, ":%s|%c", value, type), OK);
    if (!n->in_name)
        add_naive_tags(out, n, s);
    CHECK_INT(buf_puts(out, "\n"), OK);
}

static uint64_t seed = 88172645463325252u;
static unsigned roll(unsigned sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % sides);
}

enum { SERIES = 40 };

/* A page of counters and gauges; before and now are the values of both scrapes. */
static void make_pages(struct buf pages[2], double values[2][SERIES])
{
    static const char *const texts[] = {"plain", "a:b", "x|y", "1,2;3=4", "#@", "~w", "two words"};
    for (int i = 0; i < SERIES; i++) {
        const char *one = texts[roll(ARRAY_LEN(texts))], *two = texts[roll(ARRAY_LEN(texts))];
        int labels = (int)roll(3);
        for (int scrape = 0; scrape < 2; scrape++) {
            double v = ((double)roll(2000000) - (i % 2 ? 0 : 1000000)) / (1 << roll(8));
            values[scrape][i] = v;
            CHECK_INT(buf_printf(&pages[scrape], "# TYPE m:%d %s\nm:%d", i,
                                 i % 2 ? "counter" : "gauge", i),
                      OK);
            if (labels > 0)
                CHECK_INT(buf_printf(&pages[scrape], "{k=\"%s\"", one), OK);
            if (labels > 1)
                CHECK_INT(buf_printf(&pages[scrape], ",l_2=\"%s\"", two), OK);
            CHECK_INT(buf_printf(&pages[scrape], "%s %.17g\n", labels ? "}" : "", v), OK);
        }
    }
}

TEST(every_line_is_that_of_a_naive_formatter)
{
    for (size_t round = 0; round < 10 * ARRAY_LEN(naives); round++) {
        const struct naive *n = &naives[round % ARRAY_LEN(naives)];
        struct encoder_step e;
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO(buf)
        struct buf got = BUF_INIT(100000), want = BUF_INIT(100000), first = BUF_INIT(100000),
                   second = BUF_INIT(100000);
        struct buf pages[2] = {first, second};
        double values[2][SERIES];
        make_pages(pages, values);
        first = pages[0], second = pages[1];
        CHECK_INT(open_with(&e, TAGS(n->words), NULL), OK);
        batch_commit(read_text(p, first.data));
        const struct batch *b = read_text(p, second.data);
        CHECK_INT(b->len, SERIES);
        for (int i = 0; i < SERIES; i++) {
            double v = values[1][i], before = values[0][i];
            char value[NUMBER_ROOM + 1] = "";
            number_print(value, i % 2 == 0 ? v : v < before ? v : v - before);
            if (i % 2 == 0)
                snprintf(value, sizeof value, "%.17g", v);
            if (value[0] == '-')
                add_naive_line(&want, n, b->samples[i].series, "0", 'g');
            add_naive_line(&want, n, b->samples[i].series, value, i % 2 ? 'c' : 'g');
        }
        CHECK_INT(encode(&e, b, 100000, &got).encoded, SERIES);
        buf_truncate(&got, got.len - 1);
        CHECK_STR(got.data, want.data);
        size_t whole = got.len;
        encode(&e, b, 200, &got); /* packed: the same lines, none split */
        size_t kept = 0;
        for (size_t i = 0; i < got.len; i++)
            if (got.data[i] != '~' || got.data[i - 1] != '\n')
                got.data[kept++] = got.data[i];
        CHECK_INT(kept, whole);
        CHECK(memcmp(got.data, want.data, whole) == 0);
        e.ops->close(e.self);
    }
}
