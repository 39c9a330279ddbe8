/* SPDX-License-Identifier: Apache-2.0 */
/* kube_fake.h - watches and a client that say what the test wants them to say, for those who stand upon
 * kube_watch.h. */
#ifndef KUBE_FAKE_H
#define KUBE_FAKE_H

#include "clock.h"
#include "kube_read.h"
#include "kube_store.h"
#include "test.h"

#include <sys/eventfd.h>
#include <unistd.h>

struct kube_watch {
    char path[200], fields[300], labels[300];
    bool by_node, open;
    unsigned runs;
    int64_t timer_ns;
    struct kube_watch_sink sink;
    struct kube_watch_state state;
};

/* All that were ever made, in their order; forget_watches begins anew. */
static struct kube_watch watches[16];
static size_t watches_len;

struct kube_client {
    int fd;
    unsigned runs;
};
static struct kube_client client; /* there is but one at a time */
static unsigned clients;

static inline void forget_watches(void)
{
    CHECK_INT(clients, 0);
    for (size_t i = 0; i < watches_len; i++)
        CHECK(!watches[i].open);
    watches_len = 0;
    client.runs = 0;
}

struct kube_watch *kube_watch_new(struct kube_client *c, const struct kube_watch_conf *conf,
                                  struct kube_watch_sink sink)
{
    if (c != &client || watches_len == ARRAY_LEN(watches))
        abort();
    struct kube_watch *w = &watches[watches_len++];
    *w = (struct kube_watch){
        .by_node = conf->by_node, .open = true, .timer_ns = DEADLINE_NEVER, .sink = sink};
    snprintf(w->path, sizeof w->path, "%s", conf->path);
    snprintf(w->fields, sizeof w->fields, "%s", conf->field_selector);
    snprintf(w->labels, sizeof w->labels, "%s", conf->label_selector);
    return w;
}

void kube_watch_free(struct kube_watch *w)
{
    if (w && !w->open)
        abort();
    if (w)
        w->open = false;
}

int64_t kube_watch_timer_ns(const struct kube_watch *w)
{
    return w->timer_ns;
}

void kube_watch_run(struct kube_watch *w)
{
    w->runs++;
    w->timer_ns = DEADLINE_NEVER;
}

const struct kube_watch_state *kube_watch_state(const struct kube_watch *w)
{
    return &w->state;
}

enum status kube_client_new(struct kube_client **ret, const struct kube_access *access,
                            struct err *err)
{
    (void)access;
    (void)err;
    if (clients++ > 0)
        abort();
    client.fd = eventfd(0, EFD_CLOEXEC);
    *ret = &client;
    return OK;
}

void kube_client_free(struct kube_client *c)
{
    if (!c)
        return;
    close(c->fd);
    clients--;
}

int kube_client_fd(const struct kube_client *c)
{
    return c->fd;
}

int64_t kube_client_timer_ns(const struct kube_client *c)
{
    (void)c;
    return DEADLINE_NEVER;
}

struct kube_client_books kube_client_books(const struct kube_client *c)
{
    return (struct kube_client_books){.calls = c->runs};
}

void kube_client_run(struct kube_client *c)
{
    c->runs++;
}

/* What the watch says to its store; the object is JSON with ' for ". */

static inline void watch_reset(struct kube_watch *w)
{
    w->sink.reset(w->sink.of);
}

static inline void watch_object(struct kube_watch *w, const char *quoted)
{
    cJSON *json = json_read(quoted);
    CHECK(json != NULL);
    w->sink.object(w->sink.of, json);
    cJSON_Delete(json);
}

static inline void watch_gone(struct kube_watch *w, const char *quoted)
{
    cJSON *json = json_read(quoted);
    CHECK(json != NULL);
    w->sink.gone(w->sink.of, json);
    cJSON_Delete(json);
}

static inline void watch_synced(struct kube_watch *w)
{
    w->state.synced = true;
    w->sink.synced(w->sink.of);
}

#endif
