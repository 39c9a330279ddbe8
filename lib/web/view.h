/* SPDX-License-Identifier: Apache-2.0 */
/* view.h - what the agent's own pages show: a snapshot, taken for one request.
 *
 * Whoever runs the agent fills it (cmd/agent); the pages only write.  All pointers are
 * borrowed and valid until the request has been answered.  */
#ifndef VIEW_H
#define VIEW_H

#include "discover.h"
#include "registry.h"
#include "pool.h"

/* A pool or lane of an earlier configuration stays in the view, as its books stay in the sums
 * of law 1: with its state as it is while it still drains, zeroed from then on. */
struct view_lane {
    const char *pool, *output, *encoder, *sink_kind, *sink;
    const struct lane_books *books;
    struct lane_state state;
    uint64_t connects;
    uint64_t duplicates; /* messages that the peer knew at their first sending */
    uint64_t resends;    /* requests that the client library sent again by itself */
    int64_t round_trip_ns;
    bool connected;
    bool gone; /* no output of the configuration in force */
    int64_t beat_age_ns;
};

struct view_pool {
    const char *name;
    const struct pool_books *books;
    struct pool_state state;
    const char *const *filters; /* names of the steps */
    size_t filters_len;
    bool gone; /* no pool of the configuration in force */
    int64_t beat_age_ns;
};

struct view_part {    /* of memory */
    const char *name; /* of budget.h: static */
    uint64_t bytes;
};

struct view_left { /* a spool with something in it, of no output */
    const char *file;
    int64_t bytes;
};

struct view_web {              /* of the server that asks: filled by web.c */
    uint64_t requests, errors; /* errors: answered with a status of 400 or above */
    uint64_t cut;              /* connections ended because they were too slow */
    uint64_t full;             /* how often no further connection could be taken */
    size_t connections;        /* now */
};

struct view {
    bool
        brief; /* set by who asks: ready, healthy and unhealthy will do, and sources while not ready */
    bool candid; /* likewise: candidates are wanted */
    const char *version, *instance, *cluster, *config_path;
    int64_t started_ms, loaded_ms;    /* wall clock; loaded: the configuration in force */
    uint64_t reloads, reloads_failed; /* taken over, refused; without the start */
    const char *reload_error;         /* of the last reload; NULL: it was good */
    bool ready;                       /* every source has synced once */
    bool healthy;
    const char *unhealthy; /* which thread does not beat; NULL: none */
    struct registry_books registry;
    int64_t registry_beat_age_ns, discover_beat_age_ns;
    const struct source_state *sources;
    size_t sources_len;
    const struct view_pool *pools;
    size_t pools_len;
    const struct view_lane *lanes;
    size_t lanes_len;
    const struct registry_entry *targets;
    size_t targets_len;
    const char *refused_targets;                  /* lines, see discover_refused */
    const struct discover_candidates *candidates; /* NULL: not wanted, or not to be had */
    const char *candidates_error;                 /* why; else NULL */
    const struct registry_other *others;
    size_t others_len;
    const struct view_left *left; /* as of the configuration in force */
    size_t left_len;
    uint64_t left_bytes; /* of all */
    const struct view_part *memory;
    size_t memory_len;
    uint64_t memory_used, memory_peak, memory_bound;
    uint64_t memory_waiting; /* scrapes */
    uint64_t allocations;    /* mem_count */
    uint64_t regex_limited;  /* regex_limited */
    struct view_web web;
};

#endif
