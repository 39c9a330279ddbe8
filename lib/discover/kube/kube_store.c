/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_store.h"

#include "buf.h"
#include "clock.h"
#include "budget.h"
#include "hash.h"
#include "idmap.h"
#include "mem.h"

enum { SELECTOR_MAX = 65536 };

struct entry {
    struct kube_object *object;
    uint64_t hash;
    uint32_t round; /* of the list that had it last, or of an event */
    size_t at;      /* index in entries */
};

struct kube_store {
    struct kube_hub *hub;
    struct kube_store *next;
    enum kube_kind kind;
    char *key; /* what is followed: stores of equal keys are the same */
    struct kube_watch *watch;
    struct kube_store_sub *subs;
    struct idmap map;
    struct entry **entries;
    size_t len, cap, bytes;
    size_t counted; /* in the budget */
    uint32_t round;
    bool synced;
};

struct kube_hub {
    unsigned refs;
    struct kube_access *access;
    struct kube_client *client;
    struct kube_store *stores;
    struct kube_hub *next;
};

static _Thread_local struct kube_hub *hubs;

/* Objects. */

static uint64_t hash_of(const char *ns, const char *name)
{
    const struct span pieces[] = {{ns, strlen(ns)}, {name, strlen(name)}};
    uint64_t high, low;
    hash_pieces(pieces, 2, &high, &low);
    return high;
}

static struct entry *find(const struct kube_store *s, const char *ns, const char *name)
{
    struct entry *e = s->len ? idmap_get(&s->map, hash_of(ns, name)) : NULL;
    bool same = e && strcmp(e->object->name, name) == 0 && strcmp(e->object->ns, ns) == 0;
    return same ? e : NULL;
}

static void tell(struct kube_store *s, const struct kube_object *now,
                 const struct kube_object *before)
{
    for (struct kube_store_sub *sub = s->subs; sub; sub = sub->next)
        sub->changed(sub->of, now, before);
}

static struct entry *add(struct kube_store *s, struct kube_object *o)
{
    struct entry *e = mem_alloc(sizeof *e);
    e->object = o;
    e->hash = hash_of(o->ns, o->name);
    if (s->len == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->entries = mem_realloc(s->entries, s->cap * sizeof(struct entry *));
    }
    e->at = s->len;
    s->entries[s->len++] = e;
    idmap_put(&s->map, e->hash, e);
    return e;
}

static void recount(struct kube_store *s)
{
    budget_count(BUDGET_DISCOVERY, &s->counted, kube_store_bytes(s));
}

static void drop(struct kube_store *s, struct entry *e)
{
    struct kube_object *o = e->object;
    idmap_remove(&s->map, e->hash);
    s->entries[e->at] = s->entries[--s->len];
    s->entries[e->at]->at = e->at;
    s->bytes -= o->bytes;
    mem_free(e);
    tell(s, NULL, o);
    kube_object_free(o);
    recount(s);
}

/* What the watch says. */

static void on_reset(void *of)
{
    struct kube_store *s = of;
    s->round++;
}

static void on_object(void *of, const cJSON *json)
{
    struct kube_store *s = of;
    struct kube_object *o = kube_object_new(s->kind, json), *before = NULL;
    if (!o)
        return;
    struct entry *e = find(s, o->ns, o->name);
    if (e) {
        before = e->object;
        e->object = o;
        s->bytes -= before->bytes;
    } else if (idmap_get(&s->map, hash_of(o->ns, o->name))) {
        kube_object_free(o); /* two names of one hash: the first stays */
        return;
    } else {
        e = add(s, o);
    }
    s->bytes += o->bytes;
    e->round = s->round;
    tell(s, o, before);
    kube_object_free(before);
    recount(s);
}

static void on_gone(void *of, const cJSON *json)
{
    struct kube_store *s = of;
    struct kube_object *o = kube_object_new(s->kind, json);
    struct entry *e = o ? find(s, o->ns, o->name) : NULL;
    if (e)
        drop(s, e);
    kube_object_free(o);
}

static void on_synced(void *of)
{
    struct kube_store *s = of;
    for (size_t i = s->len; i-- > 0;)
        if (s->entries[i]->round != s->round)
            drop(s, s->entries[i]);
    s->synced = true;
    for (struct kube_store_sub *sub = s->subs; sub; sub = sub->next)
        sub->synced(sub->of);
}

static void on_state(void *of)
{
    (void)of; /* who wants to know it, asks */
}

/* Stores. */

/* "Succeeded" and "Failed" pods never travel. */
static void add_fields(struct buf *b, const struct kube_store_conf *c)
{
    if (c->kind != KUBE_POD)
        return;
    enum status r = OK;
    if (c->node[0])
        r = buf_cat(b, "spec.nodeName=", c->node, ",", NULL);
    if (r == OK)
        (void)!buf_puts(b, "status.phase!=Succeeded,status.phase!=Failed");
}

static enum status add_path(struct buf *b, const struct kube_store_conf *c)
{
    static const struct {
        const char *group, *resource;
    } kinds[] = {
        [KUBE_POD] = {"/api/v1", "pods"},
        [KUBE_SERVICE] = {"/api/v1", "services"},
        [KUBE_SLICE] = {"/apis/discovery.k8s.io/v1", "endpointslices"},
    };
    const char *ns = c->ns[0] ? "/namespaces/" : "";
    return buf_cat(b, kinds[c->kind].group, ns, c->ns, "/", kinds[c->kind].resource, NULL);
}

static struct kube_store *store_new(struct kube_hub *h, const struct kube_store_conf *c,
                                    const char *path, const char *fields, const char *key)
{
    struct kube_store *s = mem_alloc(sizeof *s);
    s->hub = h;
    s->kind = c->kind;
    s->key = mem_strdup(key);
    idmap_init(&s->map);
    s->watch = kube_watch_new(h->client,
                              &(struct kube_watch_conf){.path = path,
                                                        .field_selector = fields,
                                                        .label_selector = c->label_selector,
                                                        .by_node = c->node[0] != '\0'},
                              (struct kube_watch_sink){.reset = on_reset,
                                                       .object = on_object,
                                                       .gone = on_gone,
                                                       .synced = on_synced,
                                                       .state = on_state,
                                                       .of = s});
    s->next = h->stores;
    h->stores = s;
    return s;
}

static void store_free(struct kube_store *s)
{
    struct kube_store **at = &s->hub->stores;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    kube_watch_free(s->watch);
    for (size_t i = 0; i < s->len; i++) {
        kube_object_free(s->entries[i]->object);
        mem_free(s->entries[i]);
    }
    mem_free(s->entries);
    budget_count(BUDGET_DISCOVERY, &s->counted, 0);
    idmap_done(&s->map);
    mem_free(s->key);
    mem_free(s);
}

struct kube_store *kube_store_join(struct kube_hub *h, const struct kube_store_conf *c,
                                   struct kube_store_sub *sub)
{
    AUTO(buf) struct buf path = BUF_INIT(SELECTOR_MAX), fields = BUF_INIT(SELECTOR_MAX);
    AUTO(buf) struct buf key = BUF_INIT(3 * SELECTOR_MAX);
    add_fields(&fields, c);
    if (add_path(&path, c) != OK ||
        buf_cat(&key, path.data, "?", fields.data, "&", c->label_selector, NULL) != OK)
        return NULL;
    struct kube_store *s = h->stores;
    while (s && strcmp(s->key, key.data) != 0)
        s = s->next;
    if (!s)
        s = store_new(h, c, path.data, fields.data, key.data);
    sub->next = s->subs;
    s->subs = sub;
    for (size_t i = 0; i < s->len; i++)
        sub->changed(sub->of, s->entries[i]->object, NULL);
    if (s->synced)
        sub->synced(sub->of);
    return s;
}

void kube_store_leave(struct kube_store *s, struct kube_store_sub *sub)
{
    struct kube_store_sub **at = &s->subs;
    while (*at != sub)
        at = &(*at)->next;
    *at = sub->next;
    if (!s->subs)
        store_free(s);
}

void kube_store_each(const struct kube_store *s,
                     void (*visit)(void *of, const struct kube_object *o), void *of)
{
    for (size_t i = 0; i < s->len; i++)
        visit(of, s->entries[i]->object);
}

const struct kube_object *kube_store_find(const struct kube_store *s, const char *ns,
                                          const char *name)
{
    const struct entry *e = find(s, ns, name);
    return e ? e->object : NULL;
}

bool kube_store_synced(const struct kube_store *s)
{
    return s->synced;
}

const struct kube_watch_state *kube_store_state(const struct kube_store *s)
{
    return kube_watch_state(s->watch);
}

size_t kube_store_bytes(const struct kube_store *s)
{
    return s->bytes + s->len * sizeof(struct entry) + s->cap * sizeof(struct entry *) +
           idmap_bytes(&s->map);
}

size_t kube_store_len(const struct kube_store *s)
{
    return s->len;
}

size_t kube_store_subscribers(const struct kube_store *s)
{
    size_t n = 0;
    for (const struct kube_store_sub *sub = s->subs; sub; sub = sub->next)
        n++;
    return n;
}

/* Hubs. */

enum status kube_hub_get(struct kube_hub **ret, struct kube_access *access, struct err *err)
{
    for (struct kube_hub *h = hubs; h; h = h->next)
        if (strcmp(h->access->identity, access->identity) == 0) {
            kube_access_free(access);
            h->refs++;
            *ret = h;
            return OK;
        }
    struct kube_client *client;
    enum status r = kube_client_new(&client, access, err);
    if (r != OK) {
        kube_access_free(access);
        return r;
    }
    struct kube_hub *h = mem_alloc(sizeof *h);
    h->refs = 1;
    h->access = access;
    h->client = client;
    h->next = hubs;
    hubs = h;
    *ret = h;
    return OK;
}

void kube_hub_unref(struct kube_hub *h)
{
    if (!h || --h->refs > 0)
        return;
    struct kube_hub **at = &hubs;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    kube_client_free(h->client);
    kube_access_free(h->access);
    mem_free(h);
}

const struct kube_access *kube_hub_access(const struct kube_hub *h)
{
    return h->access;
}

struct kube_client *kube_hub_client(struct kube_hub *h)
{
    return h->client;
}

int kube_hub_fd(const struct kube_hub *h)
{
    return kube_client_fd(h->client);
}

int64_t kube_hub_timer_ns(const struct kube_hub *h)
{
    int64_t until_ns = kube_client_timer_ns(h->client);
    for (const struct kube_store *s = h->stores; s; s = s->next) {
        int64_t timer_ns = kube_watch_timer_ns(s->watch);
        until_ns = clock_earlier(timer_ns, until_ns);
    }
    return until_ns;
}

void kube_hub_run(struct kube_hub *h)
{
    kube_client_run(h->client);
    for (struct kube_store *s = h->stores; s; s = s->next)
        if (kube_watch_timer_ns(s->watch) <= clock_mono_ns())
            kube_watch_run(s->watch);
}
