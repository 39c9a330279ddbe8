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
 * A key that fails again and again while others get through waits on its own and does not
 * stop the lane; when such keys fill the window, their oldest payloads are lost.
 *
 * With a spool (spool.h) what the buffer has no room for goes to disk, and comes back from there.
 *
 *     overflow   payloads go to disk when half of the buffer is full, and at the end
 *     always     every payload is committed there first, together with what else came within
 *                LANE_COMMIT_NS, and sent from memory then
 *
 * While there is something on disk that memory does not have, new payloads go behind it (law 6), unless
 * fresh_first: then they are sent at once, and beside them at most backlog_rate bytes a second are
 * read; of one key what is on disk arrives behind what is newer, each of the two in its order.  A row
 * leaves the disk only when its payload has ended for good.  Where the disk fails, is full or held by
 * somebody, the lane goes on in memory, says so and tries again; in mode always what waits in memory then
 * is written when the disk works again and has nothing that memory does not have, but for what is in flight.
 *
 * All of that is done by the lane's thread, which therefore waits for the disk: nothing is sent while a
 * write of it stalls.  Workers never wait: what comes meanwhile is in the channel, and leaves it
 * as lost{buffer_full} when that is full.  The heartbeat goes on; lane_state says since when it waits.
 * The other way round nothing waits: where the sink holds up the lane's thread, a second one, which only
 * a lane with a spool has, goes on with the disk.
 *
 * Bounds: `buffer` bytes in all, of which one quarter, at most LANE_WINDOW payloads (more only
 * while one is being cut), may be out of the channel (with a spool another quarter waits there to be written): held for their order, waiting to be tried
 * again, or in flight.  A buffer of less than three of the largest messages is taken for three.
 * A payload counts as its body, key, address and PAYLOAD_OVERHEAD; the memory it has is at most
 * twice that.  When the process has no room (budget.h) a lane that has no less than the others gives up
 * its oldest payloads, whatever its buffer has room for: to the spool, or else as lost{memory}.  Beside it up to a quarter of the buffer, at most LANE_POOL_BYTES, is kept as
 * empty payloads, so that a steady run allocates nothing.  */
#ifndef LANE_H
#define LANE_H

#include "books.h"
#include "channel.h"
#include "clock.h"
#include "lz4_script.h"
#include "sinks.h"
#include "spool.h"

#define LANE_WINDOW     1024 /* payloads out of the channel */
#define LANE_POOL_BYTES ((size_t)6 << 20)
#define LANE_SEND_NS    (5 * SEC_NS)  /* for one send */
#define LANE_COMMIT_NS  (100 * MS_NS) /* between two commits into the spool */
#define LANE_HELD_NS    SEC_NS        /* until a spool that somebody holds is tried again */
#define LANE_LAST_NS    (2 * SEC_NS)  /* for which who holds it is waited for at the end */
#define LANE_BODY_MAX \
    ((size_t)64 << 20) /* that is restored from a spool, unless max_message is more */

/* Where parts of meta series that travel on their own (replicas, a failed scrape) begin to
 * count, so that their ids do not depend on how many parts the samples make. */
#define LANE_META_PART (UINT32_C(1) << 31)

/* How long a lane waits after failures in a row: a random time up to min, twice that, ...,
 * up to max.  Any success ends it. */
struct lane_retry {
    int64_t min_ns, max_ns;               /* after a retryable failure; 0: 100 ms, 10 s */
    int64_t denied_min_ns, denied_max_ns; /* after ERR_DENIED; 0: 1 s, 60 s */
};

enum lane_spool_mode { LANE_OVERFLOW, LANE_ALWAYS };

struct lane_spool_conf {
    const char *file;     /* NULL: no spool */
    int64_t size;         /* bytes, of database and log; at least 16 of the largest messages */
    int64_t max_age_ns;   /* older rows are lost{too_old}; 0: none is */
    int64_t backlog_rate; /* bytes of bodies a second, with fresh_first; 0: no bound */
    unsigned mode;        /* enum lane_spool_mode */
    bool full_sync, fresh_first;
    const char *vfs;                     /* of SQLite; NULL: the usual one */
    int64_t commit_ns, held_ns, last_ns; /* 0: LANE_COMMIT_NS, ... */
};

struct lane_conf {
    const char *pool, *output; /* names */
    const struct encoder_ops *encoder;
    const void *encoder_conf; /* as encoder->settings describes */
    const char *encoder_text; /* all of it as one line: setting_identity */
    const struct sink_ops *sink;
    const void *sink_conf;
    const char *sink_name;          /* of the entry under sinks: */
    size_t max_message;             /* bytes; 0: lane_max_message */
    size_t max_samples;             /* in a message; at least 1 */
    size_t buffer_bytes;            /* above max_message */
    struct lane_retry retry;        /* zeroed: the defaults */
    bool replicas;                  /* ids without the instance: other agents make the same */
    bool hold;                      /* send nothing until lane_release: the lane that this one
                                           replaces still drains, and order is kept (law 6) */
    const char *cluster, *instance; /* of ids and keys */
    struct lane_spool_conf spool;
};

/* The default of max_message: 512 KiB, or what the sink takes if that is less. */
size_t lane_max_message(const struct sink_ops *s);

/* What such a lane takes of the budget as long as it is open, whatever it has to send: its own, and the most
 * that the sink's library may keep beside payloads. */
size_t lane_reserve(const struct lane_conf *c);

struct lane;

/* Opens encoder and sink and starts the thread; conf may go afterwards, but for the
 * encoder's and sink's ops.  books outlives the lane.  ERR_INVALID: *err says what the encoder
 * or the sink has against its settings. */
enum status lane_new(struct lane **ret, const struct lane_conf *conf, struct lane_books *books,
                     struct err *err) NODISCARD;

/* Differs from that of every other lane of this process, for ever. */
uint32_t lane_id(const struct lane *l);

/* What the sink tells of its connection; valid as long as the lane. */
const struct sink_lane *lane_sink(const struct lane *l);

/* A worker's own room for work, for all lanes of a pool; zeroed is empty. */
struct lane_scratch {
    struct payload *big; /* being written */
    struct buf raw;      /* for encoders with a finish */
    struct buf address;  /* of the scrape's target */
    struct lz4_message lz4;
    struct batch sorted; /* samples in the order of their parts, for replicas; owns them alone */
};
void lane_scratch_done(struct lane_scratch *s);
size_t lane_scratch_bytes(const struct lane_scratch *s); /* but for big, which counts itself */

/* Of one scrape, for its ids. */
struct lane_scrape {
    const struct target *target;
    int64_t due_ms;
    uint32_t outcome; /* 0: good; else why it failed, plus one, or UINT32_MAX: all series of the
                         target have ended.  It is in all ids of the scrape */
    uint32_t clock_steps;
};

/* Scrapes wait for memory: gives up what has waited here for long, as far as budget.h says.  Any
 * thread. */
void lane_give_way(struct lane *l);

/* Encodes b, as lane number slot of its page, into payloads and puts them into the
 * buffer.  Any worker; never waits; b stays as it was.  A target whose key or address is
 * above PAYLOAD_TEXT_MAX is skipped as too large. */
void lane_encode(struct lane *l, unsigned slot, struct lane_scratch *scratch, const struct batch *b,
                 const struct lane_scrape *scrape);

/* Ends a hold.  Any thread; may be called twice. */
void lane_release(struct lane *l);

/* No lane_encode will come: the thread delivers what there is until deadline_ns, puts the
 * rest into the spool (what waits before the sink is closed, what was in flight after that) or ends it as
 * closed, and stops.  Returns at once.  Called again with an earlier deadline: that
 * one counts. */
void lane_close(struct lane *l, int64_t deadline_ns);
bool lane_is_done(const struct lane *l); /* lane_free will not wait */
void lane_free(struct lane *l);          /* joins the thread; NULL is fine */

/* As of the last second. */
struct lane_spool_state {
    bool there;           /* the lane has one */
    bool works;           /* it could be opened, and written when that was last tried */
    int64_t rows, unread; /* payloads; unread: not in memory */
    int64_t stored_bytes; /* of their bodies, on disk */
    int64_t file_bytes, log_bytes, limit_bytes;
    int64_t oldest_ms; /* due time of the first row; 0: none */
    int64_t waits_ns;  /* for how long the thread has waited for the disk by now */
    struct err error;  /* why it does not work */
};

/* How the lane fares now. */
struct lane_state {
    struct lane_spool_state spool;
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
