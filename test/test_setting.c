/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "setting.h"
#include "test.h"

#include <math.h>

struct conf {
    int64_t interval;
    int64_t size;
    char *url;
    double low;
};

static const struct setting settings[] = {
    SETTING_DURATION(conf, interval, "30s", SEC_NS, 3600 * SEC_NS, "time between scrapes"),
    SETTING_BYTES(conf, size, "1MiB", 1, 1 << 30, "largest body"),
    SETTING_STRING(conf, url, NULL, SETTING_REQUIRED, "where to send"),
    SETTING_DOUBLE_OPTIONAL(conf, low, "lowest"), SETTING_END};

TEST(defaults_come_from_the_table)
{
    struct conf c = {0};
    setting_defaults(settings, &c);
    CHECK_INT(c.interval, 30 * SEC_NS);
    CHECK_INT(c.size, 1 << 20);
    CHECK(c.url == NULL);
    CHECK(isnan(c.low));
}

TEST(a_bad_value_is_named_and_leaves_the_field_alone)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        {"interval", "ten", "interval: 'ten' is not a number"},
        {"interval", "10", "interval: '10' has no known unit; write 500ms, 10s, 5m, 1h"},
        {"interval", "10ms", "interval: '10ms' is out of range, 1s to 1h"},
        {"interval", "9223372036854775807h",
         "interval: '9223372036854775807h' is out of range, 1s to 1h"},
        {"interval", " 10s", "interval: ' 10s' is not a number"},
        {"interval", "+10s", "interval: '+10s' is not a number"},
        {"interval", "-1s", "interval: '-1s' is out of range, 1s to 1h"},
        {"interval", "99999999999999999999s",
         "interval: '99999999999999999999s' is out of range, 1s to 1h"},
        {"low", "nan", "low: 'nan' is not a number"},
        {"low", "1 ", "low: '1 ' is not a number"},
        {"size", "1MB", "size: '1MB' has no known unit; write 512, 64KiB, 5MiB, 1GiB"},
    };
    struct conf c = {.interval = 7, .size = 7};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        const struct setting *s = setting_find(settings, cases[i].name);
        CHECK_INT(setting_set(s, &c, cases[i].text, &err), ERR_INVALID);
        CHECK_STR(err.text, cases[i].error);
    }
    CHECK_INT(c.interval, 7);
    CHECK_INT(c.size, 7);
}

TEST(a_string_is_owned_by_the_struct)
{
    struct conf c = {0};
    const struct setting *s = setting_find(settings, "url");
    CHECK_INT(setting_set(s, &c, "http://a", NULL), OK);
    CHECK_INT(setting_set(s, &c, "http://b", NULL), OK);
    CHECK_STR(c.url, "http://b");
    setting_done(settings, &c);
    CHECK(c.url == NULL);
}

enum { COLOR_RED, COLOR_GREEN };
static const char *const colors[] = {"red", "green", NULL};

struct inner {
    bool on;
    char *token;
};

struct rich {
    unsigned color;
    struct text_list list;
    struct text_map map, keys;
    struct inner inner;
    int64_t any, low;
};

static const struct setting inner_settings[] = {
    SETTING_BOOL(inner, on, "true", "whether"),
    SETTING_STRING(inner, token, "", SETTING_SECRET, "secret"), SETTING_END};
static const struct setting rich_settings[] = {
    SETTING_CHOICE(rich, color, "red", colors, "which"),
    SETTING_LIST(rich, list, 0, "names"),
    SETTING_MAP(rich, map, 0, "labels"),
    SETTING_MAP(rich, keys, SETTING_SECRET, "headers"),
    SETTING_GROUP(rich, inner, inner_settings, "what is inside"),
    SETTING_INT(rich, any, "0", INT64_MIN, INT64_MAX, "any number"),
    SETTING_INT(rich, low, "5", 5, INT64_MAX, "a number"),
    SETTING_END};

static void set(void *conf, const char *name, const char *text)
{
    CHECK_INT(setting_set(setting_find(rich_settings, name), conf, text, NULL), OK);
}

static void put(void *conf, const char *map, const char *name, const char *value)
{
    CHECK_INT(setting_put(setting_find(rich_settings, map), conf, name, value, NULL), OK);
}

static void set_token(struct rich *c, const char *text)
{
    CHECK_INT(setting_set(setting_find(inner_settings, "token"),
                          setting_group(setting_find(rich_settings, "inner"), c), text, NULL),
              OK);
}

static struct rich make_rich(void)
{
    struct rich c = {0};
    setting_defaults(rich_settings, &c);
    set(&c, "color", "green");
    set(&c, "list", "a");
    set(&c, "list", "b\"c");
    put(&c, "map", "y", "1");
    put(&c, "map", "x", "2");
    put(&c, "keys", "Authorization", "hunter2");
    set_token(&c, "hunter2");
    return c;
}

static const char *text_of(const char *name, const struct rich *c)
{
    static char text[300];
    AUTO(buf) struct buf b = BUF_INIT(sizeof text - 1);
    CHECK_INT(setting_text(setting_find(rich_settings, name), c, &b), OK);
    memcpy(text, b.data, b.len + 1);
    return text;
}

TEST(every_type_is_written_as_an_operator_writes_it)
{
    struct rich c = make_rich();
    CHECK_INT(c.color, COLOR_GREEN);
    CHECK_STR(text_of("color", &c), "green");
    CHECK_STR(text_of("list", &c), "[\"a\", \"b\\\"c\"]");
    CHECK_STR(text_of("map", &c), "{\"y\": \"1\", \"x\": \"2\"}");
    CHECK_STR(text_of("keys", &c), "{\"Authorization\": \"***\"}");
    CHECK_STR(text_of("inner", &c), "{on: true, token: \"***\"}");
    set_token(&c, "file:/run/token");
    CHECK_STR(text_of("inner", &c), "{on: true, token: \"file:/run/token\"}");
    setting_done(rich_settings, &c);
}

static bool same_identity(const struct rich *a, const struct rich *b)
{
    AUTO(buf) struct buf left = BUF_INIT(4096), right = BUF_INIT(4096);
    CHECK_INT(setting_identity(rich_settings, a, &left), OK);
    CHECK_INT(setting_identity(rich_settings, b, &right), OK);
    CHECK(strstr(left.data, "hunter2") == NULL);
    return strcmp(left.data, right.data) == 0;
}

TEST(a_copy_is_the_same_and_its_own)
{
    struct rich a = make_rich(), b = {0};
    setting_copy(rich_settings, &b, &a);
    CHECK(same_identity(&a, &b));
    CHECK(a.list.items[0] != b.list.items[0] && a.inner.token != b.inner.token);
    set_token(&b, "hunter3");
    CHECK(!same_identity(&a, &b)); /* a changed secret is a change */
    setting_done(rich_settings, &b);
    CHECK_INT(b.map.len, 0);
    setting_done(rich_settings, &a);
}

TEST(the_order_of_a_map_is_not_part_of_an_identity_but_that_of_a_list_is)
{
    struct rich a = {0}, b = {0};
    setting_defaults(rich_settings, &a);
    setting_defaults(rich_settings, &b);
    put(&a, "map", "x", "1");
    put(&a, "map", "y", "2");
    put(&b, "map", "y", "2");
    put(&b, "map", "x", "1");
    CHECK(same_identity(&a, &b));
    set(&a, "list", "p");
    set(&a, "list", "q");
    set(&b, "list", "q");
    set(&b, "list", "p");
    CHECK(!same_identity(&a, &b));
    setting_done(rich_settings, &a);
    setting_done(rich_settings, &b);
}

TEST(what_is_default_is_known)
{
    struct rich c = {0};
    setting_defaults(rich_settings, &c);
    for (const struct setting *s = rich_settings; s->name; s++)
        CHECK(setting_is_default(s, &c));
    setting_done(rich_settings, &c);
    c = make_rich();
    c.low = 6;
    for (const struct setting *s = rich_settings; s->name; s++)
        CHECK_INT(setting_is_default(s, &c), strcmp(s->name, "any") == 0);
    setting_done(rich_settings, &c);
}

static const char *bounds_of(const struct setting *table, const char *name)
{
    static char text[100];
    AUTO(buf) struct buf b = BUF_INIT(sizeof text - 1);
    CHECK_INT(setting_bounds(setting_find(table, name), &b), OK);
    memcpy(text, b.data, b.len + 1);
    return text;
}

TEST(bounds_are_text)
{
    CHECK_STR(bounds_of(settings, "interval"), "1s to 1h");
    CHECK_STR(bounds_of(settings, "size"), "1 to 1GiB");
    CHECK_STR(bounds_of(settings, "url"), "");
    CHECK_STR(bounds_of(rich_settings, "color"), "red, green");
    CHECK_STR(bounds_of(rich_settings, "any"), "");
    CHECK_STR(bounds_of(rich_settings, "low"), "at least 5");
}

TEST(words_and_maps_are_checked)
{
    struct rich c = {0};
    struct err err;
    CHECK_INT(setting_set(setting_find(rich_settings, "color"), &c, "blue", &err), ERR_INVALID);
    CHECK_STR(err.text, "color: 'blue' is none of: red, green");
    CHECK_INT(setting_set(setting_find(rich_settings, "map"), &c, "x", &err), ERR_INVALID);
    CHECK_STR(err.text, "map: is a map, not a value");
    const struct setting *map = setting_find(rich_settings, "map");
    put(&c, "map", "a", "1");
    CHECK_INT(setting_put(map, &c, "a", "2", &err), ERR_INVALID);
    CHECK_STR(err.text, "map: 'a' is there twice");
    for (int i = 1; i < SETTING_MAP_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        put(&c, "map", name, "");
    }
    CHECK_INT(setting_put(map, &c, "last", "", &err), ERR_INVALID);
    CHECK_STR(err.text, "map: more than 1000 entries");
    setting_done(rich_settings, &c);
}

struct rule {
    struct text_list labels;
    char *regex;
    struct inner inner;
    struct group_list ways;
};
struct way {
    int64_t length;
    char *token;
};
struct nest {
    struct group_list rules;
};
struct outer {
    struct nest nest;
};

static const struct setting way_settings[] = {
    SETTING_INT(way, length, "3", 0, 9, "how far"),
    SETTING_STRING(way, token, "", SETTING_SECRET, "secret"), SETTING_END};
static const struct setting rule_settings[] = {
    SETTING_LIST(rule, labels, 0, "names"), SETTING_STRING(rule, regex, ".*", 0, "what"),
    SETTING_GROUP(rule, inner, inner_settings, "a group in a list"),
    SETTING_GROUPS(rule, ways, way_settings, way, "a list in a list"), SETTING_END};
static const struct setting nest_settings[] = {
    SETTING_GROUPS_AS(nest, rules, "theRules", rule_settings, rule, "a list in a group"),
    SETTING_END};
static const struct setting outer_settings[] = {
    SETTING_GROUP(outer, nest, nest_settings, "a group"), SETTING_END};

static struct rule *add_rule(struct outer *o, const char *label, const char *token)
{
    void *rule, *way;
    CHECK_INT(setting_add(nest_settings, &o->nest, &rule, NULL), OK);
    CHECK_INT(setting_set(setting_find(rule_settings, "labels"), rule, label, NULL), OK);
    CHECK_INT(setting_add(setting_find(rule_settings, "ways"), rule, &way, NULL), OK);
    CHECK_INT(setting_set(setting_find(way_settings, "token"), way, token, NULL), OK);
    return rule;
}

static bool same_outer(const struct outer *a, const struct outer *b)
{
    AUTO(buf) struct buf left = BUF_INIT(4096), right = BUF_INIT(4096);
    CHECK_INT(setting_identity(outer_settings, a, &left), OK);
    CHECK_INT(setting_identity(outer_settings, b, &right), OK);
    CHECK(strstr(left.data, "hunter") == NULL);
    return strcmp(left.data, right.data) == 0;
}

TEST(a_list_of_groups_has_the_defaults_of_its_table)
{
    struct outer o = {0};
    setting_defaults(outer_settings, &o);
    CHECK_INT(o.nest.rules.len, 0);
    CHECK(setting_is_default(outer_settings, &o));
    const struct rule *r = add_rule(&o, "a", "hunter2");
    CHECK(!setting_is_default(outer_settings, &o));
    CHECK_STR(r->regex, ".*");
    CHECK(r->inner.on);
    CHECK_INT(((const struct way *)r->ways.items)->length, 3);
    AUTO(buf) struct buf b = BUF_INIT(4096);
    CHECK_INT(setting_text(outer_settings, &o, &b), OK);
    CHECK_STR(b.data, "{theRules: [{labels: [\"a\"], regex: \".*\", inner: {on: true, token: "
                      "\"\"}, ways: [{length: 3, token: \"***\"}]}]}");
    setting_done(outer_settings, &o);
    CHECK(setting_is_default(outer_settings, &o));
}

TEST(a_copy_of_a_list_of_groups_is_the_same_and_its_own)
{
    struct outer a = {0}, b = {0}, none = {0};
    add_rule(&a, "x", "hunter2");
    add_rule(&a, "y", "hunter2");
    setting_copy(outer_settings, &b, &a);
    setting_copy(outer_settings, &none, &(struct outer){0});
    CHECK(same_outer(&a, &b) && !same_outer(&a, &none));
    struct rule *of_a = a.nest.rules.items, *of_b = b.nest.rules.items;
    CHECK(of_a != of_b && of_a[1].regex != of_b[1].regex);
    CHECK_STR(of_b[1].labels.items[0], "y");
    CHECK(setting_item(nest_settings, &b.nest, 1) == &of_b[1]);
    CHECK_INT(setting_set(&way_settings[1], of_b[1].ways.items, "hunter3", NULL), OK);
    CHECK(!same_outer(&a, &b)); /* a changed secret is a change, however deep */
    setting_done(outer_settings, &a);
    setting_done(outer_settings, &b);
}

TEST(the_order_of_groups_is_part_of_an_identity)
{
    struct outer a = {0}, b = {0};
    add_rule(&a, "x", "");
    add_rule(&a, "y", "");
    add_rule(&b, "y", "");
    add_rule(&b, "x", "");
    CHECK(!same_outer(&a, &b));
    setting_done(outer_settings, &a);
    setting_done(outer_settings, &b);
}

TEST(a_list_of_groups_is_bounded)
{
    struct outer o = {0};
    struct err err;
    void *more = NULL;
    for (int i = 0; i < SETTING_GROUPS_MAX; i++)
        add_rule(&o, "a", "");
    CHECK_INT(setting_add(nest_settings, &o.nest, &more, &err), ERR_INVALID);
    CHECK_STR(err.text, "theRules: more than 100 entries");
    CHECK(more == NULL && o.nest.rules.len == SETTING_GROUPS_MAX);
    CHECK_INT(setting_set(nest_settings, &o.nest, "x", &err), ERR_INVALID);
    CHECK_STR(err.text, "theRules: is a list of maps, not a value");
    CHECK_STR(bounds_of(nest_settings, "theRules"), "at most 100 entries");
    setting_done(outer_settings, &o);
}
