/* SPDX-License-Identifier: Apache-2.0 */
/* filter.h - what a filter is.
 *
 * A filter says once per series whether it wants it, and then looks at each
 * sample of these: it keeps it, changes its value, or drops it.  To add one:
 * write filters/NAME.c defining `const struct filter_ops filter_NAME`, and add
 * FILTER(NAME) to the list in filters.h.
 *
 * Threads: open and close run in the main thread.  selects and apply run in many
 * workers at once on the same self, which is therefore const: what a filter
 * learns from earlier samples is in the series (last_value), not in self.  */
#ifndef FILTER_H
#define FILTER_H

#include "batch.h"
#include "err.h"
#include "setting.h"

enum filter_verdict { FILTER_KEEP, FILTER_DROP };

struct filter_ops {
    const char *name;               /* key in the YAML */
    const char *help;               /* one line */
    const struct setting *settings; /* ends with SETTING_END */
    size_t conf_size;               /* of the struct the table describes */

    /* As sink_ops.check. */
    void (*check)(const void *conf, const struct setting_report *report);

    /* Checks what the table cannot (min <= max) and copies what it needs: conf
     * is freed afterwards.  ERR_INVALID with *err filled refuses the
     * configuration; nothing is left to close then. */
    enum status (*open)(void **ret_self, const void *conf, struct err *err);

    /* Whether apply is to see the samples of s.  Depends on name, labels and kind
     * only; asked once, and again when the kind changes.  This is the place for
     * globs and regular expressions. */
    bool (*selects)(const void *self, const struct series *s);

    /* May change the value, by sample_set, and nothing else.  Must not allocate,
     * block or log.  Cannot fail: what it does not understand it keeps. */
    enum filter_verdict (*apply)(const void *self, struct sample *s);

    void (*close)(void *self);
};

#endif
