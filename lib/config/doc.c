/* SPDX-License-Identifier: Apache-2.0 */
#include "doc.h"

#include "mem.h"
#include "resolve.h"
#include "tables.h"

#include <math.h>

#define VALUE_MAX ((size_t)1 << 20)

/* The new item of a list or a map; good until the next one is added beside it. */
static struct doc *add(struct doc *to, const char *key, enum doc_type type)
{
    to->items = mem_realloc(to->items, (to->len + 1) * sizeof *to->items);
    to->items[to->len] = (struct doc){.type = type, .key = mem_strdup(key)};
    return &to->items[to->len++];
}

static struct doc *add_text(struct doc *to, const char *key, enum doc_type type, const char *text)
{
    struct doc *d = add(to, key, type);
    d->text = mem_strdup(text);
    return d;
}

static const char *shown(const struct setting *s, const char *text)
{
    if (!text)
        return "";
    bool hidden = (s->flags & SETTING_SECRET) && text[0] && strncmp(text, "file:", 5) != 0;
    return hidden ? "***" : text;
}

static enum doc_type type_of(const struct setting *s, const void *value)
{
    switch (s->type) {
    case SETTING_T_BOOL: return DOC_BOOL;
    case SETTING_T_INT: return DOC_NUMBER;
    case SETTING_T_DOUBLE: return isfinite(*(const double *)value) ? DOC_NUMBER : DOC_WORD;
    case SETTING_T_STRING: return DOC_STRING;
    case SETTING_T_LIST:
    case SETTING_T_GROUPS: return DOC_LIST;
    case SETTING_T_MAP:
    case SETTING_T_GROUP: return DOC_MAP;
    case SETTING_T_DURATION:
    case SETTING_T_BYTES:
    case SETTING_T_CHOICE: break;
    }
    return DOC_WORD;
}

static enum status add_table(struct doc *map, const struct setting *table, const void *conf);

static enum status add_groups(struct doc *list, const struct setting *s, const void *conf)
{
    const struct group_list *l = (const void *)((const char *)conf + s->offset);
    enum status r = OK;
    for (size_t i = 0; i < l->len && r == OK; i++) {
        struct doc *d = add(list, NULL, DOC_MAP);
        d->is_group = true;
        r = add_table(d, s->sub, setting_item(s, conf, i));
    }
    return r;
}

static enum status add_value(struct doc *d, const struct setting *s, const void *conf)
{
    const void *value = (const char *)conf + s->offset;
    if (s->type == SETTING_T_GROUP)
        return add_table(d, s->sub, value);
    if (s->type == SETTING_T_GROUPS)
        return add_groups(d, s, conf);
    if (s->type == SETTING_T_STRING) {
        d->text = mem_strdup(shown(s, *(char *const *)value));
    } else if (s->type == SETTING_T_LIST) {
        const struct text_list *l = value;
        for (size_t i = 0; i < l->len; i++)
            add_text(d, NULL, DOC_STRING, shown(s, l->items[i]));
    } else if (s->type == SETTING_T_MAP) {
        const struct text_map *m = value;
        for (size_t i = 0; i < m->len; i++)
            add_text(d, m->items[i].name, DOC_STRING, shown(s, m->items[i].value));
    } else {
        AUTO(buf) struct buf text = BUF_INIT(VALUE_MAX);
        enum status r = setting_text(s, conf, &text);
        d->text = mem_strdup(text.data);
        return r;
    }
    return OK;
}

static enum status add_table(struct doc *map, const struct setting *table, const void *conf)
{
    enum status r = OK;
    for (const struct setting *s = table; s->name && r == OK; s++) {
        struct doc *d = add(map, s->name, type_of(s, (const char *)conf + s->offset));
        d->is_default = setting_is_default(s, conf);
        d->is_group = s->type == SETTING_T_GROUP;
        r = add_value(d, s, conf);
    }
    return r;
}

static enum status add_kind(struct doc *map, const char *name, const struct setting *table,
                            const void *conf)
{
    struct doc *d = add(map, name, DOC_MAP);
    d->is_kind = true;
    return add_table(d, table, conf);
}

/* What was worked out where the file said nothing. */
static void mark(struct doc *map, const char *key, bool is_default)
{
    for (size_t i = 0; i < map->len; i++)
        if (strcmp(map->items[i].key, key) == 0)
            map->items[i].is_default = is_default;
}

static enum status add_agent(struct doc *root, const struct config *c)
{
    struct doc *agent = add(root, "agent", DOC_MAP);
    enum status r = add_table(agent, agent_settings, &c->agent);
    char *instance = resolve_instance();
    mark(agent, "instance", strcmp(instance, c->agent.instance) == 0);
    mem_free(instance);
    return r;
}

static enum status add_source(struct doc *list, const struct source_conf *s)
{
    struct doc *d = add(list, NULL, DOC_MAP);
    enum status r = add_table(d, source_settings, &s->common);
    mark(d, "timeout", s->common.timeout == source_timeout(s->common.interval));
    return r == OK ? add_kind(d, s->ops->name, s->ops->settings, s->conf) : r;
}

static enum status add_output(struct doc *list, const struct config *c, const struct output_conf *o)
{
    const struct sink_entry *s = &c->sinks[o->sink];
    struct output_read read = {.name = o->name,
                               .sink = s->name,
                               .max_message = o->max_message,
                               .max_samples = o->max_samples,
                               .replicas = o->replicas};
    struct doc *d = add(list, NULL, DOC_MAP);
    enum status r = add_table(d, output_settings, &read);
    char *name = resolve_output_name(o->encoder, s->name);
    mark(d, "name", strcmp(name, o->name) == 0);
    mark(d, "max_message", (size_t)o->max_message == lane_max_message(s->ops));
    mem_free(name);
    return r == OK ? add_kind(d, o->encoder->name, o->encoder->settings, o->encoder_conf) : r;
}

static enum status add_pool(struct doc *list, const struct config *c, const struct pool_entry *p)
{
    struct doc *d = add(list, NULL, DOC_MAP);
    enum status r = add_table(d, pool_settings, &p->conf);
    struct doc *filters = add(d, "filters", DOC_LIST);
    for (size_t i = 0; i < p->filters_len && r == OK; i++)
        r = add_kind(add(filters, NULL, DOC_MAP), p->filters[i].ops->name,
                     p->filters[i].ops->settings, p->filters[i].conf);
    struct doc *outputs = add(d, "outputs", DOC_LIST);
    for (size_t i = 0; i < p->outputs_len && r == OK; i++)
        r = add_output(outputs, c, &p->outputs[i]);
    return r;
}

static enum status add_sink(struct doc *list, const struct sink_entry *s)
{
    struct sink_read read = {.name = s->name, .buffer = s->buffer, .spool = s->spool};
    struct doc *d = add(list, NULL, DOC_MAP);
    enum status r = add_table(d, sink_settings, &read);
    return r == OK ? add_kind(d, s->ops->name, s->ops->settings, s->conf) : r;
}

static enum status add_all(struct doc *root, const struct config *c)
{
    enum status r = add_agent(root, c);
    struct doc *sources = add(root, "sources", DOC_LIST);
    for (size_t i = 0; i < c->sources_len && r == OK; i++)
        r = add_source(sources, &c->sources[i]);
    struct doc *pools = add(root, "pools", DOC_LIST);
    for (size_t i = 0; i < c->pools_len && r == OK; i++)
        r = add_pool(pools, c, &c->pools[i]);
    struct doc *sinks = add(root, "sinks", DOC_LIST);
    for (size_t i = 0; i < c->sinks_len && r == OK; i++)
        r = add_sink(sinks, &c->sinks[i]);
    return r;
}

enum status doc_new(struct doc **ret, const struct config *c)
{
    struct doc *root = mem_alloc(sizeof *root);
    root->type = DOC_MAP;
    enum status r = add_all(root, c);
    if (r == OK)
        *ret = root;
    else
        doc_free(root);
    return r;
}

static void done(struct doc *d)
{
    for (size_t i = 0; i < d->len; i++)
        done(&d->items[i]);
    mem_free(d->items);
    mem_free(d->key);
    mem_free(d->text);
}

void doc_free(struct doc *d)
{
    if (d)
        done(d);
    mem_free(d);
}

const struct doc *doc_get(const struct doc *map, const char *key)
{
    for (size_t i = 0; i < map->len; i++)
        if (map->items[i].key && strcmp(map->items[i].key, key) == 0)
            return &map->items[i];
    return NULL;
}

const struct doc *doc_kind(const struct doc *map)
{
    for (size_t i = 0; i < map->len; i++)
        if (map->items[i].is_kind)
            return &map->items[i];
    return NULL;
}

const char *doc_text(const struct doc *map, const char *key)
{
    const struct doc *d = doc_get(map, key);
    return d && d->text ? d->text : "";
}
