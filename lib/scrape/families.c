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

static size_t text_bytes(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static size_t family_bytes(const struct family *f)
{
    return sizeof *f + text_bytes(f->name) + text_bytes(f->help) + text_bytes(f->unit);
}

void families_init(struct families *f, struct texts *texts)
{
    *f = (struct families){.texts = texts};
    idmap_init(&f->map);
}

void families_done(struct families *f)
{
    assert(f->map.len == 0);
    idmap_done(&f->map);
}

struct family *families_get(struct families *f, struct span name, size_t max)
{
    struct family *family = idmap_get(&f->map, family_id(name));
    if (family || f->map.len >= max)
        return family;
    family = family_new(name, f->texts);
    idmap_put(&f->map, family_id(name), family);
    f->bytes += family_bytes(family);
    return family;
}

void families_drop(struct families *f, struct family *family)
{
    assert(family->users > 0);
    if (--family->users > 0)
        return;
    f->bytes -= family_bytes(family);
    idmap_remove(&f->map, family_id((struct span){family->name, strlen(family->name)}));
    family_free(family);
}

bool families_set_text(struct families *f, char **field, struct span text, size_t max_bytes,
                       struct buf *room)
{
    if (!text.data || text.len > max_bytes || !text_is_utf8(text))
        return false;
    buf_truncate(room, 0);
    char *start = buf_room(room, text.len);
    assert(start);
    struct span plain = {start, promtext_unescape(start, text)};
    if (*field ? span_is(plain, *field) : plain.len == 0)
        return false;
    f->bytes -= text_bytes(*field);
    mem_free(*field);
    *field = plain.len ? mem_strndup(plain.data, plain.len) : NULL;
    f->bytes += text_bytes(*field);
    return true;
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
