/* SPDX-License-Identifier: Apache-2.0 */
/* label_set.c - a sorted table of places in one piece of text. */
#include "label_set.h"

#include "mem.h"

#include <assert.h>

#define FIRST_CAP 1024 /* bytes of text */

struct label_set_item {
    uint32_t name, name_len; /* places in text */
    uint32_t value, value_len;
};

void label_set_init(struct label_set *s, size_t max_bytes)
{
    assert(max_bytes <= (size_t)1 << 30);
    *s = (struct label_set){.max_bytes = max_bytes,
                            .items = mem_alloc(LABEL_SET_MAX * sizeof(struct label_set_item)),
                            .text = mem_alloc(FIRST_CAP),
                            .text_cap = FIRST_CAP};
}

void label_set_done(struct label_set *s)
{
    mem_free(s->items);
    mem_free(s->text);
    mem_free(s->spare);
    *s = (struct label_set){0};
}

void label_set_reset(struct label_set *s)
{
    s->len = s->bytes = s->text_len = 0;
}

static int compare(struct span a, struct span b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

struct label_span label_set_at(const struct label_set *s, size_t i)
{
    assert(i < s->len);
    const struct label_set_item *item = &s->items[i];
    return (struct label_span){{s->text + item->name, item->name_len},
                               {s->text + item->value, item->value_len}};
}

/* Whether it is there; *ret_at is where it is, or where it belongs. */
static bool find(const struct label_set *s, struct span name, size_t *ret_at)
{
    size_t low = 0, high = s->len;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(label_set_at(s, middle).name, name);
        if (order == 0) {
            *ret_at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_at = low;
    return false;
}

struct span label_set_get(const struct label_set *s, struct span name)
{
    size_t at;
    return find(s, name, &at) ? label_set_at(s, at).value : (struct span){"", 0};
}

void label_set_remove_at(struct label_set *s, size_t i)
{
    assert(i < s->len);
    s->bytes -= s->items[i].name_len + s->items[i].value_len;
    s->len--;
    memmove(&s->items[i], &s->items[i + 1], (s->len - i) * sizeof s->items[0]);
}

void label_set_remove(struct label_set *s, struct span name)
{
    size_t at;
    if (find(s, name, &at))
        label_set_remove_at(s, at);
}

static uint32_t append(struct label_set *s, const char *data, size_t len)
{
    uint32_t at = (uint32_t)s->text_len;
    memcpy(s->text + at, data, len);
    s->text_len += len;
    return at;
}

/* Moves what is in use to the spare text, with room for as much again.  The old text stays as
 * it is until the next move: the caller's spans may lie in it. */
static void move(struct label_set *s, size_t more)
{
    char *old = s->text;
    size_t old_cap = s->text_cap, want = 2 * (s->bytes + more);
    if (s->spare_cap < want) {
        mem_free(s->spare);
        s->spare = mem_alloc(want);
        s->spare_cap = want;
    }
    s->text = s->spare;
    s->text_cap = s->spare_cap;
    s->text_len = 0;
    for (size_t i = 0; i < s->len; i++) {
        struct label_set_item *item = &s->items[i];
        item->name = append(s, old + item->name, item->name_len);
        item->value = append(s, old + item->value, item->value_len);
    }
    s->spare = old;
    s->spare_cap = old_cap;
}

enum status label_set_set(struct label_set *s, struct span name, struct span value)
{
    size_t at;
    bool there = find(s, name, &at);
    assert(name.len > 0);
    if (value.len == 0) {
        if (there)
            label_set_remove_at(s, at);
        return OK;
    }
    size_t kept = s->bytes - (there ? s->items[at].value_len : 0);
    size_t more = value.len + (there ? 0 : name.len);
    if (more > s->max_bytes - kept || (!there && s->len == LABEL_SET_MAX))
        return ERR_LIMIT;
    if (more > s->text_cap - s->text_len)
        move(s, more);
    struct label_set_item *item = &s->items[at];
    if (!there) {
        memmove(item + 1, item, (s->len - at) * sizeof *item);
        item->name = append(s, name.data, name.len);
        item->name_len = (uint32_t)name.len;
        s->len++;
    }
    item->value = append(s, value.data, value.len);
    item->value_len = (uint32_t)value.len;
    s->bytes = kept + more;
    return OK;
}
