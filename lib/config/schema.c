/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - the configuration file as a JSON Schema (draft-07), made from the tables.
 *
 * It judges YAML that another program has parsed already, so it knows values, not their text. A
 * string setting is a string here, though the agent would take 0640 or no as they stand: others
 * read 416 and false.  Nothing refers to anything, so that it can be part of another schema. */
#include "config_read.h"

#include "json_out.h"
#include "number.h"
#include "tables.h"

#include <math.h>

#define ENV              "\\$\\{" /* what holds this is known only where the agent runs */
#define INT_PATTERN      "^-?[0-9]+$|" ENV
#define BYTES_PATTERN    "^[0-9]+(KiB|MiB|GiB)?$|" ENV
#define TIME_PATTERN     "^[0-9]+(ms|s|m|h)$|" ENV
#define BOOL_PATTERN     "^(true|false)$|" ENV
#define NAME_PATTERN     "^[a-z0-9-]{1,63}$|" ENV
#define NUMBER           "[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"
#define INFINITE         "[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?"
#define DOUBLE_PATTERN   "^(" NUMBER "|" INFINITE ")$|" ENV
#define OPTIONAL_PATTERN "^(" NUMBER "|" INFINITE "|unset)$|" ENV

#define DESCRIPTION_MAX 2000

static void types(struct json_out *j, const char *first, const char *second)
{
    json_out_open(j, "type", '[');
    json_out_string(j, NULL, first);
    json_out_string(j, NULL, second);
    json_out_close(j, ']');
}

/* A string like the pattern, or a value of the type; NULL: any, none. */
static void scalar(struct json_out *j, const char *type, const char *pattern)
{
    if (type)
        types(j, type, "string");
    else
        json_out_string(j, "type", "string");
    if (pattern)
        json_out_string(j, "pattern", pattern);
}

/* Of numbers; what strings may be is in their description. */
static void bounds(struct json_out *j, const struct setting *s)
{
    if (s->min != INT64_MIN)
        json_out_int(j, "minimum", s->min);
    if (s->max != INT64_MAX)
        json_out_int(j, "maximum", s->max);
}

static void choices(struct json_out *j, const struct setting *s)
{
    json_out_open(j, "anyOf", '[');
    json_out_open(j, NULL, '{');
    json_out_open(j, "enum", '[');
    for (size_t i = 0; s->choices[i]; i++)
        json_out_string(j, NULL, s->choices[i]);
    json_out_close(j, ']');
    json_out_close(j, '}');
    json_out_open(j, NULL, '{');
    scalar(j, NULL, ENV);
    json_out_close(j, '}');
    json_out_close(j, ']');
}

static void strings(struct json_out *j, const char *key)
{
    json_out_open(j, key, '{');
    json_out_string(j, "type", "string");
    json_out_close(j, '}');
}

/* What a map of the file may hold. */
struct map {
    const struct setting *table;
    const enum kind_set *kinds; /* one key of them; NULL: none */
    const char *const *names;   /* settings that hold a name, ended by NULL; NULL: none */
    void (*more)(struct json_out *j);
    const char *const *needed; /* beside what the table requires, ended by NULL; NULL: none */
};

static bool is_needed(const struct map *m)
{
    for (const struct setting *s = m->table; s->name; s++)
        if (s->flags & SETTING_REQUIRED)
            return true;
    return m->needed;
}

static void required(struct json_out *j, const struct map *m)
{
    if (!is_needed(m))
        return;
    json_out_open(j, "required", '[');
    for (const struct setting *s = m->table; s->name; s++)
        if (s->flags & SETTING_REQUIRED)
            json_out_string(j, NULL, s->name);
    for (size_t i = 0; m->needed && m->needed[i]; i++)
        json_out_string(j, NULL, m->needed[i]);
    json_out_close(j, ']');
}

static void properties(struct json_out *j, const struct map *m);

/* Nothing stands for an empty map where one is good. */
static void group(struct json_out *j, const struct setting *table)
{
    const struct map m = {.table = table};
    if (is_needed(&m))
        json_out_string(j, "type", "object");
    else
        types(j, "object", "null");
    properties(j, &m);
}

static void groups(struct json_out *j, const struct setting *s)
{
    const struct map m = {.table = s->sub};
    types(j, "array", "null");
    json_out_int(j, "maxItems", SETTING_GROUPS_MAX);
    json_out_open(j, "items", '{');
    json_out_string(j, "type", "object");
    properties(j, &m);
    json_out_close(j, '}');
}

static void value(struct json_out *j, const struct setting *s, bool is_name)
{
    switch (s->type) {
    case SETTING_T_BOOL: scalar(j, "boolean", BOOL_PATTERN); break;
    case SETTING_T_INT: scalar(j, "integer", INT_PATTERN); break;
    case SETTING_T_DOUBLE:
        scalar(j, "number", s->flags & SETTING_OPTIONAL ? OPTIONAL_PATTERN : DOUBLE_PATTERN);
        break;
    case SETTING_T_STRING: scalar(j, NULL, is_name ? NAME_PATTERN : NULL); break;
    case SETTING_T_DURATION: scalar(j, NULL, TIME_PATTERN); break;
    case SETTING_T_BYTES: scalar(j, "integer", BYTES_PATTERN); break;
    case SETTING_T_CHOICE: choices(j, s); break;
    case SETTING_T_LIST:
        types(j, "array", "null");
        strings(j, "items");
        break;
    case SETTING_T_MAP:
        types(j, "object", "null");
        json_out_int(j, "maxProperties", SETTING_MAP_MAX);
        strings(j, "additionalProperties");
        break;
    case SETTING_T_GROUP: group(j, s->sub); break;
    case SETTING_T_GROUPS: groups(j, s); break;
    }
    if (s->type == SETTING_T_INT || s->type == SETTING_T_BYTES)
        bounds(j, s);
}

static void preset(struct json_out *j, const struct setting *s)
{
    double d;
    if (!s->def)
        return;
    if (s->type == SETTING_T_BOOL)
        json_out_bool(j, "default", strcmp(s->def, "true") == 0);
    else if (s->type == SETTING_T_INT)
        json_out_int(j, "default", strtoll(s->def, NULL, 10));
    else if (s->type == SETTING_T_DOUBLE &&
             number_parse((struct span){s->def, strlen(s->def)}, &d, NULL) == OK && isfinite(d))
        json_out_double(j, "default", d);
    else
        json_out_string(j, "default", s->def);
}

/* With the bounds that a pattern cannot say. */
static void description(struct json_out *j, const struct setting *s)
{
    AUTO(buf) struct buf text = BUF_INIT(DESCRIPTION_MAX);
    bool more = s->type == SETTING_T_DURATION || s->type == SETTING_T_BYTES;
    enum status r = buf_cat(&text, s->help, more ? "; " : "", NULL);
    if (r == OK && more)
        r = setting_bounds(s, &text);
    j->status = j->status == OK ? r : j->status;
    json_out_string(j, "description", text.data);
}

static bool is_among(const char *const *words, const char *word)
{
    for (; words && *words; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

static void kinds(struct json_out *j, enum kind_set set)
{
    struct kind k = kind_at(set, 0);
    for (size_t i = 1; k.name; i++) {
        json_out_open(j, k.name, '{');
        json_out_string(j, "description", k.help);
        group(j, k.settings);
        json_out_close(j, '}');
        k = kind_at(set, i);
    }
}

static void one_of(struct json_out *j, enum kind_set set)
{
    struct kind k = kind_at(set, 0);
    json_out_open(j, "oneOf", '[');
    for (size_t i = 1; k.name; i++) {
        json_out_open(j, NULL, '{');
        json_out_open(j, "required", '[');
        json_out_string(j, NULL, k.name);
        json_out_close(j, ']');
        json_out_close(j, '}');
        k = kind_at(set, i);
    }
    json_out_close(j, ']');
}

static void properties(struct json_out *j, const struct map *m)
{
    json_out_open(j, "properties", '{');
    for (const struct setting *s = m->table; s->name; s++) {
        json_out_open(j, s->name, '{');
        description(j, s);
        value(j, s, is_among(m->names, s->name));
        preset(j, s);
        json_out_close(j, '}');
    }
    if (m->kinds)
        kinds(j, *m->kinds);
    if (m->more)
        m->more(j);
    json_out_close(j, '}');
    json_out_bool(j, "additionalProperties", false);
    required(j, m);
    if (m->kinds)
        one_of(j, *m->kinds);
}

static void list(struct json_out *j, const char *key, const char *help, size_t min, size_t max,
                 const struct map *m)
{
    json_out_open(j, key, '{');
    json_out_string(j, "description", help);
    if (min)
        json_out_string(j, "type", "array");
    else
        types(j, "array", "null");
    json_out_uint(j, "minItems", min);
    json_out_uint(j, "maxItems", max);
    json_out_open(j, "items", '{');
    json_out_string(j, "type", "object");
    properties(j, m);
    json_out_close(j, '}');
    json_out_close(j, '}');
}

static const struct setting none[] = {SETTING_END};

static void filters_and_outputs(struct json_out *j)
{
    static const enum kind_set filter = KIND_FILTER, encoder = KIND_ENCODER;
    static const char *const names[] = {"sink", NULL};
    const struct map filters = {.table = none, .kinds = &filter};
    const struct map outputs = {.table = output_settings, .kinds = &encoder, .names = names};
    list(j, "filters", "what becomes of samples, one after the other", 0, FILTER_STEPS, &filters);
    list(j, "outputs", "an encoder and where its messages go", 1, MAX_LANES, &outputs);
}

static void sections(struct json_out *j)
{
    static const enum kind_set source = KIND_SOURCE, sink = KIND_SINK;
    static const char *const names[] = {"name", "pool", NULL}, *const needed[] = {"outputs", NULL};
    const struct map sources = {.table = source_settings, .kinds = &source, .names = names};
    const struct map pools = {
        .table = pool_settings, .names = names, .more = filters_and_outputs, .needed = needed};
    const struct map sinks = {.table = sink_settings, .kinds = &sink, .names = names};
    json_out_open(j, "agent", '{');
    json_out_string(j, "description", "the agent itself");
    group(j, agent_settings);
    json_out_close(j, '}');
    list(j, "sources", "what there is to scrape", 0, MAX_ENTRIES, &sources);
    list(j, "pools", "who scrapes, and what becomes of it", 0, MAX_LANES, &pools);
    list(j, "sinks", "where messages can go", 0, MAX_ENTRIES, &sinks);
}

enum status config_schema(struct buf *out)
{
    static const char *const needed[] = {"sources", "pools", "sinks", NULL};
    const struct map root = {.table = none, .more = sections, .needed = needed};
    struct json_out j = JSON_OUT(out);
    json_out_open(&j, NULL, '{');
    json_out_string(&j, "$schema", "http://json-schema.org/draft-07/schema#");
    json_out_string(&j, "title", "configuration of strata-agent");
    json_out_string(&j, "type", "object");
    properties(&j, &root);
    json_out_close(&j, '}');
    return j.status == OK ? buf_puts(out, "\n") : j.status;
}
