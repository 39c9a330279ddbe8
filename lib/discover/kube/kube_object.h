/* SPDX-License-Identifier: Apache-2.0 */
/* kube_object.h - what is kept of a pod, a service, an EndpointSlice: the fields used, no more.
 *
 * One block of memory each, strings included; immutable.  Source of the fields: the Kubernetes API
 * reference, v1 Pod and Service, discovery.k8s.io/v1 EndpointSlice.  Fields of an unexpected type count as
 * absent; what is too long or too many is left out, and `cut` says so.
 *
 * Annotations with a value of more than KUBE_ANNOTATION_MAX bytes are not kept
 * (last-applied-configuration and the like).  */
#ifndef KUBE_OBJECT_H
#define KUBE_OBJECT_H

#include "text.h"

#include <cjson/cJSON.h>

enum {
    KUBE_ANNOTATION_MAX = 1024,
    KUBE_LABELS_MAX = 128, /* labels, and annotations, of an object */
    KUBE_PORTS_MAX = 256,  /* of a pod, of a service, of a slice */
    KUBE_CONTAINERS_MAX = 64,
    KUBE_ENDPOINTS_MAX = 1000, /* of a slice, as the API has it */
    KUBE_ADDRESSES_MAX = 2,    /* of a pod: one of each family */
};

enum kube_kind { KUBE_POD, KUBE_SERVICE, KUBE_SLICE };

struct kube_port {
    const char *name;     /* "": none */
    const char *protocol; /* "TCP" */
    const char *target;   /* of a service: port's name or number of the pod; "" : the same */
    uint16_t number;      /* 0: none (a slice without) */
    uint16_t container;   /* index, of a pod */
};

struct kube_container {
    const char *name, *image;
    bool init;    /* an init container */
    bool sidecar; /* an init container that goes on: restartPolicy Always */
};

struct kube_endpoint {
    const char *address, *node, *target_kind, *target_name, *target_ns,
        *hostname; /* "" where absent */
    bool ready, serving, terminating;
};

struct kube_object {
    enum kube_kind kind;
    bool cut;
    size_t bytes; /* of the block */
    const char *ns, *name, *uid;
    const struct label *labels, *annotations; /* sorted by name; values may be "" here */
    uint32_t labels_len, annotations_len;
    const char *owner_kind, *owner_name; /* the controller; "" */
    int64_t deletion_ms;                 /* deletionTimestamp: wall clock; 0: not terminating */
    int64_t grace_ms;                    /* deletionGracePeriodSeconds */
    const struct kube_port *ports;
    uint32_t ports_len;

    /* a pod */
    const char *node, *phase, *host_ip;
    const char *ips[KUBE_ADDRESSES_MAX]; /* the first is podIP; "" */
    bool ready, host_network;
    const struct kube_container *containers;
    uint32_t containers_len;

    /* a service */
    const char *type, *cluster_ip; /* "None": headless; "" */
    const char *family;            /* the first of its ipFamilies: IPv4, IPv6; "" */
    const struct label *selector;  /* sorted by name */
    uint32_t selector_len;

    /* a slice */
    const char *service, *address_type; /* kubernetes.io/service-name; IPv4, IPv6, FQDN */
    const struct kube_endpoint *endpoints;
    uint32_t endpoints_len;
};

/* NULL: no such object (no name, no uid).  Any thread. */
struct kube_object *kube_object_new(enum kube_kind kind, const cJSON *json);
void kube_object_free(struct kube_object *o); /* NULL is fine */

/* Where the object's uid is, without anything else: for what is gone.  NULL: none. */
const char *kube_object_uid(const cJSON *json);

/* Whether the service's selector matches the pod; one that says nothing matches none. */
bool kube_selects(const struct kube_object *service, const struct kube_object *pod);

const char *kube_label(const struct label *labels, size_t len, const char *name); /* or NULL */

#endif
