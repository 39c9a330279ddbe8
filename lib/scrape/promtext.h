/* SPDX-License-Identifier: Apache-2.0 */
/* promtext.h - reads the Prometheus text format 0.0.4, line by line.
 *
 *     struct promtext t;
 *     struct promtext_line l;
 *     promtext_init(&t, body);
 *     while ((s = promtext_next(&t, &l, &err)) != ERR_CLOSED)
 *         if (s == OK) ...
 *
 * Copies nothing: all spans point into the text, which need not be NUL-terminated
 * and is never read past its end.  A bad line costs that line only, and so does one longer
 * than max_line, which the caller may set after promtext_init.  CRLF and a
 * missing last newline are accepted.  OpenMetrics is another format; what both
 * share works, `# EOF` is a comment, exemplars are bad lines.  */
#ifndef PROMTEXT_H
#define PROMTEXT_H

#include "err.h"
#include "series.h"

#define PROMTEXT_LABELS 64 /* in one line */

struct promtext {
    const char *start, *at, *end;
    const char *bad;  /* where the line went wrong */
    const char *what; /* what is wrong there */
    size_t max_line;  /* bytes without the newline; a longer line is a bad one; none at first */
};

enum promtext_item {
    PROMTEXT_SAMPLE, /* name, labels, value */
    PROMTEXT_TYPE,   /* name, kind */
    PROMTEXT_HELP,   /* name, text */
    PROMTEXT_UNIT,   /* name, text */
};

struct promtext_label {
    struct span name;  /* a label name by its grammar */
    struct span value; /* UTF-8, still escaped */
    bool escaped;      /* value holds a backslash */
};

struct promtext_value {
    double number;
    struct span text; /* of number if it is plain (see number.h), else NULL */
    int64_t ts_ms;
    bool has_ts;
};

struct promtext_line {
    enum promtext_item item;
    struct span name;
    enum series_kind kind;
    struct span text; /* still escaped; not checked for UTF-8 */
    size_t labels_len;
    struct promtext_label labels[PROMTEXT_LABELS];
    const char *value_at; /* where the value starts */
    struct promtext_value value;
};

void promtext_init(struct promtext *t, struct span body);

/* Reads up to the next line that says something.
 *   OK           *ret is filled
 *   ERR_CLOSED   end of the text
 *   ERR_INVALID  a bad line, *err (may be NULL) says "line 3, column 7: ..."
 *   ERR_LIMIT    likewise, more than PROMTEXT_LABELS labels
 * After both errors the next call goes on with the next line.  *ret is used as
 * room for work: its content counts only after OK.  Finding the line's number
 * costs a walk over the text, so pass err for the first bad line only. */
enum status promtext_next(struct promtext *t, struct promtext_line *ret, struct err *err) NODISCARD;

/* Reads what stands behind name and labels: number, perhaps a timestamp, end of
 * line.  False: something else stands there; t->at is anywhere on the line. */
bool promtext_value(struct promtext *t, struct promtext_value *ret) NODISCARD;

/* Undoes \\ and \n, and \" too; any other backslash stays.  out has room for
 * text.len bytes.  Returns the bytes written. */
size_t promtext_unescape(char *out, struct span text);

#endif
