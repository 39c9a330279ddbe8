/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include "agenda.h"
#include "clock.h"
#include "due.h"
#include "mem.h"
#include "others.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    CHANGES = 1024, /* changes of targets in the channel */
    CHANGES_BYTES = 16 << 20,
    CHANGES_ROUND = 1000, /* taken in one round, so that due times are looked at between */
};
#define IDLE_NS (10 * SEC_NS) /* the thread beats at least so often */

struct registry {
    struct registry_conf conf;
    struct channel *changes;
    int room_fd, wake_fd;
    int clock_fd;             /* readable when the wall clock was set; -1: that is noticed later */
    struct job_source source; /* for workers */
    _Atomic bool starved, stopping;
    _Atomic int64_t beat_ns;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* guards all below */
    struct agenda agenda;
    bool first_scrape_now;
};

const char *registry_drop_name(enum registry_drop why)
{
    static const char *const names[REGISTRY_DROPS] = {
        [DROP_LATE] = "late", [DROP_BUSY] = "busy", [DROP_REMOVED] = "removed"};
    return names[why];
}

/* The channel of changes. */

static void free_event(void *item)
{
    struct target_event *e = item;
    target_unref(e->target);
    mem_free(e);
}

static enum status emit(void *to, const struct target_event *event)
{
    struct registry *r = to;
    struct target_event *copy = mem_alloc(sizeof *copy);
    *copy = *event;
    size_t bytes = sizeof *copy + (event->target ? target_bytes(event->target) : 0);
    enum status s = channel_send(r->changes, copy, bytes, DEADLINE_NOW);
    if (s == ERR_TIMEOUT) {
        r->starved = true; /* then once more: room may have come before it was set */
        s = channel_send(r->changes, copy, bytes, DEADLINE_NOW);
    }
    if (s == ERR_TIMEOUT)
        s = ERR_AGAIN;
    if (s != OK)
        mem_free(copy);
    return s;
}

struct target_emit registry_emit(struct registry *r)
{
    return (struct target_emit){emit, r};
}

int registry_room_fd(const struct registry *r)
{
    return r->room_fd;
}

/* Changes of targets. */

static void remove_candidate(struct registry *r, struct candidate *c, int64_t now_ns)
{
    struct place *p = c->place;
    if (!p) {
        candidate_remove(&r->agenda.places, c);
        return;
    }
    bool was_first = p->first == c;
    if (was_first) {
        target_unref(p->last_target);
        p->last_target = target_ref(c->target);
    }
    candidate_remove(&r->agenda.places, c);
    r->agenda.books.targets--;
    if (!p->first)
        agenda_end(&r->agenda, p, now_ns);
    else if (was_first)
        agenda_take_over(&r->agenda, p, now_ns, clock_wall_ms());
}

/* There is room for c. */
static void let_in(struct registry *r, struct candidate *c, int64_t now_ns, int64_t wall_ms)
{
    bool new_place = candidate_enter(&r->agenda.places, c);
    struct place *p = c->place;
    r->agenda.books.targets++;
    if (new_place && p->due) /* it was gone and is back before its end was said */
        agenda_drop(&r->agenda, p, DROP_REMOVED);
    if (new_place && r->first_scrape_now && !p->handed)
        place_schedule(p, wall_ms, now_ns);
    else if (p->first == c)
        agenda_take_over(&r->agenda, p, now_ns, wall_ms);
}

static bool has_room(const struct registry *r)
{
    return r->agenda.books.targets < r->conf.max_targets;
}

static void add_new(struct registry *r, const struct target_event *e, int64_t now_ns,
                    int64_t wall_ms)
{
    bool room = has_room(r);
    r->agenda.books.targets_refused += !room;
    if (!room && r->agenda.places.line_len >= r->conf.max_targets)
        return;
    struct candidate *c =
        candidate_add(&r->agenda.places, e->source, e->rank, target_ref(e->target));
    if (room)
        let_in(r, c, now_ns, wall_ms);
}

static void rank_source(struct registry *r, uint32_t source, uint32_t rank, int64_t now_ns,
                        int64_t wall_ms)
{
    struct origin *o = origin_find(&r->agenda.places, source);
    if (!o || o->rank == rank)
        return;
    o->rank = rank;
    struct idmap *m = &r->agenda.places.candidates;
    for (size_t i = 0; m->bits && i < (size_t)1 << m->bits; i++) {
        const struct candidate *c = m->slots[i].item;
        if (c && c->origin == o && c->place && place_sort(c->place))
            agenda_take_over(&r->agenda, c->place, now_ns, wall_ms);
    }
}

static bool same_place(const struct target *a, const struct target *b)
{
    return strcmp(a->pool, b->pool) == 0 && strcmp(a->url, b->url) == 0;
}

static void add(struct registry *r, const struct target_event *e, int64_t now_ns, int64_t wall_ms)
{
    rank_source(r, e->source, e->rank, now_ns, wall_ms);
    struct candidate *c = candidate_find(&r->agenda.places, e->source, e->target->id);
    if (c && c->place && !same_place(c->target, e->target)) {
        remove_candidate(r, c, now_ns);
        c = NULL;
    }
    if (!c) {
        add_new(r, e, now_ns, wall_ms);
        return;
    }
    bool other_times = c->target->interval_ns != e->target->interval_ns;
    target_unref(c->target);
    c->target = target_ref(e->target);
    c->epoch = c->origin->epoch;
    if (other_times && c->place && c->place->first == c)
        agenda_schedule(&r->agenda, c->place, due_after(c->target, wall_ms));
}

/* Removes what the source did not ADD since its last RESYNC. */
static void sync_source(struct registry *r, uint32_t source, int64_t now_ns)
{
    const struct origin *o = origin_find(&r->agenda.places, source);
    struct idmap *m = &r->agenda.places.candidates;
    size_t n = 0;
    struct candidate **gone = mem_alloc(m->len * sizeof(struct candidate *));
    for (size_t i = 0; m->bits && i < (size_t)1 << m->bits; i++) {
        struct candidate *c = m->slots[i].item;
        if (c && c->origin == o && c->epoch != o->epoch)
            gone[n++] = c;
    }
    for (size_t i = 0; i < n; i++)
        remove_candidate(r, gone[i], now_ns);
    mem_free(gone);
}

static void apply(struct registry *r, const struct target_event *e, int64_t now_ns, int64_t wall_ms)
{
    struct candidate *c;
    struct origin *o;
    r->agenda.books.changes++;
    switch (e->change) {
    case TARGET_ADDED: add(r, e, now_ns, wall_ms); break;
    case TARGET_REMOVED:
        c = candidate_find(&r->agenda.places, e->source, e->target->id);
        if (c)
            remove_candidate(r, c, now_ns);
        break;
    case TARGET_RESYNC:
        o = origin_find(&r->agenda.places, e->source);
        if (o)
            o->epoch++;
        break;
    case TARGET_SYNCED: sync_source(r, e->source, now_ns); break;
    case TARGET_RANK: rank_source(r, e->source, e->rank, now_ns, wall_ms); break;
    case TARGET_EXTRA:
        c = candidate_find(&r->agenda.places, e->source, e->target->id);
        if (c && c->place)
            agenda_extra(&r->agenda, c->place, e->due_ms, now_ns);
        break;
    }
    while (r->agenda.places.line_first && has_room(r))
        let_in(r, r->agenda.places.line_first, now_ns, wall_ms);
}

/* True: there is more. */
static bool take_changes(struct registry *r, int64_t now_ns, int64_t wall_ms)
{
    void *item = NULL;
    int n = 0;
    while (n < CHANGES_ROUND && channel_recv(r->changes, &item, NULL, DEADLINE_NOW) == OK) {
        apply(r, item, now_ns, wall_ms);
        free_event(item);
        n++;
    }
    if (n > 0 && r->starved) {
        r->starved = false;
        eventfd_write(r->room_fd, 1);
    }
    return n == CHANGES_ROUND;
}

/* One round; the lock is held. */
static int64_t step(struct registry *r)
{
    int64_t now_ns = clock_mono_ns(), wall_ms = clock_wall_ms();
    agenda_watch_clocks(&r->agenda, now_ns, wall_ms);
    bool more = take_changes(r, now_ns, wall_ms);
    agenda_fire(&r->agenda, now_ns);
    agenda_hand(&r->agenda, now_ns);
    int64_t wake_ns = agenda_wake_ns(&r->agenda);
    if (more)
        return now_ns;
    return clock_earlier(wake_ns, now_ns + IDLE_NS);
}

int64_t registry_step(struct registry *r)
{
    pthread_mutex_lock(&r->lock);
    int64_t next = step(r);
    pthread_mutex_unlock(&r->lock);
    r->beat_ns = clock_mono_ns();
    return next;
}

static struct job *next_job(void *of, const struct pool_inlet *inlet, size_t worker,
                            int64_t *ret_ns)
{
    struct registry *r = of;
    pthread_mutex_lock(&r->lock);
    struct job *j = agenda_next(&r->agenda, inlet, worker, ret_ns);
    bool calls = r->agenda.calls;
    r->agenda.calls = false;
    pthread_mutex_unlock(&r->lock);
    if (calls)
        eventfd_write(r->wake_fd, 1);
    return j;
}

/* A timer that nobody waits for, but the kernel says when the clock it goes by is set. */
static void watch_clock(int fd)
{
    struct itimerspec far = {.it_value.tv_sec = CLOCK_MAX_MS / 1000};
    uint64_t count;
    if (fd >= 0 && read(fd, &count, sizeof count) < 0)
        timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
}

static void *run(void *arg)
{
    struct registry *r = arg;
    struct pollfd fds[] = {{.fd = r->wake_fd, .events = POLLIN},
                           {.fd = r->clock_fd, .events = POLLIN},
                           {.events = POLLIN}};
    if (channel_fd(r->changes, &fds[2].fd) != OK)
        abort(); /* cannot be: registry_start has made it */
    watch_clock(r->clock_fd);
    while (!r->stopping) {
        int64_t wait_ns = registry_step(r) - clock_mono_ns();
        int64_t wait_ms = wait_ns <= 0 ? 0 : (wait_ns + MS_NS - 1) / MS_NS;
        eventfd_t count;
        if (poll(fds, ARRAY_LEN(fds), (int)wait_ms) <= 0)
            continue;
        if (fds[0].revents)
            eventfd_read(r->wake_fd, &count);
        if (fds[1].revents)
            watch_clock(r->clock_fd);
    }
    return NULL;
}

struct registry *registry_new(const struct registry_conf *conf)
{
    struct registry *r = mem_alloc(sizeof *r);
    r->conf = *conf;
    r->first_scrape_now = conf->first_scrape_now;
    r->changes = channel_new(CHANGES, CHANGES_BYTES, free_event);
    r->room_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    pthread_mutex_init(&r->lock, NULL);
    agenda_init(&r->agenda);
    r->source = (struct job_source){next_job, r};
    r->beat_ns = clock_mono_ns();
    return r;
}

enum status registry_start(struct registry *r, struct err *err)
{
    int fd;
    if (r->room_fd < 0 || r->wake_fd < 0 || channel_fd(r->changes, &fd) != OK)
        return err_set(err, ERR_IO, "registry: no descriptor left");
    int e = pthread_create(&r->thread, NULL, run, r);
    if (e != 0)
        return err_set(err, ERR_IO, "registry: no thread: %s", strerror(e));
    pthread_setname_np(r->thread, "registry");
    r->started = true;
    return OK;
}

void registry_set_first_scrape(struct registry *r, bool now)
{
    pthread_mutex_lock(&r->lock);
    r->first_scrape_now = now;
    pthread_mutex_unlock(&r->lock);
}

void registry_put_pool(struct registry *r, const char *name, struct pool_inlet *inlet)
{
    assert(!inlet || (inlet->len > 0 && inlet->len <= 64));
    pthread_mutex_lock(&r->lock);
    struct slot *s = slot_get(&r->agenda.places, name);
    if (s->inlet)
        s->inlet->source = NULL;
    slot_set_inlet(s, inlet);
    if (inlet)
        inlet->source = &r->source;
    pthread_mutex_unlock(&r->lock);
    eventfd_write(r->wake_fd, 1);
}

void registry_remove_pool(struct registry *r, const char *name)
{
    registry_put_pool(r, name, NULL);
}

size_t registry_pool_places(struct registry *r, const char *name)
{
    pthread_mutex_lock(&r->lock);
    const struct slot *s = slot_find(&r->agenda.places, name);
    size_t places = s ? s->places : 0;
    pthread_mutex_unlock(&r->lock);
    return places;
}

struct registry_books registry_books(struct registry *r)
{
    pthread_mutex_lock(&r->lock);
    struct registry_books b = r->agenda.books;
    b.targets_waiting = r->agenda.places.line_len;
    pthread_mutex_unlock(&r->lock);
    return b;
}

int64_t registry_beat_ns(const struct registry *r)
{
    return r->beat_ns;
}

static int compare_entries(const void *a, const void *b)
{
    const struct registry_entry *x = a, *y = b;
    return strcmp(x->target->id, y->target->id);
}

size_t registry_entries(struct registry *r, struct registry_entry **ret)
{
    size_t n = 0;
    pthread_mutex_lock(&r->lock);
    struct idmap *m = &r->agenda.places.places;
    struct registry_entry *entries = mem_alloc(m->len * sizeof *entries);
    for (size_t i = 0; m->bits && i < (size_t)1 << m->bits; i++) {
        struct place *p = m->slots[i].item;
        if (p && p->first)
            entries[n++] =
                (struct registry_entry){target_ref(p->first->target), target_state_ref(p->state),
                                        p->first->origin->source, p->next_ms};
    }
    pthread_mutex_unlock(&r->lock);
    qsort(entries, n, sizeof *entries, compare_entries);
    *ret = entries;
    return n;
}

size_t registry_others(struct registry *r, struct registry_other **ret)
{
    pthread_mutex_lock(&r->lock);
    size_t n = others_list(&r->agenda.places, ret);
    pthread_mutex_unlock(&r->lock);
    others_sort(*ret, n);
    return n;
}

void registry_entries_free(struct registry_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        target_unref(entries[i].target);
        target_state_unref(entries[i].state);
    }
    mem_free(entries);
}

void registry_stop(struct registry *r)
{
    channel_close(r->changes);
    r->stopping = true;
    if (r->started) {
        eventfd_write(r->wake_fd, 1);
        pthread_join(r->thread, NULL);
        r->started = false;
    }
    pthread_mutex_lock(&r->lock);
    for (struct slot *s = r->agenda.places.slots; s; s = s->next) {
        slot_set_inlet(s, NULL);
        while (s->first)
            agenda_drop(&r->agenda, s->first, DROP_REMOVED);
    }
    pthread_mutex_unlock(&r->lock);
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    registry_stop(r);
    agenda_done(&r->agenda);
    channel_free(r->changes);
    if (r->room_fd >= 0)
        close(r->room_fd);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    if (r->clock_fd >= 0)
        close(r->clock_fd);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}
