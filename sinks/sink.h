/* SPDX-License-Identifier: Apache-2.0 */
/* sink.h - what a sink is.
 *
 * A sink hands encoded payloads to something outside: NATS, Kafka, an HTTP
 * server.  To add one: write sinks/NAME.c defining `const struct sink_ops
 * sink_NAME`, and add SINK(NAME) to the list in sinks.h.
 *
 * Ownership: a payload that send accepts is the sink's, so that it may hand the
 * bytes on without a copy; exactly one payload_end gives it back to its lane.
 *
 * Threads: each lane has a sink of its own and a thread of its own, which makes all
 * calls below but render; self needs no lock.  render runs in many workers at once,
 * beside the others.  Client libraries call back on threads of theirs: such a
 * callback may only call payload_end.
 *
 * Time: no call waits beyond the deadline it is given, but for a write that has begun.  Into a
 * socket that takes nothing one lasts SINK_WRITE_NS at most, and behind at most two others of the
 * client library's threads: a call is late by three times that in the worst case.  Into a file or
 * stdout it lasts as long as the kernel makes it, for which there is no bound.  Retrying,
 * backing off, cutting and dropping payloads is the lane's work, not the sink's:
 * a sink tries once and says how it went.  */
#ifndef SINK_H
#define SINK_H

#include "payload.h"
#include "setting.h"
#include "target.h"

#define SINK_WRITE_NS ((int64_t)5000000000) /* whatever a setting of the sink says */

/* What a sink and its lane share; outlives the sink. */
struct sink_lane {
    const char *name;                    /* pool/output, for the peer's eyes and for messages */
    _Atomic size_t max_payload;          /* bytes the peer takes in one message: at first that of
                                   sink_ops; a sink that learns of another bound at
                                   connect stores it here, and later payloads keep to it */
    _Atomic size_t window;               /* payloads the sink takes before one must end; 0: no
                                   bound of its own.  Set at open, and when it changes; a send
                                   beyond it is ERR_AGAIN */
    _Atomic int64_t duplicate_window_ns; /* how long the peer knows an id again; 0: not at all */
    _Atomic uint64_t connects;           /* how often a connection was made, for /metrics */
    _Atomic uint64_t duplicates;         /* payloads that the peer knew at their first send, and so
                                   did not store: two had one id, or an earlier run sent it */
    _Atomic uint64_t resends;            /* requests that the client library sent again by itself */
    _Atomic int64_t round_trip_ns;       /* of requests to the peer, a moment ago; 0: not known */
    _Atomic int64_t not_before_ns;       /* the peer asks to be left alone until then (monotonic):
                                   the lane sends nothing before, but once when it is closed */
    _Atomic bool connected;
};

struct sink_ops {
    const char *name;               /* key in the YAML */
    const char *help;               /* one line */
    const struct setting *settings; /* ends with SETTING_END */
    size_t conf_size;
    size_t max_payload;          /* bytes the peer takes in one message, unless it
                           says otherwise; encoders split to fit */
    const char *const *encoders; /* encoders it takes, ended by NULL; NULL: all that make
                                    bytes for it */

    /* Tells of all that is wrong with conf, in one go, which open tells one by one; and of what can
     * do no harm but have no effect.  NULL: open says what there is to say. */
    void (*check)(const void *conf, const struct setting_report *report);

    /* What only one lane can have (the path of a file): two that name the same are refused.
     * Borrowed from conf, which may lack what is required; NULL: nothing.  The hook may be NULL. */
    const char *(*exclusive)(const void *conf);

    /* Checks conf (freed afterwards) and makes self.  Must not connect: a peer
     * that is down at start is ERR_IO of the first send, not a failed start.
     * ERR_INVALID refuses the configuration; nothing is left to close then. */
    enum status (*open)(void **ret_self, const void *conf, struct sink_lane *lane, struct err *err);

    /* The most that the client library keeps beside the payloads, of which none is above max_message:
     * copies, its own buffers.  NULL: next to nothing. */
    size_t (*reserve)(const void *conf, size_t max_message);

    /* Whether bodies are to be LZ4 frames, with the header Content-Encoding: lz4.  An encoder that
     * writes them itself does so then; the sink makes the rest, when it sends.  NULL: they are not. */
    bool (*wants_lz4)(const void *conf);

    /* Writes the address (subject, topic, tag) of what comes from t, which is never
     * NULL, behind what out holds.  Uses t, and of self only what never changes after
     * open.  OK, or ERR_LIMIT as buf.h says it.  NULL: payloads have no address. */
    enum status (*render)(const void *self, const struct target *t, struct buf *out) NODISCARD;

    /* Sends p once; connects first when there is no connection.
     *   OK            p is the sink's: one payload_end ends it, now or later; the
     *                 caller may not look at it again
     *   else          p is still the caller's, and the status says what payload_end
     *                 with it would say: a retryable one, ERR_DENIED, ERR_LIMIT,
     *                 ERR_INVALID; never ERR_CLOSED */
    enum status (*send)(void *self, struct payload *p, int64_t deadline_ns,
                        struct err *err) NODISCARD;

    /* Runs the sink's own I/O (the sockets of curl, delivery reports of Kafka) until
     * wake_fd is readable, which the caller reads: its channel has something, or an
     * end came back.  Payloads end meanwhile.  NULL: the library has threads, or send
     * does all there is to do.
     *   OK            wake_fd is readable
     *   ERR_TIMEOUT   deadline_ns has passed first */
    enum status (*work)(void *self, int wake_fd, int64_t deadline_ns) NODISCARD;

    /* Waits until all that send accepted has ended.  NULL when send itself waits.
     * OK, or ERR_TIMEOUT when something is still in the air. */
    enum status (*flush)(void *self, int64_t deadline_ns, struct err *err);

    /* Fills *err with why a payload that send had accepted last ended with something else
     * than OK; leaves it alone when there is nothing to say.  Called once for each such end, in
     * their order, but for those of close.  NULL: ends need no words. */
    void (*explain)(void *self, struct err *err);

    /* Frees self; what is still in the air ends with ERR_CLOSED. */
    void (*close)(void *self);
};

#endif
