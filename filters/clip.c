/* SPDX-License-Identifier: Apache-2.0 */
/* clip.c - drops a sample whose value lies outside [min, max].
 *
 * Histograms and summaries only when `kinds` names them.  NaN is outside of nothing and
 * stays, unless drop_nan says otherwise.  */
#include "filter.h"
#include "mem.h"
#include "selector.h"

#include <math.h>

struct clip_conf {
    struct selector_conf select;
    double min, max;
    bool inclusive, drop_nan;
};

struct clip {
    struct selector *selector;
    double min, max;
    bool inclusive, drop_nan;
};

static const struct setting settings[] = {
    SELECTOR_SETTINGS(clip_conf, select),
    SETTING_DOUBLE(clip_conf, min, "-inf", "lower bound"),
    SETTING_DOUBLE(clip_conf, max, "inf", "upper bound"),
    SETTING_BOOL(clip_conf, inclusive, "true", "whether the bounds themselves are kept"),
    SETTING_BOOL(clip_conf, drop_nan, "false", "whether NaN is dropped"),
    SETTING_END};

static void clip_check(const void *conf, const struct setting_report *report)
{
    const struct clip_conf *c = conf;
    if (c->min > c->max)
        setting_tell(report, "min", SETTING_ALL, "min %g is above max %g", c->min, c->max);
    selector_check(&c->select, report);
}

static enum status clip_open(void **ret_self, const void *conf, struct err *err)
{
    const struct clip_conf *c = conf;
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    clip_check(conf, &report);
    if (first.status != OK)
        return err_set(err, first.status, "clip: %s", first.text);

    struct selector *selector;
    if (selector_new(&selector, &c->select, err) != OK)
        return err_wrap(err, ERR_INVALID, "clip");
    struct clip *self = mem_alloc(sizeof *self);
    *self = (struct clip){selector, c->min, c->max, c->inclusive, c->drop_nan};
    *ret_self = self;
    return OK;
}

static bool clip_selects(const void *self, const struct series *s)
{
    const struct clip *c = self;
    return selector_matches(c->selector, s);
}

static bool outside(const struct clip *c, double v)
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
    struct clip *c = self;
    selector_free(c->selector);
    mem_free(c);
}

const struct filter_ops filter_clip = {
    .name = "clip",
    .help = "drops samples whose value is outside a range",
    .settings = settings,
    .conf_size = sizeof(struct clip_conf),
    .check = clip_check,
    .open = clip_open,
    .selects = clip_selects,
    .apply = clip_apply,
    .close = clip_close,
};
