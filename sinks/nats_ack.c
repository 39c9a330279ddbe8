/* SPDX-License-Identifier: Apache-2.0 */
/* nats_ack.c - JetStream's answers; the contract is in nats_ack.h.
 *
 *     {"stream":"METRICS","seq":7,"duplicate":true}
 *     {"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},...}
 *
 * Nothing else is looked for, so this walks over the text once and keeps these values. */
#include "nats_ack.h"

#include <nats/nats.h>

#define DEPTH_MAX 8
#define KEY_MAX   16

struct ack {
    struct span left;
    int depth;
    bool in_error;           /* inside the object behind "error" */
    bool has_error, has_seq; /* seen */
    bool duplicate;          /* seen as true */
    long code, err_code;     /* 0: not seen */
    char description[sizeof((struct err *)0)->text];
};

static bool next_is(struct ack *a, char c)
{
    while (a->left.len > 0 && memchr(" \t\r\n", a->left.data[0], 4)) {
        a->left.data++;
        a->left.len--;
    }
    if (a->left.len == 0 || a->left.data[0] != c)
        return false;
    a->left.data++;
    a->left.len--;
    return true;
}

/* The rest of a string whose quote has been read; escapes become '?'; cut to fit. */
static bool read_string(struct ack *a, char *out, size_t room)
{
    size_t n = 0;
    for (; a->left.len > 0; a->left.data++, a->left.len--) {
        char c = a->left.data[0];
        if (c == '"') {
            out[n] = '\0';
            a->left.data++;
            a->left.len--;
            return true;
        }
        if (c == '\\') {
            if (a->left.len < 2)
                return false;
            a->left.data++;
            a->left.len--;
            c = '?';
        }
        if (n + 1 < room)
            out[n++] = (unsigned char)c < ' ' ? '?' : c;
    }
    return false;
}

/* A number, true, false or null. */
static bool read_word(struct ack *a, long *ret, bool *ret_true)
{
    char text[24];
    size_t n = 0;
    while (a->left.len > 0 && n + 1 < sizeof text && !memchr(",}] \t\r\n", a->left.data[0], 7)) {
        text[n++] = *a->left.data++;
        a->left.len--;
    }
    text[n] = '\0';
    *ret = strtol(text, NULL, 10);
    *ret_true = strcmp(text, "true") == 0;
    return n > 0;
}

static bool read_members(struct ack *a);

static bool read_array(struct ack *a)
{
    char text[2];
    long number;
    bool yes;
    if (next_is(a, ']'))
        return true;
    do { /* arrays of words and strings: no answer has others */
        if (next_is(a, '"') ? !read_string(a, text, sizeof text) : !read_word(a, &number, &yes))
            return false;
    } while (next_is(a, ','));
    return next_is(a, ']');
}

static bool read_value(struct ack *a, const char *key)
{
    char text[sizeof a->description];
    long number = 0;
    bool yes = false;
    if (next_is(a, '{')) {
        bool error = a->depth == 1 && strcmp(key, "error") == 0;
        a->has_error |= error;
        a->in_error |= error;
        bool ok = read_members(a);
        a->in_error &= !error;
        return ok;
    }
    if (next_is(a, '['))
        return read_array(a);
    if (next_is(a, '"')) {
        if (!read_string(a, text, sizeof text))
            return false;
        if (a->in_error && a->depth == 2 && strcmp(key, "description") == 0)
            memcpy(a->description, text, sizeof text);
        return true;
    }
    if (!read_word(a, &number, &yes))
        return false;
    a->has_seq |= a->depth == 1 && strcmp(key, "seq") == 0;
    a->duplicate |= yes && a->depth == 1 && strcmp(key, "duplicate") == 0;
    if (a->in_error && a->depth == 2 && strcmp(key, "code") == 0)
        a->code = number;
    if (a->in_error && a->depth == 2 && strcmp(key, "err_code") == 0)
        a->err_code = number;
    return true;
}

/* The members of an object whose brace has been read, and the other brace. */
static bool read_members(struct ack *a)
{
    if (++a->depth > DEPTH_MAX)
        return false;
    if (!next_is(a, '}')) {
        do {
            char key[KEY_MAX];
            if (!next_is(a, '"') || !read_string(a, key, sizeof key) || !next_is(a, ':') ||
                !read_value(a, key))
                return false;
        } while (next_is(a, ','));
        if (!next_is(a, '}'))
            return false;
    }
    a->depth--;
    return true;
}

static enum status judge(const struct ack *a)
{
    switch (a->err_code) {
    case JSStreamMessageExceedsMaximumErr: return ERR_LIMIT;
    case 10097: return ERR_LIMIT; /* headers larger than they may be */
    case JSStreamNotMatchErr:
    case JSStreamSealedErr:
    case JSNotEnabledForAccountErr: return ERR_DENIED;
    case JSStreamWrongLastMsgIDErr:
    case JSStreamWrongLastSequenceErr:
    case JSStreamRollupFailedErr: return ERR_INVALID;
    default:
        return a->code == 400 && a->err_code != JSStreamStoreFailedErr ? ERR_INVALID : ERR_AGAIN;
    }
}

enum status nats_ack_read(struct span json, bool *ret_duplicate, struct err *err)
{
    struct ack a = {.left = json};
    if (!next_is(&a, '{') || !read_members(&a) || (!a.has_error && !a.has_seq))
        return err_set(err, ERR_AGAIN, "an answer that is no acknowledgement");
    if (!a.has_error) {
        *ret_duplicate = a.duplicate;
        return OK;
    }
    return err_set(err, judge(&a), "%.180s (code %ld)", a.description, a.err_code);
}
