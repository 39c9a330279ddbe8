/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_state.h - what the parts of a kafka client share: kafka_client.c, the lane's side,
 * kafka_producer.c, which makes and ends producers, and kafka_events.c, their callbacks. */
#ifndef KAFKA_STATE_H
#define KAFKA_STATE_H

#include "clock.h"
#include "compress.h"
#include "idmap.h"
#include "kafka_client.h"
#include "kafka_files.h"
#include "secret.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

struct kafka_client {
    struct kafka_conf conf;
    char *name;
    struct sink_lane *lane;
    struct secret password, token;
    size_t max_message; /* of the next producer */
    int64_t shrunk_ns;  /* when it was last changed; 0: it is that of conf */
    bool whole;         /* some messages of several samples cannot be cut */

    rd_kafka_t *rk;           /* NULL: none as yet, or none any more */
    int event_fd;             /* readable when the producer has something to tell; -1: none */
    bool ever_up;             /* a broker was reached by this producer */
    bool spent;               /* it is to be replaced */
    bool closing;             /* and by no other */
    struct err fault;         /* the last of a connection, or the fatal one */
    struct err down;          /* no broker is reached; OK: not known */
    int64_t down_ns;          /* since when */
    struct kafka_files files; /* that it has read */
    int64_t stats_us;         /* of the last statistics */
    uint64_t retries;         /* in these */
    struct idmap topics;      /* hashes of those written to */
    struct err last_end;

    struct payload **slots; /* conf.in_flight of them; NULL: free */
    uint32_t *unused;       /* a stack of free slots */
    size_t in_flight;
    struct compressor *compressor; /* NULL: bodies go as they are */
    struct buf small;
    size_t copied;        /* bytes of what is compressed and in flight */
    pthread_t undertaker; /* ends the last producer but one */
    bool has_undertaker;
};

/* A new producer.  c has none.  A retryable status, or ERR_DENIED: a file or secret is missing, or
 * is not taken. */
enum status kafka_producer_make(struct kafka_client *c, struct err *err) NODISCARD;

/* Ends the producer in a thread of its own, for a broker's name that is being looked up can hold it
 * up; what is still with it ends with ERR_CLOSED. */
void kafka_producer_end(struct kafka_client *c);

/* Waits for that thread, or lets it go by itself then. */
void kafka_producer_join(struct kafka_client *c, int64_t wait_ns);

/* Sets the library's callbacks. */
void kafka_events_set(rd_kafka_conf_t *conf, struct kafka_client *c);

/* Brokers have refused the login: says the password or token of this moment to the library. */
void kafka_events_login(struct kafka_client *c);

/* What max_message is divided by: each time counts as a failure of somebody. */
#define KAFKA_SHRINK 4

/* The next producer makes batches of at most so many bytes; this one is spent. */
void kafka_client_resize(struct kafka_client *c, size_t max_message);

/* Takes what was in a slot. */
struct payload *kafka_client_take(struct kafka_client *c, struct payload **slot);

#ifdef __SANITIZE_THREAD__
void kafka_threads_use(void); /* kafka_threads.c */
#endif

#endif
