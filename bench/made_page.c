/* SPDX-License-Identifier: Apache-2.0 */
/* made_page.c - families as node exporter and kube-state-metrics have them. */
#include "made_page.h"
#include "mem.h"

enum slot_kind { SLOT_COUNTER, SLOT_GAUGE, SLOT_BUCKET_FIRST, SLOT_BUCKET };

struct made_slot {
    uint32_t last; /* offset of the last digit that changes */
    enum slot_kind kind;
};

/* In labels and names: # the number of the series, @ the target, ~ a word. */
struct family {
    const char *name, *type, *help, *labels, *value;
};

#define POD                                                                     \
    "namespace=\"team-~\",pod=\"service-#-5d8f7c9b6-x2v@\",owner=\"ReplicaSet/" \
    "service-#-5d8f7c9b6\""
#define UID "uid=\"0b5c8a52-1f0e-4f3c-9d57-00@00#\""

static const struct family node_families[] = {
    {"node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.",
     "site=\"eu-central-1b\",cpu=\"#\",mode=\"~\",package=\"0\"", "1000000.37"},
    {"node_disk_io_time_seconds_total", "counter", "Total seconds spent doing I/Os.",
     "site=\"eu-central-1b\",device=\"nvme#n1\",zone=\"~\",path=\"pci-0000\"", "1007123.412"},
    {"node_disk_read_bytes_total", "counter", "The total number of bytes read successfully.",
     "site=\"eu-central-1b\",device=\"nvme#n1\",zone=\"~\",path=\"pci-0000\"", "1.2839741e+10"},
    {"node_network_receive_bytes_total", "counter", "Network device statistic receive_bytes.",
     "site=\"eu-central-1b\",device=\"veth#a@\",driver=\"veth\",zone=\"~\"", "1.73920187e+09"},
    {"node_network_transmit_packets_total", "counter", "Network device statistic transmit_packets.",
     "site=\"eu-central-1b\",device=\"veth#a@\",driver=\"veth\",zone=\"~\"", "1002938475"},
    {"node_network_mtu_bytes", "gauge", "Network device property: mtu_bytes.",
     "site=\"eu-central-1b\",device=\"veth#a@\",driver=\"veth\",zone=\"~\"", "=1500"},
    {"node_filesystem_avail_bytes", "gauge", "Filesystem space available to non-root users.",
     "site=\"eu-central-1b\",device=\"/dev/mapper/vg-#\",fstype=\"ext4\",mountpoint=\"/var/lib/~/"
     "#\"",
     "1.3098471e+11"},
    {"node_filesystem_readonly", "gauge", "Filesystem read-only status.",
     "site=\"eu-central-1b\",device=\"/dev/mapper/vg-#\",fstype=\"ext4\",mountpoint=\"/var/lib/~/"
     "#\"",
     "=0"},
    {"node_hwmon_temp_celsius", "gauge", "Hardware monitor for temperature (input).",
     "site=\"eu-central-1b\",chip=\"platform_coretemp_#\",sensor=\"temp#\",zone=\"~\"", "141.25"},
    {"node_softirqs_total", "counter", "Number of softirq calls.",
     "site=\"eu-central-1b\",cpu=\"#\",vector=\"~\",node=\"node-@\"", "1029384756"},
    {"node_request_duration_seconds", "histogram", "Time a request took.",
     "site=\"eu-central-1b\",handler=\"/api/~/#\",method=\"get\",node=\"node-@\"", ""},
    {"node_sockstat_TCP_mem", "gauge", "Number of TCP sockets in state mem.",
     "site=\"eu-central-1b\",zone=\"~\",table=\"#\",node=\"node-@\"", "1837"},
};

static const struct family kube_families[] = {
    {"kube_pod_info", "gauge", "[STABLE] Information about pod.",
     POD "," UID ",host_ip=\"10.0.3.@\",node=\"node-@\"", "=1"},
    {"kube_pod_status_phase", "gauge", "[STABLE] The pods current phase.",
     POD "," UID ",phase=\"~\"", "=0"},
    {"kube_pod_container_status_restarts_total", "counter",
     "[STABLE] The number of container restarts per container.", POD "," UID ",container=\"main\"",
     "100017"},
    {"kube_pod_container_resource_requests", "gauge",
     "[STABLE] The number of requested request resource by a container.",
     POD "," UID ",container=\"main\",resource=\"memory\"", "=5.36870912e+08"},
    {"kube_pod_start_time", "gauge", "[STABLE] Start time in unix timestamp for a pod.",
     POD "," UID, "=1.795254123e+09"},
    {"kube_deployment_status_replicas_available", "gauge",
     "[STABLE] The number of available replicas per deployment.",
     "namespace=\"team-~\",deployment=\"service-#\",cluster=\"c-@\"", "17"},
    {"container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed.",
     POD "," UID ",container=\"main\"", "100239.128374"},
    {"container_memory_working_set_bytes", "gauge", "Current working set in bytes.",
     POD "," UID ",container=\"main\"", "1.62873344e+08"},
    {"apiserver_request_duration_seconds", "histogram", "Response latency distribution.",
     "group=\"~\",resource=\"thing-#\",scope=\"namespace\",verb=\"LIST\"", ""},
    {"kube_pod_labels", "gauge", "[STABLE] Kubernetes labels converted to labels.",
     POD "," UID ",label_app=\"service-#\"", "=1"},
};

static const char *const words[] = {"user", "system", "idle", "iowait", "irq", "nice", "steal"};
static const char *const bounds[] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                     "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
enum { HISTOGRAM = ARRAY_LEN(bounds) + 2 };

static void put(struct buf *b, const char *text)
{
    if (buf_puts(b, text) != OK) {
        fprintf(stderr, "made_page: more than %zu bytes\n", MADE_PAGE_BYTES);
        exit(1);
    }
}

static void put_number(struct buf *b, size_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", n);
    put(b, text);
}

static void put_labels(struct buf *b, const char *text, unsigned target, size_t n)
{
    for (; *text; text++) {
        if (*text == '#')
            put_number(b, n);
        else if (*text == '@')
            put_number(b, target);
        else if (*text == '~')
            put(b, words[n % ARRAY_LEN(words)]);
        else
            put(b, (char[]){*text, '\0'});
    }
}

static void add_to(struct made_slot **slots, size_t *len, size_t *cap, struct made_slot slot)
{
    if (*len == *cap) {
        *cap = *cap ? 2 * *cap : 256;
        *slots = mem_realloc(*slots, *cap * sizeof **slots);
    }
    (*slots)[(*len)++] = slot;
}

static void add_slot(struct made_page *p, size_t last, enum slot_kind kind)
{
    add_to(&p->slots, &p->slots_len, &p->slots_cap, (struct made_slot){(uint32_t)last, kind});
}

/* Those of the series, and the one that churns. */
static void put_own_labels(struct made_page *p, const struct family *f, unsigned target, size_t n,
                           enum slot_kind kind)
{
    put_labels(&p->text, f->labels, target, n);
    if (!p->churns)
        return;
    put(&p->text, ",revision=\"100000000\"");
    add_to(&p->names, &p->names_len, &p->names_cap,
           (struct made_slot){(uint32_t)(p->text.len - 2), kind});
}

/* "=5": never changes. */
static void put_value(struct made_page *p, const char *value, enum slot_kind kind)
{
    put(&p->text, " ");
    if (*value == '=') {
        put(&p->text, value + 1);
    } else {
        size_t digits = strcspn(value, "e");
        add_slot(p, p->text.len + digits - 1, kind);
        put(&p->text, value);
    }
    put(&p->text, "\n");
    p->samples++;
}

static void put_histogram(struct made_page *p, const struct family *f, unsigned target, size_t n)
{
    static const char *const ends[] = {"_sum", "_count"};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        put(&p->text, f->name);
        put(&p->text, "_bucket{");
        put_own_labels(p, f, target, n, i == 0 ? SLOT_BUCKET_FIRST : SLOT_BUCKET);
        put(&p->text, ",le=\"");
        put(&p->text, bounds[i]);
        put(&p->text, "\"}");
        char value[] = "100xx001";
        value[3] = (char)('0' + i / 10);
        value[4] = (char)('0' + i % 10);
        put_value(p, value, i == 0 ? SLOT_BUCKET_FIRST : SLOT_BUCKET);
    }
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        put(&p->text, f->name);
        put(&p->text, ends[i]);
        put(&p->text, "{");
        put_own_labels(p, f, target, n, SLOT_BUCKET);
        put(&p->text, "}");
        put_value(p, i == 0 ? "10293.84756" : "10011001", SLOT_BUCKET);
    }
}

static void put_family(struct made_page *p, const struct family *f, unsigned target, size_t samples)
{
    bool histogram = strcmp(f->type, "histogram") == 0;
    enum slot_kind kind = strcmp(f->type, "gauge") == 0 ? SLOT_GAUGE : SLOT_COUNTER;
    const char *const head[] = {"# HELP ", f->name, " ",     f->help, "\n# TYPE ",
                                f->name,   " ",     f->type, "\n"};
    if (samples == 0 || (histogram && samples < HISTOGRAM))
        return;
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        put(&p->text, head[i]);
    for (size_t n = 0; histogram && n < samples / HISTOGRAM; n++)
        put_histogram(p, f, target, n);
    for (size_t n = 0; !histogram && n < samples; n++) {
        put(&p->text, f->name);
        put(&p->text, "{");
        put_own_labels(p, f, target, n, kind);
        put(&p->text, "}");
        put_value(p, f->value, kind);
    }
}

static void make(struct made_page *p, unsigned target, size_t samples, bool churns)
{
    static const struct family sequence = {MADE_PAGE_SEQUENCE, "counter", "Steps of this page.",
                                           "target=\"@\"", "1000000000"};
    static const struct family rest = {"bench_rest", "gauge", "What fills the page.",
                                       "target=\"@\",part=\"#\",zone=\"~\"", "1234.5"};
    const struct family *families = target % 2 ? kube_families : node_families;
    size_t len = target % 2 ? ARRAY_LEN(kube_families) : ARRAY_LEN(node_families);
    *p = (struct made_page){
        .text = BUF_INIT(MADE_PAGE_BYTES), .random = target + 1, .churns = churns};
    put_family(p, &sequence, target, 1);
    for (size_t i = 0; i < len; i++)
        put_family(p, &families[i], target, (samples - 1) / len);
    put_family(p, &rest, target, samples - p->samples);
}

void made_page_init(struct made_page *p, unsigned target, size_t samples)
{
    make(p, target, samples, false);
}

void made_page_init_churning(struct made_page *p, unsigned target, size_t samples)
{
    make(p, target, samples, true);
}

/* Adds add to the decimal number that ends at last; a point in it is passed over, and the
 * first digit never overflows in any test's life. */
static void add_digits(char *last, unsigned add)
{
    for (unsigned carry = add; carry > 0; last--) {
        if (*last == '.')
            continue;
        carry += (unsigned)(*last - '0');
        *last = (char)('0' + carry % 10);
        carry /= 10;
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *state >> 33;
}

static void change(struct made_page *p, size_t i)
{
    struct made_slot *s = &p->slots[i];
    char *last = p->text.data + s->last;
    uint64_t r = next_random(&p->random);
    switch (s->kind) {
    case SLOT_COUNTER: add_digits(last, (unsigned)(1 + r % 9)); break;
    case SLOT_GAUGE: *last = (char)('0' + r % 10); break;
    case SLOT_BUCKET: break; /* changes with its first */
    case SLOT_BUCKET_FIRST:
        add_digits(last, 1);
        for (size_t k = i + 1; k < p->slots_len && k < i + HISTOGRAM; k++)
            add_digits(p->text.data + p->slots[k].last, 1);
        break;
    }
}

void made_page_step(struct made_page *p, unsigned percent)
{
    size_t n = p->samples * percent / 100;
    size_t stride = n > 0 ? p->slots_len / n : 0;
    add_digits(p->text.data + p->slots[0].last, 1);
    for (size_t i = 0; i < n; i++) {
        p->at = (p->at + 1 + (stride > 1 ? next_random(&p->random) % (2 * stride - 1) : 0)) %
                p->slots_len;
        if (p->at > 0)
            change(p, p->at);
    }
}

/* A histogram is replaced as a whole; returns how many series that are. */
static size_t replace(struct made_page *p, size_t i)
{
    size_t n = 1;
    while (p->names[i].kind == SLOT_BUCKET_FIRST && i + n < p->names_len &&
           p->names[i + n].kind == SLOT_BUCKET)
        n++;
    for (size_t k = i; k < i + n; k++)
        add_digits(p->text.data + p->names[k].last, 1);
    return n;
}

void made_page_churn(struct made_page *p, unsigned permille)
{
    if (p->names_len < 2) /* the first is the sequence */
        return;
    for (p->names_due += (int64_t)p->samples * permille; p->names_due >= 1000;) {
        if (p->names_at == 0 || p->names_at >= p->names_len)
            p->names_at = 1;
        size_t n = replace(p, p->names_at);
        p->names_at += n;
        p->names_due -= 1000 * (int64_t)n;
    }
}

void made_page_done(struct made_page *p)
{
    mem_free(p->names);
    buf_done(&p->text);
    mem_free(p->slots);
}
