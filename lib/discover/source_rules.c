/* SPDX-License-Identifier: Apache-2.0 */
#include "source_rules.h"

#include "clock.h"
#include "mem.h"

#define SET_BYTES (256 << 10)
#define DAY_NS    (24 * 3600 * SEC_NS)

void source_ruled_done(struct source_ruled *r)
{
    mem_free(r->labels);
    mem_free(r->text);
    *r = (struct source_ruled){.len = 0};
}

static enum status fill(struct label_set *set, const struct label *labels, size_t n,
                        struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct span name = {labels[i].name, strlen(labels[i].name)};
        struct span value = {labels[i].value, strlen(labels[i].value)};
        if (!text_is_utf8(value) || !text_is_utf8(name))
            return err_set(err, ERR_INVALID, "label %.80s: the value is not UTF-8",
                           text_is_utf8(name) ? labels[i].name : "?");
        if (name.len > 0 && label_set_set(set, name, value) != OK)
            return err_set(err, ERR_INVALID, "more than %d labels, or %d bytes of them",
                           LABEL_SET_MAX, SET_BYTES);
    }
    return OK;
}

static const char *add_text(char **at, struct span s)
{
    char *text = *at;
    if (s.len > 0)
        memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    *at += s.len + 1;
    return text;
}

static void take(struct source_ruled *ret, const struct label_set *set)
{
    ret->labels = mem_alloc((set->len + 1) * sizeof *ret->labels);
    ret->text = mem_alloc(set->bytes + 2 * set->len + 1);
    char *at = ret->text;
    for (ret->len = 0; ret->len < set->len; ret->len++) {
        struct label_span l = label_set_at(set, ret->len);
        ret->labels[ret->len].name = add_text(&at, l.name);
        ret->labels[ret->len].value = add_text(&at, l.value);
    }
}

enum status source_rules_run(const struct source_env *env, const struct label *labels, size_t n,
                             struct source_ruled *ret, bool *ret_kept, struct err *err)
{
    AUTO(label_set) struct label_set set;
    AUTO(relabel_work) struct relabel_work work;
    size_t rule = RELABEL_KEPT;
    label_set_init(&set, SET_BYTES);
    relabel_work_init(&work);
    enum status r = fill(&set, labels, n, err);
    if (r == OK && relabel_apply(env->relabel, &set, &work, &rule, err) != OK)
        r = ERR_INVALID;
    if (r != OK)
        return r;
    *ret_kept = rule == RELABEL_KEPT;
    if (*ret_kept)
        take(ret, &set);
    else
        err_set(err, OK, "dropped by relabel[%zu] (%s)", rule, relabel_action(env->relabel, rule));
    return OK;
}

/* What a target itself may ask for. */

static const char *const modes[] = {"pool", "auto", "strict", "salvage", NULL};

static const struct setting asked_settings[] = {
    SETTING_DURATION(source_asked, interval, "0s", 10 * MS_NS, DAY_NS, ""), /* as a source's own */
    SETTING_DURATION(source_asked, timeout, "0s", MS_NS, DAY_NS, ""),
    SETTING_INT(source_asked, sample_limit, "0", 1, 10000000, ""),
    SETTING_CHOICE(source_asked, mode, "pool", modes, ""),
    SETTING_END,
};

static enum status read(const char *name, const char *text, struct source_asked *to,
                        struct err *err)
{
    struct err why;
    if (!text || setting_set(setting_find(asked_settings, name), to, text, &why) == OK)
        return OK;
    return err_set(err, ERR_INVALID, "asks for %s", why.text);
}

static long long ms(int64_t ns)
{
    return (long long)(ns / MS_NS);
}

static enum status check(const struct source_common *c, const struct source_asked *a,
                         struct err *err)
{
    if (a->interval < c->min_interval && a->interval != c->interval)
        return err_set(err, ERR_INVALID, "asks for an interval below min_interval (%lld < %lld ms)",
                       ms(a->interval), ms(c->min_interval));
    if (a->timeout > a->interval)
        return err_set(err, ERR_INVALID, "asks for a timeout above its interval (%lld > %lld ms)",
                       ms(a->timeout), ms(a->interval));
    if (c->sample_limit > 0 && a->sample_limit > c->sample_limit)
        return err_set(err, ERR_INVALID, "asks for a sample limit above %lld",
                       (long long)c->sample_limit);
    return OK;
}

enum status source_ask(const struct source_common *c, const struct source_wish *wish,
                       struct source_asked *ret, struct err *err)
{
    struct source_asked a = {.interval = c->interval, .sample_limit = c->sample_limit};
    enum status r = read("interval", wish->interval, &a, err);
    a.timeout = c->timeout > 0 ? c->timeout : source_timeout(a.interval);
    a.timeout = a.timeout < a.interval ? a.timeout : a.interval;
    if (r == OK)
        r = read("timeout", wish->timeout, &a, err);
    if (r == OK)
        r = read("sample_limit", wish->limit, &a, err);
    if (r == OK)
        r = read("mode", wish->mode, &a, err);
    if (r == OK)
        r = check(c, &a, err);
    if (r == OK)
        *ret = a;
    return r;
}
