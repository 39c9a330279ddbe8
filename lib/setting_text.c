/* SPDX-License-Identifier: Apache-2.0 */
/* setting_text.c - settings back into text; the contract is in setting.h. */
#include "setting.h"

#include "clock.h"
#include "hash.h"
#include "mem.h"
#include "number.h"

#include <inttypes.h>
#include <math.h>

/* How secrets are written. */
enum secrets { SECRETS_HIDDEN, SECRETS_HASHED };

static enum status add_secret(const char *text, enum secrets how, struct buf *out)
{
    if (strncmp(text, "file:", 5) == 0)
        return buf_cat(out, "\"", text, "\"", NULL);
    if (text[0] == '\0')
        return buf_puts(out, "\"\"");
    if (how == SECRETS_HIDDEN)
        return buf_puts(out, "\"***\"");
    return buf_printf(out, "#%016" PRIx64, hash_bytes(text, strlen(text)));
}

static enum status add_quoted(const char *text, struct buf *out)
{
    enum status r = buf_puts(out, "\"");
    for (; *text && r == OK; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            r = buf_printf(out, "\\%c", c);
        else if (c < ' ')
            r = buf_printf(out, "\\x%02x", c);
        else
            r = buf_add(out, text, 1);
    }
    return r == OK ? buf_puts(out, "\"") : r;
}

static enum status add_string(const struct setting *s, const char *text, enum secrets how,
                              struct buf *out)
{
    if (!text)
        text = "";
    return s->flags & SETTING_SECRET ? add_secret(text, how, out) : add_quoted(text, out);
}

static enum status add_double(double d, struct buf *out)
{
    char room[NUMBER_ROOM];
    if (isnan(d))
        return buf_puts(out, "unset");
    if (isinf(d))
        return buf_puts(out, d > 0 ? "inf" : "-inf");
    return buf_add(out, room, number_print(room, d));
}

static enum status add_scaled(int64_t n, const int64_t *factors, const char *const *units,
                              struct buf *out)
{
    while (n % *factors != 0 || (n == 0 && factors[1] != 0)) {
        factors++;
        units++;
    }
    return buf_printf(out, "%" PRId64 "%s", n / *factors, *units);
}

static enum status add_duration(int64_t ns, struct buf *out)
{
    static const int64_t factors[] = {3600 * SEC_NS, 60 * SEC_NS, SEC_NS, MS_NS, 1, 0};
    static const char *const units[] = {"h", "m", "s", "ms", "ns"};
    return ns == 0 ? buf_puts(out, "0s") : add_scaled(ns, factors, units, out);
}

static enum status add_bytes(int64_t n, struct buf *out)
{
    static const int64_t factors[] = {1 << 30, 1 << 20, 1 << 10, 1, 0};
    static const char *const units[] = {"GiB", "MiB", "KiB", ""};
    return add_scaled(n, factors, units, out);
}

static enum status add_list(const struct setting *s, const struct text_list *l, enum secrets how,
                            struct buf *out)
{
    enum status r = buf_puts(out, "[");
    for (size_t i = 0; i < l->len && r == OK; i++) {
        r = buf_puts(out, i ? ", " : "");
        if (r == OK)
            r = add_string(s, l->items[i], how, out);
    }
    return r == OK ? buf_puts(out, "]") : r;
}

static enum status add_pairs(const struct setting *s, const struct text_pair *pairs, size_t n,
                             enum secrets how, struct buf *out)
{
    enum status r = buf_puts(out, "{");
    for (size_t i = 0; i < n && r == OK; i++) {
        r = buf_puts(out, i ? ", " : "");
        if (r == OK)
            r = add_quoted(pairs[i].name, out);
        if (r == OK)
            r = buf_puts(out, ": ");
        if (r == OK)
            r = add_string(s, pairs[i].value, how, out);
    }
    return r == OK ? buf_puts(out, "}") : r;
}

static int by_name(const void *left, const void *right)
{
    const struct text_pair *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static enum status add_map(const struct setting *s, const struct text_map *m, enum secrets how,
                           struct buf *out)
{
    if (how == SECRETS_HIDDEN || m->len < 2)
        return add_pairs(s, m->items, m->len, how, out);
    struct text_pair *sorted = mem_alloc(m->len * sizeof *sorted);
    memcpy(sorted, m->items, m->len * sizeof *sorted);
    qsort(sorted, m->len, sizeof *sorted, by_name);
    enum status r = add_pairs(s, sorted, m->len, how, out);
    mem_free(sorted);
    return r;
}

static enum status add_table(const struct setting *table, const void *conf, enum secrets how,
                             struct buf *out);

static enum status add_groups(const struct setting *s, const void *conf, enum secrets how,
                              struct buf *out)
{
    const struct group_list *l = (const void *)((const char *)conf + s->offset);
    enum status r = buf_puts(out, "[");
    for (size_t i = 0; i < l->len && r == OK; i++) {
        r = buf_puts(out, i ? ", " : "");
        if (r == OK)
            r = add_table(s->sub, setting_item(s, conf, i), how, out);
    }
    return r == OK ? buf_puts(out, "]") : r;
}

static enum status add_value(const struct setting *s, const void *conf, enum secrets how,
                             struct buf *out)
{
    const void *p = (const char *)conf + s->offset;
    switch (s->type) {
    case SETTING_T_BOOL: return buf_puts(out, *(const bool *)p ? "true" : "false");
    case SETTING_T_INT: return buf_printf(out, "%" PRId64, *(const int64_t *)p);
    case SETTING_T_DOUBLE: return add_double(*(const double *)p, out);
    case SETTING_T_STRING: return add_string(s, *(char *const *)p, how, out);
    case SETTING_T_DURATION: return add_duration(*(const int64_t *)p, out);
    case SETTING_T_BYTES: return add_bytes(*(const int64_t *)p, out);
    case SETTING_T_CHOICE: return buf_puts(out, s->choices[*(const unsigned *)p]);
    case SETTING_T_LIST: return add_list(s, p, how, out);
    case SETTING_T_MAP: return add_map(s, p, how, out);
    case SETTING_T_GROUP: return add_table(s->sub, p, how, out);
    case SETTING_T_GROUPS: return add_groups(s, conf, how, out);
    }
    return ERR_INVALID;
}

static enum status add_table(const struct setting *table, const void *conf, enum secrets how,
                             struct buf *out)
{
    enum status r = buf_puts(out, "{");
    for (const struct setting *s = table; s->name && r == OK; s++) {
        r = buf_cat(out, s == table ? "" : ", ", s->name, ": ", NULL);
        if (r == OK)
            r = add_value(s, conf, how, out);
    }
    return r == OK ? buf_puts(out, "}") : r;
}

const char *setting_type_name(enum setting_type t)
{
    switch (t) {
    case SETTING_T_BOOL: return "true or false";
    case SETTING_T_INT: return "integer";
    case SETTING_T_DOUBLE: return "number";
    case SETTING_T_STRING: return "string";
    case SETTING_T_DURATION: return "duration";
    case SETTING_T_BYTES: return "bytes";
    case SETTING_T_CHOICE: return "word";
    case SETTING_T_LIST: return "list of strings";
    case SETTING_T_MAP: return "map of strings";
    case SETTING_T_GROUP: return "group";
    case SETTING_T_GROUPS: return "list of maps";
    }
    return "unknown";
}

static enum status add_bound(const struct setting *s, int64_t n, struct buf *out)
{
    if (s->type == SETTING_T_DURATION)
        return add_duration(n, out);
    return s->type == SETTING_T_BYTES ? add_bytes(n, out) : buf_printf(out, "%" PRId64, n);
}

static enum status add_choices(const struct setting *s, struct buf *out)
{
    enum status r = OK;
    for (size_t i = 0; s->choices[i] && r == OK; i++)
        r = buf_cat(out, i ? ", " : "", s->choices[i], NULL);
    return r;
}

enum status setting_bounds(const struct setting *s, struct buf *out)
{
    if (s->type == SETTING_T_CHOICE)
        return add_choices(s, out);
    if (s->type == SETTING_T_GROUPS)
        return buf_printf(out, "at most %d entries", SETTING_GROUPS_MAX);
    bool number =
        s->type == SETTING_T_INT || s->type == SETTING_T_DURATION || s->type == SETTING_T_BYTES;
    bool low = s->min != INT64_MIN, high = s->max != INT64_MAX;
    if (!number || (!low && !high))
        return OK;
    if (!low || !high) {
        enum status r = buf_puts(out, low ? "at least " : "at most ");
        return r == OK ? add_bound(s, low ? s->min : s->max, out) : r;
    }
    enum status r = add_bound(s, s->min, out);
    if (r == OK)
        r = buf_puts(out, " to ");
    return r == OK ? add_bound(s, s->max, out) : r;
}

enum status setting_text(const struct setting *s, const void *conf, struct buf *out)
{
    return add_value(s, conf, SECRETS_HIDDEN, out);
}

enum status setting_identity(const struct setting *table, const void *conf, struct buf *out)
{
    return add_table(table, conf, SECRETS_HASHED, out);
}
