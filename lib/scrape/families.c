/* SPDX-License-Identifier: Apache-2.0 */
/* families.c - what comments say, kept once for all series of a name. */
#include "families.h"

#include "hash.h"
#include "mem.h"
#include "promtext.h"

#include <assert.h>

static uint64_t family_id(struct span name)
{
    return hash_bytes(name.data, name.len);
}

static uint64_t id_of(const struct family *f)
{
    const char *name = family_name(f);
    return family_id((struct span){name, strlen(name)});
}

void families_init(struct families *f, struct texts *texts)
{
    *f = (struct families){.texts = texts};
}

static void free_one(struct families *f, struct family *family)
{
    if (f->block && family >= f->block && family < f->block + f->block_cap)
        return; /* it goes with the others */
    mem_free(family);
    f->singles--;
}

static void free_singles(struct families *f)
{
    for (size_t i = 0; i < f->len && f->singles > 0; i++)
        free_one(f, f->items[i]);
}

void families_done(struct families *f)
{
    free_singles(f);
    mem_free(f->block);
    mem_free(f->items);
}

void families_give(struct families *f, struct family_room *r)
{
    assert(f->unused == 0);
    free_singles(f);
    if (f->block_cap > r->block_cap) {
        mem_free(r->block);
        r->block = f->block;
        r->block_cap = f->block_cap;
    } else {
        mem_free(f->block);
    }
    if (f->cap > r->items_cap) {
        mem_free(r->items);
        r->items = f->items;
        r->items_cap = f->cap;
    } else {
        mem_free(f->items);
    }
    f->block = NULL;
    f->items = NULL;
    f->block_cap = f->cap = 0;
    if (r->block_cap >= f->len)
        return;
    mem_free(r->block); /* a first scrape makes them one by one, the next shall not make any */
    r->block = mem_realloc(NULL, f->len * sizeof *r->block);
    r->block_cap = f->len;
}

void families_take(struct families *f, struct family_room *r)
{
    if (r && r->block_cap >= f->len && r->items_cap >= f->len) {
        f->block = r->block;
        f->block_cap = r->block_cap;
        f->items = r->items;
        f->cap = r->items_cap;
        *r = (struct family_room){.items = NULL};
    } else {
        f->block_cap = f->cap = f->len;
        f->block = mem_realloc(NULL, f->len * sizeof *f->block);
        f->items = mem_realloc(NULL, f->len * sizeof(struct family *));
    }
    for (size_t i = 0; i < f->len; i++) {
        f->block[i] = (struct family){.texts = f->texts};
        f->items[i] = &f->block[i];
    }
}

void families_index(const struct families *f, struct idmap *index)
{
    idmap_reset(index, f->len);
    for (size_t i = 0; i < f->len; i++)
        idmap_put(index, id_of(f->items[i]), f->items[i]);
}

static void add_text(struct buf *room, const char *data, size_t len)
{
    if (buf_add(room, data, len) != OK || buf_add(room, "", 1) != OK)
        abort(); /* only the limits bound it */
}

/* What is in room, as name, help and unit are kept, is what is said of family. */
static void set_text(struct families *f, struct family *family, const struct buf *room)
{
    family->text = texts_add(f->texts, (struct span){room->data, room->len}, 0);
}

/* Nothing is known of family but its name. */
static void set_name(struct families *f, struct family *family, struct span name)
{
    AUTO(buf) struct buf text = BUF_INIT(SIZE_MAX / 2);
    add_text(&text, name.data, name.len);
    add_text(&text, "", 0);
    add_text(&text, "", 0);
    set_text(f, family, &text);
    family->kind = SERIES_UNTYPED;
    family->has_help = family->has_unit = false;
}

static struct family *add(struct families *f)
{
    if (f->len == f->cap) {
        f->cap += f->cap / 2 + 4;
        f->items = mem_realloc(f->items, f->cap * sizeof(struct family *));
    }
    struct family *family = mem_alloc(sizeof *family);
    family->texts = f->texts;
    f->singles++;
    f->items[f->len++] = family;
    return family;
}

struct family *families_get(struct families *f, struct idmap *index, struct span name, size_t max)
{
    struct family *family = idmap_get(index, family_id(name));
    if (family && family->users > 0)
        return family;
    if (families_len(f) >= max)
        return NULL;
    if (family) {
        texts_remove(f->texts, family->text, 0);
        f->unused--;
    } else {
        family = add(f);
        idmap_put(index, family_id(name), family);
    }
    set_name(f, family, name);
    return family;
}

void families_drop(struct families *f, struct family *family)
{
    assert(family->users > 0);
    f->unused += --family->users == 0;
}

void families_settle(struct families *f)
{
    size_t kept = 0;
    if (f->unused == 0)
        return;
    for (size_t i = 0; i < f->len; i++) {
        struct family *family = f->items[i];
        if (family->users > 0) {
            f->items[kept++] = family;
            continue;
        }
        texts_remove(f->texts, family->text, 0);
        free_one(f, family);
    }
    f->len = kept;
    f->unused = 0;
}

void families_move(struct families *f, const struct texts *from, struct texts *to)
{
    for (size_t i = 0; i < f->len; i++)
        f->items[i]->text = texts_move(from, f->items[i]->text, 0, to);
}

/* What is to be kept of text, behind what room holds; if it says nothing, what was said before.  True:
 * that is something else. */
static bool say(struct buf *room, struct span text, const char *before, size_t max_bytes)
{
    before = before ? before : "";
    if (!text.data || text.len > max_bytes || !text_is_utf8(text)) {
        add_text(room, before, strlen(before));
        return false;
    }
    char *start = buf_room(room, text.len + 1);
    assert(start);
    size_t len = promtext_unescape(start, text);
    start[len] = '\0';
    buf_used(room, len + 1);
    return !span_is((struct span){start, len}, before);
}

bool families_say(struct families *f, struct family *family, struct span help, struct span unit,
                  size_t max_bytes, struct buf *room)
{
    const char *name = family_name(family);
    buf_truncate(room, 0);
    add_text(room, name, strlen(name));
    size_t help_at = room->len;
    bool changed = say(room, help, family_help(family), max_bytes);
    size_t unit_at = room->len;
    changed |= say(room, unit, family_unit(family), max_bytes);
    if (!changed)
        return false;
    texts_remove(f->texts, family->text, 0);
    set_text(f, family, room);
    family->has_help = unit_at > help_at + 1;
    family->has_unit = room->len > unit_at + 1;
    return true;
}

size_t families_bytes(const struct families *f)
{
    return (f->block_cap + f->singles) * sizeof **f->items + f->cap * sizeof *f->items;
}

/* What may stand behind the name of a family, beside nothing. */
static const struct {
    enum series_kind kind;
    const char *text;
    enum family_part part;
} endings[] = {
    {SERIES_HISTOGRAM, "_bucket", FAMILY_SHARED},
    {SERIES_HISTOGRAM, "_sum", FAMILY_SHARED},
    {SERIES_HISTOGRAM, "_count", FAMILY_SHARED},
    {SERIES_SUMMARY, "_sum", FAMILY_SHARED},
    {SERIES_SUMMARY, "_count", FAMILY_SHARED},
    {SERIES_GAUGEHISTOGRAM, "_bucket", FAMILY_SHARED},
    {SERIES_GAUGEHISTOGRAM, "_gsum", FAMILY_SHARED},
    {SERIES_GAUGEHISTOGRAM, "_gcount", FAMILY_SHARED},
    {SERIES_COUNTER, "_total", FAMILY_OWN}, /* from here on of OpenMetrics */
    {SERIES_INFO, "_info", FAMILY_OWN},
    {SERIES_COUNTER, "_created", FAMILY_CREATED},
    {SERIES_HISTOGRAM, "_created", FAMILY_CREATED},
    {SERIES_SUMMARY, "_created", FAMILY_CREATED},
};
enum { TEXT_ENDINGS = 8 };

enum family_part family_part(struct span family, enum series_kind kind, enum page_format format,
                             struct span name)
{
    if (name.len < family.len || memcmp(name.data, family.data, family.len) != 0)
        return FAMILY_NONE;
    struct span rest = {name.data + family.len, name.len - family.len};
    if (rest.len == 0)
        return FAMILY_SHARED;
    size_t n = format == FORMAT_OPENMETRICS ? ARRAY_LEN(endings) : TEXT_ENDINGS;
    for (size_t i = 0; i < n; i++)
        if (endings[i].kind == kind && span_is(rest, endings[i].text))
            return endings[i].part;
    return FAMILY_NONE;
}
