/* SPDX-License-Identifier: Apache-2.0 */
#include "discover.h"

#include "asked.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "slot.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 64            /* taken from epoll at once */
#define BEAT_NS    (10 * SEC_NS) /* the loop goes round at least so often */
#define RETRY_NS   (1 * SEC_NS)  /* the same while something could not be told */

/* What epoll says is ready: these, else the number of a source. */
#define KEY_COMMAND UINT64_MAX
#define KEY_ROOM    (UINT64_MAX - 1)

/* What a source that is closed leaves behind, until its successor has synced. */
struct leaving {
    char name[64];
    uint32_t number;
    bool leased; /* no successor has them */
    struct target_set known;
    struct leaving *next;
};

struct command {
    const struct source_conf *confs;
    size_t n;
    const struct source_agent *agent;
    struct err *err;
    enum status status;
};

struct discover {
    struct slot_home home;
    int room_fd, command_fd;
    pthread_t thread;
    _Atomic int64_t beat_ns;
    _Atomic bool stopping, synced;

    pthread_cond_t done;
    struct command *command; /* NULL: none, or taken over */
    struct asked asked;
    struct slot **slots; /* in the order of the file */
    size_t len;

    struct leaving *leaving; /* the thread's */
    bool closed;             /* the receiver takes no more */
    bool set;                /* by discover_set, once */
    size_t first;            /* slot that is asked first: while some wait for room, the one
                                behind the last that found some */
    int64_t tried_ns;        /* when they were last asked */
};

/* Its targets stay where they are until leave() finds that they may go. */
static void close_slot(struct discover *d, struct slot *s)
{
    slot_unwatch(s);
    if (s->known.len > 0) {
        struct leaving *l = mem_alloc(sizeof *l);
        memcpy(l->name, s->state.name, sizeof l->name);
        l->number = s->env.number;
        l->leased = s->state.watching.leased;
        l->known = s->known;
        target_set_init(&s->known);
        l->next = d->leaving;
        d->leaving = l;
    }
    slot_free(s);
}

/* Taking over a new set. */

static enum status check_names(const struct command *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->confs[i].common.name, c->confs[k].common.name) == 0)
                return err_set(c->err, ERR_INVALID, "two sources are called %s",
                               c->confs[i].common.name);
    return OK;
}

static struct slot *find_same(const struct discover *d, const struct source_conf *conf)
{
    for (size_t i = 0; i < d->len; i++) {
        struct slot *s = d->slots[i];
        if (s->ops == conf->ops && strcmp(s->common.name, conf->common.name) == 0 &&
            strcmp(s->identity, conf->identity) == 0)
            return s;
    }
    return NULL;
}

static bool is_slot(struct slot *const *slots, size_t n, const struct slot *s)
{
    for (size_t i = 0; i < n; i++)
        if (slots[i] == s)
            return true;
    return false;
}

/* Fills slots with those that go on and those that are new. */
static enum status open_all(struct discover *d, const struct command *c, struct slot **slots)
{
    enum status r = check_names(c);
    for (size_t i = 0; i < c->n && r == OK; i++) {
        slots[i] = find_same(d, &c->confs[i]);
        if (!slots[i])
            r = slot_open(&slots[i], &d->home, &c->confs[i], c->agent, c->err);
    }
    for (size_t i = 0; i < c->n && r != OK; i++)
        if (slots[i] && !is_slot(d->slots, d->len, slots[i])) {
            slot_unwatch(slots[i]);
            slot_free(slots[i]);
        }
    return r;
}

static void take_set(struct discover *d, struct command *c)
{
    struct slot **slots = mem_alloc((c->n ? c->n : 1) * sizeof(struct slot *));
    c->status = open_all(d, c, slots);
    if (c->status != OK) {
        mem_free(slots);
        return;
    }
    struct slot **old = d->slots;
    size_t old_len = d->len;
    pthread_mutex_lock(&d->home.lock);
    d->slots = slots;
    d->len = c->n;
    d->first = 0;
    pthread_mutex_unlock(&d->home.lock);
    for (size_t i = 0; i < c->n; i++)
        slot_set_rank(slots[i], (uint32_t)i);
    for (size_t i = 0; i < old_len; i++)
        if (!is_slot(slots, c->n, old[i]))
            close_slot(d, old[i]);
    mem_free(old);
    d->set = true;
}

static void take_command(struct discover *d)
{
    pthread_mutex_lock(&d->home.lock);
    struct command *c = d->command;
    pthread_mutex_unlock(&d->home.lock);
    if (!c)
        return;
    take_set(d, c);
    pthread_mutex_lock(&d->home.lock);
    d->command = NULL;
    pthread_cond_signal(&d->done);
    pthread_mutex_unlock(&d->home.lock);
}

/* Handing over. */

static bool may_leave(const struct discover *d, const struct leaving *l)
{
    for (size_t i = 0; i < d->len && !l->leased; i++) {
        const struct slot *s = d->slots[i];
        if (strcmp(s->state.name, l->name) == 0)
            return s->state.synced || s->failed;
    }
    return true;
}

static enum status leave(struct discover *d, struct leaving *l)
{
    while (l->known.len > 0) {
        struct target_entry *last = l->known.entries[l->known.len - 1];
        struct target_event e = {
            .change = TARGET_REMOVED, .source = l->number, .target = target_ref(last->target)};
        enum status r = d->home.emit.call(d->home.emit.to, &e);
        if (r != OK) {
            target_unref(e.target);
            return r;
        }
        target_set_remove(&l->known, last);
    }
    return OK;
}

static void leave_all(struct discover *d)
{
    struct leaving **at = &d->leaving;
    while (*at && !d->closed) {
        struct leaving *l = *at;
        enum status r = may_leave(d, l) ? leave(d, l) : ERR_AGAIN;
        d->closed = r == ERR_CLOSED;
        if (r != OK) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        target_set_done(&l->known);
        mem_free(l);
    }
}

static void tell_ranks(struct discover *d)
{
    enum status r = d->closed ? ERR_CLOSED : OK;
    for (size_t i = 0; i < d->len && r == OK; i++)
        r = slot_tell_rank(d->slots[i]);
    d->closed = r == ERR_CLOSED;
}

/* Running. */

static bool is_due(const struct slot *s, bool room, int64_t now_ns)
{
    if (s->ended)
        return false;
    if (s->blocked)
        return room;
    return s->readable || s->ops->timer_ns(s->self) <= now_ns;
}

/* room: what was refused may be tried again.  It is, now and then, though nobody said so. */
static void run_slots(struct discover *d, bool room)
{
    int64_t now_ns = clock_mono_ns();
    bool synced = d->set, blocked = false;
    room = room || now_ns - d->tried_ns >= RETRY_NS;
    if (room)
        d->tried_ns = now_ns;
    tell_ranks(d);
    size_t next = d->first;
    for (size_t i = 0; i < d->len; i++) {
        size_t at = (d->first + i) % d->len;
        struct slot *s = d->slots[at];
        uint64_t told = s->told;
        if (is_due(s, room, now_ns))
            slot_ready(s);
        if (s->told > told)
            next = (at + 1) % d->len;
        synced = synced && s->state.synced;
        blocked = blocked || s->blocked;
    }
    d->first = blocked ? next : 0;
    leave_all(d);
    if (synced)
        d->synced = true;
}

/* How long to wait, in ms. */
static int wait_ms(const struct discover *d)
{
    int64_t now_ns = clock_mono_ns(), until_ns = now_ns + (d->leaving ? RETRY_NS : BEAT_NS);
    for (size_t i = 0; i < d->len; i++) {
        const struct slot *s = d->slots[i];
        if (s->ended)
            continue;
        int64_t timer_ns = s->blocked ? now_ns + RETRY_NS : s->ops->timer_ns(s->self);
        until_ns = clock_earlier(timer_ns, until_ns);
    }
    return until_ns <= now_ns ? 0 : (int)((until_ns - now_ns + MS_NS - 1) / MS_NS);
}

static void mark_readable(struct discover *d, uint64_t number)
{
    for (size_t i = 0; i < d->len; i++)
        if (d->slots[i]->env.number == number)
            d->slots[i]->readable = true;
}

struct telling {
    struct discover_candidates *list;
    const struct slot *slot;
};

static void add_candidate(void *of, const struct source_candidate *c)
{
    const struct telling *t = of;
    candidates_add(t->list, t->slot->env.number, t->slot->state.name, c);
}

static void answer_asked(struct discover *d)
{
    uint64_t ask;
    if (!asked_pending(&d->asked, &ask))
        return;
    struct discover_candidates *list = candidates_new();
    for (size_t i = 0; i < d->len; i++) {
        struct telling t = {list, d->slots[i]};
        list->left_out +=
            slot_candidates(d->slots[i], &(struct source_candidates){add_candidate, &t});
    }
    asked_answer(&d->asked, ask, list);
}

static void close_all(struct discover *d)
{
    pthread_mutex_lock(&d->home.lock);
    size_t len = d->len;
    d->len = 0;
    pthread_mutex_unlock(&d->home.lock);
    for (size_t i = 0; i < len; i++) {
        slot_unwatch(d->slots[i]);
        slot_free(d->slots[i]);
    }
    while (d->leaving) {
        struct leaving *l = d->leaving;
        d->leaving = l->next;
        target_set_done(&l->known);
        mem_free(l);
    }
}

static void *run(void *arg)
{
    struct discover *d = arg;
    struct epoll_event events[EVENTS_MAX];
    eventfd_t count;
    while (!d->stopping) {
        int n = epoll_wait(d->home.epoll_fd, events, EVENTS_MAX, wait_ms(d));
        bool room = false, command = false;
        for (int i = 0; i < n; i++) {
            uint64_t key = events[i].data.u64;
            if (key == KEY_COMMAND)
                command = eventfd_read(d->command_fd, &count) == 0;
            else if (key == KEY_ROOM)
                room = eventfd_read(d->room_fd, &count) == 0;
            else
                mark_readable(d, key);
        }
        if (command)
            take_command(d);
        run_slots(d, room);
        answer_asked(d);
        d->beat_ns = clock_mono_ns();
    }
    close_all(d);
    return NULL;
}

/* Other threads. */

static enum status watch_own(struct discover *d)
{
    struct epoll_event command = {.events = EPOLLIN, .data = {.u64 = KEY_COMMAND}};
    struct epoll_event room = {.events = EPOLLIN, .data = {.u64 = KEY_ROOM}};
    if (d->home.epoll_fd < 0 || d->command_fd < 0 ||
        epoll_ctl(d->home.epoll_fd, EPOLL_CTL_ADD, d->command_fd, &command) != 0 ||
        epoll_ctl(d->home.epoll_fd, EPOLL_CTL_ADD, d->room_fd, &room) != 0)
        return ERR_IO;
    return OK;
}

/* Signals are the main thread's. */
static int start_thread(struct discover *d)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int why = pthread_create(&d->thread, NULL, run, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (why == 0)
        pthread_setname_np(d->thread, "discover");
    return why;
}

static void free_all(struct discover *d)
{
    if (d->home.epoll_fd >= 0)
        close(d->home.epoll_fd);
    if (d->command_fd >= 0)
        close(d->command_fd);
    pthread_mutex_destroy(&d->home.lock);
    pthread_cond_destroy(&d->done);
    asked_done(&d->asked);
    mem_free(d->slots);
    mem_free(d);
}

enum status discover_new(struct discover **ret, struct target_emit emit, int room_fd,
                         struct err *err)
{
    struct discover *d = mem_alloc(sizeof *d);
    d->home.emit = emit;
    d->room_fd = room_fd;
    d->home.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    d->command_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    d->beat_ns = clock_mono_ns();
    pthread_mutex_init(&d->home.lock, NULL);
    pthread_cond_init(&d->done, NULL);
    asked_init(&d->asked);
    int why = watch_own(d) == OK ? start_thread(d) : errno;
    if (why != 0) {
        free_all(d);
        return err_set(err, ERR_IO, "the discovery thread: %s", strerror(why));
    }
    *ret = d;
    return OK;
}

enum status discover_set(struct discover *d, const struct source_conf *confs, size_t n,
                         const struct source_agent *agent, struct err *err)
{
    struct command c = {.confs = confs, .n = n, .agent = agent, .err = err};
    pthread_mutex_lock(&d->home.lock);
    d->command = &c;
    eventfd_write(d->command_fd, 1);
    while (d->command)
        pthread_cond_wait(&d->done, &d->home.lock);
    pthread_mutex_unlock(&d->home.lock);
    return c.status;
}

size_t discover_states(struct discover *d, struct source_state *ret, size_t max)
{
    pthread_mutex_lock(&d->home.lock);
    size_t n = d->len;
    for (size_t i = 0; i < n && i < max; i++)
        ret[i] = d->slots[i]->state;
    pthread_mutex_unlock(&d->home.lock);
    return n;
}

static void print_lines(const struct slot *s, struct buf *out)
{
    const char *line = s->lines.data, *end;
    for (; (end = strchr(line, '\n')); line = end + 1)
        if (buf_printf(out, "%s: %.*s\n", s->state.name, (int)(end - line), line) != OK)
            return;
}

void discover_refused(struct discover *d, struct buf *out)
{
    pthread_mutex_lock(&d->home.lock);
    for (size_t i = 0; i < d->len; i++)
        print_lines(d->slots[i], out);
    pthread_mutex_unlock(&d->home.lock);
}

enum status discover_candidates(struct discover *d, int64_t deadline_ns,
                                struct discover_candidates **ret, struct err *err)
{
    return asked_wait(&d->asked, d->command_fd, deadline_ns, ret, err);
}

bool discover_synced(struct discover *d)
{
    return d->synced;
}

int64_t discover_beat_ns(const struct discover *d)
{
    return d->beat_ns;
}

void discover_free(struct discover *d)
{
    if (!d)
        return;
    asked_close(&d->asked);
    d->stopping = true;
    eventfd_write(d->command_fd, 1);
    pthread_join(d->thread, NULL);
    free_all(d);
}
