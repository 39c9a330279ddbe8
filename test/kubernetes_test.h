/* SPDX-License-Identifier: Apache-2.0 */
/* kubernetes_test.h - the source kubernetes on watches and a lease that the test plays, and a receiver
 * that has what it is told. */
#ifndef KUBERNETES_TEST_H
#define KUBERNETES_TEST_H

#include "buf.h"
#include "kube_fake.h"
#include "kube_lease.h"
#include "kubernetes_conf.h"
#include "sources_test.h"

#include <stdio.h>
#include <stdlib.h>

extern const struct source_ops source_kubernetes;

struct kube_lease {
    bool open, held, released;
    char ns[64], name[64], holder[400];
    int64_t duration_ns, timer_ns;
    void (*changed)(void *of);
    void *of;
    struct err fault;
};
static struct kube_lease lease = {.timer_ns = DEADLINE_NEVER};

struct kube_lease *kube_lease_new(struct kube_client *c, const struct kube_lease_conf *conf,
                                  void (*on_changed)(void *of), void *of)
{
    (void)c;
    lease = (struct kube_lease){.open = true,
                                .duration_ns = conf->duration_ns,
                                .timer_ns = DEADLINE_NEVER,
                                .changed = on_changed,
                                .of = of};
    snprintf(lease.ns, sizeof lease.ns, "%s", conf->ns);
    snprintf(lease.name, sizeof lease.name, "%s", conf->name);
    snprintf(lease.holder, sizeof lease.holder, "%s", conf->holder);
    return &lease;
}

bool kube_lease_held(const struct kube_lease *l)
{
    return l->held;
}

const char *kube_lease_holder(const struct kube_lease *l)
{
    return l->held ? l->holder : "another";
}

const struct err *kube_lease_fault(const struct kube_lease *l)
{
    return &l->fault;
}

int64_t kube_lease_timer_ns(const struct kube_lease *l)
{
    return l->timer_ns;
}

void kube_lease_run(struct kube_lease *l)
{
    (void)l;
}

void kube_lease_release(struct kube_lease *l, int64_t timeout_ns, void (*done)(void *of))
{
    (void)timeout_ns;
    l->held = false;
    l->released = true;
    done(l->of);
}

void kube_lease_free(struct kube_lease *l)
{
    if (l)
        l->open = false;
}

/* Who is told: what it has, with URLs, and what it heard since the last look. */
struct told {
    char id[100], url[200];
};
static struct {
    struct told all[300];
    size_t len;
    bool synced;
    struct buf text;
    int64_t due_ms;
} told = {.text = BUF_INIT(1 << 20)};

static inline size_t told_at(const char *id)
{
    size_t i = 0;
    while (i < told.len && strcmp(told.all[i].id, id) != 0)
        i++;
    return i;
}

static inline enum status tell_it(void *to, const struct target_event *e)
{
    static const char *const words[] = {"+", "-", "synced", "resync", "rank", "*"};
    (void)to;
    size_t i = e->target ? told_at(e->target->id) : 0;
    if (e->target && e->change != TARGET_ADDED && i == told.len)
        abort(); /* of something it never had */
    if (i == ARRAY_LEN(told.all))
        abort();
    if (e->change == TARGET_ADDED) {
        snprintf(told.all[i].id, sizeof told.all[i].id, "%s", e->target->id);
        snprintf(told.all[i].url, sizeof told.all[i].url, "%s", e->target->url);
        told.len += i == told.len;
    } else if (e->change == TARGET_REMOVED) {
        told.all[i] = told.all[--told.len];
    }
    told.synced |= e->change == TARGET_SYNCED;
    told.due_ms = e->due_ms;
    if (buf_cat(&told.text, told.text.len ? " " : "", words[e->change],
                e->target ? e->target->id : "", NULL) != OK)
        abort();
    target_unref(e->target);
    return OK;
}

/* The source. */
static struct test_env env;
static struct kubernetes_conf conf;
static void *source;
static int64_t now;

static inline void set(const char *name, const char *text)
{
    struct err err = {OK, ""};
    if (setting_set(setting_find(kubernetes_settings, name), &conf, text, &err) != OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

static inline const char *kubeconfig(const char *text)
{
    static char path[100];
    snprintf(path, sizeof path, "/tmp/test_kubernetes.%d", (int)getpid());
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}

#define KUBECONFIG                                                            \
    "apiVersion: v1\nkind: Config\ncurrent-context: c\n"                      \
    "contexts: [{name: c, context: {cluster: k, user: u, namespace: own}}]\n" \
    "clusters: [{name: k, cluster: {server: 'https://h:6443'}}]\n"            \
    "users: [{name: u, user: {token: t}}]\n"

/* The settings' defaults, to be changed before open_source. */
static inline void begin(const char *role)
{
    forget_watches();
    test_env_init(&env);
    memset(&conf, 0, sizeof conf);
    setting_defaults(kubernetes_settings, &conf);
    set("role", role);
    told.len = 0;
    told.synced = false;
    now = 1000 * SEC_NS;
    clock_hold(now, 1795271160000);
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    setenv("HOME", "/nonexistent", 1);
}

static inline void connect_to(const char *path)
{
    const struct setting *api = setting_find(kubernetes_settings, "api");
    CHECK_INT(
        setting_set(setting_find(api->sub, "kubeconfig"), setting_group(api, &conf), path, NULL),
        OK);
}

static inline enum status run(struct err *err)
{
    return source_kubernetes.ready(source, &(struct target_emit){tell_it, NULL}, err);
}

static inline void open_source(void)
{
    const char *path = kubeconfig(KUBECONFIG);
    struct err err = {OK, ""};
    connect_to(path);
    if (source_kubernetes.open(&source, &conf, &env.env, &err) != OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK_INT(source_kubernetes.timer_ns(source), DEADLINE_NOW);
    CHECK_INT(run(NULL), OK);
    remove(path);
}

static inline void end(void)
{
    source_kubernetes.close(source);
    for (size_t i = 0; i < watches_len; i++)
        CHECK(!watches[i].open);
    CHECK_INT(clients, 0);
    setting_done(kubernetes_settings, &conf);
    test_env_done(&env);
    buf_done(&told.text);
    clock_release();
}

/* What the receiver was told since the last look. */
#define TOLD(want)                                               \
    do {                                                         \
        CHECK_INT(run(NULL), OK);                                \
        CHECK_STR(told.text.data ? told.text.data : "", (want)); \
        buf_truncate(&told.text, 0);                             \
    } while (0)

/* How many it would not take, and their lines as they are a while later. */
static inline size_t refused(struct buf *lines)
{
    now += 2 * SEC_NS;
    clock_hold(now, 1795271160000);
    if (lines)
        buf_truncate(lines, 0);
    AUTO(buf) struct buf none = BUF_INIT(1 << 20);
    return source_kubernetes.refused(source, lines ? lines : &none);
}

#define REFUSED(n, want)                                 \
    do {                                                 \
        AUTO(buf) struct buf lines_ = BUF_INIT(1 << 20); \
        CHECK_INT(refused(&lines_), n);                  \
        CHECK_STR(lines_.data ? lines_.data : "", want); \
    } while (0)

#endif
