/* SPDX-License-Identifier: Apache-2.0 */
/* web_status.c - GET /status: the books and the state of every part, as JSON. */
#include "web.h"

#include "clock.h"
#include "entries.h"
#include "health.h"
#include "json_out.h"
#include "laws.h"
#include "log.h"

static void write_entries(struct json_out *j, const struct entry *entries, const void *of)
{
    for (const struct entry *e = entries; e->metric; e++) {
        if (!e->key)
            continue;
        if (e->reasons > 0) {
            json_out_open(j, e->key, '{');
            for (size_t i = 0; i < e->reasons; i++)
                json_out_uint(j, e->reason(i), entry_value(e, of, i));
            json_out_close(j, '}');
        } else if (e->kind == ENTRY_BOOL) {
            json_out_bool(j, e->key, entry_value(e, of, 0) != 0);
        } else if (e->unit == 1) {
            json_out_uint(j, e->key, entry_value(e, of, 0));
        } else {
            json_out_double(j, e->key, (double)entry_value(e, of, 0) / (double)e->unit);
        }
    }
}

static void write_error(struct json_out *j, const struct err *err)
{
    json_out_string(j, "last_error", err->status == OK ? NULL : err->text);
}

static void write_age(struct json_out *j, const char *key, int64_t ns)
{
    json_out_double(j, key, (double)(ns > 0 ? ns : 0) / (double)SEC_NS);
}

static void write_terms(struct json_out *j, const char *key, const struct law_term *terms)
{
    json_out_open(j, key, '{');
    for (; terms->name; terms++)
        json_out_uint(j, terms->name, terms->value);
    json_out_close(j, '}');
}

static void write_books(struct json_out *j, const struct view *v)
{
    struct law law;
    json_out_uint(j, "balance", laws_off(v));
    json_out_open(j, "books", '[');
    for (size_t i = 0; laws_get(v, i, &law); i++) {
        json_out_open(j, NULL, '{');
        json_out_string(j, "of", law.name);
        if (law.pool)
            json_out_string(j, "pool", law.pool);
        if (law.output)
            json_out_string(j, "output", law.output);
        write_terms(j, "left", law.left);
        write_terms(j, "right", law.right);
        json_out_int(j, "balance", law.balance);
        json_out_close(j, '}');
    }
    json_out_close(j, ']');
}

/* What is no step of the pool any more stays in the sums. */
static void write_filtered(struct json_out *j, const struct view_pool *p)
{
    json_out_open(j, "filtered", '[');
    for (size_t i = 0; i < BOOKS_FILTERS; i++) {
        bool there = i < p->filters_len;
        if (!there && p->books->filtered[i] == 0)
            continue;
        json_out_open(j, NULL, '{');
        json_out_uint(j, "index", i);
        json_out_string(j, "filter", there ? p->filters[i] : NULL);
        json_out_uint(j, "samples", p->books->filtered[i]);
        json_out_close(j, '}');
    }
    json_out_close(j, ']');
}

static void write_pool(struct json_out *j, const struct view_pool *p)
{
    json_out_open(j, NULL, '{');
    json_out_string(j, "name", p->name);
    json_out_bool(j, "gone", p->gone);
    write_entries(j, pool_books_entries, p->books);
    write_filtered(j, p);
    json_out_double(j, "scrape_seconds", (double)p->books->seconds_sum_ns / (double)SEC_NS);
    write_entries(j, pool_entries, p);
    write_age(j, "beat_age_seconds", p->beat_age_ns);
    json_out_close(j, '}');
}

static void write_spool(struct json_out *j, const struct view_lane *l)
{
    if (!l->state.spool.there)
        return;
    json_out_open(j, "spool", '{');
    write_error(j, &l->state.spool.error);
    json_out_time(j, "oldest", l->state.spool.oldest_ms);
    write_entries(j, spool_entries, l);
    json_out_close(j, '}');
}

static void write_lane(struct json_out *j, const struct view_lane *l)
{
    json_out_open(j, NULL, '{');
    json_out_string(j, "pool", l->pool);
    json_out_string(j, "output", l->output);
    json_out_string(j, "encoder", l->encoder);
    json_out_string(j, "sink_kind", l->sink_kind);
    json_out_string(j, "sink", l->sink);
    json_out_bool(j, "gone", l->gone);
    write_error(j, &l->state.last_error);
    json_out_time(j, "last_delivered", l->state.last_delivered_ms);
    write_entries(j, lane_books_entries, l->books);
    write_entries(j, lane_entries, l);
    write_spool(j, l);
    write_age(j, "beat_age_seconds", l->beat_age_ns);
    json_out_close(j, '}');
}

static void write_source(struct json_out *j, const struct source_state *s)
{
    json_out_open(j, NULL, '{');
    json_out_string(j, "name", s->name);
    json_out_string(j, "kind", s->kind);
    json_out_string(j, "pool", s->pool);
    write_error(j, &s->last_error);
    write_entries(j, source_entries, s);
    if (s->follows) {
        json_out_open(j, "watches", '{');
        write_entries(j, discovery_entries, s);
        json_out_close(j, '}');
    }
    json_out_close(j, '}');
}

static void write_memory(struct json_out *j, const struct view *v)
{
    json_out_open(j, "memory", '{');
    json_out_open(j, "parts", '{');
    for (size_t i = 0; i < v->memory_len; i++)
        json_out_uint(j, v->memory[i].name, v->memory[i].bytes);
    json_out_close(j, '}');
    json_out_uint(j, "used", v->memory_used);
    json_out_uint(j, "peak", v->memory_peak);
    json_out_uint(j, "bound", v->memory_bound);
    json_out_uint(j, "scrapes_waiting", v->memory_waiting);
    json_out_close(j, '}');
}

/* Targets that nobody makes sure of, because a source says verify: false: https, or http with credentials. */
static size_t count_unverified(const struct view *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->targets_len; i++) {
        const struct target *t = v->targets[i].target;
        n += !health_verifies_tls(t) &&
             (strncmp(t->url, "https:", 6) == 0 || http_has_credentials(&t->http->conf));
    }
    return n;
}

static void write_left(struct json_out *j, const struct view *v)
{
    json_out_open(j, "spools_left", '[');
    for (size_t i = 0; i < v->left_len; i++) {
        json_out_open(j, NULL, '{');
        json_out_string(j, "file", v->left[i].file);
        json_out_int(j, "bytes", v->left[i].bytes);
        json_out_close(j, '}');
    }
    json_out_close(j, ']');
}

static void write_lists(struct json_out *j, const struct view *v)
{
    json_out_open(j, "pools", '[');
    for (size_t i = 0; i < v->pools_len; i++)
        write_pool(j, &v->pools[i]);
    json_out_close(j, ']');
    json_out_open(j, "lanes", '[');
    for (size_t i = 0; i < v->lanes_len; i++)
        write_lane(j, &v->lanes[i]);
    json_out_close(j, ']');
    json_out_open(j, "sources", '[');
    for (size_t i = 0; i < v->sources_len; i++)
        write_source(j, &v->sources[i]);
    json_out_close(j, ']');
    write_left(j, v);
    json_out_uint(j, "targets_without_tls_verification", count_unverified(v));
}

static void write_log(struct json_out *j)
{
    json_out_open(j, "log", '{');
    for (unsigned i = 0; log_levels[i]; i++)
        json_out_uint(j, log_levels[i], log_count((enum log_level)i));
    json_out_uint(j, "suppressed", log_suppressed());
    json_out_close(j, '}');
}

static void write_head(struct json_out *j, const struct view *v)
{
    json_out_string(j, "version", v->version);
    json_out_string(j, "instance", v->instance);
    json_out_string(j, "cluster", v->cluster);
    json_out_time(j, "started", v->started_ms);
    json_out_string(j, "unhealthy", v->unhealthy);
    json_out_open(j, "config", '{');
    json_out_string(j, "path", v->config_path);
    json_out_time(j, "loaded", v->loaded_ms);
    json_out_string(j, "last_reload_error", v->reload_error);
    json_out_close(j, '}');
    write_entries(j, agent_entries, v);
}

enum status web_status(const struct view *v, struct buf *out)
{
    struct json_out j = JSON_OUT(out);
    json_out_open(&j, NULL, '{');
    write_head(&j, v);
    write_books(&j, v);
    json_out_open(&j, "jobs", '{');
    write_entries(&j, jobs_entries, v);
    json_out_close(&j, '}');
    write_lists(&j, v);
    write_memory(&j, v);
    json_out_open(&j, "threads", '{'); /* those of pools and lanes stand there */
    write_age(&j, "registry", v->registry_beat_age_ns);
    write_age(&j, "discovery", v->discover_beat_age_ns);
    json_out_close(&j, '}');
    json_out_open(&j, "web", '{');
    write_entries(&j, web_entries, v);
    json_out_close(&j, '}');
    write_log(&j);
    json_out_close(&j, '}');
    if (j.status == OK)
        j.status = buf_puts(out, "\n");
    return j.status;
}
