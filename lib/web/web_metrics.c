/* SPDX-License-Identifier: Apache-2.0 */
/* web_metrics.c - GET /metrics: every number of the view by the names of docs/METRICS.md. */
#include "web.h"

#include "clock.h"
#include "entries.h"
#include "health.h"
#include "log.h"
#include "metrics_out.h"
#include "process.h"

#define LABELS_MAX 4

static const char *type_of(const char *name)
{
    size_t n = strlen(name);
    return n > 6 && strcmp(name + n - 6, "_total") == 0 ? "counter" : "gauge";
}

static void begin(struct metrics_out *m, const struct entry *e)
{
    metrics_out_family(m, e->metric, type_of(e->metric), e->help);
}

/* Of one thing; labels end with .name NULL, and the reason joins them. */
static void samples(struct metrics_out *m, const struct entry *e, const void *of,
                    const struct label *labels)
{
    struct label all[LABELS_MAX + 2] = {{NULL, NULL}};
    size_t n = 0;
    for (; n < LABELS_MAX && labels && labels[n].name; n++)
        all[n] = labels[n];
    for (size_t i = 0; i < e->reasons; i++) {
        all[n] = (struct label){"reason", e->reason(i)};
        metrics_out_uint(m, "", all, entry_value(e, of, i));
    }
    if (e->reasons > 0)
        return;
    uint64_t value = entry_value(e, of, 0);
    if (e->unit == 1)
        metrics_out_uint(m, "", all, value);
    else
        metrics_out_double(m, "", all, (double)value / (double)e->unit);
}

static void write_agent(struct metrics_out *m, const struct view *v)
{
    static const struct entry *const tables[] = {agent_entries, jobs_entries, web_entries};
    metrics_out_family(m, "strata_build_info", "gauge", "1; the label says which version runs.");
    metrics_out_uint(m, "", (struct label[]){{"version", v->version}, {NULL, NULL}}, 1);
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct entry *e = tables[t]; e->metric; e++) {
            begin(m, e);
            samples(m, e, v, NULL);
        }
    metrics_out_family(m, "strata_memory_bytes", "gauge",
                       "Bytes of the memory that is accounted, by part.");
    for (size_t i = 0; i < v->memory_len; i++)
        metrics_out_uint(m, "", (struct label[]){{"part", v->memory[i].name}, {NULL, NULL}},
                         v->memory[i].bytes);
}

static void write_targets(struct metrics_out *m, const struct view *v)
{
    static const enum target_health all[] = {TARGET_UP, TARGET_DOWN, TARGET_UNKNOWN};
    uint64_t counts[ARRAY_LEN(all)] = {0};
    for (size_t i = 0; i < v->targets_len; i++)
        counts[target_state_shown(v->targets[i].state).health]++;
    metrics_out_family(m, "strata_targets", "gauge", "Targets by the outcome of the last scrape.");
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        metrics_out_uint(m, "", (struct label[]){{"health", health_name(all[i])}, {NULL, NULL}},
                         counts[all[i]]);
}

static void write_sources(struct metrics_out *m, const struct view *v)
{
    for (const struct entry *e = source_entries; e->metric; e++) {
        begin(m, e);
        for (size_t i = 0; i < v->sources_len; i++) {
            const struct source_state *s = &v->sources[i];
            struct label labels[] = {{"source", s->name}, {"kind", s->kind}, {NULL, NULL}};
            samples(m, e, s, labels);
        }
    }
}

static void write_watches(struct metrics_out *m, const struct view *v)
{
    for (const struct entry *e = discovery_entries; e->metric; e++) {
        begin(m, e);
        for (size_t i = 0; i < v->sources_len; i++)
            if (v->sources[i].follows)
                samples(m, e, &v->sources[i],
                        (struct label[]){{"source", v->sources[i].name}, {NULL, NULL}});
    }
}

static void write_filtered(struct metrics_out *m, const struct view *v)
{
    metrics_out_family(m, "strata_samples_filtered_total", "counter",
                       "Samples that a filter dropped, by its place in the pool and its name.");
    for (size_t i = 0; i < v->pools_len; i++) {
        const struct view_pool *p = &v->pools[i];
        for (size_t f = 0; f < BOOKS_FILTERS; f++) {
            bool there = f < p->filters_len;
            if (!there && p->books->filtered[f] == 0)
                continue;
            char index[24];
            snprintf(index, sizeof index, "%zu", f);
            struct label labels[] = {{"pool", p->name},
                                     {"index", index},
                                     {"filter", there ? p->filters[f] : ""},
                                     {NULL, NULL}};
            metrics_out_uint(m, "", labels, p->books->filtered[f]);
        }
    }
}

static void write_durations(struct metrics_out *m, const struct view *v)
{
    metrics_out_family(m, "strata_scrape_duration_seconds", "histogram",
                       "How long scrapes took, failed ones included.");
    for (size_t i = 0; i < v->pools_len; i++) {
        const struct view_pool *p = &v->pools[i];
        uint64_t count = 0;
        for (size_t b = 0; b < BOOKS_BUCKETS; b++) {
            char le[32] = "+Inf";
            if (b < BOOKS_BUCKETS - 1)
                snprintf(le, sizeof le, "%g", books_bucket_seconds[b]);
            count += p->books->seconds[b];
            metrics_out_uint(m, "_bucket",
                             (struct label[]){{"pool", p->name}, {"le", le}, {NULL, NULL}}, count);
        }
        struct label labels[] = {{"pool", p->name}, {NULL, NULL}};
        metrics_out_double(m, "_sum", labels, (double)p->books->seconds_sum_ns / (double)SEC_NS);
        metrics_out_uint(m, "_count", labels, count);
    }
}

static void write_pools(struct metrics_out *m, const struct view *v)
{
    static const struct entry *const tables[] = {pool_books_entries, pool_entries};
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct entry *e = tables[t]; e->metric; e++) {
            begin(m, e);
            for (size_t i = 0; i < v->pools_len; i++) {
                const struct view_pool *p = &v->pools[i];
                struct label labels[] = {{"pool", p->name}, {NULL, NULL}};
                samples(m, e, t == 0 ? (const void *)p->books : p, labels);
            }
        }
    write_filtered(m, v);
    write_durations(m, v);
}

static bool has_spool(const struct view *v)
{
    for (size_t i = 0; i < v->lanes_len; i++)
        if (v->lanes[i].state.spool.there)
            return true;
    return false;
}

static void write_lanes(struct metrics_out *m, const struct view *v)
{
    static const struct entry *const tables[] = {lane_books_entries, lane_entries, spool_entries};
    size_t len = has_spool(v) ? ARRAY_LEN(tables) : ARRAY_LEN(tables) - 1;
    for (size_t t = 0; t < len; t++)
        for (const struct entry *e = tables[t]; e->metric; e++) {
            begin(m, e);
            for (size_t i = 0; i < v->lanes_len; i++) {
                const struct view_lane *l = &v->lanes[i];
                if (tables[t] == spool_entries && !l->state.spool.there)
                    continue;
                struct label labels[] = {
                    {"pool", l->pool}, {"output", l->output}, {"sink", l->sink}, {NULL, NULL}};
                samples(m, e, t == 0 ? (const void *)l->books : l, labels);
            }
        }
}

static void beat(struct metrics_out *m, const char *thread, const char *pool, const char *output,
                 int64_t age_ns)
{
    struct label labels[] = {{"thread", thread}, {"pool", pool}, {"output", output}, {NULL, NULL}};
    metrics_out_double(m, "", labels, (double)(age_ns > 0 ? age_ns : 0) / (double)SEC_NS);
}

static void write_threads(struct metrics_out *m, const struct view *v)
{
    metrics_out_family(m, "strata_thread_beat_age_seconds", "gauge",
                       "Since when a thread has not gone round; of a pool: its slowest worker.");
    beat(m, "registry", "", "", v->registry_beat_age_ns);
    beat(m, "discovery", "", "", v->discover_beat_age_ns);
    for (size_t i = 0; i < v->pools_len; i++)
        if (!v->pools[i].gone)
            beat(m, "pool", v->pools[i].name, "", v->pools[i].beat_age_ns);
    for (size_t i = 0; i < v->lanes_len; i++)
        if (!v->lanes[i].gone)
            beat(m, "lane", v->lanes[i].pool, v->lanes[i].output, v->lanes[i].beat_age_ns);
}

static void write_log(struct metrics_out *m)
{
    metrics_out_family(m, "strata_log_lines_total", "counter", "Lines written to the log.");
    for (unsigned i = 0; log_levels[i]; i++)
        metrics_out_uint(m, "", (struct label[]){{"level", log_levels[i]}, {NULL, NULL}},
                         log_count((enum log_level)i));
    metrics_out_family(m, "strata_log_lines_suppressed_total", "counter",
                       "Lines kept back because they repeat, or lost because nobody took them.");
    metrics_out_uint(m, "", NULL, log_suppressed());
}

static void one(struct metrics_out *m, const char *name, const char *help, double value)
{
    metrics_out_family(m, name, type_of(name), help);
    metrics_out_double(m, "", NULL, value);
}

static void write_process(struct metrics_out *m)
{
    struct process p = process_now();
    one(m, "process_cpu_seconds_total", "Seconds of processor time, user and system.",
        p.cpu_seconds);
    one(m, "process_resident_memory_bytes", "Bytes of memory in use.", (double)p.resident_bytes);
    one(m, "process_virtual_memory_bytes", "Bytes of address space.", (double)p.virtual_bytes);
    one(m, "process_open_fds", "Open file descriptors.", (double)p.open_fds);
    one(m, "process_max_fds", "File descriptors that may be open.", (double)p.max_fds);
    one(m, "process_threads", "Threads.", (double)p.threads);
    one(m, "process_start_time_seconds", "When the process started, in seconds since 1970.",
        p.start_seconds);
}

enum status web_metrics(const struct view *v, struct buf *out)
{
    struct metrics_out m = METRICS_OUT(out);
    write_agent(&m, v);
    write_targets(&m, v);
    write_sources(&m, v);
    write_watches(&m, v);
    write_pools(&m, v);
    write_lanes(&m, v);
    write_threads(&m, v);
    write_log(&m);
    write_process(&m);
    return m.status;
}
