/* SPDX-License-Identifier: Apache-2.0 */
/* read_pool.c - the entries under pools: their filters here, their outputs in
 * read_output.c. */
#include "config_read.h"

#include "mem.h"
#include "read_output.h"

static void check_name(struct config_reader *r, const struct yaml_node *n,
                       const struct pool_entry *p)
{
    const struct yaml_node *at = yaml_get(n, "name");
    const char *name = p->conf.name;
    if (!name || !fill_name_ok(r->faults, at, name))
        return;
    for (const struct pool_entry *o = r->config->pools; o < p; o++)
        if (o->conf.name && strcmp(o->conf.name, name) == 0) {
            fault_add(r->faults, at, "a second pool named '%s'", name);
            return;
        }
}

static void read_filter(struct config_reader *r, const struct yaml_node *n, struct filter_conf *f)
{
    static const enum kind_set set = KIND_FILTER;
    static const struct setting none[] = {SETTING_END};
    struct fill_kind k;
    struct err err = {OK, ""};
    void *self;
    if (!fill_is_map(r->faults, n, "a filter", false))
        return;
    struct fill_result result =
        fill_table(r->faults, n, none, NULL, &(struct fill_more){.kinds = &set});
    if (!fill_kind(r->faults, n, set, result.unknown > 0, &k))
        return;
    f->ops = k.kind.ops;
    f->conf = k.conf;
    if (!k.whole)
        return;
    size_t before = fault_count(r->faults);
    struct fill_place place = {r->faults, k.kind.name, k.key, k.value};
    struct setting_report report = fill_report(&place);
    if (f->ops->check)
        f->ops->check(f->conf, &report);
    if (fault_count(r->faults) > before)
        return;
    if (f->ops->open(&self, f->conf, &err) == OK)
        f->ops->close(self);
    else
        fill_refused(r->faults, &k, &err);
}

static void read_filters(struct config_reader *r, const struct yaml_node *n, struct pool_entry *p)
{
    size_t len = read_list_len(r->faults, n, "filters in a pool", FILTER_STEPS);
    p->filters = mem_alloc(len * sizeof *p->filters);
    for (p->filters_len = 0; p->filters_len < len; p->filters_len++)
        read_filter(r, n->items[p->filters_len], &p->filters[p->filters_len]);
}

static void check_metric_relabel(struct config_reader *r, const struct yaml_node *n,
                                 const struct group_list *rules)
{
    struct fill_place place = {r->faults, "metric_relabel", n, n};
    struct setting_report report = fill_report(&place);
    relabel_check(rules->items, rules->len, "metric_relabel", &report);
}

static void read_pool(struct config_reader *r, const struct yaml_node *n, struct pool_entry *p)
{
    static const char *const keys[] = {"filters", "outputs", NULL};
    if (!fill_is_map(r->faults, n, "a pool", false))
        return;
    (void)fill_table(r->faults, n, pool_settings, &p->conf, &(struct fill_more){.keys = keys});
    check_name(r, n, p);
    check_metric_relabel(r, n, &p->conf.metric_relabel);
    read_filters(r, yaml_get(n, "filters"), p);
    read_outputs(r, n, p);
}

void read_pools(struct config_reader *r, const struct yaml_node *n)
{
    struct config *c = r->config;
    size_t len = read_list_len(r->faults, n, "pools", MAX_LANES);
    c->pools = mem_alloc(len * sizeof *c->pools);
    for (c->pools_len = 0; c->pools_len < len; c->pools_len++)
        read_pool(r, n->items[c->pools_len], &c->pools[c->pools_len]);
}
