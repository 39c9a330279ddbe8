/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include "clock.h"
#include "due.h"
#include "log.h"
#include "mem.h"
#include "others.h"
#include "place.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CHANGES = 1024, /* changes of targets in the channel */
    CHANGES_BYTES = 16 << 20,
    CHANGES_ROUND = 1000, /* taken in one round, so that due times are looked at between */
    STEP_MS = 500,        /* a difference of the clocks that is a step, not a drift */
};
#define RETRY_NS (20 * MS_NS) /* between two tries of a job that found no room */
#define IDLE_NS  (1 * SEC_NS) /* the thread beats at least so often */

struct registry {
    struct registry_conf conf;
    struct channel *changes;
    int room_fd, wake_fd;
    _Atomic bool starved, stopping;
    _Atomic int64_t beat_ns;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* guards all below */
    struct places places;
    struct registry_books books;
    int64_t offset_ms; /* wall clock minus monotonic */
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

/* When a target is due. */

/* From the wall clock to the monotonic one. */
static int64_t to_mono_ns(const struct registry *r, int64_t wall_ms)
{
    return (wall_ms - r->offset_ms) * MS_NS;
}

static void schedule(struct registry *r, struct place *p, int64_t next_ms)
{
    place_schedule(&r->places, p, next_ms, to_mono_ns(r, next_ms));
}

/* The next regular time after wall_ms.  One that is nearer to the last than half an interval (it
 * was a first scrape, or that of another candidate) is left out: the last one's job may wait yet. */
static void schedule_after(struct registry *r, struct place *p, int64_t wall_ms)
{
    int64_t next_ms = due_after(p->first->target, wall_ms), since_ms = next_ms - p->last_ms;
    int64_t interval = due_interval_ms(p->first->target);
    schedule(r, p, since_ms > 0 && since_ms < interval / 2 ? next_ms + interval : next_ms);
}

/* Its first candidate is another one now. */
static void take_over(struct registry *r, struct place *p, int64_t now_ns, int64_t wall_ms)
{
    if (p->heap_at == 0 || p->next_ns > now_ns) /* else it is due in this round */
        schedule_after(r, p, wall_ms);
}

static void reschedule_all(struct registry *r, int64_t wall_ms)
{
    struct idmap *m = &r->places.places;
    for (size_t i = 0; m->bits && i < (size_t)1 << m->bits; i++) {
        struct place *p = m->slots[i].item;
        if (p && p->first)
            schedule(r, p, due_after(p->first->target, wall_ms));
    }
}

static void watch_clocks(struct registry *r, int64_t now_ns, int64_t wall_ms)
{
    int64_t offset = wall_ms - now_ns / MS_NS, step = offset - r->offset_ms;
    r->offset_ms = offset;
    if (step > -STEP_MS && step < STEP_MS)
        return;
    r->books.clock_steps += step < 0;
    log_warn("wall clock stepped", LOG_I("ms", step));
    reschedule_all(r, wall_ms);
}

/* The due list. */

static void drop_due(struct registry *r, struct place *p, enum registry_drop why)
{
    place_clear_due(p);
    r->books.dropped[why]++;
    r->books.queued--;
}

static void make_due(struct registry *r, struct place *p, const struct job *job)
{
    if (p->due)
        drop_due(r, p, p->state->busy ? DROP_BUSY : DROP_LATE);
    place_set_due(p, job);
    r->books.due++;
    r->books.queued++;
}

/* p is due.  If the process stood still for longer than an interval, only the latest due time
 * counts, and those before it are dropped as late. */
static void fire(struct registry *r, struct place *p, int64_t now_ns)
{
    const struct target *t = p->first->target;
    int64_t missed = (now_ns - p->next_ns) / t->interval_ns;
    int64_t due_ms = p->next_ms;
    if (missed > 0) {
        r->books.due += (uint64_t)missed;
        r->books.dropped[DROP_LATE] += (uint64_t)missed;
        due_ms += missed * due_interval_ms(t);
    }
    struct job job = {.kind = JOB_SCRAPE,
                      .due_ms = due_ms,
                      .due_ns = p->next_ns + missed * t->interval_ns,
                      .clock_steps = r->books.clock_steps};
    make_due(r, p, &job);
    p->last_ms = due_ms;
    schedule_after(r, p, due_ms);
}

/* p is due once more, beside its regular times.  A scrape that is out, waits or begins in this round
 * is near enough. */
static void fire_extra(struct registry *r, struct place *p, int64_t told_ms, int64_t now_ns)
{
    bool told = p->extra_ms == told_ms, soon = p->heap_at > 0 && p->next_ns <= now_ns;
    p->extra_ms = told_ms;
    if (told || soon || p->due || p->state->busy)
        return;
    struct job job = {.kind = JOB_SCRAPE,
                      .due_ms = due_extra(p->first->target, told_ms, p->last_ms),
                      .due_ns = now_ns,
                      .clock_steps = r->books.clock_steps};
    make_due(r, p, &job);
}

/* The place has lost its last candidate: its series end, if there are any. */
static void end_place(struct registry *r, struct place *p, int64_t now_ns)
{
    if (p->due)
        drop_due(r, p, DROP_REMOVED);
    place_unschedule(&r->places, p);
    if (!p->handed) {
        place_drop(&r->places, p);
        return;
    }
    int64_t wall_ms = clock_wall_ms();
    struct job job = {
        .kind = JOB_END, .due_ms = wall_ms, .due_ns = now_ns, .clock_steps = r->books.clock_steps};
    p->give_up_ns = now_ns + p->last_target->interval_ns + p->last_target->timeout_ns;
    make_due(r, p, &job);
}

/* Changes of targets. */

static void remove_candidate(struct registry *r, struct candidate *c, int64_t now_ns)
{
    struct place *p = c->place;
    if (!p) {
        candidate_remove(&r->places, c);
        return;
    }
    bool was_first = p->first == c;
    if (was_first) {
        target_unref(p->last_target);
        p->last_target = target_ref(c->target);
    }
    candidate_remove(&r->places, c);
    r->books.targets--;
    if (!p->first)
        end_place(r, p, now_ns);
    else if (was_first)
        take_over(r, p, now_ns, clock_wall_ms());
}

/* There is room for c. */
static void let_in(struct registry *r, struct candidate *c, int64_t now_ns, int64_t wall_ms)
{
    bool new_place = candidate_enter(&r->places, c);
    struct place *p = c->place;
    r->books.targets++;
    if (new_place && p->due) /* it was gone and is back before its end was said */
        drop_due(r, p, DROP_REMOVED);
    if (new_place && r->first_scrape_now && !p->handed)
        place_schedule(&r->places, p, wall_ms, now_ns);
    else if (p->first == c)
        take_over(r, p, now_ns, wall_ms);
}

static bool has_room(const struct registry *r)
{
    return r->books.targets < r->conf.max_targets;
}

static void add_new(struct registry *r, const struct target_event *e, int64_t now_ns,
                    int64_t wall_ms)
{
    bool room = has_room(r);
    r->books.targets_refused += !room;
    if (!room && r->places.line_len >= r->conf.max_targets)
        return;
    struct candidate *c = candidate_add(&r->places, e->source, e->rank, target_ref(e->target));
    if (room)
        let_in(r, c, now_ns, wall_ms);
}

static void rank_source(struct registry *r, uint32_t source, uint32_t rank, int64_t now_ns,
                        int64_t wall_ms)
{
    struct origin *o = origin_find(&r->places, source);
    if (!o || o->rank == rank)
        return;
    o->rank = rank;
    struct idmap *m = &r->places.candidates;
    for (size_t i = 0; m->bits && i < (size_t)1 << m->bits; i++) {
        const struct candidate *c = m->slots[i].item;
        if (c && c->origin == o && c->place && place_sort(c->place))
            take_over(r, c->place, now_ns, wall_ms);
    }
}

static bool same_place(const struct target *a, const struct target *b)
{
    return strcmp(a->pool, b->pool) == 0 && strcmp(a->url, b->url) == 0;
}

static void add(struct registry *r, const struct target_event *e, int64_t now_ns, int64_t wall_ms)
{
    rank_source(r, e->source, e->rank, now_ns, wall_ms);
    struct candidate *c = candidate_find(&r->places, e->source, e->target->id);
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
        schedule(r, c->place, due_after(c->target, wall_ms));
}

/* Removes what the source did not ADD since its last RESYNC. */
static void sync_source(struct registry *r, uint32_t source, int64_t now_ns)
{
    const struct origin *o = origin_find(&r->places, source);
    struct idmap *m = &r->places.candidates;
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
    r->books.changes++;
    switch (e->change) {
    case TARGET_ADDED: add(r, e, now_ns, wall_ms); break;
    case TARGET_REMOVED:
        c = candidate_find(&r->places, e->source, e->target->id);
        if (c)
            remove_candidate(r, c, now_ns);
        break;
    case TARGET_RESYNC:
        o = origin_find(&r->places, e->source);
        if (o)
            o->epoch++;
        break;
    case TARGET_SYNCED: sync_source(r, e->source, now_ns); break;
    case TARGET_RANK: rank_source(r, e->source, e->rank, now_ns, wall_ms); break;
    case TARGET_EXTRA:
        c = candidate_find(&r->places, e->source, e->target->id);
        if (c && c->place)
            fire_extra(r, c->place, e->due_ms, now_ns);
        break;
    }
    while (r->places.line_first && has_room(r))
        let_in(r, r->places.line_first, now_ns, wall_ms);
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

/* Handing on. */

/* OK: p's job is with its pool. */
static enum status hand(struct registry *r, struct place *p, struct channel *to)
{
    struct job like = p->job;
    like.target = like.kind == JOB_END ? p->last_target : p->first->target;
    struct job *j = job_start(p->state, &like);
    enum status s = channel_send(to, j, 0, DEADLINE_NOW);
    if (s != OK) {
        job_end(j);
        return s;
    }
    p->handed = true;
    place_clear_due(p);
    r->books.queued--;
    r->books.handed++;
    return OK;
}

static void hand_all(struct registry *r, struct slot *s, int64_t now_ns)
{
    uint64_t full = 0; /* bit i: worker i takes no more; a pool has 64 at most */
    for (struct place *p = s->first, *after; p; p = after) {
        after = p->after;
        if (s->inlet && !p->state->busy) {
            size_t i = p->state->shard % s->inlet->len;
            if (!(full >> i & 1) && hand(r, p, s->inlet->channels[i]) != OK)
                full |= UINT64_C(1) << i;
        }
        if (p->due && p->job.kind == JOB_END && now_ns >= p->give_up_ns)
            drop_due(r, p, DROP_REMOVED);
        if (!p->due && !p->first)
            place_drop(&r->places, p);
    }
}

/* One round; the lock is held. */
static int64_t step(struct registry *r)
{
    int64_t now_ns = clock_mono_ns(), wall_ms = clock_wall_ms();
    struct places *ps = &r->places;
    watch_clocks(r, now_ns, wall_ms);
    bool more = take_changes(r, now_ns, wall_ms);
    while (ps->heap_len > 0 && ps->heap[0]->next_ns <= now_ns)
        fire(r, ps->heap[0], now_ns);
    for (struct slot *s = ps->slots; s; s = s->next)
        hand_all(r, s, now_ns);
    slots_trim(ps);
    int64_t next = now_ns + IDLE_NS;
    if (ps->heap_len > 0 && ps->heap[0]->next_ns < next)
        next = ps->heap[0]->next_ns;
    if (r->books.queued > 0 && now_ns + RETRY_NS < next)
        next = now_ns + RETRY_NS;
    return more ? now_ns : next;
}

int64_t registry_step(struct registry *r)
{
    pthread_mutex_lock(&r->lock);
    int64_t next = step(r);
    pthread_mutex_unlock(&r->lock);
    r->beat_ns = clock_mono_ns();
    return next;
}

static void *run(void *arg)
{
    struct registry *r = arg;
    struct pollfd fds[2] = {{.fd = r->wake_fd, .events = POLLIN}, {.events = POLLIN}};
    if (channel_fd(r->changes, &fds[1].fd) != OK)
        abort(); /* cannot be: registry_start has made it */
    while (!r->stopping) {
        int64_t wait_ns = registry_step(r) - clock_mono_ns();
        int64_t wait_ms = wait_ns <= 0 ? 0 : (wait_ns + MS_NS - 1) / MS_NS;
        eventfd_t count;
        if (poll(fds, ARRAY_LEN(fds), (int)wait_ms) > 0 && fds[0].revents)
            eventfd_read(r->wake_fd, &count);
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
    pthread_mutex_init(&r->lock, NULL);
    places_init(&r->places);
    r->offset_ms = clock_wall_ms() - clock_mono_ns() / MS_NS;
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
    slot_get(&r->places, name)->inlet = inlet;
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
    const struct slot *s = slot_find(&r->places, name);
    size_t places = s ? s->places : 0;
    pthread_mutex_unlock(&r->lock);
    return places;
}

struct registry_books registry_books(struct registry *r)
{
    pthread_mutex_lock(&r->lock);
    struct registry_books b = r->books;
    b.targets_waiting = r->places.line_len;
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
    struct idmap *m = &r->places.places;
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
    size_t n = others_list(&r->places, ret);
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
    for (struct slot *s = r->places.slots; s; s = s->next) {
        s->inlet = NULL;
        while (s->first)
            drop_due(r, s->first, DROP_REMOVED);
    }
    pthread_mutex_unlock(&r->lock);
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    registry_stop(r);
    places_done(&r->places);
    channel_free(r->changes);
    if (r->room_fd >= 0)
        close(r->room_fd);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}
