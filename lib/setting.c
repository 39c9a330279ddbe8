/* SPDX-License-Identifier: Apache-2.0 */
/* setting.c - text into settings; the contract is in setting.h. */
#include "setting.h"

#include "clock.h"
#include "mem.h"
#include "number.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"ms", MS_NS}, {"s", SEC_NS}, {"m", 60 * SEC_NS}, {"h", 3600 * SEC_NS}, {NULL, 0},
};
static const struct unit byte_units[] = {
    {"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0},
};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static void *field(const struct setting *s, void *conf)
{
    return (char *)conf + s->offset;
}

const struct setting *setting_find(const struct setting *table, const char *name)
{
    for (const struct setting *s = table; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

/* "%.80s": what an operator wrote leaves room for what is wrong with it. */
static enum status out_of_range(const struct setting *s, const char *text, struct err *err)
{
    AUTO(buf) struct buf bounds = BUF_INIT(100);
    if (setting_bounds(s, &bounds) != OK || bounds.len == 0)
        return err_set(err, ERR_INVALID, "%s: '%.80s' is out of range", s->name, text);
    return err_set(err, ERR_INVALID, "%s: '%.80s' is out of range, %s", s->name, text, bounds.data);
}

static enum status unknown_unit(const struct setting *s, const struct unit *units, const char *text,
                                struct err *err)
{
    const char *example = units == duration_units ? "; write 500ms, 10s, 5m, 1h"
                          : units == byte_units   ? "; write 512, 64KiB, 5MiB, 1GiB"
                                                  : "";
    const char *what = units == no_units ? "is not a number" : "has no known unit";
    return err_set(err, ERR_INVALID, "%s: '%.80s' %s%s", s->name, text, what, example);
}

static enum status set_number(const struct setting *s, const struct unit *units, int64_t *out,
                              const char *text, struct err *err)
{
    char *end;
    errno = 0;
    int64_t n = strtoll(text, &end, 10);
    const char *digits = text + (text[0] == '-');
    if (digits[0] < '0' || digits[0] > '9')
        return err_set(err, ERR_INVALID, "%s: '%.80s' is not a number", s->name, text);
    for (const struct unit *u = units; u->suffix; u++) {
        if (strcmp(end, u->suffix) != 0)
            continue;
        if (errno || __builtin_mul_overflow(n, u->factor, &n) || n < s->min || n > s->max)
            return out_of_range(s, text, err);
        *out = n;
        return OK;
    }
    return unknown_unit(s, units, text, err);
}

static enum status set_double(const struct setting *s, double *out, const char *text,
                              struct err *err)
{
    double d;
    if ((s->flags & SETTING_OPTIONAL) && strcmp(text, "unset") == 0)
        d = NAN;
    else if (number_parse((struct span){text, strlen(text)}, &d, NULL) != OK || isnan(d))
        return err_set(err, ERR_INVALID, "%s: '%.80s' is not a number", s->name, text);
    *out = d;
    return OK;
}

static enum status set_bool(const struct setting *s, bool *out, const char *text, struct err *err)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return err_set(err, ERR_INVALID, "%s: '%.80s' is neither true nor false", s->name, text);
    *out = yes;
    return OK;
}

static enum status set_string(char **out, const char *text)
{
    mem_free(*out);
    *out = mem_strdup(text);
    return OK;
}

static enum status set_choice(const struct setting *s, unsigned *out, const char *text,
                              struct err *err)
{
    for (unsigned i = 0; s->choices[i]; i++) {
        if (strcmp(s->choices[i], text) == 0) {
            *out = i;
            return OK;
        }
    }
    AUTO(buf) struct buf words = BUF_INIT(120);
    const char *etc = setting_bounds(s, &words) == OK ? "" : ", ...";
    return err_set(err, ERR_INVALID, "%s: '%.80s' is none of: %s%s", s->name, text, words.data,
                   etc);
}

static enum status list_add(struct text_list *l, const char *text)
{
    l->items = mem_realloc(l->items, (l->len + 1) * sizeof *l->items);
    l->items[l->len++] = mem_strdup(text);
    return OK;
}

enum status setting_set(const struct setting *s, void *conf, const char *text, struct err *err)
{
    void *out = field(s, conf);
    switch (s->type) {
    case SETTING_T_BOOL: return set_bool(s, out, text, err);
    case SETTING_T_INT: return set_number(s, no_units, out, text, err);
    case SETTING_T_DOUBLE: return set_double(s, out, text, err);
    case SETTING_T_STRING: return set_string(out, text);
    case SETTING_T_DURATION: return set_number(s, duration_units, out, text, err);
    case SETTING_T_BYTES: return set_number(s, byte_units, out, text, err);
    case SETTING_T_CHOICE: return set_choice(s, out, text, err);
    case SETTING_T_LIST: return list_add(out, text);
    case SETTING_T_MAP:
    case SETTING_T_GROUP:
    case SETTING_T_GROUPS: break;
    }
    return err_set(err, ERR_INVALID, "%s: is a %s, not a value", s->name,
                   s->type == SETTING_T_GROUPS ? "list of maps" : "map");
}

enum status setting_put(const struct setting *s, void *conf, const char *name, const char *value,
                        struct err *err)
{
    struct text_map *m = field(s, conf);
    for (size_t i = 0; i < m->len; i++)
        if (strcmp(m->items[i].name, name) == 0)
            return err_set(err, ERR_INVALID, "%s: '%.80s' is there twice", s->name, name);
    if (m->len >= SETTING_MAP_MAX)
        return err_set(err, ERR_INVALID, "%s: more than %d entries", s->name, SETTING_MAP_MAX);
    m->items = mem_realloc(m->items, (m->len + 1) * sizeof *m->items);
    m->items[m->len++] = (struct text_pair){mem_strdup(name), mem_strdup(value)};
    return OK;
}

void *setting_group(const struct setting *s, void *conf)
{
    return field(s, conf);
}

static void *item_of(const struct setting *s, const struct group_list *l, size_t i)
{
    return (char *)l->items + i * s->sub_size;
}

enum status setting_add(const struct setting *s, void *conf, void **ret, struct err *err)
{
    struct group_list *l = field(s, conf);
    if (l->len >= SETTING_GROUPS_MAX)
        return err_set(err, ERR_INVALID, "%s: more than %d entries", s->name, SETTING_GROUPS_MAX);
    l->items = mem_realloc(l->items, (l->len + 1) * s->sub_size);
    void *item = item_of(s, l, l->len++);
    memset(item, 0, s->sub_size);
    setting_defaults(s->sub, item);
    *ret = item;
    return OK;
}

const void *setting_item(const struct setting *s, const void *conf, size_t i)
{
    return item_of(s, (const void *)((const char *)conf + s->offset), i);
}

void setting_tell(const struct setting_report *report, const char *setting, size_t item,
                  const char *fmt, ...)
{
    struct err err;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    report->add(report->to, setting, item, err.text);
}

static void keep_first(void *to, const char *setting, size_t item, const char *text)
{
    struct err *first = to;
    (void)setting;
    (void)item;
    if (first->status == OK)
        (void)err_set(first, ERR_INVALID, "%s", text);
}

struct setting_report setting_report_first(struct err *first)
{
    return (struct setting_report){keep_first, first};
}

void setting_defaults(const struct setting *table, void *conf)
{
    for (const struct setting *s = table; s->name; s++) {
        if (s->type == SETTING_T_GROUP)
            setting_defaults(s->sub, field(s, conf));
        if (!s->def)
            continue;
        if (setting_set(s, conf, s->def, NULL) != OK)
            abort(); /* cannot be: test_tables tries every default */
    }
}

static void list_done(struct text_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        mem_free(l->items[i]);
    mem_free(l->items);
    *l = (struct text_list){0};
}

static void map_done(struct text_map *m)
{
    for (size_t i = 0; i < m->len; i++) {
        mem_free(m->items[i].name);
        mem_free(m->items[i].value);
    }
    mem_free(m->items);
    *m = (struct text_map){0};
}

static void groups_done(const struct setting *s, struct group_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        setting_done(s->sub, item_of(s, l, i));
    mem_free(l->items);
    *l = (struct group_list){0};
}

void setting_done(const struct setting *table, void *conf)
{
    for (const struct setting *s = table; s->name; s++) {
        if (s->type == SETTING_T_STRING) {
            char **p = field(s, conf);
            mem_free(*p);
            *p = NULL;
        } else if (s->type == SETTING_T_LIST) {
            list_done(field(s, conf));
        } else if (s->type == SETTING_T_MAP) {
            map_done(field(s, conf));
        } else if (s->type == SETTING_T_GROUP) {
            setting_done(s->sub, field(s, conf));
        } else if (s->type == SETTING_T_GROUPS) {
            groups_done(s, field(s, conf));
        }
    }
}

/* Bytes of a field without memory of its own. */
static size_t plain_size(enum setting_type t)
{
    switch (t) {
    case SETTING_T_BOOL: return sizeof(bool);
    case SETTING_T_DOUBLE: return sizeof(double);
    case SETTING_T_CHOICE: return sizeof(unsigned);
    case SETTING_T_INT:
    case SETTING_T_DURATION:
    case SETTING_T_BYTES: return sizeof(int64_t);
    case SETTING_T_STRING:
    case SETTING_T_LIST:
    case SETTING_T_MAP:
    case SETTING_T_GROUP:
    case SETTING_T_GROUPS: break;
    }
    return 0;
}

static void copy_map(struct text_map *to, const struct text_map *from)
{
    to->items = from->len ? mem_alloc(from->len * sizeof *from->items) : NULL;
    for (to->len = 0; to->len < from->len; to->len++)
        to->items[to->len] = (struct text_pair){mem_strdup(from->items[to->len].name),
                                                mem_strdup(from->items[to->len].value)};
}

static void copy_groups(const struct setting *s, struct group_list *to,
                        const struct group_list *from)
{
    to->items = from->len ? mem_alloc(from->len * s->sub_size) : NULL;
    for (to->len = 0; to->len < from->len; to->len++)
        setting_copy(s->sub, item_of(s, to, to->len), item_of(s, from, to->len));
}

static void copy_one(const struct setting *s, void *to, const void *from)
{
    if (s->type == SETTING_T_STRING) {
        *(char **)to = mem_strdup(*(char *const *)from);
    } else if (s->type == SETTING_T_LIST) {
        const struct text_list *l = from;
        for (size_t i = 0; i < l->len; i++)
            (void)list_add(to, l->items[i]);
    } else if (s->type == SETTING_T_MAP) {
        copy_map(to, from);
    } else if (s->type == SETTING_T_GROUP) {
        setting_copy(s->sub, to, from);
    } else if (s->type == SETTING_T_GROUPS) {
        copy_groups(s, to, from);
    } else {
        memcpy(to, from, plain_size(s->type));
    }
}

void setting_copy(const struct setting *table, void *to, const void *from)
{
    for (const struct setting *s = table; s->name; s++)
        copy_one(s, field(s, to), (const char *)from + s->offset);
}

/* The plain value of text alone, in room. */
static bool same_plain(const struct setting *s, const void *value)
{
    int64_t room[2] = {0};
    struct setting alone = *s;
    alone.offset = 0;
    return setting_set(&alone, room, s->def, NULL) == OK &&
           memcmp(room, value, plain_size(s->type)) == 0;
}

bool setting_is_default(const struct setting *s, const void *conf)
{
    const void *value = (const char *)conf + s->offset;
    if (s->type == SETTING_T_LIST)
        return ((const struct text_list *)value)->len == 0;
    if (s->type == SETTING_T_MAP)
        return ((const struct text_map *)value)->len == 0;
    if (s->type == SETTING_T_GROUPS)
        return ((const struct group_list *)value)->len == 0;
    if (s->type == SETTING_T_GROUP) {
        for (const struct setting *in = s->sub; in->name; in++)
            if (!setting_is_default(in, value))
                return false;
        return true;
    }
    if (!s->def)
        return false;
    if (s->type == SETTING_T_STRING)
        return *(char *const *)value && strcmp(*(char *const *)value, s->def) == 0;
    return same_plain(s, value);
}
