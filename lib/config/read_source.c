/* SPDX-License-Identifier: Apache-2.0 */
/* read_source.c - the entries under sources. */
#include "config_read.h"

#include "clock.h"
#include "mem.h"
#include "nearest.h"
#include "resolve.h"

#include <assert.h>

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
        c->timeout = source_timeout(c->interval);
    if (c->timeout > c->interval)
        fault_add(r->faults, yaml_get(n, "timeout"), "timeout is above interval (%lld > %lld ms)",
                  (long long)(c->timeout / MS_NS), (long long)(c->interval / MS_NS));
}

/* As the discovery thread will open it; nothing is connected by that.  What is wrong around the
 * kind is said already, and something good stands in for it here. */
static void try_open(struct config_reader *r, const struct source_conf *s,
                     const struct fill_kind *k, struct http *http, struct relabel *relabel)
{
    static const struct text_map none;
    static char name[] = "name";
    const struct agent_conf *a = &r->config->agent;
    struct source_common common = s->common;
    common.name = common.name ? common.name : name;
    common.pool = common.pool ? common.pool : name;
    struct source_env env = {.common = &common,
                             .agent = {.instance = a->instance,
                                       .cluster = a->cluster,
                                       .labels = r->labels_bad ? &none : &a->labels},
                             .http = http,
                             .relabel = relabel};
    struct err err = {OK, ""};
    void *self;
    size_t before = fault_count(r->faults);
    struct fill_place place = {r->faults, k->kind.name, k->key, k->value};
    struct setting_report report = fill_report(&place);
    if (s->ops->check)
        s->ops->check(s->conf, &env, &report);
    if (fault_count(r->faults) > before)
        return;
    if (s->ops->open(&self, s->conf, &env, &err) == OK)
        s->ops->close(self);
    else
        fill_refused(r->faults, k, &err);
}

/* What is wrong with http: is said; the result is good for opening the source all the same. */
static struct http *read_http(struct config_reader *r, const struct yaml_node *n, bool whole,
                              const struct source_common *c)
{
    struct fill_place place = {r->faults, "http", n, n};
    struct setting_report report = fill_report(&place);
    struct http_conf plain = {.user = NULL};
    struct http *http = NULL;
    if (whole)
        http_check(&c->http, &report);
    setting_defaults(http_settings, &plain);
    if (http_new(&http, &c->http, NULL) != OK) {
        enum status s = http_new(&http, &plain, NULL);
        assert(s == OK);
        (void)s;
    }
    setting_done(http_settings, &plain);
    return http;
}

/* Likewise; NULL where there are no rules, or bad ones. */
static struct relabel *read_relabel(struct config_reader *r, const struct yaml_node *n,
                                    const struct group_list *rules)
{
    struct fill_place place = {r->faults, "relabel", n, n};
    struct setting_report report = fill_report(&place);
    struct relabel *relabel = NULL;
    relabel_check(rules->items, rules->len, "relabel", &report);
    if (rules->len > 0 && relabel_new(&relabel, rules->items, rules->len, NULL) != OK)
        relabel = NULL;
    return relabel;
}

static void read_source(struct config_reader *r, const struct yaml_node *n, struct source_conf *s)
{
    static const enum kind_set set = KIND_SOURCE;
    struct fill_kind k;
    if (!fill_is_map(r->faults, n, "a source", false))
        return;
    struct fill_result result =
        fill_table(r->faults, n, source_settings, &s->common, &(struct fill_more){.kinds = &set});
    check_name(r, n, s);
    check_pool(r, n, s->common.pool);
    check_timeout(r, n, &s->common);
    ptrdiff_t at = setting_find(source_settings, "http") - source_settings;
    const struct yaml_node *http_at = yaml_get(n, "http");
    struct http *http =
        read_http(r, http_at ? http_at : n, (result.wrong >> at & 1) == 0, &s->common);
    AUTO_PTR(relabel) struct relabel *relabel = read_relabel(r, n, &s->common.relabel);
    if (fill_kind(r->faults, n, set, result.unknown > 0, &k)) {
        s->ops = k.kind.ops;
        s->conf = k.conf;
        if (k.whole)
            try_open(r, s, &k, http, relabel);
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
