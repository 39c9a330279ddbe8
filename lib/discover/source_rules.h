/* SPDX-License-Identifier: Apache-2.0 */
/* source_rules.h - what the labels of something found say of how to scrape it, and rules that change
 * them.  Part of source_target.c.  */
#ifndef SOURCE_RULES_H
#define SOURCE_RULES_H

#include "source.h"

/* What rules left, as text of its own. */
struct source_ruled {
    struct label *labels;
    size_t len;
    char *text;
};
void source_ruled_done(struct source_ruled *r);
DEFINE_AUTO(source_ruled, source_ruled_done)

/* Runs the rules of env on these labels; a later one of the same name wins.  *ret_kept false: dropped, *err
 * says by which rule.  ERR_INVALID: a value that is not UTF-8, more labels than a set holds. */
enum status source_rules_run(const struct source_env *env, const struct label *labels, size_t n,
                             struct source_ruled *ret, bool *ret_kept, struct err *err) NODISCARD;

/* What labels say of how to scrape one target: their texts, or NULL. */
struct source_wish {
    const char *interval, *timeout, *limit, *mode;
};

/* What comes of it. */
struct source_asked {
    int64_t interval, timeout; /* ns */
    int64_t sample_limit;
    unsigned mode; /* enum target_mode */
};

/* ERR_INVALID: not allowed; *err says which. */
enum status source_ask(const struct source_common *c, const struct source_wish *wish,
                       struct source_asked *ret, struct err *err) NODISCARD;

#endif
