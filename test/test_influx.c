/* SPDX-License-Identifier: Apache-2.0 */
/* The message contract of the influx encoder. */
#include "encoder_run.h"

static void check_text(const char *conf, const char *text, const char *want)
{
    struct encoder_step e = encoder_configured("influx", conf);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    for (int scrape = 0; scrape < 2; scrape++) /* constants made, then remembered */
        encoder_check(&e, read_text(p, text), 5000, want);
    e.ops->close(e.self);
}

#define NS " 1795271160123000000\n"

TEST(a_sample_is_a_line_with_sorted_tags)
{
    check_text("", "# TYPE up gauge\nup{pod=\"a\",ns=\"x\"} 1.50\nb 17\n",
               "up,ns=x,pod=a value=1.50" NS "b value=17" NS);
}

TEST(digits_pass_and_words_do_not)
{
    struct encoder_step e = encoder_configured("influx", "");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    struct encoder_counts c = encoder_check(
        &e, read_text(p, "a 1E+05\nb -0\nc NaN\nd +Inf\ne -Inf\nf 007\ng 4.9e-324\n"), 5000,
        "a value=1E+05" NS "b value=-0" NS "f value=7" NS "g value=4.9e-324" NS);
    CHECK_INT(c.skipped[SKIP_UNSAYABLE], 3);
    e.ops->close(e.self);
}

TEST(tags_are_escaped)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"a b", "a\\ b"},
        {"a,b=c", "a\\,b\\=c"},
        {"a\\\\b", "a\\b"},
        {"a\\\\,b", "a\\\\,b"},
        {"C:\\\\", "C:_"},
        {"a\\\\\\\\", "a\\_"},
        {"two\\nlines", "two\\nlines"},
        {"a\rb", "a\\rb"},
        {"say \\\"hi\\\"", "say\\ \"hi\""},
        {"\xc3\xa9\t#", "\xc3\xa9\\t#"},
        {"=", "\\="},
        {" ", "\\ "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf text = BUF_INIT(100), want = BUF_INIT(100);
        CHECK_INT(buf_printf(&text, "a{x=\"%s\"} 1\n", cases[i].value), OK);
        CHECK_INT(buf_printf(&want, "a,x=%s value=1" NS, cases[i].want), OK);
        check_text("", text.data, want.data);
    }
}

TEST(the_time_is_in_the_unit_that_was_asked_for)
{
    static const struct {
        const char *precision, *ms, *want;
    } cases[] = {
        {"ns", "1", "1000000"},
        {"us", "1", "1000"},
        {"ms", "1", "1"},
        {"s", "1999", "1"},
        {"s", "-1", "-1"},
        {"s", "-1000", "-1"},
        {"s", "-1001", "-2"},
        {"ns", "0", "0"},
        {"ns", "-5", "-5000000"},
        {"ns", "9223372036853", "9223372036853000000"},
        {"us", "-62135596800000", "-62135596800000000"},
        {"us", "253402300799999", "253402300799999000"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf conf = BUF_INIT(100), text = BUF_INIT(100), want = BUF_INIT(100);
        CHECK_INT(buf_printf(&conf, "precision=%s", cases[i].precision), OK);
        CHECK_INT(buf_printf(&text, "a 1 %s\nb 1 5\nc 1 %s\n", cases[i].ms, cases[i].ms), OK);
        const char *five[] = {"5000000", "5000", "5", "0"};
        size_t unit = *cases[i].precision == 'n'     ? 0
                      : *cases[i].precision == 'u'   ? 1
                      : cases[i].precision[0] == 'm' ? 2
                                                     : 3;
        CHECK_INT(buf_printf(&want, "a value=1 %s\nb value=1 %s\nc value=1 %s\n", cases[i].want,
                             five[unit], cases[i].want),
                  OK);
        check_text(conf.data, text.data, want.data);
    }
}

TEST(a_time_that_nanoseconds_do_not_hold_is_skipped)
{
    struct encoder_step e = encoder_configured("influx", "");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    struct encoder_counts c =
        encoder_check(&e, read_text(p, "a 1 9223372036855\nb 1 -9223372036855\nc 1 1\n"), 500,
                      "c value=1 1000000\n");
    CHECK_INT(c.skipped[SKIP_UNSAYABLE], 2);
    e.ops->close(e.self);
}

TEST(one_measurement_for_all_has_names_for_fields)
{
    check_text("measurement=prometheus", "up{pod=\"a\"} 1\n", "prometheus,pod=a up=1" NS);
    check_text("measurement=m", "time 1\n", "m time_=1" NS);
    check_text("", "a{time=\"t\"} 1\n", "a,time_=t value=1" NS);
    check_text("field=gauge", "up 1\n", "up gauge=1" NS);
}

#define S " 1795271160\n"

TEST(the_dialect_cc_has_tags_of_its_own)
{
    static const struct {
        const char *labels, *tags;
    } cases[] = {
        {"", ",type=node"},
        {"instance=\"n1:9100\"", ",hostname=n1,type=node,instance=n1:9100"},
        {"instance=\"[::1]:9100\"", ",hostname=::1,type=node,instance=[::1]:9100"},
        {"instance=\"::1\"", ",hostname=::1,type=node,instance=::1"},
        {"instance=\"n1\"", ",hostname=n1,type=node,instance=n1"},
        {"instance=\":9100\"", ",type=node,instance=:9100"},
        {"host=\"n2\",cluster=\"c\",type=\"hwthread\",type_id=\"3\"",
         ",cluster=c,hostname=n2,type=hwthread,type-id=3"},
        {"hostname=\"n3\",host=\"n2\",stype=\"s\",stype_id=\"1\",zone=\"z\"",
         ",hostname=n3,type=node,stype=s,stype-id=1,zone=z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf text = BUF_INIT(200), want = BUF_INIT(200);
        CHECK_INT(buf_printf(&text, "load{%s} 1\n", cases[i].labels), OK);
        CHECK_INT(buf_printf(&want, "load%s value=1" S, cases[i].tags), OK);
        check_text("dialect=cc", text.data, want.data);
    }
    check_text("dialect=cc hostname=node", "load{instance=\"a:1\",node=\"b:2\"} 1\n",
               "load,hostname=b,type=node,instance=a:1,node=b:2 value=1" S);
    check_text("dialect=cc precision=ms", "load 1\n", "load,type=node value=1 1795271160123\n");
}

TEST(an_end_cannot_be_said)
{
    struct encoder_step e = encoder_configured("influx", "");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    encoder_check(&e, read_text(p, "a 1\n"), 500, "a value=1" NS);
    struct encoder_counts c = encoder_check(&e, read_text(p, ""), 500, "");
    CHECK_INT(c.ended, 1);
    CHECK_INT(c.skipped[SKIP_UNSAYABLE], 1);
    e.ops->close(e.self);
}

TEST(lines_are_whole_in_any_bound_and_marked)
{
    encoder_check_bounds("influx", "");
    encoder_check_bounds("influx", "dialect=cc");
    struct encoder_step e = encoder_configured("influx", "");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO_PTR(payload) struct payload *out = payload_new("key", 1000);
    struct encoder_counts counts = {0};
    size_t from = 0;
    CHECK_INT(encoder_run(&e, read_text(p, "a 1\nb 2\n"), &from, out, NULL, &counts), 2);
    CHECK_INT(out->marks.len, 2);
    CHECK_INT(out->marks.at[1], sizeof "a value=1" NS - 1);
    CHECK_STR(out->content_type, "text/plain; charset=utf-8");
    e.ops->close(e.self);
}

TEST(a_repeat_scrape_allocates_nothing)
{
    encoder_check_repeat("influx", "");
}

TEST(settings_that_would_break_a_line_are_refused)
{
    static const struct {
        const char *conf, *want;
    } cases[] = {
        {"field=a,b", "influx: field 'a,b' has white space, a quote, or one of , = \\ #"},
        {"measurement=#m", "influx: measurement '#m' has white space, a quote, or one of , = \\ #"},
        {"field=", "influx: field is empty or 'time'"},
        {"field=time", "influx: field is empty or 'time'"},
        {"dialect=cc field=x", "influx: the dialect cc has neither measurement nor field"},
        {"dialect=cc measurement=x", "influx: the dialect cc has neither measurement nor field"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        encoder_check_refused("influx", cases[i].conf, cases[i].want);
}
