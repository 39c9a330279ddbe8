/* SPDX-License-Identifier: Apache-2.0 */
/* read_output.c - encoder, sink, and whether they go together. */
#include "read_output.h"

#include "mem.h"
#include "nearest.h"
#include "resolve.h"
#include "tables.h"

static const struct yaml_node *place(const struct yaml_node *entry, const char *key)
{
    const struct yaml_node *n = yaml_get(entry, key);
    return n ? n : entry;
}

static void check_name(struct config_reader *r, const struct yaml_node *n,
                       const struct pool_entry *p, const struct output_conf *o)
{
    const struct yaml_node *at = place(n, "name");
    if (!o->name || !fill_name_ok(r->faults, at, o->name))
        return;
    for (const struct output_conf *x = p->outputs; x < o; x++)
        if (x->name && strcmp(x->name, o->name) == 0) {
            fault_add(r->faults, at, "a second output named '%s' in this pool; give it a name",
                      o->name);
            return;
        }
}

static const struct sink_entry *find_sink(struct config_reader *r, const struct yaml_node *n,
                                          const char *name, size_t *ret)
{
    struct config *c = r->config;
    if (!name)
        return NULL;
    AUTO(nearest) struct nearest near = NEAREST(name);
    for (size_t i = 0; i < c->sinks_len; i++) {
        if (!c->sinks[i].name)
            continue;
        if (strcmp(c->sinks[i].name, name) == 0) {
            *ret = i;
            return &c->sinks[i];
        }
        nearest_try(&near, c->sinks[i].name);
    }
    fault_add(r->faults, yaml_get(n, "sink"), "no sink is named '%.80s'%s", name,
              nearest_say(&near));
    return NULL;
}

/* Afterwards max_message is what a message may have. */
static void check_sizes(struct config_reader *r, const struct yaml_node *n, struct output_conf *o,
                        const struct sink_entry *s)
{
    size_t most = s->ops->max_payload;
    if (o->max_message > 0 && (size_t)o->max_message > most)
        fault_add(r->faults, place(n, "max_message"),
                  "max_message: a %s sink takes %zu bytes at most", s->ops->name, most);
    else if (o->max_message == 0)
        o->max_message = (int64_t)lane_max_message(s->ops);
    if (s->buffer < o->max_message)
        fault_add(r->faults, place(n, "max_message"),
                  "the buffer of sink '%s' (%lld bytes) is smaller than one message (%lld bytes)",
                  s->name, (long long)s->buffer, (long long)o->max_message);
}

static void check_spool(struct config_reader *r, const struct yaml_node *n,
                        const struct output_conf *o, const struct sink_entry *s)
{
    if (s->spool.path && s->spool.path[0] && s->spool.size / SPOOL_MESSAGES < o->max_message)
        fault_add(
            r->faults, place(n, "max_message"),
            "the spool of sink '%s' (%lld bytes) is smaller than %d messages (%lld bytes each)",
            s->name, (long long)s->spool.size, SPOOL_MESSAGES, (long long)o->max_message);
}

/* r->config->pools_len is the number of the pool that is being read. */
static void check_exclusive(struct config_reader *r, const struct yaml_node *n,
                            const struct pool_entry *p, const struct output_conf *o)
{
    const struct config *c = r->config;
    const struct sink_entry *mine = &c->sinks[o->sink];
    const char *what = mine->ops->exclusive ? mine->ops->exclusive(mine->conf) : NULL;
    for (const struct pool_entry *q = c->pools; what && q <= p; q++) {
        for (size_t i = 0; i < q->outputs_len; i++) {
            const struct output_conf *x = &q->outputs[i];
            const struct sink_entry *s = x->sink < c->sinks_len ? &c->sinks[x->sink] : NULL;
            if (!s || s->ops != mine->ops)
                continue;
            const char *other = mine->ops->exclusive(s->conf);
            if (!other || strcmp(other, what) != 0)
                continue;
            fault_add(r->faults, place(n, "sink"),
                      "a second output into '%.200s', which takes only one: output '%s' of pool "
                      "'%s' goes there",
                      what, x->name ? x->name : "", q->conf.name ? q->conf.name : "");
            return;
        }
    }
}

static void read_encoder(struct config_reader *r, const struct yaml_node *n, bool quiet,
                         struct output_conf *o)
{
    struct fill_kind k;
    struct err err = {OK, ""};
    void *self;
    if (!fill_kind(r->faults, n, KIND_ENCODER, quiet, &k))
        return;
    o->encoder = k.kind.ops;
    o->encoder_conf = k.conf;
    if (!k.whole)
        return;
    if (o->encoder->open(&self, o->encoder_conf, &err) == OK)
        o->encoder->close(self);
    else
        fill_refused(r->faults, &k, &err);
}

/* Messages under one id have the same bytes (law 5). */
static void check_replicas(struct config_reader *r, const struct yaml_node *n,
                           const struct output_conf *o)
{
    if (o->replicas && o->encoder && o->encoder->no_replicas)
        fault_add(r->faults, place(n, "replicas"), "replicas: not with %s: %s", o->encoder->name,
                  o->encoder->no_replicas);
}

static void read_output(struct config_reader *r, const struct yaml_node *n,
                        const struct pool_entry *p, struct output_conf *o)
{
    static const enum kind_set set = KIND_ENCODER;
    struct output_read read = {0};
    struct err err;
    if (!fill_is_map(r->faults, n, "an output", false))
        return;
    struct fill_result result =
        fill_table(r->faults, n, output_settings, &read, &(struct fill_more){.kinds = &set});
    o->max_message = read.max_message;
    o->max_samples = read.max_samples;
    o->replicas = read.replicas;
    read_encoder(r, n, result.unknown > 0, o);
    check_replicas(r, n, o);
    o->name = read.name[0] ? mem_strdup(read.name) : resolve_output_name(o->encoder, read.sink);
    check_name(r, n, p, o);
    o->sink = SIZE_MAX;
    const struct sink_entry *s = find_sink(r, n, read.sink, &o->sink);
    if (s && s->ops) {
        if (o->encoder && resolve_pair(o->encoder, s->ops, &err) != OK)
            fault_add(r->faults, place(n, o->encoder->name), "%s", err.text);
        check_sizes(r, n, o, s);
        check_spool(r, n, o, s);
        check_exclusive(r, n, p, o);
    }
    setting_done(output_settings, &read);
}

void read_outputs(struct config_reader *r, const struct yaml_node *n, struct pool_entry *p)
{
    const struct yaml_node *list = yaml_get(n, "outputs");
    size_t len = read_list_len(r->faults, list, "outputs in all pools", MAX_LANES - r->lanes);
    if (!list || yaml_is_null(list) || (list->type == YAML_T_LIST && list->len == 0)) {
        fault_add(r->faults, list ? list : n, "a pool needs at least one of 'outputs'");
        return;
    }
    r->lanes += len;
    p->outputs = mem_alloc(len * sizeof *p->outputs);
    for (p->outputs_len = 0; p->outputs_len < len; p->outputs_len++)
        read_output(r, list->items[p->outputs_len], p, &p->outputs[p->outputs_len]);
}
