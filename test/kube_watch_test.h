/* SPDX-License-Identifier: Apache-2.0 */
/* kube_watch_test.h - for the tests of kube_watch.h: an API server that is a script, on the held clock. */
#ifndef KUBE_WATCH_TEST_H
#define KUBE_WATCH_TEST_H

#include "clock.h"
#include "kube_watch.h"
#include "test.h"

/* The client: what has been asked last, and whether it still goes on. */
struct kube_call {
    bool open;
};

static struct {
    struct kube_request request; /* its path is below */
    struct kube_call call;
    char path[30000];
    unsigned sent, cancelled;
} server;

struct kube_call *kube_client_send(struct kube_client *c, const struct kube_request *request)
{
    (void)c;
    server.request = *request;
    snprintf(server.path, sizeof server.path, "%s", request->path);
    server.call.open = true;
    server.sent++;
    return &server.call;
}

void kube_call_cancel(struct kube_call *call)
{
    call->open = false;
    server.cancelled++;
}

static int64_t now;
static struct kube_watch *watch;
static struct buf said = BUF_INIT(1 << 20); /* what the sink heard since the last look */

static inline void say(const char *what, const cJSON *object)
{
    const cJSON *meta = cJSON_GetObjectItem(object, "metadata");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(meta, "name"));
    const char *uid = cJSON_GetStringValue(cJSON_GetObjectItem(meta, "uid"));
    CHECK_INT(buf_cat(&said, said.len ? " " : "", what, name ? name : "", uid ? uid : "", NULL),
              OK);
}

static inline void on_reset(void *of)
{
    (void)of;
    say("RESET", NULL);
}

static inline void on_object(void *of, const cJSON *object)
{
    (void)of;
    say("+", object);
}

static inline void on_gone(void *of, const cJSON *object)
{
    (void)of;
    say("-", object);
}

static inline void on_synced(void *of)
{
    (void)of;
    say("SYNCED", NULL);
}

static inline void on_state(void *of)
{
    (void)of;
    say(kube_watch_state(watch)->fault.status == OK ? "well" : "ill", NULL);
}

static const struct kube_watch_sink sink = {
    .reset = on_reset,
    .object = on_object,
    .gone = on_gone,
    .synced = on_synced,
    .state = on_state,
};

#define SAID(want)                  \
    do {                            \
        CHECK_STR(said.data, want); \
        buf_truncate(&said, 0);     \
    } while (0)

static inline void pass(int64_t ns)
{
    now += ns;
    clock_hold(now, 0);
}

static inline void start(struct kube_watch_conf conf)
{
    kube_watch_free(watch);
    memset(&server, 0, sizeof server);
    buf_truncate(&said, 0);
    now = 1000 * SEC_NS;
    pass(0);
    conf.path = conf.path ? conf.path : "/api/v1/pods";
    watch = kube_watch_new(NULL, &conf, sink);
    kube_watch_run(watch);
    CHECK_INT(server.sent, 1);
}

static inline void bytes(const char *text)
{
    CHECK(server.call.open);
    enum status s = server.request.bytes(server.request.of, (struct span){text, strlen(text)});
    if (s == OK)
        return;
    server.call.open = false;
    struct kube_answer a = {.status = s, .code = 200, .body = ""};
    err_set(&a.err, s, "ended by the reader");
    server.request.done(server.request.of, &a);
}

static inline void done(enum status s, int code, int64_t retry_after_ns, const char *body)
{
    CHECK(server.call.open);
    server.call.open = false;
    struct kube_answer a = {.status = s,
                            .code = code,
                            .retry_after_ns = retry_after_ns,
                            .body = body,
                            .body_len = strlen(body)};
    if (s != OK)
        err_set(&a.err, s, "GET: %d", code);
    server.request.done(server.request.of, &a);
}

/* How long until it asks again; it does so. */
static inline int64_t asked_after(void)
{
    unsigned sent = server.sent;
    CHECK(!server.call.open);
    int64_t at = kube_watch_timer_ns(watch);
    CHECK(at != DEADLINE_NEVER);
    int64_t wait = at > now ? at - now : 0;
    if (wait > 0) {
        pass(wait - 1);
        kube_watch_run(watch);
        CHECK_INT(server.sent, sent);
        pass(1);
    }
    kube_watch_run(watch);
    CHECK_INT(server.sent, sent + 1);
    return wait;
}

static inline void asked_at_once(void)
{
    CHECK_INT(asked_after(), 0);
}

/* The path, without the seconds, which are random. */
static inline const char *asked(void)
{
    static char path[sizeof server.path];
    char *seconds = strstr(server.path, "timeoutSeconds=");
    if (!seconds)
        return server.path;
    seconds += strlen("timeoutSeconds=");
    unsigned long n = strtoul(seconds, NULL, 10);
    CHECK(n >= 300 && n <= 600);
    snprintf(path, sizeof path, "%.*sN%s", (int)(seconds - server.path), server.path,
             seconds + strspn(seconds, "0123456789"));
    return path;
}

#define EVENT(type, name, version)                                      \
    "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"name\":\"" name \
    "\",\"resourceVersion\":\"" version "\"}}}\n"
#define BOOKMARK(version) \
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version "\"}}}\n"
#define MARK(version)                                                                        \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":" \
    "\"" version "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define ERROR(code, message)                                                                  \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":" \
    "\"" message "\",\"code\":" #code "}}\n"
#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\"}}"
#define LIST(version, token, items)                                      \
    "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version \
    "\",\"continue\":\"" token "\"},\"items\":[" items "]}"
#define STREAM_PATH                                                                         \
    "/api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=N&sendInitialEvents=true" \
    "&resourceVersionMatch=NotOlderThan"
#define WATCH_PATH "/api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=N&resourceVersion="

/* Synced by a streaming list at version 10, then watching. */
static inline void synced(void)
{
    start((struct kube_watch_conf){0});
    bytes(EVENT("ADDED", "a", "3") EVENT("ADDED", "b", "9") MARK("10"));
    SAID("RESET +a +b SYNCED");
}

/* Synced by lists, for the server has no streaming ones; then watching at version 10. */
static inline void synced_by_list(struct kube_watch_conf conf)
{
    start(conf);
    done(ERR_INVALID, 422, 0, "");
    asked_at_once();
    bytes(LIST("10", "", ITEM("a")));
    done(OK, 200, 0, "");
    SAID("RESET +a SYNCED");
    asked_at_once();
}

#endif
