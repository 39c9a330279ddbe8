/* SPDX-License-Identifier: Apache-2.0 */
/* read_sink.c - the entries under sinks. */
#include "config_read.h"

#include "mem.h"
#include "tables.h"

size_t read_list_len(struct faults *f, const struct yaml_node *n, const char *what, size_t max)
{
    if (!n || yaml_is_null(n))
        return 0;
    if (n->type != YAML_T_LIST) {
        fault_add(f, n, "%s is a list: each entry begins with '- '", what);
        return 0;
    }
    if (n->len <= max)
        return n->len;
    fault_add(f, n->items[max], "more than %zu %s", max, what);
    return max;
}

/* A sink that refuses its settings says so here and not at start. */
static void try_open(struct config_reader *r, const struct sink_entry *s, const struct fill_kind *k)
{
    struct sink_lane lane = {.name = s->name ? s->name : "", .max_payload = s->ops->max_payload};
    struct err err = {OK, ""};
    void *self;
    size_t before = fault_count(r->faults);
    struct fill_place place = {r->faults, k->kind.name, k->key, k->value};
    struct setting_report report = fill_report(&place);
    if (s->ops->check)
        s->ops->check(s->conf, &report);
    if (fault_count(r->faults) > before)
        return;
    if (s->ops->open(&self, s->conf, &lane, &err) == OK)
        s->ops->close(self);
    else
        fill_refused(r->faults, k, &err);
}

static void check_name(struct config_reader *r, const struct yaml_node *n,
                       const struct sink_entry *s)
{
    const struct yaml_node *at = yaml_get(n, "name");
    if (!s->name || !fill_name_ok(r->faults, at, s->name))
        return;
    for (const struct sink_entry *o = r->config->sinks; o < s; o++)
        if (o->name && strcmp(o->name, s->name) == 0) {
            fault_add(r->faults, at, "a second sink named '%s'", s->name);
            return;
        }
}

static void read_sink(struct config_reader *r, const struct yaml_node *n, struct sink_entry *s)
{
    static const enum kind_set set = KIND_SINK;
    struct sink_read read = {0};
    struct fill_kind k;
    if (!fill_is_map(r->faults, n, "a sink", false))
        return;
    struct fill_result result =
        fill_table(r->faults, n, sink_settings, &read, &(struct fill_more){.kinds = &set});
    s->name = read.name;
    s->buffer = read.buffer;
    s->spool = read.spool;
    check_name(r, n, s);
    if (!fill_kind(r->faults, n, set, result.unknown > 0, &k))
        return;
    s->ops = k.kind.ops;
    s->conf = k.conf;
    if (k.whole)
        try_open(r, s, &k);
}

void read_sinks(struct config_reader *r, const struct yaml_node *n)
{
    struct config *c = r->config;
    size_t len = read_list_len(r->faults, n, "sinks", MAX_ENTRIES);
    c->sinks = mem_alloc(len * sizeof *c->sinks);
    for (c->sinks_len = 0; c->sinks_len < len; c->sinks_len++)
        read_sink(r, n->items[c->sinks_len], &c->sinks[c->sinks_len]);
}
