/* SPDX-License-Identifier: Apache-2.0 */
/* clamp.c - replaces a value outside [min, max].
 *
 * Histograms and summaries only when `kinds` names them: moving one bucket makes the
 * others wrong.  NaN is outside of nothing and stays.  */
#include "filter.h"
#include "mem.h"
#include "selector.h"

#include <math.h>

struct clamp_conf {
    struct selector_conf select;
    double min, max;
    double min_value, max_value;
};

struct clamp {
    struct selector *selector;
    double min, max;
    double below, above; /* what replaces them */
};

static const struct setting settings[] = {
    SELECTOR_SETTINGS(clamp_conf, select),
    SETTING_DOUBLE(clamp_conf, min, "-inf", "lower bound"),
    SETTING_DOUBLE(clamp_conf, max, "inf", "upper bound"),
    SETTING_DOUBLE_OPTIONAL(clamp_conf, min_value, "what replaces a value below min; unset: min"),
    SETTING_DOUBLE_OPTIONAL(clamp_conf, max_value, "what replaces a value above max; unset: max"),
    SETTING_END};

static void clamp_check(const void *conf, const struct setting_report *report)
{
    const struct clamp_conf *c = conf;
    if (c->min > c->max)
        setting_tell(report, "min", SETTING_ALL, "min %g is above max %g", c->min, c->max);
    selector_check(&c->select, report);
}

static enum status clamp_open(void **ret_self, const void *conf, struct err *err)
{
    const struct clamp_conf *c = conf;
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    clamp_check(conf, &report);
    if (first.status != OK)
        return err_set(err, first.status, "clamp: %s", first.text);

    struct selector *selector;
    if (selector_new(&selector, &c->select, err) != OK)
        return err_wrap(err, ERR_INVALID, "clamp");
    struct clamp *self = mem_alloc(sizeof *self);
    *self = (struct clamp){.selector = selector,
                           .min = c->min,
                           .max = c->max,
                           .below = isnan(c->min_value) ? c->min : c->min_value,
                           .above = isnan(c->max_value) ? c->max : c->max_value};
    *ret_self = self;
    return OK;
}

static bool clamp_selects(const void *self, const struct series *s)
{
    const struct clamp *c = self;
    return selector_matches(c->selector, s);
}

static enum filter_verdict clamp_apply(const void *self, struct sample *s)
{
    const struct clamp *c = self;
    if (s->value < c->min)
        sample_set(s, c->below);
    else if (s->value > c->max)
        sample_set(s, c->above);
    return FILTER_KEEP;
}

static void clamp_close(void *self)
{
    struct clamp *c = self;
    selector_free(c->selector);
    mem_free(c);
}

const struct filter_ops filter_clamp = {
    .name = "clamp",
    .help = "replaces values outside a range",
    .settings = settings,
    .conf_size = sizeof(struct clamp_conf),
    .check = clamp_check,
    .open = clamp_open,
    .selects = clamp_selects,
    .apply = clamp_apply,
    .close = clamp_close,
};
