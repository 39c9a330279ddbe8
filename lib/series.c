/* SPDX-License-Identifier: Apache-2.0 */
#include "series.h"

#include "hash.h"
#include "mem.h"

#include <assert.h>

static const char *const kind_names[SERIES_KINDS] = {
    [SERIES_UNTYPED] = "untyped",   [SERIES_GAUGE] = "gauge",
    [SERIES_COUNTER] = "counter",   [SERIES_HISTOGRAM] = "histogram",
    [SERIES_SUMMARY] = "summary",   [SERIES_INFO] = "info",
    [SERIES_STATESET] = "stateset", [SERIES_GAUGEHISTOGRAM] = "gaugehistogram",
};

_Static_assert(sizeof(void *) != 8 || offsetof(struct series, id) <= 64, "hot fields grew");
_Static_assert(sizeof(void *) != 8 || sizeof(struct series) == 64, "a million series grew");

const char *series_kind_name(enum series_kind kind)
{
    return kind_names[kind];
}

struct family *family_new(struct span name, size_t *bytes)
{
    struct family *f = mem_alloc(sizeof *f);
    f->name = mem_strndup(name.data, name.len);
    f->bytes = bytes;
    return f;
}

void family_free(struct family *f)
{
    if (!f)
        return;
    mem_free(f->name);
    mem_free(f->help);
    mem_free(f->unit);
    mem_free(f);
}

size_t series_bytes(size_t key_len, uint8_t lanes)
{
    return sizeof(struct series) + lanes * sizeof(struct part) + key_len;
}

struct series *series_new(struct span key, struct family *family, uint8_t lanes)
{
    assert(key.len > 0 && key.data[key.len - 1] == '\0');
    struct series *s = mem_alloc(series_bytes(key.len, lanes));
    s->id = hash_bytes(key.data, key.len);
    s->family = family;
    s->lanes = lanes;
    s->key_len = (uint32_t)key.len;
    memcpy(&s->parts[lanes], key.data, key.len);
    *family->bytes += series_bytes(key.len, lanes);
    return s;
}

void series_free(struct series *s)
{
    if (!s)
        return;
    series_forget(s);
    *s->family->bytes -= series_bytes(s->key_len, s->lanes);
    mem_free(s);
}

struct series *series_relane(struct series *s, uint8_t lanes, const uint8_t *from)
{
    struct series *new = series_new(series_key(s), s->family, lanes);
    new->prefix_hash = s->prefix_hash;
    new->prefix_len = s->prefix_len;
    new->scrape = s->scrape;
    new->position = s->position;
    new->role = s->role;
    new->last_ms = s->last_ms;
    new->last_value = s->last_value;
    for (unsigned i = 0; i < lanes; i++)
        if (from[i] != SERIES_NEW_LANE)
            new->parts[i].sent = s->parts[from[i]].sent;
    series_free(s);
    return new;
}

const char *series_name(const struct series *s)
{
    return series_key(s).data;
}

/* The label whose name starts behind the NUL that ends text. */
static struct label label_behind(const struct series *s, const char *text)
{
    const char *name = text + strlen(text) + 1;
    if (name == series_name(s) + s->key_len)
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
    assert(lane < s->lanes && !s->parts[lane].data && data.len <= UINT32_MAX);
    s->parts[lane].data = mem_strndup(data.data, data.len);
    s->parts[lane].len = (uint32_t)data.len;
    *s->family->bytes += data.len + 1;
}

void series_forget(struct series *s)
{
    for (unsigned i = 0; i < s->lanes; i++) {
        if (!s->parts[i].data)
            continue;
        *s->family->bytes -= s->parts[i].len + (size_t)1;
        mem_free(s->parts[i].data);
        s->parts[i] = (struct part){.sent = s->parts[i].sent};
    }
    s->asked = false;
}
