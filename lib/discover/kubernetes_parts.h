/* SPDX-License-Identifier: Apache-2.0 */
/* kubernetes_parts.h - what the files of the source kubernetes share: its state, and how it looks at
 * objects.
 *
 * Part of kubernetes.c.  Discovery thread.  */
#ifndef KUBERNETES_PARTS_H
#define KUBERNETES_PARTS_H

#include "clock.h"
#include "kube_store.h"
#include "kubernetes_conf.h"
#include "kubernetes_diff.h"
#include "lease_share.h"

enum { KUBERNETES_REFUSED_BYTES = 16384 };
/* So often the lines of what is refused are made anew. */
#define KUBERNETES_REFUSED_NS (1 * SEC_NS)

/* A collection that is followed, in one namespace. */
struct follow {
    struct kubernetes *k;
    struct kube_store_sub sub;
    struct kube_store *store;
    enum kube_kind kind;
    bool synced;
};

struct kubernetes {
    struct kubernetes_conf conf;
    struct kube_found_conf found;
    const struct source_env *env;
    struct diff diff;
    struct kube_hub *hub;      /* NULL: not connected yet */
    struct lease_share *share; /* NULL: none */
    struct kube_lease *lease;  /* of it */
    struct follow *follows;
    size_t len;
    char *selector;
    int epoll_fd;
    int64_t retry_ns;
    struct err fault; /* of connecting; status OK: none */
    struct err said;  /* what ready returned last */
    bool held;        /* role service: the lease is ours, or we only look */
    struct buf refused;
    int64_t refused_ns; /* when those lines were made; 0: never */
    bool refused_stale;
};

/* What is found at an object, or at two that belong together, to g.  A NULL object: nothing. */
void kubernetes_gather_pod(struct kubernetes *k, const struct kube_object *pod, struct gathered *g);
void kubernetes_gather_service(struct kubernetes *k, const struct kube_object *service,
                               struct gathered *g); /* nothing without the lease */
void kubernetes_gather_pair(struct kubernetes *k, const struct kube_object *service,
                            const struct kube_object *pod, struct gathered *g);
void kubernetes_gather_slice(struct kubernetes *k, const struct kube_object *service,
                             const struct kube_object *slice, struct gathered *g);

/* Role endpoints: whether a pod or slice may belong to the service (NULL: no).  A pod need only be of
 * its namespace. */
bool kubernetes_is_of(const struct kube_object *service, const struct kube_object *other);
/* A slice says whose it is by the service's name.  NULL: it is not there. */
const struct kube_object *kubernetes_service_of(struct kubernetes *k,
                                                const struct kube_object *slice);

/* All services, or all other objects. */
void kubernetes_each_of(struct kubernetes *k, bool services,
                        void (*visit)(void *of, const struct kube_object *o), void *of);

/* All there is, once more: for people, for those above the bound when there is room again, and when the
 * lease comes or goes.  use gets what is found at one object, or at two; with role service as though
 * the lease were ours. */
void kubernetes_look_at_all(struct kubernetes *k, void (*use)(void *of, struct gathered *g),
                            void *of);

/* As source_ops has them. */
size_t kubernetes_refused(const void *self, struct buf *out);
size_t kubernetes_candidates(const void *self, const struct source_candidates *to);
bool kubernetes_watching(const void *self, struct source_watching *ret);

#endif
