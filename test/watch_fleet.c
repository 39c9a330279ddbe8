/* SPDX-License-Identifier: Apache-2.0 */
/* watch_fleet.c - as many agents' watches of pods as one likes, to see what they do to an API server.
 *
 *     watch_fleet CLIENTS ACCOUNT [SPREAD_MS]
 *
 * Client i follows the pods of node-i as an agent there does: with a client and connections of its
 * own, as the service account whose folder is ACCOUNT, at the server that the environment names.
 * SPREAD_MS: kube_watch_conf.spread_ns.  All start at once and go on until SIGTERM.  Each line of its
 * output is a JSON object: what happened to which client at which time (ms since 1970), and its
 * requests so far:
 *
 *     synced  a full list is there: its pods
 *     news    the highest number among the annotations "changed" of the pods has grown, or it was in
 *             a list that was made anew
 *     ill     an attempt has failed: why
 *     well    it works again  */
#include "clock.h"
#include "curl_loop.h"
#include "json_out.h"
#include "kube_watch.h"
#include "mem.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, EVENTS = 64 };

struct member {
    unsigned number;
    struct kube_client *client;
    struct kube_watch *watch;
    bool listing;
    size_t pods; /* of the list that begins or began last */
    uint64_t changed;
};

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "watch_fleet: %s\n", what);
    exit(1);
}

static void tell(const struct member *m, const char *what, const char *key, uint64_t value,
                 const char *text)
{
    AUTO(buf) struct buf line = BUF_INIT(LINE_BYTES);
    struct json_out j = JSON_OUT(&line);
    const struct kube_watch_state *state = kube_watch_state(m->watch);
    json_out_open(&j, NULL, '{');
    json_out_int(&j, "at_ms", clock_wall_ms());
    json_out_uint(&j, "client", m->number);
    json_out_string(&j, "what", what);
    if (text)
        json_out_string(&j, key, text);
    else if (key)
        json_out_uint(&j, key, value);
    json_out_uint(&j, "calls", kube_client_books(m->client).calls);
    json_out_uint(&j, "lists", state->lists);
    json_out_uint(&j, "watches", state->watches);
    json_out_uint(&j, "expired", state->expired);
    json_out_close(&j, '}');
    check(j.status == OK, "a line is too long");
    puts(line.data);
    fflush(stdout);
}

/* What the watch says. */

static void on_reset(void *of)
{
    struct member *m = of;
    m->listing = true;
    m->pods = 0;
}

static uint64_t changed_of(const cJSON *object)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(object, "metadata");
    const cJSON *annotations = cJSON_GetObjectItemCaseSensitive(meta, "annotations");
    const cJSON *changed = cJSON_GetObjectItemCaseSensitive(annotations, "changed");
    const char *text = cJSON_GetStringValue(changed);
    return text ? strtoull(text, NULL, 10) : 0;
}

static void on_object(void *of, const cJSON *object)
{
    struct member *m = of;
    uint64_t changed = changed_of(object);
    m->pods += m->listing;
    if (changed <= m->changed)
        return;
    m->changed = changed;
    if (!m->listing)
        tell(m, "news", "changed", changed, NULL);
}

static void on_gone(void *of, const cJSON *object)
{
    (void)of;
    (void)object;
}

static void on_synced(void *of)
{
    struct member *m = of;
    m->listing = false;
    tell(m, "synced", "pods", m->pods, NULL);
    tell(m, "news", "changed", m->changed, NULL);
}

static void on_state(void *of)
{
    struct member *m = of;
    const struct err *fault = &kube_watch_state(m->watch)->fault;
    if (fault->status == OK)
        tell(m, "well", NULL, 0, NULL);
    else
        tell(m, "ill", "error", 0, fault->text);
}

/* The fleet. */

static struct kube_access *find_access(char *account)
{
    char none[] = "";
    struct kube_access_conf conf = {
        .kubeconfig = none, .context = none, .service_account = account};
    struct kube_access *access = NULL;
    struct err err;
    if (kube_access_find(&access, &conf, &err) != OK)
        check(false, err.text);
    return access;
}

/* The selector is that of the source kubernetes. */
static void start(struct member *m, unsigned number, const struct kube_access *access,
                  int64_t spread_ns, int epoll_fd)
{
    char fields[128];
    snprintf(fields, sizeof fields,
             "spec.nodeName=node-%u,status.phase!=Succeeded,status.phase!=Failed", number);
    struct kube_watch_conf conf = {
        .path = "/api/v1/pods", .field_selector = fields, .by_node = true, .spread_ns = spread_ns};
    struct kube_watch_sink sink = {on_reset, on_object, on_gone, on_synced, on_state, m};
    struct err err;
    m->number = number;
    if (kube_client_new(&m->client, access, &err) != OK)
        check(false, err.text);
    m->watch = kube_watch_new(m->client, &conf, sink);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = m};
    check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, kube_client_fd(m->client), &e) == 0, "epoll");
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whatever is due; when to come again. */
static int64_t run_all(struct member *members, size_t len)
{
    int64_t next_ns = DEADLINE_NEVER;
    for (size_t i = 0; i < len; i++) {
        struct member *m = &members[i];
        int64_t now = clock_mono_ns();
        if (kube_client_timer_ns(m->client) <= now)
            kube_client_run(m->client);
        if (kube_watch_timer_ns(m->watch) <= now)
            kube_watch_run(m->watch);
        next_ns = earlier(next_ns, kube_client_timer_ns(m->client));
        next_ns = earlier(next_ns, kube_watch_timer_ns(m->watch));
    }
    return next_ns;
}

static int wait_ms(int64_t until_ns)
{
    if (until_ns == DEADLINE_NEVER)
        return -1;
    int64_t wait_ns = until_ns - clock_mono_ns();
    return wait_ns > 0 ? (int)((wait_ns + MS_NS - 1) / MS_NS) : 0;
}

static void serve(struct member *members, size_t len, int epoll_fd)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, wait_ms(run_all(members, len)));
        for (int i = 0; i < n; i++) {
            const struct member *m = events[i].data.ptr;
            if (!m)
                return;
            kube_client_run(m->client);
        }
    }
}

static void watch_signal(int epoll_fd)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    check(fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0, "signalfd");
}

static void raise_descriptors(void)
{
    struct rlimit r;
    check(getrlimit(RLIMIT_NOFILE, &r) == 0, "getrlimit");
    r.rlim_cur = r.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &r) == 0, "setrlimit");
}

int main(int argc, char **argv)
{
    check(argc == 3 || argc == 4, "CLIENTS ACCOUNT [SPREAD_MS]");
    unsigned len = (unsigned)strtoul(argv[1], NULL, 10);
    int64_t spread_ns = argc == 4 ? (int64_t)strtoul(argv[3], NULL, 10) * MS_NS : 0;
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    check(net_init(&err) == OK, "net_init");
    raise_descriptors();
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    check(epoll_fd >= 0, "epoll");
    watch_signal(epoll_fd);
    struct kube_access *access = find_access(argv[2]);
    struct member *members = mem_alloc((len + 1) * sizeof *members);
    for (unsigned i = 0; i < len; i++)
        start(&members[i], i, access, spread_ns, epoll_fd);
    serve(members, len, epoll_fd);
    for (unsigned i = 0; i < len; i++) {
        kube_watch_free(members[i].watch);
        kube_client_free(members[i].client);
    }
    mem_free(members);
    kube_access_free(access);
    close(epoll_fd);
    return 0;
}
