/* SPDX-License-Identifier: Apache-2.0 */
/* selector.c - the cheap questions first, the regular expression last. */
#include "selector.h"

#include "mem.h"
#include "regex.h"

#include <fnmatch.h>

/* A number that may be changed or dropped alone.  One bucket of a histogram may not, the
 * others would contradict it. */
#define KIND(k)      (1u << (k))
#define SINGLE_KINDS (KIND(SERIES_GAUGE) | KIND(SERIES_COUNTER) | KIND(SERIES_UNTYPED))

struct selector {
    struct selector_conf conf;
    struct regex *regex; /* or NULL */
    unsigned kinds;      /* bits */
    /* of conf.match: so many bytes stand for themselves */
    size_t plain_len;
    bool plain, open; /* no others are there but a '*' at the end: open */
};

static const struct setting settings[] = {SELECTOR_SETTINGS(selector, conf), SETTING_END};

/* Adds the bit of that kind. */
static enum status add_kind(const char *name, unsigned *kinds, struct err *err)
{
    char names[160] = "";
    size_t len = 0;
    for (int k = 0; k < SERIES_KINDS; k++) {
        const char *known = series_kind_name((enum series_kind)k);
        if (strcmp(name, known) == 0) {
            *kinds |= KIND(k);
            return OK;
        }
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", len ? ", " : "", known);
    }
    return err_set(err, ERR_INVALID, "kinds: '%.40s' is none of: %s", name, names);
}

static enum status add_kinds(const struct text_list *list, unsigned *kinds, struct err *err)
{
    enum status status = OK;
    for (size_t i = 0; i < list->len && status == OK; i++)
        status = add_kind(list->items[i], kinds, err);
    return status;
}

void selector_check(const struct selector_conf *conf, const struct setting_report *report)
{
    struct err err;
    struct regex *regex = NULL;
    unsigned kinds = 0;
    if (conf->regex[0] && regex_new(&regex, conf->regex, &err) != OK)
        setting_tell(report, "regex", SETTING_ALL, "%s", err.text);
    regex_free(regex);
    for (size_t i = 0; i < conf->kinds.len; i++)
        if (add_kind(conf->kinds.items[i], &kinds, &err) != OK)
            setting_tell(report, "kinds", i, "%s", err.text);
}

static void read_match(struct selector *s)
{
    s->plain_len = strcspn(s->conf.match, "*?[\\");
    const char *rest = s->conf.match + s->plain_len;
    s->open = strcmp(rest, "*") == 0;
    s->plain = s->open || rest[0] == '\0';
}

enum status selector_new(struct selector **ret, const struct selector_conf *conf, struct err *err)
{
    unsigned kinds = conf->kinds.len ? 0 : SINGLE_KINDS;
    struct regex *regex = NULL;
    enum status status = add_kinds(&conf->kinds, &kinds, err);
    if (status == OK && conf->regex[0])
        status = regex_new(&regex, conf->regex, err);
    if (status != OK)
        return status;
    struct selector *s = mem_alloc(sizeof *s);
    setting_copy(settings, s, &(struct selector){.conf = *conf});
    s->regex = regex;
    s->kinds = kinds;
    read_match(s);
    *ret = s;
    return OK;
}

void selector_free(struct selector *s)
{
    if (!s)
        return;
    setting_done(settings, s);
    regex_free(s->regex);
    mem_free(s);
}

static bool labels_match(const struct text_map *labels, const struct series *series)
{
    for (size_t i = 0; i < labels->len; i++) {
        const char *value = series_label(series, labels->items[i].name);
        if (fnmatch(labels->items[i].value, value ? value : "", 0) != 0)
            return false;
    }
    return true;
}

/* Nearly all patterns are a name or the start of names, and a call of fnmatch costs as much as all
 * the rest of a filter. */
static bool name_matches(const struct selector *s, struct span name)
{
    if (!s->plain)
        return fnmatch(s->conf.match, name.data, 0) == 0;
    return name.len >= s->plain_len && memcmp(name.data, s->conf.match, s->plain_len) == 0 &&
           (s->open || name.len == s->plain_len);
}

bool selector_matches(const struct selector *s, const struct series *series)
{
    const char *text = series_name(series);
    struct span name = {text, strlen(text)};
    if (!(s->kinds & KIND(series->family->kind)))
        return false;
    if (s->conf.match[0] && !name_matches(s, name))
        return false;
    return labels_match(&s->conf.labels, series) && (!s->regex || regex_match(s->regex, name));
}
