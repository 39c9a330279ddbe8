/* SPDX-License-Identifier: Apache-2.0 */
/* influx.c - InfluxDB line protocol, one line per sample (docs/MESSAGES.md):
 *
 *     http_requests_total,code=200,pod=a value=17 1795271160123000000
 *
 * The samples of a family are never merged into one line: a message may be cut between any two
 * records, and each of them counts.  Values have no 'i': a counter that is whole today may
 * not be tomorrow, and a server keeps to the type it saw first.  Skipped as unsayable: NaN,
 * infinities, the end of a series, nanoseconds that 64 bits do not hold.
 *
 * The dialect cc is what ClusterCockpit's stores read: cluster, hostname, type, type-id, stype and
 * stype-id are tags of theirs, the time is in seconds.
 *
 * The constant part is the line up to the '='.  */
#include "encoder.h"
#include "mem.h"

#include <inttypes.h>
#include <math.h>

enum influx_dialect { INFLUX_GENERAL, INFLUX_CC };
enum influx_precision { INFLUX_AUTO, INFLUX_NS, INFLUX_US, INFLUX_MS, INFLUX_S };

struct influx_conf {
    unsigned dialect, precision;
    char *measurement, *field, *hostname;
};

struct influx {
    enum influx_dialect dialect;
    enum influx_precision precision;
    char *measurement; /* "": the metric's name */
    char *field;       /* of a sample whose name is the measurement */
    char *hostname;    /* label */
};

static const char *const dialects[] = {"general", "cc", NULL};
static const char *const precisions[] = {"auto", "ns", "us", "ms", "s", NULL};

static const struct setting settings[] = {
    SETTING_CHOICE(influx_conf, dialect, "general", dialects,
                   "general: any server of the protocol; cc: ClusterCockpit's metric stores"),
    SETTING_CHOICE(influx_conf, precision, "auto", precisions,
                   "unit of the time, of which the server has to know; auto: ns, or s in the "
                   "dialect cc"),
    SETTING_STRING(influx_conf, measurement, "", 0,
                   "one for all samples, whose names are fields then; empty: each name is a "
                   "measurement"),
    SETTING_STRING(influx_conf, field, "value", 0,
                   "name of the field, where the sample's name is the measurement"),
    SETTING_STRING(influx_conf, hostname, "instance", 0,
                   "dialect cc: label that becomes hostname, without its port, where there is no "
                   "label hostname or host"),
    SETTING_END};

/* They go into each line as they are. */
static enum status check_word(const char *name, const char *word, struct err *err)
{
    for (const char *p = word; *p; p++)
        if ((unsigned char)*p <= ' ' || strchr(",=\"\\#", *p))
            return err_set(err, ERR_INVALID,
                           "influx: %s '%s' has white space, a quote, or one of , = \\ #", name,
                           word);
    return OK;
}

/* A tag or field of this name is refused, and with it the message. */
static const char *legal_key(const char *name)
{
    return strcmp(name, "time") == 0 ? "time_" : name;
}

static enum status check(const struct influx_conf *c, struct err *err)
{
    if (!*c->field || legal_key(c->field) != c->field)
        return err_set(err, ERR_INVALID, "influx: field is empty or 'time'");
    if (c->dialect == INFLUX_CC && (*c->measurement || strcmp(c->field, "value") != 0))
        return err_set(err, ERR_INVALID,
                       "influx: the dialect cc has neither measurement nor field");
    enum status r = check_word("measurement", c->measurement, err);
    return r == OK ? check_word("field", c->field, err) : r;
}

static enum status influx_open(void **ret_self, const void *conf, struct err *err)
{
    const struct influx_conf *c = conf;
    if (check(c, err) != OK)
        return ERR_INVALID;
    struct influx *self = mem_alloc(sizeof *self);
    self->dialect = (enum influx_dialect)c->dialect;
    self->precision = (enum influx_precision)c->precision;
    if (self->precision == INFLUX_AUTO)
        self->precision = self->dialect == INFLUX_CC ? INFLUX_S : INFLUX_NS;
    self->measurement = mem_strdup(c->measurement);
    self->field = mem_strdup(c->field);
    self->hostname = mem_strdup(c->hostname);
    *ret_self = self;
    return OK;
}

static void influx_close(void *of)
{
    struct influx *self = of;
    mem_free(self->measurement);
    mem_free(self->field);
    mem_free(self->hostname);
    mem_free(self);
}

static const char *influx_content_type(const void *self)
{
    (void)self;
    return "text/plain; charset=utf-8";
}

/* Names need none of this.  A backslash means itself but in front of a byte that would else end the text.  What no escape
 * can say is written in two characters, as others do: a newline, a return, which some take off
 * the end of a line, and a tab, for which Telegraf refuses the whole message.  A backslash at the end would escape what follows: it becomes '_'. */
static enum status add_escaped(struct buf *out, struct span text)
{
    const char *p = text.data, *end = p + text.len;
    enum status r = OK;
    while (p < end && r == OK) {
        const char *plain = p;
        while (p < end && !strchr(",= \\\r\n\t", *p))
            p++;
        r = buf_add(out, plain, (size_t)(p - plain));
        if (p == end || r != OK)
            break;
        char c = *p++;
        if (c == '\\')
            r = buf_puts(out, p == end ? "_" : "\\");
        else if (c == '\r' || c == '\n' || c == '\t')
            r = buf_puts(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else
            r = buf_printf(out, "\\%c", c);
    }
    return r;
}

static enum status add_tag(struct buf *out, const char *name, struct span value)
{
    if (value.len == 0)
        return OK;
    enum status r = buf_puts(out, ",");
    if (r == OK)
        r = buf_puts(out, legal_key(name));
    if (r == OK)
        r = buf_puts(out, "=");
    return r == OK ? add_escaped(out, value) : r;
}

static enum status add_label(struct buf *out, const char *name, const char *value)
{
    return add_tag(out, name, (struct span){value, strlen(value)});
}

static enum status add_labels(struct buf *out, const struct series *s)
{
    enum status r = OK;
    for (struct label l = series_first(s); l.name && r == OK; l = series_next(s, l))
        r = add_label(out, l.name, l.value);
    return r;
}

/* host:port or [host]:port without the port and brackets. */
static struct span cut_port(const char *instance)
{
    const char *colon = strrchr(instance, ':'), *bracket = strrchr(instance, ']');
    if (*instance == '[' && bracket)
        return (struct span){instance + 1, (size_t)(bracket - instance) - 1};
    if (!colon || strchr(instance, ':') != colon) /* an address of IPv6 alone */
        return (struct span){instance, strlen(instance)};
    return (struct span){instance, (size_t)(colon - instance)};
}

static struct span find_host(const struct influx *self, const struct series *s)
{
    const char *host = series_label(s, "hostname");
    if (!host)
        host = series_label(s, "host");
    if (host)
        return (struct span){host, strlen(host)};
    host = series_label(s, self->hostname);
    return host ? cut_port(host) : (struct span){"", 0};
}

/* Tags of the dialect, in the order in which its own tools write them. */
static const struct {
    const char *label, *tag;
} cc_tags[] = {
    {"cluster", "cluster"}, {"hostname", "hostname"}, {"host", "hostname"},     {"type", "type"},
    {"type_id", "type-id"}, {"stype", "stype"},       {"stype_id", "stype-id"},
};

static bool is_cc(const char *label)
{
    for (size_t i = 0; i < ARRAY_LEN(cc_tags); i++)
        if (strcmp(cc_tags[i].label, label) == 0)
            return true;
    return false;
}

static enum status add_cc_labels(const struct influx *self, struct buf *out, const struct series *s)
{
    enum status r = OK;
    for (size_t i = 0; i < ARRAY_LEN(cc_tags) && r == OK; i++) {
        const char *value = series_label(s, cc_tags[i].label);
        if (strcmp(cc_tags[i].label, "hostname") == 0)
            r = add_tag(out, "hostname", find_host(self, s));
        else if (strcmp(cc_tags[i].label, "type") == 0)
            r = add_label(out, "type", value ? value : "node");
        else if (value && strcmp(cc_tags[i].label, "host") != 0)
            r = add_label(out, cc_tags[i].tag, value);
    }
    for (struct label l = series_first(s); l.name && r == OK; l = series_next(s, l))
        if (!is_cc(l.name))
            r = add_label(out, l.name, l.value);
    return r;
}

static enum status influx_constant(const void *of, const struct series *s, struct buf *out)
{
    const struct influx *self = of;
    const char *name = series_name(s);
    bool shared = *self->measurement;
    enum status r = buf_puts(out, shared ? self->measurement : name);
    if (r == OK)
        r = self->dialect == INFLUX_CC ? add_cc_labels(self, out, s) : add_labels(out, s);
    if (r == OK)
        r = buf_cat(out, " ", shared ? legal_key(name) : self->field, NULL);
    return r == OK ? buf_puts(out, "=") : r;
}

/* Seconds before 1970 are those that have begun. */
static int64_t floor_seconds(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

/* About the years 1677 to 2262. */
static bool has_nanoseconds(int64_t ms)
{
    return ms > INT64_MIN / MS_NS && ms < INT64_MAX / MS_NS;
}

/* The time of the protocol, in m->time; formatted once for equal times in a row. */
static size_t find_time(const struct influx *self, struct message *m, int64_t ts_ms)
{
    if (m->time[0] == '\0' || m->time_ms != ts_ms) {
        static const char *const zeros[] = {"", "000000", "000", "", ""};
        int64_t t = self->precision == INFLUX_S ? floor_seconds(ts_ms) : ts_ms;
        snprintf(m->time, sizeof m->time, "%" PRId64 "%s", t, t ? zeros[self->precision] : "");
        m->time_ms = ts_ms;
    }
    return strlen(m->time);
}

static enum status influx_append(const void *of, struct message *m, const struct sample *s,
                                 struct span constant)
{
    char digits[NUMBER_ROOM];
    const struct influx *self = of;
    if (!isfinite(s->value) || (self->precision == INFLUX_NS && !has_nanoseconds(s->ts_ms)))
        return ERR_INVALID;
    struct span value = sample_text(s, digits);
    size_t time_len = find_time(self, m, s->ts_ms), len = constant.len + value.len + time_len + 2;
    char *p = buf_room(m->out, len);
    if (!p)
        return ERR_LIMIT;
    memcpy(p, constant.data, constant.len);
    p += constant.len;
    memcpy(p, value.data, value.len);
    p += value.len;
    *p++ = ' ';
    memcpy(p, m->time, time_len);
    p[time_len] = '\n';
    buf_used(m->out, len);
    return OK;
}

const struct encoder_ops encoder_influx = {
    .name = "influx",
    .help = "InfluxDB line protocol, one line per sample",
    .settings = settings,
    .conf_size = sizeof(struct influx_conf),
    .open = influx_open,
    .content_type = influx_content_type,
    .constant = influx_constant,
    .append = influx_append,
    .close = influx_close,
};
