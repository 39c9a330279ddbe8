/* SPDX-License-Identifier: Apache-2.0 */
/* prometheus.c - the text format 0.0.4, as pages show it (docs/MESSAGES.md):
 *
 *     # HELP http_requests_total How many.
 *     # TYPE http_requests_total counter
 *     http_requests_total{code="200",pod="a"} 17 1795271160123
 *
 * HELP and TYPE stand once in a message, in front of the family's first sample, whatever order
 * the samples are in: readers refuse a second TYPE.  A piece of a message that was cut later
 * lacks those that stood in the piece before.  What the format has no word for is the nearest that it
 * has; the end of a series is skipped as unsayable.
 *
 * The constant part is the line up to the value.  */
#include "encoder.h"
#include "mem.h"

#include <inttypes.h>

struct prometheus_conf {
    bool timestamps, help;
};

static const struct setting settings[] = {
    SETTING_BOOL(prometheus_conf, timestamps, "true",
                 "whether each sample carries its time, in milliseconds; pushgateways and the "
                 "node exporter's textfiles refuse that"),
    SETTING_BOOL(prometheus_conf, help, "true", "whether HELP lines are written"), SETTING_END};

static enum status prometheus_open(void **ret_self, const void *conf, struct err *err)
{
    const struct prometheus_conf *c = conf;
    (void)err;
    struct prometheus_conf *self = mem_alloc(sizeof *self);
    *self = *c;
    *ret_self = self;
    return OK;
}

static const char *prometheus_content_type(const void *self)
{
    (void)self;
    return "text/plain; version=0.0.4; charset=utf-8";
}

/* Those of special have a backslash in front; a newline is \n. */
static enum status add_escaped(struct buf *out, const char *text, const char *special)
{
    enum status r = OK;
    while (*text && r == OK) {
        size_t plain = strcspn(text, special);
        r = buf_add(out, text, plain);
        text += plain;
        if (*text && r == OK)
            r = buf_printf(out, "\\%c", *text == '\n' ? 'n' : *text);
        text += *text != '\0';
    }
    return r;
}

static enum status prometheus_constant(const void *self, const struct series *s, struct buf *out)
{
    (void)self;
    enum status r = buf_puts(out, series_name(s));
    const char *before = "{", *after = " ";
    for (struct label l = series_first(s); l.name && r == OK; l = series_next(s, l)) {
        r = buf_cat(out, before, l.name, "=\"", NULL);
        if (r == OK)
            r = add_escaped(out, l.value, "\\\"\n");
        if (r == OK)
            r = buf_puts(out, "\"");
        before = ",";
        after = "} ";
    }
    return r == OK ? buf_puts(out, after) : r;
}

static const char *kind_name(enum series_kind kind)
{
    switch (kind) {
    case SERIES_GAUGEHISTOGRAM: return series_kind_name(SERIES_UNTYPED);
    case SERIES_INFO:
    case SERIES_STATESET: return series_kind_name(SERIES_GAUGE);
    case SERIES_UNTYPED:
    case SERIES_GAUGE:
    case SERIES_COUNTER:
    case SERIES_HISTOGRAM:
    case SERIES_SUMMARY:
    case SERIES_KINDS: break;
    }
    return series_kind_name(kind);
}

static enum status add_comments(const struct prometheus_conf *c, struct buf *out,
                                const struct family *f)
{
    enum status r = OK;
    if (c->help && f->has_help) {
        r = buf_cat(out, "# HELP ", family_name(f), " ", NULL);
        if (r == OK)
            r = add_escaped(out, family_help(f), "\\\n");
        if (r == OK)
            r = buf_puts(out, "\n");
    }
    if (r == OK)
        r = buf_cat(out, "# TYPE ", family_name(f), " ", kind_name(f->kind), "\n", NULL);
    return r;
}

/* " 1795271160123\n" or "\n", in m->time; formatted once for equal times in a row. */
static size_t find_tail(const struct prometheus_conf *c, struct message *m, int64_t ts_ms)
{
    if (m->time[0] == '\0' || m->time_ms != ts_ms) {
        if (c->timestamps)
            snprintf(m->time, sizeof m->time, " %" PRId64 "\n", ts_ms);
        else
            snprintf(m->time, sizeof m->time, "\n");
        m->time_ms = ts_ms;
    }
    return strlen(m->time);
}

static enum status prometheus_append(const void *self, struct message *m, const struct sample *s,
                                     struct span constant)
{
    char digits[NUMBER_ROOM];
    struct family *family = s->series->family;
    struct span value = sample_text(s, digits);
    size_t tail = find_tail(self, m, s->ts_ms), len = constant.len + value.len + tail;
    if (family->told != m->number && add_comments(self, m->out, family) != OK)
        return ERR_LIMIT;
    char *p = buf_room(m->out, len);
    if (!p)
        return ERR_LIMIT;
    memcpy(p, constant.data, constant.len);
    memcpy(p + constant.len, value.data, value.len);
    memcpy(p + constant.len + value.len, m->time, tail);
    buf_used(m->out, len);
    family->told = m->number;
    return OK;
}

const struct encoder_ops encoder_prometheus = {
    .name = "prometheus",
    .help = "Prometheus text format 0.0.4",
    .settings = settings,
    .conf_size = sizeof(struct prometheus_conf),
    .open = prometheus_open,
    .content_type = prometheus_content_type,
    .constant = prometheus_constant,
    .append = prometheus_append,
    .close = mem_free,
};
