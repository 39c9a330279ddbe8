/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_found.h"

#include "base.h"
#include "kube_labels.h"

enum { DEFAULT_PORT = 9090, NAME_SHOWN = 64 };

/* What the annotations of a pod or service ask for; NULL: nothing. */
struct ask {
    const char *scrape, *port, *path, *scheme, *interval, *timeout, *limit, *mode;
};

/* Ports there are to choose from. */
struct menu {
    struct kube_port ports[KUBE_PORTS_MAX + KUBE_CONTAINERS_MAX];
    size_t len;
    const char *of;    /* "the pod": for people */
    bool any_number;   /* a number that is not there is taken all the same */
    uint16_t fallback; /* when nothing says which; 0: none */
};

struct look {
    const struct kube_found_conf *conf;
    struct kube_found_sink sink;
    struct ask ask;
    struct kube_labels labels;
    const struct kube_object *ports_of; /* whose ports' meta labels are added */
    struct menu menu;
    const char *base;    /* id of all that is found, without port and path */
    const char *address; /* without port */
    bool unasked;
    bool selected;                                      /* a pod behind a service */
    const char *ids[KUBE_FOUND_PORTS + KUBE_PORTS_MAX]; /* told with that base */
    size_t ids_len;
    size_t told; /* with any base, the refused ones too */
};

/* Annotations. */

static const char *annotation(const struct look *k, const struct kube_object *o, const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", k->conf->prefix, name);
    return kube_label(o->annotations, o->annotations_len, full);
}

static void read_ask(struct look *k, const struct kube_object *o)
{
    k->ask = (struct ask){
        .scrape = annotation(k, o, "scrape"),
        .port = annotation(k, o, "port"),
        .path = annotation(k, o, "path"),
        .scheme = annotation(k, o, "scheme"),
        .interval = annotation(k, o, "interval"),
        .timeout = annotation(k, o, "timeout"),
        .limit = annotation(k, o, "sample-limit"),
        .mode = annotation(k, o, "mode"),
    };
}

static void refuse(struct look *k, const char *id, const char *why)
{
    k->told++;
    k->sink.found(k->sink.of, &(struct kube_found){.id = id,
                                                   .refused = why,
                                                   .unasked = k->unasked,
                                                   .labels = k->labels.all,
                                                   .labels_len = k->labels.len});
}

/* NULL: it is wanted. */
static const char *unwanted(struct look *k)
{
    const char *scrape = k->ask.scrape, *prefix = k->conf->prefix;
    bool optional = k->conf->annotations == KUBE_ANNOTATIONS_OPTIONAL;
    if (scrape ? strcasecmp(scrape, "true") == 0 : optional)
        return NULL;
    k->unasked = !scrape || strcasecmp(scrape, "false") == 0;
    if (!scrape)
        return kube_labels_text(&k->labels, "no annotation %s/scrape", prefix);
    if (k->unasked)
        return kube_labels_text(&k->labels, "annotation %s/scrape is false", prefix);
    return kube_labels_text(&k->labels, "annotation %s/scrape: '%.*s' is neither true nor false",
                            prefix, NAME_SHOWN, scrape);
}

/* A list of texts between commas; the spaces around them do not count. */
static struct span list_item(const char *list, size_t n)
{
    for (; n > 0; n--)
        list += strcspn(list, ",") + 1;
    size_t len = strcspn(list, ",");
    while (len > 0 && (*list == ' ' || *list == '\t'))
        list++, len--;
    while (len > 0 && (list[len - 1] == ' ' || list[len - 1] == '\t'))
        len--;
    return (struct span){list, len};
}

static size_t list_len(const char *list)
{
    size_t n = 1;
    for (; *list; list++)
        n += *list == ',';
    return n;
}

/* NULL: none. */
static const char *item_of(struct look *k, const char *list, size_t n)
{
    if (!list)
        return NULL;
    struct span s = list_item(list, list_len(list) == 1 ? 0 : n);
    return s.len > 0 ? kube_labels_text(&k->labels, "%.*s", (int)s.len, s.data) : NULL;
}

/* Ports. */

static const struct kube_port *port_named(const struct menu *m, struct span name)
{
    for (size_t i = 0; i < m->len; i++)
        if (m->ports[i].number > 0 && span_is(name, m->ports[i].name))
            return &m->ports[i];
    return NULL;
}

static const struct kube_port *port_numbered(const struct menu *m, unsigned number)
{
    for (size_t i = 0; i < m->len; i++)
        if (m->ports[i].number == number)
            return &m->ports[i];
    return NULL;
}

/* 0: no number of a port. */
static unsigned port_number(struct span text)
{
    unsigned n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i >= 5)
            return 0;
        n = n * 10 + (unsigned)(text.data[i] - '0');
    }
    return n > 65535 ? 0 : n;
}

static bool is_number(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return s.len > 0;
}

/* The container that a number belongs to: the one that declares it, else the only one. */
static uint16_t container_of(const struct kube_object *pod)
{
    size_t mains = 0;
    for (uint32_t i = 0; pod && i < pod->containers_len; i++)
        mains += !pod->containers[i].init;
    return mains == 1 ? 0 : UINT16_MAX;
}

/* NULL: *ret is the port; else why there is none. */
static const char *choose(struct look *k, struct span text, struct kube_port *ret)
{
    unsigned number = port_number(text);
    const struct kube_port *port =
        number ? port_numbered(&k->menu, number) : port_named(&k->menu, text);
    if (port) {
        *ret = *port;
        return NULL;
    }
    if (number && k->menu.any_number) {
        const struct kube_object *pod =
            k->ports_of && k->ports_of->kind == KUBE_POD ? k->ports_of : NULL;
        *ret = (struct kube_port){.name = "",
                                  .protocol = "TCP",
                                  .target = "",
                                  .number = (uint16_t)number,
                                  .container = container_of(pod)};
        return NULL;
    }
    int shown = text.len > NAME_SHOWN ? NAME_SHOWN : (int)text.len;
    if (is_number(text) && !number)
        return kube_labels_text(&k->labels, "port %.*s is no number from 1 to 65535", shown,
                                text.data);
    return kube_labels_text(&k->labels, "port '%.*s' is no port of %s", shown, text.data,
                            k->menu.of);
}

/* Telling. */

static const char *container_name(const struct look *k, const struct kube_port *port)
{
    const struct kube_object *o = k->ports_of;
    bool known = o && o->kind == KUBE_POD && port->container < o->containers_len;
    return known ? o->containers[port->container].name : "";
}

static const char *make_id(struct look *k, const struct kube_port *port, const char *path)
{
    const char *container = container_name(k, port), *slash = path[0] == '/' ? "" : "/";
    char number[8] = "";
    if (port->number > 0)
        snprintf(number, sizeof number, ":%u", port->number);
    return kube_labels_text(&k->labels, "%s%s%s%s%s%s", k->base, container[0] ? "/" : "", container,
                            number, slash, path);
}

static bool is_told(const struct look *k, const char *id)
{
    for (size_t i = 0; i < k->ids_len; i++)
        if (strcmp(k->ids[i], id) == 0)
            return true;
    return false;
}

static void add_given(struct look *k, const char *name, const char *value)
{
    if (value)
        kube_labels_add(&k->labels, name, value);
}

static const char *make_address(struct look *k, uint16_t number)
{
    bool v6 = strchr(k->address, ':');
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    return number ? kube_labels_text(&k->labels, "%s%s%s:%u", open, k->address, close, number)
                  : kube_labels_text(&k->labels, "%s%s%s", open, k->address, close);
}

/* n: which one of the annotations' lists. */
static void tell_port(struct look *k, const struct kube_port *port, size_t n)
{
    struct kube_labels *l = &k->labels;
    size_t mark = kube_labels_mark(l);
    const char *path = item_of(k, k->ask.path, n), *container = container_name(k, port);
    const char *id = make_id(k, port, path ? path : "/metrics");
    if (k->ids_len == sizeof k->ids / sizeof k->ids[0] || is_told(k, id)) {
        refuse(k, id, "the same port and path once more");
        return;
    }
    k->ids[k->ids_len++] = id;
    kube_labels_add(l, "__address__", make_address(k, port->number));
    add_given(k, "__scheme__", item_of(k, k->ask.scheme, n));
    add_given(k, "__metrics_path__", path);
    add_given(k, "__scrape_interval__", k->ask.interval);
    add_given(k, "__scrape_timeout__", k->ask.timeout);
    add_given(k, "__sample_limit__", k->ask.limit);
    add_given(k, "__scrape_mode__", k->ask.mode);
    if (container[0])
        kube_labels_add(l, "container", container);
    if (k->conf->meta && k->selected)
        kube_labels_meta_selected_port(l, k->ports_of, port);
    else if (k->conf->meta && k->ports_of)
        kube_labels_meta_port(l, k->ports_of, port);
    k->told++;
    k->sink.found(k->sink.of,
                  &(struct kube_found){.id = id, .labels = l->all, .labels_len = l->len});
    kube_labels_back(l, mark);
}

static void tell_asked(struct look *k)
{
    size_t n = list_len(k->ask.port);
    for (size_t i = 0; i < n; i++) {
        struct kube_port port;
        struct span text = list_item(k->ask.port, i);
        const char *why = i < KUBE_FOUND_PORTS ? choose(k, text, &port) : "too many ports";
        if (!why) {
            tell_port(k, &port, i);
            continue;
        }
        refuse(k,
               kube_labels_text(&k->labels, "%s:%.*s", k->base,
                                (int)(text.len > NAME_SHOWN ? NAME_SHOWN : text.len), text.data),
               why);
        if (i >= KUBE_FOUND_PORTS)
            return;
    }
}

/* The port that nobody named. */
static const struct kube_port *usual_port(const struct menu *m)
{
    static const struct kube_port fallback = {.name = "",
                                              .protocol = "TCP",
                                              .target = "",
                                              .number = DEFAULT_PORT,
                                              .container = UINT16_MAX};
    const struct kube_port *port = port_named(m, (struct span){"metrics", 7});
    if (!port)
        port = port_named(m, (struct span){"http-metrics", 12});
    if (!port && m->fallback)
        port = port_numbered(m, m->fallback);
    if (!port && m->fallback)
        return &fallback;
    return port || m->len != 1 ? port : &m->ports[0];
}

static void tell_ports(struct look *k)
{
    k->ids_len = 0;
    size_t ports = k->ask.port ? list_len(k->ask.port) : 1;
    const struct {
        const char *name, *list;
    } lists[] = {{"path", k->ask.path}, {"scheme", k->ask.scheme}};
    for (size_t i = 0; i < 2; i++) {
        size_t n = lists[i].list ? list_len(lists[i].list) : 1;
        if (n != 1 && n != ports) {
            refuse(k, k->base,
                   kube_labels_text(&k->labels, "annotation %s/%s has %zu items for %zu port%s",
                                    k->conf->prefix, lists[i].name, n, ports,
                                    ports == 1 ? "" : "s"));
            return;
        }
    }
    if (k->ask.port) {
        tell_asked(k);
        return;
    }
    if (k->conf->annotations == KUBE_ANNOTATIONS_OPTIONAL) {
        for (size_t i = 0; i < k->menu.len; i++)
            tell_port(k, &k->menu.ports[i], 0);
        if (k->menu.len == 0)
            refuse(k, k->base, kube_labels_text(&k->labels, "no TCP port of %s", k->menu.of));
        return;
    }
    const struct kube_port *port = usual_port(&k->menu);
    if (port)
        tell_port(k, port, 0);
    else
        refuse(k, k->base,
               kube_labels_text(&k->labels, "%s has several ports: annotation %s/port says which",
                                k->menu.of, k->conf->prefix));
}

/* Labels. */

static void add_chosen(struct look *k, const struct text_map *chosen, const struct label *labels,
                       size_t len)
{
    for (size_t i = 0; i < chosen->len; i++) {
        const char *value = kube_label(labels, len, chosen->items[i].name);
        if (value && value[0])
            kube_labels_add(&k->labels, chosen->items[i].value, value);
    }
}

static void add_object(struct look *k, const struct kube_object *o)
{
    if (k->conf->meta)
        kube_labels_meta(&k->labels, o);
    add_chosen(k, &k->conf->labels, o->labels, o->labels_len);
    add_chosen(k, &k->conf->annotation_labels, o->annotations, o->annotations_len);
}

static void add_pod(struct look *k, const struct kube_object *pod)
{
    kube_labels_add(&k->labels, "pod", pod->name);
    if (pod->node[0])
        kube_labels_add(&k->labels, "node", pod->node);
}

/* Beginning and end of a look. */

static struct look look_at(const struct kube_found_conf *c, const struct kube_object *asking,
                           struct kube_found_sink sink)
{
    struct look k = {.conf = c, .sink = sink};
    read_ask(&k, asking);
    kube_labels_add(&k.labels, "namespace", asking->ns);
    return k;
}

static const char *pod_absent(const struct kube_object *pod)
{
    if (strcmp(pod->phase, "Succeeded") == 0 || strcmp(pod->phase, "Failed") == 0)
        return "the pod has ended";
    return pod->ips[0][0] ? NULL : "the pod has no IP yet";
}

static bool is_tcp(const struct kube_port *port)
{
    return strcmp(port->protocol, "TCP") == 0;
}

/* Plain init containers have ended by the time that a pod runs; sidecars have not. */
static bool runs(const struct kube_container *c)
{
    return !c->init || c->sidecar;
}

static bool declares(const struct kube_object *pod, uint32_t container)
{
    for (uint32_t i = 0; i < pod->ports_len; i++)
        if (pod->ports[i].container == container)
            return true;
    return false;
}

/* With rules, a container without ports counts as well, as it does for Prometheus: they may say
 * which. */
static void fill_menu(struct look *k, const struct kube_object *pod)
{
    struct menu *m = &k->menu;
    m->len = 0;
    for (uint32_t i = 0; i < pod->ports_len; i++)
        if (is_tcp(&pod->ports[i]) && runs(&pod->containers[pod->ports[i].container]))
            m->ports[m->len++] = pod->ports[i];
    for (uint32_t i = 0; k->conf->meta && i < pod->containers_len; i++)
        if (runs(&pod->containers[i]) && !declares(pod, i))
            m->ports[m->len++] = (struct kube_port){
                .name = "", .protocol = "", .target = "", .container = (uint16_t)i};
    m->of = "the pod";
    m->any_number = true;
    m->fallback = DEFAULT_PORT;
}

static void fill_own_menu(struct look *k, const struct kube_object *o, const char *of, bool any)
{
    k->menu.len = 0;
    for (uint32_t i = 0; i < o->ports_len; i++)
        if (is_tcp(&o->ports[i]) && o->ports[i].number > 0)
            k->menu.ports[k->menu.len++] = o->ports[i];
    k->menu.of = of;
    k->menu.any_number = any;
}

/* Roles. */

void kube_found_pod(const struct kube_found_conf *c, const struct kube_object *pod,
                    struct kube_found_sink sink)
{
    struct look k = look_at(c, pod, sink);
    k.base = kube_labels_text(&k.labels, "%s/%s", pod->ns, pod->name);
    const char *why = unwanted(&k);
    why = why ? why : pod_absent(pod);
    add_pod(&k, pod);
    if (why) {
        refuse(&k, k.base, why);
    } else {
        k.ports_of = pod;
        k.address = pod->ips[0];
        add_object(&k, pod);
        fill_menu(&k, pod);
        tell_ports(&k);
    }
    kube_labels_done(&k.labels);
}

static const char *service_absent(const struct kube_object *service)
{
    if (strcmp(service->type, "ExternalName") == 0)
        return "a service of type ExternalName has no address in the cluster";
    if (strcmp(service->cluster_ip, "None") == 0)
        return "a headless service has no cluster IP: role endpoints finds what is behind it";
    return service->cluster_ip[0] ? NULL : "the service has no cluster IP yet";
}

void kube_found_service(const struct kube_found_conf *c, const struct kube_object *service,
                        struct kube_found_sink sink)
{
    struct look k = look_at(c, service, sink);
    k.base = kube_labels_text(&k.labels, "%s/%s", service->ns, service->name);
    kube_labels_add(&k.labels, "service", service->name);
    const char *why = unwanted(&k);
    why = why ? why : service_absent(service);
    if (why) {
        refuse(&k, k.base, why);
    } else {
        k.ports_of = service;
        k.address = service->cluster_ip;
        add_object(&k, service);
        fill_own_menu(&k, service, "the service", false);
        tell_ports(&k);
    }
    kube_labels_done(&k.labels);
}

/* Ports of the service as they are at the pod: name of the one, number of the other. */
static void fill_selected_menu(struct look *k, const struct kube_object *service,
                               const struct kube_object *pod)
{
    struct menu *m = &k->menu;
    fill_menu(k, pod);
    struct menu of_pod = *m;
    m->len = 0;
    for (uint32_t i = 0; i < service->ports_len; i++) {
        const struct kube_port *port = &service->ports[i];
        struct span target = {port->target, strlen(port->target)};
        unsigned number = target.len == 0 ? port->number : port_number(target);
        const struct kube_port *found =
            number ? port_numbered(&of_pod, number) : port_named(&of_pod, target);
        number = found ? found->number : number;
        if (!is_tcp(port) || number == 0)
            continue;
        m->ports[m->len++] = (struct kube_port){
            .name = port->name,
            .protocol = port->protocol,
            .target = port->target,
            .number = (uint16_t)number,
            .container = found ? found->container : container_of(pod),
        };
    }
    m->of = "the service";
    m->fallback = 0;
}

void kube_found_selected(const struct kube_found_conf *c, const struct kube_object *service,
                         const struct kube_object *pod, struct kube_found_sink sink)
{
    struct look k = look_at(c, service, sink);
    k.base = kube_labels_text(&k.labels, "%s/%s/%s", service->ns, service->name, pod->name);
    kube_labels_add(&k.labels, "service", service->name);
    const char *why = unwanted(&k);
    why = why ? why : pod_absent(pod);
    why = why || pod->ready ? why : "the pod is not ready";
    add_pod(&k, pod);
    if (why) {
        refuse(&k, k.base, why);
    } else {
        k.ports_of = pod;
        k.address = pod->ips[0];
        k.selected = true;
        if (c->meta)
            kube_labels_meta_selected(&k.labels, service, pod);
        add_object(&k, service);
        fill_selected_menu(&k, service, pod);
        tell_ports(&k);
    }
    kube_labels_done(&k.labels);
}

static void tell_endpoint(struct look *k, const struct kube_endpoint *e)
{
    size_t mark = kube_labels_mark(&k->labels);
    bool pod = strcmp(e->target_kind, "Pod") == 0;
    k->base = kube_labels_text(&k->labels, "%s/%s/%s", k->ports_of->ns, k->ports_of->name,
                               pod ? e->target_name : e->address);
    k->address = e->address;
    if (pod)
        kube_labels_add(&k->labels, "pod", e->target_name);
    if (e->node[0])
        kube_labels_add(&k->labels, "node", e->node);
    if (k->conf->meta)
        kube_labels_meta_endpoint(&k->labels, e);
    if (!e->ready)
        refuse(k, k->base, "the endpoint is not ready");
    else if (!e->address[0])
        refuse(k, k->base, "the endpoint has no address");
    else
        tell_ports(k);
    kube_labels_back(&k->labels, mark);
}

static void tell_endpoints(struct look *k, const struct kube_object *slice)
{
    const char *whole = k->base;
    uint32_t i = 0;
    for (; i < slice->endpoints_len && k->told < KUBE_FOUND_MAX; i++)
        tell_endpoint(k, &slice->endpoints[i]);
    if (i < slice->endpoints_len)
        refuse(k, whole,
               kube_labels_text(&k->labels, "the last %u endpoints: more than %d of one slice",
                                slice->endpoints_len - i, KUBE_FOUND_MAX));
}

/* A service of both families has slices of both, with the same pods in them. */
static const char *other_family(struct look *k, const struct kube_object *service,
                                const struct kube_object *slice)
{
    bool ip = strcmp(slice->address_type, "IPv4") == 0 || strcmp(slice->address_type, "IPv6") == 0;
    if (!ip || !service->family[0] || strcmp(service->family, slice->address_type) == 0)
        return NULL;
    return kube_labels_text(&k->labels, "the service's first family is %s", service->family);
}

void kube_found_slice(const struct kube_found_conf *c, const struct kube_object *service,
                      const struct kube_object *slice, struct kube_found_sink sink)
{
    struct look k = look_at(c, service, sink);
    k.base = kube_labels_text(&k.labels, "%s/%s", slice->ns, slice->name);
    kube_labels_add(&k.labels, "service", service->name);
    const char *why = unwanted(&k);
    why = why ? why : other_family(&k, service, slice);
    if (why) {
        refuse(&k, k.base, why);
    } else {
        k.ports_of = slice;
        if (c->meta)
            kube_labels_meta(&k.labels, slice);
        add_object(&k, service);
        fill_own_menu(&k, slice, "the EndpointSlice", true);
        tell_endpoints(&k, slice);
    }
    kube_labels_done(&k.labels);
}
