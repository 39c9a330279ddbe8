/* SPDX-License-Identifier: Apache-2.0 */
/* cold.h - the texts of a page, compressed while it waits for its next scrape; part of page.c.
 *
 * LZ4 in memory, not for anybody else: of what series of one page have in common little is left, and
 * laying it out again costs about as much as reading it.  Small ones are compressed by a model, the
 * texts of a page like them.  Only what has changed since is compressed anew.  */
#ifndef COLD_H
#define COLD_H

#include "families.h"
#include "models.h"

/* Zeroed: the texts are plain and nowhere else. */
struct cold {
    char *data; /* NULL, or the texts as they were when ->changed was false */
    size_t bytes;
    size_t beside;       /* bytes that are kept with the texts */
    struct model *model; /* a reference; NULL: without one */
};

void cold_done(struct cold *c);

/* Whether t is only there compressed: t->data is NULL, all else is as it was. */
static inline bool cold_is(const struct cold *c, const struct texts *t)
{
    return c->data && !t->data && t->len > 0;
}

/* Memory between pages. */
struct cold_room {
    char *plain; /* that no page has now, or NULL */
    size_t plain_cap;
    char *small; /* for work */
    size_t small_cap;
    struct series *items; /* records that no page has now, or NULL */
    size_t items_cap;
    struct family_room families;
    struct cold_work *work; /* likewise, and models; NULL at first */
};
void cold_room_done(struct cold_room *r);
void cold_room_trim(struct cold_room *r); /* a page was freed */
size_t cold_room_bytes(const struct cold_room *r);

/* Makes t plain, if it is cold; in the plain memory of r, which is t's then, if that is not NULL and has
 * any.  Texts that are empty get that memory to grow in. */
void cold_thaw(struct cold *c, struct texts *t, struct cold_room *r);

/* Lets t, which is plain, be so until the next scrape, in no more memory than it needs: what it had
 * more goes to r. */
void cold_keep(struct cold *c, struct texts *t, struct cold_room *r);

/* Room behind t, which is plain, for so many bytes that are to be kept with it.  Once it was cold they
 * stand there as they were, while t has not changed. */
char *cold_beside(struct cold *c, struct texts *t, size_t bytes);

/* Makes t cold, which is plain; its memory goes to r.  changed: t has, or what is beside it.  kind: equal
 * for texts that are alike, a hash. */
void cold_freeze(struct cold *c, struct texts *t, struct cold_room *r, bool changed, uint64_t kind);

#endif
