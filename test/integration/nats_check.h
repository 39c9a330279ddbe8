/* SPDX-License-Identifier: Apache-2.0 */
/* nats_check.h - the nats sink as a lane has it, and the other side of the server. */
#ifndef NATS_CHECK_H
#define NATS_CHECK_H

#include "curl_loop.h"
#include "nats_server.h"
#include "sink_run.h"
#include "test.h"

#include <nats/nats.h>

static struct sink_run run;

/* As in the agent, OpenSSL's exit handler is left out: threads that still end would use what it
 * frees. */
__attribute__((constructor)) static void leave_openssl(void)
{
    if (net_init(NULL) != OK)
        abort();
}

static const struct label cart_labels[] = {{"namespace", "shop"}, {"pod", "cart.0"}};
static const struct target cart = {.id = "shop/cart.0/app:8080/metrics",
                                   .source = "pods",
                                   .pool = "main",
                                   .url = "http://10.0.0.1:8080/metrics",
                                   .labels = cart_labels,
                                   .labels_len = 2};

/* Opens the sink towards the running server; further settings as name, text, ..., NULL. */
#define OPEN(...)                                                                    \
    open_sink((const char *const[]){"servers", server.url, "reconnect_max", "200ms", \
                                    ##__VA_ARGS__, NULL})
static inline void open_sink(const char *const *settings)
{
    sink_run_close(&run);
    if (sink_run_open(&run, "nats", settings) != OK)
        test_fail(__FILE__, __LINE__, "%s", run.err.text);
}

static inline struct payload *message(const struct target *t, uint64_t id, const char *body,
                                      size_t len)
{
    struct payload *p = sink_run_payload(&run, body, len);
    if (payload_set_key(p, "prod", t->id) != OK || run.ops->render(run.self, t, &p->address) != OK)
        abort();
    p->id = (struct payload_id){1, id};
    p->content_type = "application/x-ndjson";
    p->due_ms = INT64_C(1795271160000);
    p->samples = 3;
    return p;
}

/* Sends to the end of the deadline, until it is taken or refused for good. */
static inline enum status send_for(struct payload *p, int64_t wait_ns)
{
    int64_t until_ns = clock_mono_ns() + wait_ns;
    for (;;) {
        enum status s = run.ops->send(run.self, p, until_ns, &run.err);
        if (!status_retryable(s) || clock_mono_ns() >= until_ns) {
            if (s != OK)
                payload_free(p);
            return s;
        }
        server_pause();
    }
}

static inline enum status send_body(uint64_t id, const char *body)
{
    return send_for(message(&cart, id, body, strlen(body)), 10 * SEC_NS);
}

/* As a lane does once, as soon as the first attempt to connect has ended, for which a send does not
 * wait long; p is freed when it is not taken. */
static inline enum status send_once(uint64_t id, const char *body)
{
    int64_t until_ns = clock_mono_ns() + 60 * SEC_NS;
    enum status s;
    do {
        struct payload *p = message(&cart, id, body, strlen(body));
        run.err = (struct err){.status = OK};
        s = run.ops->send(run.self, p, clock_mono_ns() + 30 * SEC_NS, &run.err);
        if (s != OK)
            payload_free(p);
    } while (s == ERR_TIMEOUT && strstr(run.err.text, "no connection yet") &&
             clock_mono_ns() < until_ns);
    return s;
}

static inline enum status flush(void)
{
    return run.ops->flush(run.self, clock_mono_ns() + 10 * SEC_NS, &run.err);
}

/* What ended with how, once everything has. */
static inline size_t ended(enum status how)
{
    return flush() == OK ? run.ended[how] : SIZE_MAX;
}

static inline const char *explained(void)
{
    run.ops->explain(run.self, &run.err);
    return run.err.text;
}

/* The other side. */
struct peer {
    natsConnection *nc;
    natsSubscription *sub;
    jsCtx *js;
};

#define MUST(call)                                                                     \
    do {                                                                               \
        natsStatus must_ = (call);                                                     \
        if (must_ != NATS_OK)                                                          \
            test_fail(__FILE__, __LINE__, "%s: %s", #call, natsStatus_GetText(must_)); \
    } while (0)

static inline void peer_close(struct peer *p)
{
    natsSubscription_Destroy(p->sub);
    jsCtx_Destroy(p->js);
    natsConnection_Destroy(p->nc);
    *p = (struct peer){0};
}

static inline void peer_open(struct peer *p)
{
    MUST(natsConnection_ConnectTo(&p->nc, server.url));
    MUST(natsConnection_JetStream(&p->js, p->nc, NULL));
}

static inline void peer_subscribe(struct peer *p, const char *subject)
{
    MUST(natsConnection_SubscribeSync(&p->sub, p->nc, subject));
    MUST(natsConnection_Flush(p->nc));
}

static inline natsMsg *peer_next(struct peer *p)
{
    natsMsg *m = NULL;
    MUST(natsSubscription_NextMsg(&m, p->sub, 10000));
    return m;
}

static inline const char *header(natsMsg *m, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(m, name, &value) == NATS_OK ? value : "(none)";
}

static inline void peer_add_stream(struct peer *p, jsStreamConfig *c)
{
    static const char *subjects[] = {"metrics.>"};
    c->Name = "METRICS";
    c->Subjects = subjects;
    c->SubjectsLen = 1;
    MUST(js_AddStream(NULL, p->js, c, NULL, NULL));
}

static inline uint64_t peer_stored(struct peer *p)
{
    jsStreamInfo *info = NULL;
    MUST(js_GetStreamInfo(&info, p->js, "METRICS", NULL, NULL));
    uint64_t n = info->State.Msgs;
    jsStreamInfo_Destroy(info);
    return n;
}

#endif
