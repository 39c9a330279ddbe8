/* SPDX-License-Identifier: Apache-2.0 */
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

TEST(threads_may_share_an_expression)
{
    struct regex *r;
    pthread_t threads[THREADS];
    CHECK_INT(regex_new(&r, "(node|kube)_([a-z]+)_\\d", NULL), OK);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, match_often, r), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    regex_free(r);
}
