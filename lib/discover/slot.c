/* SPDX-License-Identifier: Apache-2.0 */
#include "slot.h"

#include "log.h"
#include "mem.h"

#include <errno.h>
#include <sys/epoll.h>

#define REFUSED_BYTES 16384 /* of the lines about refused targets, of one source */

/* No other source of this process has the same. */
static _Atomic uint32_t last_number;

/* What the receiver has. */

static enum status hand_on(struct slot *s, const struct target_event *e)
{
    struct target_event ranked = *e;
    ranked.rank = s->rank;
    enum status r = s->home->emit.call(s->home->emit.to, &ranked);
    s->told += r == OK;
    return r;
}

void slot_set_rank(struct slot *s, uint32_t rank)
{
    s->rank_new = s->rank_new || s->rank != rank;
    s->rank = rank;
}

/* A receiver that has nothing of it learns the rank with what is ADDED. */
enum status slot_tell_rank(struct slot *s)
{
    if (s->rank_new && s->known.len > 0) {
        enum status r =
            hand_on(s, &(struct target_event){.change = TARGET_RANK, .source = s->env.number});
        if (r != OK)
            return r;
    }
    s->rank_new = false;
    return OK;
}

static enum status added(struct slot *s, const struct target_event *e)
{
    size_t max = (size_t)s->common.targets;
    const struct target_entry *known = target_set_get(&s->known, e->target->id);
    bool fresh = known && known->mark == s->round;
    if ((!fresh && s->fresh >= max) || (!known && s->known.len >= 2 * max)) {
        s->excess++; /* a source that minds its bound does not come here */
        target_unref(e->target);
        return OK;
    }
    struct target *t = target_ref(e->target);
    enum status r = hand_on(s, e);
    if (r != OK) {
        target_unref(t);
        return r;
    }
    s->fresh += !fresh;
    target_set_put(&s->known, t)->mark = s->round;
    return OK;
}

static enum status removed(struct slot *s, const struct target_event *e)
{
    struct target_entry *known = target_set_get(&s->known, e->target->id);
    if (!known) {
        target_unref(e->target);
        return OK;
    }
    enum status r = hand_on(s, e);
    if (r != OK)
        return r;
    s->fresh -= known->mark == s->round;
    target_set_remove(&s->known, known);
    return OK;
}

static enum status extra(struct slot *s, const struct target_event *e)
{
    if (target_set_get(&s->known, e->target->id))
        return hand_on(s, e);
    target_unref(e->target);
    return OK;
}

static void drop_stale(struct slot *s)
{
    for (size_t i = s->known.len; i-- > 0;)
        if (s->known.entries[i]->mark != s->round)
            target_set_remove(&s->known, s->known.entries[i]);
}

/* What sources call: notes what passes. */
static enum status pass(void *to, const struct target_event *e)
{
    struct slot *s = to;
    if (e->change == TARGET_ADDED)
        return added(s, e);
    if (e->change == TARGET_REMOVED)
        return removed(s, e);
    if (e->change == TARGET_EXTRA)
        return extra(s, e);
    enum status r = hand_on(s, e);
    if (r != OK)
        return r;
    if (e->change == TARGET_RESYNC) {
        s->round++;
        s->fresh = 0;
    } else {
        drop_stale(s);
        pthread_mutex_lock(&s->home->lock);
        s->state.synced = true;
        pthread_mutex_unlock(&s->home->lock);
    }
    return OK;
}

/* Opening and closing. */

void slot_free(struct slot *s)
{
    if (s->self)
        s->ops->close(s->self);
    http_unref(s->env.http);
    relabel_free(s->env.relabel);
    for (size_t i = 0; i < s->labels.len; i++) {
        mem_free(s->labels.items[i].name);
        mem_free(s->labels.items[i].value);
    }
    mem_free(s->labels.items);
    setting_done(source_settings, &s->common);
    target_set_done(&s->known);
    buf_done(&s->lines);
    mem_free(s->identity);
    mem_free(s->instance);
    mem_free(s->cluster);
    mem_free(s);
}

static void copy_agent(struct slot *s, const struct source_agent *agent)
{
    s->instance = mem_strdup(agent->instance);
    s->cluster = mem_strdup(agent->cluster);
    for (size_t i = 0; agent->labels && i < agent->labels->len; i++) {
        const struct text_pair *p = &agent->labels->items[i];
        s->labels.items = mem_realloc(s->labels.items, (i + 1) * sizeof *s->labels.items);
        s->labels.items[i] = (struct text_pair){mem_strdup(p->name), mem_strdup(p->value)};
        s->labels.len = i + 1;
    }
    s->env.agent = (struct source_agent){.instance = s->instance,
                                         .cluster = s->cluster,
                                         .labels = &s->labels,
                                         .looks = agent->looks};
}

static void show(struct slot *s)
{
    AUTO(buf) struct buf lines = BUF_INIT(REFUSED_BYTES);
    size_t n = s->ops->refused ? s->ops->refused(s->self, &lines) : 0;
    struct source_watching watching = {0};
    bool follows = s->ops->watching && s->ops->watching(s->self, &watching);
    pthread_mutex_lock(&s->home->lock);
    s->state.follows = follows;
    s->state.watching = watching;
    s->state.targets = s->known.len;
    s->state.refused = n + s->excess;
    struct buf old = s->lines;
    s->lines = lines;
    lines = old;
    pthread_mutex_unlock(&s->home->lock);
}

static enum status slot_watch(struct slot *s, uint32_t events, struct err *err)
{
    struct epoll_event e = {.events = events, .data = {.u64 = s->env.number}};
    if (epoll_ctl(s->home->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) == 0)
        return OK;
    return err_set(err, ERR_IO, "epoll: %s", strerror(errno));
}

enum status slot_open(struct slot **ret, struct slot_home *home, const struct source_conf *conf,
                      const struct source_agent *agent, struct err *err)
{
    struct slot *s = mem_alloc(sizeof *s);
    s->ops = conf->ops;
    s->home = home;
    s->identity = mem_strdup(conf->identity);
    setting_copy(source_settings, &s->common, &conf->common);
    copy_agent(s, agent);
    target_set_init(&s->known);
    s->lines = (struct buf)BUF_INIT(REFUSED_BYTES);
    s->fd = -1;
    s->env.number = ++last_number;
    s->env.common = &s->common;
    s->state.kind = s->ops->name;
    s->state.number = s->env.number;
    snprintf(s->state.name, sizeof s->state.name, "%s", s->common.name);
    snprintf(s->state.pool, sizeof s->state.pool, "%s", s->common.pool);
    enum status r = http_new(&s->env.http, &s->common.http, err);
    if (r == OK && s->common.relabel.len > 0)
        r = relabel_new(&s->env.relabel, s->common.relabel.items, s->common.relabel.len, err);
    if (r == OK)
        r = s->ops->open(&s->self, conf->conf, &s->env, err);
    if (r == OK && (s->fd = s->ops->fd(s->self)) >= 0)
        r = slot_watch(s, EPOLLIN, err);
    if (r != OK) {
        slot_free(s); /* closes fd, and so ends its watch */
        return err_wrap(err, r, conf->common.name);
    }
    show(s);
    *ret = s;
    return OK;
}

void slot_unwatch(struct slot *s)
{
    if (s->fd >= 0)
        epoll_ctl(s->home->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    s->fd = -1;
}

/* Running. */

/* A source that waits for room is not asked for anything else. */
static void set_blocked(struct slot *s, bool blocked)
{
    struct epoll_event e = {.events = blocked ? 0 : EPOLLIN, .data = {.u64 = s->env.number}};
    if (s->blocked != blocked && s->fd >= 0)
        epoll_ctl(s->home->epoll_fd, EPOLL_CTL_MOD, s->fd, &e);
    s->blocked = blocked;
}

static void note_error(struct slot *s, enum status r, const struct err *err)
{
    bool failed = r != OK && r != ERR_CLOSED;
    bool news = failed != (s->state.last_error.status != OK) ||
                (failed && strcmp(err->text, s->state.last_error.text) != 0);
    s->failed = s->failed || (failed && !(s->ops->watching && status_retryable(r)));
    if (!news)
        return;
    pthread_mutex_lock(&s->home->lock);
    s->state.last_error = failed ? *err : (struct err){.status = OK};
    s->state.last_error.status = failed ? r : OK;
    pthread_mutex_unlock(&s->home->lock);
    if (failed)
        log_warn("source fails", LOG_S("source", s->state.name), LOG_S("status", status_name(r)),
                 LOG_S("error", err->text));
    else
        log_info("source works again", LOG_S("source", s->state.name));
}

void slot_ready(struct slot *s)
{
    struct err err = {.status = OK};
    struct target_emit emit = {pass, s};
    s->readable = false;
    enum status r = s->ops->ready(s->self, &emit, &err);
    set_blocked(s, r == ERR_AGAIN);
    if (r != ERR_AGAIN)
        note_error(s, r, &err);
    if (r == ERR_CLOSED) {
        s->ended = true;
        slot_unwatch(s);
    }
    show(s);
}

size_t slot_candidates(const struct slot *s, const struct source_candidates *to)
{
    if (s->ops->candidates)
        return s->ops->candidates(s->self, to) + s->excess;
    for (size_t i = 0; i < s->known.len; i++) {
        const struct target *t = s->known.entries[i]->target;
        to->one(to->of, &(struct source_candidate){.id = t->id, .url = t->url});
    }
    return s->excess;
}
