/* SPDX-License-Identifier: Apache-2.0 */
/* page_private.h - what the files of a page share: page.c, page_read.c, page_find.c. */
#ifndef PAGE_PRIVATE_H
#define PAGE_PRIVATE_H

#include "families.h"
#include "meta.h"
#include "packed.h"
#include "page.h"
#include "promtext.h"
#include "records.h"

#include <float.h>

/* What is special about the line of a series: bits of series->role. */
enum line_role {
    LINE_SILENT = 1 << 0,     /* it has no sample */
    LINE_CREATED = 1 << 1,    /* silent: it says since when the samples around it count; else the
                                 rules drop it */
    LINE_AS_EXPOSED = 1 << 2, /* the rules leave it as it is */
    LINE_START = 1 << 3,      /* the first line of its metric, where that may have several */
};
/* Of these a known line does more than to bring its sample. */
#define LINE_SHOWN (LINE_SILENT | LINE_START)

/* What the rules of a page that is checked (see below) want of the value of a line; the high bits of series->role. */
enum line_rule {
    RULE_NONE,
    RULE_TOTAL,
    RULE_SUM,
    RULE_BUCKET,
    RULE_INF,   /* the bucket of all */
    RULE_COUNT, /* of a histogram */
    RULE_COUNT_ALONE,
    RULE_CREATED,
    RULE_QUANTILE,
    RULE_INFO,
    RULE_STATE,
    RULE_TEXT_INF, /* likewise in the text format */
    RULE_TEXT_COUNT,
    RULE_ANY, /* what it wants is not known */
};
#define LINE_RULE_SHIFT 4
#define LINE_RULES      (15 << LINE_RULE_SHIFT)
static inline enum line_rule line_rule(const struct series *s)
{
    return (enum line_rule)(s->role >> LINE_RULE_SHIFT);
}

/* As in struct page_stats, since birth. */
struct page_counts {
    uint64_t known, parsed, lines_bad, flaws;
    uint64_t *refused; /* of each reason; NULL: none, as of most pages */
};

struct page {
    struct target *target;
    struct page_limits limits;
    uint64_t generation; /* of the plan; 0: none yet */
    uint8_t lanes;
    uint32_t *lane_ids;            /* of the plan */
    uint32_t scrape;               /* number of the present one; failed ones have none */
    struct records records;        /* those missed once behind those that were there */
    size_t silent;                 /* of them, without samples */
    struct texts texts;            /* of them and of meta */
    struct packed packed;          /* likewise the records */
    struct cold cold;              /* the texts, between scrapes, where there is no room for them */
    size_t counted;                /* in the process's budget */
    const struct relabel *relabel; /* of the plan; NULL: no rules */
    uint64_t relabel_hash;
    struct families families;
    struct meta meta;
    enum page_format format; /* of the present body, or the last; as the next three */
    bool strict, version2, may_be_cut;
    bool checked;    /* against all rules, whatever then becomes of it: strict, or OpenMetrics */
    bool certified;  /* the last body was, and was good; what is known of its lines is exact */
    bool faulty;     /* the last body was not, and yet was read */
    size_t tail_len; /* of it: what stood behind the last sample; SIZE_MAX: not known */
    uint64_t tail_hash;
    bool keep_created; /* of the plan */
    unsigned failures; /* in a row */
    struct page_counts counts;
};

/* What the comments in front of a line said. */
struct described {
    struct span name, help, unit; /* .data NULL: nothing */
    enum series_kind kind;
    bool has_kind;
    bool plain; /* name is as it stands there */
};

/* What is known of the line just parsed, beside its text. */
struct found {
    struct span exposed; /* its name */
    struct span name;    /* as rules have left it */
    uint64_t metric;     /* hash of the name of its metric and of all labels but le and quantile */
    enum series_kind kind; /* of its family */
    bool created;          /* it says since when others count */
};

/* The point of a histogram under way, while known lines are verified. */
struct point {
    bool has_ts, has_count, has_inf;
    struct span ts;
    double count, bucket; /* bucket: the last one */
};

static inline bool line_differs(double a, double b)
{
    return a < b || a > b;
}

/* A number of observations; from 2^53 on all numbers are whole. */
static inline bool line_is_count(double v)
{
    if (v < 9007199254740992.0)
        return v >= 0 && !line_differs(v, (double)(int64_t)v);
    return v <= DBL_MAX;
}

/* Whether it counts what the bucket before it counts, too. */
static inline bool point_add_bucket(struct point *p, double v)
{
    bool sound = line_is_count(v) && v >= p->bucket; /* 0 at first */
    p->bucket = v;
    return sound;
}

/* One page_read under way. */
struct reader {
    struct page *page;
    struct batch *batch;
    struct room *room; /* of batch */
    struct promtext text;
    struct promtext_line line;
    struct found found;
    int64_t scraped_ms;
    size_t expected;                   /* index in page->records of the line to come */
    size_t expected_end;               /* above it nothing is expected */
    size_t bytes;                      /* of the page at first */
    size_t dead;                       /* of its texts, likewise */
    bool indexed;                      /* room->index holds all of its series */
    size_t points;                     /* so many samples are in room->points */
    bool named;                        /* room->names_index holds all of its families */
    size_t known;                      /* series seen that were there before */
    struct series *last;               /* of the last line; its family may go on */
    uint64_t metric;                   /* of the last line, if it was parsed; else 0 */
    size_t metric_at;                  /* in batch: the first sample of the metric under way */
    int64_t created_ms;                /* of it; EXTRA_NO_TIME: not said up to now */
    bool retyped;                      /* something known is of another kind now */
    bool fresh;                        /* the last line is new */
    bool verifying;                    /* up to now all lines were known, and sound */
    struct salvage *salvage;           /* NULL: all lines of the body may be taken */
    bool faulty;                       /* it found a fault */
    bool distrust;                     /* no line counts as known */
    struct point point;                /* while verifying */
    struct described described, above; /* above: the last one that some line was of */
    size_t max_samples, made;          /* made: series, silent ones too */
    struct relabeller *relabeller;     /* NULL until a rule runs */
    bool honor_timestamps;
    bool changed;               /* some family has another kind, help or unit now */
    struct page_faults *faults; /* never NULL */
};

/* Samples that were on the page up to now and not refused. */
static inline size_t reader_samples(const struct reader *r)
{
    return r->batch->len + (size_t)r->faults->filtered;
}

/* page.c */

/* What limits.max_bytes bounds. */
size_t page_bytes(const struct page *p);

/* page_find.c */

/* What a comment, the line just parsed, says of the lines behind it. */
void reader_describe(struct reader *r);

/* The series of the line just parsed, made if it is new.  PAGE_REFUSALS: *ret is filled; likewise
 * PAGE_OLDER_POINT: it has a sample, which this one is to replace; else why there is none. */
enum page_refusal reader_find(struct reader *r, struct series **ret) NODISCARD;

/* page_beside.c: what a few samples have beside their value */

/* The line to come begins another metric than the one before. */
static inline void reader_start_metric(struct reader *r)
{
    r->metric_at = r->batch->len;
    r->created_ms = EXTRA_NO_TIME;
}

/* The line of v says since when its metric counts. */
void reader_created(struct reader *r, const struct promtext_value *v);

/* s had a sample in this body; that of v is its next one, and counts in its place. */
void reader_newer(struct reader *r, const struct series *s, const struct promtext_value *v);

/* s is the sample of v, which has an exemplar, or of a metric of which is known since when it
 * counts. */
void reader_beside(struct reader *r, struct sample *s, const struct promtext_value *v);

/* page_verify.c: pages that are checked */

/* Whether the known line of s, which brings v, is surely no fault, as those before it were. */
bool reader_sound(struct reader *r, const struct series *s, const struct promtext_value *v);

/* At the first line that is not known or not surely sound, or at the end: whether the page is good,
 * or may be salvaged.
 * Reading goes on where it stands, or from the start; if it is not good, all is as it was before
 * the first line, and r->faults->first_bad says why. */
bool reader_verify(struct reader *r) NODISCARD;

/* page_salvage.c: faulty pages that are read all the same */

/* From the present place on, which is the start, r->text ends at the next line that is not sound. */
void reader_salvage(struct reader *r);
void reader_salvage_done(struct reader *r); /* nothing begun is fine */

/* At the end of r->text: whether a line stands there that is not sound; then it is passed, and what it
 * brought counted.  *ret_status: ERR_CLOSED; OK: without its exemplar it is sound, and in r->line;
 * ERR_INVALID: a bad line, *ret_why says why if it is the first. */
bool reader_unsound(struct reader *r, enum status *ret_status, struct err *ret_why) NODISCARD;

/* page_relabel.c */

/* Room for work, while lines are read that rules have not seen. */
struct relabeller;
void relabeller_free(struct relabeller *w); /* NULL is fine */

/* Runs the rules on the key in r->room->key, which becomes what they make of it.  *ret_dropped:
 * they drop it, and the key is as it was.  PAGE_REFUSALS: done; else why not. */
enum page_refusal reader_relabel(struct reader *r, bool *ret_dropped) NODISCARD;

/* page_read.c */

/* The sample of the line just parsed is refused.  detail: what to say of the first one; NULL: its
 * name. */
void reader_refuse(struct reader *r, enum page_refusal why, const char *detail);

/* Reads all lines of body into r->batch.  False: strict mode refuses it, nothing has changed. */
bool reader_run(struct reader *r, struct span body) NODISCARD;

#endif
