/* SPDX-License-Identifier: Apache-2.0 */
/* pool_conf.c - what can be configured of a pool. */
#include "pool.h"

#include "relabel.h"
#include "setting.h"

static const struct setting limits_settings[] = {
    SETTING_BYTES(limits_conf, body, "16MiB", 1 << 10, 1 << 30,
                  "size of a page, decompressed; a larger one fails the scrape"),
    SETTING_INT(limits_conf, samples, "50000", 1, 10000000, "samples of one scrape"),
    SETTING_INT(limits_conf, series, "100000", 1, 10000000, "series of a target"),
    SETTING_INT(limits_conf, labels, "64", 1, 64, "labels of a series, the target's own included"),
    SETTING_BYTES(limits_conf, label_name, "512", 1, 1 << 16, "name of a metric or a label"),
    SETTING_BYTES(limits_conf, label_value, "4KiB", 1, 1 << 20, "value of a label"),
    SETTING_BYTES(limits_conf, line, "1MiB", 64, 1 << 26, "line of a page"),
    SETTING_INT(limits_conf, new_series, "50000", 1, 10000000, "series that one scrape may add"),
    SETTING_INT(limits_conf, names, "10000", 1, 10000000, "names of metrics of a target"),
    SETTING_BYTES(limits_conf, page, "64MiB", 1 << 10, INT64_C(16) << 30,
                  "memory for what is known of a target"),
    SETTING_END};

static const char *const modes[] = {"auto", "strict", "salvage", NULL};
static const char *const formats[] = {"text", "openmetrics", NULL};
static const char *const created[] = {"absorb", "series", NULL};

static const struct setting queue_settings[] = {
    SETTING_INT(queue_conf, items, "10000", 1, 1000000, "jobs that may wait for a worker"),
    SETTING_END};

const struct setting pool_settings[] = {
    SETTING_STRING(pool_conf, name, NULL, SETTING_REQUIRED, "what sources call the pool"),
    SETTING_INT(pool_conf, workers, "2", 1, 64, "threads that scrape"),
    SETTING_INT(pool_conf, in_flight, "64", 1, 4096, "scrapes of one worker at a time"),
    SETTING_GROUP(pool_conf, queue, queue_settings, "targets that are due and wait"),
    SETTING_GROUP(pool_conf, limits, limits_settings, "the most that one target may bring"),
    SETTING_CHOICE(pool_conf, mode, "auto", modes,
                   "a page with a fault is refused (strict) or loses what is faulty (salvage); "
                   "auto: strict for OpenMetrics, salvage for text"),
    SETTING_CHOICE(pool_conf, accept, "openmetrics", formats,
                   "format that targets are asked for; text: for no other"),
    SETTING_CHOICE(pool_conf, fallback, "text", formats,
                   "format of a page whose Content-Type says none that is known"),
    SETTING_CHOICE(pool_conf, created, "absorb", created,
                   "what becomes of NAME_created in OpenMetrics: the time since when NAME counts, "
                   "or a series"),
    SETTING_GROUPS(pool_conf, metric_relabel, relabel_settings, relabel_rule_conf,
                   "rules for the labels and names of series, run once for each; docs/RELABEL.md"),
    SETTING_END};
