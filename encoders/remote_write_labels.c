/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write_labels.c - the labels of a series, as remote write 1.0 has them. */
#include "remote_write.h"

#define LEN(text) (sizeof text - 1)

enum status labels_add(struct buf *out, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    size_t len = label_len(name_len, value_len);
    char *p = buf_room(out, 1 + VARINT_ROOM + len);
    if (!p)
        return ERR_LIMIT;
    *p++ = WIRE_BYTES(1);
    p = varint_put(p, len);
    p = put_text(p, WIRE_BYTES(1), name, name_len);
    p = put_text(p, WIRE_BYTES(2), value, value_len);
    buf_used(out, (size_t)(p - out->data) - out->len);
    return OK;
}

static enum status add_labels(const struct series *s, struct buf *out)
{
    enum status r = OK;
    bool named = false;
    for (struct label l = series_first(s); r == OK; l = series_next(s, l)) {
        if (!named && (!l.name || strcmp(l.name, LABELS_NAME) > 0)) {
            r = labels_add(out, LABELS_NAME, series_name(s));
            named = true;
        }
        if (!l.name)
            break;
        if (r == OK)
            r = labels_add(out, l.name, l.value);
    }
    return r;
}

/* A constant part of 1.0. */
struct lengths {
    uint32_t len;  /* of all Label messages */
    uint8_t texts; /* of the key: of the name and its labels; 0: the messages stand there instead */
    uint8_t name_at; /* labels in front of __name__ */
    uint8_t lens[];
};
#define LENGTHS_ROOM offsetof(struct lengths, lens)
#define SHORT_TEXT   127 /* its length is written as one byte */

/* False: some text is long, or they are many. */
static bool measure(const struct series *s, struct lengths *c, uint8_t lens[UINT8_MAX])
{
    struct span key = series_key(s);
    size_t n = 0, len, before = 0;
    c->len = 0;
    for (const char *text = key.data; text < key.data + key.len; text += len + 1, before = len) {
        len = strlen(text);
        if (len > SHORT_TEXT || n == UINT8_MAX)
            return false;
        if (n % 2 == 0) {
            size_t label = label_len(n ? before : LEN(LABELS_NAME), len);
            c->len += (uint32_t)(1 + varint_len(label) + label);
        } else {
            c->name_at = (uint8_t)(c->name_at + (strcmp(text, LABELS_NAME) < 0));
        }
        lens[n++] = (uint8_t)len;
    }
    c->texts = (uint8_t)n;
    return true;
}

enum status labels_keep(const struct series *s, struct buf *out)
{
    size_t start = out->len;
    struct lengths c = {.texts = 0};
    uint8_t lens[UINT8_MAX];
    if (series_label(s, LABELS_NAME))
        return ERR_INVALID; /* it takes the name's place */
    bool measured = measure(s, &c, lens);
    if (!measured)
        c = (struct lengths){.texts = 0};
    enum status r = buf_add(out, &c, LENGTHS_ROOM);
    if (r == OK)
        r = measured ? buf_add(out, lens, c.texts) : add_labels(s, out);
    if (r != OK || measured)
        return r;
    c.len = (uint32_t)(out->len - start - LENGTHS_ROOM);
    memcpy(out->data + start, &c, LENGTHS_ROOM);
    return OK;
}

/* In one go where so much may be read; what is written too much is written over.  memmove: see
 * json.c. */
static inline char *put_short(char *p, char key, const char *text, size_t len, const char *end)
{
    *p++ = key;
    *p++ = (char)len;
    if (len <= LABELS_SLACK && end - text >= LABELS_SLACK)
        memcpy(p, text, LABELS_SLACK);
    else
        memmove(p, text, len);
    return p + len;
}

static inline char *start_label(char *p, size_t name_len, size_t value_len)
{
    *p++ = WIRE_BYTES(1);
    return varint_put(p, 4 + name_len + value_len);
}

static inline char *put_name(char *p, const struct lengths *c, struct span key)
{
    p = put_text(start_label(p, LEN(LABELS_NAME), c->lens[0]), WIRE_BYTES(1), LABELS_NAME,
                 LEN(LABELS_NAME));
    return put_short(p, WIRE_BYTES(2), key.data, c->lens[0], key.data + key.len);
}

static inline char *put_labels(char *p, const struct lengths *c, struct span key)
{
    const char *text = key.data + c->lens[0] + 1, *end = key.data + key.len;
    size_t labels = c->texts / 2;
    for (size_t i = 0; i < labels; i++) {
        size_t name_len = c->lens[2 * i + 1], value_len = c->lens[2 * i + 2];
        if (i == c->name_at)
            p = put_name(p, c, key);
        p = put_short(start_label(p, name_len, value_len), WIRE_BYTES(1), text, name_len, end);
        text += name_len + 1;
        p = put_short(p, WIRE_BYTES(2), text, value_len, end);
        text += value_len + 1;
    }
    return labels == c->name_at ? put_name(p, c, key) : p;
}

size_t labels_len(struct span constant)
{
    const struct lengths *c = (const void *)constant.data;
    return c->len;
}

char *labels_put(char *p, struct span constant, const struct series *s)
{
    const struct lengths *c = (const void *)constant.data;
    if (c->texts)
        return put_labels(p, c, series_key(s));
    memcpy(p, c->lens, c->len);
    return p + c->len;
}
