/* SPDX-License-Identifier: Apache-2.0 */
/* kube_store.h - what the API server has, kept up to date, shared by all sources that want it.
 *
 * A hub is one API server as one access sees it: a client and the collections that are followed
 * there.  A store is one collection: objects by namespace and name.  Who wants one subscribes, and
 * is told of each object that is there already, then of each change:
 *
 *     kube_hub_get(&hub, access, &err)
 *     store = kube_store_join(hub, &conf, &sub)     sub.changed for what is there, perhaps sub.synced
 *     kube_hub_run(hub)                             sub.changed, sub.synced of all subscribers
 *     kube_store_leave(store, &sub)
 *     kube_hub_unref(hub)
 *
 * Hubs belong to the thread that got them.  */
#ifndef KUBE_STORE_H
#define KUBE_STORE_H

#include "kube_object.h"
#include "kube_watch.h"

struct kube_hub;
struct kube_store;

/* The hub of this thread for that access, made if need be; takes access over, also when it fails.
 * ERR_IO: no descriptors left. */
enum status kube_hub_get(struct kube_hub **ret, struct kube_access *access,
                         struct err *err) NODISCARD;
void kube_hub_unref(struct kube_hub *h); /* NULL is fine; nobody subscribes any more */

const struct kube_access *kube_hub_access(const struct kube_hub *h);
struct kube_client *kube_hub_client(struct kube_hub *h);
int kube_hub_fd(const struct kube_hub *h);
int64_t kube_hub_timer_ns(const struct kube_hub *h);
void kube_hub_run(struct kube_hub *h); /* may be called for nothing */

struct kube_store_conf {
    enum kube_kind kind;
    const char *ns;             /* "": all */
    const char *node;           /* pods of that node only; "": all */
    const char *label_selector; /* "": all */
};

/* The subscriber's memory, until it has left. */
struct kube_store_sub {
    /* before NULL: it is new; now NULL: it is gone.  Both borrowed; now stays until the next change. */
    void (*changed)(void *of, const struct kube_object *now, const struct kube_object *before);
    void (*synced)(void *of); /* the first full list has been told */
    void *of;
    struct kube_store_sub *next; /* the store's */
};

struct kube_store *kube_store_join(struct kube_hub *h, const struct kube_store_conf *conf,
                                   struct kube_store_sub *sub);
void kube_store_leave(struct kube_store *s, struct kube_store_sub *sub);

void kube_store_each(const struct kube_store *s,
                     void (*visit)(void *of, const struct kube_object *o), void *of);
/* NULL: there is none. */
const struct kube_object *kube_store_find(const struct kube_store *s, const char *ns,
                                          const char *name);
bool kube_store_synced(const struct kube_store *s);
const struct kube_watch_state *kube_store_state(const struct kube_store *s);
size_t kube_store_bytes(const struct kube_store *s); /* of all objects */
size_t kube_store_len(const struct kube_store *s);
size_t kube_store_subscribers(const struct kube_store *s);

#endif
