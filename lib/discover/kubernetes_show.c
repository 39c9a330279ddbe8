/* SPDX-License-Identifier: Apache-2.0 */
/* kubernetes_show.c - what became of each object, for people, and what the watches do. */
#include "clock.h"
#include "kubernetes_parts.h"

/* What is refused by a fault. */

static void add_refused(void *of, struct gathered *g)
{
    struct kubernetes *k = of;
    for (size_t i = 0; i < g->len; i++) {
        const struct gathered_one *one = &g->all[i];
        bool above = one->target && !tell_has(&k->diff.tell, one->target->id);
        if (!one->unasked && (!one->target || above) &&
            buf_cat(&k->refused, one->id, ": ", above ? "above the bound of targets" : one->why,
                    "\n", NULL) != OK)
            return;
    }
}

size_t kubernetes_refused(const void *self, struct buf *out)
{
    struct kubernetes *k = (struct kubernetes *)self; /* the lines are a cache */
    size_t n = k->diff.refused + k->diff.excess;
    int64_t now_ns = clock_mono_ns();
    if (n == 0)
        return 0;
    if (k->refused_stale && now_ns - k->refused_ns >= KUBERNETES_REFUSED_NS) {
        k->refused_ns = now_ns;
        k->refused_stale = false;
        buf_truncate(&k->refused, 0);
        kubernetes_look_at_all(k, add_refused, k);
    }
    (void)!buf_puts(out, k->refused.data);
    return n;
}

/* Everything. */

struct show {
    struct kubernetes *k;
    const struct source_candidates *to;
    const struct kube_object *o; /* whose counterparts are looked for */
    bool matched;
    char lease[400]; /* why no service is a target; "": the lease is ours */
};

static void show_one(const struct show *w, const char *id, const char *url, const char *why)
{
    w->to->one(w->to->of, &(struct source_candidate){.id = id, .url = url, .why = why});
}

static void show_gathered(void *of, struct gathered *g)
{
    const struct show *w = of;
    for (size_t i = 0; i < g->len; i++) {
        const struct gathered_one *one = &g->all[i];
        const char *why = one->why;
        if (one->target && w->lease[0])
            why = w->lease;
        else if (one->target && !tell_has(&w->k->diff.tell, one->id))
            why = "above the bound of targets";
        show_one(w, one->id, one->target ? one->target->url : NULL, why);
    }
}

static void show_lonely(const struct show *w, const struct kube_object *o, const char *why)
{
    char id[520];
    snprintf(id, sizeof id, "%.253s/%.253s", o->ns, o->name);
    show_one(w, id, NULL, why);
}

static void match(void *of, const struct kube_object *other)
{
    struct show *w = of;
    bool service = w->o->kind == KUBE_SERVICE;
    const struct kube_object *s = service ? w->o : other, *o = service ? other : w->o;
    w->matched = w->matched || (o->kind == KUBE_POD ? kube_selects(s, o) : kubernetes_is_of(s, o));
}

static bool has_match(struct show *w, const struct kube_object *o)
{
    w->o = o;
    w->matched = false;
    kubernetes_each_of(w->k, o->kind != KUBE_SERVICE, match, w);
    return w->matched;
}

static void show_lonely_service(void *of, const struct kube_object *service)
{
    struct show *w = of;
    if (has_match(w, service))
        return;
    bool pods = w->k->conf.node[0] != '\0';
    show_lonely(w, service,
                !pods                        ? "no EndpointSlice"
                : service->selector_len == 0 ? "it has no selector"
                                             : "no pod of this node matches its selector");
}

static void show_lonely_other(void *of, const struct kube_object *other)
{
    struct show *w = of;
    if (other->kind == KUBE_POD && !has_match(w, other))
        show_lonely(w, other, "no service that is followed selects it");
    else if (other->kind == KUBE_SLICE && !kubernetes_service_of(w->k, other))
        show_lonely(w, other, "its service is not there, or not followed");
    else if (other->kind == KUBE_SLICE && other->endpoints_len == 0)
        show_lonely(w, other, "the EndpointSlice has no endpoints");
}

static void explain_lease(struct show *w)
{
    const struct kubernetes *k = w->k;
    const char *holder = k->lease ? kube_lease_holder(k->lease) : "";
    if (k->conf.role != ROLE_SERVICE || k->held)
        return;
    snprintf(w->lease, sizeof w->lease, "the lease is held by %.330s",
             holder[0] ? holder : "nobody, as far as is known");
}

size_t kubernetes_candidates(const void *self, const struct source_candidates *to)
{
    struct show w = {.k = (struct kubernetes *)self, .to = to}; /* looking uses its memory */
    explain_lease(&w);
    kubernetes_look_at_all(w.k, show_gathered, &w);
    if (w.k->conf.role != ROLE_ENDPOINTS)
        return 0;
    kubernetes_each_of(w.k, true, show_lonely_service, &w);
    kubernetes_each_of(w.k, false, show_lonely_other, &w);
    return 0;
}

/* The watches. */

bool kubernetes_watching(const void *self, struct source_watching *ret)
{
    const struct kubernetes *k = self;
    if (!k->hub)
        return false;
    struct source_watching w = {.collections = k->len, .leased = k->lease != NULL};
    for (size_t i = 0; i < k->len; i++) {
        const struct kube_watch_state *s = kube_store_state(k->follows[i].store);
        w.synced += kube_store_synced(k->follows[i].store);
        w.watching += s->watching;
        w.lists += s->lists;
        w.watches += s->watches;
        w.events += s->events;
        w.bookmarks += s->bookmarks;
        w.expired += s->expired;
        w.left_out += s->oversize + s->bad;
        w.objects += kube_store_len(k->follows[i].store);
        w.object_bytes +=
            kube_store_bytes(k->follows[i].store) / kube_store_subscribers(k->follows[i].store);
    }
    struct kube_client_books books = kube_client_books(kube_hub_client(k->hub));
    w.requests = books.calls;
    w.requests_failed = books.failed;
    w.received_bytes = books.bytes;
    *ret = w;
    return true;
}
