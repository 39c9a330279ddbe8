/* SPDX-License-Identifier: Apache-2.0 */
/* nats_stream.h - looks for the stream that messages go to, and makes it when asked to. */
#ifndef NATS_STREAM_H
#define NATS_STREAM_H

#include "nats_conf.h"

#include <nats/nats.h>

struct nats_stream {
    int64_t
        duplicate_window_ns; /* the stream's own, or what is configured when it cannot be seen */
    int64_t max_message;     /* bytes with headers; 0: the server's bound alone counts */
};

/* A stream that is there is never changed.  May last twice conf->connect_timeout.
 *   OK           it is there, or we may not look: the acknowledgements will tell
 *   ERR_AGAIN    it is not there, or JetStream is not; *err says what to do */
enum status nats_stream_ensure(natsConnection *nc, const struct nats_conf *conf,
                               struct nats_stream *ret, struct err *err) NODISCARD;

#endif
