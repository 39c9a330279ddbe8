/* SPDX-License-Identifier: Apache-2.0 */
/* selector.h - which series a filter is for.
 *
 * All that an operator says must hold: the name matches `match` and `regex`, every label
 * of `labels` matches its pattern, the type is one of `kinds`.  What was not said holds.
 * A filter takes the settings into its own table, where they stand beside its own:
 *
 *     struct clip_conf { struct selector_conf select; double min, max; };
 *     static const struct setting settings[] = {
 *         SELECTOR_SETTINGS(clip_conf, select),
 *         SETTING_DOUBLE(clip_conf, min, ...), SETTING_END};  */
#ifndef SELECTOR_H
#define SELECTOR_H

#include "series.h"
#include "setting.h"

struct selector_conf {
    char *match, *regex;
    struct text_map labels;
    struct text_list kinds;
};

// clang-format off
#define SELECTOR_SETTINGS(T, f) \
    {SETTING_NAMED(T, f.match, char *, SETTING_T_STRING, "match", "", \
        "names of metrics, as a shell pattern; empty: all")}, \
    {SETTING_NAMED(T, f.regex, char *, SETTING_T_STRING, "regex", "", \
        "names of metrics, as a regular expression (PCRE2) for the whole name; with match, " \
        "both must hold; empty: all")}, \
    {SETTING_NAMED(T, f.labels, struct text_map, SETTING_T_MAP, "labels", NULL, \
        "names of labels with shell patterns, all of which must match; a label that is not " \
        "there is ''")}, \
    {SETTING_NAMED(T, f.kinds, struct text_list, SETTING_T_LIST, "kinds", NULL, \
        "types of metrics; none: gauge, counter and untyped")}
// clang-format on

struct selector; /* immutable: any number of threads */

/* Tells of all that selector_new would refuse. */
void selector_check(const struct selector_conf *conf, const struct setting_report *report);

/* conf may go afterwards.  ERR_INVALID: *err says what is wrong with the expression, or which
 * kind there is not. */
enum status selector_new(struct selector **ret, const struct selector_conf *conf,
                         struct err *err) NODISCARD;
void selector_free(struct selector *s); /* NULL is fine */

/* Depends on name, labels and kind of series only. */
bool selector_matches(const struct selector *s, const struct series *series);

#endif
