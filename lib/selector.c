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
};

static const struct setting settings[] = {SELECTOR_SETTINGS(selector, conf), SETTING_END};

static enum status find_kind(const char *name, unsigned *ret, struct err *err)
{
    char names[160] = "";
    size_t len = 0;
    for (int k = 0; k < SERIES_KINDS; k++) {
        const char *known = series_kind_name((enum series_kind)k);
        if (strcmp(name, known) == 0) {
            *ret = KIND(k);
            return OK;
        }
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", len ? ", " : "", known);
    }
    return err_set(err, ERR_INVALID, "kinds: '%.40s' is none of: %s", name, names);
}

static enum status find_kinds(const struct text_list *list, unsigned *ret, struct err *err)
{
    unsigned kinds = list->len ? 0 : SINGLE_KINDS;
    for (size_t i = 0; i < list->len; i++) {
        unsigned kind;
        enum status status = find_kind(list->items[i], &kind, err);
        if (status != OK)
            return status;
        kinds |= kind;
    }
    *ret = kinds;
    return OK;
}

enum status selector_new(struct selector **ret, const struct selector_conf *conf, struct err *err)
{
    unsigned kinds;
    struct regex *regex = NULL;
    enum status status = find_kinds(&conf->kinds, &kinds, err);
    if (status == OK && conf->regex[0])
        status = regex_new(&regex, conf->regex, err);
    if (status != OK)
        return status;
    struct selector *s = mem_alloc(sizeof *s);
    setting_copy(settings, s, &(struct selector){.conf = *conf});
    s->regex = regex;
    s->kinds = kinds;
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

bool selector_matches(const struct selector *s, const struct series *series)
{
    const char *name = series_name(series);
    if (!(s->kinds & KIND(series->family->kind)))
        return false;
    if (s->conf.match[0] && fnmatch(s->conf.match, name, 0) != 0)
        return false;
    return labels_match(&s->conf.labels, series) &&
           (!s->regex || regex_match(s->regex, (struct span){name, strlen(name)}));
}
