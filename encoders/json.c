/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - one object per sample (docs/MESSAGES.md):
 *
 *     {"name":"up","type":"gauge","tags":{"pod":"a"},"timestamp":"2026-11-21T14:26:00.123Z",
 *      "value":1,"unit":"seconds","created":"...",
 *      "exemplar":{"tags":{"trace":"7"},"value":0.5,"timestamp":"..."},"help":"Whether it is up."}
 *
 * unit, created and exemplar where the page says one, help only if configured.  mode ndjson: each object on a line
 * of its own; array: one array per message; single: one object per message.  NaN, +Inf and
 * -Inf, which JSON cannot say, are these words as strings.  Of a series that has ended:
 * "ended":true in place of the value, and the time that missed it.
 *
 * The constant part is the head, up to the time, and the tail behind the value.  Of a head
 * whose texts need no escape only their lengths are kept: the texts stand in the series already.
 * A scrape reads half the memory for it, at the price of some nanoseconds.  */
#include "json_record.h"
#include "mem.h"

#include <math.h>

struct json_conf {
    unsigned mode;
    bool help;
};

static const char *const modes[] = {"ndjson", "array", "single", NULL};

static const struct setting settings[] = {
    SETTING_CHOICE(json_conf, mode, "ndjson", modes,
                   "ndjson: one object per line; array: one array per message; single: one object "
                   "per message"),
    SETTING_BOOL(json_conf, help, "false", "whether each object carries the metric's help"),
    SETTING_END};

static enum status json_open(void **ret_self, const void *conf, struct err *err)
{
    const struct json_conf *c = conf;
    (void)err;
    struct json *self = mem_alloc(sizeof *self);
    self->mode = (enum json_mode)c->mode;
    self->array = c->mode == JSON_ARRAY;
    self->help = c->help;
    for (unsigned i = 0; i < SERIES_KINDS; i++)
        self->types_len[i] =
            (uint8_t)snprintf(self->types[i], JSON_TYPE_ROOM, "\",\"type\":\"%s\",\"tags\":{",
                              series_kind_name((enum series_kind)i));
    *ret_self = self;
    return OK;
}

static const char *json_content_type(const void *self)
{
    const struct json *j = self;
    return j->mode == JSON_NDJSON ? "application/x-ndjson" : "application/json";
}

static size_t json_max_samples(const void *self)
{
    const struct json *j = self;
    return j->mode == JSON_SINGLE ? 1 : SIZE_MAX;
}

static enum status json_begin(const void *self, struct message *m)
{
    const struct json *j = self;
    return j->array ? buf_puts(m->out, "[") : OK;
}

static enum status json_end(const void *self, struct message *m)
{
    const struct json *j = self;
    if (m->lz4)
        json_lz4_end(m->lz4);
    return j->array ? buf_puts(m->out, "]\n") : OK;
}

/* Bytes up to the next one that a string must escape, or to the NUL; before end all may be read. */
static inline size_t count_plain_to(const char *s, const char *end)
{
    static const bool plain[256] = {
        [' '] = true, ['!'] = true, ['#' ... '['] = true, [']' ... 255] = true};
    const char *p = text_skip_plain(s, end);
    while (plain[(unsigned char)*p])
        p++;
    return (size_t)(p - s);
}

static size_t count_plain(const char *s)
{
    return count_plain_to(s, s);
}

/* Behind the opening quote; the first plain bytes need no escape. */
static enum status add_escaped(struct buf *out, const char *s, size_t plain)
{
    enum status r = buf_add(out, s, plain);
    for (s += plain; *s && r == OK; s += plain) {
        r = buf_printf(out, *s == '"' || *s == '\\' ? "\\%c" : "\\u%04x", (unsigned char)*s);
        plain = count_plain(++s);
        if (r == OK)
            r = buf_add(out, s, plain);
    }
    return r == OK ? buf_puts(out, "\"") : r;
}

static enum status add_string(struct buf *out, const char *s)
{
    size_t plain = count_plain(s);
    if (s[plain]) {
        enum status r = buf_puts(out, "\"");
        return r == OK ? add_escaped(out, s, plain) : r;
    }
    char *p = buf_room(out, plain + 2);
    if (!p)
        return ERR_LIMIT;
    *p++ = '"';
    p = json_put(p, s, plain);
    *p = '"';
    buf_used(out, plain + 2);
    return OK;
}

/* With a comma behind whatever stands there already. */
static enum status add_tag(struct buf *out, struct label l)
{
    enum status r = out->data[out->len - 1] == '{' ? OK : buf_puts(out, ",");
    if (r == OK)
        r = add_string(out, l.name);
    if (r == OK)
        r = buf_add(out, ":", 1);
    return r == OK ? add_string(out, l.value) : r;
}

static enum status add_tags(struct buf *out, const struct series *s)
{
    enum status r = OK;
    for (struct label l = series_first(s); l.name && r == OK; l = series_next(s, l))
        r = add_tag(out, l);
    return r;
}

static enum status add_head(const struct json *j, struct buf *out, const struct series *s)
{
    enum series_kind kind = s->family->kind;
    enum status r = buf_add(out, HEAD_START, LEN(HEAD_START) - 1);
    if (r == OK)
        r = add_string(out, series_name(s));
    if (r == OK)
        r = buf_add(out, j->types[kind] + 1, j->types_len[kind] - (size_t)1);
    if (r == OK)
        r = add_tags(out, s);
    return r == OK ? buf_puts(out, HEAD_END) : r;
}

/* ,"name":"text" - nothing without text. */
static enum status add_member(struct buf *out, const char *name, const char *text)
{
    if (!text)
        return OK;
    enum status r = buf_cat(out, ",\"", name, "\":", NULL);
    return r == OK ? add_string(out, text) : r;
}

/* False: some text needs an escape or is long, or they are many. */
static bool measure(const struct json *j, const struct series *s, struct json_constant *c,
                    uint8_t lens[UINT8_MAX])
{
    struct span key = series_key(s);
    size_t n = 0, len;
    const char *end = key.data + key.len;
    for (const char *text = key.data; text < end; text += len + 1) {
        len = count_plain_to(text, end);
        if (text[len] || len > UINT8_MAX || n == UINT8_MAX)
            return false;
        lens[n++] = (uint8_t)len;
    }
    size_t labels = n / 2, quotes = 5 * labels + (labels ? labels - 1 : 0);
    c->texts = (uint8_t)n;
    c->head_len = (uint32_t)(LEN(HEAD_START) + j->types_len[c->kind] + (key.len - n) + quotes +
                             LEN(HEAD_END));
    return true;
}

static enum status keep_head(const struct json *j, const struct series *s, struct buf *out)
{
    size_t start = out->len;
    struct json_constant c = {.kind = (uint8_t)s->family->kind};
    uint8_t lens[UINT8_MAX];
    bool measured = measure(j, s, &c, lens);
    enum status r = buf_add(out, &c, CONSTANT_ROOM);
    if (r == OK)
        r = measured ? buf_add(out, lens, c.texts) : add_head(j, out, s);
    if (r != OK || measured)
        return r;
    c.head_len = (uint32_t)(out->len - start - CONSTANT_ROOM);
    memcpy(out->data + start, &c, CONSTANT_ROOM);
    return OK;
}

static enum status json_constant(const void *self, const struct series *s, struct buf *out)
{
    const struct json *j = self;
    enum status r = keep_head(j, s, out);
    if (r == OK)
        r = add_member(out, "unit", family_unit(s->family));
    return r == OK && j->help ? add_member(out, "help", family_help(s->family)) : r;
}

/* In one go where so much may be read; what is written too much is written over, for a record
 * goes on for more than that behind its head's last text.  memmove: of a memcpy of at most 255
 * bytes gcc makes an instruction that is slow for few. */
static inline char *put_text(char *p, const char *text, size_t len, const char *end)
{
    if (len <= 32 && end - text >= 32)
        memcpy(p, text, 32);
    else
        memmove(p, text, len);
    return p + len;
}

static inline char *put_head(char *p, const struct json *j, const struct series *s,
                             const struct json_constant *c)
{
    struct span key = series_key(s);
    const char *text = key.data, *end = text + key.len;
    p = put_text(json_put(p, HEAD_START, LEN(HEAD_START)), text, c->lens[0], end);
    memcpy(p, j->types[c->kind], JSON_TYPE_ROOM);
    p += j->types_len[c->kind];
    for (size_t i = 1; i < c->texts; i += 2) {
        text += c->lens[i - 1] + 1;
        *p++ = '"';
        p = put_text(p, text, c->lens[i], end);
        p = json_put(p, "\":\"", 3);
        text += c->lens[i] + 1;
        p = put_text(p, text, c->lens[i + 1], end);
        p = json_put(p, "\",", 2);
    }
    return json_put(p - (c->texts > 1), HEAD_END, LEN(HEAD_END));
}

enum status json_add_head(const struct json *j, const struct series *s, struct span constant,
                          struct buf *out)
{
    const struct json_constant *c = (const void *)constant.data;
    char *p = buf_room(out, c->head_len + sizeof(char[2]));
    if (!p)
        return ERR_LIMIT;
    if (c->texts)
        (void)put_head(p, j, s, c);
    else
        memcpy(p, c->lens, c->head_len);
    buf_used(out, c->head_len);
    return OK;
}

static inline __attribute__((always_inline)) enum status write_record(const struct json *j,
                                                                      struct message *m,
                                                                      const struct json_record *r)
{
    const struct json_constant *c = (const void *)r->constant.data;
    const char *kept = (const char *)c->lens;
    struct span tail = json_tail(r->constant);
    size_t fixed = CLOCK_TEXT + 2u * r->quoted + LEN("}\n"); /* or ",}" */
    char *p = buf_room(m->out, fixed + c->head_len + r->middle.len + r->what.len + tail.len);
    if (!p)
        return ERR_LIMIT;
    if (j->array && m->samples > 0)
        *p++ = ',';
    p = c->texts ? put_head(p, j, r->series, c) : json_put(p, kept, c->head_len);
    p = json_put(p, message_time(m, r->ts_ms), CLOCK_TEXT);
    p = json_put(p, r->middle.data, r->middle.len);
    if (r->quoted)
        *p++ = '"';
    p = json_put(p, r->what.data, r->what.len);
    if (r->quoted)
        *p++ = '"';
    if (tail.len > 0) /* few have one, and nothing costs a call */
        p = json_put(p, tail.data, tail.len);
    *p++ = '}';
    if (!j->array)
        *p++ = '\n';
    buf_used(m->out, (size_t)(p - m->out->data) - m->out->len);
    return OK;
}

static enum status add_time(struct buf *out, const char *before, int64_t ts_ms)
{
    char time[CLOCK_TEXT + 1];
    clock_format(time, ts_ms);
    return buf_cat(out, before, time, "\"", NULL);
}

static enum status add_number(struct buf *out, double value)
{
    char digits[NUMBER_ROOM + 1];
    const char *quote = isfinite(value) ? "" : "\"";
    digits[number_print(digits, value)] = '\0';
    return buf_cat(out, quote, digits, quote, NULL);
}

static enum status add_exemplar(struct buf *out, const struct exemplar *e)
{
    enum status r = buf_puts(out, ",\"exemplar\":{\"tags\":{");
    for (struct label l = exemplar_first(e); l.name && r == OK; l = exemplar_next(e, l))
        r = add_tag(out, l);
    if (r == OK)
        r = buf_puts(out, "},\"value\":");
    if (r == OK)
        r = add_number(out, e->value);
    if (r == OK && e->has_ts)
        r = add_time(out, ",\"timestamp\":\"", e->ts_ms);
    return r == OK ? buf_puts(out, "}") : r;
}

struct span json_help(const struct json *j, const struct series *s, struct span tail)
{
    const char *p = tail.data + (j->help ? 0 : tail.len);
    if (j->help && s->family->has_unit) {
        for (p += LEN(",\"unit\":\""); *p != '"'; p++)
            p += *p == '\\';
        p++;
    }
    return (struct span){p, (size_t)(tail.data + tail.len - p)};
}

enum status json_add_extra(struct buf *out, const struct sample_extra *x)
{
    enum status r = OK;
    if (x->created_ms != EXTRA_NO_TIME)
        r = add_time(out, ",\"created\":\"", x->created_ms);
    return r == OK && x->has_exemplar ? add_exemplar(out, &x->exemplar) : r;
}

/* Into the record that was written last, in front of its help. */
static __attribute__((noinline)) enum status put_extra(const struct json *j, struct message *m,
                                                       const struct json_record *record,
                                                       const struct sample_extra *x)
{
    struct span help = json_help(j, record->series, json_tail(record->constant));
    buf_truncate(m->out, m->out->len - LEN("}") - !j->array - help.len);
    enum status r = json_add_extra(m->out, x);
    if (r == OK)
        r = buf_add(m->out, help.data, help.len);
    return r == OK ? buf_puts(m->out, j->array ? "}" : "}\n") : r;
}

static enum status json_append(const void *self, struct message *m, const struct sample *s,
                               struct span constant)
{
    char digits[NUMBER_ROOM];
    const struct sample_extra *x = sample_extra(m->batch, s);
    const struct json_record record = {.series = s->series,
                                       .ts_ms = s->ts_ms,
                                       .constant = constant,
                                       .middle = TEXT(JSON_MIDDLE),
                                       .what = sample_text(s, digits),
                                       .quoted = !isfinite(s->value)};
    if (m->lz4)
        return json_lz4_append(self, m, &record, x);
    enum status r = write_record(self, m, &record);
    return r == OK && x ? put_extra(self, m, &record, x) : r;
}

static enum status json_append_ended(const void *self, struct message *m, const struct series *s,
                                     int64_t ts_ms, struct span constant)
{
    const struct json_record record = {.series = s,
                                       .ts_ms = ts_ms,
                                       .constant = constant,
                                       .middle = TEXT("\",\"ended\":true"),
                                       .what = TEXT("")};
    return m->lz4 ? json_lz4_append_ended(self, m, &record) : write_record(self, m, &record);
}

static bool json_writes_lz4(const void *self)
{
    const struct json *j = self;
    return j->mode == JSON_NDJSON;
}

const struct encoder_ops encoder_json = {
    .name = "json",
    .help = "JSON objects with name, type, tags, timestamp and value",
    .settings = settings,
    .conf_size = sizeof(struct json_conf),
    .end_bytes = sizeof "]\n" - 1,
    .open = json_open,
    .content_type = json_content_type,
    .max_samples = json_max_samples,
    .begin = json_begin,
    .end = json_end,
    .constant = json_constant,
    .append = json_append,
    .append_ended = json_append_ended,
    .writes_lz4 = json_writes_lz4,
    .close = mem_free,
};
