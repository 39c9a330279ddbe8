/* SPDX-License-Identifier: Apache-2.0 */
/* Every action on labels.  What a rule makes of them is what Prometheus makes of them, unless the
 * name of the test says otherwise. */
#include "relabel_test.h"

TEST(replace_sets_the_target_from_what_matched)
{
    static const struct example examples[] = {
        {"a=foo|b=bar|c=baz",
         {{.source = "a", .regex = "f(.*)", .target = "d", .replacement = "ch${1}-ch${1}"}},
         "a=foo|b=bar|c=baz|d=choo-choo"},
        {"a=foo|b=bar|c=baz",
         {{.source = "a,b", .regex = "f(.*);(.*)r", .target = "a", .replacement = "b${1}${2}m"},
          {.source = "c,a", .regex = "(b).*b(.*)ba(.*)", .target = "d", .replacement = "$1$2$2$3"}},
         "a=boobam|b=bar|c=baz|d=boooom"},
        {"a=abc",
         {{.source = "a", .regex = ".*(b).*", .target = "d", .replacement = "$1"}},
         "a=abc|d=b"},
        {"a=boo", {{.source = "a", .regex = "f", .target = "b", .replacement = "bar"}}, "a=boo"},
        {"a=line1\nline2|b=bar",
         {{.source = "a", .regex = "line1.*line2", .target = "d", .replacement = "match${1}"}},
         "a=line1\nline2|b=bar|d=match"},
        {"__name__=http_requests_total",
         {{.source = "__name__",
           .regex = ".*_total$",
           .target = "__type__",
           .replacement = "counter"}},
         "__name__=http_requests_total|__type__=counter"},
        {"__name__=disk_usage_bytes",
         {{.source = "__name__",
           .regex = ".*_bytes$",
           .target = "__unit__",
           .replacement = "bytes"}},
         "__name__=disk_usage_bytes|__unit__=bytes"},
        {"__meta_sd_tags=path:/secret,job:some-job,label:foo=bar",
         {{.source = "__meta_sd_tags",
           .regex = "(?:.+,|^)path:(/[^,]+).*",
           .target = "__metrics_path__"},
          {.source = "__meta_sd_tags", .regex = "(?:.+,|^)job:([^,]+).*", .target = "job"},
          {.source = "__meta_sd_tags",
           .regex = "(?:.+,|^)label:([^=]+)=([^,]+).*",
           .target = "$1",
           .replacement = "$2"}},
         "__meta_sd_tags=path:/secret,job:some-job,label:foo=bar|__metrics_path__=/secret|foo=bar|"
         "job=some-job"},
        {"__address__=10.0.0.1:80|__meta_port=9102", /* as everyone writes it */
         {{.source = "__address__,__meta_port",
           .regex = "([^:]+)(?::\\d+)?;(\\d+)",
           .target = "__address__",
           .replacement = "$1:$2"}},
         "__address__=10.0.0.1:9102|__meta_port=9102"},
    };
    RUN(examples);
}

TEST(replace_has_defaults_that_copy)
{
    static const struct example examples[] = {
        {"a=foo", {{.source = "a", .target = "b"}}, "a=foo|b=foo"},
        {"a=foo|b=bar", {{.source = "a,none,b", .target = "c"}}, "a=foo|b=bar|c=foo;;bar"},
        {"a=foo|b=bar",
         {{.source = "a,b", .target = "c", .separator = ""}},
         "a=foo|b=bar|c=foobar"},
        {"a=foo", {{.source = "a,a", .target = "a", .separator = "$1"}}, "a=foo$1foo"},
        {"a=x\ny", {{.source = "a", .target = "b"}}, "a=x\ny|b=x\ny"},
        {"a=foo", {{.target = "b", .replacement = "fixed"}}, "a=foo|b=fixed"},
        {"a=foo", {{.target = "b", .replacement = "a $$1"}}, "a=foo|b=a $1"},
        {"a=foo", {{.source = "none", .target = "b", .regex = ""}}, "a=foo"},
        {"", {{.target = "b", .replacement = "fixed"}}, "b=fixed"},
    };
    RUN(examples);
}

TEST(replace_with_an_empty_result_removes_the_target)
{
    static const struct example examples[] = {
        {"a=foo|b=bar", {{.target = "b", .replacement = ""}}, "a=foo"},
        {"a=foo|b=bar", {{.source = "none", .target = "b"}}, "a=foo"},
        {"a=foo|b=bar", {{.source = "a", .regex = "(x)?foo", .target = "b"}}, "a=foo"},
        {"a=foo|b=bar", {{.source = "a", .regex = "(x)", .target = "b"}}, "a=foo|b=bar"},
        {"a=some-name-value",
         {{.source = "a",
           .regex = "some-([^-]+)-([^,]+)",
           .target = "${1}",
           .replacement = "${3}"}},
         "a=some-name-value"},
    };
    RUN(examples);
}

TEST(replace_takes_the_name_of_the_target_from_the_match)
{
    static const struct example examples[] = {
        {"a=some-name-value",
         {{.source = "a",
           .regex = "some-([^-]+)-([^,]+)",
           .target = "${1}",
           .replacement = "${2}"}},
         "a=some-name-value|name=value"},
        {"a=some-name-0",
         {{.source = "a", .regex = "some-([^-]+)-([^,]+)", .target = "${3}", .replacement = "${1}"},
          {.source = "a", .regex = "some-([^-]+)(-[^,]+)", .target = "${2}", .replacement = "${1}"},
          {.source = "a", .regex = "some-([^-]+)-([^,]+)", .target = "$2", .replacement = "${1}"}},
         "a=some-name-0"}, /* "", "-0" and "0" are no names */
        {"a=line1\nline2",
         {{.source = "a",
           .regex = "(line1).*(?<second>line2)",
           .target = "label1_${1}",
           .replacement = "val_${second}"},
          {.source = "a",
           .regex = "(line1).*(?P<second>line2)",
           .target = "label2_$1",
           .replacement = "val_$second"}},
         "a=line1\nline2|label1_line1=val_line2|label2_line1=val_line2"},
        {"a=x", {{.source = "a", .target = "p_$1_s"}}, "a=x|p_=x"}, /* $1_s is no group */
        {"a=x", {{.source = "a", .target = "p_${1}_s"}}, "a=x|p_x_s=x"},
    };
    RUN(examples);
}

TEST(keep_and_drop_decide_by_the_whole_value)
{
    static const struct example examples[] = {
        {"a=foo",
         {{.action = "drop", .source = "a", .regex = ".*o.*"}, {.target = "d"}},
         "dropped by 0"},
        {"a=foo|b=bar", {{.action = "drop", .source = "a", .regex = ".*o.*"}}, "dropped by 0"},
        {"a=foo", {{.action = "drop", .source = "a", .regex = "no-match"}}, "a=foo"},
        {"a=foo", {{.action = "drop", .source = "a", .regex = "f|o"}}, "a=foo"},
        {"a=foo", {{.action = "keep", .source = "a", .regex = "no-match"}}, "dropped by 0"},
        {"a=foo", {{.action = "keep", .source = "a", .regex = "f.*"}}, "a=foo"},
        {"a=foo", {{.action = "keep", .source = "a", .regex = "oo"}}, "dropped by 0"},
        {"a=foo",
         {{.target = "b", .replacement = "x"},
          {.action = "keep", .source = "a", .regex = "foo"},
          {.action = "drop", .source = "b", .regex = "x"}},
         "dropped by 2"},
        {"a=foo", {{.action = "keep", .source = "none"}}, "a=foo"},
        {"a=foo", {{.action = "keep", .source = "none", .regex = ".+"}}, "dropped by 0"},
        {"a=1|b=2", {{.action = "keep", .source = "a,b", .regex = "1;2"}}, "a=1|b=2"},
        {"a=1|b=2",
         {{.action = "drop", .source = "a,b", .regex = "1/2", .separator = "/"}},
         "dropped by 0"},
    };
    RUN(examples);
}

TEST(keepequal_and_dropequal_compare_with_the_target)
{
#define PORTS "__port1=1234|__port2=5678|__tmp_port=1234"
    static const struct example examples[] = {
        {PORTS, {{.action = "keepequal", .source = "__tmp_port", .target = "__port1"}}, PORTS},
        {PORTS,
         {{.action = "dropequal", .source = "__tmp_port", .target = "__port1"}},
         "dropped by 0"},
        {PORTS, {{.action = "dropequal", .source = "__tmp_port", .target = "__port2"}}, PORTS},
        {PORTS,
         {{.action = "keepequal", .source = "__tmp_port", .target = "__port2"}},
         "dropped by 0"},
        {PORTS, {{.action = "keepequal", .source = "none", .target = "nor_this"}}, PORTS},
        {PORTS, {{.action = "dropequal", .source = "none", .target = "__port1"}}, PORTS},
        {"a=1|b=2|c=1;2",
         {{.action = "keepequal", .source = "a,b", .target = "c"}},
         "a=1|b=2|c=1;2"},
        {"a=12|b=1", {{.action = "keepequal", .source = "a", .target = "b"}}, "dropped by 0"},
    };
    RUN(examples);
}

TEST(hashmod_gives_the_number_that_prometheus_gives)
{
#define HASH(m, s)                                                    \
    {                                                                 \
        .action = "hashmod", .source = s, .target = "d", .modulus = m \
    }
    static const struct example examples[] = {
        {"c=baz", {HASH("1000", "c")}, "c=baz|d=976"},
        {"a=foo\nbar", {HASH("1000", "a")}, "a=foo\nbar|d=734"},
        {"a=foo", {HASH("10", "none")}, "a=foo|d=8"},
        {"a=10.1.2.3:8080",
         {HASH("9223372036854775807", "a")},
         "a=10.1.2.3:8080|d=6684136005776193515"},
        {"a=a|b=b", {HASH("7", "a,b")}, "a=a|b=b|d=2"},
        {"a=a|b=b", {HASH("4294967311", "a,none,b")}, "a=a|b=b|d=3997253765"},
        {"a=caf\xc3\xa9", {HASH("1", "a")}, "a=caf\xc3\xa9|d=0"},
        {"a=baz",
         {HASH("2", "a"), {.action = "keep", .source = "d", .regex = "1"}},
         "dropped by 1"}, /* what it is for: half of the targets */
    };
    RUN(examples);
}

TEST(labelmap_copies_labels_under_names_made_of_theirs)
{
    static const struct example examples[] = {
        {"a=foo|b1=bar|b2=baz",
         {{.action = "labelmap", .regex = "(b.*)", .replacement = "bar_${1}"}},
         "a=foo|b1=bar|b2=baz|bar_b1=bar|bar_b2=baz"},
        {"__meta_my_bar=aaa|__meta_my_baz=bbb|__meta_other=ccc|a=foo",
         {{.action = "labelmap", .regex = "__meta_(my.*)", .replacement = "${1}"}},
         "__meta_my_bar=aaa|__meta_my_baz=bbb|__meta_other=ccc|a=foo|my_bar=aaa|my_baz=bbb"},
        {"x_a=1", {{.action = "labelmap", .regex = "x_(.+)"}}, "a=1|x_a=1"},
        {"a=1|b=2", {{.action = "labelmap"}}, "a=1|b=2"},
        /* what it sets, it does not map again */
        {"a=1|aa=2|aaa=3", {{.action = "labelmap", .regex = "a(a+)"}}, "a=2|aa=3|aaa=3"},
        {"a=1|b=2", {{.action = "labelmap", .regex = "(.)", .replacement = "b"}}, "a=1|b=2"},
        {"a=1|b=2|c=3", /* the last in the order of names wins */
         {{.action = "labelmap", .regex = "[ab]", .replacement = "c"}},
         "a=1|b=2|c=2"},
        {"a=1", {{.action = "labelmap", .regex = "(b)?a", .replacement = "$1"}}, "a=1"},
    };
    RUN(examples);
}

TEST(labeldrop_and_labelkeep_remove_labels_by_name)
{
    static const struct example examples[] = {
        {"a=foo|b1=bar|b2=baz", {{.action = "labelkeep", .regex = "(b.*)"}}, "b1=bar|b2=baz"},
        {"a=foo|b1=bar|b2=baz", {{.action = "labeldrop", .regex = "(b.*)"}}, "a=foo"},
        {"a=foo|ab=bar", {{.action = "labeldrop", .regex = "b"}}, "a=foo|ab=bar"},
        {"a=foo|ab=bar", {{.action = "labeldrop"}}, ""},
        {"__meta_annotation_port=9091|__meta_port_name=foo",
         {{.action = "labeldrop", .regex = "^__meta_port_name$"},
          {.source = "__meta_annotation_port",
           .regex = "(.+)",
           .target = "__meta_port_name",
           .replacement = "metrics"},
          {.action = "keep", .source = "__meta_port_name", .regex = "^metrics$"}},
         "__meta_annotation_port=9091|__meta_port_name=metrics"},
    };
    RUN(examples);
}

TEST(lowercase_and_uppercase_set_the_target)
{
    static const struct example examples[] = {
        {"foo=bAr123Foo",
         {{.action = "uppercase", .source = "foo", .target = "foo_uppercase"},
          {.action = "lowercase", .source = "foo", .target = "foo_lowercase"}},
         "foo=bAr123Foo|foo_lowercase=bar123foo|foo_uppercase=BAR123FOO"},
        {"a=A@Z[`a{z", {{.action = "lowercase", .source = "a", .target = "a"}}, "a=a@z[`a{z"},
        {"a=A@Z[`a{z", {{.action = "uppercase", .source = "a", .target = "a"}}, "a=A@Z[`A{Z"},
        {"a=X|b=Y",
         {{.action = "lowercase", .source = "a,b", .target = "c", .separator = "S"}},
         "a=X|b=Y|c=xsy"},
        {"a=X|b=Y", {{.action = "lowercase", .source = "none", .target = "b"}}, "a=X"},
    };
    RUN(examples);
}

TEST(no_rules_keep_everything)
{
    static const struct example none = {"a=1", {{0}}, "a=1"};
    run(&none, 0, __FILE__);
}

/* Where Prometheus does otherwise; docs/RELABEL.md says so. */
TEST(letters_beyond_ascii_and_odd_names_differ_from_prometheus)
{
    static const struct example examples[] = {
        {"a=\xc3\x89T\xc3\xa9", /* there: all of them */
         {{.action = "lowercase", .source = "a", .target = "b"},
          {.action = "uppercase", .source = "a", .target = "c"}},
         "a=\xc3\x89T\xc3\xa9|b=\xc3\x89t\xc3\xa9|c=\xc3\x89T\xc3\xa9"},
        {"x_9=1|x_a=2", /* there: 9=1, too */
         {{.action = "labelmap", .regex = "x_(.+)"}},
         "a=2|x_9=1|x_a=2"},
        {"a=1|b=2", /* there, a is the later one for having been set by a rule: c=1 */
         {{.source = "a", .target = "a"},
          {.action = "labelmap", .regex = "[ab]", .replacement = "c"}},
         "a=1|b=2|c=2"},
    };
    RUN(examples);
}

TEST(the_examples_of_the_guide_are_true) /* docs/RELABEL.md */
{
    static const struct example examples[] = {
        {"a=foo", {{.source = "a", .target = "b"}}, "a=foo|b=foo"},
        {"a=foo", {{.target = "b", .replacement = "fixed"}}, "a=foo|b=fixed"},
        {"a=foo|b=bar", {{.target = "b", .replacement = ""}}, "a=foo"},
        {"__address__=10.0.0.1:80|port=9102",
         {{.source = "__address__,port",
           .regex = "([^:]+)(?::\\d+)?;(\\d+)",
           .target = "__address__",
           .replacement = "$1:$2"}},
         "__address__=10.0.0.1:9102|port=9102"},
        {"a=some-name-value",
         {{.source = "a", .regex = "some-([^-]+)-([^,]+)", .target = "$1", .replacement = "$2"}},
         "a=some-name-value|name=value"},
        {"a=foo", {{.action = "keep", .source = "a", .regex = "f.*"}}, "a=foo"},
        {"a=foo", {{.action = "keep", .source = "a", .regex = "oo"}}, "dropped by 0"},
        {"a=1|b=2", {{.action = "drop", .source = "a,b", .regex = "1;2"}}, "dropped by 0"},
        {"port=80|wanted=81",
         {{.action = "keepequal", .source = "port", .target = "wanted"}},
         "dropped by 0"},
        {"port=80|wanted=81",
         {{.action = "dropequal", .source = "port", .target = "wanted"}},
         "port=80|wanted=81"},
        {"c=baz", {HASH("1000", "c")}, "c=baz|d=976"},
        {"__meta_app=cart|a=1",
         {{.action = "labelmap", .regex = "__meta_(.+)"}},
         "__meta_app=cart|a=1|app=cart"},
        {"a=1|b1=2", {{.action = "labeldrop", .regex = "b.*"}}, "a=1"},
        {"a=1|b1=2", {{.action = "labelkeep", .regex = "b.*"}}, "b1=2"},
        {"a=bAr1", {{.action = "lowercase", .source = "a", .target = "b"}}, "a=bAr1|b=bar1"},
        {"a=bAr1", {{.action = "uppercase", .source = "a", .target = "b"}}, "a=bAr1|b=BAR1"},
        {"a=bAr1",
         {{.action = "uppercase", .source = "a", .target = "b", .regex = "x"}},
         "a=bAr1|b=BAR1"},
    };
    RUN(examples);
}
