/* SPDX-License-Identifier: Apache-2.0 */
/* kubernetes_look.c - what is found at the objects that are followed. */
#include "kubernetes_parts.h"

void kubernetes_gather_pod(struct kubernetes *k, const struct kube_object *pod, struct gathered *g)
{
    if (pod)
        kube_found_pod(&k->found, pod, gathered_sink(g));
}

void kubernetes_gather_service(struct kubernetes *k, const struct kube_object *service,
                               struct gathered *g)
{
    if (service && k->held)
        kube_found_service(&k->found, service, gathered_sink(g));
}

void kubernetes_gather_pair(struct kubernetes *k, const struct kube_object *service,
                            const struct kube_object *pod, struct gathered *g)
{
    if (service && pod && kube_selects(service, pod))
        kube_found_selected(&k->found, service, pod, gathered_sink(g));
}

void kubernetes_gather_slice(struct kubernetes *k, const struct kube_object *service,
                             const struct kube_object *slice, struct gathered *g)
{
    if (service && slice)
        kube_found_slice(&k->found, service, slice, gathered_sink(g));
}

bool kubernetes_is_of(const struct kube_object *service, const struct kube_object *other)
{
    return service && strcmp(service->ns, other->ns) == 0 &&
           (other->kind == KUBE_POD || strcmp(service->name, other->service) == 0);
}

void kubernetes_each_of(struct kubernetes *k, bool services,
                        void (*visit)(void *of, const struct kube_object *o), void *of)
{
    for (size_t i = 0; i < k->len; i++)
        if (k->follows[i].store && (k->follows[i].kind == KUBE_SERVICE) == services)
            kube_store_each(k->follows[i].store, visit, of);
}

const struct kube_object *kubernetes_service_of(struct kubernetes *k,
                                                const struct kube_object *slice)
{
    const struct kube_object *found = NULL;
    for (size_t i = 0; slice && i < k->len && !found; i++)
        if (k->follows[i].store && k->follows[i].kind == KUBE_SERVICE)
            found = kube_store_find(k->follows[i].store, slice->ns, slice->service);
    return found;
}

/* All there is, once more. */

struct look_all {
    struct kubernetes *k;
    void (*use)(void *of, struct gathered *g);
    void *of;
    const struct kube_object *service;
};

static void used(const struct look_all *l, struct gathered *g)
{
    l->use(l->of, g);
    gathered_reset(g);
}

static void look_other(void *of, const struct kube_object *other)
{
    const struct look_all *l = of;
    struct gathered *g = &l->k->diff.sides[1];
    if (!kubernetes_is_of(l->service, other))
        return;
    if (other->kind == KUBE_POD)
        kubernetes_gather_pair(l->k, l->service, other, g);
    else
        kubernetes_gather_slice(l->k, l->service, other, g);
    used(l, g);
}

static void look_one(void *of, const struct kube_object *o)
{
    struct look_all *l = of;
    struct gathered *g = &l->k->diff.sides[1];
    switch ((enum kubernetes_role)l->k->conf.role) {
    case ROLE_POD: kubernetes_gather_pod(l->k, o, g); break;
    case ROLE_SERVICE: kube_found_service(&l->k->found, o, gathered_sink(g)); break;
    case ROLE_ENDPOINTS:
        l->service = o;
        kubernetes_each_of(l->k, false, look_other, l);
        return;
    }
    used(l, g);
}

void kubernetes_look_at_all(struct kubernetes *k, void (*use)(void *of, struct gathered *g),
                            void *of)
{
    struct look_all l = {.k = k, .use = use, .of = of};
    kubernetes_each_of(k, k->conf.role != ROLE_POD, look_one, &l);
}
