/* SPDX-License-Identifier: Apache-2.0 */
#include "agenda.h"

#include "clock.h"
#include "due.h"
#include "log.h"

enum { STEP_MS = 500 };       /* a difference of the clocks that is a step, not a drift */
#define RETRY_NS (20 * MS_NS) /* between two tries of a job that found no room */
#define LATE_NS  (4 * SEC_NS) /* at most a quarter of the shortest interval */

void agenda_init(struct agenda *a)
{
    *a =
        (struct agenda){.offset_ms = clock_wall_ms() - clock_mono_ns() / MS_NS, .late_ns = LATE_NS};
    places_init(&a->places);
}

void agenda_done(struct agenda *a)
{
    places_done(&a->places);
}

/* When a target is due. */

/* From the wall clock to the monotonic one. */
static int64_t to_mono_ns(const struct agenda *a, int64_t wall_ms)
{
    return (wall_ms - a->offset_ms) * MS_NS;
}

void agenda_schedule(struct agenda *a, struct place *p, int64_t next_ms)
{
    int64_t quarter_ns = p->first->target->interval_ns / 4;
    if (quarter_ns < a->late_ns) /* so that no due time is missed by waiting for a worker */
        a->late_ns = quarter_ns;
    place_schedule(p, next_ms, to_mono_ns(a, next_ms));
}

/* The next regular time after wall_ms.  One that is nearer to the last than half an interval (it
 * was a first scrape, or that of another candidate) is left out: the last one's job may wait yet. */
static void schedule_after(struct agenda *a, struct place *p, int64_t wall_ms)
{
    int64_t next_ms = due_after(p->first->target, wall_ms), since_ms = next_ms - p->last_ms;
    int64_t interval = due_interval_ms(p->first->target);
    agenda_schedule(a, p, since_ms > 0 && since_ms < interval / 2 ? next_ms + interval : next_ms);
}

void agenda_take_over(struct agenda *a, struct place *p, int64_t now_ns, int64_t wall_ms)
{
    if (p->heap_at == 0 || p->next_ns > now_ns) /* else it is due in this round */
        schedule_after(a, p, wall_ms);
}

static void reschedule_all(struct agenda *a, int64_t wall_ms)
{
    struct idmap *m = &a->places.places;
    for (size_t i = 0; m->bits && i < (size_t)1 << m->bits; i++) {
        struct place *p = m->slots[i].item;
        if (p && p->first)
            agenda_schedule(a, p, due_after(p->first->target, wall_ms));
    }
}

/* By how much the wall clock has stepped; 0: it has not, a drift is taken over. */
static int64_t step_ms(struct agenda *a, int64_t now_ns, int64_t wall_ms)
{
    int64_t offset = wall_ms - now_ns / MS_NS, step = offset - a->offset_ms;
    if (step <= -STEP_MS || step >= STEP_MS)
        return step;
    a->offset_ms = offset;
    return 0;
}

void agenda_watch_clocks(struct agenda *a, int64_t now_ns, int64_t wall_ms)
{
    int64_t step = step_ms(a, now_ns, wall_ms);
    if (step == 0)
        return;
    a->offset_ms += step;
    a->books.clock_steps += step < 0;
    log_warn("wall clock stepped", LOG_I("ms", step));
    reschedule_all(a, wall_ms);
}

/* The due list. */

void agenda_drop(struct agenda *a, struct place *p, enum registry_drop why)
{
    place_clear_due(p);
    a->books.dropped[why]++;
    a->books.queued--;
}

static void make_due(struct agenda *a, struct place *p, const struct job *job)
{
    if (p->due)
        agenda_drop(a, p, p->state->busy ? DROP_BUSY : DROP_LATE);
    place_set_due(p, job);
    a->books.due++;
    a->books.queued++;
}

/* p is due.  If the process stood still for longer than an interval, only the latest due time
 * counts, and those before it are dropped as late. */
static void fire(struct agenda *a, struct place *p, int64_t now_ns)
{
    const struct target *t = p->first->target;
    int64_t missed = (now_ns - p->next_ns) / t->interval_ns;
    int64_t due_ms = p->next_ms;
    if (missed > 0) {
        a->books.due += (uint64_t)missed;
        a->books.dropped[DROP_LATE] += (uint64_t)missed;
        due_ms += missed * due_interval_ms(t);
    }
    struct job job = {.kind = JOB_SCRAPE,
                      .due_ms = due_ms,
                      .due_ns = p->next_ns + missed * t->interval_ns,
                      .clock_steps = a->books.clock_steps};
    make_due(a, p, &job);
    p->last_ms = due_ms;
    schedule_after(a, p, due_ms);
}

void agenda_extra(struct agenda *a, struct place *p, int64_t told_ms, int64_t now_ns)
{
    bool told = p->extra_ms == told_ms, soon = p->heap_at > 0 && p->next_ns <= now_ns;
    p->extra_ms = told_ms;
    if (told || soon || p->due || p->state->busy)
        return;
    struct job job = {.kind = JOB_SCRAPE,
                      .due_ms = due_extra(p->first->target, told_ms, p->last_ms),
                      .due_ns = now_ns,
                      .clock_steps = a->books.clock_steps};
    make_due(a, p, &job);
}

void agenda_end(struct agenda *a, struct place *p, int64_t now_ns)
{
    if (p->due)
        agenda_drop(a, p, DROP_REMOVED);
    place_unschedule(p);
    if (!p->handed) {
        place_drop(&a->places, p);
        return;
    }
    int64_t wall_ms = clock_wall_ms();
    struct job job = {
        .kind = JOB_END, .due_ms = wall_ms, .due_ns = now_ns, .clock_steps = a->books.clock_steps};
    p->give_up_ns = now_ns + p->last_target->interval_ns + p->last_target->timeout_ns;
    make_due(a, p, &job);
}

/* Handing on. */

/* Its worker has the job from here on. */
static void leave(struct agenda *a, struct place *p)
{
    p->handed = true;
    place_clear_due(p);
    a->books.queued--;
    a->books.handed++;
}

static struct job *start_job(struct place *p)
{
    struct job like = p->job;
    like.target = like.kind == JOB_END ? p->last_target : p->first->target;
    return job_start(p->state, &like);
}

/* OK: p's job is with its pool. */
static enum status hand(struct agenda *a, struct place *p, struct channel *to)
{
    struct job *j = start_job(p);
    enum status s = channel_send(to, j, 0, DEADLINE_NOW);
    if (s == OK)
        leave(a, p);
    else
        job_end(j);
    return s;
}

static void hand_slot(struct agenda *a, struct slot *s, int64_t now_ns)
{
    uint64_t full = 0; /* bit i: worker i takes no more; a pool has 64 at most */
    for (struct place *p = s->first, *after; p; p = after) {
        after = p->after;
        if (s->inlet && !p->state->busy) {
            size_t i = p->state->shard % s->inlet->len;
            if (!(full >> i & 1) && hand(a, p, s->inlet->channels[i]) != OK)
                full |= UINT64_C(1) << i;
        }
        if (p->due && p->job.kind == JOB_END && now_ns >= p->give_up_ns)
            agenda_drop(a, p, DROP_REMOVED);
        if (!p->due && !p->first)
            place_drop(&a->places, p);
    }
}

void agenda_fire(struct agenda *a, int64_t now_ns)
{
    for (struct slot *s = a->places.slots; s; s = s->next)
        for (size_t i = 0; i < s->queues_len; i++)
            while (queue_next_ns(&s->queues[i]) <= now_ns)
                fire(a, s->queues[i].heap[0], now_ns);
}

void agenda_hand(struct agenda *a, int64_t now_ns)
{
    for (struct slot *s = a->places.slots; s; s = s->next)
        hand_slot(a, s, now_ns);
    slots_trim(&a->places);
}

int64_t agenda_wake_ns(const struct agenda *a)
{
    int64_t wake_ns = a->books.queued > 0 ? clock_mono_ns() + RETRY_NS : DEADLINE_NEVER;
    for (const struct slot *s = a->places.slots; s; s = s->next)
        for (size_t i = 0; i < s->queues_len; i++) {
            const struct queue *q = &s->queues[i];
            int64_t next_ns = queue_next_ns(q);
            if (q->asks_ns <= next_ns && next_ns != DEADLINE_NEVER)
                next_ns += a->late_ns;
            wake_ns = clock_earlier(next_ns, wake_ns);
        }
    return wake_ns;
}

struct job *agenda_next(struct agenda *a, const struct pool_inlet *inlet, size_t worker,
                        int64_t *ret_ns)
{
    int64_t now_ns = clock_mono_ns();
    const struct slot *s = a->places.slots;
    while (s && s->inlet != inlet)
        s = s->next;
    *ret_ns = DEADLINE_NEVER;
    if (!s)
        return NULL; /* the pool has left */
    struct queue *q = &s->queues[worker];
    if (step_ms(a, now_ns, clock_wall_ms()) != 0) {
        a->calls = true;
        *ret_ns = q->asks_ns = now_ns + RETRY_NS;
        return NULL;
    }
    while (queue_next_ns(q) <= now_ns) {
        struct place *p = q->heap[0];
        fire(a, p, now_ns);
        if (!p->state->busy) {
            struct job *j = start_job(p);
            leave(a, p);
            return j;
        }
        a->calls = true; /* it waits until its last scrape has ended, or for too long */
    }
    *ret_ns = q->asks_ns = queue_next_ns(q);
    return NULL;
}
