/* SPDX-License-Identifier: Apache-2.0 */
/* kubernetes.c - targets from the Kubernetes API, followed by watch.
 *
 * What is found at an object depends on the object and the settings alone (kube_found.h).  So nothing
 * is kept of it beside the objects and the targets told: at a change the old object says what was
 * found, the new one what is, and the difference is told. */
#include "clock.h"
#include "hash.h"
#include "kubernetes_parts.h"
#include "mem.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RETRY_NS   (10 * SEC_NS) /* from one look for credentials to the next */
#define GOODBYE_NS (1 * SEC_NS)  /* the most that giving up a lease may take */
enum { SELECTOR_BYTES = 16384 };

/* Changes. */

/* One object of the pair has changed, the other one is as it was. */
static void pair_changed(struct kubernetes *k, const struct kube_object *service[2],
                         const struct kube_object *other[2])
{
    bool slices = k->conf.node[0] == '\0';
    for (int i = 0; i < 2; i++) {
        struct gathered *g = &k->diff.sides[i];
        if (slices)
            kubernetes_gather_slice(k, service[i], other[i], g);
        else
            kubernetes_gather_pair(k, service[i], other[i], g);
    }
    diff_tell(&k->diff);
}

struct visit {
    struct kubernetes *k;
    const struct kube_object *now, *before;
};

static void visit_service(void *of, const struct kube_object *service)
{
    const struct visit *v = of;
    if (kubernetes_is_of(service, v->now ? v->now : v->before))
        pair_changed(v->k, (const struct kube_object *[]){service, service},
                     (const struct kube_object *[]){v->before, v->now});
}

static void visit_other(void *of, const struct kube_object *other)
{
    const struct visit *v = of;
    if (kubernetes_is_of(v->now, other) || kubernetes_is_of(v->before, other))
        pair_changed(v->k, (const struct kube_object *[]){v->before, v->now},
                     (const struct kube_object *[]){other, other});
}

static void endpoints_changed(struct kubernetes *k, struct visit *v)
{
    const struct kube_object *any = v->now ? v->now : v->before;
    if (any->kind == KUBE_SERVICE)
        kubernetes_each_of(k, false, visit_other, v);
    else if (any->kind == KUBE_POD)
        kubernetes_each_of(k, true, visit_service, v);
    else
        pair_changed(k,
                     (const struct kube_object *[]){kubernetes_service_of(k, v->before),
                                                    kubernetes_service_of(k, v->now)},
                     (const struct kube_object *[]){v->before, v->now});
}

/* A pod that begins to terminate is scraped once more at once: due when it was asked to end. */
static void scrape_last(struct kubernetes *k, const struct visit *v)
{
    bool begins = v->now && v->now->deletion_ms && v->before && !v->before->deletion_ms;
    if (!begins || v->now->kind != KUBE_POD)
        return;
    k->diff.extra_ms = v->now->deletion_ms - v->now->grace_ms;
}

static void changed(void *of, const struct kube_object *now, const struct kube_object *before)
{
    struct follow *f = of;
    struct kubernetes *k = f->k;
    struct visit v = {k, now, before};
    scrape_last(k, &v);
    switch ((enum kubernetes_role)k->conf.role) {
    case ROLE_POD:
        kubernetes_gather_pod(k, before, &k->diff.sides[0]);
        kubernetes_gather_pod(k, now, &k->diff.sides[1]);
        diff_tell(&k->diff);
        break;
    case ROLE_SERVICE:
        kubernetes_gather_service(k, before, &k->diff.sides[0]);
        kubernetes_gather_service(k, now, &k->diff.sides[1]);
        diff_tell(&k->diff);
        break;
    case ROLE_ENDPOINTS: endpoints_changed(k, &v); break;
    }
    k->diff.extra_ms = 0;
    k->refused_stale = true;
}

static void synced(void *of)
{
    struct follow *f = of;
    f->synced = true;
}

static void fill(void *of, struct gathered *g)
{
    struct kubernetes *k = of;
    (void)g;
    if (k->conf.role != ROLE_SERVICE || k->held)
        diff_fill(&k->diff);
}

static void appear(void *of, struct gathered *g)
{
    struct kubernetes *k = of;
    (void)g;
    diff_tell(&k->diff);
}

static void disappear(void *of, struct gathered *g)
{
    struct kubernetes *k = of;
    struct gathered empty = k->diff.sides[0];
    k->diff.sides[0] = *g;
    *g = empty;
    diff_tell(&k->diff);
}

/* Its share of the lease tells nobody: it also ends by the clock alone. */
static bool lease_has_changed(const struct kubernetes *k)
{
    return k->lease && kube_lease_held(k->lease) != k->held;
}

static void follow_lease(struct kubernetes *k)
{
    if (!lease_has_changed(k))
        return;
    k->held = !k->held;
    kubernetes_look_at_all(k, k->held ? appear : disappear, k);
    k->refused_stale = true;
}

/* Connecting. */

static enum status follow(struct kubernetes *k, struct follow *f, enum kube_kind kind,
                          const char *ns, struct err *err)
{
    enum kube_kind selected = k->conf.role == ROLE_POD ? KUBE_POD : KUBE_SERVICE;
    struct kube_store_conf c = {.kind = kind,
                                .ns = ns,
                                .node = kind == KUBE_POD ? k->conf.node : "",
                                .label_selector = kind == selected ? k->selector : ""};
    *f = (struct follow){.k = k, .kind = kind, .sub = {.changed = changed, .synced = synced}};
    f->sub.of = f;
    f->store = kube_store_join(k->hub, &c, &f->sub);
    return f->store ? OK : err_set(err, ERR_INVALID, "the selector is too long");
}

static enum status follow_all(struct kubernetes *k, struct err *err)
{
    static char none[] = "";
    char *all[] = {none};
    char *const *ns = k->conf.namespaces.len ? k->conf.namespaces.items : all;
    size_t n = k->conf.namespaces.len ? k->conf.namespaces.len : 1;
    enum status r = OK;
    k->follows = mem_alloc(2 * n * sizeof *k->follows);
    for (size_t i = 0; i < n && r == OK; i++) {
        r = follow(k, &k->follows[k->len], k->conf.role == ROLE_POD ? KUBE_POD : KUBE_SERVICE,
                   ns[i], err);
        k->len += r == OK;
        if (r == OK && k->conf.role == ROLE_ENDPOINTS) {
            r = follow(k, &k->follows[k->len], k->conf.node[0] ? KUBE_POD : KUBE_SLICE, ns[i], err);
            k->len += r == OK;
        }
    }
    return r;
}

/* No other agent has the same name, nor has this one after a restart. */
static void want_lease(struct kubernetes *k)
{
    char holder[320];
    const char *own = kube_hub_access(k->hub)->ns;
    const char *ns = k->conf.lease.ns[0] ? k->conf.lease.ns : own[0] ? own : "default";
    snprintf(holder, sizeof holder, "%.253s_%016llx",
             k->env->agent.instance ? k->env->agent.instance : "strata",
             (unsigned long long)(hash_salt() ^ (uint64_t)clock_wall_ms()));
    k->share =
        lease_share_join(k->hub, &(struct kube_lease_conf){.ns = ns,
                                                           .name = k->conf.lease.name,
                                                           .holder = holder,
                                                           .duration_ns = k->conf.lease.duration});
    k->lease = lease_share_lease(k->share);
}

static enum status connect_hub(struct kubernetes *k, struct err *err)
{
    struct kube_access *access = NULL;
    enum status r = kube_access_find(&access, &k->conf.api, err);
    if (r == OK)
        r = kube_hub_get(&k->hub, access, err);
    if (r != OK)
        return r;
    struct epoll_event e = {.events = EPOLLIN};
    if (epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, kube_hub_fd(k->hub), &e) != 0)
        r = err_set(err, ERR_IO, "epoll: %s", strerror(errno));
    if (r == OK)
        r = follow_all(k, err);
    if (r == OK && k->conf.role == ROLE_SERVICE && !k->held)
        want_lease(k);
    return r;
}

static void leave_hub(struct kubernetes *k)
{
    lease_share_leave(k->share, GOODBYE_NS);
    k->share = NULL;
    k->lease = NULL;
    for (size_t i = 0; i < k->len; i++)
        kube_store_leave(k->follows[i].store, &k->follows[i].sub);
    mem_free(k->follows);
    k->follows = NULL;
    k->len = 0;
    if (k->hub)
        epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, kube_hub_fd(k->hub), NULL);
    kube_hub_unref(k->hub);
    k->hub = NULL;
}

static void connect_again(struct kubernetes *k)
{
    if (k->hub || clock_mono_ns() < k->retry_ns)
        return;
    k->fault = (struct err){OK, ""};
    enum status r = connect_hub(k, &k->fault);
    if (r == OK)
        return;
    leave_hub(k);
    k->fault.status = r == ERR_INVALID ? ERR_IO : r;
    k->retry_ns = clock_mono_ns() + RETRY_NS;
}

/* Operations. */

static void kubernetes_close(void *self);

static enum status kubernetes_open(void **ret_self, const void *conf, const struct source_env *env,
                                   struct err *err)
{
    const struct kubernetes_conf *c = conf;
    AUTO(buf) struct buf selector = BUF_INIT(SELECTOR_BYTES);
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    kubernetes_check(c, &report);
    if (first.status != OK)
        return err_set(err, ERR_INVALID, "%s", first.text);
    if (kubernetes_selector_text(&c->selector, &selector) != OK)
        return err_set(err, ERR_INVALID, "selector: more than %d bytes", SELECTOR_BYTES);
    struct kube_access *access = NULL; /* what is wrong with a kubeconfig is wrong now */
    if (kube_access_find(&access, &c->api, err) == ERR_INVALID)
        return ERR_INVALID;
    kube_access_free(access);
    struct kubernetes *k = mem_alloc(sizeof *k);
    setting_copy(kubernetes_settings, &k->conf, c);
    k->env = env;
    k->selector = mem_strdup(selector.data);
    k->refused = (struct buf)BUF_INIT(KUBERNETES_REFUSED_BYTES);
    k->found = (struct kube_found_conf){.prefix = k->conf.prefix,
                                        .annotations = k->conf.annotations,
                                        .labels = k->conf.labels,
                                        .annotation_labels = k->conf.annotation_labels,
                                        .meta = env->relabel != NULL};
    k->held = env->agent.looks; /* shown as for the agent that holds it */
    diff_init(&k->diff, env);
    k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (k->epoll_fd < 0) {
        kubernetes_close(k);
        return err_set(err, ERR_IO, "epoll: %s", strerror(errno));
    }
    *ret_self = k;
    return OK;
}

static int kubernetes_fd(const void *self)
{
    const struct kubernetes *k = self;
    return k->epoll_fd;
}

static int64_t next_ns(const struct kubernetes *k)
{
    int64_t until_ns = kube_hub_timer_ns(k->hub);
    int64_t lease_ns = k->lease ? kube_lease_timer_ns(k->lease) : DEADLINE_NEVER;
    return clock_earlier(lease_ns, until_ns);
}

static bool all_synced(const struct kubernetes *k)
{
    for (size_t i = 0; i < k->len; i++)
        if (!k->follows[i].synced)
            return false;
    return k->len > 0;
}

/* The first of what does not work now. */
static const struct err *fault_now(const struct kubernetes *k)
{
    const struct err *fault = &k->fault;
    for (size_t i = 0; i < k->len && fault->status == OK; i++)
        fault = &kube_store_state(k->follows[i].store)->fault;
    if (fault->status == OK && k->lease)
        fault = kube_lease_fault(k->lease);
    return fault;
}

static enum status say_fault(struct kubernetes *k, struct err *err)
{
    k->said = *fault_now(k);
    if (k->said.status == OK)
        return OK;
    enum status r = k->said.status == ERR_DENIED ? ERR_DENIED : ERR_IO;
    return err_set(err, r, "%s", k->said.text);
}

/* Another source of the same hub may have run it, so that neither descriptor nor timer tell. */
static bool has_news(const struct kubernetes *k)
{
    const struct err *fault = fault_now(k);
    return tell_pending(&k->diff.tell) || lease_has_changed(k) ||
           (all_synced(k) && !k->diff.tell.synced) || fault->status != k->said.status ||
           (fault->status != OK && strcmp(fault->text, k->said.text) != 0);
}

static int64_t kubernetes_timer_ns(const void *self)
{
    const struct kubernetes *k = self;
    if (!k->hub)
        return k->retry_ns;
    if (has_news(k))
        return DEADLINE_NOW;
    int64_t until_ns = next_ns(k), lines_ns = k->refused_ns + KUBERNETES_REFUSED_NS;
    bool lines = k->refused_stale && k->diff.refused + k->diff.excess > 0;
    return lines ? clock_earlier(lines_ns, until_ns) : until_ns;
}

static enum status kubernetes_ready(void *self, const struct target_emit *emit, struct err *err)
{
    struct kubernetes *k = self;
    connect_again(k);
    if (k->hub) {
        kube_hub_run(k->hub);
        if (k->lease) {
            kube_lease_run(k->lease);
            follow_lease(k);
        }
        if (diff_has_room(&k->diff)) {
            kubernetes_look_at_all(k, fill, k);
            k->refused_stale = true;
        }
        if (all_synced(k))
            tell_synced(&k->diff.tell);
    }
    enum status r = tell_emit(&k->diff.tell, emit);
    return r == OK ? say_fault(k, err) : r;
}

/* Closing. */

static void kubernetes_close(void *self)
{
    struct kubernetes *k = self;
    leave_hub(k);
    diff_done(&k->diff);
    setting_done(kubernetes_settings, &k->conf);
    if (k->epoll_fd >= 0)
        close(k->epoll_fd);
    buf_done(&k->refused);
    mem_free(k->selector);
    mem_free(k);
}

static void check(const void *conf, const struct source_env *env,
                  const struct setting_report *report)
{
    (void)env;
    kubernetes_check(conf, report);
}

static bool starts_programs(const void *conf)
{
    const struct kubernetes_conf *c = conf;
    struct kube_access *access = NULL;
    struct err ignored;
    bool starts = kube_access_find(&access, &c->api, &ignored) == OK && access->exec;
    kube_access_free(access);
    return starts;
}

const struct source_ops source_kubernetes = {
    .name = "kubernetes",
    .help = "pods and services, by annotations, followed by watch",
    .settings = kubernetes_settings,
    .conf_size = sizeof(struct kubernetes_conf),
    .check = check,
    .starts_programs = starts_programs,
    .open = kubernetes_open,
    .fd = kubernetes_fd,
    .timer_ns = kubernetes_timer_ns,
    .ready = kubernetes_ready,
    .refused = kubernetes_refused,
    .candidates = kubernetes_candidates,
    .watching = kubernetes_watching,
    .close = kubernetes_close,
};
