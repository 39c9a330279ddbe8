/* SPDX-License-Identifier: Apache-2.0 */
/* relabel_test.h - rules and labels as short as they are thought. */
#ifndef RELABEL_TEST_H
#define RELABEL_TEST_H

#include "relabel.h"
#include "test.h"

/* A rule as in a file; NULL is what is not said. */
struct rule {
    const char *action, *source; /* "a,b" */
    const char *regex, *target, *replacement, *separator, *modulus;
};

static inline void set(struct relabel_rule_conf *c, const char *name, const char *value)
{
    struct err err;
    if (value && setting_set(setting_find(relabel_settings, name), c, value, &err) != OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

static inline void conf_init(struct relabel_rule_conf *c, const struct rule *rule)
{
    memset(c, 0, sizeof *c);
    setting_defaults(relabel_settings, c);
    set(c, "action", rule->action);
    set(c, "regex", rule->regex);
    set(c, "target_label", rule->target);
    set(c, "replacement", rule->replacement);
    set(c, "separator", rule->separator);
    set(c, "modulus", rule->modulus);
    for (const char *p = rule->source; p && *p;) {
        char name[80];
        size_t n = strcspn(p, ",");
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        set(c, "source_labels", name);
        p += n + (p[n] == ',');
    }
}

enum { MAX_RULES = 4 };

/* Up to MAX_RULES rules, the first without any setting ends them. */
static inline size_t confs_init(struct relabel_rule_conf *c, const struct rule *rules)
{
    static const struct rule none;
    size_t n = 0;
    for (; n < MAX_RULES && memcmp(&rules[n], &none, sizeof none) != 0; n++)
        conf_init(&c[n], &rules[n]);
    return n;
}

static inline void confs_done(struct relabel_rule_conf *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        setting_done(relabel_settings, &c[i]);
}

static inline struct relabel *make(const struct rule *rules)
{
    struct relabel_rule_conf confs[MAX_RULES];
    struct relabel *r = NULL;
    struct err err;
    size_t n = confs_init(confs, rules);
    if (relabel_new(&r, confs, n, &err) != OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    confs_done(confs, n);
    return r;
}

/* From "name=value|...". */
static inline void fill(struct label_set *s, const char *text)
{
    label_set_reset(s);
    while (*text) {
        size_t name = strcspn(text, "="), value = strcspn(text + name + 1, "|");
        CHECK_INT(
            label_set_set(s, (struct span){text, name}, (struct span){text + name + 1, value}), OK);
        text += name + 1 + value;
        text += *text == '|';
    }
}

static const char *text_of(const struct label_set *s)
{
    static char text[4096];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < s->len; i++) {
        struct label_span l = label_set_at(s, i);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s=%.*s", i ? "|" : "",
                                (int)l.name.len, l.name.data, (int)l.value.len, l.value.data);
    }
    return text;
}

struct example {
    const char *before;
    struct rule rules[MAX_RULES];
    const char *after; /* or "dropped by 0" */
};

/* Twice with the same work, for what the first leaves there must not matter. */
static inline void run(const struct example *x, size_t number, const char *file)
{
    AUTO_PTR(relabel) struct relabel *r = make(x->rules);
    AUTO(relabel_work) struct relabel_work work;
    AUTO(label_set) struct label_set labels;
    relabel_work_init(&work);
    label_set_init(&labels, 1 << 16);
    for (int i = 0; i < 2; i++) {
        size_t rule = 99;
        char dropped[32];
        fill(&labels, x->before);
        CHECK_INT(relabel_apply(r, &labels, &work, &rule, NULL), OK);
        snprintf(dropped, sizeof dropped, "dropped by %zu", rule);
        const char *got = rule == RELABEL_KEPT ? text_of(&labels) : dropped;
        if (strcmp(got, x->after) != 0)
            test_fail(file, 0, "example %zu: %s, want %s", number, got, x->after);
    }
}

#define RUN(examples)                                   \
    for (size_t i_ = 0; i_ < ARRAY_LEN(examples); i_++) \
    run(&(examples)[i_], i_, __FILE__)

#endif
