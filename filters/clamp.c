/* SPDX-License-Identifier: Apache-2.0 */
/* clamp.c - replaces a value outside [min, max].
 *
 * Single numbers only (see series_is_single): moving one bucket of a histogram
 * would make the others wrong.  NaN is outside of nothing and stays.  */
#include "filter.h"
#include "mem.h"

#include <math.h>

struct clamp_conf {
    char *match;
    double min, max;
    double min_value, max_value;
};

static const struct setting settings[] = {
    SETTING_STRING(clamp_conf, match, "", 0, "names of metrics, as a shell pattern; empty: all"),
    SETTING_DOUBLE(clamp_conf, min, "-inf", "lower bound"),
    SETTING_DOUBLE(clamp_conf, max, "inf", "upper bound"),
    SETTING_DOUBLE_OPTIONAL(clamp_conf, min_value, "what replaces a value below min; unset: min"),
    SETTING_DOUBLE_OPTIONAL(clamp_conf, max_value, "what replaces a value above max; unset: max"),
    SETTING_END};

static enum status clamp_open(void **ret_self, const void *conf, struct err *err)
{
    const struct clamp_conf *c = conf;
    if (c->min > c->max)
        return err_set(err, ERR_INVALID, "clamp: min %g is above max %g", c->min, c->max);

    struct clamp_conf *self = mem_alloc(sizeof *self);
    *self = *c;
    self->match = mem_strdup(c->match);
    if (isnan(self->min_value))
        self->min_value = self->min;
    if (isnan(self->max_value))
        self->max_value = self->max;
    *ret_self = self;
    return OK;
}

static bool clamp_selects(const void *self, const struct series *s)
{
    const struct clamp_conf *c = self;
    return series_is_single(s) && series_matches(s, c->match);
}

static enum filter_verdict clamp_apply(const void *self, struct sample *s)
{
    const struct clamp_conf *c = self;
    if (s->value < c->min)
        sample_set(s, c->min_value);
    else if (s->value > c->max)
        sample_set(s, c->max_value);
    return FILTER_KEEP;
}

static void clamp_close(void *self)
{
    setting_done(settings, self);
    mem_free(self);
}

const struct filter_ops filter_clamp = {
    .name = "clamp",
    .help = "replaces values outside a range",
    .settings = settings,
    .conf_size = sizeof(struct clamp_conf),
    .open = clamp_open,
    .selects = clamp_selects,
    .apply = clamp_apply,
    .close = clamp_close,
};
