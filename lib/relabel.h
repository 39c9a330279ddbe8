/* SPDX-License-Identifier: Apache-2.0 */
/* relabel.h - rules that change labels, or drop what carries them.
 *
 * The rules that users of Prometheus know, with its names, defaults and results; see
 * docs/RELABEL.md for each action and for what differs.  Rules run in their order, each on
 * what those before it left; they are counted from 0, as in "relabel[0]".
 *
 *     relabel_new(&r, rules, n, &err);
 *     relabel_work_init(&work);                       once for each thread
 *     if (relabel_apply(r, &labels, &work, &rule, &err) != OK) ...  refuse it, err says why
 *     else if (rule != RELABEL_KEPT)                  dropped by rule 3 (keep)
 *         use(rule, relabel_action(r, rule));
 *
 * Of values only ASCII letters change under lowercase and uppercase; all other characters
 * stay as they are (Prometheus follows Unicode).  A name that comes out of replace or labelmap
 * and is no name of a label ([a-zA-Z_][a-zA-Z0-9_]*) is not set.  An expression that is
 * given up at its limit (regex.h) did not match: keep drops, drop keeps.  */
#ifndef RELABEL_H
#define RELABEL_H

#include "label_set.h"
#include "setting.h"

struct relabel_rule_conf {
    struct text_list source_labels;
    char *separator, *regex, *target_label, *replacement;
    int64_t modulus;
    unsigned action; /* enum relabel_action */
};

/* In the order of relabel_actions. */
enum relabel_action {
    RELABEL_REPLACE,
    RELABEL_KEEP,
    RELABEL_DROP,
    RELABEL_KEEPEQUAL,
    RELABEL_DROPEQUAL,
    RELABEL_HASHMOD,
    RELABEL_LABELMAP,
    RELABEL_LABELDROP,
    RELABEL_LABELKEEP,
    RELABEL_LOWERCASE,
    RELABEL_UPPERCASE,
};

extern const struct setting relabel_settings[]; /* of struct relabel_rule_conf */
extern const char *const relabel_actions[];     /* ended by NULL */

/* Bytes of the joined source labels, and of all that labelmap finds in a set. */
#define RELABEL_MAX_BYTES (1 << 20)

struct relabel; /* immutable: any number of threads */

/* Tells of all that relabel_new would refuse: setting "<prefix>[2].regex". */
void relabel_check(const struct relabel_rule_conf *rules, size_t n, const char *prefix,
                   const struct setting_report *report);

/* rules may go afterwards; n may be 0.  ERR_INVALID: *err says which rule, and what is wrong
 * with it. */
enum status relabel_new(struct relabel **ret, const struct relabel_rule_conf *rules, size_t n,
                        struct err *err) NODISCARD;
void relabel_free(struct relabel *r); /* NULL is fine */

/* What a run needs beside the rules.  One thread at a time; it keeps its memory, so that runs come
 * to allocate nothing. */
struct relabel_work {
    struct buf joined, name, value;
    struct label_set mapped;
};
void relabel_work_init(struct relabel_work *w);
void relabel_work_done(struct relabel_work *w);

/* Changes labels, whose values are UTF-8 and stay so if what the rules say is.  *ret_rule: the
 * rule that dropped it, or RELABEL_KEPT; labels is then as the rules before that one left it.
 * ERR_LIMIT, with the rule in *err: a label that labels or work has no room for; labels is
 * then as that rule came to leave it. */
#define RELABEL_KEPT SIZE_MAX
enum status relabel_apply(const struct relabel *r, struct label_set *labels, struct relabel_work *w,
                          size_t *ret_rule, struct err *err) NODISCARD;

/* The word for what that rule does, static. */
const char *relabel_action(const struct relabel *r, size_t rule);

DEFINE_AUTO_PTR(relabel, relabel_free)
DEFINE_AUTO(relabel_work, relabel_work_done)

#endif
