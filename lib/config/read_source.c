/* SPDX-License-Identifier: Apache-2.0 */
/* read_source.c - the entries under sources. */
#include "config_read.h"

#include "clock.h"
#include "mem.h"
#include "nearest.h"
#include "resolve.h"

static void check_name(struct config_reader *r, const struct yaml_node *n,
                       const struct source_conf *s)
{
    const struct yaml_node *at = yaml_get(n, "name");
    const char *name = s->common.name;
    if (!name || !fill_name_ok(r->faults, at, name))
        return;
    for (const struct source_conf *o = r->config->sources; o < s; o++)
        if (o->common.name && strcmp(o->common.name, name) == 0) {
            fault_add(r->faults, at, "a second source named '%s'", name);
            return;
        }
}

static void check_pool(struct config_reader *r, const struct yaml_node *n, const char *pool)
{
    if (!pool)
        return;
    AUTO(nearest) struct nearest near = NEAREST(pool);
    for (size_t i = 0; i < r->config->pools_len; i++) {
        const char *name = r->config->pools[i].conf.name;
        if (!name)
            continue;
        if (strcmp(name, pool) == 0)
            return;
        nearest_try(&near, name);
    }
    fault_add(r->faults, yaml_get(n, "pool"), "no pool is named '%.80s'%s", pool,
              nearest_say(&near));
}

static void check_timeout(struct config_reader *r, const struct yaml_node *n,
                          struct source_common *c)
{
    if (c->timeout == 0)
        c->timeout = resolve_timeout(c->interval);
    if (c->timeout > c->interval)
        fault_add(r->faults, yaml_get(n, "timeout"), "timeout is above interval (%lld > %lld ms)",
                  (long long)(c->timeout / MS_NS), (long long)(c->interval / MS_NS));
}

/* As the discovery thread will open it; nothing is connected by that. */
static void try_open(struct config_reader *r, const struct source_conf *s,
                     const struct fill_kind *k, struct http *http)
{
    static const struct text_map none;
    const struct agent_conf *a = &r->config->agent;
    struct source_env env = {.common = &s->common,
                             .agent = {a->instance, a->cluster, r->labels_bad ? &none : &a->labels},
                             .http = http};
    struct err err = {OK, ""};
    void *self;
    if (s->ops->open(&self, s->conf, &env, &err) == OK)
        s->ops->close(self);
    else
        fill_refused(r->faults, k, &err);
}

static void read_source(struct config_reader *r, const struct yaml_node *n, struct source_conf *s)
{
    static const enum kind_set set = KIND_SOURCE;
    struct fill_kind k;
    struct http *http = NULL;
    struct err err;
    if (!fill_is_map(r->faults, n, "a source", false))
        return;
    struct fill_result result =
        fill_table(r->faults, n, source_settings, &s->common, &(struct fill_more){.kinds = &set});
    check_name(r, n, s);
    check_pool(r, n, s->common.pool);
    check_timeout(r, n, &s->common);
    if (result.holes == 0 && http_new(&http, &s->common.http, &err) != OK)
        fault_add(r->faults, yaml_get(n, "http"), "http: %s", err.text);
    if (fill_kind(r->faults, n, set, result.unknown > 0, &k)) {
        s->ops = k.kind.ops;
        s->conf = k.conf;
        if (k.whole && http)
            try_open(r, s, &k, http);
    }
    http_unref(http);
}

void read_sources(struct config_reader *r, const struct yaml_node *n)
{
    struct config *c = r->config;
    size_t len = read_list_len(r->faults, n, "sources", MAX_ENTRIES);
    c->sources = mem_alloc(len * sizeof *c->sources);
    for (c->sources_len = 0; c->sources_len < len; c->sources_len++)
        read_source(r, n->items[c->sources_len], &c->sources[c->sources_len]);
}
