/* SPDX-License-Identifier: Apache-2.0 */
/* statsd.c - one line per sample, name:value|g, with tags in one of several dialects.
 *
 * A scraped counter is a running total while statsd's |c is an increment, so the
 * difference to the value before is sent; the first value of a counter has none
 * and is skipped, and a counter that went down has started again from 0.  What
 * becomes of a payload is not known here: the increment in a lost one is lost.
 * All other kinds go out as |g.  A gauge that begins with a sign changes the receiver's value
 * instead of setting it, so a line of 0 goes before a negative one, in the same record: both
 * are in one message always.  NaN, infinity, the end of a series and what the settings leave out
 * cannot be said and are skipped.  Characters that mean something to a parser become '_'.
 *
 * The constant part is all of the line but value and time: what stands before the value, and
 * behind.  */
#include "encoder.h"
#include "mem.h"

#include <math.h>

struct dialect {
    const char *first, *next, *equals; /* before the first tag, the others, each value */
    bool in_name;                      /* the tags are in front of the value */
    const char *illegal;               /* in values, beside what no part of a line can have */
};

/* In the order of the words. */
static const char *const dialect_words[] = {"none",     "dogstatsd", "influx",
                                            "graphite", "librato",   NULL};
static const struct dialect dialects[] = {
    {NULL, NULL, NULL, false, ""}, {"|#", ",", ":", false, ""}, {",", ",", "=", true, ";="},
    {";", ";", "=", true, ";=~"},  {"#", ",", "=", true, ";="},
};

/* What is sent of a histogram or summary. */
enum pieces { PIECES_ALL, PIECES_TOTALS, PIECES_NONE };
static const char *const pieces_words[] = {"gauge", "totals", "none", NULL};

struct statsd_conf {
    char *prefix;
    unsigned tags, histograms, summaries;
    bool timestamps;
};

struct statsd {
    const struct dialect *dialect;
    enum pieces histograms, summaries;
    bool timestamps;
    char prefix[];
};

static const struct setting settings[] = {
    SETTING_STRING(statsd_conf, prefix, "", 0, "put before every name, for example 'k8s.'"),
    SETTING_CHOICE(statsd_conf, tags, "dogstatsd", dialect_words,
                   "how labels are written: name:1|g|#k:v (dogstatsd), name,k=v:1|g (influx), "
                   "name;k=v:1|g (graphite), name#k=v:1|g (librato), not at all (none)"),
    SETTING_CHOICE(statsd_conf, histograms, "gauge", pieces_words,
                   "gauge: each of their series as a gauge; totals: only _sum and _count; none: "
                   "left out"),
    SETTING_CHOICE(statsd_conf, summaries, "gauge", pieces_words, "the same for summaries"),
    SETTING_BOOL(statsd_conf, timestamps, "false",
                 "whether each line says its time, |T and seconds (DogStatsD 1.3)"),
    SETTING_END};

#define ILLEGAL       ":|@#,"      /* in any part of a line */
#define ILLEGAL_NAMES ILLEGAL ";=" /* in names, of metrics and of tags */

static bool is_legal(unsigned char c, const char *illegal)
{
    return c > ' ' && c != 0x7f && !strchr(illegal, c);
}

static enum status statsd_open(void **ret_self, const void *conf, struct err *err)
{
    const struct statsd_conf *c = conf;
    for (const char *p = c->prefix; *p; p++)
        if (!is_legal((unsigned char)*p, ILLEGAL_NAMES))
            return err_set(err, ERR_INVALID,
                           "statsd: prefix: '%s' has white space or one of " ILLEGAL_NAMES,
                           c->prefix);
    size_t len = strlen(c->prefix) + 1;
    struct statsd *self = mem_alloc(sizeof *self + len);
    self->dialect = &dialects[c->tags];
    self->histograms = (enum pieces)c->histograms;
    self->summaries = (enum pieces)c->summaries;
    self->timestamps = c->timestamps;
    memcpy(self->prefix, c->prefix, len);
    *ret_self = self;
    return OK;
}

static const char *statsd_content_type(const void *self)
{
    (void)self;
    return "text/plain; charset=utf-8";
}

/* s, each character that is not legal as '_'. */
static enum status add_clean(struct buf *out, const char *s, const char *illegal)
{
    size_t len = strlen(s);
    char *p = buf_room(out, len);
    if (!p)
        return ERR_LIMIT;
    for (size_t i = 0; i < len; i++)
        p[i] = is_legal((unsigned char)s[i], illegal) ? s[i] : '_';
    buf_used(out, len);
    return OK;
}

static enum status add_tags(const struct dialect *d, struct buf *out, const struct series *s)
{
    enum status r = OK;
    const char *before = d->first;
    char illegal[16];
    snprintf(illegal, sizeof illegal, "%s%s", ILLEGAL, d->illegal);
    for (struct label l = series_first(s); before && l.name && r == OK; l = series_next(s, l)) {
        r = buf_puts(out, before);
        if (r == OK)
            r = add_clean(out, l.name, ILLEGAL_NAMES);
        if (r == OK)
            r = buf_puts(out, d->equals);
        if (r == OK)
            r = add_clean(out, l.value, illegal);
        before = d->next;
    }
    return r;
}

enum way { WAY_GAUGE, WAY_COUNTER, WAY_LEFT_OUT };

#define LEFT_OUT "-" /* the constant part of what is */

static enum way way_of_pieces(enum pieces p, const struct series *s, const char *label)
{
    bool total = series_label(s, label) == NULL;
    return p == PIECES_ALL || (p == PIECES_TOTALS && total) ? WAY_GAUGE : WAY_LEFT_OUT;
}

static enum way way_of(const struct statsd *st, const struct series *s)
{
    switch (s->family->kind) {
    case SERIES_COUNTER: return WAY_COUNTER;
    case SERIES_HISTOGRAM:
    case SERIES_GAUGEHISTOGRAM: return way_of_pieces(st->histograms, s, "le");
    case SERIES_SUMMARY: return way_of_pieces(st->summaries, s, "quantile");
    case SERIES_UNTYPED:
    case SERIES_GAUGE:
    case SERIES_INFO:
    case SERIES_STATESET:
    case SERIES_KINDS: break;
    }
    return WAY_GAUGE;
}

/* "name:|g|#tags"; the value goes behind the first ':', which is the only one before it, names
 * being clean.  No longer than the line, as whoever gives just the room for that expects. */
static enum status statsd_constant(const void *self, const struct series *s, struct buf *out)
{
    const struct statsd *st = self;
    enum way way = way_of(st, s);
    if (way == WAY_LEFT_OUT)
        return buf_puts(out, LEFT_OUT);
    enum status r = buf_puts(out, st->prefix);
    if (r == OK)
        r = add_clean(out, series_name(s), ILLEGAL_NAMES);
    if (r == OK && st->dialect->in_name)
        r = add_tags(st->dialect, out, s);
    if (r == OK)
        r = buf_puts(out, way == WAY_COUNTER ? ":|c" : ":|g");
    if (r == OK && !st->dialect->in_name)
        r = add_tags(st->dialect, out, s);
    return r;
}

/* What is sent for s; ERR_INVALID when there is nothing to say. */
static enum status find_value(enum way way, const struct sample *s, char room[NUMBER_ROOM],
                              struct span *ret)
{
    const struct series *before = s->series;
    if (!isfinite(s->value))
        return ERR_INVALID;
    if (way == WAY_GAUGE) {
        *ret = sample_text(s, room);
        return OK;
    }
    if (!before->has_last || !isfinite(before->last_value))
        return ERR_INVALID;
    bool restarted = s->value < before->last_value;
    double delta = restarted ? s->value : s->value - before->last_value;
    if (delta < 0 || !isfinite(delta))
        return ERR_INVALID;
    *ret = (struct span){room, number_print(room, delta)};
    return OK;
}

static inline char *put(char *p, const char *data, size_t len)
{
    memcpy(p, data, len);
    return p + len;
}

/* "|T1795271160"; nothing for a time that the format does not know. */
static size_t print_time(char *out, int64_t ts_ms)
{
    if (ts_ms < 1000)
        return 0;
    memcpy(out, "|T", 2);
    return 2 + number_print(out + 2, (double)(ts_ms / 1000));
}

static enum status statsd_append(const void *self, struct message *m, const struct sample *s,
                                 struct span constant)
{
    const struct statsd *st = self;
    char room[NUMBER_ROOM], time[NUMBER_ROOM + 2];
    struct span value;
    const char *tail = memchr(constant.data, ':', constant.len);
    if (!tail++)
        return ERR_INVALID; /* LEFT_OUT */
    size_t head_len = (size_t)(tail - constant.data), tail_len = constant.len - head_len;
    enum status r = find_value(tail[1] == 'c' ? WAY_COUNTER : WAY_GAUGE, s, room, &value);
    if (r != OK)
        return r;
    size_t time_len = st->timestamps ? print_time(time, s->ts_ms) : 0;
    size_t fixed = constant.len + time_len + 1;
    bool zero = value.data[0] == '-';
    size_t len = fixed + value.len + (zero ? fixed + 1 : 0);
    char *p = buf_room(m->out, len);
    if (!p)
        return ERR_LIMIT;
    for (struct span v = zero ? (struct span){"0", 1} : value;; v = value) {
        p = put(p, constant.data, head_len);
        p = put(p, v.data, v.len);
        p = put(p, tail, tail_len);
        p = put(p, time, time_len);
        *p++ = '\n';
        if (!zero)
            break;
        zero = false;
    }
    buf_used(m->out, len);
    return OK;
}

const struct encoder_ops encoder_statsd = {
    .name = "statsd",
    .help = "statsd lines: gauges, and the increments of counters",
    .settings = settings,
    .conf_size = sizeof(struct statsd_conf),
    .no_replicas = "counters go out as increments between the agent's own scrapes, so the messages "
                   "of two agents differ",
    .open = statsd_open,
    .content_type = statsd_content_type,
    .constant = statsd_constant,
    .append = statsd_append,
    .close = mem_free,
};
