/* SPDX-License-Identifier: Apache-2.0 */
/* parts.h - what agent.c, reload.c and view.c share.  */
#ifndef PARTS_H
#define PARTS_H

#include "agent.h"
#include "budget.h"
#include "left_files.h"

/* Books stay under their name as long as the process runs. */
struct pool_ledger {
    char *pool;
    struct pool_books books;
    const char *filters[BOOKS_FILTERS]; /* what each of books.filtered counts; never changes */
    size_t filters_len;
    struct pool_ledger *next;
};
struct lane_ledger {
    char *pool, *output;
    struct lane_books books;
    const char *encoder, *sink_kind; /* static; as of the lane made last */
    char *sink;
    uint64_t connects, duplicates, resends; /* of lanes that are gone */
    struct lane_ledger *next;
};

/* A lane that runs, for the pools that use it. */
struct live_lane {
    char *identity;
    struct lane *lane;
    struct lane_ledger *ledger;      /* has its names */
    const char *encoder, *sink_kind; /* static */
    char *sink;
    bool held;      /* until those before it of the same ledger are gone */
    unsigned users; /* pools, retired ones too */
    bool wanted;    /* the present configuration has it */
    bool closing;
    struct live_lane *next;
};

/* A pool that runs, or is retired and drains. */
struct live_pool {
    char *identity;
    struct pool *pool;
    struct pool_ledger *ledger; /* has its name */
    struct live_lane **lanes;
    size_t lanes_len;
    bool leaving; /* no pool of the configuration in force has its name; it stays in the
                                   registry until its targets' series have ended, or leave_ns */
    int64_t leave_ns;
    bool retired;
    struct live_pool *next;
};

struct agent {
    struct agent_options options;
    char *listen; /* as asked for when the web was started; likewise */
    struct http_server_conf web_access;
    struct registry *registry;
    struct discover *discover;
    struct web *web;

    pthread_mutex_t lock; /* guards all below; the web thread reads */
    struct config *config;
    uint64_t file_hash; /* of the text read last, good or bad */
    int64_t started_ms, loaded_ms;
    uint64_t reloads, reloads_failed;
    char *reload_error;
    bool ready, stopping;
    struct left_files *left;
    bool look_for_left;
    struct live_pool *pools;
    struct live_lane *lanes;
    struct pool_ledger *pool_ledgers;
    struct lane_ledger *lane_ledgers;

    /* of the view being shown, see view.c */
    struct view_pool *view_pools;
    struct view_lane *view_lanes;
    struct source_state *view_sources;
    struct registry_entry *view_targets;
    size_t view_targets_len;
    struct discover_candidates *view_candidates;
    struct err view_candidates_err;
    struct registry_other *view_others;
    size_t view_others_len;
    struct view_part view_memory[BUDGET_PARTS];
    struct buf view_refused;
};

/* Makes c the configuration in force (and takes it), or leaves all as it was.  */
enum status agent_apply(struct agent *a, struct config *c, struct err *err) NODISCARD;

/* For web_conf. */
void agent_view_take(void *of, struct view *v);
void agent_view_release(void *of, struct view *v);

#endif
