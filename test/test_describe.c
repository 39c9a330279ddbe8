/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration comes to: its descriptions, its identities, the list of settings. */
#include "config.h"
#include "resolve.h"
#include "test.h"
#include "yaml.h"

static const char file[] =
    "agent: {cluster: prod, instance: node-1, labels: {zone: \"a b\", team: x}}\n"
    "sources:\n"
    "- {name: pods, static: {targets: [\"http://10.0.0.1:9100/metrics\"]}, interval: 15s, pool: "
    "m}\n"
    "- name: hosts\n"
    "  static: {targets: [\"127.0.0.1:9100\", \"127.0.0.1:9101\"], labels: {job: node}}\n"
    "  pool: m\n"
    "  http: {bearer: hunter2, headers: {X-Token: hunter3}, tls: {verify: false}}\n"
    "pools:\n"
    "- name: m\n"
    "  filters:\n"
    "  - clip: {match: \"a_*\", min: -50}\n"
    "  - clamp: {match: \"$$b\\\"$\\n\", max: 1.5}\n"
    "  outputs:\n"
    "  - {name: one, json: , sink: out, max_message: 64KiB}\n"
    "  - {statsd: {prefix: \"null\"}, sink: out}\n"
    "sinks:\n"
    "- {name: out, stdout: {header: true}}\n"
    "- {name: spare, stdout: }\n";

static struct config *good(const char *text)
{
    struct faults f = {0};
    struct config *c = NULL;
    if (config_parse(&c, (struct span){text, strlen(text)}, &f) != OK)
        test_fail(__FILE__, __LINE__, "%u:%u: %s", f.items[0].line, f.items[0].column,
                  f.items[0].text);
    return c;
}

/* Good until the next call. */
static const char *describe(const char *text, enum describe_format format)
{
    static char said[65536];
    AUTO(buf) struct buf b = BUF_INIT(sizeof said - 1);
    AUTO_PTR(config) struct config *c = good(text);
    CHECK_INT(config_describe(c, format, &b), OK);
    memcpy(said, b.data, b.len + 1);
    return said;
}

TEST(the_yaml_of_a_configuration_loads_again_as_the_same)
{
    static char first[65536];
    memcpy(first, describe(file, DESCRIBE_YAML), sizeof first);
    CHECK_STR(describe(first, DESCRIBE_YAML), first);
    AUTO_PTR(config) struct config *a = good(file), *b = good(first);
    CHECK_STR(b->sources[0].identity, a->sources[0].identity);
    CHECK_STR(b->pools[0].identity, a->pools[0].identity);
    CHECK_INT(b->pools[0].outputs_len, 2);
    for (size_t i = 0; i < 2; i++)
        CHECK_STR(b->pools[0].outputs[i].identity, a->pools[0].outputs[i].identity);
    CHECK_INT(b->agent.labels.len, 2);
    CHECK_STR(b->agent.labels.items[0].value, "a b");
    CHECK_STR(b->sources[1].common.http.bearer, "***"); /* all but secrets */
}

TEST(no_description_tells_a_secret)
{
    for (enum describe_format f = DESCRIBE_TEXT; f <= DESCRIBE_YAML; f++)
        CHECK(strstr(describe(file, f), "hunter") == NULL);
    AUTO_PTR(config) struct config *c = good(file);
    CHECK(strstr(c->sources[1].identity, "hunter") == NULL);
}

TEST(the_text_marks_what_is_default)
{
    const char *text = describe(file, DESCRIBE_TEXT);
    static const char *const pieces[] = {
        "cluster prod,",
        "instance node-1,",
        "memory 256MiB*",
        "zone: \"a b\"",
        "source pods: static",
        "interval 15s,",
        "timeout 10s*",
        "-> pool m\n",
        "http.bearer \"***\"",
        "http.tls.verify false,",
        "workers 2*",
        "filter 1: clip",
        "match \"a_*\"",
        "min -50,",
        "output one\n",
        "max_message 64KiB,",
        "output statsd-out*",
        "-> sink out: stdout",
        "buffer 32MiB*",
        "header true\n",
        "sink spare: stdout, which no output uses",
    };
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        if (!strstr(text, pieces[i]))
            test_fail(__FILE__, __LINE__, "'%s' is missing in:\n%s", pieces[i], text);
    for (const char *line = text; line; line = strchr(line + 1, '\n'))
        CHECK(strcspn(line + 1, "\n") <= 100);
}

/* JSON is YAML, so our own reader will do. */
TEST(the_json_is_whole_and_lists_the_defaults)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    const char *text = describe(file, DESCRIBE_JSON);
    CHECK_INT(yaml_parse(&y, (struct span){text, strlen(text)}, &YAML_LIMITS_DEFAULT, NULL), OK);
    const struct yaml_node *root = yaml_root(y);
    CHECK_STR(yaml_get(yaml_get(root, "agent"), "cluster")->text, "prod");
    const struct yaml_node *pool = yaml_get(root, "pools")->items[0];
    CHECK(yaml_get(pool, "workers")->plain);
    const struct yaml_node *clamp = yaml_get(yaml_get(pool, "filters")->items[1], "clamp");
    CHECK_STR(yaml_get(clamp, "match")->text, "$b\"$\n");
    CHECK_STR(yaml_get(clamp, "max")->text, "1.5");
    CHECK_STR(yaml_get(clamp, "min")->text, "-inf");
    const struct yaml_node *defaults = yaml_get(root, "defaults");
    size_t found = 0;
    for (size_t i = 0; i < defaults->len; i++) {
        const char *path = defaults->items[i]->text;
        CHECK(strcmp(path, "sources.pods.interval") != 0 && strcmp(path, "agent.cluster") != 0);
        found += strcmp(path, "sources.hosts.interval") == 0;
        found += strcmp(path, "pools.m.outputs.statsd-out.name") == 0;
        found += strcmp(path, "pools.m.filters.0.clip.max") == 0;
    }
    CHECK_INT(found, 3);
}

TEST(the_graph_has_each_node_and_edge)
{
    const char *text = describe(file, DESCRIBE_DOT);
    static const char *const pieces[] = {
        "digraph strata {\n",
        "  \"source hosts\" -> \"pool m\";\n",
        "  \"pool m\" -> \"filter m/1\";\n",
        "  \"filter m/1\" -> \"filter m/2\";\n",
        "  \"filter m/2\" -> \"output m/one\";\n",
        "  \"output m/statsd-out\" -> \"sink out\";\n",
        "match \\\"$b\\\\\\\"$\\\\n\\\"\\l",
    };
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        if (!strstr(text, pieces[i]))
            test_fail(__FILE__, __LINE__, "'%s' is missing in:\n%s", pieces[i], text);
    size_t quotes = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '\\')
            p++;
        else
            quotes += *p == '"';
    }
    CHECK_INT(quotes % 2, 0);
}

static const char plain[] =
    "sources: [{name: s, static: {targets: [\"http://a\"], labels: {x: 1, y: 2}}, pool: main}]\n"
    "pools: [{name: main, filters: [{clip: {min: 1}}], outputs: [{json: , sink: out}]}]\n"
    "sinks: [{name: out, stdout: }]\n";
static const char other_words[] =
    "# the same, said at length\n"
    "sinks: [{stdout: {header: false}, buffer: 32768KiB, name: out}]\n"
    "pools:\n"
    "- outputs: [{sink: out, json: {}, name: json-out, max_message: 512KiB, replicas: false}]\n"
    "  filters: [{clip: {max: inf, min: 1.0}}]\n"
    "  workers: 2\n"
    "  limits: {page: 65536KiB}\n"
    "  name: main\n"
    "sources:\n"
    "- {timeout: 10000ms, pool: main, name: s, http: {tls: {verify: true}},\n"
    "   static: {labels: {y: 2, x: 1}, targets: [\"http://a\"]}}\n"
    "agent: {memory: 512MiB, log: {level: debug}}\n";

TEST(comments_order_and_written_defaults_do_not_change_an_identity)
{
    AUTO_PTR(config) struct config *a = good(plain), *b = good(other_words);
    CHECK_STR(b->sources[0].identity, a->sources[0].identity);
    CHECK_STR(b->pools[0].identity, a->pools[0].identity);
    CHECK_STR(b->pools[0].outputs[0].identity, a->pools[0].outputs[0].identity);
    CHECK_STR(b->pools[0].outputs[0].encoder_text, a->pools[0].outputs[0].encoder_text);
}

/* What one line more changes: source, pool, output, as letters. */
static const char *changes(const char *from, const char *to)
{
    static char said[4];
    AUTO(buf) struct buf text = BUF_INIT(4096);
    const char *at = strstr(plain, from);
    CHECK(at != NULL);
    CHECK_INT(buf_add(&text, plain, (size_t)(at - plain)), OK);
    CHECK_INT(buf_cat(&text, to, at + strlen(from), NULL), OK);
    AUTO_PTR(config) struct config *a = good(plain), *b = good(text.data);
    size_t n = 0;
    if (strcmp(a->sources[0].identity, b->sources[0].identity) != 0)
        said[n++] = 's';
    if (strcmp(a->pools[0].identity, b->pools[0].identity) != 0)
        said[n++] = 'p';
    if (strcmp(a->pools[0].outputs[0].identity, b->pools[0].outputs[0].identity) != 0)
        said[n++] = 'o';
    said[n] = '\0';
    return said;
}

TEST(a_change_changes_the_identity_of_its_part_alone)
{
    CHECK_STR(changes("{x: 1", "{x: 3"), "s");
    CHECK_STR(changes("name: s,", "name: s, interval: 10s,"), "s");
    CHECK_STR(changes("name: s,", "name: s, http: {user: u, password: a},"), "s");
    CHECK_STR(changes("min: 1", "min: 2"), "p");
    CHECK_STR(changes("name: main", "name: main, in_flight: 65"), "p");
    CHECK_STR(changes("{json: ", "{replicas: true, json: "), "o");
    CHECK_STR(changes("{json: ", "{json: {mode: array}"), "o");
    CHECK_STR(changes("stdout: ", "stdout: , buffer: 1GiB"), "o");
    CHECK_STR(changes("stdout: ", "stdout: {header: true}"), "o");
    CHECK_STR(changes("sinks:", "agent: {labels: {a: b}}\nsinks:"), "s");
    CHECK_STR(changes("sinks:", "agent: {cluster: prod}\nsinks:"), "so");
    CHECK_STR(changes("sinks:", "agent: {grace: 1s}\nsinks:"), "");
}

TEST(defaults_that_depend_on_others)
{
    CHECK_INT(source_timeout(5000000000), 5000000000);
    CHECK_INT(source_timeout(60000000000), 10000000000);
    struct sink_ops sink = {.name = "small", .max_payload = 1000};
    CHECK_INT(lane_max_message(&sink), 1000);
    sink.max_payload = (size_t)1 << 30;
    CHECK_INT(lane_max_message(&sink), 512 << 10);
    struct encoder_ops encoder = {.name = "remote_write"};
    char *name = resolve_output_name(&encoder, "far");
    CHECK_STR(name, "remote-write-far");
    free(name);
}

TEST(a_pair_goes_together_when_both_say_so)
{
    static const char *const http[] = {"http", "kafka", NULL}, *const fluent[] = {"fluent", NULL};
    struct encoder_ops json = {.name = "json"}, remote = {.name = "remote_write", .sinks = http};
    struct sink_ops out = {.name = "stdout"}, web = {.name = "http"};
    struct sink_ops forward = {.name = "fluent", .encoders = fluent};
    struct err err;
    CHECK_INT(resolve_pair(&json, &out, NULL), OK);
    CHECK_INT(resolve_pair(&remote, &web, NULL), OK);
    CHECK_INT(resolve_pair(&remote, &out, &err), ERR_INVALID);
    CHECK_STR(err.text, "remote_write does not go into stdout, only into http, kafka");
    CHECK_INT(resolve_pair(&json, &forward, &err), ERR_INVALID);
    CHECK_STR(err.text, "json does not go into fluent, which takes only fluent");
}

TEST(every_setting_is_listed)
{
    AUTO(buf)
    struct buf text = BUF_INIT(1 << 20), markdown = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
    CHECK_INT(config_settings(false, &text), OK);
    CHECK_INT(config_settings(true, &markdown), OK);
    CHECK_INT(config_settings(true, &again), OK);
    CHECK_STR(again.data, markdown.data);
    CHECK(strstr(text.data, "\n  http.tls.verify          true or false; default true\n") != NULL);
    static const char *const rows[] = {
        "\n## agent\n",
        "\n### source static\n",
        "\n### filter clip\n",
        "\n### encoder json\n",
        "\n### sink stdout\n",
        "\n| `interval` | duration | `30s` | 10ms to 24h | from one scrape",
        "\n| `log.level` | word | `info` | error, warn, info, debug | ",
        "\n| `http.bearer` | string, secret | `\"\"` |  | ",
        "\n| `targets` | list of strings | **required** |  | ",
        "\n| `limits.page` | bytes | `64MiB` | 1KiB to 16GiB | ",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!strstr(markdown.data, rows[i]))
            test_fail(__FILE__, __LINE__, "missing: %s", rows[i]);
}
