/* SPDX-License-Identifier: Apache-2.0 */
/* room.h - room for work on pages, which a batch carries from one to the next; part of page.c. */
#ifndef ROOM_H
#define ROOM_H

#include "cold.h"
#include "idmap.h"
#include "page.h"

struct room {
    struct buf key, names;    /* of the series being looked for; room for key.c */
    struct buf exposed;       /* its name, before any rule */
    struct buf comment;       /* a described name that was escaped */
    struct buf text;          /* of a comment, unescaped */
    struct idmap index;       /* of the page being read, if that needs one */
    struct idmap points;      /* samples of series that may have several lines: index plus one */
    struct idmap names_index; /* likewise, of its families */
    struct series **ended;    /* batch.ended; room for ended_cap */
    size_t ended_cap;
    struct cold_room cold;
    struct series meta[PAGE_META]; /* as the batch has them */
    struct family families[PAGE_META];
};

/* That of b, made if need be. */
struct room *room_of(struct batch *b);

/* Room for so many ended ones. */
void room_reserve_ended(struct room *r, size_t n);

/* Of b: a page was freed. */
void room_trim(struct batch *b);

/* Of b and its room. */
size_t room_bytes(const struct batch *b);

#endif
