/* SPDX-License-Identifier: Apache-2.0 */
#include "msgpack.h"

/* What a head byte from 0xc0 to 0xdf says: the length field behind it, or, without one, how many
 * bytes the value has. */
struct head {
    uint8_t type, len_bytes, bytes;
    bool known;
};

static const struct head heads[32] = {
    [0x00] = {MSGPACK_NIL, 0, 0, true},    [0x02] = {MSGPACK_BOOL, 0, 0, true},
    [0x03] = {MSGPACK_BOOL, 0, 0, true},   [0x04] = {MSGPACK_TEXT, 1, 0, true},
    [0x05] = {MSGPACK_TEXT, 2, 0, true},   [0x06] = {MSGPACK_TEXT, 4, 0, true},
    [0x07] = {MSGPACK_EXT, 1, 0, true},    [0x08] = {MSGPACK_EXT, 2, 0, true},
    [0x09] = {MSGPACK_EXT, 4, 0, true},    [0x0a] = {MSGPACK_NUMBER, 0, 4, true},
    [0x0b] = {MSGPACK_NUMBER, 0, 8, true}, [0x0c] = {MSGPACK_NUMBER, 0, 1, true},
    [0x0d] = {MSGPACK_NUMBER, 0, 2, true}, [0x0e] = {MSGPACK_NUMBER, 0, 4, true},
    [0x0f] = {MSGPACK_NUMBER, 0, 8, true}, [0x10] = {MSGPACK_NUMBER, 0, 1, true},
    [0x11] = {MSGPACK_NUMBER, 0, 2, true}, [0x12] = {MSGPACK_NUMBER, 0, 4, true},
    [0x13] = {MSGPACK_NUMBER, 0, 8, true}, [0x14] = {MSGPACK_EXT, 0, 1, true},
    [0x15] = {MSGPACK_EXT, 0, 2, true},    [0x16] = {MSGPACK_EXT, 0, 4, true},
    [0x17] = {MSGPACK_EXT, 0, 8, true},    [0x18] = {MSGPACK_EXT, 0, 16, true},
    [0x19] = {MSGPACK_TEXT, 1, 0, true},   [0x1a] = {MSGPACK_TEXT, 2, 0, true},
    [0x1b] = {MSGPACK_TEXT, 4, 0, true},   [0x1c] = {MSGPACK_ARRAY, 2, 0, true},
    [0x1d] = {MSGPACK_ARRAY, 4, 0, true},  [0x1e] = {MSGPACK_MAP, 2, 0, true},
    [0x1f] = {MSGPACK_MAP, 4, 0, true},
};

static uint32_t big_endian(const char *p, size_t bytes)
{
    uint32_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | (unsigned char)p[i];
    return n;
}

/* Takes bytes off in front. */
static enum status take(struct span *left, size_t bytes, const char **ret)
{
    if (left->len < bytes)
        return ERR_AGAIN;
    *ret = left->data;
    *left = (struct span){left->data + bytes, left->len - bytes};
    return OK;
}

static enum status read_body(struct span *at, const struct head *h, struct msgpack_item *it)
{
    const char *p;
    it->type = (enum msgpack_type)h->type;
    if (take(at, h->len_bytes, &p) != OK)
        return ERR_AGAIN;
    uint32_t n = h->len_bytes ? big_endian(p, h->len_bytes) : h->bytes;
    if (it->type == MSGPACK_ARRAY || it->type == MSGPACK_MAP) {
        it->count = n;
        return OK;
    }
    if (it->type == MSGPACK_EXT && take(at, 1, &p) != OK)
        return ERR_AGAIN;
    if (take(at, n, &p) != OK)
        return ERR_AGAIN;
    if (it->type == MSGPACK_TEXT || it->type == MSGPACK_EXT)
        it->text = (struct span){p, n};
    return OK;
}

/* The heads that have their number inside. */
static enum status read_short(struct span *at, unsigned char head, struct msgpack_item *it)
{
    const char *p;
    if (head < 0x80 || head >= 0xe0) {
        it->type = MSGPACK_NUMBER;
    } else if (head < 0xa0) {
        it->type = head < 0x90 ? MSGPACK_MAP : MSGPACK_ARRAY;
        it->count = head & 0x0f;
    } else {
        it->type = MSGPACK_TEXT;
        size_t n = head & 0x1f;
        if (take(at, n, &p) != OK)
            return ERR_AGAIN;
        it->text = (struct span){p, n};
    }
    return OK;
}

enum status msgpack_read(struct span *left, struct msgpack_item *ret)
{
    struct span at = *left;
    struct msgpack_item it = {.type = MSGPACK_NIL};
    const char *p;
    if (take(&at, 1, &p) != OK)
        return ERR_AGAIN;
    unsigned char head = (unsigned char)*p;
    enum status s;
    if (head < 0xc0 || head >= 0xe0) {
        s = read_short(&at, head, &it);
    } else {
        const struct head *h = &heads[head - 0xc0];
        it.yes = head == 0xc3;
        s = h->known ? read_body(&at, h, &it) : ERR_INVALID;
    }
    if (s != OK)
        return s;
    *left = at;
    *ret = it;
    return OK;
}

enum status msgpack_skip(struct span *left)
{
    struct span at = *left;
    uint64_t open[MSGPACK_DEPTH + 1] = {1}; /* values still to come, by depth */
    for (size_t depth = 0;;) {
        struct msgpack_item it;
        enum status s = msgpack_read(&at, &it);
        if (s != OK)
            return s;
        open[depth]--;
        uint64_t inside = it.type == MSGPACK_MAP     ? UINT64_C(2) * it.count
                          : it.type == MSGPACK_ARRAY ? it.count
                                                     : 0;
        if (inside > 0 && depth == MSGPACK_DEPTH)
            return ERR_LIMIT;
        if (inside > 0)
            open[++depth] = inside;
        while (open[depth] == 0) {
            if (depth == 0) {
                *left = at;
                return OK;
            }
            depth--;
        }
    }
}
