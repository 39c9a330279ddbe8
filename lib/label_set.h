/* SPDX-License-Identifier: Apache-2.0 */
/* label_set.h - labels to work on: set, changed and removed until they are right.
 *
 * For making labels, not for keeping them: a set is filled, changed, read and reset, again
 * and again, and keeps its memory from one use to the next.  At most one value for each
 * name; always in the order of the names' bytes, so what comes out does not depend on
 * the order in which it went in.  A label with an empty value is the same as none.
 *
 *     struct label_set set;
 *     label_set_init(&set, 64 << 10);
 *     for (each target) {
 *         label_set_reset(&set);
 *         if (label_set_set(&set, name, value) != OK) ...
 *         for (size_t i = 0; i < set.len; i++)
 *             use(label_set_at(&set, i));
 *     }
 *     label_set_done(&set);
 *
 * Names and values are bytes as they come; who sets them answers for their form.  One thread
 * at a time.  */
#ifndef LABEL_SET_H
#define LABEL_SET_H

#include "err.h"
#include "text.h"

#define LABEL_SET_MAX 640 /* labels */

struct label_set_item;

struct label_set {
    size_t len;       /* labels */
    size_t bytes;     /* of all names and values */
    size_t max_bytes; /* bytes never passes this */
    struct label_set_item *items;
    char *text; /* names and values; behind replaced ones too, until there is no room */
    size_t text_len, text_cap;
    char *spare; /* where they go then */
    size_t spare_cap;
};

struct label_span {
    struct span name, value;
};

/* max_bytes: of all names and values together, at most 1 GiB.  The set takes up to four times as
 * much memory, as it comes to need it. */
void label_set_init(struct label_set *s, size_t max_bytes);
void label_set_done(struct label_set *s);

/* Removes all labels, keeps the memory. */
void label_set_reset(struct label_set *s);

/* Adds the label or replaces its value; an empty value removes it.  name is not empty.
 * name and value may be spans that this set has given.  ERR_LIMIT when there would be more
 * than LABEL_SET_MAX labels or max_bytes: nothing has changed then. */
enum status label_set_set(struct label_set *s, struct span name, struct span value) NODISCARD;

/* What they give is valid until the next call that changes the set.  A label that is not there
 * has an empty value, whose data is not NULL either. */
struct span label_set_get(const struct label_set *s, struct span name);
struct label_span label_set_at(const struct label_set *s, size_t i); /* i below len */

/* Of a label that is not there: nothing.  Those behind it move down by one. */
void label_set_remove(struct label_set *s, struct span name);
void label_set_remove_at(struct label_set *s, size_t i); /* i below len */

DEFINE_AUTO(label_set, label_set_done)

#endif
