/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON Schema of the configuration: that it is one, that it has every setting, that its
 * patterns say what the parsers say. */
#include "clock.h"
#include "config.h"
#include "kind.h"
#include "regex.h"
#include "tables.h"
#include "test.h"

#include <cjson/cJSON.h>

static cJSON *schema(void)
{
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    CHECK_INT(config_schema(&text), OK);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithOpts(text.data, &end, false);
    CHECK(root && strcmp(end, "\n") == 0);
    return root;
}

/* The one under key; a failure where there is none. */
static const cJSON *get(const cJSON *of, const char *key)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(of, key);
    if (!found)
        test_fail(__FILE__, __LINE__, "no '%s' in '%s'", key, of->string ? of->string : "");
    return found;
}

static const cJSON *property(const cJSON *of, const char *key)
{
    return get(get(of, "properties"), key);
}

static bool has_word(const cJSON *words, const char *word)
{
    const cJSON *w;
    cJSON_ArrayForEach(w, words)
    {
        if (strcmp(cJSON_GetStringValue(w), word) == 0)
            return true;
    }
    return false;
}

static void check_type(const cJSON *p, const struct setting *s)
{
    static const char *const types[] = {
        [SETTING_T_BOOL] = "boolean",    [SETTING_T_INT] = "integer",
        [SETTING_T_DOUBLE] = "number",   [SETTING_T_STRING] = "string",
        [SETTING_T_DURATION] = "string", [SETTING_T_BYTES] = "integer",
        [SETTING_T_LIST] = "array",      [SETTING_T_MAP] = "object",
        [SETTING_T_GROUP] = "object",    [SETTING_T_GROUPS] = "array",
    };
    if (s->type == SETTING_T_CHOICE) {
        const cJSON *words = get(cJSON_GetArrayItem(get(p, "anyOf"), 0), "enum");
        CHECK(has_word(words, s->def));
        return;
    }
    const cJSON *type = get(p, "type");
    CHECK_STR(cJSON_GetStringValue(cJSON_IsArray(type) ? cJSON_GetArrayItem(type, 0) : type),
              types[s->type]);
}

static void check_table(const cJSON *p, const struct setting *table)
{
    CHECK(cJSON_IsFalse(get(p, "additionalProperties")));
    for (const struct setting *s = table; s->name; s++) {
        const cJSON *in = property(p, s->name);
        const char *help = cJSON_GetStringValue(get(in, "description"));
        CHECK(strncmp(help, s->help, strlen(s->help)) == 0);
        check_type(in, s);
        bool needed = has_word(cJSON_GetObjectItem(p, "required"), s->name);
        CHECK_INT(needed, (s->flags & SETTING_REQUIRED) != 0);
        CHECK_INT(cJSON_HasObjectItem(in, "default"), s->def != NULL);
        if (s->sub)
            check_table(s->type == SETTING_T_GROUPS ? get(in, "items") : in, s->sub);
    }
}

static void check_kinds(const cJSON *p, enum kind_set set)
{
    const cJSON *choices = get(p, "oneOf");
    int n = 0;
    for (struct kind k = kind_at(set, 0); k.name; k = kind_at(set, (size_t)n)) {
        const cJSON *choice = cJSON_GetArrayItem(choices, n++);
        CHECK(has_word(get(choice, "required"), k.name));
        check_table(property(p, k.name), k.settings);
    }
    CHECK_INT(cJSON_GetArraySize(choices), n);
}

TEST(the_schema_has_every_setting_in_its_place)
{
    cJSON *root = schema();
    const cJSON *sources = get(property(root, "sources"), "items");
    const cJSON *pools = get(property(root, "pools"), "items");
    const cJSON *outputs = get(property(pools, "outputs"), "items");
    const cJSON *sinks = get(property(root, "sinks"), "items");
    check_table(property(root, "agent"), agent_settings);
    check_table(sources, source_settings);
    check_kinds(sources, KIND_SOURCE);
    check_table(pools, pool_settings);
    check_kinds(get(property(pools, "filters"), "items"), KIND_FILTER);
    check_table(outputs, output_settings);
    check_kinds(outputs, KIND_ENCODER);
    check_table(sinks, sink_settings);
    check_kinds(sinks, KIND_SINK);
    CHECK(has_word(get(root, "required"), "sinks") && has_word(get(pools, "required"), "outputs"));
    cJSON_Delete(root);
}

static bool matches(const cJSON *p, const char *text)
{
    char whole[400];
    struct regex *r;
    snprintf(whole, sizeof whole, "(?s).*(?:%s).*", cJSON_GetStringValue(get(p, "pattern")));
    CHECK_INT(regex_new(&r, whole, NULL), OK);
    bool yes = regex_match(r, (struct span){text, strlen(text)});
    regex_free(r);
    return yes;
}

/* Without bounds, which a pattern does not say. */
static bool parses(const struct setting *s, const char *text)
{
    int64_t room = 0;
    struct setting alone = *s;
    alone.offset = 0;
    alone.min = INT64_MIN;
    alone.max = INT64_MAX;
    return setting_set(&alone, &room, text, NULL) == OK;
}

TEST(a_pattern_takes_what_the_parser_takes)
{
    static const char *const texts[] = {
        "",     "0",      "7",      "007",  "-7",    "+7",    "7.",   "7.5",   ".5",
        ".",    "1e3",    "1E-3",   "1e",   "0x10",  "1_000", " 7",   "7 ",    "7s",
        "7ms",  "7m",     "7h",     "7d",   "7 s",   "7.5s",  "s",    "1h30m", "7KiB",
        "7MiB", "7GiB",   "7TiB",   "7MB",  "KiB",   "inf",   "-inf", "+Inf",  "infinity",
        "INFI", "nan",    "unset",  "true", "false", "True",  "yes",  "~",     "$",
        "$7",   "truest", "untrue", "17h7", "7\n7s", "inf7",
    };
    static const struct setting wide[] = {{.name = "interval", .type = SETTING_T_DURATION},
                                          {.name = "targets", .type = SETTING_T_INT},
                                          {.name = "honor_labels", .type = SETTING_T_BOOL},
                                          SETTING_END};
    cJSON *root = schema();
    const cJSON *source = get(property(root, "sources"), "items");
    const cJSON *sink = get(property(root, "sinks"), "items");
    const cJSON *pool = get(property(root, "pools"), "items");
    const cJSON *clamp = property(get(property(pool, "filters"), "items"), "clamp");
    const struct setting bytes = {.name = "buffer", .type = SETTING_T_BYTES},
                         bound = {.name = "min", .type = SETTING_T_DOUBLE},
                         other = {.name = "min_value",
                                  .type = SETTING_T_DOUBLE,
                                  .flags = SETTING_OPTIONAL};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (const struct setting *s = wide; s->name; s++)
            if (matches(property(source, s->name), texts[i]) !=
                (parses(s, texts[i]) && (s->type != SETTING_T_DURATION || texts[i][0] != '-')))
                test_fail(__FILE__, __LINE__, "%s: '%s'", s->name, texts[i]);
        CHECK_INT(matches(property(sink, "buffer"), texts[i]),
                  parses(&bytes, texts[i]) && texts[i][0] != '-');
        CHECK_INT(matches(property(clamp, "min"), texts[i]), parses(&bound, texts[i]));
        CHECK_INT(matches(property(clamp, "min_value"), texts[i]), parses(&other, texts[i]));
    }
    cJSON_Delete(root);
}

TEST(what_holds_a_variable_is_taken_for_any_value)
{
    cJSON *root = schema();
    const cJSON *agent = property(root, "agent");
    const cJSON *source = get(property(root, "sources"), "items");
    CHECK(matches(property(agent, "memory"), "${MEMORY}"));
    CHECK(matches(property(agent, "grace"), "${GRACE:-10}s"));
    CHECK(matches(property(source, "name"), "a_${NAME}"));
    CHECK(!matches(property(source, "name"), "a_b") && matches(property(source, "name"), "a-7"));
    CHECK(matches(property(source, "honor_labels"), "${HONOR}"));
    CHECK(matches(cJSON_GetArrayItem(get(property(agent, "first_scrape"), "anyOf"), 1), "${X}"));
    CHECK(!matches(cJSON_GetArrayItem(get(property(agent, "first_scrape"), "anyOf"), 1), "noww"));
    cJSON_Delete(root);
}

TEST(bounds_and_defaults_are_values)
{
    cJSON *root = schema();
    const cJSON *agent = property(root, "agent");
    const cJSON *source = get(property(root, "sources"), "items");
    const cJSON *targets = property(source, "targets");
    CHECK_DBL(get(targets, "minimum")->valuedouble, 1);
    CHECK_DBL(get(targets, "maximum")->valuedouble, 1000000);
    CHECK_DBL(get(targets, "default")->valuedouble, 2000);
    CHECK(cJSON_IsFalse(get(property(source, "honor_labels"), "default")));
    CHECK_STR(cJSON_GetStringValue(get(property(source, "interval"), "default")), "30s");
    CHECK_STR(cJSON_GetStringValue(get(property(agent, "grace"), "description")),
              "how long a stop waits for what is under way; 0s to 1h");
    CHECK_DBL(get(property(agent, "memory"), "minimum")->valuedouble, 16 << 20);
    cJSON_Delete(root);
}

TEST(a_schema_that_does_not_fit_is_an_error)
{
    AUTO(buf) struct buf text = BUF_INIT(1000);
    CHECK_INT(config_schema(&text), ERR_LIMIT);
}
