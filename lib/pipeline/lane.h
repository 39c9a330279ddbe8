/* SPDX-License-Identifier: Apache-2.0 */
/* lane.h - a running output: encoder, bounded buffer, sink, and the thread that sends.
 *
 *     worker                                lane's thread
 *     lane_encode(lane, &scratch, ...)  ──channel<payload>──►  sink->send
 *          encodes a batch into payloads                        ▲     │ payload_end
 *                                                               └─────┘ retry, cut, lose
 *
 * A full buffer loses its oldest payload, counted, and never makes a worker wait.  What
 * the sink cannot deliver is tried again for ever, with back-off and jitter.
 *
 * Order (ARCHITECTURE.md, law 6): payloads of one key and one due time may be in flight
 * together; the key's next due time is sent when all of them have ended.
 *
 * Bounds: `buffer` bytes in all, of which one quarter, at most WINDOW payloads, may be out
 * of the channel: held for their order, waiting to be tried again, or in flight.  */
#ifndef LANE_H
#define LANE_H

#include "books.h"
#include "channel.h"
#include "sinks.h"

#define LANE_WINDOW 1024 /* payloads out of the channel */

struct lane_conf {
    const char *pool, *output; /* names */
    const struct encoder_ops *encoder;
    const void *encoder_conf; /* as encoder->settings describes */
    const char *encoder_text; /* all of it as one line: setting_identity */
    const struct sink_ops *sink;
    const void *sink_conf;
    const char *sink_name;          /* of the entry under sinks: */
    size_t max_message;             /* bytes; 0: the sink's, at most 512 KiB */
    size_t max_samples;             /* in a message; at least 1 */
    size_t buffer_bytes;            /* above max_message */
    bool replicas;                  /* ids without the instance: other agents make the same */
    const char *cluster, *instance; /* of ids and keys */
};

struct lane;

/* Opens encoder and sink and starts the thread; conf may go afterwards, but for the
 * encoder's and sink's ops.  books outlives the lane.  ERR_INVALID: *err says what the encoder
 * or the sink has against its settings. */
enum status lane_new(struct lane **ret, const struct lane_conf *conf, struct lane_books *books,
                     struct err *err) NODISCARD;

/* Differs from that of every other lane of this process, for ever. */
uint32_t lane_id(const struct lane *l);
const char *lane_name(const struct lane *l); /* the output's name */

/* A worker's own room for work, for all lanes of a pool; zeroed is empty. */
struct lane_scratch {
    struct payload *big; /* being written */
    struct buf raw;      /* for encoders with a finish */
};
void lane_scratch_done(struct lane_scratch *s);

/* Of one scrape, for its ids. */
struct lane_scrape {
    const struct target *target;
    int64_t due_ms;
    uint32_t outcome; /* 0: good; else why it failed, plus one */
    uint32_t clock_steps;
};

/* Encodes b, as lane number slot of its page, into payloads and puts them into the
 * buffer.  Any worker; never waits; b stays as it was. */
void lane_encode(struct lane *l, unsigned slot, struct lane_scratch *scratch, const struct batch *b,
                 const struct lane_scrape *scrape);

/* No lane_encode will come: the thread delivers what there is until deadline_ns, ends the
 * rest as closed, and stops.  Returns at once.  Called again with an earlier deadline: that
 * one counts. */
void lane_close(struct lane *l, int64_t deadline_ns);
bool lane_is_done(const struct lane *l); /* lane_free will not wait */
void lane_free(struct lane *l);          /* joins the thread; NULL is fine */

/* How the lane fares now. */
struct lane_state {
    struct channel_stats buffer;
    size_t held, in_flight; /* payloads out of the channel: waiting, with the sink */
    size_t held_bytes;
    size_t pooled_bytes;       /* of empty payloads kept for reuse */
    bool failing;              /* the last thing the sink said was a failure */
    struct err last_error;     /* since the last success; status OK: none */
    int64_t last_delivered_ms; /* wall clock; 0: never */
    size_t max_payload;        /* that the peer takes */
};
struct lane_state lane_state(struct lane *l); /* any thread */

/* The thread's heartbeat, monotonic: when it last went round. */
int64_t lane_beat_ns(const struct lane *l);

#endif
