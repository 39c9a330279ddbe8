/* SPDX-License-Identifier: Apache-2.0 */
#include "file_sd.h"

#include "mem.h"
#include "yaml.h"

#define DEPTH_MAX 16 /* of values within values; a good file has four */

static enum status fault(struct err *err, const struct yaml_node *at, const char *what)
{
    return err_set(err, ERR_INVALID, "%u:%u: %s", at->line, at->column, what);
}

static enum status check_targets(const struct yaml_node *n, struct err *err)
{
    if (yaml_is_null(n))
        return OK;
    if (n->type != YAML_T_LIST)
        return fault(err, n, "targets is no list");
    for (size_t i = 0; i < n->len; i++)
        if (n->items[i]->type != YAML_T_SCALAR || yaml_is_null(n->items[i]))
            return fault(err, n->items[i], "a target is no text");
    return OK;
}

static enum status check_labels(const struct yaml_node *n, struct err *err)
{
    if (yaml_is_null(n))
        return OK;
    if (n->type != YAML_T_MAP)
        return fault(err, n, "labels is no map");
    for (size_t i = 0; i < n->len; i++)
        if (n->pairs[i].value->type != YAML_T_SCALAR)
            return fault(err, n->pairs[i].value, "the value of a label is no text");
    return OK;
}

static enum status check_group(const struct yaml_node *n, bool other_keys, struct err *err)
{
    if (n->type != YAML_T_MAP)
        return fault(err, n, "a group is no map of targets and labels");
    enum status s = OK;
    for (size_t i = 0; i < n->len && s == OK; i++) {
        const struct yaml_pair *p = &n->pairs[i];
        if (strcmp(p->key->text, "targets") == 0)
            s = check_targets(p->value, err);
        else if (strcmp(p->key->text, "labels") == 0)
            s = check_labels(p->value, err);
        else if (!other_keys)
            s = err_set(err, ERR_INVALID, "%u:%u: '%.80s' is neither targets nor labels",
                        p->key->line, p->key->column, p->key->text);
    }
    return s;
}

static enum status check(const struct yaml_node *root, bool other_keys, struct err *err)
{
    if (!root)
        return err_set(err, ERR_INVALID, "1:1: is empty; [] says that there is no target");
    if (root->type != YAML_T_LIST)
        return fault(err, root, "is no list of groups");
    enum status s = OK;
    for (size_t i = 0; i < root->len && s == OK; i++)
        s = check_group(root->items[i], other_keys, err);
    return s;
}

static void read_group(const struct yaml_node *group,
                       void (*add)(void *to, const char *url, const struct text_map *labels),
                       void *to)
{
    const struct yaml_node *targets = yaml_get(group, "targets");
    const struct yaml_node *from = yaml_get(group, "labels");
    static char nothing[1];
    struct text_map labels = {.len = 0}; /* its texts are the tree's */
    if (!targets || targets->type != YAML_T_LIST)
        return;
    if (from && from->type == YAML_T_MAP && from->len > 0) {
        labels.items = mem_alloc(from->len * sizeof *labels.items);
        for (; labels.len < from->len; labels.len++) {
            const struct yaml_pair *p = &from->pairs[labels.len];
            labels.items[labels.len] =
                (struct text_pair){p->key->text, yaml_is_null(p->value) ? nothing : p->value->text};
        }
    }
    for (size_t i = 0; i < targets->len; i++)
        add(to, targets->items[i]->text, &labels);
    mem_free(labels.items);
}

enum status file_sd_read(struct span text, bool other_keys,
                         void (*add)(void *to, const char *url, const struct text_map *labels),
                         void *to, struct err *err)
{
    static const struct yaml_limits limits = {
        .max_bytes = FILE_SD_BYTES, .max_nodes = FILE_SD_NODES, .max_depth = DEPTH_MAX};
    AUTO_PTR(yaml) struct yaml *y = NULL;
    enum status s = yaml_parse(&y, text, &limits, err);
    if (s == OK)
        s = check(yaml_root(y), other_keys, err);
    if (s != OK)
        return s;
    const struct yaml_node *root = yaml_root(y);
    for (size_t i = 0; i < root->len; i++)
        read_group(root->items[i], add, to);
    return OK;
}
