/* SPDX-License-Identifier: Apache-2.0 */
/* clip.c - drops a sample whose value lies outside [min, max].
 *
 * Single numbers only (see series_is_single).  NaN is outside of nothing and
 * stays, unless drop_nan says otherwise.  */
#include "filter.h"
#include "mem.h"

#include <math.h>

struct clip_conf {
    char *match;
    double min, max;
    bool inclusive, drop_nan;
};

static const struct setting settings[] = {
    SETTING_STRING(clip_conf, match, "", 0, "names of metrics, as a shell pattern; empty: all"),
    SETTING_DOUBLE(clip_conf, min, "-inf", "lower bound"),
    SETTING_DOUBLE(clip_conf, max, "inf", "upper bound"),
    SETTING_BOOL(clip_conf, inclusive, "true", "whether the bounds themselves are kept"),
    SETTING_BOOL(clip_conf, drop_nan, "false", "whether NaN is dropped"),
    SETTING_END};

static enum status clip_open(void **ret_self, const void *conf, struct err *err)
{
    const struct clip_conf *c = conf;
    if (c->min > c->max)
        return err_set(err, ERR_INVALID, "clip: min %g is above max %g", c->min, c->max);

    struct clip_conf *self = mem_alloc(sizeof *self);
    *self = *c;
    self->match = mem_strdup(c->match);
    *ret_self = self;
    return OK;
}

static bool clip_selects(const void *self, const struct series *s)
{
    const struct clip_conf *c = self;
    return series_is_single(s) && series_matches(s, c->match);
}

static bool outside(const struct clip_conf *c, double v)
{
    if (isnan(v))
        return c->drop_nan;
    if (v < c->min || v > c->max)
        return true;
    return !c->inclusive && (v <= c->min || v >= c->max);
}

static enum filter_verdict clip_apply(const void *self, struct sample *s)
{
    return outside(self, s->value) ? FILTER_DROP : FILTER_KEEP;
}

static void clip_close(void *self)
{
    setting_done(settings, self);
    mem_free(self);
}

const struct filter_ops filter_clip = {
    .name = "clip",
    .help = "drops samples whose value is outside a range",
    .settings = settings,
    .conf_size = sizeof(struct clip_conf),
    .open = clip_open,
    .selects = clip_selects,
    .apply = clip_apply,
    .close = clip_close,
};
