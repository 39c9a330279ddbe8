/* SPDX-License-Identifier: Apache-2.0 */
/* source.h - what a source of targets is.
 *
 * A source knows what there is to scrape: the Kubernetes API, a file, a fixed
 * list.  To add one: write lib/discover/NAME.c defining `const struct source_ops
 * source_NAME`, and add SOURCE(NAME) to the list in sources.h.
 *
 * All sources live in one thread, on one epoll loop.  A source names a descriptor
 * and a time; when the one is readable or the other has come, ready is called, does
 * what can be done without waiting, and hands on what has changed:
 *
 *     wait until fd(self) is readable, or until timer_ns(self), for every source
 *     ready(self, emit, &err)          emit->call(emit->to, &event), for each change
 *
 * Threads: the discovery thread makes all calls; self needs no lock.  No call may
 * wait for a peer, a lock that another thread holds for long, or the channel behind
 * emit.  */
#ifndef SOURCE_H
#define SOURCE_H

#include "http.h"
#include "relabel.h"
#include "setting.h"
#include "target_event.h"

/* What an operator says of every source, whatever its kind. */
struct source_common {
    char *name;
    char *pool;
    int64_t interval, timeout; /* ns; timeout 0: source_timeout */
    int64_t min_interval;      /* ns; what a target itself may ask for */
    int64_t targets;           /* the most of this source; the rest is refused */
    int64_t sample_limit;      /* of each target; 0: as its pool says */
    bool honor_labels, honor_timestamps;
    struct http_conf http;
    struct group_list relabel; /* of struct relabel_rule_conf */
};
extern const struct setting source_settings[]; /* of struct source_common */

/* The default of timeout: 10s, or the interval if that is less. */
int64_t source_timeout(int64_t interval_ns);

/* Who the agent is; the same for all sources. */
struct source_agent {
    const char *instance, *cluster;
    const struct text_map *labels; /* agent.labels */
    bool
        looks; /* it only looks around: a source takes nothing that another agent would then lack */
};

/* What open gets; outlives the source. */
struct source_env {
    uint32_t number; /* of the source, for its events; no other of this process has it */
    const struct source_common *common;
    struct source_agent agent;
    struct http *http;       /* made of common->http */
    struct relabel *relabel; /* made of common->relabel; NULL: no rules */
};

#define SOURCE_URL_MAX    2048  /* bytes of a target's URL */
#define SOURCE_VALUE_MAX  4096  /* bytes of one label's value */
#define SOURCE_LABELS_MAX 16384 /* bytes of all names and values of one target */

/* A target of a source.  url is checked and made whole:
 *     http://h:9100/metrics    https://[::1]:8443/m?a=b    as it stands; host in lower case
 *     h:9100                   http://h:9100/metrics
 *     h                        the scheme's port: http://h:80/metrics
 * Where url has no scheme, or no path, those of own's labels __scheme__ and
 * __metrics_path__ count before the defaults; each __param_NAME is added to the query.  Other
 * labels whose name starts with __ are left out.  No credentials, no fragment; spaces and
 * what is beyond ASCII are written as %XX.
 *
 * Labels can ask for more: __scrape_interval__, __scrape_timeout__ (durations) and
 * __sample_limit__ (a number), within what the source's settings allow: min_interval or more,
 * sample_limit or less; and __scrape_mode__ (strict, salvage, auto) in place of the pool's mode.
 *
 * The id is that of found, else the URL made whole; where its host is the machine itself or its link
 * (loopback, link-local, unspecified, localhost) it is "INSTANCE/URL" with agent.instance, for other
 * agents have a target of the same URL.
 *
 * Rules of env (relabel.h) run first.  They see the labels given, __address__, __scheme__,
 * __metrics_path__, __scrape_interval__, __scrape_timeout__ and job; a URL is taken apart for them, and
 * made anew of what they leave.
 *
 * Labels are put together, each only where none of the same name came before: those given,
 * then instance (host:port), job (the source's name), agent.labels, cluster.  A label with
 * an empty value takes the name and leaves the label out.
 *
 * OK with *ret NULL: a rule drops it, *err says which one.  ERR_INVALID: no such URL, plain http where
 * found has an id (so the scheme is not the operator's) and the source has credentials and verifies, a bad name or value of a
 * label, more than TARGET_LABELS, an interval or limit that is not allowed; *err does not repeat the
 * URL, which may hold a secret by mistake.  Any thread. */
struct source_found {
    const char *id;             /* NULL: made of the URL */
    const char *url;            /* NULL: made of the label __address__ */
    const struct label *labels; /* no name twice */
    size_t len;
};
enum status source_found_target(const struct source_env *env, const struct source_found *found,
                                struct target **ret, struct err *err) NODISCARD;

/* Likewise, of a URL with labels as they are configured (own; NULL: none). */
enum status source_target(const struct source_env *env, const char *url, const struct text_map *own,
                          struct target **ret, struct err *err) NODISCARD;

/* Something found, for people: what became of it. */
struct source_candidate {
    const char *id;  /* of the target, where it is one */
    const char *url; /* NULL: not known */
    const char *why; /* why it is no target; NULL: it is one */
};
struct source_candidates {
    void (*one)(void *of, const struct source_candidate *c); /* borrowed */
    void *of;
};

/* What a source does that follows a peer by watches, for people; counted since it has connected.  What
 * several sources share is counted at each of them, but for object_bytes, of which each has its share. */
struct source_watching {
    uint64_t collections, synced, watching; /* followed; first list seen; a watch is open: now */
    uint64_t lists, watches, events, bookmarks;
    uint64_t expired;  /* the server's history did not reach back (410) */
    uint64_t left_out; /* objects too large, or not to be read */
    uint64_t objects, object_bytes;
    uint64_t requests, requests_failed, received_bytes;
    bool leased; /* what it has it has by a lease, which another agent takes when it is closed */
};

struct source_ops {
    const char *name;               /* key in the YAML */
    const char *help;               /* one line */
    const struct setting *settings; /* ends with SETTING_END */
    size_t conf_size;

    /* As sink_ops.check; env->http may be NULL. */
    void (*check)(const void *conf, const struct source_env *env,
                  const struct setting_report *report);

    /* Whether it may have to start a program (confine.h).  NULL: never. */
    bool (*starts_programs)(const void *conf);

    /* As sink_ops.open: checks and copies conf, does not connect.  ERR_INVALID refuses the
     * configuration; ERR_IO: no descriptor left. */
    enum status (*open)(void **ret_self, const void *conf, const struct source_env *env,
                        struct err *err);

    /* Readable when ready is to be called; the same descriptor until close, so one
     * with several connections gives an epoll descriptor of its own.  -1: none. */
    int (*fd)(const void *self);

    /* When ready is to be called though fd is quiet: monotonic, DEADLINE_NOW: at once,
     * DEADLINE_NEVER: not at all.  Asked after open and after each ready.  Backing off
     * from a peer that fails is done by this. */
    int64_t (*timer_ns)(const void *self);

    /* Does what can be done now.  May be called for nothing.
     *   OK            all is well
     *   ERR_AGAIN     emit said so
     *   ERR_IO, ERR_TIMEOUT
     *                 the peer failed; the source tries again by its timer, and picks
     *                 up where it was or says TARGET_RESYNC.  Known targets stay
     *   ERR_DENIED    no permission (RBAC); likewise, but shown to the operator
     *   ERR_INVALID, ERR_LIMIT
     *                 a part of what there is to read is faulty or too large (a file); the rest
     *                 goes on
     *   ERR_CLOSED    no more will ever come (a fixed list, after its SYNCED), or emit
     *                 said so: ready is not called again; known targets stay */
    enum status (*ready)(void *self, const struct target_emit *emit, struct err *err) NODISCARD;

    /* Targets that it would not take (a bad URL, above the bound of targets), for
     * /targets: lines "target: why" behind what out holds, as many as fit.  Asked after open
     * and after each ready.  NULL: none ever.  Returns how many there are. */
    size_t (*refused)(const void *self, struct buf *out);

    /* All that was found, one call each: targets, and what is none with the reason, a fault or not.
     * Returns how many more there are that it has forgotten.  Asked now and then, between two
     * readys.  NULL: nothing is known but the targets. */
    size_t (*candidates)(const void *self, const struct source_candidates *to);

    /* False: not connected yet.  Asked after open and after each ready.  NULL: it follows nothing. */
    bool (*watching)(const void *self, struct source_watching *ret);

    /* Frees self.  Says nothing about its targets: who closes a source, removes them.  One that holds what
     * another agent waits for may take a second to give it up. */
    void (*close)(void *self);
};

#endif
