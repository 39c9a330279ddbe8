/* SPDX-License-Identifier: Apache-2.0 */
/* statsd.c - sends lines to a statsd receiver: a datagram for each payload, or a stream.
 *
 * Receivers acknowledge nothing: delivered is what the system took.  One payload is under way at a
 * time; what of it a slow receiver has not taken yet waits here, and work goes on with it.  A
 * stream that fails in the middle of a payload leaves its outcome unknown: it comes again as a
 * whole, and increments that had arrived count twice.  */
#include "mem.h"
#include "statsd_link.h"

#include <limits.h>
#include <poll.h>

struct statsd_sink {
    struct statsd_link link;
    int64_t timeout_ns;
    struct payload *pending; /* under way; NULL: none */
    size_t done;             /* bytes of it that are written */
    int64_t moved_ns;        /* when the last of these were */
    struct err why;          /* the last accepted one failed; status OK: none did */
};

static enum status statsd_open(void **ret_self, const void *conf, struct sink_lane *lane,
                               struct err *err)
{
    const struct statsd_conf *c = conf;
    struct statsd_peer peer;
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    statsd_conf_report(c, &report);
    if (first.status == OK)
        first.status = statsd_conf_peer(c, &peer, &first);
    if (first.status != OK)
        return err_set(err, first.status, "%s", first.text);
    struct statsd_sink *self = mem_alloc(sizeof *self);
    self->timeout_ns = c->timeout;
    statsd_link_init(&self->link, c, &peer, lane);
    lane->max_payload = statsd_conf_datagram(c);
    lane->window = 1;
    *ret_self = self;
    return OK;
}

static void end(struct statsd_sink *s, enum status how)
{
    struct payload *p = s->pending;
    s->pending = NULL;
    payload_end(p, how);
}

/* Writes what goes. */
static enum status push(struct statsd_sink *s, struct err *err)
{
    size_t before = s->done;
    const struct buf *body = &s->pending->body;
    enum status r =
        statsd_link_write(&s->link, (struct span){body->data, body->len}, &s->done, err);
    if (s->done > before)
        s->moved_ns = clock_mono_ns();
    return r;
}

/* A payload whose first bytes are out may have arrived in part. */
static enum status verdict(const struct statsd_sink *s, enum status failed)
{
    return s->done > 0 ? ERR_IO : failed;
}

static enum status statsd_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    struct statsd_sink *s = self;
    if (s->pending)
        return err_set(err, ERR_AGAIN, "the payload before is still being written");
    enum status r = statsd_link_ready(&s->link, deadline_ns, err);
    if (r != OK)
        return r;
    struct err why = {OK, ""};
    s->pending = p;
    s->done = 0;
    s->moved_ns = clock_mono_ns();
    r = push(s, &why);
    if (r != OK && s->done == 0) {
        s->pending = NULL;
        return err_set(err, r, "%s", why.text);
    }
    if (r != OK)
        s->why = why;
    if (r != OK || s->done == p->body.len)
        end(s, r == OK ? OK : verdict(s, r));
    return OK;
}

/* The socket takes more, or failed. */
static void go_on(struct statsd_sink *s)
{
    struct err why = {OK, ""};
    enum status r = push(s, &why);
    if (r != OK)
        s->why = why;
    if (r != OK || s->done == s->pending->body.len)
        end(s, r == OK ? OK : verdict(s, r));
}

/* A stream begins anew on another connection; of a datagram nothing is out. */
static void give_up(struct statsd_sink *s)
{
    enum status how = s->done > 0 ? ERR_TIMEOUT : ERR_AGAIN;
    (void)err_set(&s->why, how, "the receiver takes nothing");
    statsd_link_drop(&s->link);
    end(s, how);
}

/* One wait, for the socket, wake_fd (-1: none) or the deadline.  Whether wake_fd is readable. */
static bool wait_once(struct statsd_sink *s, int wake_fd, int64_t deadline_ns)
{
    int64_t stalls_ns = s->pending ? s->moved_ns + s->timeout_ns : DEADLINE_NEVER;
    int64_t until_ns = clock_earlier(stalls_ns, deadline_ns);
    int64_t left_ns = until_ns - clock_mono_ns();
    int64_t left_ms = left_ns <= 0 ? 0 : left_ns / MS_NS + 1;
    struct pollfd p[] = {{.fd = wake_fd, .events = POLLIN},
                         {.fd = s->pending ? s->link.fd : -1, .events = POLLOUT}};
    int n = poll(p, ARRAY_LEN(p), left_ms > INT_MAX ? INT_MAX : (int)left_ms);
    if (n > 0 && p[1].revents)
        go_on(s);
    else if (s->pending && clock_mono_ns() >= stalls_ns)
        give_up(s);
    return n > 0 && p[0].revents;
}

static enum status statsd_work(void *self, int wake_fd, int64_t deadline_ns)
{
    do {
        if (wait_once(self, wake_fd, deadline_ns))
            return OK;
    } while (clock_mono_ns() < deadline_ns);
    return ERR_TIMEOUT;
}

static enum status statsd_flush(void *self, int64_t deadline_ns, struct err *err)
{
    struct statsd_sink *s = self;
    while (s->pending) {
        if (clock_mono_ns() >= deadline_ns)
            return err_set(err, ERR_TIMEOUT, "the receiver takes nothing");
        (void)wait_once(s, -1, deadline_ns);
    }
    return OK;
}

static void statsd_explain(void *self, struct err *err)
{
    const struct statsd_sink *s = self;
    if (s->why.status != OK)
        (void)err_set(err, s->why.status, "%s", s->why.text);
}

static void statsd_close(void *self)
{
    struct statsd_sink *s = self;
    if (s->pending)
        end(s, ERR_CLOSED);
    statsd_link_done(&s->link);
    mem_free(s);
}

/* Messages are not copied; the system has what of them is not sent. */
static size_t statsd_reserve(const void *conf, size_t max_message)
{
    (void)conf;
    (void)max_message;
    return sizeof(struct statsd_sink) + LOOKUP_BYTES;
}

static const char *const encoders[] = {"statsd", NULL};

const struct sink_ops sink_statsd = {
    .name = "statsd",
    .help = "sends to a statsd receiver over UDP, TCP or a Unix socket",
    .settings = statsd_settings,
    .conf_size = sizeof(struct statsd_conf),
    .max_payload = STATSD_DATAGRAM_MAX,
    .encoders = encoders,
    .check = statsd_conf_report,
    .open = statsd_open,
    .reserve = statsd_reserve,
    .send = statsd_send,
    .work = statsd_work,
    .flush = statsd_flush,
    .explain = statsd_explain,
    .close = statsd_close,
};
