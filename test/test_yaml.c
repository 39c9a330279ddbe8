/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"
#include "mem.h"
#include "test.h"
#include "yaml.h"

static const struct yaml_limits small = {.max_bytes = 1 << 20, .max_nodes = 1000, .max_depth = 8};

static enum status parse(struct yaml **ret, const char *text, struct err *err)
{
    return yaml_parse(ret, (struct span){text, strlen(text)}, &small, err);
}

static const char *value_of(const struct yaml *y, const char *key)
{
    const struct yaml_node *n = yaml_get(yaml_root(y), key);
    return n && n->type == YAML_T_SCALAR ? n->text : NULL;
}

TEST(scalars_stay_the_text_they_are)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    CHECK_INT(
        parse(&y, "a: 010\nb: yes\nc: 64MiB\nd: 'it''s'\ne: \"\\u00e4\"\nf: |\n  x\n  y\n", NULL),
        OK);
    CHECK_STR(value_of(y, "a"), "010");
    CHECK_STR(value_of(y, "b"), "yes");
    CHECK_STR(value_of(y, "c"), "64MiB");
    CHECK_STR(value_of(y, "d"), "it's");
    CHECK_STR(value_of(y, "e"), "\xc3\xa4");
    CHECK_STR(value_of(y, "f"), "x\ny\n");
    CHECK(yaml_get(yaml_root(y), "a")->plain);
    CHECK(!yaml_get(yaml_root(y), "d")->plain);
    CHECK(yaml_get(yaml_root(y), "g") == NULL);
}

TEST(every_node_knows_its_place)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    CHECK_INT(parse(&y, "# one\na:\n  - x\n  - \xc3\xa4\xc3\xa4: {b: z}\n", NULL), OK);
    const struct yaml_node *list = yaml_get(yaml_root(y), "a");
    CHECK_INT(list->type, YAML_T_LIST);
    CHECK_INT(list->len, 2);
    CHECK_INT(list->items[0]->line, 3);
    CHECK_INT(list->items[0]->column, 5);
    const struct yaml_node *inner = list->items[1]->pairs[0].value;
    CHECK_INT(inner->line, 4);
    CHECK_INT(inner->column, 9); /* characters, not bytes */
    CHECK_INT(inner->pairs[0].value->column, 13);
}

TEST(an_alias_repeats_its_anchor_at_its_own_place)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    CHECK_INT(parse(&y, "a: &x {b: [1, 2]}\nc: *x\n", NULL), OK);
    const struct yaml_node *c = yaml_get(yaml_root(y), "c");
    CHECK_INT(c->line, 2);
    CHECK_INT(c->column, 4);
    CHECK_STR(yaml_get(c, "b")->items[1]->text, "2");
    CHECK_INT(yaml_get(c, "b")->items[1]->line, 1);
}

TEST(an_empty_document_has_no_root)
{
    static const char *const texts[] = {"",      "\n\n",         "# nothing\n",
                                        "---\n", "\xef\xbb\xbf", "---\n...\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_PTR(yaml) struct yaml *y = NULL;
        CHECK_INT(parse(&y, texts[i], NULL), OK);
        CHECK(yaml_root(y) == NULL);
    }
}

TEST(null_is_a_plain_word)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    CHECK_INT(parse(&y, "a:\nb: ~\nc: null\nd: 'null'\ne: \"\"\nf: nul\ng: []\n", NULL), OK);
    const struct yaml_node *root = yaml_root(y);
    for (const char *key = "abc"; *key; key++)
        CHECK(yaml_is_null(yaml_get(root, (char[]){*key, '\0'})));
    for (const char *key = "defg"; *key; key++)
        CHECK(!yaml_is_null(yaml_get(root, (char[]){*key, '\0'})));
}

TEST(what_is_wrong_is_said_with_its_place)
{
    static const struct {
        const char *text;
        enum status status;
        const char *error;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", ERR_INVALID, "3:1: the key 'a' is there twice, first at 1:1"},
        {"a: [1, 2\nb: 3\n", ERR_INVALID,
         "2:2: did not find expected ',' or ']', while parsing a flow sequence that begins at 1:4"},
        {"a: 1\n\tb: 2\n", ERR_INVALID, NULL},
        {"a: *x\n", ERR_INVALID, "1:4: an alias without its anchor"},
        {"a: &x [*x]\n", ERR_INVALID, "1:8: an alias within its own anchor"},
        {"? [a]\n: 1\n", ERR_INVALID, "1:3: a key must be text, not a list or a map"},
        {"a: 1\n---\nb: 2\n", ERR_INVALID, "2:1: a second document"},
        {"a: \"x\\0y\"\n", ERR_INVALID, "1:4: text with a NUL"},
        {"a: 1\nb: \xff\n", ERR_INVALID, "2:4: invalid leading UTF-8 octet"},
        {"a: 1\n\xc3\xa4: \x01\n", ERR_INVALID, "2:4: control characters are not allowed"},
        {"a: !!int 5\n", ERR_INVALID, "1:4: the tag 'tag:yaml.org,2002:int' means nothing here"},
        {"[[[[[[[[[1]]]]]]]]]", ERR_LIMIT, "1:9: more than 8 levels deep"},
        {"a: &x [[[[1]]]]\nb: [[[*x]]]\n", ERR_LIMIT, NULL},
        {"%YAML 3.0\n---\na: 1\n", ERR_INVALID, "1:1: found incompatible YAML document"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct yaml *y = NULL;
        struct err err = {OK, ""};
        CHECK_INT(parse(&y, cases[i].text, &err), cases[i].status);
        CHECK(y == NULL);
        CHECK_INT(err.status, cases[i].status);
        if (cases[i].error)
            CHECK_STR(err.text, cases[i].error);
        else
            CHECK(strchr(err.text, ':') != NULL);
    }
}

static void add_twice(void *to, const struct yaml_node *key, const struct yaml_node *first)
{
    CHECK_INT(buf_printf(to, "%s %u:%u %u:%u\n", key->text, key->line, key->column, first->line,
                         first->column),
              OK);
}

TEST(who_wants_hears_of_keys_that_are_there_twice_and_reads_on)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    AUTO(buf) struct buf said = BUF_INIT(1000);
    static const char text[] = "b: 1\na: &x {c: 2, d: 3, c: 4}\nb: 5\ne: *x\nb: 6\n";
    const struct yaml_twice twice = {add_twice, &said};
    CHECK_INT(yaml_parse_twice(&y, (struct span){text, sizeof text - 1}, &small, &twice, NULL), OK);
    CHECK_STR(said.data, "c 2:20 2:8\nb 3:1 1:1\nb 5:1 1:1\n");
    const struct yaml_node *root = yaml_root(y), *a = yaml_get(root, "a");
    CHECK_INT(root->len, 3);
    CHECK_STR(yaml_get(root, "b")->text, "1");
    CHECK_STR(root->pairs[2].key->text, "e");
    CHECK_INT(a->len, 2);
    CHECK_STR(yaml_get(a, "c")->text, "2");
    CHECK_INT(yaml_get(root, "e")->len, 2);
}

TEST(a_nul_byte_is_refused_with_its_place)
{
    struct yaml *y = NULL;
    struct err err;
    CHECK_INT(yaml_parse(&y, (struct span){"a: 1\nb: \0\n", 10}, &small, &err), ERR_INVALID);
    CHECK_STR(err.text, "2:4: control characters are not allowed");
}

TEST(an_alias_bomb_costs_no_more_than_the_budget)
{
    static const char bomb[] = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
                               "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                               "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
                               "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n";
    struct yaml *y = NULL;
    struct err err;
    uint64_t before = mem_count();
    CHECK_INT(parse(&y, bomb, &err), ERR_LIMIT);
    CHECK(mem_count() - before < 4 * small.max_nodes);
    CHECK(strstr(err.text, "more than 1000 values") != NULL);
}

TEST(too_many_bytes_and_too_many_anchors_are_refused)
{
    struct yaml *y = NULL;
    struct err err;
    struct yaml_limits tiny = {.max_bytes = 4, .max_nodes = 9, .max_depth = 9};
    CHECK_INT(yaml_parse(&y, (struct span){"a: 12", 5}, &tiny, &err), ERR_LIMIT);
    CHECK_STR(err.text, "1:1: 5 bytes, the most is 4");

    char text[16000] = "[";
    size_t len = 1;
    for (int i = 0; i <= 1000; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "&a%d 1,", i);
    snprintf(text + len, sizeof text - len, "]");
    CHECK_INT(yaml_parse(&y, (struct span){text, len + 1}, &YAML_LIMITS_DEFAULT, &err), ERR_LIMIT);
    CHECK(strstr(err.text, "too many anchors") != NULL);
}

TEST(json_is_yaml)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    CHECK_INT(parse(&y, "[{\"targets\": [\"a:1\", \"b:2\"], \"labels\": {\"job\": \"x\"}}]", NULL),
              OK);
    const struct yaml_node *entry = yaml_root(y)->items[0];
    CHECK_STR(yaml_get(entry, "targets")->items[1]->text, "b:2");
    CHECK_STR(yaml_get(yaml_get(entry, "labels"), "job")->text, "x");
}
