/* SPDX-License-Identifier: Apache-2.0 */
/* fill.h - from the tree of a file into the structs of settings tables.
 *
 * Everything that is wrong becomes a fault with its place; reading goes on.  */
#ifndef FILL_H
#define FILL_H

#include "faults.h"
#include "kind.h"

/* False, with a fault about what, when n is no map; null is an empty one where may_be_null. */
bool fill_is_map(struct faults *f, const struct yaml_node *n, const char *what, bool may_be_null);

/* What a map may hold beside the keys of its table. */
struct fill_more {
    const char *const *keys;    /* ended by NULL; NULL: none */
    const enum kind_set *kinds; /* NULL: none */
};

struct fill_result {
    unsigned unknown; /* keys that mean nothing here */
    unsigned holes;   /* settings without a value: wrong, or required and not there */
    uint64_t wrong;   /* those of them that are there: bit i, number i of the table */
};

/* Sets the defaults of conf, which is zeroed, and reads map (or a null) into it.  more may be
 * NULL. */
struct fill_result fill_table(struct faults *f, const struct yaml_node *map,
                              const struct setting *table, void *conf,
                              const struct fill_more *more);

/* The one key of map that names a kind of that set, and what stands under it. */
struct fill_kind {
    struct kind kind;
    const struct yaml_node *key, *value;
    void *conf; /* the caller's: setting_done and mem_free */
    bool whole; /* no holes in conf: it can be checked further */
};

/* False when there is none: a fault, unless quiet.  Several are a fault, the first counts. */
bool fill_kind(struct faults *f, const struct yaml_node *map, enum kind_set set, bool quiet,
               struct fill_kind *ret);

/* Faults that a check tells of, each at the setting or item it is about, else at at. */
struct fill_place {
    struct faults *faults;
    const char *what;                   /* goes in front: "static" */
    const struct yaml_node *at, *value; /* of the key, of the map under it */
};
struct setting_report fill_report(struct fill_place *p); /* p outlives it */

/* A fault: what a kind says of its settings when it is opened, with the kind's name in front. */
void fill_refused(struct faults *f, const struct fill_kind *k, const struct err *err);

/* False, with a fault, when name is not [a-z0-9-]{1,63}. */
bool fill_name_ok(struct faults *f, const struct yaml_node *at, const char *name);

#endif
