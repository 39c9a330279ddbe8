/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write_symbols.c - the texts of one message, by number.
 *
 * A set that needs no clearing: a slot names an entry, and counts only if that entry is among
 * the first `count` and names the slot.  So what slots hold at first does not matter, and
 * taking back the last entries is setting the count.  */
#include "hash.h"
#include "remote_write.h"

enum { SLOTS = 2 * SYMBOLS_MAX };

struct entry {
    struct symbol symbol;
    uint32_t offset; /* of the text in the buffer */
    uint32_t slot;
};

struct symbols {
    uint32_t count;
    struct entry entries[SYMBOLS_MAX];
    uint16_t slots[SLOTS];
};

static inline struct symbols *table_of(const struct buf *out)
{
    return (void *)out->data; /* where allocated memory begins: it is aligned */
}

struct symbol symbol_of(struct span text)
{
    return (struct symbol){(uint32_t)hash_bytes(text.data, text.len), (uint32_t)text.len};
}

size_t symbols_room(void)
{
    return sizeof(struct symbols);
}

enum status symbols_begin(struct buf *out)
{
    static const char *const first[] = {"", "__name__"};
    enum status r = buf_room(out, sizeof(struct symbols)) ? OK : ERR_LIMIT;
    if (r != OK)
        return r;
    buf_used(out, sizeof(struct symbols));
    table_of(out)->count = 0;
    for (uint32_t i = 0, number; i < ARRAY_LEN(first) && r == OK; i++)
        r = symbols_get(out, symbol_of((struct span){first[i], strlen(first[i])}), first[i],
                        &number);
    return r;
}

uint32_t symbols_count(const struct buf *out)
{
    return table_of(out)->count;
}

void symbols_undo(struct buf *out, uint32_t count)
{
    table_of(out)->count = count;
}

static inline bool is_entry(const struct buf *out, uint32_t i, struct symbol s, const char *text)
{
    const struct entry *e = &table_of(out)->entries[i];
    return e->symbol.hash == s.hash && e->symbol.len == s.len &&
           memcmp(out->data + e->offset, text, s.len) == 0;
}

static enum status add(struct buf *out, struct symbol s, const char *text, uint32_t slot)
{
    uint32_t number = table_of(out)->count;
    char *p = number < SYMBOLS_MAX ? buf_room(out, 1 + VARINT_ROOM + (size_t)s.len) : NULL;
    if (!p)
        return ERR_LIMIT;
    *p++ = WIRE_BYTES(4);
    p = varint_put(p, s.len);
    struct symbols *t = table_of(out); /* it may have moved */
    t->entries[number] = (struct entry){s, (uint32_t)(p - out->data), slot};
    t->slots[slot] = (uint16_t)number;
    t->count++;
    memcpy(p, text, s.len);
    buf_used(out, (size_t)(p + s.len - out->data) - out->len);
    return OK;
}

enum status symbols_get(struct buf *out, struct symbol s, const char *text, uint32_t *ret)
{
    const struct symbols *t = table_of(out);
    uint32_t slot = s.hash % SLOTS, i;
    while ((i = t->slots[slot]) < t->count && t->entries[i].slot == slot) {
        if (is_entry(out, i, s, text)) {
            *ret = i;
            return OK;
        }
        slot = (slot + 1) % SLOTS;
    }
    *ret = t->count;
    return add(out, s, text, slot);
}
