/* SPDX-License-Identifier: Apache-2.0 */
/* payload.h - encoded samples on their way to a sink.
 *
 * Made by a worker from an encoder's output, moved to one sink through its
 * channel.  Whoever ends it calls payload_end, perhaps from a thread of the sink's
 * client library: that hands it back to its lane, which alone decides what the
 * end means (delivered, tried again, kept on disk, lost) and counts it.  It holds
 * no pointer into a batch.  */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include "buf.h"
#include "err.h"
#include "text.h"

/* Names one message for ever: every resend and restart carries the same id and the
 * same bytes.  Made once, when it was encoded. */
struct payload_id {
    uint64_t high, low;
};

/* What an id is made of (ARCHITECTURE.md, law 5). */
struct payload_origin {
    const char *cluster;
    const char *instance; /* of the agent; NULL when the output says `replicas: true`,
                             so that all replicas make the same ids */
    const char *pool, *output;
    const char *settings; /* of the encoder, as text in the order of its table */
    const char *target;   /* its id */
    int64_t due_ms;
    uint32_t part;
    uint64_t series;      /* hash of those that the part has samples of, when the output says
                             `replicas: true`; else 0 */
    uint32_t outcome;     /* of the scrape: 0 good; else why it failed, or that all has ended */
    uint32_t clock_steps; /* how often the wall clock was seen to go backward */
};

/* Equal for equal fields, in every process and for ever; NULL and "" differ. */
struct payload_id payload_id_make(const struct payload_origin *o);

/* Offsets in a body at which records begin: where it may be cut into messages that
 * are whole again.  Of many records every second, fourth, ... is marked, so that a
 * payload of any size has few: at[i] is where record i * stride begins. */
#define PAYLOAD_MARKS 256 /* the most of one payload */

struct payload_marks {
    uint32_t *at;     /* owned; NULL until the first */
    uint32_t len;     /* 0: the body cannot be cut */
    uint32_t stride;  /* a power of two */
    uint32_t records; /* seen so far */
};

#define PAYLOAD_TEXT_MAX 8192 /* bytes of a key, and of an address */

struct payload {
    struct buf body;
    struct payload_id id;
    const char *content_type; /* static, from the encoder */
    /* What it says of itself beside that: "Name: value", static, ended by NULL; NULL: nothing. */
    const char *const *headers;
    struct buf key;     /* partition key: cluster, '/', the target's id; without a cluster
                                 the id alone */
    size_t target_at;   /* where the target's id starts in key */
    struct buf address; /* subject, topic or tag, as sink_ops.render wrote it; empty: the
                                 sink has none */
    struct payload_marks marks;
    size_t samples;     /* how many are inside, ended records too; for the books */
    int64_t due_ms;     /* wall clock time the scrape was due */
    int64_t scraped_ms; /* wall clock time it began; for measuring delay */
    uint32_t part;      /* of the messages of one scrape, from 0 */
    /* Another part comes next, or may, and can be sent before this one has ended: what a sink does for
     * each message may wait for it a moment. */
    bool more;

    /* Takes the payload back; set by the lane, any thread. */
    void (*end)(void *lane, struct payload *p, enum status how);
    void *lane;

    /* The lane's own; nobody else touches them, but a sink that holds the payload may look
     * at unknown: false says that no earlier send of this run may have arrived. */
    struct payload *next;
    int64_t first_sent_ns; /* 0: never accepted by the sink */
    enum status how;       /* the last end */
    bool unknown;          /* it may have arrived, though its end was a failure */
    bool maybe_twice;      /* counted as that */
    int64_t seq;           /* its place in the order of the lane; pieces of one share it */
    int64_t row;           /* in the lane's spool; 0: it is not there */
    size_t counted;        /* bytes, in the budget */
    int64_t here_ns;       /* monotonic; since when it is in memory */
};

/* Without a lane: payload_end frees it.  key becomes both key and target id.  max_bytes is
 * below 4 GiB. */
struct payload *payload_new(const char *key, size_t max_bytes);
void payload_free(struct payload *p); /* NULL is fine */
DEFINE_AUTO_PTR(payload, payload_free)

/* The budget knows what p holds now: to be called when p has grown.  What it holds is the most that was
 * asked for, whatever is written into it. */
void payload_count(struct payload *p);
size_t payload_bytes(const struct payload *p); /* all that p holds */

/* Empties p for another message and keeps its memory. */
void payload_reset(struct payload *p);

/* Sets key and target_at.  ERR_LIMIT: too long. */
enum status payload_set_key(struct payload *p, const char *cluster, const char *target) NODISCARD;

/* The target's id; belongs to p. */
static inline const char *payload_target(const struct payload *p)
{
    return p->key.data + p->target_at;
}

/* What a file or a terminal gets behind p, so that a message which is one JSON value stands on
 * lines of its own: "\n", else "". */
const char *payload_tail(const struct payload *p);

/* The id as 32 hex digits and a NUL. */
#define PAYLOAD_ID_TEXT 32
void payload_id_text(struct payload_id id, char out[PAYLOAD_ID_TEXT + 1]);

/* The 16 bytes of the id in base64, with padding, and a NUL: what the Forward protocol calls
 * a chunk. */
#define PAYLOAD_ID_BASE64 24
void payload_id_base64(struct payload_id id, char out[PAYLOAD_ID_BASE64 + 1]);
bool payload_id_read_base64(struct span text, struct payload_id *ret); /* false: it is none */

/* What a message carries beside its body, in the order of docs/MESSAGES.md.  The values are
 * in *ret itself, in p, or static; that of Content-Type is NULL where there is none. */
#define PAYLOAD_HEADERS 6
struct payload_headers {
    struct {
        const char *name, *value;
    } items[PAYLOAD_HEADERS];
    char id[PAYLOAD_ID_TEXT + 1], due[24], samples[24];
};
void payload_headers(const struct payload *p, struct payload_headers *ret);

/* One of p->headers in two. */
struct payload_header {
    struct span name;
    const char *value;
};
struct payload_header payload_header_split(const char *header);

/* The id of piece number piece of a payload that was cut. */
struct payload_id payload_id_piece(struct payload_id whole, uint32_t piece);

/* Forgets all marks, for a new body or one that cannot be cut. */
void payload_unmark(struct payload *p);

/* Says that the next record begins at offset; to be called for each, in order. */
void payload_keep_mark(struct payload *p, size_t offset);
static inline void payload_mark(struct payload *p, size_t offset)
{
    if ((p->marks.records++ & (p->marks.stride - 1)) == 0)
        payload_keep_mark(p, offset);
}

/* Ends what a sink had accepted; p is gone for the caller.  Any thread.  What the
 * lane does with it (ARCHITECTURE.md, law 5):
 *   OK           delivered: the peer has acknowledged it, or, where there are no
 *                acknowledgements (core NATS, UDP, files, stdout), it is written
 *   ERR_AGAIN, ERR_TIMEOUT, ERR_IO
 *                failed or unknown: again, under the same id
 *   ERR_DENIED   the peer refuses us: again, slowly; an operator must act
 *   ERR_LIMIT    larger than the peer takes: cut at its marks, else lost{too_large}
 *   ERR_INVALID  the peer will never take it: lost{refused}
 *   ERR_CLOSED   the sink was closed, the outcome is unknown: kept for the spool,
 *                else lost{closed} */
void payload_end(struct payload *p, enum status how);

#endif
