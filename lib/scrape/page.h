/* SPDX-License-Identifier: Apache-2.0 */
/* page.h - what is remembered of one target between two scrapes.
 *
 * Two scrapes of a target differ in little but their values.  A page keeps the
 * series of the target in the order of its lines, and of each a hash of the text
 * in front of the value (comments, name, labels).  Reading a body, it compares
 * this hash at the same position; if it is the same, the line costs a hash and a
 * number, and nothing is allocated.  Else the line is parsed, its series is
 * looked up by id or made, and reading goes on behind the place where that
 * series stood before: a line gained or lost costs one slow line, not the rest.
 *
 *     page_read(page, body, clock_wall_ms(), &batch, &faults);     good scrape
 *     page_failed(page, clock_wall_ms(), &batch);                  failed scrape
 *     page_end(page, clock_wall_ms(), &batch);                     last job, target gone
 *     filter_run(...); encoder_run(...); batch_commit(&batch);     after each of them
 *     page_rest(page, &batch);
 *
 * A family keeps the kind it was last given for as long as it has series.
 *
 * Rules for names and labels (metric_relabel) run when a series is made, on the labels of line and
 * target, the name being __name__.  What they drop is remembered as well, without a sample: it
 * counts in the limits as series do, and a steady scrape runs no rule.
 *
 * The hash is 64 bits of XXH3 and is trusted: whoever builds two texts with one
 * hash confuses only the series of the own page.
 *
 * Threads: one worker at a time uses a page; no lock.  A page serves one chain of
 * filters and one set of lanes at a time, see page_bind.
 *
 * A series ends when a good scrape misses it, when the target is gone, or at the
 * target's second failure in a row: then it is in batch.ended, once, until the next
 * call, and what comes back after that is new.  On a page with bad lines, one of which may
 * be its own (an unsound one, too), it ends only if the scrape before missed it too.  A series is missed as well
 * when its sample was refused.  */
#ifndef PAGE_H
#define PAGE_H

#include "batch.h"
#include "err.h"
#include "format.h"
#include "relabel.h"

struct page_limits {
    size_t max_series;
    size_t max_bytes;       /* of series, their families and parts.  No series is
                               taken in above it; the parts of those already in
                               may pass it */
    size_t max_labels;      /* of one series, with those of the target */
    size_t max_name_bytes;  /* a metric's or a label's name */
    size_t max_value_bytes; /* a label's value; longer help is left out */
    size_t max_samples;     /* of one scrape; the first ones count, known or new; or less:
                               the target's own max_samples */
    size_t max_new_series;  /* that one scrape may add; known ones go on */
    size_t max_names;       /* of metrics (families); known series go on */
    size_t max_line_bytes;  /* a longer line is a bad line */
};

#define PAGE_LIMITS_DEFAULT                              \
    ((struct page_limits){.max_series = 100000,          \
                          .max_bytes = (size_t)64 << 20, \
                          .max_labels = 64,              \
                          .max_name_bytes = 512,         \
                          .max_value_bytes = 4096,       \
                          .max_samples = 50000,          \
                          .max_new_series = 50000,       \
                          .max_names = 10000,            \
                          .max_line_bytes = (size_t)1 << 20})

/* Why a sample was not taken.  A bad line is none of these: it is no sample. */
enum page_refusal {
    PAGE_LABEL_TWICE,  /* two labels of one name in a line */
    PAGE_SERIES_TWICE, /* the first of equal series counts */
    PAGE_OLDER_POINT,  /* of several samples of a series at different times the last counts */
    PAGE_UNSOUND,    /* OpenMetrics, salvaged: a rule forbids it, by what it and lines above say */
    PAGE_MAX_SERIES, /* the others: the limit of that name */
    PAGE_MAX_BYTES,
    PAGE_MAX_MEMORY, /* the bound of the process (budget.h), and no limit of the page */
    PAGE_MAX_LABELS,
    PAGE_MAX_NAME_BYTES,
    PAGE_MAX_VALUE_BYTES,
    PAGE_MAX_SAMPLES,
    PAGE_MAX_NEW_SERIES,
    PAGE_MAX_NAMES,
    PAGE_NUL,     /* U+0000 in a name or a value, which OpenMetrics has */
    PAGE_RELABEL, /* metric_relabel leaves no name, or more labels than it has room for */
    PAGE_REFUSALS
};

/* "label_twice", ... : static; a label of our own metrics. */
const char *page_refusal_name(enum page_refusal r);

struct page_stats {
    size_t series; /* those that bring samples */
    size_t families;
    size_t bytes;                    /* that max_bytes bounds */
    size_t held_bytes;               /* of memory: tables and room to grow too */
    uint64_t known, parsed;          /* samples taken, since birth: fast and slow */
    uint64_t refused[PAGE_REFUSALS]; /* samples, since birth */
    uint64_t lines_bad;              /* bad lines and faulty comments, since birth */
    uint64_t flaws;                  /* since birth, as in page_faults */
};

/* The first names of metrics that were refused, each once for a reason. */
#define PAGE_NAMED      5
#define PAGE_NAMED_TEXT 80 /* with its NUL; longer names are cut */
struct page_named {
    enum page_refusal why;
    char name[PAGE_NAMED_TEXT]; /* for people: UTF-8 */
};

/* What one body brought, beside its samples. */
struct page_faults {
    uint64_t added; /* series that were not there before */
    uint64_t lines_bad, refused;
    uint64_t flaws; /* faults that cost no sample: something is missing, an exemplar is left out */
    uint64_t filtered; /* samples that metric_relabel drops */
    uint64_t refused_by[PAGE_REFUSALS];
    struct err first_bad; /* "line 3, column 7: ..."; status OK: no bad line */
    struct err
        first_refused;     /* "max_series: NAME", or "unsound: line 3, column 7: ..."; likewise */
    struct err first_flaw; /* "line 3, column 7: ..."; likewise */
    struct page_named named[PAGE_NAMED];
    size_t named_len;
    bool unreadable; /* bad lines and not one sample: no page at all; or strict */
    bool strict;     /* strict mode refuses the page for the fault in first_bad */
};

struct page;

/* How bodies are written, and how they are read.  Strict: a body with a fault (check.h) is
 * unreadable, and leaves the page as it was.  Salvaged, it is read without the lines that are not sound:
 * of OpenMetrics by all rules, of text by the grammar of its lines. */
struct page_manner {
    enum page_format format;
    enum page_mode mode;
    bool version2;   /* OpenMetrics 2.0 */
    bool may_be_cut; /* the transfer did not tell where the body ends: when it is salvaged, a last
                        line without its line feed is a bad one, for its number may be another */
};

/* Of the bodies to come; at first text, salvaged. */
void page_set_manner(struct page *p, const struct page_manner *m);

/* Takes a reference of its own to target (may be NULL).  lanes: how many encoders
 * will cache a part in each series. */
struct page *page_new(struct target *target, const struct page_limits *limits, uint8_t lanes);
void page_free(struct page *p); /* NULL is fine */
DEFINE_AUTO_PTR(page, page_free)

/* Reads one whole body into b, whose old content is dropped.  Every series in b is
 * valid until the next call, its texts as long as body.  A sample without a time
 * of its own, or one that the target does not honor, gets scraped_ms.  Bad lines and refused
 * samples are counted, the rest is read; a last line without its newline is a bad one.  ret_faults
 * (may be NULL) says how many there were in this body.  An unreadable body leaves the page as it was, b empty: the scrape failed, and
 * page_failed is to be called. */
void page_read(struct page *p, struct span body, int64_t scraped_ms, struct batch *b,
               struct page_faults *ret_faults);

/* The scrape begun at scraped_ms failed.  b gets no samples; the second failure in a
 * row ends all series there are, as of scraped_ms.  What is said of b in page_read
 * holds. */
void page_failed(struct page *p, int64_t scraped_ms, struct batch *b);

/* The target is gone: all series there are end, as of ended_ms; b likewise. */
void page_end(struct page *p, int64_t ended_ms, struct batch *b);

/* To be called when b, which p has filled, is done with: what it shows of p is void then.  Keeps of p
 * what has to be kept, in as little memory as there is time for; without it that happens at the
 * next call. */
void page_rest(struct page *p, struct batch *b);

struct page_stats page_stats(const struct page *p);

/* Whose page it is; may be NULL. */
struct target *page_target(const struct page *p);

/* For which filters and lanes the page works, in which limits.  Two plans of one generation
 * are equal. */
struct page_plan {
    uint64_t generation;              /* of the pool's filters, lanes and limits; never 0 */
    const struct page_limits *limits; /* copied; NULL: they stay */
    const uint32_t *lane_ids;         /* lanes_len of them, by slot (lane.h) */
    uint8_t lanes_len;
    const struct relabel *relabel; /* metric_relabel, while the plan is in force; NULL: no rules */
    uint64_t relabel_hash;         /* of what they say: equal for equal rules, 0 for none */
    bool keep_created;             /* x_created of OpenMetrics is a series, and not only the time
                                      since when x counts (batch.h) */
};

/* To be called before each read: makes the page work for that plan.  Nothing happens
 * while the generation stays.  Else what was derived is forgotten; a lane that was there
 * before, under whatever slot, still knows which series it has sent.  Values stay: nothing
 * ends, nothing is new, and what is above a lower limit on series, bytes or names goes on; under
 * other rules the next scrape decides anew, and what they drop then ends.  A batch of the page is
 * void afterwards. */
void page_bind(struct page *p, const struct page_plan *plan);

/* Whether t differs from the page's target in nothing that series show (labels,
 * honor_labels); then the page takes it in place of the old one. */
bool page_retarget(struct page *p, struct target *t) NODISCARD;

/* What is told of a scrape itself, as six series without labels but the target's. */
struct page_meta {
    bool up;
    double duration_seconds;
    uint64_t samples_scraped, samples_post_filter, series_added, body_bytes;
};
#define PAGE_META 6

/* Appends up, scrape_duration_seconds, scrape_samples_scraped,
 * scrape_samples_post_filter, scrape_series_added and scrape_body_size_bytes to b and sets
 * b->meta_len.  Once for a batch, between filters and encoders, after page_read or page_failed.
 * These series are gauges and count in no limit and no statistics but bytes; they end
 * with page_end only. */
void page_add_meta(struct page *p, const struct page_meta *m, struct batch *b);

#endif
