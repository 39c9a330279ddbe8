/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include "budget.h"
#include "clock.h"
#include "mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct slot {
    void *item;
    size_t bytes;
    int64_t sent_ns;
};

struct channel {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t not_full, not_empty;
    void (*free_item)(void *);
    bool closed;
    int fd;         /* -1 until asked for */
    uint64_t rung;  /* times that fd was rung, or is about to be, since it was last silenced */
    size_t head;    /* oldest item */
    size_t counted; /* bytes, in the budget */
    struct channel_stats stats;
    struct slot ring[]; /* stats.cap slots */
};

struct channel *channel_new(size_t cap, size_t cap_bytes, void (*free_item)(void *))
{
    assert(cap > 0 && cap_bytes > 0);
    struct channel *ch = mem_alloc(sizeof *ch + cap * sizeof ch->ring[0]);
    budget_count(BUDGET_CHANNELS, &ch->counted, sizeof *ch + cap * sizeof ch->ring[0]);
    ch->free_item = free_item;
    ch->fd = -1;
    ch->stats.cap = cap;
    ch->stats.cap_bytes = cap_bytes;

    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&ch->lock, NULL);
    pthread_cond_init(&ch->not_full, &attr);
    pthread_cond_init(&ch->not_empty, &attr);
    pthread_condattr_destroy(&attr);
    return ch;
}

/* fd is rung when the lock is free again, by ring(): a receiver that wakes at once would wait for the
 * lock, and so wake twice.  So it may be empty when it rings; whoever finds it so silences it.  The lock
 * is held.  False: nobody is to be rung for. */
static bool promise_ring(struct channel *ch)
{
    if (ch->fd < 0 || ch->closed)
        return false;
    ch->rung++;
    return true;
}

/* An eventfd does not block here: its count is that of a few threads. */
static void ring(const struct channel *ch, bool promised)
{
    int r = promised ? eventfd_write(ch->fd, 1) : 0;
    assert(r == 0);
    (void)r;
}

/* The channel is empty and open; the lock is held.  Rings that are promised but not heard yet stay
 * counted: they will be found by who wakes for them. */
static void silence(struct channel *ch)
{
    eventfd_t count;
    if (ch->rung > 0 && eventfd_read(ch->fd, &count) == 0)
        ch->rung -= count;
}

static struct slot pop(struct channel *ch)
{
    struct slot s = ch->ring[ch->head];
    ch->head = (ch->head + 1) % ch->stats.cap;
    ch->stats.len--;
    ch->stats.bytes -= s.bytes;
    if (ch->stats.len == 0 && !ch->closed)
        silence(ch);
    return s;
}

/* True: ring when the lock is free. */
static bool push(struct channel *ch, struct slot s)
{
    ch->ring[(ch->head + ch->stats.len) % ch->stats.cap] = s;
    ch->stats.len++;
    ch->stats.bytes += s.bytes;
    ch->stats.sent++;
    pthread_cond_signal(&ch->not_empty);
    return ch->stats.len == 1 && promise_ring(ch);
}

void channel_free(struct channel *ch)
{
    if (!ch)
        return;
    while (ch->stats.len > 0) {
        struct slot s = pop(ch);
        if (ch->free_item)
            ch->free_item(s.item);
    }
    if (ch->fd >= 0)
        close(ch->fd);
    pthread_cond_destroy(&ch->not_full);
    pthread_cond_destroy(&ch->not_empty);
    pthread_mutex_destroy(&ch->lock);
    budget_count(BUDGET_CHANNELS, &ch->counted, 0);
    mem_free(ch);
}

/* Sleeps on cond; false once deadline_ns has passed. */
static bool wait_until(struct channel *ch, pthread_cond_t *cond, int64_t deadline_ns)
{
    if (deadline_ns == DEADLINE_NOW)
        return false;
    struct timespec t = {
        .tv_sec = (time_t)(deadline_ns / SEC_NS),
        .tv_nsec = (long)(deadline_ns % SEC_NS),
    };
    ch->stats.waiting++;
    int r = deadline_ns == DEADLINE_NEVER ? pthread_cond_wait(cond, &ch->lock)
                                          : pthread_cond_timedwait(cond, &ch->lock, &t);
    ch->stats.waiting--;
    return r != ETIMEDOUT;
}

static bool has_room(const struct channel *ch, size_t bytes)
{
    return ch->stats.len < ch->stats.cap && bytes <= ch->stats.cap_bytes - ch->stats.bytes;
}

/* The lock is held; *ret_ring as push. */
static enum status send_locked(struct channel *ch, void *item, size_t bytes, int64_t deadline_ns,
                               bool *ret_ring)
{
    bool in_time = true;
    if (bytes > ch->stats.cap_bytes) {
        ch->stats.too_large++;
        return ERR_LIMIT;
    }
    while (!ch->closed && !has_room(ch, bytes) && in_time)
        in_time = wait_until(ch, &ch->not_full, deadline_ns);
    if (ch->closed)
        return ERR_CLOSED;
    if (!has_room(ch, bytes)) { /* room that came with the deadline is taken */
        ch->stats.refused++;
        return ERR_TIMEOUT;
    }
    *ret_ring = push(ch, (struct slot){item, bytes, clock_mono_ns()});
    return OK;
}

enum status channel_send(struct channel *ch, void *item, size_t bytes, int64_t deadline_ns)
{
    bool rings = false;
    pthread_mutex_lock(&ch->lock);
    enum status s = send_locked(ch, item, bytes, deadline_ns, &rings);
    pthread_mutex_unlock(&ch->lock);
    ring(ch, rings);
    return s;
}

/* The lock is held.  All senders are woken: who is woken alone may need more bytes
 * than came free, and the one that could go on would sleep. */
static struct slot take(struct channel *ch)
{
    struct slot s = pop(ch);
    pthread_cond_broadcast(&ch->not_full);
    return s;
}

/* The lock is held; *ret_ring as push. */
static enum status send_evict_locked(struct channel *ch, void *item, size_t bytes,
                                     void **ret_oldest, bool *ret_ring)
{
    if (ch->closed || bytes > ch->stats.cap_bytes || has_room(ch, bytes))
        return send_locked(ch, item, bytes, DEADLINE_NOW, ret_ring);
    *ret_oldest = take(ch).item;
    ch->stats.evicted++;
    return ERR_AGAIN;
}

enum status channel_send_evict(struct channel *ch, void *item, size_t bytes, void **ret_oldest)
{
    bool rings = false;
    pthread_mutex_lock(&ch->lock);
    enum status s = send_evict_locked(ch, item, bytes, ret_oldest, &rings);
    pthread_mutex_unlock(&ch->lock);
    ring(ch, rings);
    return s;
}

/* The lock is held. */
static enum status recv_locked(struct channel *ch, struct slot *ret, int64_t deadline_ns)
{
    bool in_time = true;
    while (!ch->closed && ch->stats.len == 0 && in_time)
        in_time = wait_until(ch, &ch->not_empty, deadline_ns);
    if (ch->stats.len == 0) {
        if (!ch->closed)
            silence(ch);
        return ch->closed ? ERR_CLOSED : ERR_TIMEOUT;
    }
    *ret = take(ch);
    ch->stats.received++;
    return OK;
}

enum status channel_recv(struct channel *ch, void **ret_item, int64_t *ret_age_ns,
                         int64_t deadline_ns)
{
    struct slot slot;
    pthread_mutex_lock(&ch->lock);
    enum status s = recv_locked(ch, &slot, deadline_ns);
    pthread_mutex_unlock(&ch->lock);
    if (s != OK)
        return s;
    *ret_item = slot.item;
    if (ret_age_ns)
        *ret_age_ns = clock_mono_ns() - slot.sent_ns;
    return OK;
}

enum status channel_fd(struct channel *ch, int *ret_fd)
{
    pthread_mutex_lock(&ch->lock);
    if (ch->fd < 0) {
        bool readable = ch->closed || ch->stats.len > 0;
        ch->fd = eventfd(readable, EFD_NONBLOCK | EFD_CLOEXEC);
        ch->rung = readable;
    }
    int fd = ch->fd;
    pthread_mutex_unlock(&ch->lock);
    if (fd < 0)
        return ERR_IO;
    *ret_fd = fd;
    return OK;
}

void channel_close(struct channel *ch)
{
    pthread_mutex_lock(&ch->lock);
    bool rings = promise_ring(ch);
    ch->closed = true;
    pthread_cond_broadcast(&ch->not_full);
    pthread_cond_broadcast(&ch->not_empty);
    pthread_mutex_unlock(&ch->lock);
    ring(ch, rings);
}

int64_t channel_age_ns(struct channel *ch)
{
    pthread_mutex_lock(&ch->lock);
    int64_t age_ns = ch->stats.len > 0 ? clock_mono_ns() - ch->ring[ch->head].sent_ns : 0;
    pthread_mutex_unlock(&ch->lock);
    return age_ns;
}

struct channel_stats channel_stats(struct channel *ch)
{
    pthread_mutex_lock(&ch->lock);
    struct channel_stats s = ch->stats;
    pthread_mutex_unlock(&ch->lock);
    return s;
}
