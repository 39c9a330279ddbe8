/* SPDX-License-Identifier: Apache-2.0 */
/* lane_thread.c - the loop of a lane: take, send, hear what became of it, wait. */
#include "lane_private.h"

#include <assert.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#define BEAT_NS       SEC_NS /* the longest that the thread waits */
#define SENDS_A_ROUND 64

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void take_ends(struct lane *l)
{
    void *item;
    /* Until there is none: a ring that came late ends by that. */
    while (channel_recv(l->ends, &item, NULL, DEADLINE_NOW) == OK) {
        struct payload *p = item;
        if (l->busy)
            l->resume_ns = 0;
        l->busy = false;
        lane_end(l, p, p->how, true, NULL);
    }
}

/* Keys that fail while others get through must not keep these out. */
static void make_room(struct lane *l)
{
    struct window *w = &l->window;
    struct payload *p;
    bool more = channel_stats(l->input).len > 0 || (l->spool && lane_spool_waits(l));
    if (w->stubborn == 0 || !more)
        return;
    while ((w->bytes > w->max_bytes / 4 * 3 || w->held + w->in_flight > LANE_WINDOW / 4 * 3) &&
           (p = window_evict(w)) != NULL)
        lane_give_up(l, p, LOST_BUFFER_FULL);
}

static void take_input(struct lane *l)
{
    void *item;
    enum status r = OK;
    if (!window_has_room(&l->window))
        make_room(l);
    if (l->spool) {
        lane_spool_round(l);
        return;
    }
    while (r == OK && !l->drained && window_has_room(&l->window)) {
        r = channel_recv(l->input, &item, NULL, DEADLINE_NOW);
        if (r == OK)
            window_put(&l->window, item);
        l->drained = r == ERR_CLOSED;
    }
}

/* Whether the sink, and our channel for ends, take one more. */
static bool has_flight(const struct lane *l)
{
    if (l->hold)
        return false;
    size_t max = l->shared.window;
    return l->window.in_flight < (max > 0 && max < LANE_WINDOW ? max : LANE_WINDOW);
}

/* An accepted payload may be gone when send returns: what is to be said of it is said
 * before, and taken back. */
static void send_one(struct lane *l, struct payload *p)
{
    struct err err = {.status = OK};
    int64_t now = clock_mono_ns(), first = p->first_sent_ns;
    uint64_t samples = p->samples;
    bool twice = p->unknown && !p->maybe_twice && now - first > l->shared.duplicate_window_ns;
    p->maybe_twice |= twice;
    p->first_sent_ns = first ? first : now;
    p->more &=
        window_has_room(&l->window) && has_flight(l); /* else that waits for this one's end */
    lane_go_inside(l);
    enum status r =
        l->sink->send(l->sink_self, p, clock_earlier(now + LANE_SEND_NS, l->close_ns), &err);
    lane_come_back(l);
    if (r == OK) {
        l->books->payloads_sent++;
        l->books->maybe_twice += twice ? samples : 0;
        return;
    }
    p->first_sent_ns = first;
    p->maybe_twice &= !twice;
    if (!lane_is_busy(l, p, r))
        lane_end(l, p, r, false, err.text);
}

/* When it may be sent again: the lane's own back-off, and what the peer asks for. */
static int64_t find_resume_ns(const struct lane *l)
{
    return later(l->resume_ns, l->shared.not_before_ns);
}

static bool may_send(const struct lane *l)
{
    return has_flight(l) && clock_mono_ns() >= find_resume_ns(l);
}

static void send_ready(struct lane *l)
{
    struct payload *p;
    for (int i = 0; i < SENDS_A_ROUND && may_send(l); i++) {
        if ((p = window_next(&l->window, clock_mono_ns())) == NULL)
            return;
        send_one(l, p);
        take_ends(l);
        if (l->close_ns <= clock_mono_ns())
            return;
    }
}

void lane_publish(struct lane *l)
{
    l->held = l->window.held;
    l->in_flight = l->window.in_flight;
    l->held_bytes = l->window.bytes;
    if (l->spool) {
        l->held += l->spool->len;
        l->held_bytes += l->spool->bytes;
    }
}

/* Nobody wakes us for what we cannot take. */
static void poll_input(struct lane *l)
{
    bool wanted = !l->drained && (l->spool ? lane_spool_takes(l) : window_has_room(&l->window));
    if (wanted == l->polls_input)
        return;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = l->input_fd};
    if (epoll_ctl(l->epoll_fd, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, l->input_fd, &e) == 0)
        l->polls_input = wanted; /* else again after the next beat */
}

/* ppoll, for backoffs of less than a millisecond. */
static void wait_readable(int fd, int64_t deadline_ns)
{
    int64_t left = deadline_ns - clock_mono_ns();
    if (left < 0)
        left = 0;
    struct timespec t = {.tv_sec = (time_t)(left / SEC_NS), .tv_nsec = (long)(left % SEC_NS)};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    (void)ppoll(&p, 1, &t, NULL);
}

static void wait_for_more(struct lane *l)
{
    int64_t until = clock_earlier(clock_mono_ns() + BEAT_NS, l->close_ns);
    until = clock_earlier(until, lane_memory_wake_ns(l));
    if (has_flight(l)) {
        if (l->window.ready.first)
            until = clock_earlier(until, find_resume_ns(l));
        until = clock_earlier(until, later(find_resume_ns(l), window_resume_ns(&l->window)));
    }
    if (l->spool)
        until = clock_earlier(until, lane_spool_wake_ns(l));
    poll_input(l);
    if (l->sink->work && l->window.in_flight > 0)
        lane_go_inside(l); /* it may write */
    else
        lane_rest(l);
    if (l->sink->work) {
        enum status r = l->sink->work(l->sink_self, l->epoll_fd, until);
        (void)r; /* whatever it was, all is looked at again */
    } else if (until > clock_mono_ns()) {
        wait_readable(l->epoll_fd, until);
    }
    lane_come_back(l);
}

/* Once all has been sent a library may want to be told so. */
static void flush(struct lane *l)
{
    const struct window *w = &l->window;
    if (!l->sink->flush || !l->drained || w->held > 0 || w->in_flight == 0)
        return;
    int64_t until = clock_earlier(clock_mono_ns() + BEAT_NS, l->close_ns);
    lane_go_inside(l);
    enum status r = l->sink->flush(l->sink_self, until, NULL);
    (void)r; /* the ends say how each went */
    lane_come_back(l);
    take_ends(l);
}

/* The first time the lane is found closing all that waits is tried at once. */
static void heed_close(struct lane *l)
{
    eventfd_t count;
    if (l->woken) {
        l->woken = false;
        (void)eventfd_read(l->wake_fd, &count);
    }
    if (l->closing && !l->knows_closing) {
        l->knows_closing = true;
        l->resume_ns = 0;
        l->shared.not_before_ns = 0;
    }
}

static bool is_finished(const struct lane *l)
{
    const struct window *w = &l->window;
    if (!l->closing)
        return false;
    if (clock_mono_ns() >= l->close_ns)
        return true;
    return l->drained && w->held == 0 && w->in_flight == 0 && (!l->spool || lane_spool_is_done(l));
}

static void leave(struct lane *l, struct payload *p)
{
    if (l->spool)
        lane_spool_keep(l, p);
    else
        lane_give_up(l, p, LOST_CLOSED);
}

/* What is still here did not get through in time.  What waits is put by before the sink is closed, which
 * may take seconds when its peer hangs. */
static void stop(struct lane *l)
{
    void *item;
    struct payload *p;
    take_ends(l);
    if (l->spool)
        lane_spool_put_by(l);
    lane_publish(l);
    lane_duty_give(l);
    lane_deputy_end(l);
    while (l->rendering > 0) /* for less than a moment; whoever comes later sees closing */
        sched_yield();
    l->sink->close(l->sink_self);
    l->sink_self = NULL;
    take_ends(l);
    assert(l->window.in_flight == 0); /* as sink_ops.close promises */
    while ((p = window_take(&l->window)) != NULL)
        leave(l, p);
    while (channel_recv(l->input, &item, NULL, DEADLINE_NOW) == OK)
        leave(l, item);
    if (l->spool)
        lane_spool_stop(l);
    lane_publish(l);
    lane_say_losses(l, true);
    l->done = true;
}

void *lane_run(void *lane)
{
    struct lane *l = lane;
    lane_duty_take(l);
    while (!is_finished(l)) {
        l->beat_ns = clock_mono_ns();
        heed_close(l);
        take_ends(l);
        lane_memory_relieve(l);
        take_input(l);
        lane_publish(l); /* sending may last */
        send_ready(l);
        flush(l);
        lane_publish(l);
        lane_say_losses(l, false);
        if (!is_finished(l))
            wait_for_more(l);
    }
    stop(l);
    return NULL;
}
