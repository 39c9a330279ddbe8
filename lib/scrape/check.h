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
 * duplicates, metadata, values that a type forbids, buckets, timestamps, `# EOF`.  Memory is
 * bounded by conf: names of families and series are kept as 64-bit hashes, those of series only
 * as long as their family lasts.
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
};

struct check_conf {
    enum page_format format;
    size_t max_line;     /* bytes */
    size_t max_series;   /* hashes of one family kept; above them a page is at fault */
    size_t max_families; /* likewise of a page */
    void *of;
    /* Each fault, in the order they are found; one may be about lines before (a histogram that
     * ends without +Inf is found at the next family).  May be NULL. */
    void (*fault)(void *of, const struct check_fault *f);
    /* Each sound line; may be NULL. */
    void (*line)(void *of, const struct promtext_line *l);
};

struct check;
struct check *check_new(const struct check_conf *conf);
void check_free(struct check *c); /* NULL is fine */

/* One line with its newline, which only the last one may lack.  How many faults were found. */
size_t check_line(struct check *c, struct span line);

/* The page is at its end: what is missing is found now. */
size_t check_end(struct check *c);

/* A whole page at once, up to its first fault.  OK, or ERR_INVALID: *err (may be NULL) says
 * "line 3, column 7: TOKEN: what is wrong". */
enum status check_page(const struct check_conf *conf, struct span page, struct err *err) NODISCARD;

#endif
