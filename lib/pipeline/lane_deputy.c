/* SPDX-License-Identifier: Apache-2.0 */
/* lane_deputy.c - writes a lane's payloads to disk while its sink holds up the lane's thread. */
#include "lane_private.h"

#include "mem.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LATE_NS  (50 * MS_NS) /* inside of the sink for longer is held up */
#define LEAST_NS MS_NS        /* between two rounds that nothing from outside asks for */

/* When the deputy goes on: at the timer in any case, which others set, and at these. */
struct cue {
    bool input; /* something comes */
    int64_t at_ns;
};

/* 0: not at all.  Who sets it has the duty, or asks for what is due at once. */
static void set_timer(const struct lane_deputy *d, int64_t ns)
{
    struct itimerspec t = {
        .it_value = {.tv_sec = (time_t)(ns / SEC_NS), .tv_nsec = (long)(ns % SEC_NS)}};
    if (timerfd_settime(d->timer_fd, 0, &t, NULL) != 0)
        abort(); /* cannot be: the time is a sound one */
}

void lane_duty_take(struct lane *l)
{
    if (l->deputy)
        pthread_mutex_lock(&l->deputy->duty);
}

void lane_duty_give(struct lane *l)
{
    if (l->deputy)
        pthread_mutex_unlock(&l->deputy->duty);
}

void lane_go_inside(struct lane *l)
{
    struct lane_deputy *d = l->deputy;
    if (!d)
        return;
    d->inside_ns = clock_mono_ns();
    if (!d->watched)
        set_timer(d, LATE_NS);
    d->watched = true;
    pthread_mutex_unlock(&d->duty);
}

void lane_rest(struct lane *l)
{
    struct lane_deputy *d = l->deputy;
    if (!d)
        return;
    if (d->watched)
        set_timer(d, 0);
    d->watched = false;
    pthread_mutex_unlock(&d->duty);
}

void lane_come_back(struct lane *l)
{
    struct lane_deputy *d = l->deputy;
    if (!d)
        return;
    pthread_mutex_lock(&d->duty);
    d->inside_ns = 0;
    if (d->acts)
        set_timer(d, LATE_NS); /* it looks again then */
    d->acts = false;
}

void lane_deputy_wake(struct lane *l)
{
    if (l->deputy && l->deputy->acts)
        set_timer(l->deputy, 1);
}

/* What the lane's thread would do now. */
static struct cue stand_in(struct lane *l)
{
    size_t held = l->window.held;
    if (l->closing && clock_mono_ns() >= l->close_ns)
        lane_spool_put_by(l);
    if (l->spool->stops) {
        lane_publish(l);
        return (struct cue){.at_ns = DEADLINE_NEVER};
    }
    lane_memory_relieve(l);
    lane_spool_round(l);
    lane_publish(l);
    if (l->window.held > held)
        lane_ring(l); /* it may merely wait for something to end */
    int64_t at_ns = clock_earlier(lane_spool_wake_ns(l), lane_memory_wake_ns(l));
    int64_t least_ns = clock_mono_ns() + LEAST_NS;
    at_ns = clock_earlier(at_ns > least_ns ? at_ns : least_ns, l->closing ? l->close_ns : at_ns);
    return (struct cue){.input = !l->drained && lane_spool_takes(l), .at_ns = at_ns};
}

/* The duty is the deputy's. */
static struct cue look(struct lane *l)
{
    struct lane_deputy *d = l->deputy;
    struct cue none = {.at_ns = DEADLINE_NEVER};
    int64_t inside_ns = d->inside_ns ? clock_mono_ns() - d->inside_ns : 0;
    if (d->inside_ns == 0)
        return none;
    if (inside_ns < LATE_NS) {
        set_timer(d, LATE_NS - inside_ns);
        return none;
    }
    d->acts = true; /* what is asked for from now on wakes it; what was before is seen now */
    return stand_in(l);
}

static void wait_for_cue(const struct lane *l, struct cue cue)
{
    const struct lane_deputy *d = l->deputy;
    struct pollfd p[] = {{.fd = d->timer_fd, .events = POLLIN},
                         {.fd = cue.input ? l->input_fd : -1, .events = POLLIN}};
    int64_t left_ns = cue.at_ns - clock_mono_ns();
    left_ns = left_ns > 0 ? left_ns : 0;
    struct timespec t = {.tv_sec = (time_t)(left_ns / SEC_NS), .tv_nsec = (long)(left_ns % SEC_NS)};
    (void)ppoll(p, ARRAY_LEN(p), cue.at_ns == DEADLINE_NEVER ? NULL : &t, NULL);
    uint64_t times;
    ssize_t n = read(d->timer_fd, &times, sizeof times);
    (void)n; /* if it was not the timer there is nothing in it */
}

static void *run(void *lane)
{
    struct lane *l = lane;
    struct cue cue = {.at_ns = DEADLINE_NEVER};
    while (!l->deputy->over) {
        wait_for_cue(l, cue);
        lane_duty_take(l);
        if (!l->deputy->over)
            cue = look(l);
        lane_duty_give(l);
    }
    return NULL;
}

enum status lane_deputy_start(struct lane *l, struct err *err)
{
    if (!l->spool)
        return OK;
    struct lane_deputy *d = mem_alloc(sizeof *d);
    d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (d->timer_fd < 0) {
        mem_free(d);
        return err_set(err, ERR_IO, "%s: no descriptor is left (%s)", l->name, strerror(errno));
    }
    pthread_mutex_init(&d->duty, NULL);
    l->deputy = d;
    int r = pthread_create(&d->thread, NULL, run, l);
    if (r != 0)
        return err_set(err, ERR_IO, "%s: no thread (%s)", l->name, strerror(r));
    d->runs = true;
    char title[16];
    snprintf(title, sizeof title, "disk:%.10s", l->output);
    pthread_setname_np(d->thread, title);
    return OK;
}

void lane_deputy_end(struct lane *l)
{
    struct lane_deputy *d = l->deputy;
    if (!d || !d->runs)
        return;
    d->over = true;
    set_timer(d, 1);
    pthread_join(d->thread, NULL);
    d->acts = d->runs = false;
}

void lane_deputy_free(struct lane *l)
{
    struct lane_deputy *d = l->deputy;
    if (!d)
        return;
    close(d->timer_fd);
    pthread_mutex_destroy(&d->duty);
    mem_free(d);
    l->deputy = NULL;
}
