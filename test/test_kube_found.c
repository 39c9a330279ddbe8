/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "buf.h"
#include "kube_found.h"
#include "kube_read.h"

/* What was found, a line each: "ID ADDRESS" with "scheme=... path=..." and other asked labels
 * behind, or "ID ! WHY". */
struct lines {
    struct buf text;
    const char *const *shown; /* names of labels */
};

static const char *value_of(const struct kube_found *f, const char *name)
{
    for (size_t i = 0; i < f->labels_len; i++)
        if (strcmp(f->labels[i].name, name) == 0)
            return f->labels[i].value;
    return NULL;
}

static void add_line(void *of, const struct kube_found *f)
{
    struct lines *l = of;
    if (f->refused) {
        CHECK_INT(buf_printf(&l->text, "%s ! %s\n", f->id, f->refused), OK);
        return;
    }
    CHECK_INT(buf_printf(&l->text, "%s %s", f->id, value_of(f, "__address__")), OK);
    for (size_t i = 0; l->shown && l->shown[i]; i++)
        if (value_of(f, l->shown[i]))
            CHECK_INT(buf_printf(&l->text, " %s=%s", l->shown[i], value_of(f, l->shown[i])), OK);
    CHECK_INT(buf_puts(&l->text, "\n"), OK);
    for (size_t i = 0; i < f->labels_len; i++)
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(f->labels[i].name, f->labels[k].name) != 0);
}

static char prefix[] = "prometheus.io";
static const struct kube_found_conf required = {.prefix = prefix};
static const struct kube_found_conf optional = {.prefix = prefix,
                                                .annotations = KUBE_ANNOTATIONS_OPTIONAL};
static const struct kube_found_conf with_meta = {
    .prefix = prefix, .annotations = KUBE_ANNOTATIONS_OPTIONAL, .meta = true};

static void check_pod(const struct kube_found_conf *c, const char *json, const char *const *shown,
                      const char *want)
{
    struct lines l = {.text = BUF_INIT(1 << 20), .shown = shown};
    struct kube_object *pod = kube_read(KUBE_POD, json);
    CHECK(pod != NULL);
    kube_found_pod(c, pod, (struct kube_found_sink){add_line, &l});
    kube_object_free(pod);
    CHECK_STR(l.text.data, want);
    buf_done(&l.text);
}

/* Of a key that stands twice, the first counts: that is how status says something else. */
#define POD(annotations, containers, status)                                                   \
    "{'metadata':{'namespace':'shop','name':'web','uid':'u','labels':{'app':'w','a.b':'c'},"   \
    "'annotations':{" annotations "}},'spec':{'nodeName':'n1','containers':[" containers "]}," \
    "'status':{" status "'phase':'Running','podIP':'10.0.0.1'}}"
#define SCRAPE  "'prometheus.io/scrape':'true'"
#define PORT    ",'prometheus.io/port':"
#define PATH    ",'prometheus.io/path':"
#define SCHEME  ",'prometheus.io/scheme':"
#define ONE     "{'name':'app','ports':[{'name':'http','containerPort':8080}]}"
#define TWO     ONE ",{'name':'exp','ports':[{'name':'metrics','containerPort':9113}]}"
#define NO_MORE ""

TEST(a_pod_is_found_by_its_annotations)
{
    static const char *const shown[] = {"__scheme__", "__metrics_path__", "container", NULL};
    const struct {
        const char *json, *want;
    } cases[] = {
        {POD(SCRAPE, ONE, NO_MORE), "shop/web:9090/metrics 10.0.0.1:9090\n"},
        {POD(SCRAPE, TWO, NO_MORE), "shop/web/exp:9113/metrics 10.0.0.1:9113 container=exp\n"},
        {POD(SCRAPE PORT "'8080'", ONE, NO_MORE),
         "shop/web/app:8080/metrics 10.0.0.1:8080 container=app\n"},
        {POD(SCRAPE PORT "'http'", TWO, NO_MORE),
         "shop/web/app:8080/metrics 10.0.0.1:8080 container=app\n"},
        {POD(SCRAPE PORT "'7000'", ONE, NO_MORE),
         "shop/web/app:7000/metrics 10.0.0.1:7000 container=app\n"},
        {POD(SCRAPE PORT "'7000'", TWO, NO_MORE), "shop/web:7000/metrics 10.0.0.1:7000\n"},
        {POD(SCRAPE PORT "' http , 9113'" PATH "'/a'" SCHEME "'https'", TWO, NO_MORE),
         "shop/web/app:8080/a 10.0.0.1:8080 __scheme__=https __metrics_path__=/a container=app\n"
         "shop/web/exp:9113/a 10.0.0.1:9113 __scheme__=https __metrics_path__=/a container=exp\n"},
        {POD(SCRAPE PORT "'8080,8080'" PATH "'/a,b'" SCHEME "'http,https'", ONE, NO_MORE),
         "shop/web/app:8080/a 10.0.0.1:8080 __scheme__=http __metrics_path__=/a container=app\n"
         "shop/web/app:8080/b 10.0.0.1:8080 __scheme__=https __metrics_path__=b container=app\n"},
        {POD("'prometheus.io/scrape':'True'", ONE, NO_MORE),
         "shop/web:9090/metrics 10.0.0.1:9090\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_pod(&required, cases[i].json, shown, cases[i].want);
}

TEST(a_pod_that_is_no_target_says_why)
{
    const struct {
        const char *json, *want;
    } cases[] = {
        {POD("", ONE, NO_MORE), "shop/web ! no annotation prometheus.io/scrape\n"},
        {POD("'prometheus.io/scrape':'false'", ONE, NO_MORE),
         "shop/web ! annotation prometheus.io/scrape is false\n"},
        {POD("'prometheus.io/scrape':'maybe'", ONE, NO_MORE),
         "shop/web ! annotation prometheus.io/scrape: 'maybe' is neither true nor false\n"},
        {POD(SCRAPE, ONE, "'phase':'Succeeded',"), "shop/web ! the pod has ended\n"},
        {POD(SCRAPE, ONE, "'phase':'Failed',"), "shop/web ! the pod has ended\n"},
        {POD(SCRAPE, ONE, "'podIP':'',"), "shop/web ! the pod has no IP yet\n"},
        {POD(SCRAPE PORT "'web'", ONE, NO_MORE),
         "shop/web:web ! port 'web' is no port of the pod\n"},
        {POD(SCRAPE PORT "'0'", ONE, NO_MORE),
         "shop/web:0 ! port 0 is no number from 1 to 65535\n"},
        {POD(SCRAPE PORT "'65536'", ONE, NO_MORE),
         "shop/web:65536 ! port 65536 is no number from 1 to 65535\n"},
        {POD(SCRAPE PORT "'8080,'", ONE, NO_MORE),
         "shop/web/app:8080/metrics 10.0.0.1:8080\nshop/web: ! port '' is no port of the pod\n"},
        {POD(SCRAPE PORT "'8080,8080'", ONE, NO_MORE),
         "shop/web/app:8080/metrics 10.0.0.1:8080\n"
         "shop/web/app:8080/metrics ! the same port and path once more\n"},
        {POD(SCRAPE PORT "'1,2,3'" PATH "'/a,/b'", ONE, NO_MORE),
         "shop/web ! annotation prometheus.io/path has 2 items for 3 ports\n"},
        {POD(SCRAPE SCHEME "'http,https'", ONE, NO_MORE),
         "shop/web ! annotation prometheus.io/scheme has 2 items for 1 port\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_pod(&required, cases[i].json, NULL, cases[i].want);
}

TEST(more_ports_than_the_bound_are_refused)
{
    AUTO(buf) struct buf json = BUF_INIT(8192);
    AUTO(buf) struct buf ports = BUF_INIT(1024);
    struct lines l = {.text = BUF_INIT(1 << 16)};
    for (int i = 0; i < KUBE_FOUND_PORTS + 3; i++)
        CHECK_INT(buf_printf(&ports, "%s%d", i ? "," : "", 1000 + i), OK);
    CHECK_INT(
        buf_printf(&json,
                   "{'metadata':{'namespace':'a','name':'b','uid':'u','annotations':{" SCRAPE PORT
                   "'%s'}},'status':{'podIP':'10.0.0.1'}}",
                   ports.data),
        OK);
    struct kube_object *pod = kube_read(KUBE_POD, json.data);
    CHECK(pod != NULL);
    kube_found_pod(&required, pod, (struct kube_found_sink){add_line, &l});
    size_t lines = 0;
    for (const char *c = l.text.data; (c = strchr(c, '\n')); c++)
        lines++;
    CHECK_INT(lines, KUBE_FOUND_PORTS + 1);
    CHECK(strstr(l.text.data, "a/b:1064 ! too many ports") != NULL);
    kube_object_free(pod);
    buf_done(&l.text);
}

TEST(without_annotations_each_declared_port_is_found)
{
    check_pod(&optional, POD("", TWO, NO_MORE), NULL,
              "shop/web/app:8080/metrics 10.0.0.1:8080\n"
              "shop/web/exp:9113/metrics 10.0.0.1:9113\n");
    check_pod(&optional, POD("'prometheus.io/scrape':'false'", TWO, NO_MORE), NULL,
              "shop/web ! annotation prometheus.io/scrape is false\n");
    check_pod(&optional, POD("'prometheus.io/port':'9113'", TWO, NO_MORE), NULL,
              "shop/web/exp:9113/metrics 10.0.0.1:9113\n");
    check_pod(&optional, POD("", "{'name':'none'}", NO_MORE), NULL,
              "shop/web ! no TCP port of the pod\n");
    check_pod(&with_meta, POD("", "{'name':'none'}", NO_MORE), NULL,
              "shop/web/none/metrics 10.0.0.1\n");
}

TEST(an_init_container_counts_only_as_a_sidecar)
{
    check_pod(
        &optional,
        "{'metadata':{'namespace':'a','name':'b','uid':'u'},'spec':{'containers':[{'name':'c',"
        "'ports':[{'containerPort':1},{'containerPort':2,'protocol':'UDP'}]}],"
        "'initContainers':[{'name':'i','ports':[{'containerPort':3}]},{'name':'s',"
        "'restartPolicy':'Always','ports':[{'containerPort':4}]}]},"
        "'status':{'podIP':'fd00::1'}}",
        NULL, "a/b/c:1/metrics [fd00::1]:1\na/b/s:4/metrics [fd00::1]:4\n");
}

TEST(labels_are_those_chosen_and_those_of_the_place)
{
    static const char *const shown[] = {"namespace", "pod",  "node", "container", "tier",
                                        "team",      "none", "app",  NULL};
    struct text_pair labels[] = {{(char[]){"app"}, (char[]){"tier"}},
                                 {(char[]){"absent"}, (char[]){"none"}}};
    struct text_pair annotations[] = {{(char[]){"shop/team"}, (char[]){"team"}}};
    struct kube_found_conf c = {
        .prefix = prefix, .labels = {labels, 2}, .annotation_labels = {annotations, 1}};
    check_pod(
        &c, POD(SCRAPE ",'shop/team':'x'" PORT "'http'", ONE, NO_MORE), shown,
        "shop/web/app:8080/metrics 10.0.0.1:8080 namespace=shop pod=web node=n1 container=app "
        "tier=w team=x\n");
}

TEST(rules_see_what_prometheus_shows_them)
{
    static const char *const shown[] = {"__meta_kubernetes_namespace",
                                        "__meta_kubernetes_pod_name",
                                        "__meta_kubernetes_pod_label_a_b",
                                        "__meta_kubernetes_pod_labelpresent_a_b",
                                        "__meta_kubernetes_pod_annotation_prometheus_io_scrape",
                                        "__meta_kubernetes_pod_container_name",
                                        "__meta_kubernetes_pod_container_port_name",
                                        "__meta_kubernetes_pod_container_port_number",
                                        "__meta_kubernetes_pod_container_init",
                                        "__meta_kubernetes_pod_phase",
                                        "__meta_kubernetes_pod_ready",
                                        NULL};
    check_pod(&with_meta, POD(SCRAPE, ONE, NO_MORE), shown,
              "shop/web/app:8080/metrics 10.0.0.1:8080 __meta_kubernetes_namespace=shop "
              "__meta_kubernetes_pod_name=web __meta_kubernetes_pod_label_a_b=c "
              "__meta_kubernetes_pod_labelpresent_a_b=true "
              "__meta_kubernetes_pod_annotation_prometheus_io_scrape=true "
              "__meta_kubernetes_pod_container_name=app "
              "__meta_kubernetes_pod_container_port_name=http "
              "__meta_kubernetes_pod_container_port_number=8080 "
              "__meta_kubernetes_pod_container_init=false __meta_kubernetes_pod_phase=Running "
              "__meta_kubernetes_pod_ready=false\n");
}

TEST(intervals_and_limits_of_annotations_are_handed_on)
{
    static const char *const shown[] = {"__scrape_interval__", "__scrape_timeout__",
                                        "__sample_limit__", "__scrape_mode__", NULL};
    check_pod(&required,
              POD(SCRAPE ",'prometheus.io/interval':'5s','prometheus.io/timeout':'1s',"
                         "'prometheus.io/sample-limit':'10','prometheus.io/mode':'strict'",
                  ONE, NO_MORE),
              shown,
              "shop/web:9090/metrics 10.0.0.1:9090 __scrape_interval__=5s __scrape_timeout__=1s "
              "__sample_limit__=10 __scrape_mode__=strict\n");
}

#define SERVICE(annotations, spec)                                                             \
    "{'metadata':{'namespace':'shop','name':'web','uid':'s','annotations':{" annotations "}}," \
    "'spec':{'type':'ClusterIP','clusterIP':'10.96.0.9','selector':{'app':'w'}" spec "}}"
#define PORTS ",'ports':[{'name':'a','port':80,'targetPort':'http'}]"
#define MANY \
    ",'ports':[{'name':'a','port':80,'targetPort':'http'},{'name':'b','port':81,'targetPort':7}]"

static void check_service(const struct kube_found_conf *c, const char *json, const char *want)
{
    static const char *const shown[] = {"service", NULL};
    struct lines l = {.text = BUF_INIT(1 << 16), .shown = shown};
    struct kube_object *o = kube_read(KUBE_SERVICE, json);
    CHECK(o != NULL);
    kube_found_service(c, o, (struct kube_found_sink){add_line, &l});
    kube_object_free(o);
    CHECK_STR(l.text.data, want);
    buf_done(&l.text);
}

TEST(a_service_is_found_at_its_cluster_ip)
{
    check_service(&required, SERVICE(SCRAPE, PORTS),
                  "shop/web:80/metrics 10.96.0.9:80 service=web\n");
    check_service(&required, SERVICE(SCRAPE PORT "'b'", MANY),
                  "shop/web:81/metrics 10.96.0.9:81 service=web\n");
    check_service(&required, SERVICE(SCRAPE, MANY),
                  "shop/web ! the service has several ports: annotation prometheus.io/port says "
                  "which\n");
    check_service(&required, SERVICE(SCRAPE PORT "'9'", PORTS),
                  "shop/web:9 ! port '9' is no port of the service\n");
    check_service(&required, SERVICE("", PORTS), "shop/web ! no annotation prometheus.io/scrape\n");
    check_service(&required,
                  "{'metadata':{'namespace':'shop','name':'web','uid':'s','annotations':{" SCRAPE
                  "}},'spec':{'clusterIP':'None'}}",
                  "shop/web ! a headless service has no cluster IP: role endpoints finds what is "
                  "behind it\n");
    check_service(&required,
                  "{'metadata':{'namespace':'shop','name':'web','uid':'s','annotations':{" SCRAPE
                  "}},'spec':{'type':'ExternalName'}}",
                  "shop/web ! a service of type ExternalName has no address in the cluster\n");
}

static void check_selected_by(const struct kube_found_conf *c, const char *service, const char *pod,
                              const char *const *shown, const char *want)
{
    struct lines l = {.text = BUF_INIT(1 << 16), .shown = shown};
    struct kube_object *s = kube_read(KUBE_SERVICE, service), *p = kube_read(KUBE_POD, pod);
    CHECK(s != NULL && p != NULL);
    CHECK(kube_selects(s, p));
    kube_found_selected(c, s, p, (struct kube_found_sink){add_line, &l});
    kube_object_free(s);
    kube_object_free(p);
    CHECK_STR(l.text.data, want);
    buf_done(&l.text);
}

static void check_selected(const char *service, const char *pod, const char *want)
{
    static const char *const shown[] = {"service", "pod", "container", NULL};
    check_selected_by(&required, service, pod, shown, want);
}

#define READY "'conditions':[{'type':'Ready','status':'True'}],"

TEST(a_pod_behind_a_service_is_found_at_the_port_that_the_service_means)
{
    check_selected(SERVICE(SCRAPE, PORTS), POD("", TWO, READY),
                   "shop/web/web/app:8080/metrics 10.0.0.1:8080 service=web pod=web "
                   "container=app\n");
    check_selected(SERVICE(SCRAPE PORT "'b'", MANY), POD("", ONE, READY),
                   "shop/web/web/app:7/metrics 10.0.0.1:7 service=web pod=web container=app\n");
    check_selected(SERVICE(SCRAPE PORT "'9113'", PORTS), POD("", TWO, READY),
                   "shop/web/web:9113/metrics 10.0.0.1:9113 service=web pod=web\n");
    check_selected(SERVICE(SCRAPE, PORTS), POD("", ONE, NO_MORE),
                   "shop/web/web ! the pod is not ready\n");
    check_selected(SERVICE("", PORTS), POD(SCRAPE, ONE, READY),
                   "shop/web/web ! no annotation prometheus.io/scrape\n");
}

TEST(rules_see_a_pod_behind_a_service_as_its_endpoint_too)
{
    static const char *const shown[] = {"__meta_kubernetes_service_name",
                                        "__meta_kubernetes_endpoints_name",
                                        "__meta_kubernetes_endpoint_port_name",
                                        "__meta_kubernetes_endpoint_port_protocol",
                                        "__meta_kubernetes_endpoint_ready",
                                        "__meta_kubernetes_endpoint_node_name",
                                        "__meta_kubernetes_endpoint_address_target_kind",
                                        "__meta_kubernetes_endpoint_address_target_name",
                                        "__meta_kubernetes_pod_container_name",
                                        "__meta_kubernetes_pod_container_port_name",
                                        NULL};
    check_selected_by(
        &with_meta, SERVICE(SCRAPE, MANY), POD("", ONE, READY), shown,
        "shop/web/web/app:8080/metrics 10.0.0.1:8080 __meta_kubernetes_service_name=web "
        "__meta_kubernetes_endpoints_name=web __meta_kubernetes_endpoint_port_name=a "
        "__meta_kubernetes_endpoint_port_protocol=TCP __meta_kubernetes_endpoint_ready=true "
        "__meta_kubernetes_endpoint_node_name=n1 "
        "__meta_kubernetes_endpoint_address_target_kind=Pod "
        "__meta_kubernetes_endpoint_address_target_name=web "
        "__meta_kubernetes_pod_container_name=app "
        "__meta_kubernetes_pod_container_port_name=http\n"
        "shop/web/web/app:7/metrics 10.0.0.1:7 __meta_kubernetes_service_name=web "
        "__meta_kubernetes_endpoints_name=web __meta_kubernetes_endpoint_port_name=b "
        "__meta_kubernetes_endpoint_port_protocol=TCP __meta_kubernetes_endpoint_ready=true "
        "__meta_kubernetes_endpoint_node_name=n1 "
        "__meta_kubernetes_endpoint_address_target_kind=Pod "
        "__meta_kubernetes_endpoint_address_target_name=web "
        "__meta_kubernetes_pod_container_name=app __meta_kubernetes_pod_container_port_name=\n");
}

TEST(a_selector_selects_within_its_namespace_and_only_when_it_says_something)
{
    const struct {
        const char *service;
        bool want;
    } cases[] = {
        {SERVICE("", ""), true},
        {"{'metadata':{'namespace':'shop','name':'a','uid':'u'},'spec':{'selector':{}}}", false},
        {"{'metadata':{'namespace':'shop','name':'a','uid':'u'}}", false},
        {"{'metadata':{'namespace':'x','name':'a','uid':'u'},'spec':{'selector':{'app':'w'}}}",
         false},
        {"{'metadata':{'namespace':'shop','name':'a','uid':'u'},"
         "'spec':{'selector':{'app':'w','z':'y'}}}",
         false},
        {"{'metadata':{'namespace':'shop','name':'a','uid':'u'},'spec':{'selector':{'app':'v'}}}",
         false},
    };
    struct kube_object *pod = kube_read(KUBE_POD, POD("", ONE, NO_MORE));
    CHECK(pod != NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kube_object *s = kube_read(KUBE_SERVICE, cases[i].service);
        CHECK(s != NULL);
        CHECK_INT(kube_selects(s, pod), cases[i].want);
        kube_object_free(s);
    }
    kube_object_free(pod);
}

TEST(ready_endpoints_of_a_slice_are_found)
{
    static const char *const shown[] = {"service", "pod", "node",
                                        "__meta_kubernetes_endpoint_node_name", NULL};
    struct lines l = {.text = BUF_INIT(1 << 16), .shown = shown};
    struct kube_object *s = kube_read(KUBE_SERVICE, SERVICE(SCRAPE, PORTS));
    struct kube_object *e = kube_read(
        KUBE_SLICE,
        "{'metadata':{'namespace':'shop','name':'web-x','uid':'e','labels':{"
        "'kubernetes.io/service-name':'web'}},'addressType':'IPv4','ports':[{'name':'a','port':"
        "8080}],'endpoints':[{'addresses':['10.1.0.1'],'nodeName':'n7','targetRef':{'kind':'Pod',"
        "'name':'web-1'}},{'addresses':['10.1.0.2']},{'addresses':['10.1.0.3'],'conditions':{"
        "'ready':false}},{}]}");
    struct kube_found_conf c = required;
    c.meta = true;
    CHECK(s != NULL && e != NULL);
    kube_found_slice(&c, s, e, (struct kube_found_sink){add_line, &l});
    CHECK_STR(l.text.data,
              "shop/web-x/web-1:8080/metrics 10.1.0.1:8080 service=web pod=web-1 node=n7 "
              "__meta_kubernetes_endpoint_node_name=n7\n"
              "shop/web-x/10.1.0.2:8080/metrics 10.1.0.2:8080 service=web\n"
              "shop/web-x/10.1.0.3 ! the endpoint is not ready\n"
              "shop/web-x/ ! the endpoint has no address\n");
    kube_object_free(s);
    kube_object_free(e);
    buf_done(&l.text);
}

TEST(a_slice_with_more_than_the_bound_is_told_up_to_there)
{
    AUTO(buf) struct buf json = BUF_INIT(1 << 20);
    struct lines l = {.text = BUF_INIT(1 << 20)};
    struct kube_object *s = kube_read(KUBE_SERVICE, SERVICE(SCRAPE PORT "'1,2,3,4,5,6'", PORTS));
    CHECK_INT(buf_puts(&json, "{'metadata':{'namespace':'shop','name':'x','uid':'e','labels':{"
                              "'kubernetes.io/service-name':'web'}},'endpoints':["),
              OK);
    for (int i = 0; i < KUBE_ENDPOINTS_MAX; i++)
        CHECK_INT(
            buf_printf(&json, "%s{'addresses':['10.1.%d.%d']}", i ? "," : "", i / 250, i % 250 + 1),
            OK);
    CHECK_INT(buf_puts(&json, "]}"), OK);
    struct kube_object *e = kube_read(KUBE_SLICE, json.data);
    CHECK(s != NULL && e != NULL);
    kube_found_slice(&required, s, e, (struct kube_found_sink){add_line, &l});
    size_t lines = 0;
    for (const char *c = l.text.data; (c = strchr(c, '\n')); c++)
        lines++;
    CHECK_INT(lines, 834 * 6 + 1);
    CHECK(strstr(l.text.data, "\nshop/x ! the last 166 endpoints: more than 5000 of one slice\n"));
    kube_object_free(s);
    kube_object_free(e);
    buf_done(&l.text);
}

TEST(a_service_of_both_families_is_scraped_by_its_first)
{
    static const char service[] =
        "{'metadata':{'namespace':'shop','name':'web','uid':'s','annotations':{" SCRAPE
        "}},'spec':{'ipFamilies':['IPv6','IPv4']}}";
    struct lines l = {.text = BUF_INIT(1 << 16)};
    struct kube_object *s = kube_read(KUBE_SERVICE, service);
    struct kube_object *e =
        kube_read(KUBE_SLICE,
                  "{'metadata':{'namespace':'shop','name':'web-4','uid':'e'},'addressType':'IPv4',"
                  "'ports':[{'port':80}],'endpoints':[{'addresses':['10.1.0.1']}]}");
    CHECK(s != NULL && e != NULL);
    kube_found_slice(&required, s, e, (struct kube_found_sink){add_line, &l});
    CHECK_STR(l.text.data, "shop/web-4 ! the service's first family is IPv6\n");
    kube_object_free(s);
    kube_object_free(e);
    buf_done(&l.text);
}
