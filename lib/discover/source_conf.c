/* SPDX-License-Identifier: Apache-2.0 */
/* source_conf.c - what can be configured of every source. */
#include "source.h"

#include "clock.h"

#define DAY_NS (24 * 3600 * SEC_NS)

const struct setting source_settings[] = {
    SETTING_STRING(source_common, name, NULL, SETTING_REQUIRED,
                   "name of the source; the label job of its series"),
    SETTING_STRING(source_common, pool, NULL, SETTING_REQUIRED, "name of the pool that scrapes"),
    SETTING_DURATION(source_common, interval, "30s", 10 * MS_NS, DAY_NS,
                     "from one scrape of a target to the next"),
    SETTING_DURATION(source_common, timeout, "0s", 0, DAY_NS,
                     "the most a scrape may last; 0s: 10s, or interval if that is less"),
    SETTING_DURATION(source_common, min_interval, "5s", 0, DAY_NS,
                     "shortest interval that a target may ask for itself"),
    SETTING_INT(source_common, targets, "2000", 1, 1000000,
                "targets of this source; those above are refused by name"),
    SETTING_INT(source_common, sample_limit, "0", 0, 10000000,
                "samples of one scrape of one target; 0: as the pool says"),
    SETTING_BOOL(source_common, honor_labels, "false",
                 "whether an exposed label wins over one of the target's; else it becomes "
                 "exported_NAME"),
    SETTING_BOOL(source_common, honor_timestamps, "true",
                 "whether times on the page count; else the start of the scrape"),
    SETTING_GROUP(source_common, http, http_settings, "how to talk to the targets"),
    SETTING_GROUPS(source_common, relabel, relabel_settings, relabel_rule_conf,
                   "rules for the labels of what is found, in their order; docs/RELABEL.md"),
    SETTING_END};

int64_t source_timeout(int64_t interval_ns)
{
    return interval_ns < 10 * SEC_NS ? interval_ns : 10 * SEC_NS;
}
