/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c - what a reload compares: each part of a config as a line of text.
 *
 * Made of what was resolved, not of the file: comments, order of keys and defaults that are
 * written out make no difference.  */
#include "config_read.h"

#include "mem.h"
#include "tables.h"

#include <inttypes.h>

#define IDENTITY_MAX ((size_t)32 << 20)

/* "name {settings}" */
static enum status add_kind(const char *name, const struct setting *table, const void *conf,
                            struct buf *out)
{
    enum status s = buf_cat(out, name, " ", NULL);
    return s == OK ? setting_identity(table, conf, out) : s;
}

static enum status identify_source(const struct agent_conf *a, struct source_conf *s)
{
    AUTO(buf) struct buf b = BUF_INIT(IDENTITY_MAX);
    static const struct setting labels[] = {
        SETTING_MAP(agent_conf, labels, 0, "those of the agent"), SETTING_END};
    enum status r = add_kind(s->ops->name, s->ops->settings, s->conf, &b);
    if (r == OK)
        r = add_kind(" source", source_settings, &s->common, &b);
    if (r == OK)
        r = add_kind(" agent", labels, a, &b);
    if (r == OK)
        r = buf_cat(&b, " ", a->instance, " ", a->cluster, NULL);
    s->identity = mem_strdup(b.data);
    return r;
}

static enum status identify_output(const struct config *c, const struct pool_entry *p,
                                   struct output_conf *o)
{
    AUTO(buf) struct buf text = BUF_INIT(IDENTITY_MAX), b = BUF_INIT(IDENTITY_MAX);
    const struct sink_entry *s = &c->sinks[o->sink];
    enum status r = setting_identity(o->encoder->settings, o->encoder_conf, &text);
    o->encoder_text = mem_strdup(text.data);
    if (r == OK)
        r = buf_cat(&b, p->conf.name, "/", o->name, " ", o->encoder->name, " ", text.data, " ",
                    s->name, " ", NULL);
    if (r == OK)
        r = add_kind(s->ops->name, s->ops->settings, s->conf, &b);
    if (r == OK)
        r = add_kind(" spool", spool_settings, &s->spool, &b);
    if (r == OK)
        r = buf_printf(&b, " %" PRId64 " %" PRId64 " %" PRId64 " %d %s %s", s->buffer,
                       o->max_message, o->max_samples, o->replicas, c->agent.instance,
                       c->agent.cluster);
    o->identity = mem_strdup(b.data);
    return r;
}

static enum status identify_pool(struct config *c, struct pool_entry *p)
{
    AUTO(buf) struct buf b = BUF_INIT(IDENTITY_MAX);
    enum status r = setting_identity(pool_settings, &p->conf, &b);
    for (size_t i = 0; i < p->filters_len && r == OK; i++) {
        r = buf_puts(&b, " ");
        if (r == OK)
            r = add_kind(p->filters[i].ops->name, p->filters[i].ops->settings, p->filters[i].conf,
                         &b);
    }
    p->identity = mem_strdup(b.data);
    for (size_t i = 0; i < p->outputs_len && r == OK; i++)
        r = identify_output(c, p, &p->outputs[i]);
    return r;
}

enum status config_identify(struct config *c)
{
    enum status r = OK;
    for (size_t i = 0; i < c->sources_len && r == OK; i++)
        r = identify_source(&c->agent, &c->sources[i]);
    for (size_t i = 0; i < c->pools_len && r == OK; i++)
        r = identify_pool(c, &c->pools[i]);
    return r;
}
