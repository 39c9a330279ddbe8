/* SPDX-License-Identifier: Apache-2.0 */
/* Names in braces: where values come from, what becomes of odd ones, what is refused. */
#include "template.h"
#include "test.h"

static bool no_dot(unsigned char c)
{
    return c > ' ' && c != '.';
}

static const struct label pod_labels[] = {
    {"namespace", "shop"}, {"pod", "cart.0 a"}, {"job", "carts"}, {"pool", "liar"}};
static const struct target pod = {
    .id = "shop/cart-0/app:8080/metrics",
    .source = "pods",
    .pool = "main",
    .url = "http://10.1.2.3:8080/metrics",
    .labels = pod_labels,
    .labels_len = ARRAY_LEN(pod_labels),
};
static const struct target plain = {
    .id = "http://[::1]:9100/metrics",
    .source = "hosts",
    .pool = "slow",
    .url = "http://user@[::1]:9100?x=/",
};

static void check(const char *text, const struct target *t, const char *want)
{
    struct err err = {0};
    struct template *made = NULL;
    if (template_new(&made, text, "unknown", no_dot, &err) != OK)
        test_fail(__FILE__, __LINE__, "%s: %s", text, err.text);
    AUTO_PTR(template) struct template *tmpl = made;
    AUTO(buf) struct buf out = BUF_INIT(1000);
    CHECK_INT(template_render(tmpl, t, &out), OK);
    CHECK_STR(out.data, want);
}

TEST(a_name_is_filled_in_from_the_label_of_that_name)
{
    check("metrics.{namespace}.{pod}", &pod, "metrics.shop.cart_0_a");
    check("{namespace}{namespace}", &pod, "shopshop");
    check("no names at all", &pod, "no names at all");
    check("", &pod, "");
}

TEST(a_target_without_the_label_gives_the_fallback)
{
    check("metrics.{namespace}.{pod}", &plain, "metrics.unknown.unknown");
}

TEST(known_names_need_no_label)
{
    check("{pool}/{source}/{target}", &plain, "slow/hosts/http://[::1]:9100/metrics");
    check("{pool} {source}", &pod, "main pods");
    check("{instance}", &plain, "[::1]:9100");
    check("{instance}", &pod, "10_1_2_3:8080");
    check("{job}", &plain, "hosts");
    check("{job}", &pod, "carts"); /* the label goes first */
}

TEST(a_faulty_template_is_refused_with_its_column)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"metrics.{pod", "column 9: '{' is not closed"},
        {"{a{b}", "column 1: '{' is not closed"},
        {"a}", "column 2: '}' without '{'"},
        {"{a}}", "column 4: '}' without '{'"},
        {"x{}", "column 2: no name between the braces"},
        {"{a-b}", "column 1: 'a-b' is no name of a label"},
        {"{9a}", "column 1: '9a' is no name of a label"},
        {"{ a}", "column 1: ' a' is no name of a label"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct template *t = NULL;
        CHECK_INT(template_new(&t, cases[i].text, "unknown", no_dot, &err), ERR_INVALID);
        CHECK_STR(err.text, cases[i].error);
        CHECK(t == NULL);
    }
    char *longest = malloc(TEMPLATE_MAX + 2);
    memset(longest, 'x', TEMPLATE_MAX + 1);
    longest[TEMPLATE_MAX + 1] = '\0';
    struct template *t = NULL;
    enum status s = template_new(&t, longest, "", no_dot, NULL);
    free(longest);
    CHECK_INT(s, ERR_INVALID);
}

TEST(what_does_not_fit_is_a_limit)
{
    struct template *made = NULL;
    CHECK_INT(template_new(&made, "a.{namespace}", "unknown", no_dot, NULL), OK);
    AUTO_PTR(template) struct template *t = made;
    AUTO(buf) struct buf exact = BUF_INIT(6), small = BUF_INIT(5);
    CHECK_INT(template_render(t, &pod, &exact), OK);
    CHECK_INT(template_render(t, &pod, &small), ERR_LIMIT);
    CHECK_INT(template_render(t, &plain, &exact), ERR_LIMIT);
}
