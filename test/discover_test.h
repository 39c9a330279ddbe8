/* SPDX-License-Identifier: Apache-2.0 */
/* discover_test.h - what surrounds the discovery thread in its tests: a receiver in the
 * place of the registry, and sources that say what the test wants them to say. */
#ifndef DISCOVER_TEST_H
#define DISCOVER_TEST_H

#include "discover.h"
#include "log.h"
#include "mem.h"
#include "sources_test.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A receiver in the place of the registry: what it has, and all it was told, as
 * "SOURCE+id", "SOURCE-id", "SOURCE*id" (one scrape more), "SOURCE!synced", "SOURCE!resync" and "SOURCE!rank".  SOURCE is the number of the
 * source, counted from the first one that says anything. */
#define EXTRA_MS INT64_C(1795271160000)

struct held {
    uint32_t source;
    uint32_t rank;
    char id[64];
};
struct receiver {
    pthread_mutex_t lock;
    pthread_cond_t told;
    size_t room;
    bool closed;
    uint32_t first;
    struct buf log;
    struct held held[4000];
    size_t len, refusals, events;
    int room_fd;
};

static inline size_t find_held(const struct receiver *r, uint32_t source, const char *id)
{
    size_t i = 0;
    while (i < r->len && (r->held[i].source != source || strcmp(r->held[i].id, id) != 0))
        i++;
    return i;
}

static inline void keep(struct receiver *r, const struct target_event *e)
{
    size_t i = e->target ? find_held(r, e->source, e->target->id) : r->len;
    if (e->change == TARGET_REMOVED) {
        if (i == r->len)
            abort(); /* of no use to anybody: it was never added */
        r->held[i] = r->held[--r->len];
    } else if (e->change == TARGET_ADDED && i == r->len) {
        if (r->len == ARRAY_LEN(r->held))
            abort();
        r->held[r->len].source = e->source;
        r->held[r->len].rank = e->rank;
        snprintf(r->held[r->len++].id, sizeof r->held[0].id, "%s", e->target->id);
    }
    if (e->change == TARGET_EXTRA && (i == r->len || e->due_ms != EXTRA_MS))
        abort();
    for (i = 0; e->change == TARGET_RANK && i < r->len; i++)
        if (r->held[i].source == e->source)
            r->held[i].rank = e->rank;
}

static inline enum status receive(void *to, const struct target_event *e)
{
    static const char *const words[] = {"+", "-", "!synced", "!resync", "!rank", "*"};
    struct receiver *r = to;
    pthread_mutex_lock(&r->lock);
    enum status s = r->closed ? ERR_CLOSED : r->room > 0 ? OK : ERR_AGAIN;
    r->refusals += s == ERR_AGAIN;
    if (s == OK) {
        r->room -= r->room < SIZE_MAX;
        r->events++;
        r->refusals = 0;
        r->first = r->first ? r->first : e->source;
        (void)!buf_printf(&r->log, "%s%u%s%s", r->log.len ? " " : "", e->source - r->first,
                          words[e->change], e->target ? e->target->id : "");
        keep(r, e);
        target_unref(e->target);
    }
    pthread_cond_broadcast(&r->told);
    pthread_mutex_unlock(&r->lock);
    return s;
}

static inline void give_room(struct receiver *r, size_t room)
{
    pthread_mutex_lock(&r->lock);
    r->room = room;
    pthread_mutex_unlock(&r->lock);
    eventfd_write(r->room_fd, 1);
}

/* Waits for done(r, arg), with the lock held; long enough for any machine, but not for ever. */
static inline void wait_for(struct receiver *r, bool (*done)(const struct receiver *, const void *),
                            const void *arg)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    while (!done(r, arg) && pthread_cond_timedwait(&r->told, &r->lock, &until) == 0)
        ;
}

static inline bool log_is(const struct receiver *r, const void *want)
{
    return strcmp(r->log.data, want) == 0;
}

/* The log, from the last check on, becomes that. */
static inline void check_log(struct receiver *r, const char *want)
{
    char got[1000];
    pthread_mutex_lock(&r->lock);
    wait_for(r, log_is, want);
    snprintf(got, sizeof got, "%s", r->log.data);
    buf_truncate(&r->log, 0);
    pthread_mutex_unlock(&r->lock);
    CHECK_STR(got, want);
}

static inline bool was_refused(const struct receiver *r, const void *than)
{
    return r->refusals > *(const size_t *)than;
}

/* So many were told, and both of two sources wait for room; or the second need not any more. */
static inline bool were_told(const struct receiver *r, const void *want)
{
    return r->events >= *(const size_t *)want && (r->refusals > 1 || strstr(r->log.data, "+z"));
}

static inline void check_refused_soon(struct receiver *r)
{
    static const size_t none;
    pthread_mutex_lock(&r->lock);
    wait_for(r, was_refused, &none);
    size_t refusals = r->refusals;
    r->refusals = 0;
    pthread_mutex_unlock(&r->lock);
    CHECK(refusals > 0);
}

/* A source that says what the test wants it to say. */
struct fake {
    pthread_mutex_t lock;
    int fd;
    char script[200]; /* words: +id -id *id !synced !resync, and what ready returns: =NAME */
    size_t at, calls;
    enum status status;
    bool leased;
};
static struct fake fakes[3];

/* Locks and descriptors of r and of all fakes. */
static inline void surroundings_init(struct receiver *r)
{
    log_configure(LOG_ERROR, LOG_LOGFMT);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->told, NULL);
    r->room_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LEN(fakes); i++) {
        fakes[i] = (struct fake){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
        pthread_mutex_init(&fakes[i].lock, NULL);
    }
}

static inline void surroundings_done(struct receiver *r)
{
    buf_done(&r->log);
    close(r->room_fd);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->told);
    for (size_t i = 0; i < ARRAY_LEN(fakes); i++) {
        close(fakes[i].fd);
        pthread_mutex_destroy(&fakes[i].lock);
    }
}

struct fake_conf {
    int64_t fake;
    bool refuse;
};
static const struct setting fake_settings[] = {
    SETTING_INT(fake_conf, fake, "0", 0, 2, "which one"),
    SETTING_BOOL(fake_conf, refuse, "false", "whether open fails"),
    SETTING_END,
};

struct fake_self {
    struct fake *fake;
    const struct source_env *env;
};

static inline enum status fake_open(void **ret_self, const void *conf, const struct source_env *env,
                                    struct err *err)
{
    const struct fake_conf *c = conf;
    if (c->refuse)
        return err_set(err, ERR_INVALID, "refused");
    struct fake_self *s = mem_alloc(sizeof *s);
    *s = (struct fake_self){&fakes[c->fake], env};
    *ret_self = s;
    return OK;
}

static inline int fake_fd(const void *self)
{
    return ((const struct fake_self *)self)->fake->fd;
}

static inline int64_t fake_timer_ns(const void *self)
{
    (void)self;
    return DEADLINE_NEVER;
}

static inline enum status say(const struct fake_self *s, const char *word,
                              const struct target_emit *emit)
{
    struct target_event e = {.source = s->env->number};
    if (strcmp(word, "!synced") == 0)
        e.change = TARGET_SYNCED;
    else if (strcmp(word, "!resync") == 0)
        e.change = TARGET_RESYNC;
    else
        e.change = word[0] == '+' ? TARGET_ADDED : word[0] == '*' ? TARGET_EXTRA : TARGET_REMOVED;
    if (e.change == TARGET_EXTRA)
        e.due_ms = EXTRA_MS;
    if (word[0] != '!')
        e.target = target_new(&(struct target){.id = word + 1});
    enum status r = emit->call(emit->to, &e);
    if (r != OK)
        target_unref(e.target);
    return r;
}

static inline enum status fake_run(struct fake *f, const struct fake_self *s,
                                   const struct target_emit *emit)
{
    char word[64];
    int used = 0;
    while (sscanf(f->script + f->at, " %63s%n", word, &used) == 1) {
        if (word[0] == '=') {
            f->status = strcmp(word, "=io") == 0       ? ERR_IO
                        : strcmp(word, "=denied") == 0 ? ERR_DENIED
                                                       : OK;
        } else {
            enum status r = say(s, word, emit);
            if (r != OK)
                return r;
        }
        f->at += (size_t)used;
    }
    return f->status;
}

static inline enum status fake_ready(void *self, const struct target_emit *emit, struct err *err)
{
    struct fake_self *s = self;
    struct fake *f = s->fake;
    eventfd_t n;
    pthread_mutex_lock(&f->lock);
    f->calls++;
    eventfd_read(f->fd, &n);
    enum status r = fake_run(f, s, emit);
    pthread_mutex_unlock(&f->lock);
    return r == ERR_IO || r == ERR_DENIED ? err_set(err, r, "no answer") : r;
}

static inline bool fake_watching(const void *self, struct source_watching *ret)
{
    *ret = (struct source_watching){.leased = ((const struct fake_self *)self)->fake->leased};
    return true;
}

static inline void fake_close(void *self)
{
    mem_free(self);
}

static const struct source_ops source_fake = {
    .name = "fake",
    .help = "says what it is told",
    .settings = fake_settings,
    .conf_size = sizeof(struct fake_conf),
    .open = fake_open,
    .fd = fake_fd,
    .timer_ns = fake_timer_ns,
    .ready = fake_ready,
    .close = fake_close,
};
static const struct source_ops source_follower = {
    .name = "follower",
    .help = "says what its peer has",
    .settings = fake_settings,
    .conf_size = sizeof(struct fake_conf),
    .open = fake_open,
    .fd = fake_fd,
    .timer_ns = fake_timer_ns,
    .ready = fake_ready,
    .watching = fake_watching,
    .close = fake_close,
};

static inline void script(size_t i, const char *words)
{
    struct fake *f = &fakes[i];
    pthread_mutex_lock(&f->lock);
    snprintf(f->script, sizeof f->script, "%s", words);
    f->at = 0;
    pthread_mutex_unlock(&f->lock);
    eventfd_write(f->fd, 1);
}

#endif
