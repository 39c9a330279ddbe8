/* SPDX-License-Identifier: Apache-2.0 */
/* check_parts.h - what the files of check.c share: what is known of the page so far.
 *
 * check.c reads lines, check_family.c says to which family they belong, check_sample.c judges a
 * line of a family by itself, check_point.c what the lines of one series at one time say
 * together.  Each fault is told once: what follows from it is not another one. */
#ifndef CHECK_PARTS_H
#define CHECK_PARTS_H

#include "buf.h"
#include "check.h"
#include "check_set.h"
#include "idmap.h"

/* What a sample is to its family. */
enum check_role {
    ROLE_VALUE,
    ROLE_TOTAL,
    ROLE_CREATED,
    ROLE_BUCKET,
    ROLE_SUM,
    ROLE_COUNT,
    ROLE_QUANTILE,
    ROLE_INFO,
    ROLE_STATE,
    ROLES
};

struct check_family_state {
    bool there;
    bool settled; /* all that describes it was read */
    bool lost;    /* it is at fault itself: its lines are not sound */
    bool spoiled; /* a line was at fault: nothing is said to be missing */
    bool has_type, has_help, has_unit;
    enum series_kind kind;
    size_t line, column; /* where it was named first */
    struct buf name, help, unit;
};

/* The samples of one label set at one time. */
struct check_point {
    bool there;
    uint64_t metric; /* hash of the labels that all of them share */
    size_t line;     /* of the last of them */
    unsigned roles;  /* bit r: there was one of role r */
    bool has_ts;
    double ts;            /* seconds */
    bool bucket, inf;     /* there was one, and that of +Inf */
    bool negative_bucket; /* one with a negative threshold */
    double bound, value;  /* of the last bucket or, in the text format, quantile */
    double sum, count;
};

/* The sample of the present line. */
struct check_sample {
    enum check_role role;
    uint64_t metric;                      /* as in check_point */
    uint64_t series;                      /* hash of all labels, and of what it is */
    const struct promtext_label *special; /* le, quantile, state; or NULL */
    double bound;                         /* of le or quantile */
};

struct check {
    struct check_conf conf;
    struct promtext text;
    struct promtext_line line;
    struct span raw; /* the present line, with its newline */
    size_t lines;    /* read, the present one included */
    size_t found;    /* faults, of the page */
    bool bad;        /* the present line has one */
    bool there;      /* and yet nothing is missing for it */
    bool of_family;  /* it is one of the present family */
    bool behind_eof; /* it says something where nothing may stand */
    bool bad_exemplar;
    bool unended; /* the last line had no newline */
    bool eof;     /* "# EOF" was there */
    bool told_after_eof;
    struct buf name; /* of the present line's sample, unescaped */
    struct buf scratch;
    struct check_set families; /* hashes of their names */
    struct check_set names;    /* of names that their samples may have */
    struct check_family_state family;
    struct check_set series; /* of the family: in OpenMetrics of metrics, else of samples */
    size_t unkept;           /* series and families that are not in mind */
    struct check_set parts;  /* of the present point: its series; in the text format the metrics of
                                which nothing may come any more */
    struct check_point point;
    struct idmap stash; /* by metric: points of the text format that may go on */
};

/* A fault of the present line, at a byte of it. */
void check_fault_here(struct check *c, const char *at, const char *rule, const char *what);

/* A fault of lines before; missing: see check.h. */
void check_fault_before(struct check *c, size_t line, size_t column, struct span token,
                        const char *rule, const char *what);
void check_fault_missing(struct check *c, size_t line, size_t column, struct span token,
                         const char *rule, const char *what);

static inline bool check_is_metrics(const struct check *c)
{
    return c->conf.format == FORMAT_OPENMETRICS;
}

/* check_family.c */
void check_family_init(struct check *c);
void check_family_done(struct check *c);
void check_metadata(struct check *c);                      /* of the present line */
bool check_belongs(struct check *c, enum check_role *ret); /* a sample; false: a fault was told */
void check_family_end(struct check *c);

/* check_sample.c: the sample of the present line by itself. */
void check_sample(struct check *c, struct check_sample *s);

/* check_point.c */
void check_point_add(struct check *c, const struct check_sample *s);
void check_point_end(struct check *c); /* of the present family: all */

#endif
