/* SPDX-License-Identifier: Apache-2.0 */
/* test_kube_store.c - what watches say becomes what is there, for all who want it. */
#include "buf.h"
#include "kube_fake.h"

#define POD(name, ip) \
    "{'metadata':{'namespace':'a','name':'" name "','uid':'u'},'status':{'podIP':'" ip "'}}"

/* A subscriber writes down "+name", "-name", "~name ip before>ip now", "synced". */
struct listener {
    struct kube_store_sub sub;
    struct buf text;
};

static void write_down(struct listener *l, const char *mark, const char *text, const char *more)
{
    CHECK_INT(buf_cat(&l->text, l->text.len ? " " : "", mark, text, more, NULL), OK);
}

static void changed(void *of, const struct kube_object *now, const struct kube_object *before)
{
    char ips[200] = "";
    if (now && before)
        snprintf(ips, sizeof ips, ":%s>%s", before->ips[0], now->ips[0]);
    write_down(of, !before ? "+" : !now ? "-" : "~", now ? now->name : before->name, ips);
}

static void synced(void *of)
{
    write_down(of, "synced", "", "");
}

static void listen_at(struct listener *l)
{
    *l = (struct listener){.text = BUF_INIT(1 << 20)};
    l->sub = (struct kube_store_sub){.changed = changed, .synced = synced, .of = l};
}

#define HEARD(l, want)                                           \
    do {                                                         \
        CHECK_STR((l)->text.data ? (l)->text.data : "", (want)); \
        buf_truncate(&(l)->text, 0);                             \
    } while (0)

static struct kube_hub *hub_of(const char *identity)
{
    struct kube_access *a = mem_alloc(sizeof *a);
    a->identity = mem_strdup(identity);
    struct kube_hub *h = NULL;
    CHECK_INT(kube_hub_get(&h, a, NULL), OK);
    return h;
}

static const struct kube_store_conf all_pods = {
    .kind = KUBE_POD, .ns = "", .node = "", .label_selector = ""};

TEST(only_what_is_wanted_is_asked_for)
{
    static const struct {
        struct kube_store_conf conf;
        const char *path, *fields;
    } cases[] = {
        {{KUBE_POD, "", "", ""}, "/api/v1/pods", "status.phase!=Succeeded,status.phase!=Failed"},
        {{KUBE_POD, "shop", "n1", "app=web,!canary"},
         "/api/v1/namespaces/shop/pods",
         "spec.nodeName=n1,status.phase!=Succeeded,status.phase!=Failed"},
        {{KUBE_SERVICE, "", "", "a in (b,c)"}, "/api/v1/services", ""},
        {{KUBE_SERVICE, "shop", "", ""}, "/api/v1/namespaces/shop/services", ""},
        {{KUBE_SLICE, "", "", ""}, "/apis/discovery.k8s.io/v1/endpointslices", ""},
        {{KUBE_SLICE, "shop", "", ""},
         "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices",
         ""},
    };
    struct listener l;
    forget_watches();
    struct kube_hub *hub = hub_of("one");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        listen_at(&l);
        struct kube_store *s = kube_store_join(hub, &cases[i].conf, &l.sub);
        CHECK_INT(watches_len, i + 1);
        CHECK_STR(watches[i].path, cases[i].path);
        CHECK_STR(watches[i].fields, cases[i].fields);
        CHECK_STR(watches[i].labels, cases[i].conf.label_selector);
        CHECK(watches[i].by_node == (cases[i].conf.node[0] != '\0'));
        kube_store_leave(s, &l.sub);
        CHECK(!watches[i].open);
    }
    kube_hub_unref(hub);
}

TEST(who_wants_the_same_shares_a_watch_and_who_wants_less_has_another)
{
    static const struct kube_store_conf others[] = {
        {KUBE_POD, "a", "", ""},    {KUBE_POD, "", "n1", ""},      {KUBE_POD, "", "", "a=b"},
        {KUBE_SERVICE, "", "", ""}, {KUBE_SERVICE, "", "", "a=b"}, {KUBE_SLICE, "", "", ""},
    };
    struct listener first, second, more[ARRAY_LEN(others)];
    struct kube_store *stores[ARRAY_LEN(others)];
    forget_watches();
    struct kube_hub *hub = hub_of("one");
    listen_at(&first);
    listen_at(&second);
    struct kube_store *s = kube_store_join(hub, &all_pods, &first.sub);
    CHECK(kube_store_join(hub, &all_pods, &second.sub) == s);
    CHECK_INT(watches_len, 1);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        listen_at(&more[i]);
        stores[i] = kube_store_join(hub, &others[i], &more[i].sub);
        CHECK(stores[i] != s);
        CHECK_INT(watches_len, i + 2);
    }
    watch_object(&watches[0], POD("p", "1"));
    HEARD(&first, "+p");
    HEARD(&second, "+p");
    HEARD(&more[0], "");
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        kube_store_leave(stores[i], &more[i].sub);
    kube_store_leave(s, &first.sub);
    kube_store_leave(s, &second.sub);
    kube_hub_unref(hub);
    buf_done(&first.text);
    buf_done(&second.text);
}

TEST(who_joins_late_is_told_of_all_that_is_there)
{
    struct listener early, late, later;
    forget_watches();
    struct kube_hub *hub = hub_of("one");
    listen_at(&early);
    listen_at(&late);
    listen_at(&later);
    struct kube_store *s = kube_store_join(hub, &all_pods, &early.sub);
    HEARD(&early, "");
    watch_reset(&watches[0]);
    watch_object(&watches[0], POD("p", "1"));
    kube_store_join(hub, &all_pods, &late.sub);
    HEARD(&late, "+p"); /* the list is not complete yet */
    CHECK(!kube_store_synced(s));
    watch_object(&watches[0], POD("q", "1"));
    watch_synced(&watches[0]);
    CHECK(kube_store_synced(s) && kube_store_state(s)->synced);
    HEARD(&early, "+p +q synced");
    HEARD(&late, "+q synced");
    kube_store_join(hub, &all_pods, &later.sub);
    HEARD(&later, "+p +q synced");
    HEARD(&early, "");
    kube_store_leave(s, &early.sub);
    kube_store_leave(s, &late.sub);
    kube_store_leave(s, &later.sub);
    kube_hub_unref(hub);
    buf_done(&early.text);
    buf_done(&late.text);
    buf_done(&later.text);
}

TEST(who_leaves_is_told_nothing_more_and_the_last_one_ends_the_watch)
{
    struct listener first, second;
    forget_watches();
    struct kube_hub *hub = hub_of("one");
    listen_at(&first);
    listen_at(&second);
    struct kube_store *s = kube_store_join(hub, &all_pods, &first.sub);
    kube_store_join(hub, &all_pods, &second.sub);
    kube_store_leave(s, &first.sub);
    CHECK(watches[0].open);
    watch_object(&watches[0], POD("p", "1"));
    HEARD(&first, "");
    HEARD(&second, "+p");
    kube_store_leave(s, &second.sub);
    CHECK(!watches[0].open);
    s = kube_store_join(hub, &all_pods, &first.sub);
    CHECK_INT(watches_len, 2); /* from the beginning */
    HEARD(&first, "");
    kube_store_leave(s, &first.sub);
    kube_hub_unref(hub);
    buf_done(&second.text);
}

TEST(objects_come_change_and_go)
{
    struct listener l;
    forget_watches();
    struct kube_hub *hub = hub_of("one");
    listen_at(&l);
    struct kube_store *s = kube_store_join(hub, &all_pods, &l.sub);
    watch_reset(&watches[0]);
    watch_synced(&watches[0]);
    size_t empty = kube_store_bytes(s);
    watch_object(&watches[0], POD("p", "1"));
    watch_object(&watches[0], POD("p", "2"));
    CHECK_STR(kube_store_find(s, "a", "p")->ips[0], "2");
    CHECK(kube_store_find(s, "b", "p") == NULL && kube_store_find(s, "a", "q") == NULL);
    CHECK_INT(kube_store_len(s), 1);
    CHECK(kube_store_bytes(s) > empty);
    watch_gone(&watches[0], POD("q", "1"));
    watch_gone(&watches[0], POD("p", "3")); /* what was known of it is told as gone */
    watch_gone(&watches[0], POD("p", "3"));
    watch_object(&watches[0], "{'metadata':{'name':'x'}}"); /* no uid: no object */
    watch_gone(&watches[0], "{}");
    HEARD(&l, "synced +p ~p:1>2 -p");
    CHECK(kube_store_find(s, "a", "p") == NULL);
    CHECK_INT(kube_store_len(s), 0);
    kube_store_leave(s, &l.sub);
    kube_hub_unref(hub);
    buf_done(&l.text);
}

static void count(void *of, const struct kube_object *o)
{
    ++*(size_t *)of;
    CHECK(o->name[0] == 'p');
}

TEST(a_new_list_drops_what_it_does_not_have)
{
    struct listener l;
    char pod[200];
    size_t visited = 0;
    forget_watches();
    struct kube_hub *hub = hub_of("one");
    listen_at(&l);
    struct kube_store *s = kube_store_join(hub, &all_pods, &l.sub);
    watch_reset(&watches[0]);
    for (int i = 0; i < 100; i++) {
        snprintf(pod, sizeof pod, POD("p%d", "1"), i);
        watch_object(&watches[0], pod);
    }
    watch_synced(&watches[0]);
    kube_store_each(s, count, &visited);
    CHECK_INT(visited, 100);
    buf_truncate(&l.text, 0);
    watch_reset(&watches[0]);
    watch_object(&watches[0], POD("p7", "1"));
    watch_reset(&watches[0]); /* that list broke off */
    watch_object(&watches[0], POD("p42", "2"));
    watch_object(&watches[0], POD("pnew", "1"));
    CHECK_INT(kube_store_len(s), 101); /* what is known stays until the list is complete */
    HEARD(&l, "~p7:1>1 ~p42:1>2 +pnew");
    watch_synced(&watches[0]);
    CHECK_INT(kube_store_len(s), 2);
    CHECK(kube_store_find(s, "a", "p42") && kube_store_find(s, "a", "pnew"));
    CHECK(!kube_store_find(s, "a", "p7"));
    CHECK(strstr(l.text.data, "-p99 ") && strstr(l.text.data, "-p0 ") &&
          strstr(l.text.data, "-p7 "));
    CHECK_STR(l.text.data + l.text.len - 7, " synced");
    watch_object(&watches[0], POD("later", "1"));
    watch_reset(&watches[0]);
    watch_synced(&watches[0]);
    CHECK_INT(kube_store_len(s), 0);
    kube_store_leave(s, &l.sub);
    kube_hub_unref(hub);
    buf_done(&l.text);
}

TEST(an_access_has_one_hub_for_all_and_the_last_one_ends_it)
{
    forget_watches();
    struct kube_hub *hub = hub_of("one"), *same = hub_of("one");
    CHECK(same == hub);
    CHECK_INT(clients, 1);
    CHECK_STR(kube_hub_access(hub)->identity, "one");
    CHECK(kube_hub_client(hub) == &client);
    CHECK_INT(kube_hub_fd(hub), client.fd);
    kube_hub_unref(same);
    CHECK_INT(clients, 1);
    kube_hub_unref(hub);
    CHECK_INT(clients, 0);
    kube_hub_unref(NULL);
}

TEST(a_hub_runs_its_client_and_the_watches_whose_time_has_come)
{
    struct listener a, b;
    forget_watches();
    clock_hold(1000 * SEC_NS, 0);
    struct kube_hub *hub = hub_of("one");
    CHECK(kube_hub_timer_ns(hub) == DEADLINE_NEVER);
    listen_at(&a);
    listen_at(&b);
    struct kube_store *pods = kube_store_join(hub, &all_pods, &a.sub);
    struct kube_store *services =
        kube_store_join(hub, &(struct kube_store_conf){KUBE_SERVICE, "", "", ""}, &b.sub);
    watches[0].timer_ns = 1003 * SEC_NS;
    watches[1].timer_ns = 1001 * SEC_NS;
    CHECK_INT(kube_hub_timer_ns(hub), 1001 * SEC_NS);
    clock_hold(1001 * SEC_NS, 0);
    kube_hub_run(hub);
    CHECK_INT(client.runs, 1);
    CHECK_INT(watches[0].runs, 0);
    CHECK_INT(watches[1].runs, 1);
    CHECK_INT(kube_hub_timer_ns(hub), 1003 * SEC_NS);
    kube_store_leave(pods, &a.sub);
    kube_store_leave(services, &b.sub);
    kube_hub_unref(hub);
    clock_release();
}

TEST(a_selector_that_is_too_long_is_no_store)
{
    struct listener l;
    char *selector = mem_alloc(300000);
    memset(selector, 'a', 299999);
    forget_watches();
    struct kube_hub *hub = hub_of("one");
    listen_at(&l);
    struct kube_store_conf c = all_pods;
    c.label_selector = selector;
    CHECK(kube_store_join(hub, &c, &l.sub) == NULL);
    CHECK_INT(watches_len, 0);
    kube_hub_unref(hub);
    mem_free(selector);
}
