/* SPDX-License-Identifier: Apache-2.0 */
#include "fill.h"

#include "expand.h"
#include "mem.h"
#include "nearest.h"

#include <assert.h>

#define NAME_MAX_BYTES 63

static const char *type_name(const struct yaml_node *n)
{
    switch (n->type) {
    case YAML_T_SCALAR: return yaml_is_null(n) ? "nothing" : "a single value";
    case YAML_T_LIST: return "a list";
    case YAML_T_MAP: return "a map";
    }
    return "unknown";
}

bool fill_is_map(struct faults *f, const struct yaml_node *n, const char *what, bool may_be_null)
{
    if (n->type == YAML_T_MAP || (may_be_null && yaml_is_null(n)))
        return true;
    fault_add(f, n, "%s is a map (key: value), not %s", what, type_name(n));
    return false;
}

static void try_kinds(struct nearest *n, enum kind_set set)
{
    struct kind k = kind_at(set, 0);
    for (size_t i = 1; k.name; i++) {
        nearest_try(n, k.name);
        k = kind_at(set, i);
    }
}

static bool is_more(const struct fill_more *more, const char *key)
{
    if (!more)
        return false;
    for (size_t i = 0; more->keys && more->keys[i]; i++)
        if (strcmp(more->keys[i], key) == 0)
            return true;
    return more->kinds && kind_find(*more->kinds, key).name;
}

static void unknown_key(struct faults *f, const struct yaml_node *key, const struct setting *table,
                        const struct fill_more *more)
{
    AUTO(nearest) struct nearest n = NEAREST(key->text);
    for (const struct setting *s = table; s->name; s++)
        nearest_try(&n, s->name);
    for (size_t i = 0; more && more->keys && more->keys[i]; i++)
        nearest_try(&n, more->keys[i]);
    if (more && more->kinds)
        try_kinds(&n, *more->kinds);
    fault_add(f, key, "unknown key '%.80s'%s", key->text, nearest_say(&n));
}

/* The text of a scalar as the operator meant it; false: a fault was added. */
static bool expand_node(struct faults *f, const struct setting *s, const struct yaml_node *n,
                        struct buf *out)
{
    struct err err;
    if (n->type != YAML_T_SCALAR) {
        fault_add(f, n, "%s: one value is wanted (%s), not %s", s->name, setting_type_name(s->type),
                  type_name(n));
        return false;
    }
    if (yaml_is_null(n)) {
        fault_add(f, n, "%s: no value; leave the key out for the default%s", s->name,
                  s->type == SETTING_T_STRING ? ", write \"\" for an empty string" : "");
        return false;
    }
    if (expand(n->text, out, &err) == OK)
        return true;
    fault_add(f, n, "%s: %s", s->name, err.text);
    return false;
}

static bool fill_text(struct faults *f, const struct setting *s, void *conf,
                      const struct yaml_node *n)
{
    struct err err;
    AUTO(buf) struct buf text = BUF_INIT(EXPAND_MAX);
    if (!expand_node(f, s, n, &text))
        return false;
    if (setting_set(s, conf, text.data, &err) == OK)
        return true;
    fault_add(f, n, "%s", err.text);
    return false;
}

/* False for a null, too, which is an empty list and no fault. */
static bool is_list(struct faults *f, const struct setting *s, const struct yaml_node *n)
{
    if (n->type != YAML_T_LIST && !yaml_is_null(n))
        fault_add(f, n, "%s: a list is wanted, not %s", s->name, type_name(n));
    return n->type == YAML_T_LIST;
}

static bool fill_list(struct faults *f, const struct setting *s, void *conf,
                      const struct yaml_node *n)
{
    bool good = true;
    if (!is_list(f, s, n))
        return yaml_is_null(n);
    for (size_t i = 0; i < n->len; i++)
        good = fill_text(f, s, conf, n->items[i]) && good;
    return good;
}

static bool fill_map(struct faults *f, const struct setting *s, void *conf,
                     const struct yaml_node *n)
{
    bool good = true;
    if (yaml_is_null(n))
        return true;
    if (n->type != YAML_T_MAP) {
        fault_add(f, n, "%s: a map is wanted, not %s", s->name, type_name(n));
        return false;
    }
    for (size_t i = 0; i < n->len; i++) {
        struct err err;
        AUTO(buf) struct buf text = BUF_INIT(EXPAND_MAX);
        const struct yaml_pair *p = &n->pairs[i];
        struct setting of_entry = {.name = p->key->text, .type = SETTING_T_STRING};
        bool read = expand_node(f, &of_entry, p->value, &text);
        good = read && good;
        if (read && setting_put(s, conf, p->key->text, text.data, &err) != OK) {
            fault_add(f, p->key, "%s", err.text);
            return false; /* too many, as would be said of each further one */
        }
    }
    return good;
}

static bool fill_group(struct faults *f, const struct setting *s, void *conf,
                       const struct yaml_node *n);

static bool fill_groups(struct faults *f, const struct setting *s, void *conf,
                        const struct yaml_node *n);

static bool fill_one(struct faults *f, const struct setting *s, void *conf,
                     const struct yaml_node *n)
{
    if (s->type == SETTING_T_GROUPS)
        return fill_groups(f, s, conf, n);
    if (s->type == SETTING_T_GROUP)
        return fill_group(f, s, conf, n);
    if (s->type == SETTING_T_MAP)
        return fill_map(f, s, conf, n);
    return s->type == SETTING_T_LIST ? fill_list(f, s, conf, n) : fill_text(f, s, conf, n);
}

/* Defaults are set already, those of groups too. */
static struct fill_result fill_pairs(struct faults *f, const struct yaml_node *map,
                                     const struct setting *table, void *conf,
                                     const struct fill_more *more)
{
    struct fill_result r = {0};
    for (size_t i = 0; map->type == YAML_T_MAP && i < map->len; i++) {
        const struct yaml_pair *p = &map->pairs[i];
        const struct setting *s = setting_find(table, p->key->text);
        if (s) {
            bool good = fill_one(f, s, conf, p->value);
            r.holes += !good;
            assert(s - table < 64);
            r.wrong |= (uint64_t)!good << (s - table);
        } else if (!is_more(more, p->key->text)) {
            unknown_key(f, p->key, table, more);
            r.unknown++;
        }
    }
    for (const struct setting *s = table; s->name; s++) {
        if (!(s->flags & SETTING_REQUIRED) || yaml_get(map, s->name))
            continue;
        fault_add(f, map, "'%s' is missing: %s", s->name, s->help);
        r.holes++;
    }
    return r;
}

static bool fill_group(struct faults *f, const struct setting *s, void *conf,
                       const struct yaml_node *n)
{
    if (!fill_is_map(f, n, s->name, true))
        return false;
    return fill_pairs(f, n, s->sub, setting_group(s, conf), NULL).holes == 0;
}

static bool fill_groups(struct faults *f, const struct setting *s, void *conf,
                        const struct yaml_node *n)
{
    bool good = true;
    if (!is_list(f, s, n))
        return yaml_is_null(n);
    for (size_t i = 0; i < n->len; i++) {
        struct err err;
        void *item;
        char what[120];
        snprintf(what, sizeof what, "%s: an entry", s->name);
        if (setting_add(s, conf, &item, &err) != OK) {
            fault_add(f, n->items[i], "%s", err.text);
            return false; /* as would be said of each further one */
        }
        good = fill_is_map(f, n->items[i], what, false) &&
               fill_pairs(f, n->items[i], s->sub, item, NULL).holes == 0 && good;
    }
    return good;
}

struct fill_result fill_table(struct faults *f, const struct yaml_node *map,
                              const struct setting *table, void *conf, const struct fill_more *more)
{
    setting_defaults(table, conf);
    return fill_pairs(f, map, table, conf, more);
}

static void say_kinds(struct faults *f, const struct yaml_node *map, enum kind_set set)
{
    AUTO(nearest) struct nearest n = NEAREST("");
    try_kinds(&n, set);
    fault_add(f, map, "no kind of %s is named; one of: %s", kind_set_name(set), n.all.data);
}

bool fill_kind(struct faults *f, const struct yaml_node *map, enum kind_set set, bool quiet,
               struct fill_kind *ret)
{
    struct fill_kind k = {.kind = {.name = NULL}};
    for (size_t i = 0; map->type == YAML_T_MAP && i < map->len; i++) {
        const struct yaml_pair *p = &map->pairs[i];
        struct kind found = kind_find(set, p->key->text);
        if (found.name && k.kind.name)
            fault_add(f, p->key, "'%s' beside '%s': one kind of %s only", found.name, k.kind.name,
                      kind_set_name(set));
        else if (found.name)
            k = (struct fill_kind){.kind = found, .key = p->key, .value = p->value};
    }
    if (!k.kind.name) {
        if (!quiet)
            say_kinds(f, map, set);
        return false;
    }
    k.conf = mem_alloc(k.kind.conf_size);
    setting_defaults(k.kind.settings, k.conf);
    k.whole = fill_is_map(f, k.value, k.kind.name, true) &&
              fill_pairs(f, k.value, k.kind.settings, k.conf, NULL).holes == 0;
    *ret = k;
    return true;
}

/* One step of a path, "name" or "[2]", from n on; *path behind it.  NULL: the file does not say
 * it. */
static const struct yaml_node *step(const struct yaml_node *n, const char **path)
{
    if (**path == '[') {
        char *end;
        size_t i = strtoull(*path + 1, &end, 10);
        *path = end + (*end == ']');
        n = n->type == YAML_T_LIST && i < n->len ? n->items[i] : NULL;
    } else {
        size_t len = strcspn(*path, ".[");
        char *name = mem_strndup(*path, len);
        n = yaml_get(n, name);
        mem_free(name);
        *path += len;
    }
    *path += **path == '.';
    return n;
}

/* What the file does not say is told of at the entry of the list in which it could stand, or of
 * all. */
static const struct yaml_node *place_of(const struct fill_place *p, const char *setting,
                                        size_t item)
{
    const struct yaml_node *n = p->value, *entry = p->at;
    while (*setting && n) {
        bool in_list = *setting == '[';
        n = step(n, &setting);
        if (n && in_list)
            entry = n;
    }
    if (!n)
        return entry;
    if (n->type == YAML_T_LIST && item < n->len)
        return n->items[item];
    return n->type == YAML_T_MAP && item < n->len ? n->pairs[item].key : n;
}

static void add_reported(void *to, const char *setting, size_t item, const char *text)
{
    const struct fill_place *p = to;
    fault_add(p->faults, place_of(p, setting, item), "%s: %s", p->what, text);
}

struct setting_report fill_report(struct fill_place *p)
{
    return (struct setting_report){add_reported, p};
}

void fill_refused(struct faults *f, const struct fill_kind *k, const struct err *err)
{
    size_t n = strlen(k->kind.name);
    bool named = strncmp(err->text, k->kind.name, n) == 0 && err->text[n] == ':';
    fault_add(f, k->key, "%s%s%s", named ? "" : k->kind.name, named ? "" : ": ", err->text);
}

bool fill_name_ok(struct faults *f, const struct yaml_node *at, const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (n > 0 && n <= NAME_MAX_BYTES && name[n] == '\0')
        return true;
    fault_add(f, at, "'%.80s' is no name: 1 to %d of a-z, 0-9 and -", name, NAME_MAX_BYTES);
    return false;
}
