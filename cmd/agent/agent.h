/* SPDX-License-Identifier: Apache-2.0 */
/* agent.h - the running agent: everything a configuration asks for, and its replacement.
 *
 *     agent_new(&a, &options, &faults, &err)  start
 *     agent_reload(a)                         SIGHUP, changed file
 *     agent_tick(a)                           lets go what a reload has replaced
 *     agent_stop(a, ...)                      drains and stops, then agent_free
 *
 * Threads: the main thread makes all calls; the web thread takes views, under the lock.  */
#ifndef AGENT_H
#define AGENT_H

#include "config.h"
#include "web.h"

#define AGENT_MAX_TARGETS 200000 /* of all sources */
#define AGENT_TICK_NS     (50 * INT64_C(1000000))

struct agent_options {
    const char *path;      /* of the configuration */
    const char *listen;    /* in place of agent.listen; NULL: as configured */
    const char *log_level; /* likewise of agent.log.level; NULL */
};

/* What came in and what became of it, since start. */
struct agent_account {
    uint64_t scrapes, failures; /* jobs */
    uint64_t samples;           /* read from pages */
    uint64_t filtered, refused;
    uint64_t encoded, delivered, skipped, lost, left; /* records of all outputs; left: on disk */
    int64_t jobs_balance, samples_balance, records_balance; /* 0 at rest: law 1 */
};

struct agent;

/* Faults of the file go to *faults; anything else that keeps the agent from starting to *err.  ERR_INVALID:
 * the configuration; else the system. */
enum status agent_new(struct agent **ret, const struct agent_options *options,
                      struct faults *faults, struct err *err) NODISCARD;

const struct agent_conf *agent_conf(const struct agent *a); /* in force; until the next reload */
bool agent_starts_programs(const struct agent *a); /* a source of it may have to (source.h) */
const char *agent_url(const struct agent *a);      /* of its own HTTP, or "" */

/* Reads the file again and replaces what has changed.  A file with faults changes nothing, is
 * logged and shown at /status. */
void agent_reload(struct agent *a);

/* Whether the file's content differs from what was read last. */
bool agent_file_changed(const struct agent *a);

/* To be called every AGENT_TICK_NS while agent_is_changing. */
void agent_tick(struct agent *a);
bool agent_is_changing(const struct agent *a);

/* Whether so many replaced outputs still drain that another reload had better wait: what one
 * reload leaves behind is bounded by agent.grace, what many leave behind by this. */
bool agent_is_crowded(const struct agent *a);

/* No new scrape begins; what is under way is finished and delivered within agent.grace.
 * pause(of) is called again and again: it waits a moment, and returns true when the rest is to be
 * cut short.  False: cut short, and something could not be closed even so (a disk or a server that
 * hangs); the process had better end without agent_free. */
bool agent_stop(struct agent *a, bool (*pause)(void *of), void *of);

struct agent_account agent_account(struct agent *a);
void agent_free(struct agent *a); /* after agent_stop; NULL is fine */

#endif
