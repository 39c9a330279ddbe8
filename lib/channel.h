/* SPDX-License-Identifier: Apache-2.0 */
/* channel.h - a queue between threads, bounded in items and in bytes.
 *
 * The only way that work passes from one thread to another.  Any number of
 * senders and receivers.  Items are pointers and they move: a successful send
 * gives the item away, a failed one leaves it with the sender.
 *
 *     sender                                      receiver
 *     channel_send(ch, item, bytes, deadline)     while (channel_recv(...) == OK)
 *     channel_close(ch)                           ERR_CLOSED after the last item
 *
 * Items come out in the order in which they went in.  Senders that wait for room
 * have no order among them: a small item may pass a large one.  Both bounds are
 * strict.  An item larger than the channel is refused at once: it could only be
 * let in alone, would wait for that under load, and would make the bound a wish.
 * Configuration sees to it that no message is larger than its channel.
 *
 * A thread that waits for sockets as well polls channel_fd and receives with
 * DEADLINE_NOW.  A sender that would rather lose the oldest item than its own uses
 * channel_send_evict.
 *
 * Closing never loses an item: sends fail at once, receives go on until the
 * channel is empty.  To replace a consumer, take its channel out of the table
 * where senders look it up, then close, then join.  */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "err.h"

struct channel;

struct channel_stats {
    size_t len, cap; /* items */
    size_t bytes, cap_bytes;
    uint64_t sent, received; /* items, since birth: sent = received + evicted + len */
    uint64_t evicted;        /* items taken out by channel_send_evict */
    uint64_t refused;        /* sends that ended in ERR_TIMEOUT */
    uint64_t too_large;      /* sends that ended in ERR_LIMIT */
    unsigned waiting;        /* threads asleep inside right now */
};

/* free_item (may be NULL) frees an item nobody received; it is called by
 * channel_free only.  Both bounds are at least 1; SIZE_MAX bytes: no such bound. */
struct channel *channel_new(size_t cap, size_t cap_bytes, void (*free_item)(void *));

/* No thread may be inside a call on ch.  NULL is fine. */
void channel_free(struct channel *ch);
DEFINE_AUTO_PTR(channel, channel_free)

/* Waits for room until deadline_ns (monotonic; DEADLINE_NOW to try once).  bytes
 * is what item counts as; it may be 0.
 *   OK            the channel owns item
 *   ERR_TIMEOUT, ERR_CLOSED
 *                 the caller still does
 *   ERR_LIMIT     likewise; bytes is above cap_bytes, no waiting will help */
enum status channel_send(struct channel *ch, void *item, size_t bytes,
                         int64_t deadline_ns) NODISCARD;

/* Never waits: where there is no room it takes the oldest item out, one a call, for
 * the caller to count and free:
 *     while ((s = channel_send_evict(ch, item, bytes, &oldest)) == ERR_AGAIN)
 *         lose(oldest);
 *   OK            the channel owns item
 *   ERR_AGAIN     the caller owns *ret_oldest, and still item; call again
 *   ERR_CLOSED, ERR_LIMIT
 *                 as channel_send; nothing was taken out */
enum status channel_send_evict(struct channel *ch, void *item, size_t bytes,
                               void **ret_oldest) NODISCARD;

/* Waits for an item until deadline_ns.
 * OK: *ret_item belongs to the caller, *ret_age_ns (may be NULL) is how long it
 * waited inside.  ERR_TIMEOUT: none came.  ERR_CLOSED: closed and empty. */
enum status channel_recv(struct channel *ch, void **ret_item, int64_t *ret_age_ns,
                         int64_t deadline_ns) NODISCARD;

/* A descriptor for poll and epoll, readable while items are inside or the channel is
 * closed; closed and empty it stays readable, and channel_recv says ERR_CLOSED.
 * Readable means "try": another receiver may be faster, and it is rung when the sender
 * has let go of the channel, so that an item may have been taken before.  Trying ends that.
 * Who cannot take more just does not poll it; nobody reads, writes or closes it.  It
 * is made by the first call and costs a system call each time the channel becomes
 * empty or stops being empty; a channel that is never asked costs nothing.  Any
 * thread.  OK, or ERR_IO when the process has no descriptor left. */
enum status channel_fd(struct channel *ch, int *ret_fd) NODISCARD;

/* How long the oldest item has been inside; 0: there is none. */
int64_t channel_age_ns(struct channel *ch);

/* Wakes everyone.  May be called twice, from any thread. */
void channel_close(struct channel *ch);

/* A consistent snapshot; for /metrics and tests. */
struct channel_stats channel_stats(struct channel *ch);

#endif
