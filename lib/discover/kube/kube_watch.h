/* SPDX-License-Identifier: Apache-2.0 */
/* kube_watch.h - follows one collection of objects: list, then watch, for ever.
 *
 *     start ──► streaming list (sendInitialEvents) ──► watch ──► again from the last version
 *        └────► list, in pages or at version 0     ──┘   │
 *        ▲                                               │ 410, or the server lost its history
 *        └───────────────── relist, after a while ◄──────┘
 *
 * Which list: streaming where the server has it (tried first).  A server that refuses it (400, 422, an
 * ERROR event, a bookmark before the one that marks the end) is not asked for it again as long as
 * the watch is; where it fails three times in a row, the next list is a plain one.  Else, with a
 * field selector that picks a node, one list at resourceVersion=0 without limit: pages would bypass
 * the server's cache.  Else pages of 500; a 410 on a page goes on with the token that came with it,
 * or starts anew.  The watch then begins where the first page was; when even that has expired,
 * lists are from then on without limit at resourceVersion=0, too.
 *
 * A watch asks for bookmarks and for timeoutSeconds between 5 and 10 minutes, at random; the version
 * of the last event or bookmark is where the next one begins, at once, unless the server ended it
 * within 5 s: that counts as a failure.  No byte for longer than the bookmarks' rhythm (about a
 * minute; conf.quiet_ns) and the connection counts as dead.
 *
 * Failures back off, and what all agents see at once (the server away, 410) is spread over
 * conf.spread_ns, as kube_pace.h says.  The very first start waits for nothing.  What is known stays
 * known meanwhile.
 *
 * Said to the sink, in order: RESET when a full list begins (what was known stays until SYNCED), an
 * OBJECT or GONE each, SYNCED when the list is complete: what was not said since RESET is gone.  A list that
 * breaks off is followed by another RESET.  One thread; sink calls come from within
 * kube_client_run and kube_watch_run, and may not free the watch.  */
#ifndef KUBE_WATCH_H
#define KUBE_WATCH_H

#include "kube_client.h"

#include <cjson/cJSON.h>

struct kube_watch_conf {
    const char *path;           /* "/api/v1/pods", "/api/v1/namespaces/x/pods", ... */
    const char *field_selector; /* "spec.nodeName=n1,status.phase!=Failed,..."; "": none */
    const char *label_selector; /* "": none */
    bool by_node;               /* field_selector picks a node: never limit */
    int64_t quiet_ns;           /* 0: 90 s */
    int64_t spread_ns;          /* 0: 30 s */
};

struct kube_watch_sink {
    void (*reset)(void *of);
    /* object is metadata, spec, ...: borrowed, freed afterwards. */
    void (*object)(void *of, const cJSON *object);
    /* DELETED: the object as it last was. */
    void (*gone)(void *of, const cJSON *object);
    void (*synced)(void *of);
    /* state.fault has changed: status OK means it works again. */
    void (*state)(void *of);
    void *of;
};

struct kube_watch_state {
    bool synced;      /* a full list has been seen, once */
    bool streaming;   /* the server has streaming lists, as far as is known */
    bool watching;    /* a watch is open now */
    struct err fault; /* of the last attempt; OK: none.  410 is none */
    /* lists and watches: begun, a streaming list being a list; expired: 410 */
    uint64_t lists, watches, events, bookmarks, expired;
    uint64_t oversize, bad; /* objects left out */
    int64_t heard_ns;       /* when the last byte came: monotonic; 0: never */
};

struct kube_watch;

/* Copies conf; client outlives it.  Starts at the next kube_watch_run. */
struct kube_watch *kube_watch_new(struct kube_client *client, const struct kube_watch_conf *conf,
                                  struct kube_watch_sink sink);
void kube_watch_free(struct kube_watch *w); /* NULL is fine */

int64_t kube_watch_timer_ns(
    const struct kube_watch *w);           /* when run is to be called; DEADLINE_NEVER */
void kube_watch_run(struct kube_watch *w); /* may be called for nothing */
const struct kube_watch_state *kube_watch_state(const struct kube_watch *w);

#endif
