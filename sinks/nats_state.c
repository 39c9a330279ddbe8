/* SPDX-License-Identifier: Apache-2.0 */
/* nats_state.c - ends of what is in flight, and callbacks; the contract is in nats_state.h. */
#include "nats_state.h"

#include "clock.h"
#include "mem.h"
#include "nats_ack.h"

#define DENIED_NS (10 * SEC_NS) /* a refused subject is tried again after */

/* The library may call back long after a connection is destroyed, so it gets a number, no
 * pointer. */
static pthread_mutex_t links_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nats_link *links;
static uintptr_t last_number;

static struct nats_link *find(void *closure)
{
    pthread_mutex_lock(&links_lock);
    struct nats_link *l = links;
    while (l && l->number != (uintptr_t)closure)
        l = l->next;
    if (l)
        l->refs++;
    pthread_mutex_unlock(&links_lock);
    return l;
}

static void destroy(struct nats_link *l)
{
    nats_flights_done(&l->flights);
    compressor_free(l->compressor);
    buf_done(&l->small);
    for (size_t i = 0; i < NATS_DENIED_MAX; i++)
        mem_free(l->denied[i].subject);
    secret_done(&l->password);
    secret_done(&l->token);
    setting_done(nats_settings, &l->conf);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->use);
    mem_free(l->name);
    mem_free(l);
}

void nats_state_unref(struct nats_link *l)
{
    pthread_mutex_lock(&links_lock);
    bool last = --l->refs == 0;
    pthread_mutex_unlock(&links_lock);
    if (last)
        destroy(l);
}

void nats_state_ref(struct nats_link *l)
{
    pthread_mutex_lock(&links_lock);
    l->refs++;
    pthread_mutex_unlock(&links_lock);
}

void nats_state_add(struct nats_link *l)
{
    pthread_mutex_lock(&links_lock);
    l->number = ++last_number;
    l->next = links;
    links = l;
    pthread_mutex_unlock(&links_lock);
}

void nats_state_remove(struct nats_link *l)
{
    pthread_mutex_lock(&links_lock);
    struct nats_link **at = &links;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    pthread_mutex_unlock(&links_lock);
}

void nats_state_set_own_port(struct nats_link *l, uint16_t port)
{
    pthread_mutex_lock(&links_lock);
    l->own_port = port;
    pthread_mutex_unlock(&links_lock);
}

bool nats_state_owns(uint16_t own_port)
{
    pthread_mutex_lock(&links_lock);
    const struct nats_link *l = links;
    while (l && l->own_port != own_port)
        l = l->next;
    pthread_mutex_unlock(&links_lock);
    return l != NULL;
}

/* lock is held from here to the callbacks. */

void nats_state_wait(struct nats_link *l, int64_t until_ns)
{
    struct timespec t = {until_ns / SEC_NS, until_ns % SEC_NS};
    if (until_ns == DEADLINE_NEVER)
        pthread_cond_wait(&l->changed, &l->lock);
    else
        pthread_cond_timedwait(&l->changed, &l->lock, &t);
}

/* payload_end only puts p into a channel of its lane, so the lock may be held. */
static void end_taken(struct nats_link *l, struct payload *p, enum status how,
                      const struct err *why)
{
    if (!p)
        return;
    if (how != OK && why)
        l->last_end = *why;
    payload_end(p, how);
    if (l->flights.len == 0 && l->flushing > 0)
        pthread_cond_broadcast(&l->changed);
}

static void end(struct nats_link *l, uint64_t ticket, enum status how, const struct err *why)
{
    end_taken(l, nats_flights_take(&l->flights, ticket), how, why);
}

/* Ends those whose deadline is no later than that. */
void nats_state_end_until(struct nats_link *l, int64_t deadline_ns, enum status how,
                          const struct err *why)
{
    uint64_t t;
    while ((t = nats_flights_next(&l->flights, 0)) != 0 &&
           nats_flights_deadline_ns(&l->flights, t) <= deadline_ns)
        end(l, t, how, why);
}

int64_t nats_state_end_overdue(struct nats_link *l, int64_t now_ns)
{
    static const struct err why = {ERR_TIMEOUT, "no acknowledgement in time"};
    int64_t silent_ns = l->heard_ns + l->conf.timeout;
    bool all = silent_ns <= now_ns || l->acked_ns > now_ns;
    nats_state_end_until(l, all ? now_ns : l->acked_ns, ERR_TIMEOUT, &why);
    uint64_t first = nats_flights_next(&l->flights, 0);
    int64_t next_ns = first ? nats_flights_deadline_ns(&l->flights, first) : DEADLINE_NEVER;
    return next_ns > now_ns ? next_ns : silent_ns;
}

size_t nats_state_window(size_t window, size_t most, int64_t took_ns, int64_t timeout_ns)
{
    if (took_ns < timeout_ns / 8)
        return window < most / 2 ? 2 * window : most;
    size_t part = took_ns >= timeout_ns ? 4 : took_ns > timeout_ns / 2 ? 2 : 1;
    return window > part ? window / part : 1;
}

void nats_state_break(struct nats_link *l, const struct err *why)
{
    if (!l->broken)
        l->why = *why;
    l->broken = true;
    pthread_cond_broadcast(&l->changed);
}

static void recheck_soon(struct nats_link *l)
{
    int64_t at_ns = l->checked_ns + NATS_RECHECK_NS, now_ns = clock_mono_ns();
    l->recheck_ns = at_ns > now_ns ? at_ns : now_ns;
    pthread_cond_broadcast(&l->changed);
}

static void deny(struct nats_link *l, const char *subject, const struct err *why)
{
    struct nats_denied *d = &l->denied[l->denied_next++ % NATS_DENIED_MAX];
    mem_free(d->subject);
    *d = (struct nats_denied){mem_strdup(subject), clock_mono_ns() + DENIED_NS};
    for (uint64_t t = nats_flights_next(&l->flights, 0), then; t != 0; t = then) {
        then = nats_flights_next(&l->flights, t);
        if (strcmp(nats_flights_payload(&l->flights, t)->address.data, subject) == 0)
            end(l, t, ERR_DENIED, why);
    }
}

bool nats_state_denied(const struct nats_link *l, const char *subject)
{
    for (size_t i = 0; i < NATS_DENIED_MAX; i++)
        if (l->denied[i].subject && strcmp(l->denied[i].subject, subject) == 0 &&
            clock_mono_ns() < l->denied[i].until_ns)
            return true;
    return false;
}

/* Callbacks of the library, on threads of its own: lock is not held. */

void nats_state_on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)nc;
    (void)sub;
    struct nats_link *l = find(closure);
    const char *dot = strrchr(natsMsg_GetSubject(msg), '.');
    if (l && dot) {
        struct err err = {.status = OK};
        struct span json = {natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
        bool nobody = natsMsg_IsNoResponders(msg), duplicate = false;
        enum status s =
            nobody ? err_set(&err, ERR_AGAIN,
                             "no stream takes the subject: stream %.60s lacks it, or is gone",
                             l->conf.jetstream.stream)
                   : nats_ack_read(json, &duplicate, &err);
        pthread_mutex_lock(&l->lock);
        uint64_t ticket = strtoull(dot + 1, NULL, 16);
        int64_t deadline_ns = nats_flights_deadline_ns(&l->flights, ticket);
        struct payload *p = nats_flights_take(&l->flights, ticket);
        l->acked_ns = deadline_ns > l->acked_ns ? deadline_ns : l->acked_ns;
        l->heard_ns = clock_mono_ns();
        /* A resend whose earlier outcome is unknown may well be known there; nothing else may. */
        if (p && duplicate && !p->unknown && l->lane)
            l->lane->duplicates++;
        end_taken(l, p, s, &err);
        if (nobody)
            recheck_soon(l);
        pthread_mutex_unlock(&l->lock);
    }
    if (l)
        nats_state_unref(l);
    natsMsg_Destroy(msg);
}

/* Permissions Violation for Publish to "subject" */
static void on_violation(struct nats_link *l, const char *text)
{
    static const char publish[] = "Publish to \"";
    char subject[1100];
    struct err err;
    err_set(&err, ERR_DENIED, "%.230s", text);
    const char *at = strcasestr(text, publish);
    pthread_mutex_lock(&l->lock);
    if (at) {
        at += sizeof publish - 1;
        snprintf(subject, sizeof subject, "%.*s", (int)strcspn(at, "\""), at);
        deny(l, subject, &err);
    } else { /* of the subscription: no acknowledgement can come */
        l->refused = err;
        l->recheck_ns = clock_mono_ns() + DENIED_NS;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
}

void nats_state_on_error(natsConnection *nc, natsSubscription *sub, natsStatus n, void *closure)
{
    (void)nc;
    (void)sub;
    struct nats_link *l = n == NATS_NOT_PERMITTED ? find(closure) : NULL;
    if (l) {
        on_violation(l, nats_words(n));
        nats_state_unref(l);
    }
}

void nats_state_on_closed(natsConnection *nc, void *closure)
{
    struct nats_link *l = find(closure);
    if (!l)
        return;
    const char *text = NULL;
    natsStatus n = natsConnection_GetLastError(nc, &text);
    struct err why;
    err_set(&why, nats_status(n) == ERR_DENIED ? ERR_DENIED : ERR_IO, "connection lost: %.150s",
            text && text[0] ? text : natsStatus_GetText(n));
    pthread_mutex_lock(&l->lock);
    if (l->nc == nc)
        nats_state_break(l, &why);
    pthread_mutex_unlock(&l->lock);
    nats_state_unref(l);
}
