/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_client.h - a producer of librdkafka, and the payloads that are with it.
 *
 * The library has threads of its own, which keep connections and send; what they have to tell waits
 * until kafka_client_work or another call asks.  So all here, callbacks too, is the lane's
 * thread's alone.
 *
 * A payload's body is not copied: it stays where it is until its delivery report.  One that is
 * compressed here is, for the library, at each send: what waits stays as it is, so that it can be cut.
 *
 * A producer is replaced, when all that is with it has ended,
 *   after an error it cannot recover from;
 *   when brokers refuse batches of its size: the next one makes them a quarter as large;
 *   KAFKA_GROW_NS after that: the next one makes them four times as large, up to max_message; not
 *     where messages cannot be cut, for those that are too large would be lost;
 *   when KAFKA_TOPICS_MAX topics have been written to, for it forgets none;
 *   when no broker can be reached, and the files of certificates have changed or KAFKA_RENEW_NS have
 *     passed, for it reads them only once.  */
#ifndef KAFKA_CLIENT_H
#define KAFKA_CLIENT_H

#include "kafka_conf.h"
#include "sink.h"

#define KAFKA_ROOM        1024 /* kept free of max_message for the key and headers of a message */
#define KAFKA_MAX_MESSAGE 1024000 /* the default of max_message */
#define KAFKA_TOPICS_MAX  1000
#define KAFKA_RENEW_NS    ((int64_t)60000000000)
#define KAFKA_GROW_NS     ((int64_t)600000000000)
#define KAFKA_COPIES \
    ((size_t)4 << 20) /* no more goes out while so many compressed bytes are in flight */

struct kafka_client;

/* Bytes of a body that go into so large a message. */
size_t kafka_client_room(size_t max_message);

/* Starts nothing.  Takes a copy of conf, which kafka_conf_check has seen. */
struct kafka_client *kafka_client_new(const struct kafka_conf *conf, struct sink_lane *lane);

/* As sink_ops says them. */
enum status kafka_client_send(struct kafka_client *c, struct payload *p, struct err *err) NODISCARD;
enum status kafka_client_work(struct kafka_client *c, int wake_fd, int64_t deadline_ns) NODISCARD;
enum status kafka_client_flush(struct kafka_client *c, int64_t deadline_ns, struct err *err);
void kafka_client_explain(struct kafka_client *c, struct err *err);
void kafka_client_free(struct kafka_client *c); /* NULL is fine */

#endif
