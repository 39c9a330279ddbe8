/* SPDX-License-Identifier: Apache-2.0 */
/* statsd_link.h - the socket that leads to a statsd receiver.
 *
 * Made when it is needed, given up after each failure.  A host with several addresses: after a
 * failure the next one is tried.  Nothing here waits, but statsd_link_ready, and
 * statsd_link_write for STATSD_REFUSAL_NS where a datagram may be refused.
 *
 * UDP tells of a closed port by an answer to a datagram that is gone: it comes at once from the
 * own machine, else a little later.  So after each datagram the socket is asked; and after a
 * refusal each datagram waits for such an answer until one is not refused.
 *
 * Not thread-safe: the lane's thread's alone.  */
#ifndef STATSD_LINK_H
#define STATSD_LINK_H

#include "clock.h"
#include "sink.h"
#include "statsd_conf.h"
#include "statsd_lookup.h"

#define STATSD_REFUSAL_NS (50 * MS_NS)

struct statsd_link {
    struct statsd_peer peer;
    int64_t connect_timeout_ns, lookup_interval_ns;
    struct sink_lane *lane;
    int fd;                        /* -1: none */
    struct statsd_addresses found; /* of the host; len 0: to be looked up */
    size_t next;                   /* of these, what to try first */
    bool literal;                  /* the host is an address */
    struct statsd_lookup *lookup;  /* under way; NULL: none */
    int64_t found_ns;              /* when the last look-up ended */
    bool suspect;                  /* the last datagram was refused */
};

void statsd_link_init(struct statsd_link *k, const struct statsd_conf *c,
                      const struct statsd_peer *peer, struct sink_lane *lane);
void statsd_link_done(struct statsd_link *k);

/* Makes sure that there is a connected socket.  OK; ERR_TIMEOUT: the deadline, or that of a
 * connection, passed first; ERR_IO; ERR_DENIED: permissions, or a path of another kind. */
enum status statsd_link_ready(struct statsd_link *k, int64_t deadline_ns,
                              struct err *err) NODISCARD;

/* Writes what the socket takes of data; *done grows by it: of a datagram all or nothing.  OK, also
 * when the socket takes no more now.  Else the link is down:
 *   ERR_IO      the peer refuses, or is gone
 *   ERR_AGAIN   the system lacks memory for it
 *   ERR_DENIED  it is forbidden
 *   ERR_LIMIT   a datagram of that size is not taken; lane->max_payload says less now */
enum status statsd_link_write(struct statsd_link *k, struct span data, size_t *done,
                              struct err *err) NODISCARD;

/* Gives the connection up. */
void statsd_link_drop(struct statsd_link *k);

#endif
