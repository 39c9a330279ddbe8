/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write.c - Prometheus remote write, 1.0 and 2.0 (docs/MESSAGES.md).
 *
 * A message is one protobuf message, compressed by snappy's block format, or 2.0 by zstd:
 *
 *     1.0   WriteRequest { TimeSeries = 1 { Label = 1 { name = 1, value = 2 } ..., Sample = 2,
 *                                           Exemplar = 3 { Label = 1 ..., value = 2, timestamp = 3 } } }
 *     2.0   Request { symbols = 4 ..., TimeSeries = 5 { labels_refs = 1, Sample = 2,
 *                     Exemplar = 4 { labels_refs = 1, value = 2, timestamp = 3 }, Metadata = 5,
 *                     created_timestamp = 6 } }
 *     Sample { value = 1, timestamp = 2, start_timestamp = 3 (2.0) }, in milliseconds
 *
 * The created time stands twice: the protocol's drafts have moved it from the series to its
 * sample, and a receiver passes over the one it does not know.
 *
 * Each series has one sample.  Labels are sorted, __name__ among them.  A series that has ended
 * gets a sample whose value is the stale marker, a NaN of its own.  2.0: symbols stand between the
 * series, each in front of the first that refers to it, for protobuf has no order of fields.
 *
 * How 1.0 is written: remote_write_v1.c.  The constant part of 2.0 is hash and length of each text, whose
 * bytes stand in the series.  Fields of value 0 are written too: the sign of -0 would be lost.  */
#include "remote_write.h"

#include "compress.h"
#include "mem.h"

#include <stdatomic.h>

#define STALE_MARKER UINT64_C(0x7ff0000000000002)

struct remote_write_conf {
    unsigned version, compression;
    bool help;
};

/* Compressors that no worker is using: so many of them are kept. */
enum { SPARES = 8 };
struct spares {
    _Atomic(struct compressor *) of[SPARES];
};

struct remote_write {
    bool symbols; /* version 2.0 */
    bool help;
    struct spares *zstd; /* NULL: snappy */
};

static const char *const versions[] = {"v1", "v2", NULL};

static const char *const compressions[] = {"snappy", "zstd", NULL};

static const struct setting settings[] = {
    SETTING_CHOICE(remote_write_conf, version, "v1", versions,
                   "of the protocol; 1.0: any receiver; 2.0: smaller, with types and helps"),
    SETTING_BOOL(remote_write_conf, help, "true", "whether 2.0 carries the metrics' helps"),
    SETTING_CHOICE(remote_write_conf, compression, "snappy", compressions,
                   "zstd: smaller, for receivers of 2.0 that take it; the protocol asks for snappy "
                   "only"),
    SETTING_END};

static enum status remote_write_open(void **ret_self, const void *conf, struct err *err)
{
    const struct remote_write_conf *c = conf;
    if (c->compression && c->version == 0)
        return err_set(err, ERR_INVALID, "compression: version v1 knows snappy only");
    struct remote_write *self = mem_alloc(sizeof *self);
    self->symbols = c->version == 1;
    self->help = c->help;
    self->zstd = c->compression ? mem_alloc(sizeof *self->zstd) : NULL;
    *ret_self = self;
    return OK;
}

static void remote_write_close(void *of)
{
    struct remote_write *self = of;
    for (size_t i = 0; self->zstd && i < SPARES; i++)
        compressor_free(self->zstd->of[i]);
    mem_free(self->zstd);
    mem_free(self);
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
    static const char *const two_zstd[] = {"Content-Encoding: zstd",
                                           "X-Prometheus-Remote-Write-Version: 2.0.0", NULL};
    const struct remote_write *self = of;
    return !self->symbols ? one : self->zstd ? two_zstd : two;
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
        r = add_symbol(out, self->help ? known(family_help(s->family)) : "");
    return r == OK ? add_symbol(out, known(family_unit(s->family))) : r;
}

static enum status remote_write_constant(const void *of, const struct series *s, struct buf *out)
{
    const struct remote_write *self = of;
    return self->symbols ? add_symbols(self, s, out) : v1_constant(s, out);
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
        r = symbols_get(out, symbol[0], symbol[0].len ? family_help(f) : "", &ret->help);
    return r == OK ? symbols_get(out, symbol[1], symbol[1].len ? family_unit(f) : "", &ret->unit)
                   : r;
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

/* Fields 4 of a series in 2.0, its exemplar, as it is written. */
#define EXEMPLAR_TEXTS 256
struct referring_exemplar {
    size_t len; /* 0: there is none */
    char bytes[2 * (1 + VARINT_ROOM) + 2 * EXEMPLAR_TEXTS + OBSERVED_ROOM];
};

/* One of more texts than any page may have is left out. */
static enum status find_exemplar(struct buf *out, const struct point *at,
                                 struct referring_exemplar *ret)
{
    char refs[2 * EXEMPLAR_TEXTS], *p = refs;
    struct span texts = at->exemplar->labels;
    enum status r = OK;
    size_t n = 0;
    for (size_t i = 0, len; i < texts.len && r == OK; i += len + 1) {
        uint32_t number;
        len = strlen(texts.data + i);
        if (n++ == EXEMPLAR_TEXTS)
            return OK;
        r = symbols_get(out, symbol_of((struct span){texts.data + i, len}), texts.data + i,
                        &number);
        p = r == OK ? varint_put(p, number) : p;
    }
    size_t refs_len = (size_t)(p - refs), own = DOUBLE_BYTES + number_len(exemplar_ms(at));
    p = ret->bytes;
    *p++ = WIRE_BYTES(4);
    p = varint_put(p, own + (n ? 1 + varint_len(refs_len) + refs_len : 0));
    if (n)
        p = put_text(p, WIRE_BYTES(1), refs, refs_len);
    ret->len = (size_t)(put_observed(p, at) - ret->bytes);
    return r;
}

static char *put_series(char *p, const struct point *at, const struct refs *refs,
                        struct span exemplar, struct span metadata)
{
    size_t created = at->created_ms ? number_len(at->created_ms) : 0;
    *p++ = WIRE_BYTES(5);
    p = varint_put(p, 1 + varint_len(refs->len) + refs->len + 2 + sample_len(at) + exemplar.len +
                          metadata.len + created);
    p = put_text(p, WIRE_BYTES(1), refs->labels, refs->len);
    p = put_sample(p, at);
    memcpy(p, exemplar.data, exemplar.len);
    p += exemplar.len;
    memcpy(p, metadata.data, metadata.len);
    p += metadata.len;
    return created ? put_number(p, WIRE_VARINT(6), at->created_ms) : p;
}

static enum status write_refs(struct message *m, const struct series *s, const struct point *at,
                              const struct constant *c)
{
    struct refs refs;
    struct referring_exemplar e;
    uint32_t before = symbols_count(m->out);
    char *p = NULL, metadata[16];
    enum status r = find_refs(m->out, s, c, &refs);
    e.len = 0;
    if (r == OK && at->exemplar)
        r = find_exemplar(m->out, at, &e);
    if (r == OK)
        p = buf_room(m->out,
                     3 * (1 + VARINT_ROOM) + refs.len + SAMPLE_ROOM + e.len + sizeof metadata);
    if (!p) {
        symbols_undo(m->out, before);
        return ERR_LIMIT;
    }
    size_t metadata_len = (size_t)(put_metadata(metadata, s, &refs) - metadata);
    char *end = put_series(p, at, &refs, (struct span){e.bytes, e.len},
                           (struct span){metadata, metadata_len});
    buf_used(m->out, (size_t)(end - p));
    return OK;
}

static inline enum status write_series(const struct remote_write *self, struct message *m,
                                       const struct series *s, const struct point *at,
                                       struct span constant)
{
    if (!self->symbols)
        return v1_append(m, s, at, constant);
    return write_refs(m, s, at, (const void *)constant.data);
}

/* A time of 0 would say that there is none: the protocol wants its neighbour. */
static int64_t created_of(const struct sample_extra *x)
{
    if (x->created_ms == EXTRA_NO_TIME)
        return 0;
    return x->created_ms ? x->created_ms : 1;
}

static enum status remote_write_append(const void *of, struct message *m, const struct sample *s,
                                       struct span constant)
{
    const struct remote_write *self = of;
    struct point at = {.bits = bits_of(s->value), .ts_ms = s->ts_ms};
    const struct sample_extra *x = sample_extra(m->batch, s);
    if (x) {
        at.created_ms = self->symbols ? created_of(x) : 0;
        at.exemplar = x->has_exemplar ? &x->exemplar : NULL;
    }
    return write_series(self, m, s->series, &at, constant);
}

static bool remote_write_parts_alone(const void *of)
{
    const struct remote_write *self = of;
    return !self->symbols;
}

static enum status remote_write_append_ended(const void *self, struct message *m,
                                             const struct series *s, int64_t ts_ms,
                                             struct span constant)
{
    return write_series(self, m, s, &(struct point){.bits = STALE_MARKER, .ts_ms = ts_ms},
                        constant);
}

static enum status remote_write_begin(const void *of, struct message *m)
{
    const struct remote_write *self = of;
    return self->symbols ? symbols_begin(m->out) : v1_begin(m);
}

static enum status remote_write_end(const void *of, struct message *m)
{
    const struct remote_write *self = of;
    if (!self->symbols)
        v1_end(m);
    return OK;
}

static struct compressor *take_compressor(struct spares *s)
{
    struct compressor *c = NULL;
    for (size_t i = 0; i < SPARES && !c; i++)
        c = atomic_exchange(&s->of[i], NULL);
    return c ? c : compressor_new(COMPRESS_ZSTD);
}

static void give_compressor(struct spares *s, struct compressor *c)
{
    for (size_t i = 0; i < SPARES && c; i++)
        c = atomic_exchange(&s->of[i], c);
    compressor_free(c);
}

static enum status compress_zstd(struct spares *s, struct span in, struct buf *out)
{
    struct compressor *c = take_compressor(s);
    enum status r = compress_message(c, in, out);
    give_compressor(s, c);
    return r;
}

static void remote_write_finish(const void *of, struct span in, struct buf *out)
{
    const struct remote_write *self = of;
    if (!self->symbols) {
        v1_finish(in, out);
        return;
    }
    in = (struct span){in.data + symbols_room(), in.len - symbols_room()};
    if ((self->zstd ? compress_zstd(self->zstd, in, out) : compress_snappy(in, out)) != OK)
        abort(); /* cannot be: see finish_max */
}

/* Snappy makes at most 7 bytes of 6, and some more; zstd 257 of 256, and some more. */
static size_t remote_write_finish_max(const void *of, size_t max)
{
    const struct remote_write *self = of;
    if (!self->symbols)
        return v1_finish_max(max);
    enum compression how = self->zstd ? COMPRESS_ZSTD : COMPRESS_SNAPPY;
    size_t len = self->zstd ? max - max / 257 : max / 7 * 6;
    while (len > 0 && compress_max(how, len) > max)
        len--;
    return len > 0 ? len + symbols_room() : len;
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
    .end = remote_write_end,
    .constant = remote_write_constant,
    .append = remote_write_append,
    .parts_alone = remote_write_parts_alone,
    .append_ended = remote_write_append_ended,
    .finish = remote_write_finish,
    .finish_max = remote_write_finish_max,
    .close = remote_write_close,
};
