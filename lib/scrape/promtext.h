/* SPDX-License-Identifier: Apache-2.0 */
/* promtext.h - reads a page in the Prometheus text format or in OpenMetrics, line by line.
 *
 *     struct promtext t;
 *     struct promtext_line l;
 *     promtext_init(&t, body);
 *     t.format = FORMAT_OPENMETRICS;
 *     while ((s = promtext_next(&t, &l, &err)) != ERR_CLOSED)
 *         if (s == OK) ...
 *
 * Copies nothing: all spans point into the text, which need not be NUL-terminated
 * and is never read past its end.  A bad line costs that line only, and so does one longer
 * than max_line.  What one line says is judged here, what lines say together in check.h.
 *
 * Read leniently, blanks, tabs and empty lines may stand anywhere between tokens, and CRLF, a
 * missing last newline, comments and a ',' behind the last label are accepted; in both formats a
 * name may be quoted, and in OpenMetrics a line may have what version 2 adds: st@ and more than
 * one exemplar.  Read exactly, a line that the grammar of the format does not have is a bad
 * line; quoted names are read all the same, as their own content types ask for them. */
#ifndef PROMTEXT_H
#define PROMTEXT_H

#include "err.h"
#include "format.h"
#include "series.h"

#define PROMTEXT_LABELS          64 /* in one line */
#define PROMTEXT_EXEMPLAR_LABELS 64 /* in its exemplar */

struct promtext_label {
    struct span name;  /* a label name by its grammar; quoted: any UTF-8 but "", still escaped */
    struct span value; /* UTF-8, still escaped */
    bool escaped;      /* value holds a backslash */
    bool quoted;       /* the name stands in quotes */
    bool name_escaped; /* name holds a backslash */
    bool simple;       /* all are false, and value is of printable ASCII without '"' and '\\' */
};

/* What OpenMetrics writes behind a '#'. */
struct promtext_exemplar {
    double number;
    int64_t ts_ms;
    bool has_ts;
    const char *at; /* its '#' */
    size_t labels_len;
    struct promtext_label labels[PROMTEXT_EXEMPLAR_LABELS];
};

struct promtext {
    const char *start, *at, *end;
    const char *bad;  /* where the line went wrong */
    const char *what; /* static; what is wrong there */
    const char *rule; /* static; the name of the rule: "label-name" */

    /* to be set after promtext_init by whom the defaults do not suit */
    size_t max_line; /* bytes without the newline; a longer line is a bad one; at first, none is */
    enum page_format format; /* at first FORMAT_TEXT */
    bool exact;              /* at first false */
    bool quoted;             /* quoted names are read; at first false: they are bad lines */
    bool version2;           /* OpenMetrics 2.0 in an exact reading; at first false */

    struct promtext_exemplar exemplar; /* room for that of the line */
};

enum promtext_item {
    PROMTEXT_SAMPLE, /* name, labels, value */
    PROMTEXT_TYPE,   /* name, kind */
    PROMTEXT_HELP,   /* name, text */
    PROMTEXT_UNIT,   /* name, text; in the text format not by its grammar: lenient only */
    PROMTEXT_EOF,    /* "# EOF", in OpenMetrics only; what stands behind it is read on */
};

struct promtext_value {
    double number;
    struct span text;    /* of number if it is plain (see number.h), else NULL */
    int64_t ts_ms;       /* CLOCK_MIN_MS..CLOCK_MAX_MS, to the nearest millisecond; in OpenMetrics
                            and in an exact reading a time outside is the nearer of the two */
    struct span ts_text; /* as written; valid with has_ts */
    int64_t created_ms;  /* st@, likewise */
    bool has_ts, has_created;
    const struct promtext_exemplar *exemplar; /* NULL: none; until the next line is read */
};

struct promtext_line {
    enum promtext_item item;
    struct span name;
    bool quoted;       /* the name stands in quotes: any UTF-8 but "", still escaped */
    bool name_escaped; /* name holds a backslash */
    enum series_kind kind;
    struct span text; /* still escaped; not checked for UTF-8 unless exact */
    size_t labels_len;
    struct promtext_label labels[PROMTEXT_LABELS];
    const char *value_at; /* where the value starts */
    struct promtext_value value;
};

/* The whole text of a page, or one line of it. */
void promtext_init(struct promtext *t, struct span body);

/* Reads up to the next line that says something.
 *   OK           *ret is filled
 *   ERR_CLOSED   end of the text
 *   ERR_INVALID  a bad line, *err (may be NULL) says "line 3, column 7: ..."
 *   ERR_LIMIT    likewise, more than PROMTEXT_LABELS labels, or in an exemplar
 * After both errors t->bad, t->what and t->rule say more, and the next call goes on with the next
 * line.  *ret is used as room for work: its content counts only after OK.  Finding the line's
 * number costs a walk over the text, so pass err for the first bad line only. */
enum status promtext_next(struct promtext *t, struct promtext_line *ret, struct err *err) NODISCARD;

/* Reads what stands behind name and labels: number, perhaps a timestamp and an exemplar, end of
 * line.  False: something else stands there; t->at is anywhere on the line. */
bool promtext_value(struct promtext *t, struct promtext_value *ret) NODISCARD;

/* Undoes \\ and \n, and \" too; any other backslash stays.  out has room for
 * text.len bytes.  Returns the bytes written. */
size_t promtext_unescape(char *out, struct span text);

#endif
