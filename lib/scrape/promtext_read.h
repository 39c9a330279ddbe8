/* SPDX-License-Identifier: Apache-2.0 */
/* promtext_read.h - the pieces that promtext.c and promtext_value.c are made of; for them alone. */
#ifndef PROMTEXT_READ_H
#define PROMTEXT_READ_H

#include "promtext.h"

/* OpenMetrics to the letter: one space between tokens, none elsewhere. */
static inline bool promtext_tight(const struct promtext *t)
{
    return t->exact && t->format == FORMAT_OPENMETRICS;
}

/* The byte at t->at, NUL at the end.  Where it is looked at, a NUL in the text is as wrong as the
 * end, so the two need not be told apart. */
static inline char peek(const struct promtext *t)
{
    return t->at < t->end ? *t->at : '\0';
}

static inline bool refuse(struct promtext *t, const char *bad, const char *rule, const char *what)
{
    t->bad = bad;
    t->rule = rule;
    t->what = what;
    return false;
}

static inline bool eat(struct promtext *t, char c)
{
    if (t->at == t->end || *t->at != c)
        return false;
    t->at++;
    return true;
}

static inline void skip_blanks(struct promtext *t)
{
    while (peek(t) == ' ' || peek(t) == '\t')
        t->at++;
}

/* Where the grammar of the text format has blanks and that of OpenMetrics has none. */
static inline void skip_optional(struct promtext *t)
{
    if (!promtext_tight(t))
        skip_blanks(t);
}

/* Newline, CR newline, or the end of the text. */
static inline bool end_of_line(struct promtext *t)
{
    const char *before = t->at;
    if (!t->exact)
        eat(t, '\r');
    if (t->at == t->end || eat(t, '\n'))
        return true;
    t->at = before;
    return false;
}

/* A token ends at a blank or control character. */
static inline struct span read_token(struct promtext *t)
{
    const char *start = t->at;
    while (t->at < t->end && (unsigned char)*t->at > ' ')
        t->at++;
    return (struct span){start, (size_t)(t->at - start)};
}

/* Labels up to the '}'; the '{' is eaten.  named: may be NULL; its name may be the first of them,
 * in quotes.  *ret_len counts those read, also after a failure. */
bool promtext_labels(struct promtext *t, struct promtext_label *labels, size_t cap, size_t *ret_len,
                     struct promtext_line *named);

#endif
