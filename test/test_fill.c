/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of groups: from a file into structs, with the places of what is wrong, and back. */
#include "doc.h"
#include "fill.h"
#include "mem.h"
#include "test.h"

struct rule {
    struct text_list source_labels;
    char *regex, *token;
    unsigned action;
    int64_t modulus;
};
struct expression {
    char *key, *operator;
    struct text_list values;
};
struct selector {
    struct text_map labels;
    struct group_list expressions;
};
struct port {
    int64_t number;
    struct selector selector;
};
struct pods {
    struct selector selector;
    struct group_list relabel, ports;
};

static const char *const actions[] = {"replace", "keep", NULL};
static const struct setting rule_settings[] = {
    SETTING_LIST(rule, source_labels, 0, "whose values are joined"),
    SETTING_STRING(rule, regex, "(.*)", 0, "what they must match"),
    SETTING_STRING(rule, token, "", SETTING_SECRET, "a secret"),
    SETTING_CHOICE(rule, action, "replace", actions, "what happens"),
    SETTING_INT(rule, modulus, "0", 0, 1000, "of a hash"),
    SETTING_END};
static const struct setting expression_settings[] = {
    SETTING_STRING(expression, key, NULL, SETTING_REQUIRED, "name of a label"),
    SETTING_STRING(expression, operator, NULL, SETTING_REQUIRED, "In, NotIn, ..."),
    SETTING_LIST(expression, values, 0, "of the label"), SETTING_END};
static const struct setting selector_settings[] = {
    SETTING_MAP_AS(selector, labels, "matchLabels", 0, "labels and their values"),
    SETTING_GROUPS_AS(selector, expressions, "matchExpressions", expression_settings, expression,
                      "conditions, all of which must hold"),
    SETTING_END};
static const struct setting port_settings[] = {
    SETTING_INT(port, number, "80", 1, 65535, "of a container"),
    SETTING_GROUP(port, selector, selector_settings, "whose"), SETTING_END};
static const struct setting pods_settings[] = {
    SETTING_GROUP(pods, selector, selector_settings, "which pods"),
    SETTING_GROUPS(pods, relabel, rule_settings, rule, "in their order"),
    SETTING_GROUPS(pods, ports, port_settings, port, "which ports"), SETTING_END};

static const char good[] =
    "selector: {matchLabels: {app: \"a b\"}, matchExpressions: [{key: tier, operator: In, values: "
    "[a, \"$$b\"]}]}\n"
    "relabel:\n"
    "- {source_labels: [a, b], regex: \"x.*\", action: keep}\n"
    "- {}\n"
    "- {modulus: 7, token: hunter2}\n"
    "ports: [{selector: {matchExpressions: [{key: k, operator: Exists}]}}, {number: 8080}]\n";

/* Into p, which is zeroed; faults as "LINE:COLUMN: text\n", good until the next call.  told, if
 * any, is a fault that a check tells of, at item. */
static const char *fill(struct pods *p, const char *text, const char *told, size_t item)
{
    static char said[4096];
    AUTO(buf) struct buf b = BUF_INIT(sizeof said - 1);
    AUTO_PTR(yaml) struct yaml *y = NULL;
    struct faults f = {0};
    struct err err;
    if (yaml_parse(&y, (struct span){text, strlen(text)}, &YAML_LIMITS_DEFAULT, &err) != OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    struct fill_result r = fill_table(&f, yaml_root(y), pods_settings, p, NULL);
    struct fill_place place = {&f, "pods", yaml_root(y), yaml_root(y)};
    struct setting_report report = fill_report(&place);
    if (told)
        setting_tell(&report, told, item, "bad");
    faults_sort(&f);
    faults_print(&f, "f", &b);
    bool faultless = f.len == 0;
    faults_done(&f);
    memcpy(said, b.data, b.len + 1);
    CHECK(!faultless || (r.holes == 0 && r.unknown == 0));
    return said;
}

TEST(a_list_of_groups_is_read)
{
    struct pods p = {.relabel = {NULL, 0}};
    CHECK_STR(fill(&p, good, NULL, 0), "");
    CHECK_STR(p.selector.labels.items[0].value, "a b");
    const struct expression *e = p.selector.expressions.items;
    CHECK_INT(p.selector.expressions.len, 1);
    CHECK_STR(e->operator, "In");
    CHECK_STR(e->values.items[1], "$b");
    const struct rule *r = p.relabel.items;
    CHECK_INT(p.relabel.len, 3);
    CHECK_STR(r[0].source_labels.items[1], "b");
    CHECK_STR(r[0].regex, "x.*");
    CHECK_INT(r[0].action, 1);
    CHECK_STR(r[1].regex, "(.*)");
    CHECK_INT(r[2].modulus, 7);
    const struct port *ports = p.ports.items;
    CHECK_STR(((const struct expression *)ports[0].selector.expressions.items)->key, "k");
    CHECK_INT(ports[0].number, 80);
    CHECK_INT(ports[1].number, 8080);
    setting_done(pods_settings, &p);
    CHECK_STR(fill(&p, "{relabel: , ports: []}", NULL, 0), "");
    CHECK_INT(p.relabel.len, 0);
    setting_done(pods_settings, &p);
}

TEST(a_fault_in_a_group_is_named_with_its_place)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"relabel:\n- {action: keep}\n- regexx: a\n",
         "f:3:3: unknown key 'regexx'; did you mean 'regex'?\n"},
        {"relabel:\n- {action: keep}\n- regex: a\n  action: drop\n",
         "f:4:11: action: 'drop' is none of: replace, keep\n"},
        {"relabel: {action: keep}\n", "f:1:10: relabel: a list is wanted, not a map\n"},
        {"relabel: keep\n", "f:1:10: relabel: a list is wanted, not a single value\n"},
        {"relabel:\n- keep\n- {modulus: x}\n",
         "f:2:3: relabel: an entry is a map (key: value), not a single value\n"
         "f:3:13: modulus: 'x' is not a number\n"},
        {"relabel: [~]\n", "f:1:11: relabel: an entry is a map (key: value), not nothing\n"},
        {"relabel: [{regex: [a]}]\n", "f:1:19: regex: one value is wanted (string), not a list\n"},
        {"selector:\n  matchExpressions:\n  - {key: a}\n",
         "f:3:5: 'operator' is missing: In, NotIn, ...\n"},
        {"selector:\n  matchExpression: []\n",
         "f:2:3: unknown key 'matchExpression'; did you mean 'matchExpressions'?\n"},
        {"ports:\n- selector:\n    matchExpressions:\n    - {key: a, operator: In, value: []}\n",
         "f:4:30: unknown key 'value'; did you mean 'values'?\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pods p = {.relabel = {NULL, 0}};
        CHECK_STR(fill(&p, cases[i].text, NULL, 0), cases[i].fault);
        setting_done(pods_settings, &p);
    }
}

TEST(more_groups_than_there_may_be_are_one_fault)
{
    struct pods p = {.relabel = {NULL, 0}};
    AUTO(buf) struct buf b = BUF_INIT(4096);
    CHECK_INT(buf_puts(&b, "relabel:\n"), OK);
    for (int i = 0; i < SETTING_GROUPS_MAX + 2; i++)
        CHECK_INT(buf_puts(&b, "- {}\n"), OK);
    CHECK_STR(fill(&p, b.data, NULL, 0), "f:102:3: relabel: more than 100 entries\n");
    setting_done(pods_settings, &p);
}

TEST(what_a_check_says_of_a_group_has_its_place)
{
    static const char text[] = "selector:\n"
                               "  matchExpressions:\n"
                               "  - key: a\n"
                               "    operator: In\n"
                               "    values: [x, y]\n"
                               "relabel:\n"
                               "- {regex: a}\n"
                               "- {action: keep, source_labels: [p, q]}\n";
    static const struct {
        const char *setting;
        size_t item;
        const char *place;
    } cases[] = {
        {"relabel[0].regex", SETTING_ALL, "7:11"},
        {"relabel[1].source_labels", 1, "8:37"},
        {"relabel[1].source_labels[1]", SETTING_ALL, "8:37"},
        {"relabel[1]", SETTING_ALL, "8:3"},
        {"relabel", 1, "8:3"},
        {"relabel[1].regex", SETTING_ALL, "8:3"}, /* not said: where it could be */
        {"relabel[2].regex", SETTING_ALL, "1:1"},
        {"ports[0].number", SETTING_ALL, "1:1"},
        {"relabel[0].regex[0]", SETTING_ALL, "7:3"},
        {"selector.matchExpressions[0].operator", SETTING_ALL, "4:15"},
        {"selector.matchExpressions[0].values", 0, "5:14"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pods p = {.relabel = {NULL, 0}};
        char want[40];
        snprintf(want, sizeof want, "f:%s: pods: bad\n", cases[i].place);
        CHECK_STR(fill(&p, text, cases[i].setting, cases[i].item), want);
        setting_done(pods_settings, &p);
    }
}

/* As a source of a configuration would be; good until the next call. */
static const char *describe(struct pods *p, enum describe_format format)
{
    static char said[16384];
    static const struct source_ops ops = {
        .name = "pods", .settings = pods_settings, .conf_size = sizeof *p};
    struct source_conf source = {.ops = &ops, .conf = p};
    struct config c = {.sources = &source, .sources_len = 1};
    AUTO(buf) struct buf b = BUF_INIT(sizeof said - 1);
    CHECK_INT(setting_set(setting_find(source_settings, "name"), &source.common, "s", NULL), OK);
    setting_defaults(agent_settings, &c.agent);
    CHECK_INT(config_describe(&c, format, &b), OK);
    setting_done(agent_settings, &c.agent);
    setting_done(source_settings, &source.common);
    memcpy(said, b.data, b.len + 1);
    CHECK(strstr(said, "hunter") == NULL);
    return said;
}

static void identity_of(const struct pods *p, struct buf *out)
{
    CHECK_INT(setting_identity(pods_settings, p, out), OK);
}

TEST(described_as_yaml_a_list_of_groups_is_read_again_as_the_same)
{
    struct pods p = {.relabel = {NULL, 0}}, again = {.relabel = {NULL, 0}};
    AUTO_PTR(yaml) struct yaml *y = NULL;
    AUTO(buf) struct buf left = BUF_INIT(8192), right = BUF_INIT(8192);
    CHECK_STR(fill(&p, good, NULL, 0), "");
    /* what a secret is, is not said */
    CHECK_INT(setting_set(setting_find(rule_settings, "token"), (struct rule *)p.relabel.items + 2,
                          "file:/run/token", NULL),
              OK);
    const char *text = describe(&p, DESCRIBE_YAML);
    CHECK_INT(yaml_parse(&y, (struct span){text, strlen(text)}, &YAML_LIMITS_DEFAULT, NULL), OK);
    const struct yaml_node *source = yaml_get(yaml_root(y), "sources")->items[0];
    struct faults f = {0};
    (void)fill_table(&f, yaml_get(source, "pods"), pods_settings, &again, NULL);
    CHECK_INT(f.len, 0);
    identity_of(&p, &left);
    identity_of(&again, &right);
    CHECK_STR(right.data, left.data);
    setting_done(pods_settings, &p);
    setting_done(pods_settings, &again);
}

TEST(every_description_shows_a_list_of_groups)
{
    struct pods p = {.relabel = {NULL, 0}};
    CHECK_STR(fill(&p, good, NULL, 0), "");
    CHECK(strstr(describe(&p, DESCRIBE_TEXT),
                 "relabel [{source_labels: [a, b], regex: \"x.*\", action: keep, modulus: 0*}, "
                 "{regex: \"(.*)\"*, action: replace*, modulus: 0*}, "
                 "{regex: \"(.*)\"*, token: \"***\", action: replace*, modulus: 7}]"));
    CHECK(
        strstr(describe(&p, DESCRIBE_TEXT),
               "ports [{number: 80*, selector: {matchExpressions: [{key: k, operator: Exists}]}"));
    const char *json = describe(&p, DESCRIBE_JSON);
    CHECK(strstr(json, "{\"number\":8080,\"selector\":{\"matchLabels\":{},"
                       "\"matchExpressions\":[]}}"));
    CHECK(strstr(json, "\"sources.s.pods.relabel.1.regex\""));
    CHECK(strstr(json, "\"sources.s.pods.relabel.0.regex\"") == NULL);
    setting_done(pods_settings, &p);
}
