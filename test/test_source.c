/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of sources, by the smallest one: a list that never changes. */
#include "clock.h"
#include "mem.h"
#include "source.h"
#include "test.h"

struct fixed_conf {
    char *first, *second;
};

struct fixed {
    char *ids[2];
    uint32_t source;
    unsigned said; /* events: the targets, then SYNCED */
};

static const struct setting settings[] = {
    SETTING_STRING(fixed_conf, first, "a", 0, "id of a target"),
    SETTING_STRING(fixed_conf, second, "b", 0, "id of another one"), SETTING_END};

static enum status fixed_open(void **ret_self, const void *conf, const struct source_env *env,
                              struct err *err)
{
    (void)err;
    const struct fixed_conf *c = conf;
    struct fixed *f = mem_alloc(sizeof *f);
    f->ids[0] = mem_strdup(c->first);
    f->ids[1] = mem_strdup(c->second);
    f->source = env->number;
    *ret_self = f;
    return OK;
}

static int fixed_fd(const void *self)
{
    (void)self;
    return -1;
}

static int64_t fixed_timer_ns(const void *self)
{
    const struct fixed *f = self;
    return f->said == 0 ? DEADLINE_NOW : DEADLINE_NEVER;
}

static enum status fixed_ready(void *self, const struct target_emit *emit, struct err *err)
{
    (void)err;
    struct fixed *f = self;
    for (; f->said <= ARRAY_LEN(f->ids); f->said++) {
        struct target_event event = {.change = TARGET_SYNCED, .source = f->source};
        if (f->said < ARRAY_LEN(f->ids)) {
            event.change = TARGET_ADDED;
            event.target = target_new(&(struct target){.id = f->ids[f->said]});
        }
        enum status s = emit->call(emit->to, &event);
        if (s != OK) {
            target_unref(event.target); /* made again at the next ready */
            return s;
        }
    }
    return ERR_CLOSED;
}

static void fixed_close(void *self)
{
    struct fixed *f = self;
    mem_free(f->ids[0]);
    mem_free(f->ids[1]);
    mem_free(f);
}

static const struct source_ops source_fixed = {
    .name = "fixed",
    .help = "two targets for ever",
    .settings = settings,
    .conf_size = sizeof(struct fixed_conf),
    .open = fixed_open,
    .fd = fixed_fd,
    .timer_ns = fixed_timer_ns,
    .ready = fixed_ready,
    .close = fixed_close,
};

/* A receiver that has room for so many events. */
struct receiver {
    struct target_event events[8];
    size_t len, room;
};

static enum status receive(void *to, const struct target_event *event)
{
    struct receiver *r = to;
    if (r->len == r->room)
        return ERR_AGAIN;
    r->events[r->len++] = *event;
    return OK;
}

TEST(a_source_says_all_though_the_receiver_is_full_in_between)
{
    struct fixed_conf conf = {.first = (char[]){"a"}, .second = (char[]){"b"}};
    struct receiver r = {.room = 1};
    struct target_emit emit = {receive, &r};
    const struct source_ops *ops = &source_fixed;
    void *self;
    struct source_env env = {.number = 7};
    CHECK_INT(ops->open(&self, &conf, &env, NULL), OK);
    CHECK_INT(ops->fd(self), -1);
    CHECK_INT(ops->timer_ns(self), DEADLINE_NOW);
    CHECK_INT(ops->ready(self, &emit, NULL), ERR_AGAIN);
    CHECK_INT(ops->timer_ns(self), DEADLINE_NEVER);
    r.room = 8;
    CHECK_INT(ops->ready(self, &emit, NULL), ERR_CLOSED);
    ops->close(self);

    CHECK_INT(r.len, 3);
    CHECK_STR(r.events[0].target->id, "a");
    CHECK_STR(r.events[1].target->id, "b");
    CHECK_INT(r.events[2].change, TARGET_SYNCED);
    CHECK(r.events[2].target == NULL);
    for (size_t i = 0; i < r.len; i++) {
        CHECK_INT(r.events[i].source, 7);
        target_unref(r.events[i].target);
    }
}
