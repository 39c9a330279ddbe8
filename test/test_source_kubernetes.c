/* SPDX-License-Identifier: Apache-2.0 */
#include "kubernetes_test.h"

#define POD_(name, app, annotations, more, status)                                       \
    "{'metadata':{'namespace':'a','name':'" name "','uid':'u','labels':{'app':'" app     \
    "'},'annotations':{" annotations "}" more "},'spec':{'nodeName':'n','containers':[{" \
    "'name':'c','ports':[{'name':'http','containerPort':8080}]}]},'status':{'phase':"    \
    "'Running'," status "'conditions':[{'type':'Ready','status':'True'}]}}"
#define SCRAPE           "'prometheus.io/scrape':'true'"
#define PORT(p)          SCRAPE ",'prometheus.io/port':'" p "'"
#define IP(ip)           "'podIP':'" ip "',"
#define POD(name, ports) POD_(name, "web", PORT(ports), "", IP("10.0.0.1"))
#define PLAIN(name, app) POD_(name, app, "", "", IP("10.0.0.1"))
#define ENDING           ",'deletionTimestamp':'2026-11-21T19:00:30Z','deletionGracePeriodSeconds':30"
#define ENDED_MS         INT64_C(1795287600000) /* when it was asked to end */
#define SERVICE(name, app, annotations)                                                    \
    "{'metadata':{'namespace':'a','name':'" name "','uid':'u','annotations':{" annotations \
    "}},'spec':{'type':'ClusterIP','clusterIP':'10.9.0.1','selector':{'app':'" app         \
    "'},'ports':[{'name':'http','port':80,'targetPort':8080}]}}"
#define ENDPOINT(pod, ip, is_ready)                                            \
    "{'addresses':['" ip "'],'conditions':{'ready':" is_ready "},'targetRef':" \
    "{'kind':'Pod','namespace':'a','name':'" pod "'}}"
#define SLICE(name, service, endpoints)                                                         \
    "{'metadata':{'namespace':'a','name':'" name "','uid':'u','labels':{"                       \
    "'kubernetes.io/service-name':'" service "'}},'addressType':'IPv4','endpoints':[" endpoints \
    "],'ports':[{'name':'http','port':8080,'protocol':'TCP'}]}"

TEST(pods_come_change_and_go)
{
    begin("pod");
    set("node", "n");
    open_source();
    CHECK_STR(watches[0].path, "/api/v1/pods");
    CHECK_INT(watches_len, 1);
    TOLD("");
    watch_object(&watches[0], POD("p", "8080"));
    TOLD("+a/p/c:8080/metrics");
    watch_synced(&watches[0]);
    TOLD("synced");
    watch_object(&watches[0], POD("p", "8080,9113"));
    TOLD("+a/p/c:9113/metrics");
    watch_object(&watches[0], POD_("p", "web", PORT("9113"), "", IP("10.0.0.2")));
    TOLD("-a/p/c:8080/metrics +a/p/c:9113/metrics");
    CHECK_STR(told.all[0].url, "http://10.0.0.2:9113/metrics");
    watch_object(&watches[0], PLAIN("q", "web"));
    watch_gone(&watches[0], POD("p", "1"));
    TOLD("-a/p/c:9113/metrics");
    end();
}

TEST(what_a_pod_says_that_is_no_use_is_refused_with_the_reason)
{
    begin("pod");
    open_source();
    REFUSED(0, "");
    watch_object(&watches[0], PLAIN("plain", "web"));
    watch_object(&watches[0], POD("p", "8080,x"));
    watch_object(&watches[0], POD_("q", "web", SCRAPE, "", ""));
    watch_object(&watches[0],
                 POD_("r", "web", PORT("80") ",'prometheus.io/interval':'1s'", "", IP("10.0.0.1")));
    TOLD("+a/p/c:8080/metrics");
    REFUSED(3, "a/p:x: port 'x' is no port of the pod\n"
               "a/q: the pod has no IP yet\n"
               "a/r/c:80/metrics: asks for an interval below min_interval (1000 < 5000 ms)\n");
    watch_object(&watches[0], POD("q", "80"));
    watch_gone(&watches[0], POD("r", "80"));
    REFUSED(1, "a/p:x: port 'x' is no port of the pod\n");
    watch_gone(&watches[0], POD("p", "80"));
    REFUSED(0, "");
    end();
}

TEST(a_pod_that_begins_to_end_is_scraped_once_more)
{
    begin("pod");
    open_source();
    watch_object(&watches[0], POD("p", "80,81"));
    TOLD("+a/p/c:80/metrics +a/p/c:81/metrics");
    watch_object(&watches[0], POD_("p", "web", PORT("80,81"), ENDING, IP("10.0.0.1")));
    TOLD("*a/p/c:80/metrics *a/p/c:81/metrics");
    CHECK_INT(told.due_ms, ENDED_MS);
    watch_object(&watches[0], POD_("p", "web", PORT("80"), ENDING, IP("10.0.0.1")));
    TOLD("-a/p/c:81/metrics");
    watch_object(&watches[0], POD_("late", "web", PORT("80"), ENDING, IP("10.0.0.1")));
    TOLD("+a/late/c:80/metrics");
    end();
}

TEST(behind_a_service_a_pod_that_begins_to_end_is_scraped_once_more)
{
    begin("endpoints");
    set("node", "n");
    open_source();
    watch_object(&watches[0], SERVICE("s", "web", SCRAPE));
    watch_object(&watches[1], PLAIN("p", "web"));
    TOLD("+a/s/p/c:8080/metrics");
    watch_object(&watches[1], POD_("p", "web", "", ENDING, IP("10.0.0.1")));
    TOLD("*a/s/p/c:8080/metrics");
    CHECK_INT(told.due_ms, ENDED_MS);
    end();
}

TEST(targets_above_the_bound_are_refused_and_taken_when_there_is_room)
{
    begin("pod");
    env.common.targets = 2;
    open_source();
    watch_object(&watches[0], POD("p", "80"));
    watch_object(&watches[0], POD("q", "80,81,82"));
    TOLD("+a/p/c:80/metrics +a/q/c:80/metrics");
    REFUSED(2, "a/q/c:81/metrics: above the bound of targets\n"
               "a/q/c:82/metrics: above the bound of targets\n");
    watch_gone(&watches[0], POD("p", "80"));
    TOLD("-a/p/c:80/metrics +a/q/c:81/metrics");
    REFUSED(1, "a/q/c:82/metrics: above the bound of targets\n");
    watch_object(&watches[0], POD("q", "80,82"));
    TOLD("-a/q/c:81/metrics +a/q/c:82/metrics");
    REFUSED(0, "");
    end();
}

TEST(a_service_and_its_pods_are_put_together_in_either_order)
{
    begin("endpoints");
    set("node", "n");
    open_source();
    CHECK_STR(watches[0].path, "/api/v1/services");
    CHECK(strstr(watches[1].fields, "spec.nodeName=n,"));
    watch_object(&watches[0], SERVICE("s", "web", SCRAPE));
    TOLD("");
    watch_object(&watches[1], PLAIN("p", "web"));
    watch_object(&watches[1], PLAIN("other", "db"));
    TOLD("+a/s/p/c:8080/metrics");
    watch_object(&watches[0], SERVICE("t", "db", SCRAPE));
    TOLD("+a/t/other/c:8080/metrics");
    watch_synced(&watches[0]);
    TOLD(""); /* one of two lists is not complete */
    watch_synced(&watches[1]);
    TOLD("synced");
    watch_object(&watches[0], SERVICE("s", "db", SCRAPE));
    TOLD("-a/s/p/c:8080/metrics +a/s/other/c:8080/metrics");
    watch_object(&watches[1], PLAIN("p", "db"));
    TOLD("+a/s/p/c:8080/metrics +a/t/p/c:8080/metrics");
    watch_object(&watches[0], SERVICE("t", "db", ""));
    TOLD("-a/t/p/c:8080/metrics -a/t/other/c:8080/metrics");
    watch_gone(&watches[1], PLAIN("p", "db"));
    watch_gone(&watches[0], SERVICE("s", "db", SCRAPE));
    TOLD("-a/s/p/c:8080/metrics -a/s/other/c:8080/metrics");
    end();
}

TEST(without_a_node_what_is_behind_a_service_comes_from_slices)
{
    begin("endpoints");
    open_source();
    CHECK_STR(watches[1].path, "/apis/discovery.k8s.io/v1/endpointslices");
    watch_object(&watches[1],
                 SLICE("s-1", "s",
                       ENDPOINT("p", "10.0.0.1", "true") "," ENDPOINT("q", "10.0.0.2", "false")));
    TOLD("");
    watch_object(&watches[0], SERVICE("s", "web", SCRAPE));
    TOLD("+a/s-1/p:8080/metrics");
    REFUSED(1, "a/s-1/q: the endpoint is not ready\n");
    watch_object(&watches[1], SLICE("s-1", "s", ENDPOINT("q", "10.0.0.2", "true")));
    TOLD("-a/s-1/p:8080/metrics +a/s-1/q:8080/metrics");
    REFUSED(0, "");
    watch_object(&watches[0], SERVICE("t", "web", SCRAPE));
    watch_object(&watches[1], SLICE("s-1", "t", ENDPOINT("q", "10.0.0.3", "true")));
    TOLD("+a/s-1/q:8080/metrics"); /* of another service now */
    watch_gone(&watches[0], SERVICE("s", "web", SCRAPE));
    TOLD("");
    watch_gone(&watches[1], SLICE("s-1", "t", ""));
    TOLD("-a/s-1/q:8080/metrics");
    end();
}

TEST(an_endpoint_that_stands_in_a_slice_twice_counts_once)
{
    begin("endpoints");
    open_source();
    watch_object(&watches[0], SERVICE("s", "web", SCRAPE));
    watch_object(
        &watches[1],
        SLICE("x", "s", ENDPOINT("p", "10.0.0.1", "true") "," ENDPOINT("p", "10.0.0.2", "true")));
    TOLD("+a/x/p:8080/metrics");
    CHECK_STR(told.all[0].url, "http://10.0.0.1:8080/metrics");
    REFUSED(1, "a/x/p:8080/metrics: it stands there twice\n");
    watch_gone(&watches[1], SLICE("x", "s", ""));
    TOLD("-a/x/p:8080/metrics");
    REFUSED(0, "");
    end();
}

TEST(services_are_scraped_by_who_holds_the_lease)
{
    begin("service");
    open_source();
    CHECK_STR(lease.ns, "own");
    CHECK_STR(lease.name, "strata-services");
    CHECK_INT(lease.duration_ns, 12 * SEC_NS);
    CHECK(strncmp(lease.holder, "node-1_", 7) == 0);
    watch_object(&watches[0], SERVICE("s", "web", SCRAPE));
    watch_object(&watches[0], SERVICE("bad", "web", PORT("9")));
    watch_synced(&watches[0]);
    TOLD("synced");
    REFUSED(0, ""); /* all of that is for the holder */
    lease.held = true;
    TOLD("+a/s:80/metrics");
    CHECK_STR(told.all[0].url, "http://10.9.0.1:80/metrics");
    REFUSED(1, "a/bad:9: port '9' is no port of the service\n");
    watch_object(&watches[0], SERVICE("t", "web", SCRAPE));
    TOLD("+a/t:80/metrics");
    lease.held = false; /* by the clock: nobody says so */
    TOLD("-a/s:80/metrics -a/t:80/metrics");
    REFUSED(0, "");
    watch_gone(&watches[0], SERVICE("t", "web", SCRAPE));
    TOLD("");
    lease.held = true;
    TOLD("+a/s:80/metrics");
    CHECK(!lease.released);
    end();
    CHECK(lease.released && !lease.open);
}

TEST(sources_of_one_lease_have_it_together_and_the_last_gives_it_up)
{
    begin("service");
    open_source();
    void *first = source;
    now += SEC_NS;
    clock_hold(now, 1795271170000); /* whose holder would have another name */
    open_source();
    void *second = source;
    CHECK(strncmp(lease.holder, "node-1_", 7) == 0);
    watch_object(&watches[0], SERVICE("s", "web", SCRAPE));
    lease.held = true;
    CHECK_INT(source_kubernetes.timer_ns(first), DEADLINE_NOW);
    TOLD("+a/s:80/metrics");
    CHECK_INT(source_kubernetes.timer_ns(first), DEADLINE_NOW); /* the other one has run it */
    source = first;
    TOLD("+a/s:80/metrics");
    CHECK_INT(source_kubernetes.timer_ns(first), DEADLINE_NEVER);
    source_kubernetes.close(first);
    CHECK(lease.open && lease.held && !lease.released);
    source = second;
    TOLD("");
    end();
    CHECK(lease.released && !lease.open);
}

TEST(what_one_source_runs_the_other_ones_of_its_hub_hear_of)
{
    struct err err = {OK, ""};
    begin("pod");
    open_source();
    void *first = source;
    open_source();
    void *second = source;
    watches[0].state.fault = (struct err){ERR_IO, "no server"};
    CHECK_INT(source_kubernetes.timer_ns(first), DEADLINE_NOW);
    CHECK_INT(run(&err), ERR_IO);
    CHECK_INT(source_kubernetes.timer_ns(second), DEADLINE_NEVER);
    CHECK_INT(source_kubernetes.timer_ns(first), DEADLINE_NOW);
    source = first;
    CHECK_INT(run(&err), ERR_IO);
    CHECK_STR(err.text, "no server");
    CHECK_INT(source_kubernetes.timer_ns(first), DEADLINE_NEVER);
    watches[0].state.fault = (struct err){OK, ""};
    watch_synced(&watches[0]);
    TOLD("synced");
    CHECK_INT(source_kubernetes.timer_ns(first), DEADLINE_NEVER);
    CHECK_INT(source_kubernetes.timer_ns(second), DEADLINE_NOW);
    source_kubernetes.close(first);
    source = second;
    TOLD("synced");
    CHECK_INT(source_kubernetes.timer_ns(second), DEADLINE_NEVER);
    end();
}

TEST(a_source_waits_until_its_lease_or_its_watches_want_something)
{
    begin("service");
    open_source();
    CHECK(source_kubernetes.timer_ns(source) == DEADLINE_NEVER);
    watches[0].timer_ns = now + 5 * SEC_NS;
    CHECK_INT(source_kubernetes.timer_ns(source), now + 5 * SEC_NS);
    lease.timer_ns = now + 3 * SEC_NS;
    CHECK_INT(source_kubernetes.timer_ns(source), now + 3 * SEC_NS);
    watch_object(&watches[0], SERVICE("s", "web", SCRAPE));
    lease.held = true;
    CHECK_INT(source_kubernetes.timer_ns(source), DEADLINE_NOW);
    end();
}

TEST(what_does_not_work_is_told_and_targets_stay)
{
    struct err err = {OK, ""};
    begin("service");
    open_source();
    watch_object(&watches[0], SERVICE("s", "web", SCRAPE));
    lease.held = true;
    TOLD("+a/s:80/metrics");
    err_set(&watches[0].state.fault, ERR_TIMEOUT, "silence");
    err_set(&lease.fault, ERR_DENIED, "no leases");
    CHECK_INT(run(&err), ERR_IO);
    CHECK_STR(err.text, "silence");
    watches[0].state.fault = (struct err){OK, ""};
    CHECK_INT(run(&err), ERR_DENIED);
    CHECK_STR(err.text, "no leases");
    lease.fault = (struct err){OK, ""};
    TOLD("");
    CHECK_INT(told.len, 1);
    end();
}

TEST(each_namespace_is_followed_and_only_selected_kinds_are_selected)
{
    begin("endpoints");
    set("namespaces", "a");
    set("namespaces", "b");
    struct kubernetes_selector *s = &conf.selector;
    const struct setting *selector = setting_find(kubernetes_settings, "selector");
    CHECK_INT(setting_put(setting_find(selector->sub, "matchLabels"), s, "team", "x", NULL), OK);
    open_source();
    static const char *const want[][2] = {
        {"/api/v1/namespaces/a/services", "team=x"},
        {"/apis/discovery.k8s.io/v1/namespaces/a/endpointslices", ""},
        {"/api/v1/namespaces/b/services", "team=x"},
        {"/apis/discovery.k8s.io/v1/namespaces/b/endpointslices", ""},
    };
    CHECK_INT(watches_len, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        CHECK_STR(watches[i].path, want[i][0]);
        CHECK_STR(watches[i].labels, want[i][1]);
        TOLD("");
        watch_synced(&watches[i]);
    }
    TOLD("synced");
    end();
}

static void expression(const char *key, const char *operator, const char * const values[])
{
    const struct setting *selector = setting_find(kubernetes_settings, "selector");
    const struct setting *all = setting_find(selector->sub, "matchExpressions");
    void *e = NULL;
    CHECK_INT(setting_add(all, &conf.selector, &e, NULL), OK);
    CHECK_INT(setting_set(setting_find(all->sub, "key"), e, key, NULL), OK);
    CHECK_INT(setting_set(setting_find(all->sub, "operator"), e, operator, NULL), OK);
    for (; *values; values++)
        CHECK_INT(setting_set(setting_find(all->sub, "values"), e, *values, NULL), OK);
}

TEST(a_selector_is_written_as_the_api_reads_it)
{
    begin("pod");
    const struct setting *selector = setting_find(kubernetes_settings, "selector");
    CHECK_INT(
        setting_put(setting_find(selector->sub, "matchLabels"), &conf.selector, "app", "web", NULL),
        OK);
    expression("tier", "In", (const char *const[]){"a", "b", NULL});
    expression("env", "NotIn", (const char *const[]){"test", NULL});
    expression("x.io/y", "Exists", (const char *const[]){NULL});
    expression("canary", "DoesNotExist", (const char *const[]){NULL});
    open_source();
    CHECK_STR(watches[0].labels, "app=web,tier in (a,b),env notin (test),x.io/y,!canary");
    end();
}

TEST(without_a_cluster_a_source_opens_and_looks_again)
{
    struct err err = {OK, ""};
    begin("pod");
    CHECK_INT(source_kubernetes.open(&source, &conf, &env.env, &err), OK);
    CHECK(source_kubernetes.fd(source) >= 0);
    CHECK_INT(run(&err), ERR_IO);
    CHECK(strlen(err.text) > 10);
    CHECK_INT(source_kubernetes.timer_ns(source), now + 10 * SEC_NS);
    CHECK_INT(watches_len, 0);
    const char *path = kubeconfig(KUBECONFIG);
    setenv("KUBECONFIG", path, 1);
    CHECK_INT(run(&err), ERR_IO); /* not yet */
    now += 10 * SEC_NS;
    clock_hold(now, 0);
    CHECK_INT(run(&err), OK);
    CHECK_INT(watches_len, 1);
    unsetenv("KUBECONFIG");
    remove(path);
    end();
}

TEST(each_fault_of_the_settings_is_named)
{
    static const struct {
        const char *name, *text, *want;
    } cases[] = {
        {"prefix", "-a", "prefix: '-a' is no prefix of annotations"},
        {"prefix", "", "prefix: '' is no prefix of annotations"},
        {"node", "a b", "node: 'a b' is no name of a node"},
        {"namespaces", "a/b", "namespaces: 'a/b' is no name of a namespace"},
        {"namespaces", "twice", "namespaces: 'twice' stands there twice"},
        {"role", "service", "node: role service has none: a cluster IP is of the whole cluster"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {OK, ""};
        begin("pod");
        set("node", "n");
        set("namespaces", "twice");
        set(cases[i].name, cases[i].text);
        CHECK_INT(source_kubernetes.open(&source, &conf, &env.env, &err), ERR_INVALID);
        CHECK_STR(err.text, cases[i].want);
        setting_done(kubernetes_settings, &conf);
        test_env_done(&env);
    }
    clock_release();
}

TEST(a_kubeconfig_that_is_none_is_refused_at_once)
{
    struct err err = {OK, ""};
    begin("pod");
    const char *path = kubeconfig("clusters: {}\n");
    connect_to(path);
    CHECK_INT(source_kubernetes.open(&source, &conf, &env.env, &err), ERR_INVALID);
    CHECK(strstr(err.text, path));
    remove(path);
    setting_done(kubernetes_settings, &conf);
    test_env_done(&env);
    clock_release();
}
