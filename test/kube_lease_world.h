/* SPDX-License-Identifier: Apache-2.0 */
/* kube_lease_world.h - an API server with one lease, the network before it, and agents with clocks of
 * their own, in time that only the test moves.
 *
 * Takes the place of kube_client.c, kube_watch.c and kube_pace.c.  Messages take from low_ns to high_ns, are lost in so many
 * of 100 cases, and arrive even when the agent has given their call up.  An agent that is paused does
 * nothing, and finds what has arrived when it goes on; one that is dead does nothing ever. */
#ifndef KUBE_LEASE_WORLD_H
#define KUBE_LEASE_WORLD_H

#include "clock.h"
#include "kube_lease.h"
#include "kube_pace.h"
#include "kube_watch.h"
#include "mem.h"
#include "test.h"

#define TICK_NS  (10 * MS_NS)
#define LASTS_NS (12 * SEC_NS)
#define START_MS INT64_C(1795271160000)
#define LEASES   "/apis/coordination.k8s.io/v1/namespaces/strata/leases"
#define AGENTS   200
#define NEWS_MAX 64

struct kube_client {
    struct agent *agent;
};

struct kube_call {
    struct agent *agent;
    struct kube_request request;
    uint64_t id;
    int64_t until_ns;  /* by the agent's clock */
    int64_t answer_ns; /* when the answer arrives; 0: none is under way */
    int code;
    int64_t retry_after_ns;
    char *answer;
};

/* What a watch is going to tell. */
struct news {
    int64_t at_ns;
    char what; /* r: reset, o: object, g: gone, s: synced */
    char *text;
};

struct kube_watch {
    struct agent *agent;
    struct kube_watch_sink sink;
    struct kube_watch_state state;
    struct news news[NEWS_MAX];
    size_t len;
    bool started;
    int64_t back_ns; /* cut until then; 0: connected */
    int64_t last_ns; /* when the last news arrives: none overtakes another */
};

struct agent {
    struct world *world;
    char name[32];
    struct kube_client client;
    struct kube_lease *lease; /* NULL: there is none */
    struct kube_watch *watch;
    struct kube_call *call;
    bool dead, suspended, arrived, stopping, stopped;
    int64_t paused_ns; /* does nothing until then */
    int64_t ahead_ns;  /* of the monotonic clock, to true time */
    int64_t ahead_ms;  /* of the wall clock */
    unsigned lives, changes;
};

/* A request on its way. */
struct message {
    int64_t at_ns;
    uint64_t call;
    struct agent *agent;
    const char *method;
    char *path, *body;
    struct message *next;
};

struct world {
    int64_t now_ns; /* true time */
    uint64_t seed, calls;
    int64_t low_ns, high_ns;
    unsigned lost; /* of 100 */
    bool down;     /* the server: nothing is answered */
    bool meddled;  /* somebody else wrote the lease */
    int refuse;    /* with this code; 0: it does not */
    int64_t retry_after_ns;
    struct message *messages;
    cJSON *lease; /* NULL: absent */
    uint64_t version;
    unsigned gets, puts, posts, conflicts;
    struct agent agents[AGENTS];
    size_t len;
    size_t most_held; /* at any moment */
};

/* splitmix64 */
static inline uint64_t roll(struct world *w)
{
    uint64_t z = (w->seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline int64_t between(struct world *w, int64_t low, int64_t high)
{
    return low + (int64_t)(roll(w) % (uint64_t)(high - low + 1));
}

static inline bool one_in(struct world *w, unsigned n)
{
    return roll(w) % n == 0;
}

static inline bool is_lost(struct world *w)
{
    return roll(w) % 100 < w->lost;
}

static inline int64_t arrival(struct world *w)
{
    return w->now_ns + between(w, w->low_ns, w->high_ns);
}

static inline int64_t mono_of(const struct agent *a)
{
    return a->world->now_ns + a->ahead_ns;
}

static inline void hold_clock(const struct agent *a)
{
    clock_hold(mono_of(a), START_MS + a->world->now_ns / MS_NS + a->ahead_ms);
}

static inline bool says_held(const struct agent *a)
{
    hold_clock(a);
    return a->lease && !a->dead && kube_lease_held(a->lease);
}

/* The server. */

static inline cJSON *lease_at(const struct world *w, const char *part, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(w->lease, part), key);
}

static inline const char *lease_text(const struct world *w, const char *key)
{
    const cJSON *v = lease_at(w, "spec", key);
    return cJSON_IsString(v) ? v->valuestring : "";
}

static inline double lease_number(const struct world *w, const char *key)
{
    const cJSON *v = lease_at(w, "spec", key);
    return cJSON_IsNumber(v) ? v->valuedouble : -1;
}

static inline void add_news(struct kube_watch *k, char what, const cJSON *object)
{
    struct world *w = k->agent->world;
    int64_t at_ns = arrival(w);
    if (k->len == NEWS_MAX)
        abort(); /* more than any pause brings */
    k->last_ns = at_ns > k->last_ns ? at_ns : k->last_ns;
    k->news[k->len++] = (struct news){
        .at_ns = k->last_ns, .what = what, .text = object ? cJSON_PrintUnformatted(object) : NULL};
}

static inline void tell_all(struct world *w, char what)
{
    for (size_t i = 0; i < w->len; i++) {
        struct agent *a = &w->agents[i];
        if (a->lease && !a->dead && a->watch->started && a->watch->back_ns == 0)
            add_news(a->watch, what, w->lease);
    }
}

static inline void tell_list(struct kube_watch *k)
{
    add_news(k, 'r', NULL);
    if (k->agent->world->lease)
        add_news(k, 'o', k->agent->world->lease);
    add_news(k, 's', NULL);
}

/* w->lease is another one, or has changed. */
static inline void write_lease(struct world *w, cJSON *lease)
{
    char version[24];
    snprintf(version, sizeof version, "%" PRIu64, ++w->version);
    cJSON *meta = cJSON_GetObjectItemCaseSensitive(lease, "metadata");
    cJSON_DeleteItemFromObjectCaseSensitive(meta, "resourceVersion");
    cJSON_AddStringToObject(meta, "resourceVersion", version);
    if (lease != w->lease)
        cJSON_Delete(w->lease);
    w->lease = lease;
    tell_all(w, 'o');
}

static inline void delete_lease(struct world *w)
{
    write_lease(w, w->lease);           /* the version of what is gone is the newest */
    for (size_t i = 0; i < w->len; i++) /* and nobody was told of that */
        if (w->agents[i].lease && w->agents[i].watch->len > 0)
            w->agents[i].watch->news[w->agents[i].watch->len - 1].what = 'g';
    cJSON_Delete(w->lease);
    w->lease = NULL;
}

/* What the lease says when an agent has written it. */
static inline void check_written(const struct world *w, const char *before, const char *acquired,
                                 double transitions)
{
    const char *holder = lease_text(w, "holderIdentity"), *renew = lease_text(w, "renewTime");
    CHECK_INT(strlen(renew), strlen("2026-11-21T10:00:00.123456Z"));
    CHECK(renew[10] == 'T' && renew[19] == '.' && renew[26] == 'Z');
    CHECK_DBL(lease_number(w, "leaseDurationSeconds"), *holder ? LASTS_NS / SEC_NS : 1);
    bool taken = *holder && strcmp(before, holder) != 0;
    CHECK_DBL(lease_number(w, "leaseTransitions"), transitions + taken);
    if (taken)
        CHECK_STR(lease_text(w, "acquireTime"), renew);
    else
        CHECK_STR(lease_text(w, "acquireTime"), acquired);
}

static inline int serve_write(struct world *w, const struct message *m, bool create)
{
    cJSON *lease = cJSON_Parse(m->body);
    CHECK(lease != NULL);
    cJSON *meta = cJSON_GetObjectItemCaseSensitive(lease, "metadata");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(meta, "resourceVersion");
    uint64_t of = cJSON_IsString(version) ? strtoull(version->valuestring, NULL, 10) : 0;
    CHECK(create || of > 0);
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(meta, "name");
    CHECK_STR(name ? name->valuestring : "", "clusterips");
    const cJSON *now = lease_at(w, "metadata", "resourceVersion");
    bool match = create ? !w->lease : now && strtoull(now->valuestring, NULL, 10) == of;
    if (!match) {
        cJSON_Delete(lease);
        w->conflicts += create || w->lease;
        return create || w->lease ? 409 : 404;
    }
    char *before = mem_strdup(w->lease ? lease_text(w, "holderIdentity") : "");
    char *acquired = mem_strdup(w->lease ? lease_text(w, "acquireTime") : "");
    double transitions = w->lease ? lease_number(w, "leaseTransitions") : -1;
    write_lease(w, lease);
    check_written(w, before, acquired, transitions < 0 && !create ? 0 : transitions);
    mem_free(before);
    mem_free(acquired);
    return create ? 201 : 200;
}

static inline int serve(struct world *w, const struct message *m)
{
    if (w->refuse)
        return w->refuse;
    if (strcmp(m->method, "POST") == 0) {
        CHECK_STR(m->path, LEASES);
        w->posts++;
        return serve_write(w, m, true);
    }
    CHECK_STR(m->path, LEASES "/clusterips");
    bool get = strcmp(m->method, "GET") == 0;
    w->gets += get;
    w->puts += !get;
    return get ? w->lease ? 200 : 404 : serve_write(w, m, false);
}

static inline void free_message(struct message *m)
{
    mem_free(m->path);
    mem_free(m->body);
    mem_free(m);
}

static inline void run_server(struct world *w)
{
    for (struct message **at = &w->messages, *m; (m = *at);) {
        if (m->at_ns > w->now_ns) {
            at = &m->next;
            continue;
        }
        *at = m->next;
        int code = w->down ? 0 : serve(w, m);
        struct kube_call *c = m->agent->call;
        if (code && c && c->id == m->call && !is_lost(w)) {
            c->answer_ns = arrival(w);
            c->code = code;
            c->retry_after_ns = w->retry_after_ns;
            c->answer = w->lease && code < 300 ? cJSON_PrintUnformatted(w->lease) : NULL;
        }
        free_message(m);
    }
}

/* The client. */

static struct world *random_of; /* a seed tells all that happens */

int64_t kube_pace_random(int64_t low, int64_t high)
{
    return between(random_of, low, high);
}

struct kube_call *kube_client_send(struct kube_client *c, const struct kube_request *request)
{
    struct world *w = c->agent->world;
    CHECK(!c->agent->call); /* one at a time */
    struct kube_call *call = mem_alloc(sizeof *call);
    *call = (struct kube_call){.agent = c->agent,
                               .request = *request,
                               .id = ++w->calls,
                               .until_ns = clock_mono_ns() + request->timeout_ns};
    CHECK(request->timeout_ns > 0);
    c->agent->call = call;
    struct message *m = mem_alloc(sizeof *m);
    *m = (struct message){
        .at_ns = arrival(w),
        .call = call->id,
        .agent = c->agent,
        .method = request->method,
        .path = mem_strdup(request->path),
        .body = mem_strndup(request->body.data ? request->body.data : "", request->body.len),
        .next = w->messages};
    if (is_lost(w))
        free_message(m);
    else
        w->messages = m;
    return call;
}

void kube_call_cancel(struct kube_call *call)
{
    call->agent->call = NULL;
    cJSON_free(call->answer);
    mem_free(call);
}

static inline enum status status_of(const struct kube_call *c)
{
    return c->answer_ns == 0 || c->code == 0 ? ERR_TIMEOUT
           : c->code < 300                   ? OK
           : c->retry_after_ns > 0           ? ERR_AGAIN
           : c->code == 403                  ? ERR_DENIED
           : c->code >= 500                  ? ERR_IO
                                             : ERR_INVALID;
}

static inline void run_call(struct agent *a)
{
    struct kube_call *c = a->call;
    bool answered = c && c->answer_ns > 0 && c->answer_ns <= a->world->now_ns;
    if (!c || (!answered && mono_of(a) < c->until_ns))
        return;
    c->answer_ns = answered ? c->answer_ns : 0;
    struct kube_answer answer = {.status = status_of(c),
                                 .code = answered ? c->code : 0,
                                 .retry_after_ns = answered ? c->retry_after_ns : 0,
                                 .body = answered && c->answer ? c->answer : ""};
    answer.body_len = strlen(answer.body);
    (void)err_set(&answer.err, answer.status, "leases: code %d", answer.code);
    a->call = NULL;
    c->request.done(c->request.of, &answer);
    cJSON_free(c->answer);
    mem_free(c);
    a->arrived = true;
}

/* The watch. */

struct kube_watch *kube_watch_new(struct kube_client *client, const struct kube_watch_conf *conf,
                                  struct kube_watch_sink sink)
{
    struct kube_watch *k = mem_alloc(sizeof *k);
    CHECK_STR(conf->path, LEASES);
    CHECK_STR(conf->field_selector, "metadata.name=clusterips");
    *k = (struct kube_watch){.agent = client->agent, .sink = sink};
    return client->agent->watch = k;
}

static inline void forget_news(struct kube_watch *k)
{
    while (k->len > 0)
        cJSON_free(k->news[--k->len].text);
}

void kube_watch_free(struct kube_watch *k)
{
    forget_news(k);
    mem_free(k);
}

int64_t kube_watch_timer_ns(const struct kube_watch *k)
{
    return k->started ? DEADLINE_NEVER : DEADLINE_NOW;
}

void kube_watch_run(struct kube_watch *k)
{
    if (!k->started)
        tell_list(k);
    k->started = true;
}

const struct kube_watch_state *kube_watch_state(const struct kube_watch *k)
{
    return &k->state;
}

/* Nothing is heard until then; what was under way is lost. */
static inline void cut_watch(struct kube_watch *k, int64_t for_ns)
{
    forget_news(k);
    k->back_ns = k->agent->world->now_ns + for_ns;
}

static inline void tell_news(struct kube_watch *k, const struct news *n)
{
    cJSON *object = n->text ? cJSON_Parse(n->text) : NULL;
    switch (n->what) {
    case 'r': k->sink.reset(k->sink.of); break;
    case 'o': k->sink.object(k->sink.of, object); break;
    case 'g': k->sink.gone(k->sink.of, object); break;
    default: k->sink.synced(k->sink.of); break;
    }
    cJSON_Delete(object);
}

static inline void run_watch(struct agent *a)
{
    struct kube_watch *k = a->watch;
    if (k->back_ns > 0 && k->back_ns <= a->world->now_ns) {
        k->back_ns = 0;
        tell_list(k);
    }
    size_t n = 0;
    for (; n < k->len && k->news[n].at_ns <= a->world->now_ns; n++) {
        tell_news(k, &k->news[n]);
        cJSON_free(k->news[n].text);
        a->arrived = true;
    }
    k->len -= n;
    memmove(k->news, k->news + n, k->len * sizeof k->news[0]);
}

/* Agents. */

static inline void count_change(void *of)
{
    struct agent *a = of;
    a->changes++;
}

static inline void begin_agent(struct agent *a)
{
    struct world *w = a->world;
    snprintf(a->name, sizeof a->name, "agent-%zu-%u", (size_t)(a - w->agents), ++a->lives);
    a->dead = a->suspended = a->stopping = a->stopped = false;
    a->paused_ns = 0;
    a->changes = 0;
    hold_clock(a);
    a->client.agent = a;
    struct kube_lease_conf conf = {
        .ns = "strata", .name = "clusterips", .holder = a->name, .duration_ns = LASTS_NS};
    a->lease = kube_lease_new(&a->client, &conf, count_change, a);
}

static inline void end_agent(struct agent *a)
{
    kube_lease_free(a->lease);
    a->lease = NULL;
}

static inline void note_stopped(void *of)
{
    struct agent *a = of;
    CHECK(!a->stopped);
    a->stopped = true;
}

static inline void stop_agent(struct agent *a)
{
    hold_clock(a);
    kube_lease_release(a->lease, 2 * SEC_NS, note_stopped);
    CHECK(!kube_lease_held(a->lease));
    a->stopping = true;
}

static inline void run_agent(struct agent *a)
{
    hold_clock(a);
    run_call(a);
    run_watch(a);
    for (int i = 0; a->arrived || kube_lease_timer_ns(a->lease) <= clock_mono_ns(); i++) {
        CHECK(i < 5); /* it does not spin */
        a->arrived = false;
        kube_lease_run(a->lease);
    }
    if (a->stopped)
        end_agent(a);
}

/* At no moment do two say that they hold it, and who does is the one that the lease names. */
static inline void check_held(struct world *w)
{
    size_t held = 0;
    for (size_t i = 0; i < w->len; i++)
        held += says_held(&w->agents[i]);
    w->most_held = held > w->most_held ? held : w->most_held;
}

static inline void tick(struct world *w)
{
    w->now_ns += TICK_NS;
    run_server(w);
    for (size_t i = 0; i < w->len; i++) {
        struct agent *a = &w->agents[i];
        if (a->lease && !a->dead && a->paused_ns <= w->now_ns)
            run_agent(a);
        if (says_held(a) && !w->down && w->lease && !w->meddled)
            CHECK_STR(lease_text(w, "holderIdentity"), a->name);
    }
    check_held(w);
}

static inline void pass(struct world *w, int64_t ns)
{
    for (int64_t until = w->now_ns + ns; w->now_ns < until;)
        tick(w);
}

static inline struct agent *who_holds(struct world *w)
{
    for (size_t i = 0; i < w->len; i++)
        if (says_held(&w->agents[i]))
            return &w->agents[i];
    return NULL;
}

/* Until somebody holds it, but no longer than ns; how long that took, or -1. */
static inline int64_t until_held(struct world *w, int64_t ns)
{
    int64_t from = w->now_ns;
    while (!who_holds(w)) {
        if (w->now_ns - from >= ns)
            return -1;
        tick(w);
    }
    return w->now_ns - from;
}

static inline void begin_world(struct world *w, uint64_t seed, size_t agents)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    random_of = w;
    w->now_ns = 1000 * SEC_NS;
    w->version = 100;
    w->low_ns = MS_NS;
    w->high_ns = 20 * MS_NS;
    w->len = agents;
    for (size_t i = 0; i < agents; i++) {
        w->agents[i].world = w;
        w->agents[i].ahead_ns = (int64_t)i * 777777 * SEC_NS;
        w->agents[i].ahead_ms = (int64_t)i * 3600000 - 7200000; /* nobody compares them */
        begin_agent(&w->agents[i]);
    }
}

static inline void end_world(struct world *w)
{
    for (size_t i = 0; i < w->len; i++)
        if (w->agents[i].lease)
            end_agent(&w->agents[i]);
    while (w->messages) {
        struct message *m = w->messages;
        w->messages = m->next;
        free_message(m);
    }
    cJSON_Delete(w->lease);
    clock_release();
}

#endif
