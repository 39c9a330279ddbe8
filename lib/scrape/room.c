/* SPDX-License-Identifier: Apache-2.0 */
#include "room.h"

#include "mem.h"

static void room_free(struct room *r)
{
    buf_done(&r->key);
    buf_done(&r->names);
    buf_done(&r->exposed);
    buf_done(&r->comment);
    buf_done(&r->text);
    idmap_done(&r->index);
    idmap_done(&r->names_index);
    idmap_done(&r->points);
    mem_free(r->ended);
    cold_room_done(&r->cold);
    mem_free(r);
}

static struct room *room_new(void)
{
    struct room *r = mem_alloc(sizeof *r);
    r->key = (struct buf)BUF_INIT(SIZE_MAX / 2); /* the limits of pages bound them */
    r->names = r->exposed = r->comment = r->text = r->key;
    idmap_init(&r->index);
    idmap_init(&r->names_index);
    idmap_init(&r->points);
    return r;
}

struct room *room_of(struct batch *b)
{
    if (!b->room) {
        b->room = room_new();
        b->room_free = room_free;
    }
    return b->room;
}

void room_reserve_ended(struct room *r, size_t n)
{
    if (n <= r->ended_cap)
        return;
    r->ended = mem_realloc(r->ended, n * sizeof *r->ended);
    r->ended_cap = n;
}

void room_trim(struct batch *b)
{
    if (b->room)
        cold_room_trim(&b->room->cold);
}

size_t room_bytes(const struct batch *b)
{
    const struct room *r = b->room;
    size_t own = b->cap * sizeof *b->samples + b->extras_cap * sizeof *b->extras + b->texts.cap;
    if (!r)
        return own;
    return own + sizeof *r + r->key.cap + r->names.cap + r->exposed.cap + r->comment.cap +
           r->text.cap + idmap_bytes(&r->index) + idmap_bytes(&r->names_index) +
           idmap_bytes(&r->points) + r->ended_cap * sizeof *r->ended + cold_room_bytes(&r->cold);
}
