/* SPDX-License-Identifier: Apache-2.0 */
/* static.c - a fixed list of targets, told once. */
#include "clock.h"
#include "feed.h"
#include "mem.h"

struct static_conf {
    struct text_list targets;
    struct text_map labels;
};

struct fixed {
    struct feed feed;
    bool told;
};

static const struct setting settings[] = {
    SETTING_LIST(static_conf, targets, SETTING_REQUIRED, "URLs, or host:port"),
    SETTING_MAP(static_conf, labels, 0, "added to every series of these targets"),
    SETTING_END,
};

static void static_close(void *self)
{
    struct fixed *f = self;
    feed_done(&f->feed);
    mem_free(f);
}

static bool is_good(const struct source_env *env, const char *url, const struct text_map *own,
                    struct err *err)
{
    AUTO_PTR(target) struct target *t = NULL;
    return source_target(env, url, own, &t, err) == OK;
}

/* Labels that no target can have are one fault, not one of each target. */
static void static_check(const void *conf, const struct source_env *env,
                         const struct setting_report *report)
{
    static const struct text_map none;
    const struct static_conf *c = conf;
    const struct text_map *own = &c->labels;
    struct source_env plain = *env; /* rules are for the targets that there are */
    struct err labels = {OK, ""}, err;
    plain.relabel = NULL;
    if (!is_good(&plain, "http://localhost/", own, &labels)) {
        setting_tell(report, "labels", SETTING_ALL, "labels: %s", labels.text);
        own = &none;
    }
    for (size_t i = 0; i < c->targets.len; i++)
        if (!is_good(env, c->targets.items[i], own, &err) && strcmp(err.text, labels.text) != 0)
            setting_tell(report, "targets", i, "targets: %s", err.text);
}

static enum status static_open(void **ret_self, const void *conf, const struct source_env *env,
                               struct err *err)
{
    const struct static_conf *c = conf;
    struct fixed *f = mem_alloc(sizeof *f);
    feed_init(&f->feed, env);
    feed_begin(&f->feed);
    for (size_t i = 0; i < c->targets.len; i++) {
        struct err why;
        if (feed_add(&f->feed, c->targets.items[i], &c->labels, NULL, &why) != ERR_INVALID)
            continue; /* what is there already, or too much, is refused by name and no fault */
        static_close(f);
        return err_set(err, ERR_INVALID, "targets: number %zu: %s", i + 1, why.text);
    }
    feed_end(&f->feed);
    *ret_self = f;
    return OK;
}

static int static_fd(const void *self)
{
    (void)self;
    return -1;
}

static int64_t static_timer_ns(const void *self)
{
    const struct fixed *f = self;
    return f->told ? DEADLINE_NEVER : DEADLINE_NOW;
}

static enum status static_ready(void *self, const struct target_emit *emit, struct err *err)
{
    (void)err;
    struct fixed *f = self;
    enum status s = feed_emit(&f->feed, emit);
    if (s != OK)
        return s;
    f->told = true;
    return ERR_CLOSED;
}

static size_t static_refused(const void *self, struct buf *out)
{
    const struct fixed *f = self;
    return feed_refused(&f->feed, out);
}

static size_t static_candidates(const void *self, const struct source_candidates *to)
{
    const struct fixed *f = self;
    return feed_candidates(&f->feed, to);
}

const struct source_ops source_static = {
    .name = "static",
    .help = "a fixed list of targets",
    .settings = settings,
    .conf_size = sizeof(struct static_conf),
    .check = static_check,
    .open = static_open,
    .fd = static_fd,
    .timer_ns = static_timer_ns,
    .ready = static_ready,
    .refused = static_refused,
    .candidates = static_candidates,
    .close = static_close,
};
