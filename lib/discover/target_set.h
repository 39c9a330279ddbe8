/* SPDX-License-Identifier: Apache-2.0 */
/* target_set.h - targets by their ids, each id once.
 *
 * Holds a reference to each.  Not thread-safe; the caller bounds how many there are.  */
#ifndef TARGET_SET_H
#define TARGET_SET_H

#include "idmap.h"
#include "target.h"

struct target_entry {
    struct target *target;
    uint32_t mark; /* the caller's */
    size_t at;     /* index in entries */
    struct target_entry *next;
};

struct target_set {
    struct idmap map;              /* hash of an id -> the entries that have it */
    struct target_entry **entries; /* in the order they were put, as long as none is removed */
    size_t len, cap;
};

void target_set_init(struct target_set *s);
void target_set_done(struct target_set *s);

struct target_entry *target_set_get(const struct target_set *s, const char *id); /* or NULL */

/* Takes the reference; a target of the same id is replaced, and its entry kept. */
struct target_entry *target_set_put(struct target_set *s, struct target *t);
void target_set_remove(struct target_set *s, struct target_entry *e); /* e is of s */

#endif
