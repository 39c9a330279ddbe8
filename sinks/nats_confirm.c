/* SPDX-License-Identifier: Apache-2.0 */
#include "nats_confirm.h"

#include "clock.h"

#include <time.h>

#define GATHER_NS  MS_NS               /* between two PINGs: messages that one confirms together */
#define SETTLE_NS  (20 * MS_NS)        /* for words about refused messages to arrive */
#define GIVE_UP_NS (4 * NATS_QUICK_NS) /* for a PONG that should have come at once */

/* A PING and its PONG.  When the PING cannot be written the library says OK, and leaves a trace
 * only in the last error of this thread: so that is made a known one before.  A message
 * that could not be written leaves a trace in the connection's last error. */
static natsStatus round_trip(natsConnection *nc, int64_t timeout_ms)
{
    natsStatus last = NATS_OK;
    const char *text;
    (void)natsConnection_FlushTimeout(NULL, timeout_ms); /* NATS_INVALID_ARG */
    natsStatus n = natsConnection_FlushTimeout(nc, timeout_ms);
    (void)nats_GetLastError(&last);
    if (n == NATS_OK && last != NATS_INVALID_ARG)
        n = last == NATS_OK ? NATS_IO_ERROR : last;
    natsStatus lasting = natsConnection_GetLastError(nc, &text);
    enum status s = nats_status(lasting);
    return n == NATS_OK && (s == ERR_IO || s == ERR_TIMEOUT) ? lasting : n;
}

/* What was refused is told by another thread, before the PONG or a little later. */
static bool was_refused(natsConnection *nc)
{
    const char *text;
    return natsConnection_GetLastError(nc, &text) == NATS_NOT_PERMITTED;
}

/* After a round trip, which took so long; lock is held. */
static void fit_window(struct nats_link *l, natsStatus n, int64_t took_ns)
{
    int64_t timeout_ns = l->conf.timeout;
    if (l->lane && (n == NATS_OK || took_ns > timeout_ns / 2))
        l->lane->window = nats_state_window(l->lane->window, (size_t)l->conf.in_flight,
                                            n == NATS_OK ? took_ns : timeout_ns, timeout_ns);
}

/* A PONG has come for what was published until mark_ns; lock is held. */
static void end_confirmed(struct nats_link *l, int64_t mark_ns)
{
    nats_state_end_until(l, mark_ns, OK, NULL);
    l->confirmed_ns = mark_ns;
}

void nats_confirm(struct nats_link *l)
{
    natsConnection *nc = l->nc;
    int64_t wait_ns = l->pinged_ns + GATHER_NS - clock_mono_ns();
    pthread_mutex_unlock(&l->lock);
    if (wait_ns > 0)
        nanosleep(&(struct timespec){.tv_nsec = wait_ns}, NULL);
    pthread_mutex_lock(&l->lock);
    int64_t mark_ns = l->published_ns, since_ns = clock_mono_ns();
    l->pinged_ns = since_ns;
    pthread_mutex_unlock(&l->lock);
    natsStatus n = round_trip(nc, l->conf.timeout / MS_NS);
    bool refused = n == NATS_OK && was_refused(nc);
    if (refused)
        nanosleep(&(struct timespec){.tv_nsec = SETTLE_NS}, NULL);
    struct err why = {.status = OK};
    if (n != NATS_OK)
        err_set(&why, ERR_IO, "no sign that messages have arrived: %s", nats_words(n));
    int64_t took_ns = clock_mono_ns() - since_ns;
    pthread_mutex_lock(&l->lock);
    fit_window(l, n, took_ns);
    /* Not while something is left: the lane's thread may have looked already. */
    l->quick = n == NATS_OK && !refused && took_ns < NATS_QUICK_NS && l->published_ns == mark_ns;
    if (n == NATS_OK)
        end_confirmed(l, mark_ns);
    else
        nats_state_break(l, &why);
}

/* How long the lane's thread may wait for a PONG; 0: the keeper is to do it.  lock is held. */
static int64_t quick_ms(const struct nats_link *l, int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - clock_mono_ns();
    if (!l->up || l->broken || !l->quick || left_ns < NATS_QUICK_NS)
        return 0;
    return (left_ns < GIVE_UP_NS ? left_ns : GIVE_UP_NS) / MS_NS;
}

/* use is held: so the connection stays. */
static bool confirm_quickly(struct nats_link *l, int64_t deadline_ns)
{
    pthread_mutex_lock(&l->lock);
    int64_t ms = quick_ms(l, deadline_ns), mark_ns = l->published_ns, since_ns = clock_mono_ns();
    l->pinged_ns = since_ns;
    pthread_mutex_unlock(&l->lock);
    natsStatus n = ms > 0 ? round_trip(l->nc, ms) : NATS_TIMEOUT;
    bool ok = n == NATS_OK && !was_refused(l->nc);
    int64_t took_ns = clock_mono_ns() - since_ns;
    pthread_mutex_lock(&l->lock);
    l->quick = ok && took_ns < NATS_QUICK_NS;
    if (ok) {
        fit_window(l, n, took_ns);
        end_confirmed(l, mark_ns);
    } else {
        pthread_cond_broadcast(&l->changed); /* another PING says how it went */
    }
    pthread_mutex_unlock(&l->lock);
    return ok;
}

int64_t nats_confirm_due_ns(struct nats_link *l)
{
    pthread_mutex_lock(&l->lock);
    bool wanted = !l->stream && l->quick && l->published_ns != l->confirmed_ns;
    int64_t due_ns = l->pinged_ns + GATHER_NS;
    due_ns = due_ns > l->more_ns ? due_ns : l->more_ns;
    pthread_mutex_unlock(&l->lock);
    return wanted ? due_ns : DEADLINE_NEVER;
}

bool nats_confirm_quickly(struct nats_link *l, int64_t deadline_ns)
{
    if (nats_confirm_due_ns(l) == DEADLINE_NEVER)
        return false;
    pthread_mutex_lock(&l->use);
    bool ok = l->nc && confirm_quickly(l, deadline_ns);
    pthread_mutex_unlock(&l->use);
    return ok;
}
