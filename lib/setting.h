/* SPDX-License-Identifier: Apache-2.0 */
/* setting.h - a table that says what can be configured.
 *
 * Every filter, encoder, sink and source has one table; so have the agent and
 * the pools.  From it come parsing, defaults, bounds, the text of
 * `strata-agent settings`, docs/SETTINGS.md and the Helm schema.  There is no other
 * place where a setting is named.
 *
 *     struct clamp_conf { double min, max; };
 *     static const struct setting settings[] = {
 *         SETTING_DOUBLE(clamp_conf, min, "-inf", "smallest value let through"),
 *         SETTING_DOUBLE(clamp_conf, max, "inf", "largest value let through"),
 *         SETTING_END
 *     };  */
#ifndef SETTING_H
#define SETTING_H

#include "buf.h"
#include "err.h"

enum setting_type {
    SETTING_T_BOOL = 1, /* bool:    true, false */
    SETTING_T_INT,      /* int64_t: decimal */
    SETTING_T_DOUBLE,   /* double:  decimal, inf, -inf */
    SETTING_T_STRING,   /* char *:  owned by the conf struct */
    SETTING_T_DURATION, /* int64_t nanoseconds: 250ms, 10s, 5m, 1h */
    SETTING_T_BYTES,    /* int64_t: 512, 64KiB, 5MiB, 1GiB */
    SETTING_T_CHOICE,   /* unsigned: index of one of the words in choices */
    SETTING_T_LIST,     /* struct text_list, owned: strings */
    SETTING_T_MAP,      /* struct text_map, owned: names with strings */
    SETTING_T_GROUP,    /* a struct with a table of its own, sub */
    SETTING_T_GROUPS,   /* struct group_list, owned: structs that share a table, sub */
};

/* Strings of a list, and of a map, in the order of the file. */
struct text_list {
    char **items;
    size_t len;
};
struct text_pair {
    char *name, *value;
};
struct text_map {
    struct text_pair *items;
    size_t len;
};

/* Structs in the order of the file; of which type, and by which table, the setting says:
 *     struct rule { char *regex; };
 *     struct conf { struct group_list rules; };
 *     SETTING_GROUPS(conf, rules, rule_settings, rule, "...")
 *     const struct rule *rules = conf->rules.items;  */
struct group_list {
    void *items;
    size_t len;
};

enum setting_flags {
    SETTING_REQUIRED = 1 << 0, /* no default; leaving it out is an error */
    SETTING_SECRET = 1 << 1,   /* never printed */
    SETTING_OPTIONAL = 1 << 2, /* a double that may be "unset", which gives NaN */
};

struct setting {
    const char *name; /* key in the YAML; snake_case, but for what Kubernetes names */
    const char *def;  /* default as text, as an operator would write it */
    const char *help; /* one line, lower case, says the unit */
    size_t offset;    /* of the field in the conf struct */
    int64_t min, max; /* for INT, DURATION (ns), BYTES */
    enum setting_type type;
    unsigned flags;             /* enum setting_flags */
    const char *const *choices; /* of a CHOICE: words, ended by NULL */
    const struct setting *sub;  /* of a GROUP, and of each of GROUPS: its table */
    size_t sub_size;            /* of GROUPS: bytes of each */
};

/* _Generic makes a table line with the wrong field type a compile error. */
// clang-format off
#define SETTING_FIELD(T, f, ctype) \
    (offsetof(struct T, f) + 0 * sizeof(_Generic(((struct T *)0)->f, ctype: 1)))
#define SETTING_NAMED(T, f, ctype, t, n, d, h) \
    .name = n, .def = d, .help = h, .offset = SETTING_FIELD(T, f, ctype), .type = t
#define SETTING_(T, f, ctype, t, d, h) SETTING_NAMED(T, f, ctype, t, #f, d, h)
#define SETTING_DOUBLE(T, f, d, h) {SETTING_(T, f, double, SETTING_T_DOUBLE, d, h)}
#define SETTING_DOUBLE_OPTIONAL(T, f, h) \
    {SETTING_(T, f, double, SETTING_T_DOUBLE, "unset", h), .flags = SETTING_OPTIONAL}
#define SETTING_INT(T, f, d, lo, hi, h) \
    {SETTING_(T, f, int64_t, SETTING_T_INT, d, h), .min = lo, .max = hi}
#define SETTING_DURATION(T, f, d, lo, hi, h) \
    {SETTING_(T, f, int64_t, SETTING_T_DURATION, d, h), .min = lo, .max = hi}
#define SETTING_BYTES(T, f, d, lo, hi, h) \
    {SETTING_(T, f, int64_t, SETTING_T_BYTES, d, h), .min = lo, .max = hi}
#define SETTING_BOOL(T, f, d, h) {SETTING_(T, f, bool, SETTING_T_BOOL, d, h)}
#define SETTING_STRING(T, f, d, fl, h) {SETTING_(T, f, char *, SETTING_T_STRING, d, h), .flags = fl}
#define SETTING_CHOICE(T, f, d, words, h) \
    {SETTING_(T, f, unsigned, SETTING_T_CHOICE, d, h), .choices = words}
#define SETTING_LIST(T, f, fl, h) \
    {SETTING_(T, f, struct text_list, SETTING_T_LIST, NULL, h), .flags = fl}
#define SETTING_MAP(T, f, fl, h) SETTING_MAP_AS(T, f, #f, fl, h)
#define SETTING_MAP_AS(T, f, n, fl, h) \
    {SETTING_NAMED(T, f, struct text_map, SETTING_T_MAP, n, NULL, h), .flags = fl}
#define SETTING_GROUP(T, f, table, h) \
    {.name = #f, .help = h, .offset = offsetof(struct T, f), .type = SETTING_T_GROUP, .sub = table}
#define SETTING_GROUPS(T, f, table, S, h) SETTING_GROUPS_AS(T, f, #f, table, S, h)
#define SETTING_GROUPS_AS(T, f, n, table, S, h) \
    {SETTING_NAMED(T, f, struct group_list, SETTING_T_GROUPS, n, NULL, h), \
     .sub = table, .sub_size = sizeof(struct S)}
#define SETTING_END {.name = NULL}
// clang-format on

/* The entry of that name, or NULL. */
const struct setting *setting_find(const struct setting *table, const char *name);

/* Parses text into its field of conf.  ERR_INVALID with "name: what is wrong".  A LIST
 * gains one string; MAP, GROUP and GROUPS have functions of their own. */
enum status setting_set(const struct setting *s, void *conf, const char *text,
                        struct err *err) NODISCARD;

/* Adds an entry to a MAP.  ERR_INVALID when the name is there already, or
 * SETTING_MAP_MAX entries are. */
#define SETTING_MAP_MAX 1000
enum status setting_put(const struct setting *s, void *conf, const char *name, const char *value,
                        struct err *err) NODISCARD;

/* The struct that a GROUP describes, inside conf. */
void *setting_group(const struct setting *s, void *conf);

/* The new struct at the end of GROUPS, with its defaults; it moves when the next one is added.
 * ERR_INVALID when SETTING_GROUPS_MAX are there. */
#define SETTING_GROUPS_MAX 100
enum status setting_add(const struct setting *s, void *conf, void **ret, struct err *err) NODISCARD;

/* Number i of GROUPS. */
const void *setting_item(const struct setting *s, const void *conf, size_t i);

/* Sets every default, in groups too; conf must be zeroed. */
void setting_defaults(const struct setting *table, void *conf);

/* Frees the strings, lists and maps in conf, in groups and lists of groups too. */
void setting_done(const struct setting *table, void *conf);

/* Deep copy of all that table describes, from one conf into another, zeroed one. */
void setting_copy(const struct setting *table, void *to, const void *from);

/* "duration", "list of strings", ...: static, for people. */
const char *setting_type_name(enum setting_type t);

/* What an operator may write, behind what out holds: "1s to 1h", "info, debug"; nothing
 * where the type says it all.  OK, or ERR_LIMIT as buf.h says it. */
enum status setting_bounds(const struct setting *s, struct buf *out) NODISCARD;

/* Whether conf holds the default; of a LIST, MAP or GROUPS: nothing, of a GROUP: everywhere. */
bool setting_is_default(const struct setting *s, const void *conf);

/* What is wrong with a conf, one call of add for each fault: what finds several tells of all of
 * them, whoever reads a file knows their places.
 *     setting   "servers"; in groups "jetstream.create"; in number 2 (from 0) of a list of groups
 *               "relabel[2].regex", or "relabel[2]" for all of it
 *     item      of a LIST, MAP or GROUPS, from 0; else SETTING_ALL
 *     text      as that of an err; borrowed  */
#define SETTING_ALL SIZE_MAX
struct setting_report {
    void (*add)(void *to, const char *setting, size_t item, const char *text);
    void *to;
};

/* One fault. */
void setting_tell(const struct setting_report *report, const char *setting, size_t item,
                  const char *fmt, ...) PRINTF(4, 5);

/* A report that keeps the first fault in *first and leaves the others out; *first has
 * status OK before, ERR_INVALID once there is one. */
struct setting_report setting_report_first(struct err *first);

/* The value in conf as an operator would write it, behind what out holds: a LIST as
 * ["a", "b"], a MAP and a GROUP as {name: value, ...}, GROUPS as a list of these, a secret as it
 * stands in the file when it is file:PATH, else as "***".  OK, or ERR_LIMIT as buf.h says it. */
enum status setting_text(const struct setting *s, const void *conf, struct buf *out) NODISCARD;

/* All of a conf as one line, {name: value, ...} in the order of the table; with it two
 * confs can be compared: maps are sorted, secrets go in as a hash of 64 bits. */
enum status setting_identity(const struct setting *table, const void *conf,
                             struct buf *out) NODISCARD;

#endif
