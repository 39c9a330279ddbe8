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

#include "texts.h"

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
    struct texts *texts; /* of its series, and its own: an entry without lanes, see families.c */
    const char *fixed;   /* if not NULL its text, instead */
    uint64_t told;       /* for encoders: number of the message that last told of all this */
    uint32_t text;
    uint32_t users;   /* series that point here */
    uint32_t changed; /* for page.c: number of the scrape that last said otherwise */
    enum series_kind kind : 8;
    bool has_help : 1, has_unit : 1;
};

/* Name, help and unit stand behind one another, each ended by NUL; valid as texts of series are. */
static inline const char *family_name(const struct family *f) /* of a histogram: without _bucket */
{
    return f->fixed ? f->fixed : (const char *)texts_at(f->texts, f->text)->parts;
}
const char *family_help(const struct family *f); /* or NULL */
const char *family_unit(const struct family *f); /* or NULL */

/* A record of its page: small, for a page may have very many, and without texts, which stand
 * together in family->texts. */
struct series {
    /* for page.c only: how the page recognizes the series in the next body */
    uint64_t prefix_hash;  /* of the text in front of the value */
    uint64_t id;           /* hash of key: equal for equal name and labels, in
                             every process and for ever */
    double last_value;     /* if has_last; see batch_commit */
    struct family *family; /* kind, help, unit; never NULL */
    uint32_t prefix_len;   /* for page.c only; 0: not known */

    uint32_t selected; /* for filters.c only: bit i: step i of the chain wants it */
    uint32_t text;     /* where its texts are */
    uint8_t lanes;     /* how many of its parts there are */
    uint8_t role;   /* for page.c only, as the next: what is special about its line; 0: nothing */
    uint8_t scrape; /* number of the last one that had it, its low bits */
    bool asked : 1; /* for filters.c only: selected is valid */
    bool has_last : 1;
    bool ended : 1; /* for page.c only: it goes before the next scrape */
};

/* key: name, then name and value of every label, sorted by name, each ended by
 * NUL; not of family->texts, which it goes into.  id: the key's hash, or what stands for it.  family
 * outlives the series. */
void series_init(struct series *s, uint64_t id, struct span key, struct family *family,
                 uint8_t lanes);
void series_done(struct series *s);

/* Bytes that series_init takes, with the record. */
static inline size_t series_bytes(size_t key_len, uint8_t lanes)
{
    return sizeof(struct series) + texts_entry_bytes(key_len, lanes);
}

/* Texts are valid until the next part is set, or the next series made, in the same page. */
static inline struct text *series_text(const struct series *s)
{
    return texts_at(s->family->texts, s->text);
}

/* As given to series_init. */
static inline struct span series_key(const struct series *s)
{
    const struct text *t = series_text(s);
    return (struct span){(const char *)&t->parts[s->lanes], t->key_len};
}

/* Between two scrapes texts leave the processor's caches.  To be called for the series this many
 * places ahead of the one in work. */
#define SERIES_AHEAD 8
static inline void series_prefetch(const struct series *s)
{
    const char *text = (const char *)series_text(s);
    for (size_t line = 0; line < 3; line++)
        __builtin_prefetch(text + 64 * line);
}

const char *series_name(const struct series *s);
struct label series_first(const struct series *s); /* .name NULL: none */
struct label series_next(const struct series *s, struct label l);
const char *series_label(const struct series *s, const char *name); /* value, or NULL */

/* The unchanging bytes of a series in the format of one lane (= one configured encoder); see
 * encoder.h.  .data NULL: not made yet. */
static inline struct span series_part(const struct series *s, unsigned lane)
{
    const struct text_part *part = &series_text(s)->parts[lane];
    if (part->at == 0)
        return (struct span){NULL, 0};
    return texts_part(s->family->texts, part);
}

/* As series_prefetch, which has come by there, for who needs that part and nothing else. */
static inline void series_prefetch_part(const struct series *s, unsigned lane)
{
    const char *part = series_part(s, lane).data;
    if (!part)
        return;
    __builtin_prefetch(part);
    __builtin_prefetch(part + 64);
}

/* Keeps a copy of data as the part of that lane, which must have none yet. */
void series_set_part(struct series *s, unsigned lane, struct span data);

/* Keeps a copy of data, which is not of it, in place of that part, which there is: it begins with data
 * then, and may go on. */
void series_change_part(struct series *s, unsigned lane, struct span data);

/* Whether the lane has encoded a sample of this series, so that it is to be told of its end. */
static inline bool series_sent(const struct series *s, unsigned lane)
{
    return series_text(s)->parts[lane].sent;
}
static inline void series_set_sent(struct series *s, unsigned lane)
{
    struct text_part *part = &series_text(s)->parts[lane];
    if (part->sent)
        return;
    part->sent = 1;
    s->family->texts->changed = true;
}

/* Moves the texts of s to another place; its family is another then, or comes to stand there. */
void series_move(struct series *s, const struct texts *from, struct texts *to);

/* Likewise, for other lanes: its slot i was slot from[i] of s, or is new when that is
 * SERIES_NEW_LANE.  What was derived is forgotten, sent is not. */
#define SERIES_NEW_LANE UINT8_MAX
void series_relane(struct series *s, const struct texts *from_texts, struct texts *to,
                   uint8_t lanes, const uint8_t *from);

/* Forgets what was derived from kind, name and labels: the bytes of parts, and the
 * selection. */
void series_forget(struct series *s);

#endif
