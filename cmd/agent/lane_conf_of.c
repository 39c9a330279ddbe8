/* SPDX-License-Identifier: Apache-2.0 */
/* lane_conf_of.c - what a configuration says of an output, as a lane wants it. */
#include "lane_conf_of.h"

static enum status set_spool(struct lane_conf *conf, const struct sink_spool *s, struct buf *file)
{
    if (!s->path[0])
        return OK;
    enum status r = config_spool_file(s, conf->pool, conf->output, file);
    conf->spool = (struct lane_spool_conf){.file = file->data,
                                           .size = s->size,
                                           .max_age_ns = s->max_age,
                                           .backlog_rate = s->backlog_rate,
                                           .mode = s->mode,
                                           .full_sync = s->synchronous == SPOOL_FULL,
                                           .fresh_first = s->fresh_first};
    return r;
}

enum status lane_conf_of(const struct config *c, const char *pool, const struct output_conf *o,
                         struct buf *file, struct lane_conf *ret, struct err *err)
{
    const struct sink_entry *sink = &c->sinks[o->sink];
    struct lane_conf conf = {.pool = pool,
                             .output = o->name,
                             .encoder = o->encoder,
                             .encoder_conf = o->encoder_conf,
                             .encoder_text = o->encoder_text,
                             .sink = sink->ops,
                             .sink_conf = sink->conf,
                             .sink_name = sink->name,
                             .max_message = (size_t)o->max_message,
                             .max_samples = (size_t)o->max_samples,
                             .buffer_bytes = (size_t)sink->buffer,
                             .replicas = o->replicas,
                             .cluster = c->agent.cluster,
                             .instance = c->agent.instance};
    if (set_spool(&conf, &sink->spool, file) != OK)
        return err_set(err, ERR_INVALID, "%s/%s: the path of its spool is too long", pool, o->name);
    *ret = conf;
    return OK;
}
