/* SPDX-License-Identifier: Apache-2.0 */
/* Rules on labels beside what they do: faulty ones, limits, memory, threads. */
#include "expand.h"
#include "mem.h"
#include "regex.h"
#include "relabel_test.h"

#include <pthread.h>

/* All faults, one a line: "setting[item]: text". */
static void tell(void *to, const char *setting, size_t item, const char *text)
{
    char number[24] = "";
    if (item != SETTING_ALL)
        snprintf(number, sizeof number, "[%zu]", item);
    CHECK_INT(buf_cat(to, setting, number, " ", text, "\n", NULL), OK);
}

static void refused(const struct rule *rules, const char *faults)
{
    struct relabel_rule_conf confs[MAX_RULES];
    struct relabel *r = NULL;
    struct err err = {0};
    AUTO(buf) struct buf said = BUF_INIT(10000);
    const struct setting_report report = {tell, &said};
    size_t n = confs_init(confs, rules);
    relabel_check(confs, n, "relabel", &report);
    CHECK_INT(relabel_new(&r, confs, n, &err), faults[0] ? ERR_INVALID : OK);
    relabel_free(r);
    confs_done(confs, n);
    CHECK_STR(said.data, faults);
    CHECK((err.text[0] != '\0') == (faults[0] != '\0'));
}

#define NO_NAME                                                                                \
    " gives no name of a label: letters, digits, '_' and groups like $1 or ${name}, no digit " \
    "first\n"

TEST(a_faulty_rule_is_refused_with_its_setting)
{
    static const struct {
        struct rule rule;
        const char *faults;
    } cases[] = {
        {{.action = "replace"}, "relabel[0].target_label target_label: replace needs one\n"},
        {{.action = "lowercase"}, "relabel[0].target_label target_label: lowercase needs one\n"},
        {{.action = "keepequal"}, "relabel[0].target_label target_label: keepequal needs one\n"},
        {{.action = "hashmod"},
         "relabel[0].target_label target_label: hashmod needs one\n"
         "relabel[0].modulus modulus: hashmod needs one of 1 or more\n"},
        {{.target = "utf-8.label"},
         "relabel[0].target_label target_label: 'utf-8.label' is no name of a label\n"},
        {{.target = "a", .source = "b,utf-8.label,9"},
         "relabel[0].source_labels[1] source_labels: 'utf-8.label' is no name of a label\n"
         "relabel[0].source_labels[2] source_labels: '9' is no name of a label\n"},
        {{.target = "0${3}"}, "relabel[0].target_label target_label: '0${3}'" NO_NAME},
        {{.target = "-${3}"}, "relabel[0].target_label target_label: '-${3}'" NO_NAME},
        {{.action = "lowercase", .target = "${3}"},
         "relabel[0].target_label target_label: '${3}': lowercase fills in no groups, only replace "
         "does\n"},
        {{.action = "hashmod", .modulus = "2", .target = "a b"},
         "relabel[0].target_label target_label: 'a b' is no name of a label\n"},
        {{.action = "uppercase", .target = "a", .replacement = "x"},
         "relabel[0].replacement replacement: uppercase takes only source_labels, separator and "
         "target_label\n"},
        {{.action = "labelmap", .replacement = "a-$1"},
         "relabel[0].replacement replacement: 'a-$1'" NO_NAME},
        {{.action = "labelmap", .replacement = ""},
         "relabel[0].replacement replacement: ''" NO_NAME},
        {{.action = "dropequal", .source = "a", .target = "b", .regex = "x", .separator = ","},
         "relabel[0].separator separator: dropequal takes only source_labels and target_label\n"
         "relabel[0].regex regex: dropequal takes only source_labels and target_label\n"},
        {{.action = "keepequal", .target = "b", .replacement = "x", .modulus = "1"},
         "relabel[0].modulus modulus: keepequal takes only source_labels and target_label\n"
         "relabel[0].replacement replacement: keepequal takes only source_labels and "
         "target_label\n"},
        {{.action = "labeldrop", .source = "a", .target = "b"},
         "relabel[0].source_labels source_labels: labeldrop takes only regex\n"
         "relabel[0].target_label target_label: labeldrop takes only regex\n"},
        {{.action = "labelkeep", .replacement = "a", .separator = "b", .modulus = "3"},
         "relabel[0].separator separator: labelkeep takes only regex\n"
         "relabel[0].modulus modulus: labelkeep takes only regex\n"
         "relabel[0].replacement replacement: labelkeep takes only regex\n"},
        {{.action = "keep", .regex = "a(b"},
         "relabel[0].regex regex: 'a(b': missing closing parenthesis, at character 3\n"},
        /* of no use, and taken */
        {{.action = "keep", .modulus = "3", .target = "a b", .replacement = "c"}, ""},
        {{.action = "replace", .target = "a", .modulus = "3"}, ""},
        {{.action = "labelmap", .source = "a", .separator = "b", .target = "-"}, ""},
        {{.action = "hashmod", .target = "a", .modulus = "1", .regex = "b"}, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refused((struct rule[MAX_RULES]){cases[i].rule}, cases[i].faults);
}

TEST(an_action_is_a_word_in_lower_case)
{
    struct relabel_rule_conf c;
    conf_init(&c, &(struct rule){.action = "keep"});
    CHECK_INT(setting_set(setting_find(relabel_settings, "action"), &c, "Keep", NULL), ERR_INVALID);
    CHECK_INT(c.action, RELABEL_KEEP);
    for (size_t i = 0; relabel_actions[i]; i++)
        set(&c, "action", relabel_actions[i]);
    CHECK_INT(c.action, RELABEL_UPPERCASE);
    confs_done(&c, 1);
}

TEST(a_target_with_groups_must_come_out_as_a_name)
{
    static const struct {
        const char *target;
        bool good;
    } cases[] = {
        {"-label", false},   {"label", true},         {"label${1}", true},
        {"${1}label", true}, {"${1}", true},          {"${", false},
        {"$", false},        {"${}", false},          {"foo${", false},
        {"$1", true},        {"asd$2asd", true},      {"-foo${1}bar-", false},
        {"_${1}_", true},    {"foo${bar}foo", true},  {"a1$1", true},
        {"1$1", false},      {"$1${2}", true},        {"$$1", false},
        {"a$", false},       {"${a-b}", false},       {"a${1", false},
        {"a${1}-", false},   {"\xc3\xa9${1}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct relabel_rule_conf c[2];
        conf_init(&c[0], &(struct rule){.target = cases[i].target});
        conf_init(&c[1], &(struct rule){.action = "labelmap", .replacement = cases[i].target});
        for (size_t k = 0; k < 2; k++) {
            struct relabel *r = NULL;
            if ((relabel_new(&r, &c[k], 1, NULL) == OK) != cases[i].good)
                test_fail(__FILE__, __LINE__, "%s %s", relabel_actions[c[k].action],
                          cases[i].target);
            relabel_free(r);
        }
        confs_done(c, 2);
    }
}

TEST(all_faults_of_all_rules_are_told_and_the_first_is_the_error)
{
    static const struct rule rules[MAX_RULES] = {
        {.action = "labeldrop", .regex = "a"},
        {.target = "a", .source = "?", .regex = "*"},
        {.action = "hashmod", .target = "a"},
    };
    struct relabel_rule_conf confs[MAX_RULES];
    struct relabel *r;
    struct err err;
    refused(rules, "relabel[1].source_labels[0] source_labels: '?' is no name of a label\n"
                   "relabel[1].regex regex: '*': quantifier does not follow a repeatable item, at "
                   "character 0\n"
                   "relabel[2].modulus modulus: hashmod needs one of 1 or more\n");
    size_t n = confs_init(confs, rules);
    CHECK_INT(relabel_new(&r, confs, n, &err), ERR_INVALID);
    confs_done(confs, n);
    CHECK_STR(err.text, "rule 1: source_labels: '?' is no name of a label");
}

TEST(an_expression_given_up_at_its_limit_did_not_match)
{
#define RUNAWAY "(a|aa|a?a)*[bc]"
    static const struct example examples[] = {
        {"a=aaaaaaaaaaaa!",
         {{.action = "drop", .source = "a", .regex = RUNAWAY}},
         "a=aaaaaaaaaaaa!"},
        {"a=aaaaaaaaaaaa!", {{.action = "keep", .source = "a", .regex = RUNAWAY}}, "dropped by 0"},
        {"a=aaaaaaaaaaaa!",
         {{.source = "a", .regex = RUNAWAY, .target = "b", .replacement = "x"}},
         "a=aaaaaaaaaaaa!"},
        {"a=aaaaaaaaaaaa!",
         {{.action = "drop", .source = "a", .regex = "(*LIMIT_MATCH=1000000000)" RUNAWAY}},
         "a=aaaaaaaaaaaa!"},
    };
    uint64_t before = regex_limited();
    RUN(examples);
    CHECK_INT(regex_limited() - before, 2 * ARRAY_LEN(examples));
}

/* What a file says of groups, for the file itself has a use for dollars. */
TEST(groups_of_a_rule_stand_in_a_file_as_they_are_and_names_take_a_dollar_more)
{
    static const struct {
        const char *file, *rule;
    } cases[] = {{"$1:$2", "$1:$2"},
                 {"${1}x", "${1}x"},
                 {"$${1}x", "${1}x"},
                 {"$${name}", "${name}"},
                 {"$$$$1", "$$1"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf out = BUF_INIT(100);
        CHECK_INT(expand(cases[i].file, &out, NULL), OK);
        CHECK_STR(out.data, cases[i].rule);
    }
    AUTO(buf) struct buf out = BUF_INIT(100);
    CHECK_INT(expand("${1x}", &out, NULL), ERR_INVALID);
}

static void limited(struct label_set *labels, const struct rule *rule, const char *text)
{
    AUTO_PTR(relabel) struct relabel *r = make((struct rule[MAX_RULES]){*rule});
    AUTO(relabel_work) struct relabel_work work;
    struct err err = {0};
    size_t by = 99;
    relabel_work_init(&work);
    CHECK_INT(relabel_apply(r, labels, &work, &by, &err), ERR_LIMIT);
    CHECK_INT(by, 99);
    CHECK_STR(err.text, text);
}

TEST(a_rule_without_room_for_its_label_is_told_by_number_and_action)
{
    AUTO(label_set) struct label_set labels;
    char name[16], long_value[2100];
    label_set_init(&labels, 4000);
    memset(long_value, 'x', sizeof long_value);
    for (int i = 0; i < LABEL_SET_MAX; i++) {
        snprintf(name, sizeof name, "l%03d", i);
        CHECK_INT(label_set_set(&labels, (struct span){name, 4},
                                (struct span){"x", i < LABEL_SET_MAX - 1}),
                  OK);
    }
    CHECK_INT(labels.len, LABEL_SET_MAX - 1);
    limited(&labels, &(struct rule){.action = "labelmap", .regex = "l(.+)", .replacement = "m$1"},
            "rule 0 (labelmap): no room for its labels: at most 640, of 4000 bytes");
    label_set_reset(&labels);
    CHECK_INT(
        label_set_set(&labels, (struct span){"a", 1}, (struct span){long_value, sizeof long_value}),
        OK);
    limited(&labels, &(struct rule){.source = "a", .target = "b"},
            "rule 0 (replace): no room for its labels: at most 640, of 4000 bytes");
}

static const struct rule busy[MAX_RULES] = {
    {.source = "a,b", .regex = "(.*);(.*)", .target = "$2", .replacement = "${1}x$2"},
    {.action = "labelmap", .regex = "(b|c)", .replacement = "copy_$1"},
    {.action = "hashmod", .source = "copy_b", .target = "shard", .modulus = "16"},
    {.action = "labeldrop", .regex = "a|c"},
};
#define BUSY_BEFORE "a=foo|b=bar|c=baz"
#define BUSY_AFTER  "b=bar|bar=fooxbar|copy_b=bar|copy_c=baz|shard="

TEST(rules_at_work_come_to_allocate_nothing)
{
    AUTO_PTR(relabel) struct relabel *r = make(busy);
    AUTO(relabel_work) struct relabel_work work;
    AUTO(label_set) struct label_set labels;
    uint64_t before = 0;
    relabel_work_init(&work);
    label_set_init(&labels, 1 << 16);
    for (int i = 0; i < 104; i++) {
        size_t rule;
        if (i == 4)
            before = mem_count();
        fill(&labels, BUSY_BEFORE);
        CHECK_INT(relabel_apply(r, &labels, &work, &rule, NULL), OK);
        CHECK_INT(rule, RELABEL_KEPT);
    }
    CHECK_INT(mem_count() - before, 0);
    CHECK(strncmp(text_of(&labels), BUSY_AFTER, strlen(BUSY_AFTER)) == 0);
}

TEST(nothing_of_one_set_comes_into_the_next)
{
    AUTO_PTR(relabel)
    struct relabel *r =
        make((struct rule[MAX_RULES]){{.action = "labelmap", .regex = "x_(.+)"},
                                      {.source = "v", .regex = "(.*)", .target = "w"}});
    AUTO(relabel_work) struct relabel_work work;
    AUTO(label_set) struct label_set labels;
    size_t rule;
    relabel_work_init(&work);
    label_set_init(&labels, 1 << 16);
    fill(&labels, "x_a=1|v=value");
    CHECK_INT(relabel_apply(r, &labels, &work, &rule, NULL), OK);
    CHECK_STR(text_of(&labels), "a=1|v=value|w=value|x_a=1");
    fill(&labels, "x_b=2");
    CHECK_INT(relabel_apply(r, &labels, &work, &rule, NULL), OK);
    CHECK_STR(text_of(&labels), "b=2|x_b=2");
}

static void *apply_often(void *arg)
{
    struct relabel_work work;
    struct label_set labels;
    relabel_work_init(&work);
    label_set_init(&labels, 1 << 16);
    for (int i = 0; i < 100; i++) {
        size_t rule;
        fill(&labels, BUSY_BEFORE); /* its CHECKs hold, else this would not be the place */
        if (relabel_apply(arg, &labels, &work, &rule, NULL) != OK || rule != RELABEL_KEPT ||
            labels.len != 5)
            abort();
    }
    relabel_work_done(&work);
    label_set_done(&labels);
    return NULL;
}

TEST(threads_may_share_rules)
{
    AUTO_PTR(relabel) struct relabel *r = make(busy);
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        CHECK_INT(pthread_create(&threads[i], NULL, apply_often, r), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK_STR(relabel_action(r, 0), "replace");
    CHECK_STR(relabel_action(r, 3), "labeldrop");
}
