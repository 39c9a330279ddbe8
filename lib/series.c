/* SPDX-License-Identifier: Apache-2.0 */
#include "series.h"

#include <assert.h>

static const char *const kind_names[SERIES_KINDS] = {
    [SERIES_UNTYPED] = "untyped",   [SERIES_GAUGE] = "gauge",
    [SERIES_COUNTER] = "counter",   [SERIES_HISTOGRAM] = "histogram",
    [SERIES_SUMMARY] = "summary",   [SERIES_INFO] = "info",
    [SERIES_STATESET] = "stateset", [SERIES_GAUGEHISTOGRAM] = "gaugehistogram",
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct series) == 48, "a million series grew");

const char *series_kind_name(enum series_kind kind)
{
    return kind_names[kind];
}

static const char *behind(const char *text)
{
    return text + strlen(text) + 1;
}

const char *family_help(const struct family *f)
{
    return f->has_help ? behind(family_name(f)) : NULL;
}

const char *family_unit(const struct family *f)
{
    return f->has_unit ? behind(behind(family_name(f))) : NULL;
}

void series_init(struct series *s, uint64_t id, struct span key, struct family *family,
                 uint8_t lanes)
{
    assert(key.len > 0 && key.data[key.len - 1] == '\0');
    *s = (struct series){.id = id, .family = family, .lanes = lanes};
    s->text = texts_add(family->texts, key, lanes);
}

void series_done(struct series *s)
{
    texts_remove(s->family->texts, s->text, s->lanes);
}

void series_move(struct series *s, const struct texts *from, struct texts *to)
{
    s->text = texts_move(from, s->text, s->lanes, to);
}

void series_relane(struct series *s, const struct texts *from_texts, struct texts *to,
                   uint8_t lanes, const uint8_t *from)
{
    const struct text *old = texts_at(from_texts, s->text);
    struct span key = {(const char *)&old->parts[s->lanes], old->key_len};
    s->text = texts_add(to, key, lanes);
    s->lanes = lanes;
    s->asked = false;
    for (unsigned i = 0; i < lanes; i++)
        if (from[i] != SERIES_NEW_LANE)
            texts_at(to, s->text)->parts[i].sent = old->parts[from[i]].sent;
}

const char *series_name(const struct series *s)
{
    return series_key(s).data;
}

/* The label whose name starts behind the NUL that ends text. */
static struct label label_behind(const struct series *s, const char *text)
{
    const char *name = text + strlen(text) + 1;
    struct span key = series_key(s);
    if (name == key.data + key.len)
        return (struct label){NULL, NULL};
    return (struct label){name, name + strlen(name) + 1};
}

struct label series_first(const struct series *s)
{
    return label_behind(s, series_name(s));
}

struct label series_next(const struct series *s, struct label l)
{
    return label_behind(s, l.value);
}

const char *series_label(const struct series *s, const char *name)
{
    for (struct label l = series_first(s); l.name; l = series_next(s, l))
        if (strcmp(l.name, name) == 0)
            return l.value;
    return NULL;
}

void series_set_part(struct series *s, unsigned lane, struct span data)
{
    assert(lane < s->lanes);
    texts_set_part(s->family->texts, s->text, lane, data);
}

void series_change_part(struct series *s, unsigned lane, struct span data)
{
    assert(lane < s->lanes);
    texts_change_part(s->family->texts, s->text, lane, data);
}

void series_forget(struct series *s)
{
    texts_forget(s->family->texts, s->text, s->lanes);
    s->asked = false;
}
