/* SPDX-License-Identifier: Apache-2.0 */
/* nats_keeper.c - the thread of a nats link: connects, confirms, gives up what is overdue. */
#include "nats_keeper.h"

#include "clock.h"
#include "nats_confirm.h"
#include "nats_link.h"
#include "nats_state.h"
#include "nats_stream.h"

#include <inttypes.h>
#include <sys/random.h>

#define FIRST_WAIT_NS (100 * MS_NS)

/* Where acknowledgements come back: INBOX.TICKET. */
static enum status subscribe(struct nats_link *l, natsConnection *nc, natsSubscription **ret,
                             struct err *err)
{
    uint64_t random[2];
    if (getentropy(random, sizeof random) != 0)
        return err_set(err, ERR_IO, "no random numbers");
    snprintf(l->inbox, sizeof l->inbox, "%s.%016" PRIx64 "%016" PRIx64, l->conf.inbox_prefix,
             random[0], random[1]);
    char wildcard[NATS_INBOX_MAX + 2];
    snprintf(wildcard, sizeof wildcard, "%s.*", l->inbox);
    natsSubscription *sub = NULL;
    natsStatus n =
        natsConnection_Subscribe(&sub, nc, wildcard, nats_state_on_ack, (void *)l->number);
    if (n == NATS_OK)
        n = natsSubscription_SetPendingLimits(sub, -1, -1);
    if (n != NATS_OK) {
        natsSubscription_Destroy(sub);
        return err_set(err, ERR_IO, "cannot subscribe: %s", nats_words(n));
    }
    *ret = sub;
    return OK;
}

/* What the server and the stream say about themselves; lock is held. */
static void learn(struct nats_link *l, const struct nats_stream *s, int64_t max_bytes)
{
    if (!l->lane)
        return;
    if (s->max_message > 0 && s->max_message < max_bytes)
        max_bytes = s->max_message;
    size_t most = max_bytes > 2 ? (size_t)max_bytes : 2;
    l->lane->max_payload = most > (size_t)2 * NATS_HEADER_ROOM ? most - NATS_HEADER_ROOM : most / 2;
    l->lane->duplicate_window_ns = s->duplicate_window_ns;
}

/* Looks for the stream; lock is not held. */
static void check_stream(struct nats_link *l, natsConnection *nc)
{
    struct nats_stream seen = {0};
    struct err err = {.status = OK};
    enum status s = l->stream ? nats_stream_ensure(nc, &l->conf, &seen, &err) : OK;
    pthread_mutex_lock(&l->lock);
    l->checked_ns = clock_mono_ns();
    if (l->refused.status != ERR_DENIED) {
        l->refused = err;
        l->recheck_ns = s == OK ? DEADLINE_NEVER : l->checked_ns + NATS_RECHECK_NS;
    }
    if (s == OK)
        learn(l, &seen, natsConnection_GetMaxPayload(nc));
    pthread_mutex_unlock(&l->lock);
}

static uint16_t own_port(natsConnection *nc)
{
    char *ip = NULL;
    int port = 0;
    if (natsConnection_GetLocalIPAndPort(nc, &ip, &port) != NATS_OK)
        return 0;
    free(ip); /* the library's is malloc */
    return (uint16_t)port;
}

static bool connect_to(struct nats_link *l, const char *server)
{
    const struct nats_login login = {&l->conf,
                                     l->name,
                                     &l->password,
                                     &l->token,
                                     nats_state_on_error,
                                     nats_state_on_closed,
                                     (void *)l->number};
    natsConnection *nc = NULL;
    natsSubscription *acks = NULL;
    struct err err = {.status = OK};
    pthread_mutex_lock(&l->lock);
    l->refused.status = OK;
    l->recheck_ns = DEADLINE_NEVER;
    l->attempt_ns = clock_mono_ns();
    l->attempt_port = nats_conf_port(server);
    pthread_mutex_unlock(&l->lock);
    enum status s = nats_connect(&nc, &login, server, &err);
    if (s == OK)
        nats_state_set_own_port(l, own_port(nc));
    pthread_mutex_lock(&l->lock);
    l->attempt_ns = 0;
    pthread_mutex_unlock(&l->lock);
    if (s == OK && l->stream)
        s = subscribe(l, nc, &acks, &err);
    if (s == OK)
        check_stream(l, nc);
    pthread_mutex_lock(&l->use);
    pthread_mutex_lock(&l->lock);
    if (s != OK)
        l->why = err;
    else if (l->lane) {
        l->lane->connects++;
        l->lane->connected = true;
        if (!l->stream)
            l->lane->window = 1; /* it grows with each PONG that comes soon */
    }
    l->nc = s == OK ? nc : NULL;
    l->acks = acks;
    l->up = s == OK;
    l->quick = false;
    l->broken = s == OK && natsConnection_IsClosed(nc);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    pthread_mutex_unlock(&l->use);
    if (s != OK)
        natsConnection_Destroy(nc);
    return s == OK;
}

static void disconnect(struct nats_link *l)
{
    pthread_mutex_lock(&l->use);
    pthread_mutex_lock(&l->lock);
    natsConnection *nc = l->nc;
    natsSubscription *acks = l->acks;
    l->nc = NULL;
    l->acks = NULL;
    l->up = l->broken = false;
    if (l->lane)
        l->lane->connected = false;
    nats_state_end_until(l, DEADLINE_NEVER, ERR_IO, &l->why);
    pthread_mutex_unlock(&l->lock);
    pthread_mutex_unlock(&l->use);
    nats_state_set_own_port(l, 0);
    natsSubscription_Destroy(acks);
    natsConnection_Destroy(nc);
}

/* lock is held, but for the asking. */
static void recheck(struct nats_link *l)
{
    natsConnection *nc = l->nc;
    l->recheck_ns = DEADLINE_NEVER;
    if (l->refused.status == ERR_DENIED) {
        struct err why = l->refused;
        nats_state_break(l, &why);
        return;
    }
    pthread_mutex_unlock(&l->lock);
    check_stream(l, nc);
    pthread_mutex_lock(&l->lock);
}

/* Until the connection breaks or is no longer wanted; lock is held. */
static void serve(struct nats_link *l)
{
    while (!l->stop && !l->broken) {
        int64_t now_ns = clock_mono_ns(), next_ns = DEADLINE_NEVER;
        if (!l->stream && !l->quick && l->published_ns != l->confirmed_ns) {
            nats_confirm(l);
            continue;
        }
        if (l->recheck_ns <= now_ns) {
            recheck(l);
            continue;
        }
        if (l->stream)
            next_ns = nats_state_end_overdue(l, now_ns);
        l->looks_ns = clock_earlier(next_ns, l->recheck_ns);
        nats_state_wait(l, l->looks_ns);
    }
}

/* Between half of wait_ns and all of it: many agents lose a server at the same moment. */
static void back_off(struct nats_link *l, int64_t wait_ns)
{
    uint32_t random = 0;
    if (getentropy(&random, sizeof random) != 0)
        random = UINT32_MAX;
    int64_t until_ns =
        clock_mono_ns() + wait_ns / 2 + (int64_t)(random / 4294967296.0 * (double)(wait_ns / 2));
    while (!l->stop && clock_mono_ns() < until_ns)
        nats_state_wait(l, until_ns);
}

/* lock is held, but for the connecting. */
static bool connect_any(struct nats_link *l, size_t *next)
{
    bool ok = false;
    for (size_t i = 0; i < l->conf.servers.len && !ok && !l->stop; i++) {
        const char *server = l->conf.servers.items[(*next)++ % l->conf.servers.len];
        pthread_mutex_unlock(&l->lock);
        ok = connect_to(l, server);
        pthread_mutex_lock(&l->lock);
    }
    return ok;
}

void *nats_keeper_run(void *arg)
{
    struct nats_link *l = arg;
    size_t next = (size_t)clock_mono_ns(); /* any server first */
    int64_t wait_ns = FIRST_WAIT_NS;
    pthread_setname_np(pthread_self(), "nats"); /* the library's threads inherit it */
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        if (connect_any(l, &next)) {
            int64_t since_ns = clock_mono_ns();
            serve(l);
            pthread_mutex_unlock(&l->lock);
            disconnect(l);
            pthread_mutex_lock(&l->lock);
            if (clock_mono_ns() - since_ns > l->conf.reconnect_max)
                wait_ns = FIRST_WAIT_NS; /* one that breaks at once is no success */
        }
        back_off(l, wait_ns < l->conf.reconnect_max ? wait_ns : l->conf.reconnect_max);
        wait_ns = wait_ns < l->conf.reconnect_max ? 2 * wait_ns : l->conf.reconnect_max;
    }
    l->done = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    nats_state_unref(l);
    return NULL;
}
