/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - one object per sample (docs/MESSAGES.md):
 *
 *     {"name":"up","type":"gauge","tags":{"pod":"a"},"timestamp":"2026-11-21T14:26:00.123Z",
 *      "value":1,"unit":"seconds","help":"Whether it is up."}
 *
 * unit where the page says one, help only if configured.  mode ndjson: each object on a line
 * of its own; array: one array per message; single: one object per message.  NaN, +Inf and
 * -Inf, which JSON cannot say, are these words as strings.  Of a series that has ended:
 * "ended":true in place of the value, and the time that missed it.
 *
 * The constant part is the head, up to the time; few series have anything behind the value,
 * so such a tail stands in front of the head, behind a NUL, with which no head begins, and
 * its length.  */
#include "encoder.h"
#include "mem.h"

#include <math.h>

enum json_mode { JSON_NDJSON, JSON_ARRAY, JSON_SINGLE };

struct json_conf {
    unsigned mode;
    bool help;
};

struct json {
    enum json_mode mode;
    bool array; /* mode is JSON_ARRAY */
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
    return j->array ? buf_puts(m->out, "]\n") : OK;
}

/* Bytes up to the next one that a string must escape, or to the NUL. */
static size_t count_plain(const char *s)
{
    const char *p = s;
    while ((unsigned char)*p >= ' ' && *p != '"' && *p != '\\')
        p++;
    return (size_t)(p - s);
}

static inline char *put(char *p, const char *data, size_t len)
{
    memcpy(p, data, len);
    return p + len;
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
    p = put(p, s, plain);
    *p = '"';
    buf_used(out, plain + 2);
    return OK;
}

static enum status add_tags(struct buf *out, const struct series *s)
{
    enum status r = OK;
    const char *before = "";
    for (struct label l = series_first(s); l.name && r == OK; l = series_next(s, l)) {
        r = buf_puts(out, before);
        if (r == OK)
            r = add_string(out, l.name);
        if (r == OK)
            r = buf_add(out, ":", 1);
        if (r == OK)
            r = add_string(out, l.value);
        before = ",";
    }
    return r;
}

/* All up to the time. */
static enum status add_head(struct buf *out, const struct series *s)
{
    enum status r = buf_puts(out, "{\"name\":");
    if (r == OK)
        r = add_string(out, series_name(s));
    if (r == OK)
        r = buf_cat(out, ",\"type\":\"", series_kind_name(s->family->kind), "\",\"tags\":{", NULL);
    if (r == OK)
        r = add_tags(out, s);
    return r == OK ? buf_puts(out, "},\"timestamp\":\"") : r;
}

/* ,"name":"text" - nothing without text. */
static enum status add_member(struct buf *out, const char *name, const char *text)
{
    if (!text)
        return OK;
    enum status r = buf_cat(out, ",\"", name, "\":", NULL);
    return r == OK ? add_string(out, text) : r;
}

#define TAIL_MARK (1 + sizeof(uint32_t)) /* NUL and length */

static enum status add_tail(struct buf *out, const char *unit, const char *help)
{
    size_t start = out->len;
    enum status r = buf_add(out, "\0....", TAIL_MARK);
    if (r == OK)
        r = add_member(out, "unit", unit);
    if (r == OK)
        r = add_member(out, "help", help);
    if (r != OK)
        return r;
    uint32_t len = (uint32_t)(out->len - start - TAIL_MARK);
    memcpy(out->data + start + 1, &len, sizeof len);
    return OK;
}

static enum status json_constant(const void *self, const struct series *s, struct buf *out)
{
    const struct json *j = self;
    const char *unit = s->family->unit, *help = j->help ? s->family->help : NULL;
    enum status r = unit || help ? add_tail(out, unit, help) : OK;
    return r == OK ? add_head(out, s) : r;
}

static bool has_tail(struct span constant)
{
    return constant.data[0] == '\0';
}

/* Cuts the tail off, and from *constant all but the head. */
static struct span cut_tail(struct span *constant)
{
    uint32_t len;
    memcpy(&len, constant->data + 1, sizeof len);
    struct span tail = {constant->data + TAIL_MARK, len};
    constant->data += TAIL_MARK + len;
    constant->len -= TAIL_MARK + len;
    return tail;
}

#define TEXT(s) ((struct span){s, sizeof s - 1})

/* An object in the order in which it is written; the time goes behind head. */
struct record {
    int64_t ts_ms;
    struct span head, middle, what, tail;
    bool quoted; /* what */
};

static inline __attribute__((always_inline)) enum status write_record(const struct json *j,
                                                                      struct message *m,
                                                                      const struct record *r)
{
    size_t fixed = CLOCK_TEXT + 2u * r->quoted + sizeof "}\n" - 1; /* or ",}" */
    char *p = buf_room(m->out, fixed + r->head.len + r->middle.len + r->what.len + r->tail.len);
    if (!p)
        return ERR_LIMIT;
    if (j->array && m->samples > 0)
        *p++ = ',';
    p = put(p, r->head.data, r->head.len);
    p = put(p, message_time(m, r->ts_ms), CLOCK_TEXT);
    p = put(p, r->middle.data, r->middle.len);
    if (r->quoted)
        *p++ = '"';
    p = put(p, r->what.data, r->what.len);
    if (r->quoted)
        *p++ = '"';
    p = put(p, r->tail.data, r->tail.len);
    *p++ = '}';
    if (!j->array)
        *p++ = '\n';
    buf_used(m->out, (size_t)(p - m->out->data) - m->out->len);
    return OK;
}

static enum status json_append(const void *self, struct message *m, const struct sample *s,
                               struct span constant)
{
    char digits[NUMBER_ROOM];
    struct record r = {.ts_ms = s->ts_ms,
                       .head = constant,
                       .middle = TEXT("\",\"value\":"),
                       .what = sample_text(s, digits),
                       .tail = TEXT(""),
                       .quoted = !isfinite(s->value)};
    if (!has_tail(constant))
        return write_record(self, m, &r);
    r.tail = cut_tail(&r.head);
    return write_record(self, m, &r);
}

static enum status json_append_ended(const void *self, struct message *m, int64_t ts_ms,
                                     struct span constant)
{
    struct record r = {.ts_ms = ts_ms,
                       .head = constant,
                       .middle = TEXT("\",\"ended\":true"),
                       .what = TEXT(""),
                       .tail = TEXT("")};
    if (has_tail(constant))
        r.tail = cut_tail(&r.head);
    return write_record(self, m, &r);
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
    .close = mem_free,
};
