/* SPDX-License-Identifier: Apache-2.0 */
/* kube_object.c - from JSON to the few fields that are kept.
 *
 * Each reader runs twice: first to count what the block will hold, then to fill it. */
#include "kube_object.h"

#include "mem.h"

#include <time.h>

#define TEXT_MAX 4096 /* bytes of one text */

/* The block: the struct, then arrays, then texts. */
struct packer {
    bool filling;
    bool cut;
    size_t arrays, texts; /* bytes so far; when filling, offsets in the block */
    char *block;
};

static void *pack_array(struct packer *p, size_t n, size_t size)
{
    void *at = p->filling ? p->block + p->arrays : NULL;
    p->arrays += n * size; /* every element holds a pointer, so all of them are aligned */
    return at;
}

static const char *pack_bytes(struct packer *p, const char *s, size_t len)
{
    if (len == 0)
        return "";
    if (p->filling)
        memcpy(p->block + p->texts, s, len + 1);
    const char *at = p->filling ? p->block + p->texts : "";
    p->texts += len + 1;
    return at;
}

/* What nearly every object says is not kept anew each time. */
static const char *pack(struct packer *p, const char *s)
{
    static const char *const common[] = {"TCP",  "Running",   "Pod",
                                         "IPv4", "ClusterIP", "ReplicaSet"};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        if (strcmp(s, common[i]) == 0)
            return common[i];
    size_t len = strnlen(s, TEXT_MAX + 1);
    if (len <= TEXT_MAX)
        return pack_bytes(p, s, len);
    p->cut = true;
    return "";
}

/* JSON. */

static const cJSON *at(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

/* Of an array or object; NULL of anything else. */
static const cJSON *first(const cJSON *of)
{
    return cJSON_IsArray(of) || cJSON_IsObject(of) ? of->child : NULL;
}

static const char *string_at(const cJSON *o, const char *key)
{
    const cJSON *v = at(o, key);
    return cJSON_IsString(v) ? v->valuestring : "";
}

static const char *pack_at(struct packer *p, const cJSON *o, const char *key)
{
    return pack(p, string_at(o, key));
}

static bool is_true(const cJSON *o, const char *key)
{
    return cJSON_IsTrue(at(o, key));
}

static int64_t number_at(const cJSON *o, const char *key, int64_t max)
{
    const cJSON *v = at(o, key);
    return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= (double)max
               ? (int64_t)v->valuedouble
               : 0;
}

/* Elements of an array that are objects, max at most. */
static uint32_t count_objects(struct packer *p, const cJSON *array, uint32_t max)
{
    uint32_t n = 0;
    const cJSON *item;
    for (item = first(array); item; item = item->next)
        n += cJSON_IsObject(item) ? 1 : 0;
    p->cut = p->cut || n > max;
    return n > max ? max : n;
}

/* RFC 3339 in UTC, without fractions: metav1.Time. */
static int64_t time_at(const cJSON *o, const char *key)
{
    struct tm tm = {.tm_year = 0};
    const char *end = strptime(string_at(o, key), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return end && !*end ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* Labels. */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static bool is_kept(const cJSON *pair, size_t max)
{
    return cJSON_IsString(pair) && pair->string && pair->string[0] &&
           strlen(pair->string) <= TEXT_MAX && strlen(pair->valuestring) <= max;
}

static const struct label *read_labels(struct packer *p, const cJSON *map, size_t max,
                                       uint32_t *ret_len)
{
    uint32_t n = 0;
    const cJSON *pair;
    for (pair = first(map); pair; pair = pair->next)
        n += is_kept(pair, max);
    p->cut = p->cut || n > KUBE_LABELS_MAX;
    n = n > KUBE_LABELS_MAX ? KUBE_LABELS_MAX : n;
    struct label *all = pack_array(p, n, sizeof *all);
    uint32_t len = 0;
    for (pair = first(map); pair; pair = pair->next) {
        if (!is_kept(pair, max) || len == n)
            continue;
        struct label l = {pack(p, pair->string), pack(p, pair->valuestring)};
        if (p->filling)
            all[len] = l;
        len++;
    }
    if (p->filling && n > 0)
        qsort(all, n, sizeof *all, by_name);
    *ret_len = n;
    return all;
}

static void read_meta(struct packer *p, struct kube_object *o, const cJSON *json)
{
    const cJSON *meta = at(json, "metadata"), *owner;
    o->ns = pack_at(p, meta, "namespace");
    o->name = pack_at(p, meta, "name");
    o->uid = pack_at(p, meta, "uid");
    o->deletion_ms = time_at(meta, "deletionTimestamp");
    o->grace_ms = number_at(meta, "deletionGracePeriodSeconds", INT32_MAX) * 1000;
    o->labels = read_labels(p, at(meta, "labels"), TEXT_MAX, &o->labels_len);
    o->annotations =
        read_labels(p, at(meta, "annotations"), KUBE_ANNOTATION_MAX, &o->annotations_len);
    o->owner_kind = o->owner_name = "";
    const cJSON *owners = at(meta, "ownerReferences");
    for (owner = first(owners); owner; owner = owner->next) {
        if (!is_true(owner, "controller"))
            continue;
        o->owner_kind = pack_at(p, owner, "kind");
        o->owner_name = pack_at(p, owner, "name");
        break;
    }
}

/* Ports. */

static struct kube_port read_port(struct packer *p, const cJSON *json, const char *number)
{
    const char *protocol = string_at(json, "protocol");
    return (struct kube_port){
        .name = pack_at(p, json, "name"),
        .protocol = protocol[0] ? pack(p, protocol) : "TCP",
        .target = "",
        .number = (uint16_t)number_at(json, number, UINT16_MAX),
    };
}

/* A service's targetPort is a name or a number. */
static const char *read_target(struct packer *p, const cJSON *json)
{
    char text[16];
    int64_t number = number_at(json, "targetPort", UINT16_MAX);
    if (number == 0)
        return pack_at(p, json, "targetPort");
    snprintf(text, sizeof text, "%d", (int)number);
    return pack(p, text);
}

static void read_ports(struct packer *p, struct kube_object *o, const cJSON *array)
{
    bool service = o->kind == KUBE_SERVICE;
    uint32_t len = 0;
    const cJSON *item;
    o->ports_len = count_objects(p, array, KUBE_PORTS_MAX);
    struct kube_port *ports = pack_array(p, o->ports_len, sizeof *ports);
    o->ports = ports;
    for (item = first(array); item; item = item->next) {
        if (!cJSON_IsObject(item) || len == o->ports_len)
            continue;
        struct kube_port port = read_port(p, item, "port");
        if (service)
            port.target = read_target(p, item);
        if (p->filling)
            ports[len] = port;
        len++;
    }
}

/* Pods. */

static uint32_t read_containers(struct packer *p, struct kube_container *to, uint32_t at_index,
                                uint32_t max, const cJSON *array, bool init)
{
    const cJSON *item;
    for (item = first(array); item; item = item->next) {
        if (!cJSON_IsObject(item) || at_index == max)
            continue;
        struct kube_container c = {
            .name = pack_at(p, item, "name"),
            .image = pack_at(p, item, "image"),
            .init = init,
            .sidecar = init && strcmp(string_at(item, "restartPolicy"), "Always") == 0,
        };
        if (p->filling)
            to[at_index] = c;
        at_index++;
    }
    return at_index;
}

/* Ports of all containers, each with the number of its container. */
static uint32_t read_pod_ports(struct packer *p, struct kube_port *to, uint32_t max,
                               const cJSON *array, uint32_t *container, uint32_t containers)
{
    const cJSON *item, *json;
    uint32_t len = 0;
    for (item = first(array); item; item = item->next) {
        if (!cJSON_IsObject(item) || *container == containers)
            continue;
        const cJSON *ports = at(item, "ports");
        for (json = first(ports); json; json = json->next) {
            if (!cJSON_IsObject(json))
                continue;
            if (len == max) {
                p->cut = true;
                break;
            }
            struct kube_port port = read_port(p, json, "containerPort");
            port.container = (uint16_t)*container;
            if (p->filling)
                to[len] = port;
            len++;
        }
        ++*container;
    }
    return len;
}

static uint32_t count_ports(const cJSON *containers)
{
    uint32_t n = 0;
    const cJSON *item;
    for (item = first(containers); item; item = item->next) {
        const cJSON *ports = at(item, "ports");
        n += cJSON_IsArray(ports) ? (uint32_t)cJSON_GetArraySize(ports) : 0;
        if (n > KUBE_PORTS_MAX)
            return KUBE_PORTS_MAX;
    }
    return n;
}

static void read_ips(struct packer *p, struct kube_object *o, const cJSON *status)
{
    const cJSON *item, *ips = at(status, "podIPs");
    uint32_t len = 1;
    o->ips[0] = pack_at(p, status, "podIP");
    o->ips[1] = "";
    for (item = first(ips); item; item = item->next) {
        const char *ip = string_at(item, "ip");
        if (len < KUBE_ADDRESSES_MAX && strcmp(ip, string_at(status, "podIP")) != 0)
            o->ips[len++] = pack(p, ip);
    }
}

static void read_pod(struct packer *p, struct kube_object *o, const cJSON *json)
{
    const cJSON *spec = at(json, "spec"), *status = at(json, "status"), *item;
    const cJSON *inits = at(spec, "initContainers"), *mains = at(spec, "containers");
    o->node = pack_at(p, spec, "nodeName");
    o->host_network = is_true(spec, "hostNetwork");
    o->phase = pack_at(p, status, "phase");
    o->host_ip = pack_at(p, status, "hostIP");
    read_ips(p, o, status);
    const cJSON *conditions = at(status, "conditions");
    for (item = first(conditions); item; item = item->next)
        if (strcmp(string_at(item, "type"), "Ready") == 0)
            o->ready = strcmp(string_at(item, "status"), "True") == 0;

    uint32_t main_len = count_objects(p, mains, KUBE_CONTAINERS_MAX);
    uint32_t n = main_len + count_objects(p, inits, KUBE_CONTAINERS_MAX - main_len);
    struct kube_container *containers = pack_array(p, n, sizeof *containers);
    read_containers(p, containers, 0, main_len, mains, false);
    read_containers(p, containers, main_len, n, inits, true);
    o->containers = containers;
    o->containers_len = n;

    uint32_t max = count_ports(mains) + count_ports(inits), container = 0;
    max = max > KUBE_PORTS_MAX ? KUBE_PORTS_MAX : max;
    struct kube_port *ports = pack_array(p, max, sizeof *ports);
    o->ports_len = read_pod_ports(p, ports, max, mains, &container, main_len);
    o->ports_len += read_pod_ports(p, p->filling ? ports + o->ports_len : NULL, max - o->ports_len,
                                   inits, &container, n);
    o->ports = ports;
}

/* Services and slices. */

static void read_service(struct packer *p, struct kube_object *o, const cJSON *json)
{
    const cJSON *spec = at(json, "spec");
    o->type = pack_at(p, spec, "type");
    o->cluster_ip = pack_at(p, spec, "clusterIP");
    const cJSON *family = first(at(spec, "ipFamilies"));
    o->family = cJSON_IsString(family) ? pack(p, family->valuestring) : "";
    o->selector = read_labels(p, at(spec, "selector"), TEXT_MAX, &o->selector_len);
    read_ports(p, o, at(spec, "ports"));
}

/* Of its addresses only the first is to be used, says the API; of conditions, ready counts as true where
 * it is not known. */
static struct kube_endpoint read_endpoint(struct packer *p, const cJSON *json)
{
    const cJSON *addresses = at(json, "addresses"), *ref = at(json, "targetRef");
    const cJSON *address = first(addresses);
    const cJSON *conditions = at(json, "conditions");
    return (struct kube_endpoint){
        .address = cJSON_IsString(address) ? pack(p, address->valuestring) : "",
        .node = pack_at(p, json, "nodeName"),
        .hostname = pack_at(p, json, "hostname"),
        .target_kind = pack_at(p, ref, "kind"),
        .target_name = pack_at(p, ref, "name"),
        .target_ns = pack_at(p, ref, "namespace"),
        .ready = !cJSON_IsFalse(at(conditions, "ready")),
        .serving = !cJSON_IsFalse(at(conditions, "serving")),
        .terminating = is_true(conditions, "terminating"),
    };
}

static void read_slice(struct packer *p, struct kube_object *o, const cJSON *json)
{
    const cJSON *labels = at(at(json, "metadata"), "labels"), *item;
    const cJSON *array = at(json, "endpoints");
    uint32_t len = 0;
    o->service = pack_at(p, labels, "kubernetes.io/service-name");
    o->address_type = pack_at(p, json, "addressType");
    read_ports(p, o, at(json, "ports"));
    o->endpoints_len = count_objects(p, array, KUBE_ENDPOINTS_MAX);
    struct kube_endpoint *all = pack_array(p, o->endpoints_len, sizeof *all);
    o->endpoints = all;
    for (item = first(array); item; item = item->next) {
        if (!cJSON_IsObject(item) || len == o->endpoints_len)
            continue;
        struct kube_endpoint e = read_endpoint(p, item);
        if (p->filling)
            all[len] = e;
        len++;
    }
}

static void read_object(struct packer *p, struct kube_object *o, enum kube_kind kind,
                        const cJSON *json)
{
    *o = (struct kube_object){.kind = kind,
                              .node = "",
                              .phase = "",
                              .host_ip = "",
                              .ips = {"", ""},
                              .type = "",
                              .cluster_ip = "",
                              .family = "",
                              .service = "",
                              .address_type = ""};
    read_meta(p, o, json);
    switch (kind) {
    case KUBE_POD: read_pod(p, o, json); break;
    case KUBE_SERVICE: read_service(p, o, json); break;
    case KUBE_SLICE: read_slice(p, o, json); break;
    }
    o->cut = p->cut;
}

struct kube_object *kube_object_new(enum kube_kind kind, const cJSON *json)
{
    struct kube_object counted;
    struct packer p = {.filling = false};
    const cJSON *meta = at(json, "metadata");
    if (!string_at(meta, "name")[0] || !kube_object_uid(json))
        return NULL;
    read_object(&p, &counted, kind, json);
    size_t arrays = sizeof counted, texts = arrays + p.arrays, bytes = texts + p.texts;
    struct kube_object *o = mem_alloc(bytes);
    p = (struct packer){.filling = true, .arrays = arrays, .texts = texts, .block = (char *)o};
    read_object(&p, &counted, kind, json);
    counted.bytes = bytes;
    memcpy(o, &counted, sizeof counted);
    return o;
}

void kube_object_free(struct kube_object *o)
{
    mem_free(o);
}

const char *kube_object_uid(const cJSON *json)
{
    const char *uid = string_at(at(json, "metadata"), "uid");
    return uid[0] && strlen(uid) <= TEXT_MAX ? uid : NULL;
}

const char *kube_label(const struct label *labels, size_t len, const char *name)
{
    const struct label *l = NULL, key = {.name = name};
    if (len > 0)
        l = bsearch(&key, labels, len, sizeof *labels, by_name);
    return l ? l->value : NULL;
}

bool kube_selects(const struct kube_object *service, const struct kube_object *pod)
{
    if (service->selector_len == 0 || strcmp(service->ns, pod->ns) != 0)
        return false;
    for (uint32_t i = 0; i < service->selector_len; i++) {
        const char *value = kube_label(pod->labels, pod->labels_len, service->selector[i].name);
        if (!value || strcmp(value, service->selector[i].value) != 0)
            return false;
    }
    return true;
}
