/* SPDX-License-Identifier: Apache-2.0 */
/* test_kubernetes_books.c - whatever happens in a cluster, in whatever order: what the source has told, refused
 * and left out for want of room is what one look at the whole cluster finds. */
#include "kube_found.h"
#include "kubernetes_test.h"

enum { THINGS = 6, STEPS = 120 };

/* What there is: of each kind the object of each name, as text; "": none. */
static char cluster[3][THINGS][3000];
static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

#define DRAW(all) all[draw(ARRAY_LEN(all))]

static const char *const asks[] = {
    "",
    "",
    "'prometheus.io/scrape':'false'",
    "'prometheus.io/scrape':'maybe'",
    "'prometheus.io/scrape':'true'",
    "'prometheus.io/scrape':'true','prometheus.io/port':'8080,81,8080'",
    "'prometheus.io/scrape':'true','prometheus.io/port':'http,x,9'",
    "'prometheus.io/scrape':'true','prometheus.io/port':'80,81','prometheus.io/path':'/a,/b'",
    "'prometheus.io/scrape':'true','prometheus.io/path':'/a,/b'",
    "'prometheus.io/scrape':'true','prometheus.io/interval':'1s'",
    "'prometheus.io/scrape':'true','prometheus.io/port':'80,81,82','prometheus.io/scheme':'ftp'",
    "'prometheus.io/scrape':'true','dropped':'yes'",
};
static const char *const apps[] = {"web", "web", "db", ""};

static void make_pod(char *to, size_t size, unsigned n)
{
    static const char *const ends[] = {"", "", ",'deletionTimestamp':'2026-11-21T19:00:30Z'"};
    static const char *const ports[] = {
        "", "{'name':'http','containerPort':8080}",
        "{'name':'http','containerPort':81},{'name':'metrics','containerPort':82}"};
    static const char *const phases[] = {"Running", "Running", "Pending", "Succeeded"};
    static const char *const truths[] = {"True", "True", "False"};
    static const char *const ips[] = {"10.0.0.1", "10.0.0.2", "fd00::1", ""};
    snprintf(to, size,
             "{'metadata':{'namespace':'%s','name':'p%u','uid':'u','labels':{'app':'%s'},"
             "'annotations':{%s}%s},'spec':{'nodeName':'n','containers':[{'name':'c','ports':[%s]},"
             "{'name':'d'}]},'status':{'phase':'%s','podIP':'%s','conditions':[{'type':'Ready',"
             "'status':'%s'}]}}",
             n % 2 ? "a" : "b", n, DRAW(apps), DRAW(asks), DRAW(ends), DRAW(ports), DRAW(phases),
             DRAW(ips), DRAW(truths));
}

static void make_service(char *to, size_t size, unsigned n)
{
    static const char *const ips[] = {"10.9.0.1", "10.9.0.2", "None", ""};
    static const char *const ports[] = {
        "{'name':'http','port':80,'targetPort':8080}",
        "{'name':'http','port':80,'targetPort':'http'},{'name':'metrics','port':81}",
        "{'name':'x','port':80,'targetPort':'nowhere'}"};
    snprintf(to, size,
             "{'metadata':{'namespace':'%s','name':'s%u','uid':'u','annotations':{%s}},'spec':{"
             "'type':'ClusterIP','clusterIP':'%s','selector':{'app':'%s'},'ports':[%s]}}",
             n % 2 ? "a" : "b", n, DRAW(asks), DRAW(ips), DRAW(apps), DRAW(ports));
}

static void make_slice(char *to, size_t size, unsigned n)
{
    static const char *const truths[] = {"true", "true", "false"};
    char endpoints[2000] = "";
    for (uint32_t i = draw(5), at = 0; i > 0; i--) {
        char pod[100] = "";
        if (draw(3))
            snprintf(pod, sizeof pod, ",'targetRef':{'kind':'Pod','name':'p%u'}", draw(4));
        at += (uint32_t)snprintf(endpoints + at, sizeof endpoints - at,
                                 "%s{'addresses':['10.0.0.%u'],'conditions':{'ready':%s}%s}",
                                 at ? "," : "", draw(4), DRAW(truths), pod);
    }
    snprintf(to, size,
             "{'metadata':{'namespace':'%s','name':'l%u','uid':'u','labels':{"
             "'kubernetes.io/service-name':'s%u'}},'addressType':'IPv4','endpoints':[%s],'ports':[{"
             "'name':'http','port':8080,'protocol':'TCP'},{'name':'metrics','port':%u,'protocol':"
             "'TCP'}]}",
             n % 2 ? "a" : "b", n, draw(THINGS), endpoints, 80 + draw(2));
}

static void make(enum kube_kind kind, char *to, size_t size, unsigned n)
{
    if (kind == KUBE_POD)
        make_pod(to, size, n);
    else if (kind == KUBE_SERVICE)
        make_service(to, size, n);
    else
        make_slice(to, size, n);
}

/* One look at the whole cluster. */
static struct wanted {
    struct told all[300];
    size_t len, faults;
} wanted;

static void want(void *of, const struct kube_found *f)
{
    struct target *t = NULL;
    (void)of;
    if (f->refused) {
        wanted.faults += !f->unasked;
        return;
    }
    const struct source_found like = {.id = f->id, .labels = f->labels, .len = f->labels_len};
    enum status s = source_found_target(&env.env, &like, &t, NULL);
    for (size_t i = 0; t && i < wanted.len; i++)
        if (strcmp(wanted.all[i].id, t->id) == 0) {
            target_unref(t);
            t = NULL;
            s = ERR_INVALID;
        }
    wanted.faults += s != OK;
    if (!t)
        return;
    CHECK(wanted.len < ARRAY_LEN(wanted.all));
    snprintf(wanted.all[wanted.len].id, sizeof wanted.all[0].id, "%s", t->id);
    snprintf(wanted.all[wanted.len++].url, sizeof wanted.all[0].url, "%s", t->url);
    target_unref(t);
}

static void look_behind(const struct kube_found_conf *found, const struct kube_object *service)
{
    enum kube_kind kind = conf.node[0] ? KUBE_POD : KUBE_SLICE;
    for (size_t i = 0; i < THINGS; i++) {
        struct kube_object *o = cluster[kind][i][0] ? kube_read(kind, cluster[kind][i]) : NULL;
        if (o && kind == KUBE_POD && kube_selects(service, o))
            kube_found_selected(found, service, o, (struct kube_found_sink){want, NULL});
        if (o && kind == KUBE_SLICE && strcmp(o->ns, service->ns) == 0 &&
            strcmp(o->service, service->name) == 0)
            kube_found_slice(found, service, o, (struct kube_found_sink){want, NULL});
        kube_object_free(o);
    }
}

static void look(void)
{
    const struct kube_found_conf found = {
        .prefix = conf.prefix, .annotations = conf.annotations, .meta = env.env.relabel != NULL};
    enum kube_kind kind = conf.role == ROLE_POD ? KUBE_POD : KUBE_SERVICE;
    wanted.len = wanted.faults = 0;
    for (size_t i = 0; i < THINGS; i++) {
        struct kube_object *o = cluster[kind][i][0] ? kube_read(kind, cluster[kind][i]) : NULL;
        if (o && conf.role == ROLE_POD)
            kube_found_pod(&found, o, (struct kube_found_sink){want, NULL});
        else if (o && conf.role == ROLE_ENDPOINTS)
            look_behind(&found, o);
        else if (o && lease.held)
            kube_found_service(&found, o, (struct kube_found_sink){want, NULL});
        kube_object_free(o);
    }
}

static void check_books(void)
{
    AUTO(buf) struct buf lines = BUF_INIT(1 << 20);
    size_t bound = (size_t)env.common.targets, n = 0;
    look();
    size_t room = wanted.len < bound ? wanted.len : bound;
    CHECK_INT(told.len, room);
    CHECK_INT(refused(&lines), wanted.faults + wanted.len - room);
    for (size_t i = 0; i < wanted.len; i++) {
        size_t at = told_at(wanted.all[i].id);
        CHECK(at < told.len || wanted.len > bound);
        if (at < told.len)
            CHECK_STR(told.all[at].url, wanted.all[i].url);
        n += at < told.len;
    }
    CHECK_INT(n, told.len); /* and nothing else is told */
    for (const char *c = lines.data ? lines.data : ""; *c; c++)
        n -= *c == '\n';
    CHECK_INT(told.len - n, wanted.faults + wanted.len - room); /* a line of each */
}

/* A list that leaves out what has gone meanwhile. */
static void list_anew(struct kube_watch *w, enum kube_kind kind)
{
    watch_reset(w);
    for (unsigned i = 0; i < THINGS; i++) {
        if (draw(3) == 0)
            cluster[kind][i][0] = '\0';
        else if (draw(3) == 0)
            make(kind, cluster[kind][i], sizeof cluster[kind][i], i);
        if (cluster[kind][i][0])
            watch_object(w, cluster[kind][i]);
    }
    watch_synced(w);
}

static void step(void)
{
    static const enum kube_kind kinds[3][2] = {
        [ROLE_POD] = {KUBE_POD, KUBE_POD},
        [ROLE_ENDPOINTS] = {KUBE_SERVICE, KUBE_SLICE},
        [ROLE_SERVICE] = {KUBE_SERVICE, KUBE_SERVICE},
    };
    size_t which = draw((uint32_t)watches_len);
    enum kube_kind kind = kinds[conf.role][which];
    kind = kind == KUBE_SLICE && conf.node[0] ? KUBE_POD : kind;
    unsigned i = draw(THINGS);
    char *object = cluster[kind][i];
    uint32_t what = draw(30);
    if (what == 0) {
        list_anew(&watches[which], kind);
    } else if (what == 1 && conf.role == ROLE_SERVICE) {
        lease.held = !lease.held;
    } else if (what < 8 && object[0]) {
        watch_gone(&watches[which], object);
        object[0] = '\0';
    } else {
        make(kind, object, sizeof cluster[kind][i], i);
        watch_object(&watches[which], object);
    }
}

static void live(const char *role, const char *node, bool optional, int64_t targets,
                 struct relabel *rules)
{
    begin(role);
    memset(cluster, 0, sizeof cluster);
    set("node", node);
    set("annotations", optional ? "optional" : "required");
    env.common.targets = targets;
    env.env.relabel = rules;
    lease.held = false;
    open_source();
    for (int i = 0; i < STEPS; i++) {
        step();
        if (draw(3) == 0)
            (void)refused(NULL); /* looks must not change anything */
        if (draw(2) == 0)
            continue;
        CHECK_INT(run(NULL), OK);
        CHECK(source_kubernetes.timer_ns(source) != DEADLINE_NOW);
        buf_truncate(&told.text, 0);
        check_books();
    }
    end();
}

TEST(the_books_of_pods_are_right)
{
    state = 1;
    live("pod", "n", false, 2000, NULL);
    live("pod", "", false, 5, NULL);
    live("pod", "", true, 7, NULL);
}

TEST(the_books_of_pods_behind_services_are_right)
{
    state = 2;
    live("endpoints", "n", false, 2000, NULL);
    live("endpoints", "n", false, 5, NULL);
}

TEST(the_books_of_slices_are_right)
{
    state = 3;
    live("endpoints", "", false, 2000, NULL);
    live("endpoints", "", true, 5, NULL);
}

TEST(the_books_of_services_are_right)
{
    state = 4;
    live("service", "", false, 2000, NULL);
    live("service", "", false, 3, NULL);
}

TEST(the_books_with_rules_are_right)
{
    char *labels[] = {(char[]){"__meta_kubernetes_pod_annotation_dropped"}};
    struct relabel_rule_conf rule = {.source_labels = {labels, 1},
                                     .separator = (char[]){";"},
                                     .regex = (char[]){"yes"},
                                     .target_label = (char[]){""},
                                     .replacement = (char[]){"$1"},
                                     .action = RELABEL_DROP};
    struct relabel *rules = NULL;
    CHECK_INT(relabel_new(&rules, &rule, 1, NULL), OK);
    state = 5;
    live("pod", "", true, 2000, rules);
    live("pod", "n", false, 4, rules);
    relabel_free(rules);
}
