/* SPDX-License-Identifier: Apache-2.0 */
/* reload.c - from one configuration to the next: what has changed is made anew, what has not is not
 * touched.
 *
 * All that can fail comes first: lanes and pools are made, then sources are handed over.
 * Only then pools change places in the registry, and the old ones drain (law 4).  */
#include "budget.h"
#include "clock.h"
#include "lane_conf_of.h"
#include "log.h"
#include "mem.h"
#include "parts.h"

#include <sys/resource.h>

#define CUT_NS (2 * SEC_NS) /* what is cut short may take so long to close */
enum { OTHER_DESCRIPTORS = 256, MAX_DRAINING = 16 }; /* logs, sinks, web, watches */

/* Ledgers. */

static struct pool_ledger *pool_ledger_of(struct agent *a, const char *pool)
{
    struct pool_ledger **at = &a->pool_ledgers;
    while (*at && strcmp((*at)->pool, pool) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = mem_alloc(sizeof **at);
        (*at)->pool = mem_strdup(pool);
    }
    return *at;
}

static struct lane_ledger *lane_ledger_of(struct agent *a, const char *pool, const char *output)
{
    struct lane_ledger **at = &a->lane_ledgers;
    while (*at && (strcmp((*at)->pool, pool) != 0 || strcmp((*at)->output, output) != 0))
        at = &(*at)->next;
    if (!*at) {
        *at = mem_alloc(sizeof **at);
        (*at)->pool = mem_strdup(pool);
        (*at)->output = mem_strdup(output);
    }
    return *at;
}

/* Lanes. */

/* The newest lane of that name, if it can go on: one that has been replaced already, and still
 * drains, has a successor that waits for its end. */
static struct live_lane *find_lane(struct agent *a, const char *pool, const struct output_conf *o)
{
    struct live_lane *l = a->lanes;
    while (l && (strcmp(l->ledger->pool, pool) != 0 || strcmp(l->ledger->output, o->name) != 0))
        l = l->next;
    return l && !l->closing && strcmp(l->identity, o->identity) == 0 ? l : NULL;
}

/* Whether one of the lanes from `from` on, the newest of them first, has that ledger. */
static bool has_older(const struct lane_ledger *ledger, const struct live_lane *from)
{
    for (; from; from = from->next)
        if (from->ledger == ledger)
            return true;
    return false;
}

static enum status make_lane(struct agent *a, const struct config *c, const char *pool,
                             const struct output_conf *o, struct live_lane **ret, struct err *err)
{
    const struct sink_entry *sink = &c->sinks[o->sink];
    AUTO(buf) struct buf file = BUF_INIT(SPOOL_NAME_MAX);
    struct lane_conf conf;
    struct lane *lane;
    struct lane_ledger *ledger = lane_ledger_of(a, pool, o->name);
    enum status s = lane_conf_of(c, pool, o, &file, &conf, err);
    if (s != OK)
        return s;
    conf.hold = has_older(ledger, a->lanes);
    s = lane_new(&lane, &conf, &ledger->books, err);
    if (s != OK)
        return s;
    struct live_lane *l = mem_alloc(sizeof *l);
    *l = (struct live_lane){.identity = mem_strdup(o->identity),
                            .lane = lane,
                            .ledger = ledger,
                            .encoder = o->encoder->name,
                            .sink_kind = sink->ops->name,
                            .sink = mem_strdup(sink->name),
                            .held = conf.hold,
                            .next = a->lanes};
    a->lanes = l;
    *ret = l;
    return OK;
}

static void free_lane(struct live_lane *l)
{
    const struct sink_lane *sink = lane_sink(l->lane);
    l->ledger->connects += sink->connects;
    l->ledger->duplicates += sink->duplicates;
    l->ledger->resends += sink->resends;
    lane_free(l->lane);
    mem_free(l->identity);
    mem_free(l->sink);
    mem_free(l);
}

/* Pools. */

/* How many descriptors a pool may have for connections: half of them open for scrapes that run, the
 * other half kept alive between scrapes. */
static int64_t pool_connections(const struct config *c)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1 << 20)
        limit.rlim_cur = 1 << 20;
    int64_t all = (int64_t)limit.rlim_cur;
    int64_t others = all / 4 < OTHER_DESCRIPTORS ? all / 4 : OTHER_DESCRIPTORS;
    return (all - others) / (int64_t)(c->pools_len ? c->pools_len : 1);
}

static void bound_connections(const struct config *c, struct pool_conf *conf)
{
    int64_t most = pool_connections(c) / 2 / conf->workers;
    if (most < 1)
        most = 1;
    if (conf->in_flight > most) {
        log_warn("too few descriptors for in_flight, raise the limit of open files",
                 LOG_S("pool", conf->name), LOG_I("in_flight", conf->in_flight),
                 LOG_I("taken", most));
        conf->in_flight = most;
    }
    conf->max_connections = (size_t)(most * conf->workers);
}

static bool same_lanes(const struct live_pool *p, struct live_lane *const *lanes, size_t n)
{
    return p->lanes_len == n && memcmp(p->lanes, lanes, n * sizeof *lanes) == 0;
}

static struct live_pool *find_pool(struct agent *a, const struct pool_entry *e,
                                   struct live_lane *const *lanes)
{
    for (struct live_pool *p = a->pools; p; p = p->next)
        if (!p->retired && strcmp(p->ledger->pool, e->conf.name) == 0 &&
            strcmp(p->identity, e->identity) == 0 && same_lanes(p, lanes, e->outputs_len))
            return p;
    return NULL;
}

static enum status open_pipeline(const struct pool_entry *e, struct lane *const *lanes,
                                 struct pool_books *books, struct pipeline *ret, struct err *err)
{
    const struct filter_ops *ops[FILTER_STEPS];
    void *confs[FILTER_STEPS];
    for (size_t i = 0; i < e->filters_len; i++) {
        ops[i] = e->filters[i].ops;
        confs[i] = e->filters[i].conf;
    }
    return pipeline_init(ret, ops, confs, e->filters_len, lanes, e->outputs_len, books, err);
}

/* Where a filter of that name counts that is number i: where one of its name counted before, so
 * that no counter changes its name; a new one takes a new place while there is one. */
static uint8_t place_filter(struct pool_ledger *ledger, const char *name, size_t i, uint64_t *taken)
{
    size_t at = 0;
    while (at < ledger->filters_len && (*taken >> at & 1 || strcmp(ledger->filters[at], name) != 0))
        at++;
    if (at == BOOKS_FILTERS)
        at = i;
    if (at == ledger->filters_len)
        ledger->filters[ledger->filters_len++] = name;
    *taken |= UINT64_C(1) << at;
    return (uint8_t)at;
}

static void place_filters(struct pool_ledger *ledger, const struct pool_entry *e,
                          struct pipeline *p)
{
    uint64_t taken = 0;
    if (e->conf.metric_relabel.len > 0)
        p->relabel_slot = place_filter(ledger, "metric_relabel", FILTER_STEPS, &taken);
    for (size_t i = 0; i < e->filters_len; i++)
        p->slots[i] = place_filter(ledger, e->filters[i].ops->name, i, &taken);
}

static enum status make_pool(struct agent *a, const struct config *c, const struct pool_entry *e,
                             struct live_lane **lanes, struct live_pool **ret, struct err *err)
{
    struct lane *plain[UINT8_MAX];
    for (size_t i = 0; i < e->outputs_len; i++)
        plain[i] = lanes[i]->lane;
    struct pool_ledger *ledger = pool_ledger_of(a, e->conf.name);
    struct pool_conf conf = e->conf;
    bound_connections(c, &conf);
    struct pipeline pipeline;
    enum status s = open_pipeline(e, plain, &ledger->books, &pipeline, err);
    if (s != OK)
        return s;
    place_filters(ledger, e, &pipeline);
    struct pool *pool;
    s = pool_new(&pool, &conf, &pipeline, err);
    if (s != OK) {
        pipeline_done(&pipeline);
        return s;
    }
    struct live_pool *p = mem_alloc(sizeof *p);
    *p = (struct live_pool){.identity = mem_strdup(e->identity),
                            .pool = pool,
                            .ledger = ledger,
                            .lanes = lanes,
                            .lanes_len = e->outputs_len,
                            .next = a->pools};
    for (size_t i = 0; i < p->lanes_len; i++)
        lanes[i]->users++;
    a->pools = p;
    *ret = p;
    return OK;
}

static void free_pool(struct live_pool *p)
{
    pool_free(p->pool);
    for (size_t i = 0; i < p->lanes_len; i++)
        p->lanes[i]->users--;
    mem_free(p->lanes);
    mem_free(p->identity);
    mem_free(p);
}

/* The step from one configuration to the next. */
struct plan {
    struct live_pool **pools; /* for each entry of the configuration: kept or new */
    size_t len;
    struct live_pool *old_pools; /* head of the list before */
    struct live_lane *old_lanes;
};

static enum status plan_pool(struct agent *a, const struct config *c, const struct pool_entry *e,
                             struct live_pool **ret, struct err *err)
{
    struct live_lane **lanes = mem_alloc(e->outputs_len * sizeof(struct live_lane *));
    enum status s = OK;
    for (size_t i = 0; i < e->outputs_len && s == OK; i++) {
        lanes[i] = find_lane(a, e->conf.name, &e->outputs[i]);
        if (!lanes[i])
            s = make_lane(a, c, e->conf.name, &e->outputs[i], &lanes[i], err);
    }
    struct live_pool *same = s == OK ? find_pool(a, e, lanes) : NULL;
    if (same)
        *ret = same;
    else if (s == OK)
        s = make_pool(a, c, e, lanes, ret, err);
    if (same || s != OK)
        mem_free(lanes);
    return s;
}

/* Takes back what plan_pool has made. */
static void undo(struct agent *a, const struct plan *plan)
{
    while (a->pools != plan->old_pools) {
        struct live_pool *p = a->pools;
        a->pools = p->next;
        pool_close(p->pool);
        free_pool(p);
    }
    while (a->lanes != plan->old_lanes) {
        struct live_lane *l = a->lanes;
        a->lanes = l->next;
        lane_close(l->lane, DEADLINE_NOW);
        free_lane(l);
    }
}

static bool is_planned(const struct plan *plan, const struct live_pool *p)
{
    for (size_t i = 0; i < plan->len; i++)
        if (plan->pools[i] == p)
            return true;
    return false;
}

static void show_lane(const struct live_lane *l)
{
    struct lane_ledger *ledger = l->ledger;
    ledger->encoder = l->encoder;
    ledger->sink_kind = l->sink_kind;
    mem_free(ledger->sink);
    ledger->sink = mem_strdup(l->sink);
}

static void want_lanes(struct agent *a, const struct plan *plan)
{
    for (struct live_lane *l = a->lanes; l; l = l->next)
        l->wanted = false;
    for (size_t i = 0; i < plan->len; i++)
        for (size_t k = 0; k < plan->pools[i]->lanes_len; k++)
            plan->pools[i]->lanes[k]->wanted = true;
    for (struct live_lane *l = a->lanes; l; l = l->next)
        if (l->wanted)
            show_lane(l);
}

static void retire(struct agent *a, struct live_pool *p)
{
    if (p->leaving)
        registry_remove_pool(a->registry, p->ledger->pool);
    p->leaving = false;
    p->retired = true;
    pool_close(p->pool);
}

/* A pool that has no successor first says the end of its targets' series. */
static void leave(struct agent *a, struct live_pool *p)
{
    if (!p->leaving)
        p->leave_ns = clock_mono_ns() + a->config->agent.grace;
    p->leaving = true;
}

static bool is_replaced(const struct plan *plan, const struct live_pool *p)
{
    for (size_t i = 0; i < plan->len; i++)
        if (plan->pools[i]->ledger == p->ledger)
            return true;
    return false;
}

/* Pools change places, and the old ones drain. */
static void commit(struct agent *a, const struct plan *plan)
{
    for (size_t i = 0; i < plan->len; i++) {
        plan->pools[i]->leaving = false; /* it may be back */
        registry_put_pool(a->registry, plan->pools[i]->ledger->pool,
                          pool_inlet(plan->pools[i]->pool));
    }
    for (struct live_pool *p = a->pools; p; p = p->next) {
        if (p->retired || is_planned(plan, p))
            continue;
        if (is_replaced(plan, p)) {
            p->leaving = false; /* its inlet is out of the registry already */
            retire(a, p);
        } else {
            leave(a, p);
        }
    }
    want_lanes(a, plan);
}

static enum status set_sources(struct agent *a, const struct config *c, struct err *err)
{
    struct source_agent who = {
        .instance = c->agent.instance, .cluster = c->agent.cluster, .labels = &c->agent.labels};
    return discover_set(a->discover, c->sources, c->sources_len, &who, err);
}

/* The files of lanes that have just stopped, too. */
static void look_for_left(struct agent *a)
{
    struct left_files *now = left_files_find(a->config), *before = a->left;
    left_files_say(now, before);
    pthread_mutex_lock(&a->lock);
    a->left = now;
    a->look_for_left = false;
    pthread_mutex_unlock(&a->lock);
    left_files_free(before);
}

enum status agent_apply(struct agent *a, struct config *c, struct err *err)
{
    struct plan plan = {.old_pools = a->pools, .old_lanes = a->lanes};
    enum status s = OK;
    plan.pools = mem_alloc(c->pools_len * sizeof(struct live_pool *));
    pthread_mutex_lock(&a->lock);
    for (; plan.len < c->pools_len && s == OK; plan.len += s == OK)
        s = plan_pool(a, c, &c->pools[plan.len], &plan.pools[plan.len], err);
    if (s == OK)
        s = set_sources(a, c, err);
    if (s == OK) {
        budget_set_bound((size_t)c->agent.memory);
        registry_set_first_scrape(a->registry, c->agent.first_scrape == FIRST_NOW);
        commit(a, &plan);
        log_configure(c->agent.log.level, c->agent.log.format);
        config_free(a->config);
        a->config = c;
        a->loaded_ms = clock_wall_ms();
    } else {
        undo(a, &plan);
    }
    pthread_mutex_unlock(&a->lock);
    mem_free(plan.pools);
    if (s == OK)
        look_for_left(a);
    return s;
}

/* Letting go. */

static void let_pools_go(struct agent *a)
{
    for (struct live_pool **at = &a->pools; *at;) {
        struct live_pool *p = *at;
        if (p->leaving && (registry_pool_places(a->registry, p->ledger->pool) == 0 ||
                           clock_mono_ns() >= p->leave_ns))
            retire(a, p);
        if (p->retired && pool_is_done(p->pool)) {
            *at = p->next;
            free_pool(p);
        } else {
            at = &p->next;
        }
    }
}

/* The lists have the newest lane first. */
static void release_lanes(struct agent *a)
{
    for (struct live_lane *l = a->lanes; l; l = l->next) {
        if (l->held && !has_older(l->ledger, l->next)) {
            lane_release(l->lane);
            l->held = false;
        }
    }
}

static void let_lanes_go(struct agent *a)
{
    int64_t deadline_ns = clock_mono_ns() + a->config->agent.grace;
    for (struct live_lane **at = &a->lanes; *at;) {
        struct live_lane *l = *at;
        if (l->users == 0 && !l->wanted && !l->closing && !l->held) {
            lane_close(l->lane, deadline_ns);
            l->closing = true;
        }
        if (l->closing && lane_is_done(l->lane)) {
            a->look_for_left |= lane_state(l->lane).spool.there;
            *at = l->next;
            free_lane(l);
        } else {
            at = &l->next;
        }
    }
    release_lanes(a);
}

void agent_tick(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    let_pools_go(a);
    let_lanes_go(a);
    pthread_mutex_unlock(&a->lock);
    if (a->look_for_left)
        look_for_left(a);
}

bool agent_is_changing(const struct agent *a)
{
    for (const struct live_pool *p = a->pools; p; p = p->next)
        if (p->retired || p->leaving)
            return true;
    for (const struct live_lane *l = a->lanes; l; l = l->next)
        if (!l->wanted)
            return true;
    return false;
}

bool agent_is_crowded(const struct agent *a)
{
    size_t draining = 0;
    for (const struct live_lane *l = a->lanes; l; l = l->next)
        draining += !l->wanted;
    return draining >= MAX_DRAINING;
}

static void close_pools(struct agent *a)
{
    for (struct live_pool *p = a->pools; p; p = p->next) {
        p->leaving = false;
        p->retired = true;
        pool_close(p->pool);
    }
    for (struct live_lane *l = a->lanes; l; l = l->next)
        l->wanted = false;
}

static void abort_pools(struct agent *a)
{
    for (struct live_pool *p = a->pools; p; p = p->next)
        pool_abort(p->pool);
}

static void close_lanes(struct agent *a, int64_t deadline_ns)
{
    for (struct live_lane *l = a->lanes; l; l = l->next) {
        if (l->users == 0 && !l->held) { /* a held one is for when those before it are gone */
            lane_close(l->lane, deadline_ns);
            l->closing = true;
        }
    }
}

bool agent_stop(struct agent *a, bool (*pause)(void *of), void *of)
{
    int64_t start_ns = clock_mono_ns(), grace_ns = a->config->agent.grace, cut_ns = 0;
    web_free(a->web);
    a->web = NULL;
    discover_free(a->discover);
    a->discover = NULL;
    if (a->registry)
        registry_stop(a->registry);
    close_pools(a);
    while (a->pools || a->lanes) {
        if (pause(of) && cut_ns == 0)
            cut_ns = clock_mono_ns();
        if (cut_ns != 0 && clock_mono_ns() - cut_ns > CUT_NS)
            return false;
        if (cut_ns != 0 || clock_mono_ns() >= start_ns + grace_ns / 2) /* the sinks have the rest */
            abort_pools(a);
        let_pools_go(a);
        close_lanes(a, cut_ns != 0 ? DEADLINE_NOW : start_ns + grace_ns);
        let_lanes_go(a);
    }
    return true;
}
