/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write_plain.h - version 1.0 of remote write, field by field and without compression; for tests. */
#ifndef REMOTE_WRITE_PLAIN_H
#define REMOTE_WRITE_PLAIN_H

#include "batch.h"
#include "payload.h"

#include <math.h>
#include <snappy-c.h>

static inline void plain_require(bool right)
{
    if (!right)
        abort();
}

static inline void plain_byte(struct buf *out, int byte)
{
    char c = (char)byte;
    plain_require(buf_add(out, &c, 1) == OK);
}

static inline void plain_varint(struct buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        plain_byte(out, (int)(v & 0x7f) | 0x80);
    plain_byte(out, (int)v);
}

static inline void plain_bytes(struct buf *out, int key, const char *data, size_t len)
{
    plain_byte(out, key);
    plain_varint(out, len);
    plain_require(buf_add(out, data, len) == OK);
}

static inline void plain_label(struct buf *out, const char *name, const char *value)
{
    AUTO(buf) struct buf label = BUF_INIT(1 << 20);
    plain_bytes(&label, 0x0a, name, strlen(name));
    plain_bytes(&label, 0x12, value, strlen(value));
    plain_bytes(out, 0x0a, label.data, label.len);
}

static inline void plain_value(struct buf *out, int key, uint64_t bits)
{
    plain_byte(out, key);
    for (int i = 0; i < 64; i += 8)
        plain_byte(out, (int)(bits >> i & 0xff));
}

static inline uint64_t plain_bits(double value)
{
    uint64_t bits = 0x7ff8000000000001;
    if (!isnan(value))
        memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline void plain_exemplar(struct buf *out, const struct exemplar *e, int64_t ts_ms)
{
    AUTO(buf) struct buf inner = BUF_INIT(1 << 20);
    for (struct label l = exemplar_first(e); l.name; l = exemplar_next(e, l))
        plain_label(&inner, l.name, l.value);
    plain_value(&inner, 0x11, plain_bits(e->value));
    plain_byte(&inner, 0x18);
    plain_varint(&inner, (uint64_t)(e->has_ts ? e->ts_ms : ts_ms));
    plain_bytes(out, 0x1a, inner.data, inner.len);
}

static inline void plain_series(struct buf *out, const struct series *s, uint64_t bits,
                                int64_t ts_ms, const struct exemplar *e)
{
    AUTO(buf) struct buf all = BUF_INIT(1 << 20), sample = BUF_INIT(100);
    bool named = false;
    for (struct label l = series_first(s); l.name; l = series_next(s, l)) {
        if (!named && strcmp(l.name, "__name__") > 0) {
            plain_label(&all, "__name__", series_name(s));
            named = true;
        }
        plain_label(&all, l.name, l.value);
    }
    if (!named)
        plain_label(&all, "__name__", series_name(s));
    plain_value(&sample, 0x09, bits);
    plain_byte(&sample, 0x10);
    plain_varint(&sample, (uint64_t)ts_ms);
    plain_bytes(&all, 0x12, sample.data, sample.len);
    if (e)
        plain_exemplar(&all, e, ts_ms);
    plain_bytes(out, 0x0a, all.data, all.len);
}

/* Record i of b, as all are sent whose series may be named so. */
static inline void plain_record(struct buf *out, const struct batch *b, size_t i)
{
    if (i >= b->len) {
        plain_series(out, b->ended[i - b->len], 0x7ff0000000000002, b->scraped_ms, NULL);
        return;
    }
    const struct sample *s = &b->samples[i];
    const struct sample_extra *x = sample_extra(b, s);
    plain_series(out, s->series, plain_bits(s->value), s->ts_ms,
                 x && x->has_exemplar ? &x->exemplar : NULL);
}

/* What is in the body of p, by the library. */
static inline void plain_open(const struct payload *p, struct buf *ret)
{
    size_t len;
    plain_require(snappy_uncompressed_length(p->body.data, p->body.len, &len) == SNAPPY_OK);
    buf_truncate(ret, 0);
    char *room = buf_room(ret, len);
    plain_require(room != NULL);
    plain_require(snappy_uncompress(p->body.data, p->body.len, room, &len) == SNAPPY_OK);
    buf_used(ret, len);
}

#endif
