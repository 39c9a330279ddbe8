/* SPDX-License-Identifier: Apache-2.0 */
/* statsd.c - one line per sample, as DogStatsD reads it: name:value|g|#tag:value
 *
 * A scraped counter is a running total while statsd's |c is an increment, so the
 * difference to the value before is sent; the first value of a counter has none
 * and is skipped, and a counter that went down has started again from 0.  What
 * becomes of a payload is not known here: the increment in a lost one is lost.
 * All other kinds go out as |g.  NaN, infinity and the end of a series cannot be
 * said and are skipped.  The time is not sent.  Characters that mean something to
 * the parser (: | , # @ and white space) become '_'.  */
#include "encoder.h"
#include "mem.h"

#include <math.h>

struct statsd_conf {
    char *prefix;
};

static const struct setting settings[] = {
    SETTING_STRING(statsd_conf, prefix, "", 0, "put before every name, for example 'k8s.'"),
    SETTING_END};

static enum status statsd_open(void **ret_self, const void *conf, struct err *err)
{
    const struct statsd_conf *c = conf;
    if (strpbrk(c->prefix, ":|\n"))
        return err_set(err, ERR_INVALID, "statsd: prefix '%s' has : | or newline", c->prefix);
    *ret_self = mem_strdup(c->prefix);
    return OK;
}

static const char *statsd_content_type(const void *self)
{
    (void)self;
    return "text/plain; charset=utf-8";
}

static enum status add_clean(struct buf *out, const char *s)
{
    enum status r = OK;
    while (*s && r == OK) {
        size_t clean = strcspn(s, ":|,#@ \t\r\n");
        r = buf_add(out, s, clean);
        s += clean;
        if (*s && r == OK) {
            r = buf_puts(out, "_");
            s++;
        }
    }
    return r;
}

static enum status add_tags(struct buf *out, const struct series *s)
{
    enum status r = OK;
    const char *before = "|#";
    for (struct label l = series_first(s); l.name && r == OK; l = series_next(s, l)) {
        r = buf_cat(out, before, l.name, ":", NULL);
        if (r == OK)
            r = add_clean(out, l.value);
        before = ",";
    }
    return r;
}

/* "name:|g|#tags\n"; the value goes behind the first ':', which is the only one
 * before it, names being clean. */
static enum status statsd_constant(const void *self, const struct series *s, struct buf *out)
{
    enum status r = buf_puts(out, self);
    if (r == OK)
        r = add_clean(out, series_name(s));
    if (r == OK)
        r = buf_puts(out, s->family->kind == SERIES_COUNTER ? ":|c" : ":|g");
    if (r == OK)
        r = add_tags(out, s);
    return r == OK ? buf_puts(out, "\n") : r;
}

/* What is sent for s; ERR_INVALID when there is nothing to say. */
static enum status find_value(const struct sample *s, char room[NUMBER_ROOM], struct span *ret)
{
    const struct series *before = s->series;
    if (!isfinite(s->value))
        return ERR_INVALID;
    if (before->family->kind != SERIES_COUNTER) {
        *ret = sample_text(s, room);
        return OK;
    }
    if (before->last_ms == 0 || !isfinite(before->last_value))
        return ERR_INVALID;
    bool restarted = s->value < before->last_value;
    double delta = restarted ? s->value : s->value - before->last_value;
    *ret = (struct span){room, number_print(room, delta)};
    return OK;
}

static enum status statsd_append(const void *self, struct message *m, const struct sample *s,
                                 struct span constant)
{
    (void)self;
    char room[NUMBER_ROOM];
    struct span value;
    enum status r = find_value(s, room, &value);
    if (r != OK)
        return r;
    const char *colon = memchr(constant.data, ':', constant.len);
    size_t head = (size_t)(colon - constant.data) + 1;
    r = buf_add(m->out, constant.data, head);
    if (r == OK)
        r = buf_add(m->out, value.data, value.len);
    return r == OK ? buf_add(m->out, constant.data + head, constant.len - head) : r;
}

const struct encoder_ops encoder_statsd = {
    .name = "statsd",
    .help = "statsd lines with DogStatsD tags",
    .settings = settings,
    .conf_size = sizeof(struct statsd_conf),
    .open = statsd_open,
    .content_type = statsd_content_type,
    .constant = statsd_constant,
    .append = statsd_append,
    .close = mem_free,
};
