/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c - makes, closes and shows a lane. */
#include "lane_private.h"

#include "budget.h"
#include "hash.h"
#include "mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RETRY_MIN_NS  (100 * MS_NS)
#define RETRY_MAX_NS  (10 * SEC_NS)
#define DENIED_MIN_NS (1 * SEC_NS)
#define DENIED_MAX_NS (60 * SEC_NS)

static int64_t or_default(int64_t ns, int64_t otherwise)
{
    return ns > 0 ? ns : otherwise;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t lane_max_message(const struct sink_ops *s)
{
    return smaller((size_t)512 << 10, s->max_payload);
}

size_t lane_reserve(const struct lane_conf *c)
{
    size_t message = c->max_message ? c->max_message : lane_max_message(c->sink);
    return sizeof(struct lane) + (c->sink->reserve ? c->sink->reserve(c->sink_conf, message) : 0);
}

static char *join(const char *a, const char *b)
{
    size_t n = strlen(a) + strlen(b) + 2;
    char *s = mem_alloc(n);
    snprintf(s, n, "%s/%s", a, b);
    return s;
}

/* Window and channel share the buffer, and what waits for the spool; the window may pass its share
 * by one message. */
static void make_buffer(struct lane *l, size_t buffer_bytes, const struct lane_spool_conf *spool)
{
    size_t largest = l->max_message + 2 * PAYLOAD_TEXT_MAX + PAYLOAD_OVERHEAD;
    size_t least = (spool->file ? 5 : 3) * largest;
    size_t all = buffer_bytes > least ? buffer_bytes : least;
    size_t channel_bytes = all - all / 4 - largest;
    if (spool->file) {
        lane_spool_new(l, spool, all / 4);
        channel_bytes -= all / 4;
    }
    window_init(&l->window, all / 4);
    payload_pool_init(&l->pool, l->max_message, smaller(all / 4, LANE_POOL_BYTES));
    l->input = channel_new(channel_bytes / PAYLOAD_OVERHEAD + 1, channel_bytes, NULL);
    l->ends = channel_new(LANE_WINDOW, SIZE_MAX, NULL);
}

static struct lane *make(const struct lane_conf *c, struct lane_books *books)
{
    static _Atomic uint32_t last_id;
    struct lane *l = mem_alloc(sizeof *l);
    l->id = ++last_id;
    l->pool_name = mem_strdup(c->pool);
    l->output = mem_strdup(c->output);
    l->name = join(c->pool, c->output);
    l->sink_name = mem_strdup(c->sink_name);
    l->cluster = mem_strdup(c->cluster ? c->cluster : "");
    l->instance = mem_strdup(c->instance);
    l->encoder_text = mem_strdup(c->encoder_text);
    l->encoder = c->encoder;
    l->sink = c->sink;
    l->max_message = c->max_message ? c->max_message : lane_max_message(c->sink);
    l->max_samples = c->max_samples;
    l->replicas = c->replicas;
    l->hold = c->hold;
    l->retry =
        (struct lane_retry){.min_ns = or_default(c->retry.min_ns, RETRY_MIN_NS),
                            .max_ns = or_default(c->retry.max_ns, RETRY_MAX_NS),
                            .denied_min_ns = or_default(c->retry.denied_min_ns, DENIED_MIN_NS),
                            .denied_max_ns = or_default(c->retry.denied_max_ns, DENIED_MAX_NS)};
    l->ends_fd = l->input_fd = l->wake_fd = l->epoll_fd = -1;
    l->books = books;
    l->shared.name = l->name;
    l->shared.max_payload = c->sink->max_payload;
    l->close_ns = DEADLINE_NEVER;
    l->beat_ns = clock_mono_ns();
    l->random = hash_salt() + l->id;
    for (size_t i = 0; i < LANE_LOSSES; i++)
        l->losses_said[i] = books->lost[i];
    pthread_mutex_init(&l->lock, NULL);
    budget_count(BUDGET_CLIENTS, &l->reserved, lane_reserve(c));
    make_buffer(l, c->buffer_bytes, &c->spool);
    return l;
}

/* Encoder and sink, if open, are closed already. */
static void destroy(struct lane *l)
{
    budget_count(BUDGET_CLIENTS, &l->reserved, 0);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    window_done(&l->window);
    lane_spool_free(l);
    channel_free(l->input);
    channel_free(l->ends);
    payload_pool_done(&l->pool);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->pool_name);
    mem_free(l->output);
    mem_free(l->name);
    mem_free(l->sink_name);
    mem_free(l->cluster);
    mem_free(l->instance);
    mem_free(l->encoder_text);
    mem_free(l);
}

/* In this order: what is written after woken has been seen would stay, and the thread not wait any
 * more. */
void lane_wake(struct lane *l)
{
    eventfd_write(l->wake_fd, 1);
    l->woken = true;
}

void lane_release(struct lane *l)
{
    if (!l->hold)
        return;
    l->hold = false;
    lane_wake(l);
}

static bool watch(const struct lane *l, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static enum status open_descriptors(struct lane *l, struct err *err)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->epoll_fd < 0 || l->wake_fd < 0 || channel_fd(l->input, &l->input_fd) != OK ||
        channel_fd(l->ends, &l->ends_fd) != OK || !watch(l, l->wake_fd) || !watch(l, l->ends_fd))
        return err_set(err, ERR_IO, "%s: no descriptor is left (%s)", l->name, strerror(errno));
    return OK;
}

static enum status start_thread(struct lane *l, struct err *err)
{
    char title[16];
    int r = pthread_create(&l->thread, NULL, lane_run, l);
    if (r != 0)
        return err_set(err, ERR_IO, "%s: no thread (%s)", l->name, strerror(r));
    snprintf(title, sizeof title, "lane:%.10s", l->output);
    pthread_setname_np(l->thread, title);
    return OK;
}

static enum status open_sink(struct lane *l, const void *conf, struct err *err)
{
    enum status r = l->sink->open(&l->sink_self, conf, &l->shared, err);
    if (r != OK)
        return r;
    r = open_descriptors(l, err);
    if (r == OK)
        r = start_thread(l, err);
    if (r != OK)
        l->sink->close(l->sink_self);
    return r;
}

/* What does not fit into one block is left to the sink. */
static bool writes_lz4(const struct lane *l, const void *sink_conf)
{
    return l->max_message <= LZ4_OUT_MAX && l->sink->wants_lz4 && l->sink->wants_lz4(sink_conf) &&
           encoder_writes_lz4(l->encoder, l->encoder_self);
}

enum status lane_new(struct lane **ret, const struct lane_conf *conf, struct lane_books *books,
                     struct err *err)
{
    struct lane *l = make(conf, books);
    enum status r = l->encoder->open(&l->encoder_self, conf->encoder_conf, err);
    if (r == OK) {
        l->lz4 = writes_lz4(l, conf->sink_conf);
        r = open_sink(l, conf->sink_conf, err);
        if (r != OK)
            l->encoder->close(l->encoder_self);
    }
    if (r != OK) {
        destroy(l);
        return r;
    }
    lane_memory_join(l);
    *ret = l;
    return OK;
}

uint32_t lane_id(const struct lane *l)
{
    return l->id;
}

const struct sink_lane *lane_sink(const struct lane *l)
{
    return &l->shared;
}

void lane_close(struct lane *l, int64_t deadline_ns)
{
    int64_t before = l->close_ns;
    while (deadline_ns < before &&
           !atomic_compare_exchange_weak(&l->close_ns, &before, deadline_ns))
        continue;
    channel_close(l->input);
    l->closing = true;
    lane_wake(l);
}

bool lane_is_done(const struct lane *l)
{
    return l->done;
}

void lane_free(struct lane *l)
{
    if (!l)
        return;
    if (!l->closing)
        lane_close(l, DEADLINE_NOW);
    lane_memory_leave(l);
    pthread_join(l->thread, NULL);
    l->encoder->close(l->encoder_self);
    destroy(l);
}

struct lane_state lane_state(struct lane *l)
{
    struct lane_state s = {.buffer = channel_stats(l->input),
                           .held = l->held,
                           .in_flight = l->in_flight,
                           .held_bytes = l->held_bytes,
                           .pooled_bytes = payload_pool_bytes(&l->pool),
                           .max_payload = l->shared.max_payload};
    int64_t since_ns = l->disk_since_ns;
    pthread_mutex_lock(&l->lock);
    s.spool = l->spool_state;
    s.failing = l->failing;
    s.last_error = l->last_error;
    s.last_delivered_ms = l->last_delivered_ms;
    pthread_mutex_unlock(&l->lock);
    s.spool.waits_ns = since_ns ? clock_mono_ns() - since_ns : 0;
    return s;
}

int64_t lane_beat_ns(const struct lane *l)
{
    return l->disk_since_ns ? clock_mono_ns() : l->beat_ns; /* a slow disk is no dead thread */
}
