/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_stats.h - what librdkafka's statistics say of its connections. */
#ifndef KAFKA_STATS_H
#define KAFKA_STATS_H

#include "base.h"

struct kafka_stats {
    int64_t at_us;         /* when they were made, on a clock of the library */
    size_t up;             /* brokers that are connected and logged in */
    uint64_t connected;    /* of these: since since_us */
    uint64_t retries;      /* requests sent again, since the client began */
    int64_t round_trip_us; /* of requests in the last period, the longest average; 0: none */
};

/* since_us: at_us of those before; 0 for the first.  False when json is not what it should be. */
bool kafka_stats_read(const char *json, int64_t since_us, struct kafka_stats *ret);

#endif
