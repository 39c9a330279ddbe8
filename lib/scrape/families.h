/* SPDX-License-Identifier: Apache-2.0 */
/* families.h - the families of a page, by name; part of page.c. */
#ifndef FAMILIES_H
#define FAMILIES_H

#include "buf.h"
#include "format.h"
#include "idmap.h"
#include "series.h"

struct families {
    struct idmap map;    /* by hash of the name */
    struct texts *texts; /* of the series; outlives them */
    size_t bytes;        /* of the families and what they say */
};

void families_init(struct families *f, struct texts *texts);
void families_done(struct families *f); /* all have been dropped */

/* The family of that name, made if there are fewer than max; else NULL. */
struct family *families_get(struct families *f, struct span name, size_t max);

/* One series less points there; the last one takes the family along. */
void families_drop(struct families *f, struct family *family);

/* Sets family->help or family->unit to text, still escaped.  No text, one above max_bytes or
 * not UTF-8 changes nothing.  True when it was another before.  room is for work. */
bool families_set_text(struct families *f, char **field, struct span text, size_t max_bytes,
                       struct buf *room);

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
