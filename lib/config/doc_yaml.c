/* SPDX-License-Identifier: Apache-2.0 */
/* doc_yaml.c - a description as YAML, written by libcyaml.
 *
 * libcyaml writes structs by a schema.  Both are made here: the entries of a list share one
 * schema, the union of what they hold, and what an entry lacks is left out; a map becomes an
 * array of slots, a pointer and a count for each of its fields.  */
#include "doc.h"
#include "mem.h"

#include <cyaml/cyaml.h>

struct slot {
    void *data;
    uint64_t count;
};

/* All that lives until it is written. */
struct room {
    void **items;
    size_t len;
};

static void *take(struct room *r, size_t n, size_t size)
{
    r->items = mem_realloc(r->items, (r->len + 1) * sizeof *r->items);
    return r->items[r->len++] = mem_alloc((n + 1) * size);
}

static void room_done(struct room *r)
{
    for (size_t i = 0; i < r->len; i++)
        mem_free(r->items[i]);
    mem_free(r->items);
}

/* Several docs that stand at the same place. */
struct docs {
    const struct doc **items;
    size_t len;
};

static struct docs children(struct room *r, const struct docs *of, const char *key)
{
    size_t n = 0;
    for (size_t i = 0; i < of->len; i++)
        n += of->items[i]->len;
    struct docs all = {.items = take(r, n, sizeof(struct doc *))};
    for (size_t i = 0; i < of->len; i++)
        for (size_t k = 0; k < of->items[i]->len; k++) {
            const struct doc *d = &of->items[i]->items[k];
            if (!key || strcmp(d->key, key) == 0)
                all.items[all.len++] = d;
        }
    return all;
}

static cyaml_schema_value_t make_schema(struct room *r, const struct docs *of);

static bool has_field(const cyaml_schema_field_t *fields, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, key) == 0)
            return true;
    return false;
}

static const cyaml_schema_field_t *make_fields(struct room *r, const struct docs *of,
                                               size_t *ret_len)
{
    struct docs all = children(r, of, NULL);
    cyaml_schema_field_t *fields = take(r, all.len, sizeof *fields);
    size_t n = 0;
    for (size_t i = 0; i < all.len; i++) {
        if (has_field(fields, n, all.items[i]->key))
            continue;
        struct docs same = children(r, of, all.items[i]->key);
        fields[n] = (cyaml_schema_field_t){
            .key = all.items[i]->key,
            .data_offset = (uint32_t)(n * sizeof(struct slot) + offsetof(struct slot, data)),
            .count_offset = (uint32_t)(n * sizeof(struct slot) + offsetof(struct slot, count)),
            .count_size = sizeof(uint64_t),
            .value = make_schema(r, &same),
        };
        n++;
    }
    *ret_len = n;
    return fields;
}

static cyaml_schema_value_t make_schema(struct room *r, const struct docs *of)
{
    enum cyaml_flag flags = CYAML_FLAG_POINTER_NULL | CYAML_FLAG_OPTIONAL;
    enum doc_type type = of->len ? of->items[0]->type : DOC_STRING;
    cyaml_schema_value_t v = {.type = CYAML_STRING, .flags = flags, .data_size = sizeof(char)};
    v.string.max = CYAML_UNLIMITED;
    size_t n;
    if (type == DOC_MAP) {
        v.type = CYAML_MAPPING;
        v.mapping.fields = make_fields(r, of, &n);
        v.data_size = (uint32_t)((n + 1) * sizeof(struct slot));
    } else if (type == DOC_LIST) {
        struct docs all = children(r, of, NULL);
        cyaml_schema_value_t *entry = take(r, 1, sizeof *entry);
        *entry = make_schema(r, &all);
        v.type = CYAML_SEQUENCE;
        v.sequence.entry = entry;
        v.sequence.min = 0;
        v.sequence.max = CYAML_UNLIMITED;
        v.data_size = entry->data_size;
    } else {
        v.flags |= type == DOC_STRING ? CYAML_FLAG_SCALAR_QUOTE_DOUBLE : CYAML_FLAG_SCALAR_PLAIN;
    }
    return v;
}

/* A '$' of a value is written twice, to be one when it is read again. */
static char *dollars(struct room *r, const char *text)
{
    char *out = take(r, 2 * strlen(text), 1), *p = out;
    for (; *text; text++) {
        if (*text == '$')
            *p++ = '$';
        *p++ = *text;
    }
    return out;
}

static void *make_data(struct room *r, const struct doc *d, const cyaml_schema_value_t *v);

static struct slot *make_slots(struct room *r, const struct doc *d,
                               const cyaml_schema_field_t *fields)
{
    size_t n = 0;
    while (fields[n].key)
        n++;
    struct slot *slots = take(r, n, sizeof *slots);
    for (size_t i = 0; i < n; i++) {
        const struct doc *child = doc_get(d, fields[i].key);
        if (!child)
            continue;
        slots[i].data = make_data(r, child, &fields[i].value);
        slots[i].count = child->len;
    }
    return slots;
}

static void *make_data(struct room *r, const struct doc *d, const cyaml_schema_value_t *v)
{
    if (d->type == DOC_MAP)
        return make_slots(r, d, v->mapping.fields);
    if (d->type != DOC_LIST)
        return d->type == DOC_STRING ? dollars(r, d->text) : d->text;
    void **items = take(r, d->len, sizeof *items);
    for (size_t i = 0; i < d->len; i++)
        items[i] = make_data(r, &d->items[i], v->sequence.entry);
    return items;
}

enum status doc_write_yaml(const struct doc *d, struct buf *out)
{
    static const cyaml_config_t config = {
        .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_STYLE_BLOCK};
    struct room r = {.items = NULL};
    struct docs root = {.items = &d, .len = 1};
    cyaml_schema_value_t schema = make_schema(&r, &root);
    schema.flags = CYAML_FLAG_POINTER;
    char *text = NULL;
    size_t len = 0;
    cyaml_err_t e = cyaml_save_data(&text, &len, &config, &schema, make_data(&r, d, &schema), 0);
    enum status s = e == CYAML_OK ? buf_add(out, text, len) : ERR_INVALID;
    free(text);
    room_done(&r);
    return s;
}
