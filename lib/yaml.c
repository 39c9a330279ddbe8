/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.c - libyaml's events made a tree; the contract is in yaml.h. */
#include "yaml.h"

#include "mem.h"

#include <yaml.h> /* libyaml's; NOLINT(readability-duplicate-include) */

#define MAX_ANCHORS 1000

struct anchor {
    char *name;
    struct yaml_node *node;
    bool whole; /* its end has been read: may be repeated */
};

/* Nodes are freed in one go, so that no error path has anything to undo. */
struct yaml {
    struct yaml_node *root;
    struct yaml_node **nodes;
    size_t nodes_len;
    struct anchor *anchors;
    size_t anchors_len;
};

struct reader {
    yaml_parser_t parser;
    struct span text;
    const struct yaml_limits *limits;
    struct yaml *tree;
    const struct yaml_twice *twice; /* NULL: it is an error */
    struct err *err;
};

struct place {
    unsigned line, column;
};

static struct place place_of(yaml_mark_t m)
{
    return (struct place){(unsigned)m.line + 1, (unsigned)m.column + 1};
}

static enum status fault(struct reader *r, enum status s, struct place at, const char *what)
{
    return err_set(r->err, s, "%u:%u: %s", at.line, at.column, what);
}

/* libyaml names the place of a byte that is no text by its offset alone. */
static struct place place_of_byte(struct span text, size_t offset)
{
    struct place at = {1, 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.data[i] == '\n')
            at = (struct place){at.line + 1, 1};
        else if (((unsigned char)text.data[i] & 0xc0) != 0x80)
            at.column++;
    }
    return at;
}

static enum status parser_fault(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->error == YAML_READER_ERROR)
        return fault(r, ERR_INVALID, place_of_byte(r->text, p->problem_offset), problem);
    if (p->error == YAML_MEMORY_ERROR)
        return fault(r, ERR_LIMIT, place_of(p->mark), "too large");
    struct place at = place_of(p->problem_mark);
    if (!p->context)
        return fault(r, ERR_INVALID, at, problem);
    struct place from = place_of(p->context_mark);
    return err_set(r->err, ERR_INVALID, "%u:%u: %s, %s that begins at %u:%u", at.line, at.column,
                   problem, p->context, from.line, from.column);
}

static enum status next_event(struct reader *r, yaml_event_t *ret)
{
    return yaml_parser_parse(&r->parser, ret) ? OK : parser_fault(r);
}

/* Grows an array of len items whose room is the next power of two. */
static void *grow(void *items, size_t len, size_t size)
{
    if ((len & (len - 1)) != 0)
        return items;
    return mem_realloc(items, (len ? len * 2 : 1) * size);
}

static enum status add_node(struct reader *r, enum yaml_type type, struct place at, unsigned depth,
                            struct yaml_node **ret)
{
    struct yaml *y = r->tree;
    if (depth > r->limits->max_depth)
        return err_set(r->err, ERR_LIMIT, "%u:%u: more than %u levels deep", at.line, at.column,
                       r->limits->max_depth);
    if (y->nodes_len >= r->limits->max_nodes)
        return err_set(r->err, ERR_LIMIT, "%u:%u: more than %zu values, with those of aliases",
                       at.line, at.column, r->limits->max_nodes);
    struct yaml_node *n = mem_alloc(sizeof *n);
    *n = (struct yaml_node){.type = type, .line = at.line, .column = at.column};
    y->nodes = grow(y->nodes, y->nodes_len, sizeof *y->nodes);
    y->nodes[y->nodes_len++] = n;
    *ret = n;
    return OK;
}

static void add_item(struct yaml_node *list, struct yaml_node *item)
{
    list->items = grow(list->items, list->len, sizeof *list->items);
    list->items[list->len++] = item;
}

static void add_pair(struct yaml_node *map, struct yaml_node *key, struct yaml_node *value)
{
    map->pairs = grow(map->pairs, map->len, sizeof *map->pairs);
    map->pairs[map->len++] = (struct yaml_pair){key, value};
}

/* A second anchor of the same name stands for all that follows it.  There are few: each
 * alias looks through all of them. */
static enum status add_anchor(struct reader *r, const yaml_char_t *name, struct yaml_node *node,
                              bool whole)
{
    struct yaml *y = r->tree;
    if (!name)
        return OK;
    if (y->anchors_len >= MAX_ANCHORS)
        return fault(r, ERR_LIMIT, (struct place){node->line, node->column}, "too many anchors");
    y->anchors = grow(y->anchors, y->anchors_len, sizeof *y->anchors);
    y->anchors[y->anchors_len++] = (struct anchor){mem_strdup((const char *)name), node, whole};
    return OK;
}

static const struct anchor *find_anchor(const struct yaml *y, const char *name)
{
    for (size_t i = y->anchors_len; i-- > 0;)
        if (strcmp(y->anchors[i].name, name) == 0)
            return &y->anchors[i];
    return NULL;
}

static enum status copy_node(struct reader *r, const struct yaml_node *from, struct place at,
                             unsigned depth, struct yaml_node **ret)
{
    struct yaml_node *n, *key, *value;
    enum status s = add_node(r, from->type, at, depth, &n);
    if (s != OK)
        return s;
    n->plain = from->plain;
    n->text = mem_strdup(from->text);
    for (size_t i = 0; from->type == YAML_T_LIST && i < from->len; i++) {
        const struct yaml_node *item = from->items[i];
        s = copy_node(r, item, (struct place){item->line, item->column}, depth + 1, &value);
        if (s != OK)
            return s;
        add_item(n, value);
    }
    for (size_t i = 0; from->type == YAML_T_MAP && i < from->len; i++) {
        const struct yaml_pair *p = &from->pairs[i];
        s = copy_node(r, p->key, (struct place){p->key->line, p->key->column}, depth + 1, &key);
        if (s == OK)
            s = copy_node(r, p->value, (struct place){p->value->line, p->value->column}, depth + 1,
                          &value);
        if (s != OK)
            return s;
        add_pair(n, key, value);
    }
    *ret = n;
    return OK;
}

static enum status read_alias(struct reader *r, const yaml_event_t *e, unsigned depth,
                              struct yaml_node **ret)
{
    struct place at = place_of(e->start_mark);
    const struct anchor *a = find_anchor(r->tree, (const char *)e->data.alias.anchor);
    if (!a)
        return fault(r, ERR_INVALID, at, "an alias without its anchor");
    if (!a->whole)
        return fault(r, ERR_INVALID, at, "an alias within its own anchor");
    return copy_node(r, a->node, at, depth, ret);
}

/* Tags that change nothing here are let through, for JSON schema's sake. */
static enum status check_tag(struct reader *r, const yaml_char_t *tag, struct place at)
{
    static const char *const known[] = {"!", YAML_STR_TAG, YAML_SEQ_TAG, YAML_MAP_TAG};
    if (!tag)
        return OK;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp((const char *)tag, known[i]) == 0)
            return OK;
    return err_set(r->err, ERR_INVALID, "%u:%u: the tag '%.100s' means nothing here", at.line,
                   at.column, (const char *)tag);
}

static enum status read_scalar(struct reader *r, const yaml_event_t *e, unsigned depth,
                               struct yaml_node **ret)
{
    struct place at = place_of(e->start_mark);
    const char *value = (const char *)e->data.scalar.value;
    enum status s = check_tag(r, e->data.scalar.tag, at);
    if (s == OK && strlen(value) != e->data.scalar.length)
        s = fault(r, ERR_INVALID, at, "text with a NUL");
    if (s == OK)
        s = add_node(r, YAML_T_SCALAR, at, depth, ret);
    if (s != OK)
        return s;
    (*ret)->text = mem_strdup(value);
    (*ret)->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !e->data.scalar.tag;
    return add_anchor(r, e->data.scalar.anchor, *ret, true);
}

static int by_key(const void *left, const void *right)
{
    const struct yaml_node *a = (*(struct yaml_pair *const *)left)->key;
    const struct yaml_node *b = (*(struct yaml_pair *const *)right)->key;
    int order = strcmp(a->text, b->text);
    if (order == 0)
        order = (a->line > b->line) - (a->line < b->line);
    return order ? order : (a->column > b->column) - (a->column < b->column);
}

static enum status found_twice(struct reader *r, const struct yaml_node *key,
                               const struct yaml_node *first)
{
    if (!r->twice)
        return err_set(r->err, ERR_INVALID,
                       "%u:%u: the key '%.100s' is there twice, first at %u:%u", key->line,
                       key->column, key->text, first->line, first->column);
    r->twice->add(r->twice->to, key, first);
    return OK;
}

static void drop_pairs_without_key(struct yaml_node *map)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->len; i++)
        if (map->pairs[i].key)
            map->pairs[kept++] = map->pairs[i];
    map->len = kept;
}

/* Sorted, for a file may have a hundred thousand keys in one map. */
static enum status check_keys(struct reader *r, struct yaml_node *map)
{
    enum status s = OK;
    struct yaml_pair **pairs = mem_alloc(map->len * sizeof(struct yaml_pair *));
    for (size_t i = 0; i < map->len; i++)
        pairs[i] = &map->pairs[i];
    qsort(pairs, map->len, sizeof(struct yaml_pair *), by_key);
    for (size_t i = 1, first = 0; i < map->len && s == OK; i++) {
        if (strcmp(pairs[first]->key->text, pairs[i]->key->text) != 0) {
            first = i;
            continue;
        }
        s = found_twice(r, pairs[i]->key, pairs[first]->key);
        pairs[i]->key = NULL;
    }
    mem_free(pairs);
    drop_pairs_without_key(map);
    return s;
}

static enum status read_node(struct reader *r, const yaml_event_t *first, unsigned depth,
                             struct yaml_node **ret);

/* Reads what follows; *ret_end: it was the end of the collection that is being read. */
static enum status read_next(struct reader *r, unsigned depth, struct yaml_node **ret,
                             bool *ret_end)
{
    yaml_event_t e;
    enum status s = next_event(r, &e);
    if (s != OK)
        return s;
    *ret_end = e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT;
    if (!*ret_end)
        s = read_node(r, &e, depth, ret);
    yaml_event_delete(&e);
    return s;
}

static enum status fill_list(struct reader *r, struct yaml_node *list, unsigned depth)
{
    struct yaml_node *item;
    bool end;
    for (;;) {
        enum status s = read_next(r, depth + 1, &item, &end);
        if (s != OK || end)
            return s;
        add_item(list, item);
    }
}

static enum status fill_map(struct reader *r, struct yaml_node *map, unsigned depth)
{
    struct yaml_node *key, *value;
    bool end;
    for (;;) {
        enum status s = read_next(r, depth + 1, &key, &end);
        if (s != OK)
            return s;
        if (end)
            return check_keys(r, map);
        if (key->type != YAML_T_SCALAR)
            return fault(r, ERR_INVALID, (struct place){key->line, key->column},
                         "a key must be text, not a list or a map");
        s = read_next(r, depth + 1, &value, &end);
        if (s != OK)
            return s;
        add_pair(map, key, value);
    }
}

static enum status read_collection(struct reader *r, const yaml_event_t *e, unsigned depth,
                                   struct yaml_node **ret)
{
    bool list = e->type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *tag = list ? e->data.sequence_start.tag : e->data.mapping_start.tag;
    const yaml_char_t *name = list ? e->data.sequence_start.anchor : e->data.mapping_start.anchor;
    struct place at = place_of(e->start_mark);
    enum status s = check_tag(r, tag, at);
    if (s == OK)
        s = add_node(r, list ? YAML_T_LIST : YAML_T_MAP, at, depth, ret);
    size_t anchor = r->tree->anchors_len;
    if (s == OK)
        s = add_anchor(r, name, *ret, false);
    if (s == OK)
        s = list ? fill_list(r, *ret, depth) : fill_map(r, *ret, depth);
    if (s == OK && name)
        r->tree->anchors[anchor].whole = true;
    return s;
}

static enum status read_node(struct reader *r, const yaml_event_t *first, unsigned depth,
                             struct yaml_node **ret)
{
    if (first->type == YAML_ALIAS_EVENT)
        return read_alias(r, first, depth, ret);
    if (first->type == YAML_SCALAR_EVENT)
        return read_scalar(r, first, depth, ret);
    return read_collection(r, first, depth, ret);
}

/* The events of a stream around its nodes. */
static enum status read_stream(struct reader *r)
{
    for (;;) {
        yaml_event_t e;
        enum status s = next_event(r, &e);
        if (s != OK)
            return s;
        yaml_event_type_t type = e.type;
        if (type == YAML_DOCUMENT_START_EVENT && r->tree->root)
            s = fault(r, ERR_INVALID, place_of(e.start_mark), "a second document");
        else if (type == YAML_ALIAS_EVENT || type == YAML_SCALAR_EVENT ||
                 type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
            s = read_node(r, &e, 1, &r->tree->root);
        yaml_event_delete(&e);
        if (s != OK || type == YAML_STREAM_END_EVENT)
            return s;
    }
}

static enum status check_size(const struct span *text, const struct yaml_limits *limits,
                              struct err *err)
{
    if (text->len <= limits->max_bytes)
        return OK;
    return err_set(err, ERR_LIMIT, "1:1: %zu bytes, the most is %zu", text->len, limits->max_bytes);
}

static struct span skip_mark(struct span text)
{
    bool marked = text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0;
    return marked ? (struct span){text.data + 3, text.len - 3} : text;
}

enum status yaml_parse(struct yaml **ret, struct span text, const struct yaml_limits *limits,
                       struct err *err)
{
    return yaml_parse_twice(ret, text, limits, NULL, err);
}

enum status yaml_parse_twice(struct yaml **ret, struct span text, const struct yaml_limits *limits,
                             const struct yaml_twice *twice, struct err *err)
{
    enum status s = check_size(&text, limits, err);
    if (s != OK)
        return s;
    text = skip_mark(text);
    struct reader r = {.text = text, .limits = limits, .twice = twice, .err = err};
    if (!yaml_parser_initialize(&r.parser))
        abort(); /* out of memory */
    r.tree = mem_alloc(sizeof *r.tree);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.len ? text.data : ""),
                                 text.len);
    s = read_stream(&r);
    yaml_parser_delete(&r.parser);
    struct yaml_node *root = r.tree->root;
    if (s == OK && root && root->plain && root->text[0] == '\0')
        r.tree->root = NULL; /* "---" and no more */
    if (s == OK)
        *ret = r.tree;
    else
        yaml_free(r.tree);
    return s;
}

void yaml_free(struct yaml *y)
{
    if (!y)
        return;
    for (size_t i = 0; i < y->nodes_len; i++) {
        mem_free(y->nodes[i]->text);
        mem_free(y->nodes[i]->items);
        mem_free(y->nodes[i]->pairs);
        mem_free(y->nodes[i]);
    }
    for (size_t i = 0; i < y->anchors_len; i++)
        mem_free(y->anchors[i].name);
    mem_free(y->nodes);
    mem_free(y->anchors);
    mem_free(y);
}

const struct yaml_node *yaml_root(const struct yaml *y)
{
    return y->root;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    for (size_t i = 0; map->type == YAML_T_MAP && i < map->len; i++)
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return map->pairs[i].value;
    return NULL;
}

bool yaml_is_null(const struct yaml_node *n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; n->type == YAML_T_SCALAR && n->plain && i < ARRAY_LEN(words); i++)
        if (strcmp(n->text, words[i]) == 0)
            return true;
    return false;
}
