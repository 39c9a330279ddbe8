/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write.c - Prometheus remote write, 1.0 and 2.0 (docs/MESSAGES.md).
 *
 * A message is one protobuf message, compressed by snappy's block format:
 *
 *     1.0   WriteRequest { TimeSeries = 1 { Label = 1 { name = 1, value = 2 } ..., Sample = 2 } ... }
 *     2.0   Request { symbols = 4 ..., TimeSeries = 5 { labels_refs = 1, Sample = 2, Metadata = 5 } }
 *     Sample { value = 1, timestamp = 2 }, in milliseconds
 *
 * Each series has one sample.  Labels are sorted, __name__ among them.  A series that has ended
 * gets a sample whose value is the stale marker, a NaN of its own.  2.0: symbols stand between the
 * series, each in front of the first that refers to it, for protobuf has no order of fields.
 *
 * The constant part of 1.0 is all Label messages; of 2.0 hash and length of each text, whose
 * bytes stand in the series.  Fields of value 0 are written too: the sign of -0 would be lost.  */
#include "remote_write.h"

#include "compress.h"
#include "encoder.h"
#include "mem.h"

#include <endian.h>
#include <math.h>

#define NAME         "__name__"
#define NORMAL_NAN   UINT64_C(0x7ff8000000000001)
#define STALE_MARKER UINT64_C(0x7ff0000000000002)

struct remote_write_conf {
    unsigned version;
    bool help;
};

struct remote_write {
    bool symbols; /* version 2.0 */
    bool help;
};

static const char *const versions[] = {"v1", "v2", NULL};

static const struct setting settings[] = {
    SETTING_CHOICE(remote_write_conf, version, "v1", versions,
                   "of the protocol; 1.0: any receiver; 2.0: smaller, with types and helps"),
    SETTING_BOOL(remote_write_conf, help, "true", "whether 2.0 carries the metrics' helps"),
    SETTING_END};

static enum status remote_write_open(void **ret_self, const void *conf, struct err *err)
{
    const struct remote_write_conf *c = conf;
    (void)err;
    struct remote_write *self = mem_alloc(sizeof *self);
    self->symbols = c->version == 1;
    self->help = c->help;
    *ret_self = self;
    return OK;
}

static const char *remote_write_content_type(const void *of)
{
    const struct remote_write *self = of;
    return self->symbols ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                         : "application/x-protobuf";
}

static const char *const *remote_write_headers(const void *of)
{
    static const char *const one[] = {"Content-Encoding: snappy",
                                      "X-Prometheus-Remote-Write-Version: 0.1.0", NULL};
    static const char *const two[] = {"Content-Encoding: snappy",
                                      "X-Prometheus-Remote-Write-Version: 2.0.0", NULL};
    const struct remote_write *self = of;
    return self->symbols ? two : one;
}

static char *put_text(char *p, char key, const char *text, size_t len)
{
    *p++ = key;
    p = varint_put(p, len);
    memcpy(p, text, len);
    return p + len;
}

static enum status add_label(struct buf *out, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    size_t len = 2 + varint_len(name_len) + name_len + varint_len(value_len) + value_len;
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

/* ERR_INVALID: a label takes the name's place. */
static enum status add_labels(const struct series *s, struct buf *out)
{
    enum status r = OK;
    bool named = false;
    for (struct label l = series_first(s); r == OK; l = series_next(s, l)) {
        int order = l.name ? strcmp(l.name, NAME) : 1;
        if (order == 0)
            return ERR_INVALID;
        if (!named && order > 0) {
            r = add_label(out, NAME, series_name(s));
            named = true;
        }
        if (!l.name)
            break;
        if (r == OK)
            r = add_label(out, l.name, l.value);
    }
    return r;
}

/* A constant part of 2.0. */
struct constant {
    uint16_t texts;           /* of the key: of the name and its labels */
    uint16_t name_at;         /* labels in front of __name__ */
    struct symbol texts_of[]; /* help and unit behind them */
};
#define CONSTANT_ROOM offsetof(struct constant, texts_of)
#define MAX_TEXTS     4095

static enum status add_symbol(struct buf *out, const char *text)
{
    struct symbol s = symbol_of((struct span){text, strlen(text)});
    return buf_add(out, &s, sizeof s);
}

static const char *known(const char *text)
{
    return text ? text : "";
}

static enum status add_symbols(const struct remote_write *self, const struct series *s,
                               struct buf *out)
{
    struct constant c = {.texts = 1};
    for (struct label l = series_first(s); l.name; l = series_next(s, l), c.texts += 2) {
        int order = strcmp(l.name, NAME);
        if (order == 0 || c.texts >= MAX_TEXTS)
            return ERR_INVALID;
        c.name_at = (uint16_t)(c.name_at + (order < 0));
    }
    enum status r = buf_add(out, &c, CONSTANT_ROOM);
    struct span key = series_key(s);
    for (const char *t = key.data; t < key.data + key.len && r == OK; t += strlen(t) + 1)
        r = add_symbol(out, t);
    if (r == OK)
        r = add_symbol(out, self->help ? known(s->family->help) : "");
    return r == OK ? add_symbol(out, known(s->family->unit)) : r;
}

static enum status remote_write_constant(const void *of, const struct series *s, struct buf *out)
{
    const struct remote_write *self = of;
    return self->symbols ? add_symbols(self, s, out) : add_labels(s, out);
}

#define SAMPLE_ROOM (2 + 9 + 1 + VARINT_ROOM)

static inline size_t sample_len(int64_t ts_ms)
{
    return 9 + 1 + varint_len((uint64_t)ts_ms);
}

/* Field 2 of a series in both versions. */
static inline char *put_sample(char *p, uint64_t bits, int64_t ts_ms)
{
    uint64_t little = htole64(bits);
    *p++ = WIRE_BYTES(2);
    *p++ = (char)sample_len(ts_ms);
    *p++ = WIRE_DOUBLE(1);
    memcpy(p, &little, sizeof little);
    p += sizeof little;
    *p++ = WIRE_VARINT(2);
    return varint_put(p, (uint64_t)ts_ms);
}

static inline enum status write_labels(struct message *m, uint64_t bits, int64_t ts_ms,
                                       struct span labels)
{
    char *p = buf_room(m->out, 1 + VARINT_ROOM + labels.len + SAMPLE_ROOM);
    if (!p)
        return ERR_LIMIT;
    *p++ = WIRE_BYTES(1);
    p = varint_put(p, labels.len + 2 + sample_len(ts_ms));
    memcpy(p, labels.data, labels.len);
    p = put_sample(p + labels.len, bits, ts_ms);
    buf_used(m->out, (size_t)(p - m->out->data) - m->out->len);
    return OK;
}

/* Numbers of the texts of a series. */
struct refs {
    uint32_t help, unit;
    size_t len;
    char labels[2 * (MAX_TEXTS + 1)]; /* as they are written */
};

static enum status find_refs(struct buf *out, const struct series *s, const struct constant *c,
                             struct refs *ret)
{
    const char *text = series_key(s).data;
    const struct symbol *symbol = c->texts_of;
    uint32_t name = 0, number = 0;
    enum status r = symbols_get(out, *symbol, text, &name);
    char *p = ret->labels;
    for (size_t i = 0; 2 * i + 1 <= c->texts && r == OK; i++) {
        if (i == c->name_at)
            p = varint_put(varint_put(p, SYMBOL_NAME), name);
        for (size_t k = 0; k < 2 && 2 * i + 1 < c->texts && r == OK; k++) {
            text += symbol++->len + 1;
            r = symbols_get(out, *symbol, text, &number);
            p = varint_put(p, number);
        }
    }
    ret->len = (size_t)(p - ret->labels);
    const struct family *f = s->family;
    symbol = c->texts_of + c->texts;
    if (r == OK)
        r = symbols_get(out, symbol[0], symbol[0].len ? f->help : "", &ret->help);
    return r == OK ? symbols_get(out, symbol[1], symbol[1].len ? f->unit : "", &ret->unit) : r;
}

static char kind_number(enum series_kind kind)
{
    static const char numbers[SERIES_KINDS] = {
        [SERIES_UNTYPED] = 0,   [SERIES_COUNTER] = 1,        [SERIES_GAUGE] = 2,
        [SERIES_HISTOGRAM] = 3, [SERIES_GAUGEHISTOGRAM] = 4, [SERIES_SUMMARY] = 5,
        [SERIES_INFO] = 6,      [SERIES_STATESET] = 7,
    };
    return numbers[kind];
}

/* What unset says needs no bytes. */
static char *put_metadata(char *p, const struct series *s, const struct refs *refs)
{
    char inner[2 + 2 * 4], *q = inner, kind = kind_number(s->family->kind);
    if (kind) {
        *q++ = WIRE_VARINT(1);
        *q++ = kind;
    }
    if (refs->help) {
        *q++ = WIRE_VARINT(3);
        q = varint_put(q, refs->help);
    }
    if (refs->unit) {
        *q++ = WIRE_VARINT(4);
        q = varint_put(q, refs->unit);
    }
    return q > inner ? put_text(p, WIRE_BYTES(5), inner, (size_t)(q - inner)) : p;
}

static enum status write_refs(struct message *m, const struct series *s, uint64_t bits,
                              int64_t ts_ms, const struct constant *c)
{
    struct refs refs;
    uint32_t before = symbols_count(m->out);
    char *p = NULL, metadata[16];
    if (find_refs(m->out, s, c, &refs) == OK)
        p = buf_room(m->out, 2 * (1 + VARINT_ROOM) + refs.len + SAMPLE_ROOM + sizeof metadata);
    if (!p) {
        symbols_undo(m->out, before);
        return ERR_LIMIT;
    }
    size_t metadata_len = (size_t)(put_metadata(metadata, s, &refs) - metadata);
    *p++ = WIRE_BYTES(5);
    p = varint_put(p, 1 + varint_len(refs.len) + refs.len + 2 + sample_len(ts_ms) + metadata_len);
    p = put_text(p, WIRE_BYTES(1), refs.labels, refs.len);
    p = put_sample(p, bits, ts_ms);
    memcpy(p, metadata, metadata_len);
    p += metadata_len;
    buf_used(m->out, (size_t)(p - m->out->data) - m->out->len);
    return OK;
}

static inline enum status write_series(const struct remote_write *self, struct message *m,
                                       const struct series *s, uint64_t bits, int64_t ts_ms,
                                       struct span constant)
{
    if (!self->symbols)
        return write_labels(m, bits, ts_ms, constant);
    return write_refs(m, s, bits, ts_ms, (const void *)constant.data);
}

static enum status remote_write_append(const void *self, struct message *m, const struct sample *s,
                                       struct span constant)
{
    uint64_t bits = NORMAL_NAN; /* none may look like a marker */
    if (!isnan(s->value))
        memcpy(&bits, &s->value, sizeof bits);
    return write_series(self, m, s->series, bits, s->ts_ms, constant);
}

static enum status remote_write_append_ended(const void *self, struct message *m,
                                             const struct series *s, int64_t ts_ms,
                                             struct span constant)
{
    return write_series(self, m, s, STALE_MARKER, ts_ms, constant);
}

static enum status remote_write_begin(const void *of, struct message *m)
{
    const struct remote_write *self = of;
    return self->symbols ? symbols_begin(m->out) : OK;
}

static void remote_write_finish(const void *of, struct span in, struct buf *out)
{
    const struct remote_write *self = of;
    size_t skip = self->symbols ? symbols_room() : 0;
    if (compress_snappy((struct span){in.data + skip, in.len - skip}, out) != OK)
        abort(); /* cannot be: see finish_max */
}

/* Snappy makes at most 7 bytes of 6, and some more. */
static size_t remote_write_finish_max(const void *of, size_t max)
{
    const struct remote_write *self = of;
    size_t len = max / 7 * 6;
    while (len > 0 && compress_max(COMPRESS_SNAPPY, len) > max)
        len--;
    return len > 0 && self->symbols ? len + symbols_room() : len;
}

static const char *const sinks[] = {"http", "nats", "kafka", NULL};

const struct encoder_ops encoder_remote_write = {
    .name = "remote_write",
    .help = "Prometheus remote write, 1.0 and 2.0",
    .settings = settings,
    .conf_size = sizeof(struct remote_write_conf),
    .sinks = sinks,
    .open = remote_write_open,
    .content_type = remote_write_content_type,
    .headers = remote_write_headers,
    .begin = remote_write_begin,
    .constant = remote_write_constant,
    .append = remote_write_append,
    .append_ended = remote_write_append_ended,
    .finish = remote_write_finish,
    .finish_max = remote_write_finish_max,
    .close = mem_free,
};
