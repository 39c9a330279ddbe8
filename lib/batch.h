/* SPDX-License-Identifier: Apache-2.0 */
/* batch.h - the samples of one scrape of one target.
 *
 * A batch borrows: series from the page that was read, text from the body.  It is
 * filtered, encoded and committed by the same worker, before the page is read
 * again or the body goes; only payloads (bytes) reach another thread.  A worker
 * has one batch for all its pages, so that room for samples is needed once per
 * worker and not once per target.  */
#ifndef BATCH_H
#define BATCH_H

#include "buf.h"
#include "number.h"
#include "series.h"
#include "target.h"

/* One observation behind a sample (OpenMetrics 1.0, "Exemplars"). */
struct exemplar {
    struct span labels; /* as in a series' key: name, value, ... each ended by NUL, sorted;
                           belongs to the batch */
    double value;
    int64_t ts_ms; /* as a sample's */
    bool has_ts;
};

/* What few samples have. */
struct sample_extra {
    int64_t created_ms; /* since when a counter, histogram or summary counts, as a sample's
                           ts_ms; EXTRA_NO_TIME: the page does not say */
    struct exemplar exemplar;
    bool has_exemplar;
};
#define EXTRA_NO_TIME INT64_MIN

/* One number at one time. */
struct sample {
    struct series *series;
    double value;     /* may be NaN or infinite; change it by sample_set only */
    int64_t ts_ms;    /* CLOCK_MIN_MS..CLOCK_MAX_MS */
    struct span text; /* value as the page wrote it, when JSON would write it
                         so; else, or once changed, .data is NULL */
    uint32_t extra;   /* batch.extras[extra - 1]; 0: it has none */
};

struct batch {
    const struct target *target; /* may be NULL in tests */
    int64_t scraped_ms;
    size_t len, cap;
    struct sample *samples; /* in the order of the page; no series twice */
    size_t meta_len;        /* of them, the last ones: about the scrape itself (page_add_meta) */
    size_t ended_len;
    struct series *const *ended; /* known before, no more: they ended at scraped_ms */
    struct room *room;           /* for work, of whoever makes and frees it: lib/scrape/room.h */
    void (*room_free)(struct room *);
    struct sample_extra *extras; /* extras_len of them, in room for extras_cap */
    size_t extras_len, extras_cap;
    struct buf texts; /* labels of exemplars */
};

/* What s has beside its value, or NULL. */
static inline const struct sample_extra *sample_extra(const struct batch *b, const struct sample *s)
{
    return s->extra ? &b->extras[s->extra - 1] : NULL;
}

/* for (struct label l = exemplar_first(e); l.name; l = exemplar_next(e, l)) */
static inline struct label exemplar_label(const struct exemplar *e, const char *name)
{
    if (name == e->labels.data + e->labels.len)
        return (struct label){NULL, NULL};
    return (struct label){name, name + strlen(name) + 1};
}
static inline struct label exemplar_first(const struct exemplar *e)
{
    return exemplar_label(e, e->labels.data);
}
static inline struct label exemplar_next(const struct exemplar *e, struct label l)
{
    return exemplar_label(e, l.value + strlen(l.value) + 1);
}

/* Zeroed is empty: struct batch b = {0}.  batch_reserve makes room for cap samples
 * in all; batch_done frees the room. */
void batch_reserve(struct batch *b, size_t cap);
void batch_done(struct batch *b);
DEFINE_AUTO(batch, batch_done)

/* Empties it and keeps the room. */
void batch_clear(struct batch *b);

/* What s, which has nothing beside its value yet, comes to have; empty. */
struct sample_extra *batch_add_extra(struct batch *b, struct sample *s);

/* Keeps a copy of labels, as a key has them, for e, which is of b; until b is read anew. */
void batch_set_exemplar(struct batch *b, struct sample_extra *e, struct span labels);

/* Samples and ended series: what encoders write. */
static inline size_t batch_records(const struct batch *b)
{
    return b->len + b->ended_len;
}

/* Changes the value, and with it what encoders write. */
static inline void sample_set(struct sample *s, double value)
{
    s->value = value;
    s->text = (struct span){NULL, 0};
}

/* The value as text: the page's own if unchanged, else printed into room. */
struct span sample_text(const struct sample *s, char room[NUMBER_ROOM]);

/* To be called when every lane has encoded b: makes the samples that are left
 * the last_value of their series.  What a filter dropped keeps the
 * value before, so that a difference of counters spans the gap. */
void batch_commit(const struct batch *b);

#endif
