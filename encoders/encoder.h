/* SPDX-License-Identifier: Apache-2.0 */
/* encoder.h - what an encoder is.
 *
 * An encoder turns samples into the bytes of one message.  Most bytes of a sample
 * are the same in every scrape; an encoder works these out once per series, and
 * later only puts value and time to them.  To add one: write encoders/NAME.c
 * defining `const struct encoder_ops encoder_NAME`, and add ENCODER(NAME) to the
 * list in encoders.h.  Bounds, caching, marks and undoing are encoders.c's work: an
 * encoder writes, and returns the first status that is not OK.
 *
 * A series that has ended is told to those that knew it: as a record of its own, with
 * the time of the scrape that missed it and no value.
 *
 * Threads: open and close run in the main thread, the rest in many workers at once
 * on the same self, which is therefore const; message is the worker's own.  Text
 * is written with '.' as the decimal point in every locale.  Names and labels are
 * UTF-8 without NUL already.  */
#ifndef ENCODER_H
#define ENCODER_H

#include "batch.h"
#include "buf.h"
#include "clock.h"
#include "lz4_script.h"
#include "payload.h"
#include "setting.h"

/* One message under way. */
struct message {
    struct buf *out;
    size_t samples;              /* in it so far, ended records too */
    struct payload_id id;        /* that the payload will go by, unless it is cut */
    const struct target *target; /* whose samples they are; may be NULL in tests */
    const struct batch *batch;   /* they are of: sample_extra */
    size_t mark;                 /* the encoder's own, 0 at begin */
    uint64_t number;             /* no other message of this process has it; never 0 */
    int64_t time_ms;             /* what time says, if it says anything */
    char time[CLOCK_TEXT + 1];   /* see message_time */
    struct lz4_message *lz4;     /* NULL: none; see writes_lz4 */
    unsigned lane;               /* whose parts of series it writes */
};

/* ts_ms as RFC 3339, CLOCK_TEXT bytes; formatted once for equal times in a row. */
static inline const char *message_time(struct message *m, int64_t ts_ms)
{
    if (m->time[0] == '\0' || m->time_ms != ts_ms) {
        clock_format(m->time, ts_ms);
        m->time_ms = ts_ms;
    }
    return m->time;
}

#define ENCODER_AS_IS SIZE_MAX

struct encoder_ops {
    const char *name;               /* key in the YAML */
    const char *help;               /* one line */
    const struct setting *settings; /* ends with SETTING_END */
    size_t conf_size;
    size_t end_bytes;         /* the most that end writes; kept free for it */
    const char *const *sinks; /* kinds of sinks it goes into, ended by NULL; NULL: all that
                                 take it */
    const char *no_replicas;  /* why two agents that scrape the same do not make the same
                                 bytes: `replicas: true` is refused; NULL: they do */

    /* As filter_ops.open. */
    enum status (*open)(void **ret_self, const void *conf, struct err *err);

    /* "application/json"; static. */
    const char *(*content_type)(const void *self);

    /* What a message says of itself beside its type: "Content-Encoding: snappy" when finish
     * compresses; "Name: value", ended by NULL, static.  NULL: nothing. */
    const char *const *(*headers)(const void *self);

    /* The most records of one message, at least 1; NULL: any number. */
    size_t (*max_samples)(const void *self);

    /* Before the first record and after the last one; NULL: nothing to write.  A
     * message into which neither wrote a byte may be cut between any two records. */
    enum status (*begin)(const void *self, struct message *m);
    enum status (*end)(const void *self, struct message *m);

    /* Writes what is the same for every sample of s, or what makes it quick to write: the
     * key (series.h) need not be in it once more.  Depends on self, and on name, labels,
     * kind, help and unit of s only, for it is called once per series and lane, and again
     * only when kind, help or unit have changed. */
    enum status (*constant)(const void *self, const struct series *s, struct buf *out);

    /* Writes one sample; constant is what the function above wrote for its series,
     * in whole or in parts, wherever the format wants it; its memory is aligned.
     *   OK           written
     *   ERR_LIMIT    does not fit (a status of buf.h handed on)
     *   ERR_INVALID  the format cannot say it (NaN in statsd): skipped
     * What was written before an error is undone by the caller. */
    enum status (*append)(const void *self, struct message *m, const struct sample *s,
                          struct span constant) NODISCARD;

    /* Whether append reads nothing of a known series but its constant part, which is fetched ahead then.
     * NULL: it does. */
    bool (*parts_alone)(const void *self);

    /* Writes that s has ended, missed at ts_ms; the rest as append.  NULL: the
     * format has no word for it, such records are skipped as unsayable. */
    enum status (*append_ended)(const void *self, struct message *m, const struct series *s,
                                int64_t ts_ms, struct span constant) NODISCARD;

    /* Whether self can write a message as an LZ4 frame at once: where message.lz4 is not NULL, begin,
     * append, append_ended and end write into its out, and out is not there.  What append writes takes
     * lz4_out.plain on by as many bytes as the record has, no more than plain_max in all, and before an error
     * nothing is written; end makes the frame whole.  The content is byte for byte what is written
     * otherwise.  The constant part begins with a struct lz4_script then, and what constant wrote is
     * lz4_script_kept: it has no `before` at first, and series_change_part (of message.lane) keeps what
     * lz4_script_make makes.  NULL: it cannot. */
    bool (*writes_lz4)(const void *self);

    /* Turns a whole message, from begin to end, into its final bytes (snappy, gzip, a
     * table of symbols), written to out, which is empty.  It always fits, for in is
     * no longer than finish_max(self, out->max): the longest message of which finish
     * makes no more than max bytes, whatever is in it; or ENCODER_AS_IS, always, when self
     * has nothing to finish.  Both are there, or neither. */
    void (*finish)(const void *self, struct span in, struct buf *out);
    size_t (*finish_max)(const void *self, size_t max);

    void (*close)(void *self);
};

#endif
