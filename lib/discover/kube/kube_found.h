/* SPDX-License-Identifier: Apache-2.0 */
/* kube_found.h - from a Kubernetes object to what may be scraped there.
 *
 * Annotations of pods and services, with the prefix that is configured (prometheus.io by default):
 *
 *     PREFIX/scrape        true: wanted; false: never
 *     PREFIX/port          8080, or a port's name, or a list of those: "8080,metrics"
 *     PREFIX/path          /metrics by default; may hold a query; a list as long as that of ports, or one
 *                          for all of them
 *     PREFIX/scheme        http, https; a list likewise
 *     PREFIX/interval, PREFIX/timeout, PREFIX/sample-limit      15s, 5s, 1000
 *     PREFIX/mode                                               strict, salvage, auto
 *
 * Without a port: the container port named metrics or http-metrics, else 9090.
 *
 * Each thing found is told, with the labels that rules see (__address__, __scheme__,
 * __metrics_path__, __param_*, __scrape_interval__, __scrape_timeout__, __sample_limit__,
 * __scrape_mode__, and
 * __meta_kubernetes_* as Prometheus names them when conf.meta), then the labels that its
 * samples get (namespace, pod, container, node, service, and those chosen).  An object
 * that is no target is told as well, with the reason: "no annotation prometheus.io/scrape",
 * "port 'x' is no port of the pod".  Nothing here is trusted: values are checked where they are
 * used (source_target).  */
#ifndef KUBE_FOUND_H
#define KUBE_FOUND_H

#include "kube_object.h"
#include "setting.h"

enum kube_annotations { KUBE_ANNOTATIONS_REQUIRED, KUBE_ANNOTATIONS_OPTIONAL };

struct kube_found_conf {
    char *prefix;
    unsigned annotations; /* enum kube_annotations; optional: each declared TCP container port is
                                  a candidate where PREFIX/port says nothing, unless PREFIX/scrape is false */
    struct text_map labels, annotation_labels; /* of the object -> of its samples */
    bool meta;
};

enum {
    KUBE_FOUND_PORTS = 64, /* of one object by its annotations; those above are refused */
    KUBE_FOUND_MAX =
        5000, /* of one slice, give or take an endpoint's; the rest is refused as one */
};

struct kube_found {
    const char *id;      /* "namespace/pod/container:port/path", "namespace/service:port/path",
                            "namespace/slice/pod:port/path": the same at each look, and no other
                            thing found by the same role has it, but a pod or address that
                            stands in a slice twice */
    const char *refused; /* why it is no target; NULL: it is one */
    bool unasked;        /* refused only because no annotation asks for it */
    const struct label *labels; /* no name twice; value never NULL, may be "" */
    size_t labels_len;
};

struct kube_found_sink {
    void (*found)(void *of, const struct kube_found *f); /* borrowed */
    void *of;
};

/* Role pod.  A pod that has ended (Succeeded, Failed), or has no IP yet, is refused by that. */
void kube_found_pod(const struct kube_found_conf *c, const struct kube_object *pod,
                    struct kube_found_sink sink);

/* Role service: the cluster IP, once for each port.  Headless ones and ExternalName are refused. */
void kube_found_service(const struct kube_found_conf *c, const struct kube_object *service,
                        struct kube_found_sink sink);

/* Role endpoints with a node: a pod that the service selects; its ready ones only. */
void kube_found_selected(const struct kube_found_conf *c, const struct kube_object *service,
                         const struct kube_object *pod, struct kube_found_sink sink);

/* Role endpoints without a node: the ready endpoints of a slice of this service. */
void kube_found_slice(const struct kube_found_conf *c, const struct kube_object *service,
                      const struct kube_object *slice, struct kube_found_sink sink);

#endif
