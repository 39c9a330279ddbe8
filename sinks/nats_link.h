/* SPDX-License-Identifier: Apache-2.0 */
/* nats_link.h - a connection that comes back, and what is in flight on it.
 *
 * A thread of its own, started by the first message, connects, waits, asks for the stream
 * and gives up what is overdue; nothing else ever waits for a server, but for a write into
 * a full socket (sink.h: Time), and for what a server has always done within a moment (nats_confirm.h).
 *
 * nats.c's own reconnection is not used: it keeps messages in a buffer of its own while it is
 * away, takes a server out for ever after two refused logins, and reads no secret anew.
 *
 * What "confirmed" means.  JetStream: the server's acknowledgement.  Core NATS has none: a PONG
 * that answers a PING sent behind the message says that the server has taken it.  What
 * a broken connection leaves unconfirmed ends with ERR_IO, its outcome unknown.
 *
 * Threads: new, send, flush, explain and free by the lane's thread.  Callbacks of the library
 * find a link by number, and nothing once it is freed. */
#ifndef NATS_LINK_H
#define NATS_LINK_H

#include "nats_conf.h"
#include "sink.h"

#define NATS_HEADER_ROOM 1024 /* kept free of the server's bound for the headers of a message */

struct nats_link;

/* Starts nothing.  Takes a copy of conf, which nats_conf_check has seen. */
struct nats_link *nats_link_new(const struct nats_conf *conf, struct sink_lane *lane);

/* As sink_ops says them. */
enum status nats_link_send(struct nats_link *l, struct payload *p, int64_t deadline_ns,
                           struct err *err) NODISCARD;
enum status nats_link_flush(struct nats_link *l, int64_t deadline_ns, struct err *err);
enum status nats_link_work(struct nats_link *l, int wake_fd, int64_t deadline_ns) NODISCARD;
void nats_link_explain(struct nats_link *l, struct err *err);

/* Waits a moment for the thread, which goes by itself when a server holds it up. */
void nats_link_free(struct nats_link *l); /* NULL is fine */

#endif
