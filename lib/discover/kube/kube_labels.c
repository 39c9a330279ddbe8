/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_labels.h"

#include "mem.h"

#include <ctype.h>
#include <stdarg.h>

struct kube_labels_chunk {
    struct kube_labels_chunk *next;
    char text[];
};

void kube_labels_done(struct kube_labels *l)
{
    while (l->chunks) {
        struct kube_labels_chunk *c = l->chunks;
        l->chunks = c->next;
        mem_free(c);
    }
    mem_free(l->all);
    *l = (struct kube_labels){.len = 0};
}

void kube_labels_add(struct kube_labels *l, const char *name, const char *value)
{
    for (size_t i = 0; i < l->len; i++)
        if (strcmp(l->all[i].name, name) == 0) {
            l->all[i].value = value;
            return;
        }
    if (l->len == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->all = mem_realloc(l->all, l->cap * sizeof *l->all);
    }
    l->all[l->len++] = (struct label){name, value};
}

const char *kube_labels_text(struct kube_labels *l, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    size_t size = len < 0 ? 1 : (size_t)len + 1;
    struct kube_labels_chunk *c = mem_alloc(sizeof *c + size);
    vsnprintf(c->text, size, fmt, again);
    va_end(again);
    va_end(args);
    c->next = l->chunks;
    l->chunks = c;
    return c->text;
}

size_t kube_labels_mark(const struct kube_labels *l)
{
    return l->len;
}

void kube_labels_back(struct kube_labels *l, size_t mark)
{
    l->len = mark;
}

/* What is no letter, digit or _ becomes _. */
static const char *label_name(struct kube_labels *l, const char *prefix, const char *name)
{
    char legal[512];
    size_t i = 0;
    for (; name[i] && i < sizeof legal - 1; i++)
        legal[i] = isalnum((unsigned char)name[i]) ? name[i] : '_';
    legal[i] = '\0';
    return kube_labels_text(l, "__meta_kubernetes_%s%s", prefix, legal);
}

struct meta_names {
    const char *label, *labelpresent, *annotation, *annotationpresent;
};
#define META_NAMES(kind)                                                                       \
    {                                                                                          \
        kind "_label_", kind "_labelpresent_", kind "_annotation_", kind "_annotationpresent_" \
    }

static void add_all(struct kube_labels *l, const struct kube_object *o)
{
    static const struct meta_names names[] = {
        [KUBE_POD] = META_NAMES("pod"),
        [KUBE_SERVICE] = META_NAMES("service"),
        [KUBE_SLICE] = META_NAMES("endpointslice"),
    };
    const struct meta_names *n = &names[o->kind];
    for (uint32_t i = 0; i < o->labels_len; i++) {
        kube_labels_add(l, label_name(l, n->label, o->labels[i].name), o->labels[i].value);
        kube_labels_add(l, label_name(l, n->labelpresent, o->labels[i].name), "true");
    }
    for (uint32_t i = 0; i < o->annotations_len; i++) {
        kube_labels_add(l, label_name(l, n->annotation, o->annotations[i].name),
                        o->annotations[i].value);
        kube_labels_add(l, label_name(l, n->annotationpresent, o->annotations[i].name), "true");
    }
}

static void add_given(struct kube_labels *l, const char *name, const char *value)
{
    if (value[0])
        kube_labels_add(l, name, value);
}

static void add_pod(struct kube_labels *l, const struct kube_object *pod)
{
    kube_labels_add(l, "__meta_kubernetes_pod_name", pod->name);
    kube_labels_add(l, "__meta_kubernetes_pod_ip", pod->ips[0]);
    kube_labels_add(l, "__meta_kubernetes_pod_host_ip", pod->host_ip);
    kube_labels_add(l, "__meta_kubernetes_pod_node_name", pod->node);
    kube_labels_add(l, "__meta_kubernetes_pod_phase", pod->phase);
    kube_labels_add(l, "__meta_kubernetes_pod_ready", pod->ready ? "true" : "false");
    kube_labels_add(l, "__meta_kubernetes_pod_uid", pod->uid);
    add_given(l, "__meta_kubernetes_pod_controller_kind", pod->owner_kind);
    add_given(l, "__meta_kubernetes_pod_controller_name", pod->owner_name);
}

void kube_labels_meta(struct kube_labels *l, const struct kube_object *o)
{
    kube_labels_add(l, "__meta_kubernetes_namespace", o->ns);
    switch (o->kind) {
    case KUBE_POD: add_pod(l, o); break;
    case KUBE_SERVICE:
        kube_labels_add(l, "__meta_kubernetes_service_name", o->name);
        kube_labels_add(l, "__meta_kubernetes_service_type", o->type);
        add_given(l, "__meta_kubernetes_service_cluster_ip", o->cluster_ip);
        break;
    case KUBE_SLICE:
        kube_labels_add(l, "__meta_kubernetes_endpointslice_name", o->name);
        kube_labels_add(l, "__meta_kubernetes_endpoints_name", o->service);
        kube_labels_add(l, "__meta_kubernetes_endpointslice_address_type", o->address_type);
        break;
    }
    add_all(l, o);
}

static void add_pod_port(struct kube_labels *l, const struct kube_object *pod,
                         const struct kube_port *port)
{
    const struct kube_container *c = &pod->containers[port->container];
    kube_labels_add(l, "__meta_kubernetes_pod_container_name", c->name);
    kube_labels_add(l, "__meta_kubernetes_pod_container_image", c->image);
    kube_labels_add(l, "__meta_kubernetes_pod_container_init", c->init ? "true" : "false");
    if (port->number == 0)
        return;
    kube_labels_add(l, "__meta_kubernetes_pod_container_port_name", port->name);
    kube_labels_add(l, "__meta_kubernetes_pod_container_port_number",
                    kube_labels_text(l, "%u", port->number));
    kube_labels_add(l, "__meta_kubernetes_pod_container_port_protocol", port->protocol);
}

void kube_labels_meta_port(struct kube_labels *l, const struct kube_object *o,
                           const struct kube_port *port)
{
    switch (o->kind) {
    case KUBE_POD:
        if (port->container < o->containers_len)
            add_pod_port(l, o, port);
        break;
    case KUBE_SERVICE:
        kube_labels_add(l, "__meta_kubernetes_service_port_name", port->name);
        kube_labels_add(l, "__meta_kubernetes_service_port_number",
                        kube_labels_text(l, "%u", port->number));
        kube_labels_add(l, "__meta_kubernetes_service_port_protocol", port->protocol);
        break;
    case KUBE_SLICE:
        kube_labels_add(l, "__meta_kubernetes_endpointslice_port",
                        kube_labels_text(l, "%u", port->number));
        kube_labels_add(l, "__meta_kubernetes_endpointslice_port_name", port->name);
        kube_labels_add(l, "__meta_kubernetes_endpointslice_port_protocol", port->protocol);
        kube_labels_add(l, "__meta_kubernetes_endpoint_port_name", port->name);
        kube_labels_add(l, "__meta_kubernetes_endpoint_port_protocol", port->protocol);
        break;
    }
}

void kube_labels_meta_selected_port(struct kube_labels *l, const struct kube_object *pod,
                                    const struct kube_port *port)
{
    struct kube_port own = *port;
    own.name = "";
    for (uint32_t i = 0; i < pod->ports_len; i++)
        if (pod->ports[i].number == port->number && pod->ports[i].container == port->container)
            own = pod->ports[i];
    kube_labels_meta_port(l, pod, &own);
    kube_labels_add(l, "__meta_kubernetes_endpoint_port_name", port->name);
    kube_labels_add(l, "__meta_kubernetes_endpoint_port_protocol", port->protocol);
}

void kube_labels_meta_selected(struct kube_labels *l, const struct kube_object *service,
                               const struct kube_object *pod)
{
    kube_labels_meta(l, pod);
    kube_labels_add(l, "__meta_kubernetes_endpoints_name", service->name);
    add_given(l, "__meta_kubernetes_endpoint_node_name", pod->node);
    kube_labels_add(l, "__meta_kubernetes_endpoint_address_target_kind", "Pod");
    kube_labels_add(l, "__meta_kubernetes_endpoint_address_target_name", pod->name);
    kube_labels_add(l, "__meta_kubernetes_endpoint_ready", pod->ready ? "true" : "false");
}

/* By the names of both of Prometheus' roles, endpointslice and endpoints. */
void kube_labels_meta_endpoint(struct kube_labels *l, const struct kube_endpoint *e)
{
    const char *ready = e->ready ? "true" : "false";
    const struct label both[] = {
        {"__meta_kubernetes_endpointslice_endpoint_hostname", e->hostname},
        {"__meta_kubernetes_endpointslice_endpoint_node_name", e->node},
        {"__meta_kubernetes_endpointslice_address_target_kind", e->target_kind},
        {"__meta_kubernetes_endpointslice_address_target_name", e->target_name},
        {"__meta_kubernetes_endpoint_hostname", e->hostname},
        {"__meta_kubernetes_endpoint_node_name", e->node},
        {"__meta_kubernetes_endpoint_address_target_kind", e->target_kind},
        {"__meta_kubernetes_endpoint_address_target_name", e->target_name},
    };
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++)
        add_given(l, both[i].name, both[i].value);
    kube_labels_add(l, "__meta_kubernetes_endpointslice_endpoint_conditions_ready", ready);
    kube_labels_add(l, "__meta_kubernetes_endpointslice_endpoint_conditions_serving",
                    e->serving ? "true" : "false");
    kube_labels_add(l, "__meta_kubernetes_endpointslice_endpoint_conditions_terminating",
                    e->terminating ? "true" : "false");
    kube_labels_add(l, "__meta_kubernetes_endpoint_ready", ready);
    if (strcmp(e->target_kind, "Pod") == 0)
        kube_labels_add(l, "__meta_kubernetes_pod_name", e->target_name);
}
