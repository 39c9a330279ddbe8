/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_yaml.c - any text is a tree within its limits, or refused with a place. */
#include "yaml.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"a: ",
                                  "b: ",
                                  "- ",
                                  "\n",
                                  "\n  ",
                                  "\n    ",
                                  "[",
                                  "]",
                                  "{",
                                  "}",
                                  ",",
                                  ":",
                                  "? ",
                                  "&x ",
                                  "*x",
                                  "&y ",
                                  "*y",
                                  "\"",
                                  "'",
                                  "|\n",
                                  ">-\n",
                                  "#",
                                  "~",
                                  "null",
                                  "---",
                                  "...",
                                  "%",
                                  "!!str",
                                  "!t",
                                  "\\0",
                                  "<<",
                                  "\t",
                                  "\\u00e4",
                                  "\xc3\xa4",
                                  "\xff",
                                  "@",
                                  "%YAML 1.1\n",
                                  "%TAG ! tag:x,2000:\n",
                                  "\xef\xbb\xbf",
                                  " ",
                                  "text",
                                  NULL};

static const struct yaml_limits limits = {.max_bytes = 1 << 16, .max_nodes = 300, .max_depth = 9};

static void check(bool good)
{
    if (!good)
        abort();
}

/* Returns how many nodes there are. */
static size_t walk(const struct yaml_node *n, unsigned depth)
{
    size_t nodes = 1;
    check(depth <= limits.max_depth && n->line > 0 && n->column > 0);
    if (n->type == YAML_T_SCALAR)
        check(n->text && text_is_utf8((struct span){n->text, strlen(n->text)}));
    for (size_t i = 0; n->type == YAML_T_LIST && i < n->len; i++)
        nodes += walk(n->items[i], depth + 1);
    for (size_t i = 0; n->type == YAML_T_MAP && i < n->len; i++) {
        check(n->pairs[i].key->type == YAML_T_SCALAR);
        check(yaml_get(n, n->pairs[i].key->text) == n->pairs[i].value);
        nodes += walk(n->pairs[i].key, depth + 1) + walk(n->pairs[i].value, depth + 1);
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml *y = NULL;
    struct err err = {OK, ""};
    enum status s = yaml_parse(&y, (struct span){(const char *)data, size}, &limits, &err);
    if (s == OK && yaml_root(y))
        check(walk(yaml_root(y), 1) <= limits.max_nodes);
    if (s != OK)
        check((s == ERR_INVALID || s == ERR_LIMIT) && err.text[0] >= '1' && err.text[0] <= '9');
    yaml_free(y);
    return 0;
}
