/* SPDX-License-Identifier: Apache-2.0 */
#include "texts.h"

#include "mem.h"

#include <assert.h>

void texts_done(struct texts *t)
{
    mem_free(t->data);
    *t = (struct texts){.data = NULL};
}

static size_t round_up(size_t bytes)
{
    return (bytes + TEXTS_UNIT - 1) / TEXTS_UNIT * TEXTS_UNIT;
}

void texts_reserve(struct texts *t, size_t bytes)
{
    size_t need = t->len + bytes, more = t->cap + t->cap / 2;
    if (need <= t->cap)
        return;
    if (need / TEXTS_UNIT > UINT32_MAX)
        abort(); /* the limits of a page are far below */
    t->cap = need > more ? need : more;
    t->data = mem_realloc(t->data, t->cap);
}

/* Where so many bytes begin; what rounds them up is zero, so that equal texts are equal bytes. */
static uint32_t append(struct texts *t, size_t bytes)
{
    size_t at = t->len, whole = round_up(bytes);
    texts_reserve(t, whole);
    if (whole > bytes)
        memset(t->data + at + bytes, 0, whole - bytes);
    t->len += whole;
    t->changed = true;
    return (uint32_t)(at / TEXTS_UNIT);
}

static size_t head_bytes(uint8_t lanes)
{
    return sizeof(struct text) + lanes * sizeof(struct text_part);
}

uint32_t texts_add(struct texts *t, struct span key, uint8_t lanes)
{
    size_t head = head_bytes(lanes);
    uint32_t at = append(t, head + key.len);
    struct text *to = texts_at(t, at);
    memset(to, 0, head);
    to->key_len = (uint32_t)key.len;
    memcpy((char *)to + head, key.data, key.len);
    return at;
}

void texts_set_part(struct texts *t, uint32_t at, unsigned lane, struct span data)
{
    assert(texts_at(t, at)->parts[lane].at == 0 && data.len <= INT32_MAX);
    uint32_t to = append(t, data.len);
    if (data.len > 0)
        memcpy(t->data + (size_t)to * TEXTS_UNIT, data.data, data.len);
    struct text_part *part = &texts_at(t, at)->parts[lane];
    part->at = to;
    part->len = (uint32_t)data.len & INT32_MAX;
}

/* With room to grow: who changes once does so again. */
static void move_part(struct texts *t, uint32_t at, unsigned lane, struct span data)
{
    struct text_part *part = &texts_at(t, at)->parts[lane];
    size_t room = data.len + data.len / 4;
    t->dead += round_up(part->len);
    uint32_t to = append(t, room);
    memset(t->data + (size_t)to * TEXTS_UNIT, 0, room);
    memcpy(t->data + (size_t)to * TEXTS_UNIT, data.data, data.len);
    part = &texts_at(t, at)->parts[lane];
    part->at = to;
    part->len = (uint32_t)room & INT32_MAX;
}

void texts_change_part(struct texts *t, uint32_t at, unsigned lane, struct span data)
{
    struct text_part *part = &texts_at(t, at)->parts[lane];
    size_t room = round_up(part->len), start = (size_t)part->at * TEXTS_UNIT;
    assert(part->at != 0);
    if (data.len > room && start + room < t->len) {
        move_part(t, at, lane, data);
        return;
    }
    if (data.len > room)
        (void)append(t, round_up(data.len) - room); /* it is the last */
    memcpy(t->data + start, data.data, data.len);
    part = &texts_at(t, at)->parts[lane];
    if (data.len > part->len) {
        memset(t->data + start + data.len, 0, round_up(data.len) - data.len);
        part->len = (uint32_t)data.len & INT32_MAX;
    }
    t->changed = true;
}

void texts_forget(struct texts *t, uint32_t at, uint8_t lanes)
{
    struct text *of = texts_at(t, at);
    for (unsigned i = 0; i < lanes; i++) {
        if (of->parts[i].at == 0)
            continue;
        t->dead += round_up(of->parts[i].len);
        t->changed = true;
        of->parts[i].at = of->parts[i].len = 0;
    }
}

void texts_remove(struct texts *t, uint32_t at, uint8_t lanes)
{
    texts_forget(t, at, lanes);
    t->dead += texts_entry_bytes(texts_at(t, at)->key_len, lanes);
    t->changed = true;
}

uint32_t texts_move(const struct texts *t, uint32_t at, uint8_t lanes, struct texts *to)
{
    const struct text *of = texts_at(t, at);
    struct span key = {(const char *)&of->parts[lanes], of->key_len};
    uint32_t moved = texts_add(to, key, lanes);
    for (unsigned i = 0; i < lanes; i++) {
        if (of->parts[i].at != 0)
            texts_set_part(to, moved, i, texts_part(t, &of->parts[i]));
        texts_at(to, moved)->parts[i].sent = of->parts[i].sent;
    }
    return moved;
}
