/* SPDX-License-Identifier: Apache-2.0 */
/* encoders.h - the encoders there are, and how one is run. */
#ifndef ENCODERS_H
#define ENCODERS_H

#include "encoder.h"
#include "payload.h"

#define ENCODERS(ENCODER) \
    ENCODER(json)         \
    ENCODER(statsd)       \
    ENCODER(fluent)       \
    ENCODER(influx)       \
    ENCODER(prometheus)   \
    ENCODER(remote_write)

const struct encoder_ops *encoder_find(const char *name); /* or NULL */
const struct encoder_ops *const *encoder_all(void);       /* ended by NULL */

/* A configured encoder. */
struct encoder_step {
    const struct encoder_ops *ops;
    void *self;
    unsigned lane;           /* which part of a series it caches; no other
                           encoder of the same pages may use it */
    size_t max_samples;      /* in one message; at least 1; the encoder may want less */
    struct lz4_message *lz4; /* NULL: messages are plain; else they are LZ4 frames, where that makes
                                them smaller: of an encoder that can (encoder_writes_lz4), in
                                messages of at most LZ4_OUT_MAX bytes */
};

/* Whether its messages go through finish. */
static inline bool encoder_finishes(const struct encoder_ops *ops, const void *self)
{
    return ops->finish && ops->finish_max(self, 0) != ENCODER_AS_IS;
}

/* Whether its messages may be LZ4 frames. */
static inline bool encoder_writes_lz4(const struct encoder_ops *ops, const void *self)
{
    return ops->writes_lz4 && ops->writes_lz4(self);
}

/* Why a record is in no message. */
enum encoder_skip {
    SKIP_UNSAYABLE, /* the format cannot say it */
    SKIP_TOO_LARGE, /* not even alone it fits into a message */
    ENCODER_SKIPS
};

/* "unsayable", ... : static; a label of our own metrics. */
const char *encoder_skip_name(enum encoder_skip why);

/* samples of the batches + ended = encoded + all of skipped */
struct encoder_counts {
    uint64_t ended;   /* ended series that this lane had sent before */
    uint64_t encoded; /* samples, and records of ended series */
    uint64_t skipped[ENCODER_SKIPS];
};

/* Writes one whole message into p, whose body is empty and whose id is set: of the records of b (its
 * samples, then its ended series) from *from on as many as fit into p->body.max and
 * max_samples.  Fills p's body, marks, samples, content_type and headers.  *from moves behind
 * the last record dealt with; *counts (not reset) grows.  Returns the number of
 * records in the message; 0 leaves the body empty, and all of b is dealt with.  An
 * ended series of which this lane never sent a sample is passed over and not counted.
 *
 * raw is room for work, for encoders that finish (else it may be NULL); its content
 * does not count, before and after; its bound is that of a message before finish.
 *
 * With e->lz4 the bound, the marks and which records are in the message are those of its content; p has
 * the header Content-Encoding if the frame is shorter than that.
 *
 * p is marked (see payload.h) unless the encoder finishes it, or begin or end wrote
 * something: such a message cannot be cut.
 *
 *     while (encoder_run(&step, batch, &from, payload, &raw, &counts) > 0)
 *         ... send payload, make a new one ...                             */
size_t encoder_run(const struct encoder_step *e, const struct batch *b, size_t *from,
                   struct payload *p, struct buf *raw, struct encoder_counts *counts);

#endif
