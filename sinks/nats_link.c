/* SPDX-License-Identifier: Apache-2.0 */
/* nats_link.c - a connection that comes back; the contract is in nats_link.h. */
#include "nats_link.h"

#include "clock.h"
#include "mem.h"
#include "nats_confirm.h"
#include "nats_cut.h"
#include "nats_keeper.h"
#include "nats_message.h"
#include "nats_state.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>

#define GRACE_NS SEC_NS /* for an attempt beyond connect_timeout, and between two looks at it */
#define FIRST_NS \
    (50 * MS_NS) /* that a send waits for the first connection: its lane has more to do */
#define FREE_NS (2 * SEC_NS) /* for the thread to go */
#define MORE_NS (4 * MS_NS)  /* for the next part of a scrape */

struct nats_link *nats_link_new(const struct nats_conf *conf, struct sink_lane *lane)
{
    struct nats_link *l = mem_alloc(sizeof *l);
    setting_copy(nats_settings, &l->conf, conf);
    secret_init(&l->password, l->conf.password);
    secret_init(&l->token, l->conf.token);
    AUTO(buf) struct buf name = BUF_INIT(512);
    if (conf->name[0])
        l->name = mem_strdup(conf->name);
    else
        l->name = buf_cat(&name, "strata ", lane->name, NULL) == OK ? mem_strdup(name.data)
                                                                    : mem_strdup("strata");
    l->stream = conf->jetstream.stream[0] != '\0';
    l->lane = lane;
    l->compressor = compressor_new(compress_named(nats_compressions[conf->compression]));
    l->small = (struct buf)BUF_INIT(0);
    nats_flights_init(&l->flights, (uint32_t)conf->in_flight);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->use, NULL);
    l->refs = 1;
    nats_state_add(l);
    return l;
}

/* The library's threads inherit that no signal is theirs; lock is held. */
static enum status ensure_started(struct nats_link *l, struct err *err)
{
    if (l->started)
        return OK;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_t detached;
    pthread_t thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    nats_state_ref(l);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int why = pthread_create(&thread, &detached, nats_keeper_run, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&detached);
    l->started = why == 0;
    if (why == 0)
        return OK;
    nats_state_unref(l);
    return err_set(err, ERR_IO, "cannot start a thread: %s", strerror(why));
}

/* Cuts off an attempt that hangs; returns when to look again.  lock is held.  nats.c itself ends
 * an attempt after connect_timeout, unless it hangs: no socket of another attempt is ever so old. */
static int64_t cut_overdue(struct nats_link *l)
{
    int64_t now_ns = clock_mono_ns();
    if (l->up || l->attempt_ns == 0)
        return DEADLINE_NEVER;
    if (now_ns < l->attempt_ns + GRACE_NS)
        return l->attempt_ns + GRACE_NS;
    (void)nats_cut(l->attempt_port, l->conf.connect_timeout + GRACE_NS, nats_state_owns);
    return now_ns + GRACE_NS;
}

/* lock is held. */
static enum status check_ready(struct nats_link *l, const char *subject, int64_t deadline_ns,
                               struct err *err)
{
    int64_t look_ns = cut_overdue(l), first_ns = clock_mono_ns() + FIRST_NS;
    deadline_ns = clock_earlier(first_ns, deadline_ns);
    while (!l->up && l->why.status == OK && clock_mono_ns() < deadline_ns) {
        nats_state_wait(l, clock_earlier(look_ns, deadline_ns));
        look_ns = cut_overdue(l);
    }
    if (!l->up && l->why.status == OK)
        return err_set(err, ERR_TIMEOUT, "no connection yet");
    const struct err *bad = !l->up ? &l->why : &l->refused;
    if (bad->status != OK)
        return err_set(err, bad->status, "%s", bad->text);
    if (nats_state_denied(l, subject))
        return err_set(err, ERR_DENIED, "may not publish to %.200s", subject);
    return OK;
}

/* What a failed call for ticket means: p is the caller's again, or has ended meanwhile. */
static enum status take_back(struct nats_link *l, uint64_t ticket, natsStatus n, struct err *err)
{
    enum status s = nats_status(n);
    bool broken = s == ERR_IO || s == ERR_TIMEOUT;
    err_set(err, broken ? ERR_IO : s, "cannot publish: %.180s", nats_words(n));
    struct err why;
    err_set(&why, ERR_IO, "cannot publish: %.180s", nats_words(n));
    pthread_mutex_lock(&l->lock);
    bool ours = nats_flights_take(&l->flights, ticket) != NULL;
    if (broken && l->up)
        nats_state_break(l, &why); /* part of the message may be out */
    pthread_mutex_unlock(&l->lock);
    return ours ? (broken ? ERR_IO : s) : OK;
}

/* Until when the PING behind p waits: for the part that comes next, but no longer than since the first
 * message that it confirms.  lock is held. */
static int64_t more_until_ns(const struct nats_link *l, const struct payload *p)
{
    if (!p->more)
        return 0;
    return l->published_ns == l->confirmed_ns ? clock_mono_ns() + MORE_NS : l->more_ns;
}

/* use is held. */
static enum status publish(struct nats_link *l, struct payload *p, const struct compress_body *body,
                           uint64_t ticket, struct err *err)
{
    char reply[NATS_INBOX_MAX + 20];
    natsMsg *msg = NULL;
    natsStatus n = NATS_CONNECTION_CLOSED;
    if (l->nc) {
        snprintf(reply, sizeof reply, "%s.%" PRIx64, l->inbox, ticket);
        n = nats_message_make(&msg, p, body, l->stream ? l->conf.jetstream.stream : NULL,
                              l->stream ? reply : NULL);
    }
    pthread_mutex_lock(&l->lock);
    if (n != NATS_OK) {
        (void)nats_flights_take(&l->flights, ticket); /* without a payload as yet */
        pthread_mutex_unlock(&l->lock);
        return err_set(err, nats_status(n), "cannot publish: %.180s", nats_words(n));
    }
    int64_t deadline_ns = clock_mono_ns() + l->conf.timeout;
    l->put_ns = deadline_ns > l->put_ns ? deadline_ns : l->put_ns + 1;
    l->more_ns = more_until_ns(l, p);
    nats_flights_put(&l->flights, ticket, p, l->put_ns);
    pthread_mutex_unlock(&l->lock);
    n = natsConnection_PublishMsg(l->nc, msg);
    natsMsg_Destroy(msg);
    if (n != NATS_OK)
        return take_back(l, ticket, n, err);
    pthread_mutex_lock(&l->lock);
    bool late =
        l->stream ? l->put_ns < l->looks_ns : !l->quick && l->published_ns == l->confirmed_ns;
    l->published_ns = l->put_ns;
    pthread_mutex_unlock(&l->lock);
    if (late)
        pthread_cond_broadcast(&l->changed); /* who wakes finds the lock free */
    return OK;
}

enum status nats_link_send(struct nats_link *l, struct payload *p, int64_t deadline_ns,
                           struct err *err)
{
    uint64_t ticket = 0;
    if (p->address.len == 0)
        return err_set(err, ERR_INVALID, "a message without a subject");
    pthread_mutex_lock(&l->lock);
    enum status s = ensure_started(l, err);
    if (s == OK)
        s = check_ready(l, p->address.data, deadline_ns, err);
    if (s == OK && nats_flights_reserve(&l->flights, &ticket) != OK)
        s = err_set(err, ERR_AGAIN, "%u messages wait for their confirmation", l->flights.len);
    pthread_mutex_unlock(&l->lock);
    if (s != OK)
        return s;
    /* At each send: what waits stays as it is, so that it can be cut. */
    struct compress_body body = compress_smaller(l->compressor, p, &l->small);
    pthread_mutex_lock(&l->use);
    s = publish(l, p, &body, ticket, err);
    pthread_mutex_unlock(&l->use);
    return s;
}

enum status nats_link_flush(struct nats_link *l, int64_t deadline_ns, struct err *err)
{
    (void)nats_confirm_quickly(l, deadline_ns);
    pthread_mutex_lock(&l->lock);
    l->flushing++;
    while (l->flights.len > 0 && clock_mono_ns() < deadline_ns)
        nats_state_wait(l, deadline_ns);
    l->flushing--;
    uint32_t left = l->flights.len;
    pthread_mutex_unlock(&l->lock);
    return left == 0 ? OK : err_set(err, ERR_TIMEOUT, "%u messages are not confirmed", left);
}

static bool is_readable(int fd, int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - clock_mono_ns();
    if (left_ns < 0)
        left_ns = 0;
    struct timespec t = {.tv_sec = (time_t)(left_ns / SEC_NS), .tv_nsec = (long)(left_ns % SEC_NS)};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return ppoll(&p, 1, &t, NULL) > 0;
}

enum status nats_link_work(struct nats_link *l, int wake_fd, int64_t deadline_ns)
{
    int64_t due_ns = nats_confirm_due_ns(l);
    if (due_ns < deadline_ns) {
        if (due_ns > clock_mono_ns() && is_readable(wake_fd, due_ns))
            return OK;
        if (nats_confirm_quickly(l, deadline_ns))
            return OK; /* ends wait to be heard */
    }
    return is_readable(wake_fd, deadline_ns) ? OK : ERR_TIMEOUT;
}

void nats_link_explain(struct nats_link *l, struct err *err)
{
    pthread_mutex_lock(&l->lock);
    if (l->last_end.status != OK)
        *err = l->last_end;
    pthread_mutex_unlock(&l->lock);
}

void nats_link_free(struct nats_link *l)
{
    if (!l)
        return;
    nats_state_remove(l);
    pthread_mutex_lock(&l->use);
    pthread_mutex_lock(&l->lock);
    l->lane->connected = false;
    l->lane = NULL;
    l->stop = true;
    nats_state_end_until(l, DEADLINE_NEVER, ERR_CLOSED, NULL);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    natsConnection_Close(l->nc); /* wakes the thread from whatever it asks */
    pthread_mutex_unlock(&l->use);
    int64_t until_ns = clock_mono_ns() + FREE_NS;
    pthread_mutex_lock(&l->lock);
    while (l->started && !l->done && clock_mono_ns() < until_ns)
        nats_state_wait(l, until_ns);
    pthread_mutex_unlock(&l->lock);
    nats_state_unref(l);
}
