/* SPDX-License-Identifier: Apache-2.0 */
/* series.h - one time series of one target, living from scrape to scrape.
 *
 * Everything that is the same in every scrape is kept here and worked out once:
 * name and sorted labels, which filter steps want it, its constant part in every
 * encoder's format.  What changes is in struct sample (batch.h).
 *
 * A series belongs to one page (lib/scrape/page.h), which makes and frees it,
 * and is touched by one thread at a time, the worker that has the page.
 *
 *     for (struct label l = series_first(s); l.name; l = series_next(s, l))
 *         ...                                                               */
#ifndef SERIES_H
#define SERIES_H

#include "text.h"

enum series_kind {
    SERIES_UNTYPED,
    SERIES_GAUGE,
    SERIES_COUNTER,
    SERIES_HISTOGRAM,      /* one _bucket, _sum or _count */
    SERIES_GAUGEHISTOGRAM, /* one _bucket, _gsum or _gcount */
    SERIES_SUMMARY,        /* one quantile, _sum or _count */
    SERIES_INFO,
    SERIES_STATESET,
    SERIES_KINDS
};

/* "untyped", "gauge", ... : static; as in a TYPE line. */
const char *series_kind_name(enum series_kind kind);

/* What HELP, TYPE and UNIT say about the series of one name; shared by them. */
struct family {
    char *name;        /* of a histogram: without _bucket, _sum, _count */
    char *help, *unit; /* or NULL */
    enum series_kind kind;
    uint32_t users;   /* series that point here */
    uint32_t changed; /* for page.c: number of the scrape that last said otherwise */
    uint64_t told;    /* for encoders: number of the message that last told of all this */
    size_t *bytes;    /* where the memory of its series is counted */
};

struct family *family_new(struct span name, size_t *bytes); /* untyped */
void family_free(struct family *f);                         /* NULL is fine */

/* The unchanging bytes of a series in the format of one lane (= one configured
 * encoder); see encoder.h. */
struct part {
    char *data; /* NULL until first needed */
    uint32_t len;
    bool sent; /* the lane has encoded a sample of this series, so it is
                  to be told of its end */
};

struct series {
    /* for page.c only: how the page recognizes the series in the next body */
    uint64_t prefix_hash; /* of the text in front of the value */
    uint32_t prefix_len;  /* 0: not known */
    uint32_t scrape;      /* number of the last one that had it */

    /* for filters.c only */
    uint32_t selected; /* bit i: step i of the chain wants it */
    bool asked;        /* selected is valid */

    uint8_t lanes;   /* length of parts */
    uint8_t role;    /* for page.c only: what is special about its line; 0: nothing */
    int64_t last_ms; /* 0: no value yet; see batch_commit */
    double last_value;
    struct family *family; /* kind, help, unit; never NULL */

    /* the first 64 bytes end here (x86-64): all that a repeat scrape needs, but parts */
    uint64_t id;       /* hash of key: equal for equal name and labels, in
                          every process and for ever */
    uint32_t position; /* for page.c: line in the last scrape that had it */
    uint32_t key_len;
    struct part parts[]; /* one per lane; the key is behind the last */
};

/* key: name, then name and value of every label, sorted by name, each ended by
 * NUL.  family, with its bytes, outlives the series. */
struct series *series_new(struct span key, struct family *family, uint8_t lanes);
void series_free(struct series *s); /* NULL is fine */
DEFINE_AUTO_PTR(series, series_free)

/* Bytes that series_new will add to family->bytes. */
size_t series_bytes(size_t key_len, uint8_t lanes);

/* As given to series_new. */
static inline struct span series_key(const struct series *s)
{
    return (struct span){(const char *)&s->parts[s->lanes], s->key_len};
}

/* Between two scrapes a series leaves the processor's caches.  To be called for the one this many
 * places ahead of the one in work: brings its hot fields in, or its key. */
#define SERIES_AHEAD 8
static inline void series_prefetch(const struct series *s)
{
    __builtin_prefetch(s, 1);
}
static inline void series_prefetch_key(const struct series *s)
{
    for (size_t line = 1; line <= 3; line++)
        __builtin_prefetch((const char *)s + 64 * line);
}

const char *series_name(const struct series *s);
struct label series_first(const struct series *s); /* .name NULL: none */
struct label series_next(const struct series *s, struct label l);
const char *series_label(const struct series *s, const char *name); /* value, or NULL */

/* Keeps a copy of data as the part of that lane, which must have none yet. */
void series_set_part(struct series *s, unsigned lane, struct span data);

/* The same series for other lanes, in new memory: its slot i was slot from[i] of s, or is
 * new when that is SERIES_NEW_LANE.  What was derived is forgotten, sent is not.  Frees s. */
#define SERIES_NEW_LANE UINT8_MAX
struct series *series_relane(struct series *s, uint8_t lanes, const uint8_t *from) NODISCARD;

/* Forgets what was derived from kind, name and labels: the bytes of parts, and the
 * selection. */
void series_forget(struct series *s);

#endif
