/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - a snapshot of the agent for its own pages.
 *
 * The agent's lock is held from take to release: a reload waits for a page to be written, which
 * takes milliseconds; nothing else does.  What discovery is asked for is asked before.  */
#include "budget.h"
#include "clock.h"
#include "mem.h"
#include "parts.h"
#include "regex.h"

enum { MAX_SOURCES = 256, DEAD_NS = 30 }; /* seconds without a beat */
#define CANDIDATES_NS (2 * SEC_NS)        /* the most that discovery may take for its list */

/* All pools of one name: the one in force, and those before it that still drain. */
static void view_pool(struct agent *a, const struct pool_ledger *ledger, struct view_pool *e,
                      int64_t now_ns)
{
    *e = (struct view_pool){.name = ledger->pool,
                            .books = &ledger->books,
                            .filters = ledger->filters,
                            .filters_len = ledger->filters_len,
                            .gone = true};
    for (struct live_pool *p = a->pools; p; p = p->next) {
        if (p->ledger != ledger)
            continue;
        struct pool_state s = pool_state(p->pool);
        e->state.queued += s.queued;
        e->state.queue_cap += s.queue_cap;
        e->state.queue_refused += s.queue_refused;
        e->state.connections += s.connections;
        e->state.body_bytes += s.body_bytes;
        e->state.workers += s.workers;
        if (!p->retired) {
            e->gone = p->leaving;
            e->state.beat_ns = s.beat_ns;
            e->beat_age_ns = now_ns - s.beat_ns;
        }
    }
}

static void view_pools(struct agent *a, struct view *v, int64_t now_ns)
{
    size_t n = 0;
    for (struct pool_ledger *l = a->pool_ledgers; l; l = l->next)
        n++;
    a->view_pools = mem_alloc(n * sizeof *a->view_pools);
    for (struct pool_ledger *l = a->pool_ledgers; l; l = l->next)
        view_pool(a, l, &a->view_pools[v->pools_len++], now_ns);
    v->pools = a->view_pools;
}

static void view_lane(struct agent *a, const struct lane_ledger *ledger, struct view_lane *e,
                      int64_t now_ns)
{
    *e = (struct view_lane){.pool = ledger->pool,
                            .output = ledger->output,
                            .encoder = ledger->encoder ? ledger->encoder : "",
                            .sink_kind = ledger->sink_kind ? ledger->sink_kind : "",
                            .sink = ledger->sink ? ledger->sink : "",
                            .books = &ledger->books,
                            .connects = ledger->connects,
                            .duplicates = ledger->duplicates,
                            .resends = ledger->resends,
                            .gone = true};
    for (struct live_lane *l = a->lanes; l; l = l->next) {
        if (l->ledger != ledger)
            continue;
        const struct sink_lane *sink = lane_sink(l->lane);
        e->connects += sink->connects;
        e->duplicates += sink->duplicates;
        e->resends += sink->resends;
        if (!l->wanted && !e->gone)
            continue;
        e->state = lane_state(l->lane);
        e->connected = sink->connected;
        e->round_trip_ns = sink->round_trip_ns;
        e->gone = !l->wanted;
        e->beat_age_ns = l->wanted ? now_ns - lane_beat_ns(l->lane) : 0;
    }
}

static void view_lanes(struct agent *a, struct view *v, int64_t now_ns)
{
    size_t n = 0;
    for (struct lane_ledger *l = a->lane_ledgers; l; l = l->next)
        n++;
    a->view_lanes = mem_alloc(n * sizeof *a->view_lanes);
    for (struct lane_ledger *l = a->lane_ledgers; l; l = l->next)
        view_lane(a, l, &a->view_lanes[v->lanes_len++], now_ns);
    v->lanes = a->view_lanes;
}

static void view_memory(struct agent *a, struct view *v)
{
    for (unsigned i = 0; i < BUDGET_PARTS; i++)
        a->view_memory[i] = (struct view_part){budget_part_name(i), budget_part_bytes(i)};
    v->memory = a->view_memory;
    v->memory_len = BUDGET_PARTS;
    v->memory_used = budget_used();
    v->memory_peak = budget_peak();
    v->memory_waiting = budget_waiting();
}

static void view_health(struct view *v)
{
    int64_t dead = DEAD_NS * SEC_NS;
    if (v->registry_beat_age_ns > dead)
        v->unhealthy = "registry";
    if (v->discover_beat_age_ns > dead)
        v->unhealthy = "discovery";
    for (size_t i = 0; i < v->pools_len; i++)
        if (v->pools[i].beat_age_ns > dead)
            v->unhealthy = v->pools[i].name;
    for (size_t i = 0; i < v->lanes_len; i++)
        if (v->lanes[i].beat_age_ns > dead)
            v->unhealthy = v->lanes[i].output;
    v->healthy = !v->unhealthy;
}

static void view_sources(struct agent *a, struct view *v)
{
    a->view_sources = mem_alloc(MAX_SOURCES * sizeof *a->view_sources);
    size_t sources = discover_states(a->discover, a->view_sources, MAX_SOURCES);
    v->sources = a->view_sources;
    v->sources_len = sources < MAX_SOURCES ? sources : MAX_SOURCES;
}

static void view_targets(struct agent *a, struct view *v)
{
    a->view_targets_len = registry_entries(a->registry, &a->view_targets);
    v->targets = a->view_targets;
    v->targets_len = a->view_targets_len;
    buf_truncate(&a->view_refused, 0);
    discover_refused(a->discover, &a->view_refused);
    v->refused_targets = a->view_refused.data;
}

/* Losers and those that wait are looked up after discovery was: what it says of a target is then known
 * to the registry, or soon. */
static void view_candidates(struct agent *a, struct view *v, struct discover_candidates *list,
                            const struct err *err)
{
    a->view_candidates = list;
    a->view_candidates_err = *err;
    v->candidates = list;
    v->candidates_error = err->status == OK ? NULL : a->view_candidates_err.text;
    a->view_others_len = registry_others(a->registry, &a->view_others);
    v->others = a->view_others;
    v->others_len = a->view_others_len;
}

void agent_view_take(void *of, struct view *v)
{
    struct agent *a = of;
    struct discover_candidates *list = NULL;
    struct err err = {.status = OK};
    if (v->candid)
        err.status = discover_candidates(a->discover, clock_mono_ns() + CANDIDATES_NS, &list, &err);
    pthread_mutex_lock(&a->lock);
    int64_t now_ns = clock_mono_ns();
    *v = (struct view){.brief = v->brief,
                       .candid = v->candid,
                       .version = STRATA_VERSION,
                       .config_path = a->options.path,
                       .started_ms = a->started_ms,
                       .loaded_ms = a->loaded_ms,
                       .reloads = a->reloads,
                       .reloads_failed = a->reloads_failed,
                       .reload_error = a->reload_error,
                       .allocations = mem_count(),
                       .regex_limited = regex_limited()};
    v->instance = a->config ? a->config->agent.instance : "";
    v->cluster = a->config ? a->config->agent.cluster : "";
    for (size_t i = 0; a->left && i < a->left->len; i++)
        v->left_bytes += (uint64_t)a->left->items[i].bytes;
    v->left_len = a->left ? a->left->len : 0;
    v->left = a->left ? a->left->items : NULL;
    v->memory_bound = a->config ? (uint64_t)a->config->agent.memory : 0;
    v->registry = registry_books(a->registry);
    v->registry_beat_age_ns = now_ns - registry_beat_ns(a->registry);
    v->discover_beat_age_ns = now_ns - discover_beat_ns(a->discover);
    a->ready = a->ready || (a->config && discover_synced(a->discover));
    v->ready = a->ready;
    view_pools(a, v, now_ns);
    view_lanes(a, v, now_ns);
    view_health(v);
    if (!v->brief || !v->ready)
        view_sources(a, v);
    if (v->brief)
        return;
    view_targets(a, v);
    view_memory(a, v);
    if (v->candid)
        view_candidates(a, v, list, &err);
}

void agent_view_release(void *of, struct view *v)
{
    struct agent *a = of;
    (void)v;
    mem_free(a->view_sources);
    mem_free(a->view_pools);
    mem_free(a->view_lanes);
    registry_entries_free(a->view_targets, a->view_targets_len);
    discover_candidates_unref(a->view_candidates);
    registry_others_free(a->view_others, a->view_others_len);
    a->view_candidates = NULL;
    a->view_others = NULL;
    a->view_others_len = 0;
    a->view_sources = NULL;
    a->view_pools = NULL;
    a->view_lanes = NULL;
    a->view_targets = NULL;
    a->view_targets_len = 0;
    pthread_mutex_unlock(&a->lock);
}
