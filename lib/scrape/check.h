/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - the rules of an exposition format, applied to a page line by line.
 *
 *     struct check *c = check_new(&conf);
 *     while (a line comes)
 *         check_line(c, line);
 *     check_end(c);
 *
 * Everything the specification of the format demands is checked: the grammar of each line
 * (promtext.h), and what lines say together - order and grouping of families and series,
 * duplicates, metadata, values that a type forbids, buckets, timestamps, `# EOF`.  docs/CHECK.md
 * lists the rules.  Memory is bounded by conf: names of families and series are kept as 64-bit
 * hashes, those of series only as long as their family lasts.
 *
 * Not thread-safe; one check reads one page. */
#ifndef CHECK_H
#define CHECK_H

#include "format.h"
#include "promtext.h"

struct check_fault {
    size_t line, column; /* from 1; the column counts bytes */
    struct span token;   /* what stands there; may be empty; may be cut */
    const char *rule;    /* static; its name: "counter-negative" */
    const char *what;    /* static; what is wrong, and the rule, in words */
    bool missing;        /* no line is wrong: something is not there */
};

/* What the metadata of a family says, valid during the call. */
struct check_family {
    struct span name;
    enum series_kind kind; /* SERIES_UNTYPED: unknown, or not said */
    bool has_help, has_unit;
    struct span help, unit; /* unescaped */
};

struct check_conf {
    enum page_format format;
    bool version2;       /* OpenMetrics 2.0: see docs/CHECK.md */
    bool lenient;        /* lines are read as promtext.h reads them leniently, and a faulty exemplar
                            costs itself alone */
    size_t max_line;     /* bytes, without the newline */
    size_t max_series;   /* hashes of one family kept; what comes behind is compared with nothing */
    size_t max_families; /* likewise of a page */
    void *of;
    /* Each fault, in the order they are found; one may be about lines before (a histogram that
     * ends without +Inf is found at the next family).  May be NULL. */
    void (*fault)(void *of, const struct check_fault *f);
    /* Each family, once all that describes it was read: before its first sample, or when it has
     * none, at its end.  May be NULL. */
    void (*family)(void *of, const struct check_family *f);
    /* Each sound line; may be NULL.  The spans point into it. */
    void (*line)(void *of, size_t number, const struct promtext_line *l);
};

struct check;
struct check *check_new(const struct check_conf *conf);
void check_free(struct check *c); /* NULL is fine */
DEFINE_AUTO_PTR(check, check_free)

/* One line with its newline, which only the last one may lack.  How many faults were found.  Of a
 * line above max_line the first max_line + 1 bytes will do. */
size_t check_line(struct check *c, struct span line);

/* Of the line given last, by what it and the lines above it say: it keeps all rules, or says
 * nothing; and if it does, whether it has an exemplar that does not (lenient only). */
bool check_is_sound(const struct check *c);
bool check_spoils_exemplar(const struct check *c);

/* The page is at its end: what is missing is found now.  How many faults. */
size_t check_end(struct check *c);

/* How many series and families were above these bounds, so that one that is there twice may not
 * have been found. */
size_t check_unkept(const struct check *c);

/* A whole page at once, up to its first fault.  OK, or ERR_INVALID: *err (may be NULL) says
 * "line 3, column 7: TOKEN: what is wrong".  None of conf's functions is called. */
enum status check_page(const struct check_conf *conf, struct span page, struct err *err) NODISCARD;

#endif
