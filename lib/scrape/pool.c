/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include "clock.h"
#include "hash.h"
#include "mem.h"
#include "worker.h"

enum { MAX_WORKERS = 64, RULES_BYTES = 64 << 20 };

struct pool {
    struct pipeline pipeline;
    struct crew crew;
    uint32_t *lane_ids;
    struct relabel *relabel; /* NULL: no rules */
    struct pool_inlet *inlet;
    size_t workers_len; /* that run */
    struct worker workers[];
};

/* Filters and lanes of each pool ever made have a number of their own. */
static uint64_t next_generation(void)
{
    static _Atomic uint64_t last;
    return ++last;
}

struct page_limits pool_page_limits(const struct limits_conf *c)
{
    return (struct page_limits){
        .max_series = (size_t)c->series,
        .max_bytes = (size_t)c->page,
        .max_labels = (size_t)c->labels,
        .max_name_bytes = (size_t)c->label_name,
        .max_value_bytes = (size_t)c->label_value,
        .max_samples = (size_t)c->samples,
        .max_new_series = (size_t)c->new_series,
        .max_names = (size_t)c->names,
        .max_line_bytes = (size_t)c->line,
    };
}

struct page_manner pool_manner(enum pool_mode mode, enum page_format fallback,
                               struct span content_type)
{
    struct page_manner m = {.format = fallback};
    if (content_type.data && page_format_of(content_type, &m.format))
        m.version2 = m.format == FORMAT_OPENMETRICS && page_format_version(content_type) == 2;
    bool strict = mode == POOL_AUTO ? m.format == FORMAT_OPENMETRICS : mode == POOL_STRICT;
    m.mode = strict ? MODE_STRICT : MODE_SALVAGE;
    return m;
}

enum pool_mode pool_mode_of(const struct target *t, enum pool_mode of_pool)
{
    switch (t->mode) {
    case TARGET_AS_POOL: break;
    case TARGET_AUTO: return POOL_AUTO;
    case TARGET_STRICT: return POOL_STRICT;
    case TARGET_SALVAGE: return POOL_SALVAGE;
    }
    return of_pool;
}

const char *pool_accept(enum page_format first)
{
    if (first == FORMAT_TEXT)
        return "Accept: text/plain;version=1.0.0;escaping=allow-utf-8;q=0.9,"
               "text/plain;version=0.0.4;q=0.8,*/*;q=0.1";
    return "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.9,"
           "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,"
           "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
}

static void free_job(void *job)
{
    job_end(job);
}

static struct pool_inlet *make_inlet(size_t workers, size_t items)
{
    struct pool_inlet *in = mem_alloc(sizeof *in + workers * sizeof(struct channel *));
    in->len = workers;
    for (size_t i = 0; i < workers; i++)
        in->channels[i] = channel_new((items + workers - 1) / workers, SIZE_MAX, free_job);
    return in;
}

/* Of what the rules say. */
static uint64_t relabel_hash(const struct pool_conf *conf)
{
    AUTO(buf) struct buf text = BUF_INIT(RULES_BYTES);
    const struct setting *rules = setting_find(pool_settings, "metric_relabel");
    return setting_text(rules, conf, &text) == OK ? hash_bytes(text.data, text.len) : 1;
}

static struct crew make_crew(struct pool *p, const struct pool_conf *conf)
{
    return (struct crew){
        .in_flight = (size_t)conf->in_flight,
        .max_body = (size_t)conf->limits.body,
        .max_connections = (long)(conf->max_connections / (size_t)conf->workers),
        .mode = (enum pool_mode)conf->mode,
        .fallback = (enum page_format)conf->fallback,
        .accept = pool_accept((enum page_format)conf->accept),
        .pipeline = &p->pipeline,
        .books = p->pipeline.books,
        .plan = {.generation = next_generation(),
                 .lane_ids = p->lane_ids,
                 .limits = &p->crew.limits,
                 .lanes_len = (uint8_t)p->pipeline.lanes_len,
                 .keep_created = conf->created == POOL_SERIES,
                 .relabel = p->relabel,
                 .relabel_hash = p->relabel ? relabel_hash(conf) : 0},
        .limits = pool_page_limits(&conf->limits),
    };
}

enum status pool_new(struct pool **ret, const struct pool_conf *conf, struct pipeline *pipeline,
                     struct err *err)
{
    size_t n = (size_t)(conf->workers < MAX_WORKERS ? conf->workers : MAX_WORKERS);
    struct pool *p = mem_alloc(sizeof *p + n * sizeof p->workers[0]);
    const struct group_list *rules = &conf->metric_relabel;
    enum status s = OK;
    if (rules->len > 0)
        s = relabel_new(&p->relabel, rules->items, rules->len, err);
    p->pipeline = *pipeline;
    p->lane_ids = mem_alloc(pipeline->lanes_len * sizeof *p->lane_ids);
    for (size_t i = 0; i < pipeline->lanes_len; i++)
        p->lane_ids[i] = lane_id(pipeline->lanes[i]);
    p->inlet = make_inlet(n, (size_t)conf->queue.items);
    p->crew = make_crew(p, conf);
    while (p->workers_len < n && s == OK) {
        s = worker_start(&p->workers[p->workers_len], &p->crew, p->inlet, p->workers_len, err);
        p->workers_len += s == OK;
    }
    if (s != OK) {
        p->pipeline = (struct pipeline){.books = NULL};
        pool_close(p);
        pool_free(p);
        return s;
    }
    *pipeline = (struct pipeline){.books = NULL};
    *ret = p;
    return OK;
}

struct pool_inlet *pool_inlet(struct pool *p)
{
    return p->inlet;
}

void pool_close(struct pool *p)
{
    for (size_t i = 0; i < p->inlet->len; i++)
        channel_close(p->inlet->channels[i]);
}

bool pool_is_done(struct pool *p)
{
    for (size_t i = 0; i < p->workers_len; i++)
        if (!p->workers[i].done)
            return false;
    return true;
}

void pool_abort(struct pool *p)
{
    p->crew.aborting = true;
    for (size_t i = 0; i < p->workers_len; i++)
        curl_loop_wake(fetcher_loop(p->workers[i].fetcher));
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->workers_len; i++)
        worker_join(&p->workers[i]);
    for (size_t i = 0; i < p->inlet->len; i++)
        channel_free(p->inlet->channels[i]);
    pipeline_done(&p->pipeline);
    mem_free(p->inlet);
    mem_free(p->lane_ids);
    relabel_free(p->relabel);
    mem_free(p);
}

struct pool_state pool_state(struct pool *p)
{
    struct pool_state s = {.workers = p->workers_len, .beat_ns = INT64_MAX};
    for (size_t i = 0; i < p->workers_len; i++) {
        struct worker *w = &p->workers[i];
        struct channel_stats c = channel_stats(w->jobs);
        s.queued += c.len;
        s.queue_cap += c.cap;
        s.queue_refused += c.refused;
        s.connections += curl_loop_connections(fetcher_loop(w->fetcher));
        s.body_bytes += fetcher_body_bytes(w->fetcher);
        if (w->beat_ns < s.beat_ns)
            s.beat_ns = w->beat_ns;
    }
    return s;
}
