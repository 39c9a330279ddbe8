/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - one object per sample:
 *
 *     {"name":"up","type":"gauge","tags":{"pod":"a"},"timestamp":"2026-11-21T14:26:00.123Z",
 *      "value":1}
 *
 * mode ndjson: each object on a line of its own; array: one array per message.
 * NaN, +Inf and -Inf, which JSON cannot say, are these words as strings.  Of a series
 * that has ended: "ended":true in place of the value, and the time that missed it.  */
#include "encoder.h"
#include "mem.h"

#include <math.h>

struct json_conf {
    char *mode;
};

struct json {
    bool array;
};

static const struct setting settings[] = {
    SETTING_STRING(json_conf, mode, "ndjson", 0, "ndjson: one object per line; array: one array"),
    SETTING_END};

static enum status json_open(void **ret_self, const void *conf, struct err *err)
{
    const struct json_conf *c = conf;
    bool array = strcmp(c->mode, "array") == 0;
    if (!array && strcmp(c->mode, "ndjson") != 0)
        return err_set(err, ERR_INVALID, "json: mode '%s' is neither ndjson nor array", c->mode);
    struct json *self = mem_alloc(sizeof *self);
    self->array = array;
    *ret_self = self;
    return OK;
}

static const char *json_content_type(const void *self)
{
    const struct json *j = self;
    return j->array ? "application/json" : "application/x-ndjson";
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

static enum status add_string(struct buf *out, const char *s)
{
    enum status r = buf_puts(out, "\"");
    while (*s && r == OK) {
        size_t plain = 0;
        while ((unsigned char)s[plain] >= ' ' && s[plain] != '"' && s[plain] != '\\')
            plain++;
        r = buf_add(out, s, plain);
        s += plain;
        if (*s && r == OK)
            r = buf_printf(out, *s == '"' || *s == '\\' ? "\\%c" : "\\u%04x", (unsigned char)*s);
        s += *s != '\0';
    }
    return r == OK ? buf_puts(out, "\"") : r;
}

static enum status add_tags(struct buf *out, const struct series *s)
{
    enum status r = OK;
    const char *before = "";
    for (struct label l = series_first(s); l.name && r == OK; l = series_next(s, l)) {
        r = buf_cat(out, before, "\"", l.name, "\":", NULL);
        if (r == OK)
            r = add_string(out, l.value);
        before = ",";
    }
    return r;
}

/* All up to the time. */
static enum status json_constant(const void *self, const struct series *s, struct buf *out)
{
    (void)self;
    enum status r = buf_cat(out, "{\"name\":\"", series_name(s), "\",\"type\":\"",
                            series_kind_name(s->family->kind), "\",\"tags\":{", NULL);
    if (r == OK)
        r = add_tags(out, s);
    return r == OK ? buf_puts(out, "},\"timestamp\":\"") : r;
}

static char *put(char *p, const char *data, size_t len)
{
    memcpy(p, data, len);
    return p + len;
}

/* Makes room for a record with n bytes between the time and the '}', and writes it up
 * to there.  NULL: it does not fit. */
static inline char *open_record(const struct json *j, struct message *m, struct span constant,
                                int64_t ts_ms, size_t n)
{
    char *p = buf_room(m->out, constant.len + CLOCK_TEXT + n + 2);
    if (!p)
        return NULL;
    if (j->array && m->samples > 0)
        *p++ = ',';
    p = put(p, constant.data, constant.len);
    return put(p, message_time(m, ts_ms), CLOCK_TEXT);
}

static inline void close_record(const struct json *j, struct message *m, char *p)
{
    *p++ = '}';
    if (!j->array)
        *p++ = '\n';
    buf_used(m->out, (size_t)(p - m->out->data) - m->out->len);
}

static enum status json_append(const void *self, struct message *m, const struct sample *s,
                               struct span constant)
{
    static const char middle[] = "\",\"value\":";
    const struct json *j = self;
    char digits[NUMBER_ROOM];
    struct span value = sample_text(s, digits);
    bool quoted = !isfinite(s->value);
    char *p = open_record(j, m, constant, s->ts_ms, sizeof middle - 1 + value.len + 2 * quoted);
    if (!p)
        return ERR_LIMIT;
    p = put(p, middle, sizeof middle - 1);
    if (quoted)
        *p++ = '"';
    p = put(p, value.data, value.len);
    if (quoted)
        *p++ = '"';
    close_record(j, m, p);
    return OK;
}

static enum status json_append_ended(const void *self, struct message *m, int64_t ts_ms,
                                     struct span constant)
{
    static const char rest[] = "\",\"ended\":true";
    char *p = open_record(self, m, constant, ts_ms, sizeof rest - 1);
    if (!p)
        return ERR_LIMIT;
    close_record(self, m, put(p, rest, sizeof rest - 1));
    return OK;
}

const struct encoder_ops encoder_json = {
    .name = "json",
    .help = "JSON objects with name, type, tags, timestamp and value",
    .settings = settings,
    .conf_size = sizeof(struct json_conf),
    .end_bytes = sizeof "]\n" - 1,
    .open = json_open,
    .content_type = json_content_type,
    .begin = json_begin,
    .end = json_end,
    .constant = json_constant,
    .append = json_append,
    .append_ended = json_append_ended,
    .close = mem_free,
};
