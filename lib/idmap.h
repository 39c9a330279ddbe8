/* SPDX-License-Identifier: Apache-2.0 */
/* idmap.h - a table from 64-bit ids to pointers.
 *
 * The ids are hashes already.  The pointers stay their owner's.  Not
 * thread-safe; the caller bounds the number of entries.  */
#ifndef IDMAP_H
#define IDMAP_H

#include "base.h"

struct idmap_slot {
    uint64_t id;
    void *item; /* NULL: free */
};

struct idmap {
    size_t len;
    unsigned bits; /* 2^bits slots; 0 while there are none */
    uint64_t salt;
    struct idmap_slot *slots;
};

void idmap_init(struct idmap *m);
void idmap_done(struct idmap *m); /* forgets all items, frees none */

/* Forgets all items, and has room for so many before it grows. */
void idmap_reset(struct idmap *m, size_t len);

size_t idmap_bytes(const struct idmap *m); /* of its slots */

void *idmap_get(const struct idmap *m, uint64_t id);      /* or NULL */
void idmap_put(struct idmap *m, uint64_t id, void *item); /* id must be new */
void idmap_remove(struct idmap *m, uint64_t id);          /* id must be there */

#endif
