/* SPDX-License-Identifier: Apache-2.0 */
/* sink_run.h - a lane's view of a sink, for tests: opens one, sends, counts the ends. */
#ifndef SINK_RUN_H
#define SINK_RUN_H

#include "clock.h"
#include "mem.h"
#include "sinks.h"

struct sink_run {
    const struct sink_ops *ops;
    struct sink_lane lane;
    void *self, *conf;
    _Atomic size_t ended[STATUS_COUNT];
    struct err err; /* of the last call */
};

/* conf: the defaults, then name, text, name, text, ..., NULL. */
static inline enum status sink_run_open(struct sink_run *r, const char *name,
                                        const char *const *settings)
{
    *r = (struct sink_run){.ops = sink_find(name)};
    r->lane.name = "main/test";
    r->lane.max_payload = r->ops->max_payload;
    r->conf = mem_alloc(r->ops->conf_size);
    setting_defaults(r->ops->settings, r->conf);
    for (; settings[0]; settings += 2) {
        const struct setting *table = r->ops->settings;
        void *conf = r->conf;
        char group[32];
        const char *key = settings[0], *dot;
        while ((dot = strchr(key, '.'))) {
            snprintf(group, sizeof group, "%.*s", (int)(dot - key), key);
            const struct setting *g = setting_find(table, group);
            conf = setting_group(g, conf);
            table = g->sub;
            key = dot + 1;
        }
        if (setting_set(setting_find(table, key), conf, settings[1], &r->err) != OK)
            return ERR_INVALID;
    }
    return r->ops->open(&r->self, r->conf, &r->lane, &r->err);
}

static inline void sink_run_close(struct sink_run *r)
{
    if (r->ops && r->self)
        r->ops->close(r->self);
    if (r->conf)
        setting_done(r->ops->settings, r->conf);
    mem_free(r->conf);
    r->self = r->conf = NULL;
}

/* Counts, and frees. */
static inline void sink_run_end(void *lane, struct payload *p, enum status how)
{
    struct sink_run *r = lane;
    payload_free(p);
    r->ended[how]++;
}

static inline struct payload *sink_run_payload(struct sink_run *r, const char *body, size_t len)
{
    static uint64_t number;
    struct payload *p = payload_new("prod/shop/cart-0", len + 1);
    p->id = (struct payload_id){1, ++number};
    p->end = sink_run_end;
    p->lane = r;
    if (buf_add(&p->body, body, len) != OK)
        abort();
    return p;
}

/* Sends; what the sink does not take is freed. */
static inline enum status sink_run_send(struct sink_run *r, const char *body, size_t len)
{
    struct payload *p = sink_run_payload(r, body, len);
    r->err = (struct err){.status = OK};
    enum status s = r->ops->send(r->self, p, clock_mono_ns() + SEC_NS, &r->err);
    if (s != OK)
        payload_free(p);
    return s;
}

#endif
