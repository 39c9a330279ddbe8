/* SPDX-License-Identifier: Apache-2.0 */
/* statsd_conf.h - settings of the statsd sink, and what they say. */
#ifndef STATSD_CONF_H
#define STATSD_CONF_H

#include "setting.h"

enum statsd_network { STATSD_UDP, STATSD_TCP, STATSD_UNIXGRAM, STATSD_UNIX };

struct statsd_conf {
    unsigned network; /* enum statsd_network */
    char *address;
    int64_t datagram;
    int64_t timeout, connect_timeout, lookup_interval; /* ns */
};

extern const struct setting statsd_settings[];

#define STATSD_HOST_MAX     256
#define STATSD_PATH_MAX     108 /* of sun_path, with the NUL */
#define STATSD_DATAGRAM_MAX 65507

/* Where the receiver is. */
struct statsd_peer {
    enum statsd_network network;
    char host[STATSD_HOST_MAX], port[6]; /* of UDP and TCP */
    char path[STATSD_PATH_MAX];          /* of the others; '@' first: an abstract name */
};

static inline bool statsd_is_stream(enum statsd_network n)
{
    return n == STATSD_TCP || n == STATSD_UNIX;
}

/* "udp", ...: static. */
const char *statsd_network_name(enum statsd_network n);

/* Reads conf's address.  ERR_INVALID: *err says what is wrong with it. */
enum status statsd_conf_peer(const struct statsd_conf *c, struct statsd_peer *ret,
                             struct err *err) NODISCARD;

/* The most bytes of one message. */
size_t statsd_conf_datagram(const struct statsd_conf *c);

/* sink_ops.check */
void statsd_conf_report(const void *conf, const struct setting_report *report);

#endif
