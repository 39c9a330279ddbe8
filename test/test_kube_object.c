/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "buf.h"
#include "kube_read.h"

#define META "'metadata':{'namespace':'shop','name':'web-1','uid':'u1'}"

TEST(a_pod_keeps_what_is_used)
{
    struct kube_object *o = kube_read(
        KUBE_POD,
        "{'metadata':{'namespace':'shop','name':'web-1','uid':'u1',"
        "'labels':{'tier':'front','app':'web'},'annotations':{'prometheus.io/scrape':'true'},"
        "'ownerReferences':[{'kind':'Node','name':'x'},"
        "{'kind':'ReplicaSet','name':'web','controller':true}],"
        "'deletionTimestamp':'2026-11-21T10:00:30Z','deletionGracePeriodSeconds':30},"
        "'spec':{'nodeName':'n1','hostNetwork':true,"
        "'containers':[{'name':'web','image':'i:1','ports':[{'name':'http','containerPort':80},"
        "{'containerPort':53,'protocol':'UDP'}]},{'name':'side'}],"
        "'initContainers':[{'name':'init','ports':[{'containerPort':7}]},"
        "{'name':'mesh','restartPolicy':'Always','ports':[{'name':'m','containerPort':15020}]}]},"
        "'status':{'phase':'Running','podIP':'10.0.0.1','hostIP':'10.9.9.9',"
        "'podIPs':[{'ip':'10.0.0.1'},{'ip':'fd00::1'}],"
        "'conditions':[{'type':'Ready','status':'True'}]}}");
    CHECK(o != NULL);
    CHECK_STR(o->ns, "shop");
    CHECK_STR(o->name, "web-1");
    CHECK_STR(o->uid, "u1");
    CHECK_STR(o->labels[0].name, "app");
    CHECK_STR(kube_label(o->labels, o->labels_len, "tier"), "front");
    CHECK(kube_label(o->labels, o->labels_len, "none") == NULL);
    CHECK_STR(kube_label(o->annotations, o->annotations_len, "prometheus.io/scrape"), "true");
    CHECK_STR(o->owner_kind, "ReplicaSet");
    CHECK_STR(o->owner_name, "web");
    CHECK_INT(o->deletion_ms, 1795255230000);
    CHECK_INT(o->grace_ms, 30000);
    CHECK_STR(o->node, "n1");
    CHECK(o->host_network && o->ready && !o->cut);
    CHECK_STR(o->ips[0], "10.0.0.1");
    CHECK_STR(o->ips[1], "fd00::1");
    CHECK_STR(o->host_ip, "10.9.9.9");
    CHECK_INT(o->containers_len, 4);
    CHECK_STR(o->containers[2].name, "init");
    CHECK(o->containers[2].init && !o->containers[2].sidecar);
    CHECK(o->containers[3].init && o->containers[3].sidecar);
    CHECK_INT(o->ports_len, 4);
    CHECK_STR(o->ports[0].name, "http");
    CHECK_STR(o->ports[1].protocol, "UDP");
    CHECK_INT(o->ports[3].number, 15020);
    CHECK_INT(o->ports[3].container, 3);
    kube_object_free(o);
}

TEST(a_service_keeps_ports_and_selector)
{
    struct kube_object *o =
        kube_read(KUBE_SERVICE, "{" META ",'spec':{'type':'ClusterIP','clusterIP':'10.96.0.7',"
                                "'selector':{'app':'web'},'ports':[{'name':'m','port':80,"
                                "'targetPort':'metrics'},{'port':81,'targetPort':8081}]}}");
    CHECK(o != NULL);
    CHECK_STR(o->cluster_ip, "10.96.0.7");
    CHECK_STR(o->type, "ClusterIP");
    CHECK_INT(o->selector_len, 1);
    CHECK_STR(o->ports[0].target, "metrics");
    CHECK_INT(o->ports[0].number, 80);
    CHECK_STR(o->ports[1].target, "8081");
    kube_object_free(o);
}

TEST(a_slice_keeps_its_endpoints)
{
    struct kube_object *o = kube_read(
        KUBE_SLICE,
        "{'metadata':{'namespace':'shop','name':'web-x','uid':'u2',"
        "'labels':{'kubernetes.io/service-name':'web'}},'addressType':'IPv4',"
        "'ports':[{'name':'m','port':9100}],'endpoints':[{'addresses':['10.0.0.1','10.0.0.2'],"
        "'nodeName':'n1','targetRef':{'kind':'Pod','name':'web-1','namespace':'shop'}},"
        "{'addresses':['10.0.0.3'],'conditions':{'ready':false,'terminating':true}}]}");
    CHECK(o != NULL);
    CHECK_STR(o->service, "web");
    CHECK_STR(o->address_type, "IPv4");
    CHECK_INT(o->endpoints_len, 2);
    CHECK_STR(o->endpoints[0].address, "10.0.0.1");
    CHECK_STR(o->endpoints[0].target_name, "web-1");
    CHECK(o->endpoints[0].ready && o->endpoints[0].serving);
    CHECK(!o->endpoints[1].ready && o->endpoints[1].terminating);
    CHECK_STR(o->endpoints[1].node, "");
    kube_object_free(o);
}

TEST(what_has_no_name_or_uid_is_no_object)
{
    const char *const cases[] = {"{}",
                                 "[]",
                                 "7",
                                 "{'metadata':{}}",
                                 "{'metadata':{'name':'a'}}",
                                 "{'metadata':{'uid':'a'}}",
                                 "{'metadata':{'name':1,'uid':2}}",
                                 "{'metadata':[]}"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK(kube_read(KUBE_POD, cases[i]) == NULL);
}

TEST(fields_of_another_type_count_as_absent)
{
    struct kube_object *o = kube_read(
        KUBE_POD, "{'metadata':{'namespace':3,'name':'a','uid':'u','labels':{'x':1,'y':'z'},"
                  "'annotations':[],'deletionTimestamp':'soon','ownerReferences':{}},"
                  "'spec':{'nodeName':[],'containers':[1,{'name':2,'ports':[7,{'containerPort':"
                  "99999},{'containerPort':-1}]}],'initContainers':'x'},"
                  "'status':{'podIPs':[{'ip':1},2],'conditions':[null]}}");
    CHECK(o != NULL);
    CHECK_STR(o->ns, "");
    CHECK_STR(o->node, "");
    CHECK_INT(o->labels_len, 1);
    CHECK_INT(o->annotations_len, 0);
    CHECK_INT(o->deletion_ms, 0);
    CHECK_INT(o->containers_len, 1);
    CHECK_INT(o->ports_len, 2);
    CHECK_INT(o->ports[0].number, 0);
    CHECK_INT(o->ports[1].number, 0);
    CHECK_STR(o->ips[0], "");
    kube_object_free(o);
}

TEST(a_long_annotation_is_not_kept)
{
    AUTO(buf) struct buf text = BUF_INIT(8192);
    CHECK_INT(buf_printf(&text,
                         "{'metadata':{'name':'a','uid':'u','annotations':{'long':'%*s',"
                         "'short':'x'}}}",
                         KUBE_ANNOTATION_MAX + 1, ""),
              OK);
    struct kube_object *o = kube_read(KUBE_POD, text.data);
    CHECK(o != NULL);
    CHECK_INT(o->annotations_len, 1);
    CHECK_STR(o->annotations[0].name, "short");
    kube_object_free(o);
}

static void add_many(struct buf *b, const char *before, const char *item, int n, const char *after)
{
    CHECK_INT(buf_puts(b, before), OK);
    for (int i = 0; i < n; i++) {
        CHECK_INT(buf_puts(b, i ? "," : ""), OK);
        CHECK_INT(buf_puts(b, item), OK);
    }
    CHECK_INT(buf_puts(b, after), OK);
}

TEST(too_many_of_anything_is_cut_and_says_so)
{
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    add_many(&text, "{" META ",'spec':{'containers':[{'name':'c','ports':[", "{'containerPort':80}",
             KUBE_PORTS_MAX + 10, "]}");
    add_many(&text, ",", "{'name':'d','ports':[{'containerPort':81}]}", KUBE_CONTAINERS_MAX + 10,
             "]}}");
    struct kube_object *o = kube_read(KUBE_POD, text.data);
    CHECK(o != NULL);
    CHECK(o->cut);
    CHECK_INT(o->ports_len, KUBE_PORTS_MAX);
    CHECK_INT(o->containers_len, KUBE_CONTAINERS_MAX);
    kube_object_free(o);

    buf_truncate(&text, 0);
    add_many(&text, "{" META ",'endpoints':[", "{'addresses':['10.0.0.1']}", KUBE_ENDPOINTS_MAX + 5,
             "]}");
    o = kube_read(KUBE_SLICE, text.data);
    CHECK(o != NULL);
    CHECK(o->cut);
    CHECK_INT(o->endpoints_len, KUBE_ENDPOINTS_MAX);
    kube_object_free(o);
}

TEST(a_usual_pod_takes_less_than_a_kibibyte)
{
    struct kube_object *o = kube_read(
        KUBE_POD,
        "{'metadata':{'namespace':'production','name':'checkout-7d9f8b6c5d-x2x9k',"
        "'uid':'0d9c8f2e-8a4e-4c5e-9a54-6f1b6c1d2e3f','labels':{'app':'checkout',"
        "'pod-template-hash':'7d9f8b6c5d','version':'v1'},'annotations':{"
        "'prometheus.io/scrape':'true','prometheus.io/port':'8080'}},'spec':{'nodeName':"
        "'worker-17','containers':[{'name':'checkout','image':'shop/checkout:1.2.3','ports':["
        "{'name':'http','containerPort':8080}]}]},'status':{'phase':'Running','podIP':"
        "'10.244.3.17','hostIP':'10.0.0.17','conditions':[{'type':'Ready','status':'True'}]}}");
    CHECK(o != NULL);
    CHECK(o->bytes < 1024);
    kube_object_free(o);
}
