/* SPDX-License-Identifier: Apache-2.0 */
/* made_view.h - an agent that never was, for tests of the pages and for looking at them.
 *
 * Its books balance.  Texts that come from outside hold what could break a page.  */
#ifndef MADE_VIEW_H
#define MADE_VIEW_H

#include "clock.h"
#include "mem.h"
#include "view.h"

#define MADE_HOSTILE "<script>alert(\"x\")</script>'&\\\n\xff"

struct made {
    struct view view;
    struct lane_books lane_books[2];
    struct pool_books pool_books[2];
    struct view_lane lanes[2];
    struct view_pool pools[2];
    struct source_state sources[3];
    struct registry_entry *targets;
    struct discover_candidate found[4];
    struct discover_candidates candidates;
    struct registry_other others[2];
};

static inline void made_target(struct made *m, size_t i)
{
    static const char *const hosts[] = {"10.0.3.17:8080", "10.0.3.41:9090", "10.0.3.99:2112"};
    static const char *const pods[] = {"checkout", "search", "mailer", "billing"};
    char id[128], url[128];
    snprintf(id, sizeof id, "shop/%s-%zu/app:8080/metrics", pods[i % 4], i);
    snprintf(url, sizeof url, "http://user:hunter2@%s/metrics", hosts[i % 3]);
    struct label labels[] = {{"namespace", "shop"}, {"odd", MADE_HOSTILE}};
    struct target like = {.id = i == 3 ? MADE_HOSTILE : id,
                          .source = i % 5 ? "pods" : "hosts",
                          .pool = "main",
                          .url = url,
                          .interval_ns = 15 * SEC_NS,
                          .timeout_ns = 10 * SEC_NS,
                          .labels = labels,
                          .labels_len = i == 3 ? 2 : 1};
    struct registry_entry *e = &m->targets[i];
    *e = (struct registry_entry){.target = target_new(&like),
                                 .state = target_state_new(id),
                                 .next_due_ms = clock_wall_ms() + 7000};
    if (i == 5)
        return; /* never scraped */
    struct target_shown s = {.health = i == 1 || i == 3 ? TARGET_DOWN : TARGET_UP,
                             .scraped_ms = clock_wall_ms() - 1000 - (int64_t)i * 211,
                             .duration_ns = (int64_t)(i + 1) * 1300 * 1000,
                             .samples = 812 + i,
                             .samples_post_filter = 800 + i,
                             .series = 812 + i,
                             .body_bytes = 91234 + 100 * i,
                             .scrapes = 400};
    if (i == 1)
        err_set(&s.last_error, ERR_TIMEOUT, "timeout: no answer within 10 s");
    if (i == 3)
        err_set(&s.last_error, ERR_IO, "status: 500 %s", MADE_HOSTILE);
    if (i == 4) {
        s.lines_bad = 2;
        s.refused = 7;
        s.flaws = 1;
        err_set(&s.first_bad, ERR_INVALID, "line 17, column 4: '}' expected, token 'x='");
        err_set(&s.first_refused, ERR_LIMIT, "max_value_bytes: http_requests_total");
        err_set(&s.first_flaw, ERR_INVALID, "line 18, column 1: no # EOF");
        s.named[0] = (struct page_named){PAGE_MAX_VALUE_BYTES, "http_requests_total"};
        s.named[1] = (struct page_named){PAGE_MAX_SERIES, "other"};
        s.named_len = 2;
    }
    s.failures = s.health == TARGET_DOWN ? 12 : 0;
    target_state_show(e->state, &s);
}

static inline void made_pools(struct made *m)
{
    static const char *const filters[] = {"clip", "clamp"};
    struct pool_books *b = &m->pool_books[0];
    b->scraped = 128400;
    b->failed[SCRAPE_TIMEOUT] = 40;
    b->failed[SCRAPE_STATUS] = 7;
    b->stale = 3;
    b->ended = 5;
    b->running = 2;
    b->read = 104300200;
    b->passed = 104299700;
    b->filtered[0] = 400;
    b->filtered[1] = 50;
    b->refused[PAGE_MAX_VALUE_BYTES] = 48;
    b->refused[PAGE_SERIES_TWICE] = 2;
    b->lines_bad = 1234;
    b->bytes = UINT64_C(11700300400);
    b->series = 81200;
    b->series_bytes = 31457280;
    b->seconds[1] = 128000;
    b->seconds[4] = 400;
    b->seconds[BOOKS_BUCKETS - 1] = 47;
    b->seconds_sum_ns = UINT64_C(1570000000000);
    b->wait_ns_sum = 2500000000;
    m->pool_books[1].scraped = 12;
    m->pools[0] = (struct view_pool){
        .name = "main",
        .books = b,
        .filters = filters,
        .filters_len = 2,
        .state = {.queued = 4, .queue_cap = 10000, .connections = 96, .workers = 2},
        .beat_age_ns = 20 * MS_NS};
    m->pools[1] = (struct view_pool){.name = "old", .books = &m->pool_books[1], .gone = true};
}

static inline void made_lanes(struct made *m)
{
    struct lane_books *b = m->lane_books;
    b[0].passed = b[1].passed = 104299700;
    b[0].meta = b[1].meta = 770700;
    b[0].ended = b[1].ended = 900;
    b[0].encoded = 105071298;
    b[0].skipped[SKIP_TOO_LARGE] = 2;
    b[0].delivered = 105069298 - 5000;
    b[0].in_spool = 4000;
    b[0].left = 1000;
    b[0].lost[LOST_BUFFER_FULL] = 1500;
    b[0].lost[LOST_REFUSED] = 100;
    b[0].in_memory = 400;
    b[0].payloads_sent = 260100;
    b[0].payloads_delivered = 260000;
    b[0].bytes_delivered = UINT64_C(23115000000);
    b[0].retries = 88;
    b[0].delay_ms_sum = 7654321;
    b[1].encoded = b[1].delivered = 105071300;
    for (size_t i = 0; i < 2; i++)
        m->lanes[i] = (struct view_lane){
            .pool = "main",
            .output = i == 0 ? "json-queue" : "json-disk",
            .encoder = "json",
            .sink_kind = i == 0 ? "nats" : "file",
            .sink = i == 0 ? "queue" : "disk",
            .books = &b[i],
            .connects = 3 * (i == 0),
            .connected = i == 0,
            .beat_age_ns = 5 * MS_NS,
            .state = {.buffer = {.len = 3, .cap = 1024, .bytes = 912345, .cap_bytes = 33554432},
                      .last_delivered_ms = clock_wall_ms() - 1500,
                      .max_payload = 1048576}};
    m->lanes[0].state.in_flight = 12;
    m->lanes[0].state.spool = (struct lane_spool_state){.there = true,
                                                        .rows = 10,
                                                        .unread = 4,
                                                        .stored_bytes = 90000,
                                                        .file_bytes = 122880,
                                                        .log_bytes = 41200,
                                                        .limit_bytes = 1 << 30,
                                                        .oldest_ms = clock_wall_ms() - 9000,
                                                        .error = {ERR_AGAIN, "somebody reads"}};
    m->lanes[0].state.failing = true;
    err_set(&m->lanes[0].state.last_error, ERR_IO, "nats: no responders for METRICS.%s",
            MADE_HOSTILE);
}

static inline void made_sources(struct made *m)
{
    static const struct {
        const char *name, *kind;
        size_t targets, refused;
    } all[] = {{"pods", "kubernetes", 6, 1}, {"hosts", "static", 1, 0}, {"extra", "file", 1, 0}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        m->sources[i] = (struct source_state){.kind = all[i].kind,
                                              .synced = i != 2,
                                              .targets = all[i].targets,
                                              .refused = all[i].refused,
                                              .number = (uint32_t)i};
        memcpy(m->sources[i].name, all[i].name, strlen(all[i].name));
        memcpy(m->sources[i].pool, "main", 4);
    }
    m->sources[0].follows = true;
    m->sources[0].watching = (struct source_watching){.collections = 2,
                                                      .synced = 2,
                                                      .watching = 1,
                                                      .lists = 3,
                                                      .expired = 4,
                                                      .objects = 1234,
                                                      .object_bytes = 567890};
    err_set(&m->sources[2].last_error, ERR_IO, "targets.json: line 3, column 9: not a string");
}

/* A target, one that lost to it, one that waits, one refused. */
static inline void made_candidates(struct made *m)
{
    struct target *first = m->targets[0].target, *second = m->targets[1].target,
                  *third = m->targets[2].target;
    static const char url[] = "http://user:hunter2@10.0.3.17:8080/metrics";
    const struct discover_candidate found[] = {
        {.source = 0, .source_name = "pods", .id = first->id, .url = url},
        {.source = 1, .source_name = "hosts", .id = second->id, .url = url},
        {.source = 1, .source_name = "hosts", .id = third->id},
        {.source = 0, .source_name = "pods", .id = "shop/b", .why = MADE_HOSTILE},
    };
    memcpy(m->found, found, sizeof found);
    m->candidates.all = m->found;
    m->candidates.len = ARRAY_LEN(found);
    m->candidates.left_out = 9;
    m->others[0] = (struct registry_other){.source = 1, .target = third};
    m->others[1] = (struct registry_other){.source = 1, .target = second, .winner = first};
    m->view.candidates = &m->candidates;
    m->view.others = m->others;
    m->view.others_len = 2;
}

/* With that many targets.  made_done lets them go. */
static inline void made_init(struct made *m, size_t targets)
{
    static const struct view_part memory[] = {
        {"pages", 31457280}, {"bodies", 4194304}, {"payloads", 1843200}};
    *m = (struct made){.targets = mem_alloc((targets + 1) * sizeof *m->targets)};
    for (size_t i = 0; i < targets; i++)
        made_target(m, i);
    made_pools(m);
    made_lanes(m);
    made_sources(m);
    m->view = (struct view){.version = "0.1.0",
                            .instance = "node-7",
                            .cluster = "prod",
                            .config_path = "/etc/strata/agent.yaml",
                            .started_ms = clock_wall_ms() - 7500000,
                            .loaded_ms = clock_wall_ms() - 7400000,
                            .reloads = 3,
                            .reloads_failed = 1,
                            .ready = true,
                            .healthy = true,
                            .registry_beat_age_ns = 30 * MS_NS,
                            .discover_beat_age_ns = 40 * MS_NS,
                            .sources = m->sources,
                            .sources_len = ARRAY_LEN(m->sources),
                            .pools = m->pools,
                            .pools_len = ARRAY_LEN(m->pools),
                            .lanes = m->lanes,
                            .lanes_len = ARRAY_LEN(m->lanes),
                            .targets = m->targets,
                            .targets_len = targets,
                            .refused_targets = "pods: shop/a: above the bound of 2000\n"
                                               "pods: shop/b: " MADE_HOSTILE "\n",
                            .memory = memory,
                            .memory_len = ARRAY_LEN(memory),
                            .memory_used = 37494784,
                            .memory_peak = 40000000,
                            .memory_waiting = 3,
                            .memory_bound = (uint64_t)256 << 20,
                            .allocations = 918273,
                            .regex_limited = 3};
    m->view.registry = (struct registry_books){.due = 128490,
                                               .handed = 128473,
                                               .dropped = {10, 2, 1},
                                               .queued = 4,
                                               .targets = targets,
                                               .changes = 31,
                                               .clock_steps = 1};
    if (targets > 2)
        made_candidates(m);
}

static inline void made_done(struct made *m)
{
    for (size_t i = 0; i < m->view.targets_len; i++) {
        target_unref(m->targets[i].target);
        target_state_unref(m->targets[i].state);
    }
    mem_free(m->targets);
}
DEFINE_AUTO(made, made_done)

#endif
