/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - pieces of text that belong to somebody else. */
#ifndef TEXT_H
#define TEXT_H

#include "base.h"

#include <endian.h>

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

/* The first byte from at on that is '"', '\\', no ASCII or a control character (a DEL may pass); or one
 * before it with fewer than eight bytes behind it, up to end.  Looks at eight bytes at once. */
static inline const char *text_skip_plain(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    for (; end - at >= 8; at += 8) {
        uint64_t bytes;
        memcpy(&bytes, at, sizeof bytes);
        bytes = le64toh(bytes);
        uint64_t quote = bytes ^ (ones * '"'), backslash = bytes ^ (ones * '\\');
        /* A subtraction borrows from the bytes behind one that is found, never from those before. */
        uint64_t found =
            ((bytes - ones * ' ') | (quote - ones) | (backslash - ones) | bytes) & high;
        if (found)
            return at + __builtin_ctzll(found) / 8;
    }
    return at;
}

/* The first line of what a peer says, for people: whole characters, no control characters, as much
 * as fits into size, which is at least 1. */
void text_line(char *out, size_t size, struct span said);

/* [a-zA-Z_][a-zA-Z0-9_]* */
bool text_is_label_name(struct span s);

#endif
