/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - pieces of text that belong to somebody else. */
#ifndef TEXT_H
#define TEXT_H

#include "base.h"

struct span {
    const char *data; /* not NUL-terminated */
    size_t len;
};

struct label {
    const char *name;  /* [a-zA-Z_][a-zA-Z0-9_]*, NUL-terminated */
    const char *value; /* UTF-8, NUL-terminated, never "" */
};

static inline bool span_is(struct span s, const char *text)
{
    return strlen(text) == s.len && memcmp(s.data, text, s.len) == 0;
}

/* True for UTF-8 without NUL, surrogates and over-long forms.  Everything kept
 * in a series has passed this, so encoders need not look again. */
bool text_is_utf8(struct span s);

/* The first line of what a peer says, for people: whole characters, no control characters, as much
 * as fits into size, which is at least 1. */
void text_line(char *out, size_t size, struct span said);

/* [a-zA-Z_][a-zA-Z0-9_]* */
bool text_is_label_name(struct span s);

#endif
