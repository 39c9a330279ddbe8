/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.h - a YAML 1.1 document (JSON is one too) as a tree that knows its places.
 *
 *     struct yaml *y;
 *     enum status s = yaml_parse(&y, text, &YAML_LIMITS_DEFAULT, &err);
 *     ... yaml_root(y) ...
 *     yaml_free(y);
 *
 * On libyaml.  Every scalar is its text; what the text means is its reader's business
 * (setting.h), so that 010, yes and 1_000 are never guessed at.  Anchors and aliases
 * work, within a budget of nodes, so that an alias bomb is an error and no memory.  */
#ifndef YAML_TREE_H
#define YAML_TREE_H

#include "err.h"
#include "text.h"

enum yaml_type { YAML_T_SCALAR, YAML_T_LIST, YAML_T_MAP };

struct yaml_node;

struct yaml_pair {
    struct yaml_node *key; /* always a scalar; no key twice in a map */
    struct yaml_node *value;
};

struct yaml_node {
    enum yaml_type type;
    unsigned line, column;    /* from 1; of an alias: where the alias stands */
    bool plain;               /* a scalar without quotes */
    char *text;               /* SCALAR: UTF-8 without NUL, NUL-terminated */
    size_t len;               /* of items or pairs */
    struct yaml_node **items; /* LIST */
    struct yaml_pair *pairs;  /* MAP */
};

struct yaml_limits {
    size_t max_bytes; /* of the text */
    size_t max_nodes; /* with those that aliases repeat */
    unsigned max_depth;
};
#define YAML_LIMITS_DEFAULT \
    ((struct yaml_limits){.max_bytes = (size_t)4 << 20, .max_nodes = 200000, .max_depth = 32})

struct yaml;

/* One document.  ERR_INVALID, ERR_LIMIT: *err says "LINE:COLUMN: what is wrong".  An
 * empty document (comments only) is OK and has no root. */
enum status yaml_parse(struct yaml **ret, struct span text, const struct yaml_limits *limits,
                       struct err *err) NODISCARD;

/* Likewise, but a key that is in its map already is no error: add is told of the key and of
 * the first one, whose value counts; the second pair is left out of the tree. */
struct yaml_twice {
    void (*add)(void *to, const struct yaml_node *key, const struct yaml_node *first);
    void *to;
};
enum status yaml_parse_twice(struct yaml **ret, struct span text, const struct yaml_limits *limits,
                             const struct yaml_twice *twice, struct err *err) NODISCARD;

void yaml_free(struct yaml *y); /* NULL is fine; all nodes with it */
DEFINE_AUTO_PTR(yaml, yaml_free)

const struct yaml_node *yaml_root(const struct yaml *y); /* or NULL */

/* The value under that key of a MAP, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* True for a plain scalar that says nothing: empty, ~, null. */
bool yaml_is_null(const struct yaml_node *n);

#endif
