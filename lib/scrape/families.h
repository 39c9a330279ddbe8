/* SPDX-License-Identifier: Apache-2.0 */
/* families.h - the families of a page, by name; part of page.c. */
#ifndef FAMILIES_H
#define FAMILIES_H

#include "buf.h"
#include "format.h"
#include "idmap.h"
#include "series.h"

struct families {
    struct family **items; /* NULL: they are put away, see families_give */
    size_t len, cap;
    size_t unused;        /* of them: without series, until families_settle */
    struct texts *texts;  /* of them and their series; outlives them */
    struct family *block; /* those that families_take made, side by side */
    size_t block_cap;
    size_t singles; /* of them: not in block */
};

/* Memory of families that no page has now. */
struct family_room {
    struct family **items;
    struct family *block;
    size_t items_cap, block_cap;
};

void families_init(struct families *f, struct texts *texts);
void families_done(struct families *f); /* frees all; their texts go with the others */

static inline size_t families_len(const struct families *f)
{
    return f->len - f->unused;
}

/* All families by hash of their name: index is room for one, good until families_settle. */
void families_index(const struct families *f, struct idmap *index);

/* The family of that name, made (untyped, as is one that has lost all its series) if there are fewer
 * than max; else NULL. */
struct family *families_get(struct families *f, struct idmap *index, struct span name, size_t max);

/* One series less points there; with the last one the family goes at the next families_settle. */
void families_drop(struct families *f, struct family *family);
void families_settle(struct families *f);

/* Puts them away: their memory goes to r, and no more is left of them than how many there are.  None is
 * unused. */
void families_give(struct families *f, struct family_room *r);

/* And back, where they are put away: as many, of which nothing is known but texts.  r may be NULL. */
void families_take(struct families *f, struct family_room *r);

/* Moves their texts to other ones. */
void families_move(struct families *f, const struct texts *from, struct texts *to);

/* What comments say of a family, still escaped; .data NULL: nothing.  What is said of nothing, or
 * is above max_bytes or not UTF-8, changes nothing.  True when help or unit was another before.  room
 * is for work. */
bool families_say(struct families *f, struct family *family, struct span help, struct span unit,
                  size_t max_bytes, struct buf *room);

size_t families_bytes(const struct families *f); /* of memory, texts apart */

/* What a series of that name is to what TYPE says of a family. */
enum family_part {
    FAMILY_NONE,   /* it is of another */
    FAMILY_SHARED, /* one of several, which share the family of that name */
    FAMILY_OWN, /* x_total of the counter x, x_info of the info x: it is kept under its own name */
    FAMILY_CREATED, /* x_created of a counter, histogram or summary x: since when it counts */
};
enum family_part family_part(struct span family, enum series_kind kind, enum page_format format,
                             struct span name);

#endif
