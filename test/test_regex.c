/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: the whole text, places of faults, limits, groups, threads. */
#include "regex.h"
#include "test.h"

#include <pthread.h>

static bool matches(const char *expression, const char *text)
{
    struct regex *r;
    CHECK_INT(regex_new(&r, expression, NULL), OK);
    bool yes = regex_match(r, (struct span){text, strlen(text)});
    regex_free(r);
    return yes;
}

TEST(an_expression_must_match_the_whole_text)
{
    static const struct {
        const char *expression, *text;
        bool want;
    } cases[] = {
        {"go_.*", "go_calls", true},
        {"go_.*", "cgo_calls", false},
        {"a|ab", "ab", true},
        {"a|b", "ab", false},
        {"a", "a\n", false},
        {".*", "a\nb", true},
        {"", "", true},
        {"", "a", false},
        {"caf.", "caf\xc3\xa9", true},
        {"(?i)UP", "up", true},
        {"a.*", "a\xff", false},
        {"a|b",
         "a\xff"
         "b",
         false},
        {"node_(cpu|disk)_\\d+", "node_disk_12", true},
        {"node_(cpu|disk)_\\d+", "node_disk_12x", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (matches(cases[i].expression, cases[i].text) != cases[i].want)
            test_fail(__FILE__, __LINE__, "'%s' against '%s'", cases[i].expression, cases[i].text);
}

/* docs/RELABEL.md says what RE2 does with each of these. */
TEST(what_only_pcre2_knows_works)
{
    static const struct {
        const char *expression, *text;
    } cases[] = {
        {"(a)\\1", "aa"},
        {"(?!kube-).*", "default"},
        {"foo(?=bar).*", "foobar"},
        {".*(?<!-test)", "node"},
        {"(?>a|ab)c", "ac"},
        {"a++b", "aab"},
        {"(?x) a b # both", "ab"},
        {"(?#both)ab", "ab"},
        {"(?J)(?<n>a)|(?<n>b)", "b"},
        {"a{1001}", NULL},
        {"\\h\\R\\N\\e", "\t\r\nx\x1b"},
        {"\\X", "e\xcc\x81"},
        {"a\\Kb", "ab"},
        {"(*UCP)\\d", "\xd9\xa3"},
        {"\\v", "\n"},   /* there: U+000B alone */
        {"a$\n", "a\n"}, /* there: $ is the end of the text */
        {"a\\Z\n", "a\n"},
    };
    static char many[1001];
    memset(many, 'a', sizeof many);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *r;
        const char *text = cases[i].text ? cases[i].text : many;
        CHECK_INT(regex_new(&r, cases[i].expression, NULL), OK);
        if (!regex_match(r, (struct span){text, cases[i].text ? strlen(text) : sizeof many}))
            test_fail(__FILE__, __LINE__, "'%s' against '%.80s'", cases[i].expression, text);
        regex_free(r);
    }
}

TEST(what_re2_knows_means_the_same)
{
    static const struct {
        const char *expression, *text;
        bool want;
    } cases[] = {
        {"a.b", "a\nb", true}, /* Prometheus 2: false */
        {"(?-s)a.b", "a\nb", false},
        {"(?s)a.b", "a\nb", true},
        {"a$", "a\n", false},
        {"(?m)a$.b", "a\nb", true},
        {"^a$", "a", true},
        {"\\Aa\\z", "a", true},
        {"(?i)\xc3\xa9k", "\xc3\x89\xe2\x84\xaa", true}, /* the Kelvin sign */
        {"(?U)a+", "aa", true},
        {"(?i:A)b", "ab", true},
        {".", "\xc3\xa9", true},
        {"\\x{e9}", "\xc3\xa9", true},
        {"\\pN\\p{Lu}\\p{Greek}\\PL",
         "\xd9\xa3\xc3\x89\xce\xb1"
         "1",
         true},
        {"\\d", "\xd9\xa3", false},
        {"\\w", "\xc3\xa9", false},
        {"\\s", "\xc2\xa0", false},
        {"[[:alpha:]]", "\xc3\xa9", false},
        {"\\Qa.b\\E", "a.b", true},
        {"\\Qa.b\\E", "axb", false},
        {"a{,3}", "a{,3}", true},
        {"[]a]", "]", true},
        {"a||b", "", true},
        {"(?P<n>a)(?<m>b)", "ab", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (matches(cases[i].expression, cases[i].text) != cases[i].want)
            test_fail(__FILE__, __LINE__, "'%s' against '%s'", cases[i].expression, cases[i].text);
}

TEST(what_neither_knows_is_refused)
{
    static const char *const cases[] = {"\\C", "\\y", "\\8", "(a", "[a", "a**b("};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *r;
        if (regex_new(&r, cases[i], NULL) != ERR_INVALID)
            test_fail(__FILE__, __LINE__, "'%s'", cases[i]);
    }
}

TEST(two_groups_of_one_name_must_be_asked_for)
{
    struct regex *r; /* there: taken */
    CHECK_INT(regex_new(&r, "(?<n>a)(?<n>b)", NULL), ERR_INVALID);
    CHECK(matches("(?J)(?<n>a)(?<n>b)", "ab"));
}

TEST(a_group_may_be_repeated_over_a_long_text)
{
    static char text[16001];
    struct regex *r;
    uint64_t before = regex_limited();
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = i % 8 == 7 ? ',' : 'a';
    CHECK(matches("(a|b|,)*", text));
    CHECK(matches("(\\w+)(,\\w+)*,", text));
    CHECK(!matches("([^,]+,)*x", text));
    CHECK_INT(regex_limited(), before);
    CHECK_INT(regex_new(&r, "((a|b|,)(a|b|,|))*", NULL), OK); /* not without end */
    static char long_text[4 << 20];
    memset(long_text, 'a', sizeof long_text);
    CHECK(!regex_match(r, (struct span){long_text, sizeof long_text}));
    CHECK_INT(regex_limited(), before + 1);
    regex_free(r);
}

TEST(an_expression_cannot_lift_its_limits)
{
    uint64_t before = regex_limited();
    CHECK(!matches("(*LIMIT_MATCH=1000000000)(a|aa|a?a)*[bc]", "aaaaaaaaaaaa!"));
    CHECK_INT(regex_limited(), before + 1);
}

TEST(a_faulty_expression_is_named_with_the_place)
{
    static const struct {
        const char *expression, *error;
    } cases[] = {
        {"a(b", "regex 'a(b': missing closing parenthesis, at character 3"},
        {"\xc3\xa9[z-a]", "regex '\xc3\xa9[z-a]': range out of order in character class, "
                          "at character 4"},
        {"*a", "regex '*a': quantifier does not follow a repeatable item, at character 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *r;
        struct err err;
        CHECK_INT(regex_new(&r, cases[i].expression, &err), ERR_INVALID);
        CHECK_STR(err.text, cases[i].error);
    }
}

TEST(an_expression_too_long_or_too_large_is_refused)
{
    struct regex *r;
    struct err err;
    static char text[REGEX_MAX + 2];
    memset(text, 'a', REGEX_MAX + 1);
    CHECK_INT(regex_new(&r, text, &err), ERR_INVALID);
    CHECK(strstr(err.text, "longer than 8192 bytes") != NULL);
    text[REGEX_MAX] = '\0';
    CHECK_INT(regex_new(&r, text, &err), OK);
    regex_free(r);
    CHECK_INT(regex_new(&r, "((((a{1,900}){1,900}){1,900}){1,900})", &err), ERR_INVALID);
    CHECK_INT(regex_new(&r, "\xff", &err), ERR_INVALID);
}

TEST(an_expression_that_runs_away_is_given_up_and_counted)
{
    static const char text[] = "aaaaaaaaaaaa!"; /* above our limit, below that of PCRE2 */
    uint64_t before = regex_limited();
    CHECK(!matches("(a|aa|a?a)*[bc]", text));
    CHECK_INT(regex_limited(), before + 1);
    CHECK(!matches("b", text));
    CHECK_INT(regex_limited(), before + 1);
}

static void replaces(const char *expression, const char *text, const char *template,
                     const char *want)
{
    struct regex *r;
    AUTO(buf) struct buf out = BUF_INIT(1000);
    bool matched = false;
    CHECK_INT(buf_puts(&out, "<"), OK);
    CHECK_INT(regex_new(&r, expression, NULL), OK);
    CHECK_INT(regex_replace(r, (struct span){text, strlen(text)}, template, &out, &matched), OK);
    regex_free(r);
    CHECK_INT(matched, want != NULL);
    if (strcmp(out.data + 1, want ? want : "") != 0)
        test_fail(__FILE__, __LINE__, "'%s' on '%s' with '%s' gives %s", expression, text, template,
                  out.data);
    CHECK_INT(out.data[0], '<');
}

/* The results are those of Go's regexp, but where the last lines say otherwise. */
TEST(a_template_is_filled_in_from_the_groups)
{
    static const struct {
        const char *expression, *text, *template, *want;
    } cases[] = {
        {"f(.*)", "foo", "ch${1}-ch$1", "choo-choo"},
        {"f(.*)", "boo", "x", NULL},
        {"f(.*)", "foo", "", ""},
        {"", "", "plain", "plain"},
        {"(.*)", "", "[$1]", "[]"},
        {"(a)(b)?", "a", "[$2]", "[]"},
        {"(a)", "a", "$1x|${1}x|$1 x|$1$1|${1}${1}", "|ax|a x|aa|aa"},
        {"(a)", "a", "$2|${3}|$m|${m}", "|||"},
        {"(a)", "a", "$0,${0},$00,$01,${01},$000000001,$123456789,$99999999", "a,a,,,,,,"},
        {"(a)", "a", "$$|$$1|$$$1", "$|$1|$a"},
        {"(a)", "a", "$", "$"},
        {"(a)", "a", "x$|$-|${|${}|${1|${a b}|${-}", "x$|$-|${|${}|${1|${a b}|${-}"},
        {"(?P<n>a)", "a", "$n,${n},$nn,${n}n", "a,a,,an"},
        {"(?<n1_x>a)b", "ab", "${n1_x}$n1_x", "aa"},
        {"(?:(?P<a>x)|(y))z", "yz", "$a|$2", "|y"},
        {"(a|ab)(c|bcd)", "abcd", "$1,$2", "a,bcd"},
        {"(a+?)(a*)", "aaa", "$1,$2", "a,aa"},
        {"(?:(a)|b)*", "ab", "[$1]", "[a]"},
        {"(.*?)(:\\d+)?", "host:80", "$1|$2", "host|:80"},
        {"(.*)", "\xc3\xa9", "${1}\xc3\xa9", "\xc3\xa9\xc3\xa9"},
        {"(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)", "abcdefghijk", "$11$10$9${1}1", "kjia1"},
        /* different there */
        {"(a*)*", "aa", "[$1]", "[]"},                 /* [aa] */
        {"(a)", "a", "$1\xc3\xa9", "a\xc3\xa9"},       /* nothing: that is one name */
        {"(?J)(?:(?<n>a)|(?<n>b))c", "bc", "$n", "b"}, /* refused */
        {"a\\Kb", "ab", "$0", "b"},                    /* refused */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        replaces(cases[i].expression, cases[i].text, cases[i].template, cases[i].want);
}

TEST(a_result_without_room_leaves_nothing_behind)
{
    struct regex *r;
    AUTO(buf) struct buf out = BUF_INIT(10);
    bool matched = false;
    CHECK_INT(buf_puts(&out, "1234"), OK);
    CHECK_INT(regex_new(&r, "(.*)", NULL), OK);
    CHECK_INT(regex_replace(r, (struct span){"abc", 3}, "$1-$1", &out, &matched), ERR_LIMIT);
    CHECK(!matched);
    CHECK_STR(out.data, "1234");
    CHECK_INT(regex_replace(r, (struct span){"abc", 3}, "$1$1", &out, &matched), OK);
    CHECK_STR(out.data, "1234abcabc");
    regex_free(r);
}

TEST(a_replacement_that_runs_away_is_given_up_and_counted)
{
    struct regex *r;
    AUTO(buf) struct buf out = BUF_INIT(10);
    bool matched = true;
    uint64_t before = regex_limited();
    CHECK_INT(regex_new(&r, "(a|aa|a?a)*[bc]", NULL), OK);
    CHECK_INT(regex_replace(r, (struct span){"aaaaaaaaaaaa!", 13}, "x", &out, &matched), OK);
    CHECK(!matched);
    CHECK_INT(regex_limited(), before + 1);
    CHECK_INT(out.len, 0);
    regex_free(r);
}

enum { THREADS = 4, ROUNDS = 200 };

static void *match_often(void *arg)
{
    const struct regex *r = arg;
    for (int i = 0; i < ROUNDS; i++)
        if (!regex_match(r, (struct span){"node_cpu_1", 10}) ||
            regex_match(r, (struct span){"node_cpu_x", 10}))
            abort();
    return NULL;
}

static void *replace_often(void *arg)
{
    const struct regex *r = arg;
    AUTO(buf) struct buf out = BUF_INIT(100);
    bool matched;
    for (int i = 0; i < ROUNDS; i++) {
        buf_truncate(&out, 0);
        if (regex_replace(r, (struct span){"node_cpu_1", 10}, "$3 $2 ${1}", &out, &matched) != OK ||
            !matched || strcmp(out.data, "1 cpu node") != 0)
            abort();
    }
    return match_often(arg);
}

TEST(threads_may_share_an_expression)
{
    struct regex *r;
    pthread_t threads[THREADS];
    CHECK_INT(regex_new(&r, "(node|kube)_([a-z]+)_(\\d)", NULL), OK);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, i % 2 ? match_often : replace_often, r), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    regex_free(r);
}
