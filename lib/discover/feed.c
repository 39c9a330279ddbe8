/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include "mem.h"

void feed_init(struct feed *f, const struct source_env *env)
{
    *f = (struct feed){.env = env, .lines = BUF_INIT(FEED_REFUSED_BYTES)};
    target_set_init(&f->told);
    target_set_init(&f->want);
}

static void forget_changes(struct feed *f)
{
    for (; f->at < f->len; f->at++)
        target_unref(f->changes[f->at].target);
    f->at = f->len = 0;
}

void feed_done(struct feed *f)
{
    forget_changes(f);
    mem_free(f->changes);
    target_set_done(&f->told);
    target_set_done(&f->want);
    buf_done(&f->lines);
}

void feed_begin(struct feed *f)
{
    forget_changes(f);
    target_set_done(&f->want);
    f->refused = f->unwritten = 0;
    buf_truncate(&f->lines, 0);
}

/* What is in front of an @ may be a password, and what comes from a file may be anything. */
void feed_refuse(struct feed *f, const char *what, const char *why)
{
    char name[200];
    const char *from = strstr(what, "://");
    from = from ? from + 3 : what;
    size_t len = strcspn(from, "/?");
    const char *at = memrchr(from, '@', len);
    snprintf(name, sizeof name, "%s%s", at ? "***" : "", at ? at : what);
    for (char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    size_t n = strlen(name);
    while (n > 0 && !text_is_utf8((struct span){name, n}))
        name[--n] = '\0'; /* cut within a character, or none at all */
    f->refused++;
    if (buf_cat(&f->lines, name, ": ", why, "\n", NULL) != OK)
        f->unwritten++;
}

static enum status take(struct feed *f, struct target *t, struct err *err)
{
    if (target_set_get(&f->want, t->id))
        return err_set(err, ERR_LIMIT, "is there already");
    if (f->want.len >= (size_t)f->env->common->targets)
        return err_set(err, ERR_LIMIT, "above the bound of %zu targets", f->want.len);
    target_set_put(&f->want, target_ref(t));
    return OK;
}

enum status feed_add(struct feed *f, const char *url, const struct text_map *labels,
                     struct target **ret, struct err *err)
{
    struct err why;
    AUTO_PTR(target) struct target *t = NULL;
    enum status s = source_target(f->env, url, labels, &t, &why);
    if (s == OK && !t) { /* a rule drops it: no fault, and for people all the same */
        feed_refuse(f, url, why.text);
        f->refused--;
        if (ret)
            *ret = NULL;
        return OK;
    }
    if (s == OK)
        s = take(f, t, &why);
    if (s != OK) {
        feed_refuse(f, url, why.text);
        return err_set(err, s, "%s", why.text);
    }
    if (ret)
        *ret = target_ref(t);
    return OK;
}

enum status feed_keep(struct feed *f, struct target *t)
{
    struct err why;
    enum status s = take(f, t, &why);
    if (s != OK)
        feed_refuse(f, t->url, why.text);
    return s;
}

static void add_change(struct feed *f, enum target_change change, struct target *t)
{
    if (f->len == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 16;
        f->changes = mem_realloc(f->changes, f->cap * sizeof *f->changes);
    }
    f->changes[f->len++] = (struct feed_change){change, target_ref(t)};
}

void feed_end(struct feed *f)
{
    for (size_t i = 0; i < f->told.len; i++)
        if (!target_set_get(&f->want, f->told.entries[i]->target->id))
            add_change(f, TARGET_REMOVED, f->told.entries[i]->target);
    for (size_t i = 0; i < f->want.len; i++) {
        struct target *t = f->want.entries[i]->target;
        const struct target_entry *told = target_set_get(&f->told, t->id);
        if (!told || !target_same_scrape(told->target, t))
            add_change(f, TARGET_ADDED, t);
    }
    if (!f->synced)
        add_change(f, TARGET_SYNCED, NULL);
    target_set_done(&f->want);
}

static void note(struct feed *f, const struct feed_change *c)
{
    switch (c->change) {
    case TARGET_ADDED: target_set_put(&f->told, c->target); break;
    case TARGET_REMOVED:
        target_set_remove(&f->told, target_set_get(&f->told, c->target->id));
        target_unref(c->target);
        break;
    case TARGET_SYNCED: f->synced = true; break;
    case TARGET_RESYNC:
    case TARGET_RANK:
    case TARGET_EXTRA: break;
    }
}

enum status feed_emit(struct feed *f, const struct target_emit *emit)
{
    for (; f->at < f->len; f->at++) {
        const struct feed_change *c = &f->changes[f->at];
        struct target_event event = {
            .change = c->change, .source = f->env->number, .target = target_ref(c->target)};
        enum status s = emit->call(emit->to, &event);
        if (s != OK) {
            target_unref(event.target);
            return s;
        }
        note(f, c);
    }
    f->at = f->len = 0;
    return OK;
}

size_t feed_refused(const struct feed *f, struct buf *out)
{
    const char *line = f->lines.data, *end;
    for (; (end = strchr(line, '\n')); line = end + 1)
        if (buf_add(out, line, (size_t)(end - line) + 1) != OK)
            break;
    return f->refused;
}

size_t feed_candidates(const struct feed *f, const struct source_candidates *to)
{
    for (size_t i = 0; i < f->told.len; i++) {
        const struct target *t = f->told.entries[i]->target;
        to->one(to->of, &(struct source_candidate){.id = t->id, .url = t->url});
    }
    AUTO(buf) struct buf copy = BUF_INIT(FEED_REFUSED_BYTES);
    (void)!buf_puts(&copy, f->lines.data);
    for (char *line = copy.data, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        char *why = strstr(line, ": ");
        if (!why)
            continue;
        *why = '\0';
        to->one(to->of, &(struct source_candidate){.id = line, .why = why + 2});
    }
    return f->unwritten;
}
