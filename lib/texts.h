/* SPDX-License-Identifier: Apache-2.0 */
/* texts.h - the texts of many series, in one piece of memory that grows.
 *
 * Of each series there is one entry: its key, and for each lane where the constant part that was
 * made for it stands, and whether the lane has sent it.  Parts are made later, so they stand
 * anywhere behind.  Entries are named by where they begin, for what is added may move all of them:
 * no pointer into texts outlives the next call that adds.
 *
 * What is given up stays where it is, and is counted, until all that is alive is moved into new
 * texts.  */
#ifndef TEXTS_H
#define TEXTS_H

#include "text.h"

/* Entries and parts begin at multiples of it; by these they are named. */
#define TEXTS_UNIT 8

struct text_part {
    uint32_t at; /* 0: there is none */
    uint32_t len : 31;
    uint32_t sent : 1;
};

struct text {
    uint32_t key_len;
    struct text_part parts[]; /* one per lane; the key is behind the last */
};

/* Zeroed is empty. */
struct texts {
    char *data;
    size_t len, cap;
    size_t dead;      /* of len: given up */
    uint64_t numbers; /* that were given; they go on when all is moved into new texts */
    bool changed;     /* since its owner last said that it is not */
};

void texts_done(struct texts *t); /* it is empty then */
DEFINE_AUTO(texts, texts_done)

/* Of a new entry with such a key, without parts. */
static inline size_t texts_entry_bytes(size_t key_len, uint8_t lanes)
{
    size_t bytes = sizeof(struct text) + lanes * sizeof(struct text_part) + key_len;
    return (bytes + TEXTS_UNIT - 1) / TEXTS_UNIT * TEXTS_UNIT;
}

/* Room for so many bytes more, just so if t is empty. */
void texts_reserve(struct texts *t, size_t bytes);

/* A new entry; key is not of t. */
uint32_t texts_add(struct texts *t, struct span key, uint8_t lanes);

/* Until the next one is added. */
static inline struct text *texts_at(const struct texts *t, uint32_t at)
{
    return (struct text *)(void *)(t->data + (size_t)at * TEXTS_UNIT);
}
static inline struct span texts_part(const struct texts *t, const struct text_part *part)
{
    return (struct span){t->data + (size_t)part->at * TEXTS_UNIT, part->len};
}

/* A copy of data, which is not of t, becomes the part of that lane, which has none. */
void texts_set_part(struct texts *t, uint32_t at, unsigned lane, struct span data);

/* Likewise, in place of the part there is: where that stands, if there is room.  It is at least as long as
 * data then, and as it was. */
void texts_change_part(struct texts *t, uint32_t at, unsigned lane, struct span data);

/* For a part: a number that no other one of t has or had, never 0.  Texts that are made alike have the same ones in the
 * same places, so that one page can stand for another (models.h). */
static inline uint64_t texts_number(struct texts *t)
{
    return ++t->numbers;
}

/* Gives up the parts of the entry; with texts_remove the entry too. */
void texts_forget(struct texts *t, uint32_t at, uint8_t lanes);
void texts_remove(struct texts *t, uint32_t at, uint8_t lanes);

/* The same entry in to, with its parts. */
uint32_t texts_move(const struct texts *t, uint32_t at, uint8_t lanes, struct texts *to);

#endif
