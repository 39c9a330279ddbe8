/* SPDX-License-Identifier: Apache-2.0 */
/* fake_sink.h - a sink that does what a test tells it, and a lane that leads to it.
 *
 * The lane's thread calls it, the test steers it: everything is under one lock, and the
 * test waits for states (WAIT), never for time.  */
#ifndef FAKE_SINK_H
#define FAKE_SINK_H

#include "lane.h"
#include "log.h"
#include "mem.h"
#include "read.h"
#include "test.h"

#include <pthread.h>
#include <time.h>

#define FAKE_SENDS 4096
#define FAKE_TEXT  96

enum fake_way {
    FAKE_ENDS,   /* send takes it, and ends it with how */
    FAKE_FAILS,  /* send returns how */
    FAKE_HOLDS,  /* send takes it; fake_end ends it */
    FAKE_JUDGES, /* judge says whether it ends so or is held (STATUS_COUNT) */
};

struct fake_send {
    struct payload_id id;
    int64_t due_ms;
    uint32_t part;
    bool more;
    size_t samples;
    enum status result;
    char key[FAKE_TEXT], address[FAKE_TEXT], body[FAKE_TEXT];
};

struct fake {
    pthread_mutex_t lock;
    enum fake_way way;
    enum status how;
    enum status (*judge)(const struct payload *p);
    size_t limit;          /* a longer body is ERR_LIMIT */
    size_t fails;          /* so many sends fail with how first; then FAKE_ENDS with OK */
    size_t told_limit;     /* stored as max_payload when a body was too long; 0: not */
    int64_t window_ns;     /* duplicate_window_ns */
    size_t window;         /* that it announces */
    bool never_flushes;    /* flush waits in vain */
    enum status close_how; /* of what is held when it is closed */
    /* The call does not return as long as it is set, or for ten seconds. */
    _Atomic bool send_hangs, work_hangs, close_hangs;
    _Atomic size_t hanging; /* threads in there */

    size_t sends, held_len, closes, flushes;
    uint64_t delivered; /* samples */
    struct fake_send log[FAKE_SENDS];
    struct payload *held[FAKE_SENDS];
    struct sink_lane *lane;
};

#define LOCKED(f)                                                \
    for (int once_ = (pthread_mutex_lock(&(f)->lock), 1); once_; \
         once_ = (pthread_mutex_unlock(&(f)->lock), 0))

/* Until cond holds; a test that waits in vain fails after 10 s. */
#define WAIT(cond)                                                          \
    do {                                                                    \
        int64_t until_ = clock_mono_ns() + 10 * SEC_NS;                     \
        while (!(cond)) {                                                   \
            if (clock_mono_ns() > until_)                                   \
                test_fail(__FILE__, __LINE__, "in vain waited for " #cond); \
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);          \
        }                                                                   \
    } while (0)

static enum status fake_open(void **ret_self, const void *conf, struct sink_lane *lane,
                             struct err *err)
{
    struct fake *f = *(struct fake *const *)conf;
    if (f->how == ERR_INVALID && f->way == FAKE_FAILS)
        return err_set(err, ERR_INVALID, "fake: no");
    f->lane = lane;
    lane->duplicate_window_ns = f->window_ns;
    lane->window = f->window;
    *ret_self = f;
    return OK;
}

static enum status fake_render(const void *self, const struct target *t, struct buf *out)
{
    (void)self;
    return buf_cat(out, "metrics.", t->source ? t->source : "none", NULL);
}

static void copy_text(char out[FAKE_TEXT], const struct buf *b)
{
    snprintf(out, FAKE_TEXT, "%.*s", (int)b->len, b->data);
}

static inline void fake_hang(struct fake *f, const _Atomic bool *hangs)
{
    int64_t until = clock_mono_ns() + 10 * SEC_NS;
    f->hanging++;
    while (*hangs && clock_mono_ns() < until)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    f->hanging--;
}

/* STATUS_COUNT: it is held.  The lock is held. */
static enum status fake_judge(struct fake *f, const struct payload *p)
{
    if (f->limit > 0 && p->body.len > f->limit) {
        if (f->told_limit > 0)
            f->lane->max_payload = f->told_limit;
        return ERR_LIMIT;
    }
    if (f->way == FAKE_JUDGES)
        return f->judge(p);
    if (f->fails > 0) {
        f->fails--;
        return f->how;
    }
    return f->way == FAKE_HOLDS ? STATUS_COUNT : f->how;
}

static void fake_note(struct fake *f, const struct payload *p, enum status result)
{
    struct fake_send *s = &f->log[f->sends++ % FAKE_SENDS]; /* the last ones */
    s->id = p->id;
    s->due_ms = p->due_ms;
    s->part = p->part;
    s->more = p->more;
    s->samples = p->samples;
    s->result = result;
    copy_text(s->key, &p->key);
    copy_text(s->address, &p->address);
    copy_text(s->body, &p->body);
}

static enum status fake_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    struct fake *f = self;
    bool fails;
    enum status how;
    (void)deadline_ns;
    if (f->send_hangs)
        fake_hang(f, &f->send_hangs);
    LOCKED(f)
    {
        fails = f->way == FAKE_FAILS && (f->limit == 0 || p->body.len <= f->limit);
        bool last = fails && f->fails == 1;
        how = fake_judge(f, p);
        fake_note(f, p, how);
        if (how == STATUS_COUNT)
            f->held[f->held_len++] = p;
        f->delivered += how == OK ? p->samples : 0;
        if (last)
            f->way = FAKE_ENDS, f->how = OK;
    }
    if (how == STATUS_COUNT)
        return OK;
    if (fails)
        return err_set(err, how, "fake: %s", status_name(how));
    payload_end(p, how);
    return OK;
}

/* Ends the i-th of those it holds. */
static inline void fake_end(struct fake *f, size_t i, enum status how)
{
    struct payload *p = NULL;
    LOCKED(f)
    {
        p = f->held[i];
        f->held_len--;
        memmove(f->held + i, f->held + i + 1, (f->held_len - i) * sizeof f->held[0]);
        f->delivered += how == OK ? p->samples : 0;
    }
    payload_end(p, how);
}

static enum status fake_flush(void *self, int64_t deadline_ns, struct err *err)
{
    struct fake *f = self;
    (void)deadline_ns;
    (void)err;
    LOCKED(f) f->flushes++;
    return f->never_flushes ? ERR_TIMEOUT : OK;
}

static void fake_explain(void *self, struct err *err)
{
    struct fake *f = self;
    LOCKED(f) if (f->closes > 0) abort(); /* it is gone */
    (void)err_set(err, ERR_IO, "fake: so it ended");
}

static inline size_t fake_flushes(struct fake *f)
{
    size_t n = 0;
    LOCKED(f) n = f->flushes;
    return n;
}

static inline size_t fake_held(struct fake *f)
{
    size_t n = 0;
    LOCKED(f) n = f->held_len;
    return n;
}

static void fake_close(void *self)
{
    struct fake *f = self;
    if (f->close_hangs)
        fake_hang(f, &f->close_hangs);
    while (fake_held(f) > 0)
        fake_end(f, 0, f->close_how);
    LOCKED(f) f->closes++;
}

static const struct sink_ops fake_ops = {
    .name = "fake",
    .max_payload = 1 << 20,
    .open = fake_open,
    .render = fake_render,
    .send = fake_send,
    .flush = fake_flush,
    .explain = fake_explain,
    .close = fake_close,
};

static inline size_t fake_sends(struct fake *f)
{
    size_t n = 0;
    LOCKED(f) n = f->sends;
    return n;
}

static inline void fake_steer(struct fake *f, enum fake_way way, enum status how)
{
    LOCKED(f)
    {
        f->way = way;
        f->how = how;
    }
}

/* A lane to a fake sink, and one page whose scrapes go into it. */
struct rig {
    struct fake fake;
    struct fake *fake_conf;
    struct lane_conf conf;
    struct lane_books books;
    struct lane *lane;
    struct page *page;
    struct lane_scratch scratch;
    char encoder_conf[64];
};

/* Statsd, each line of "a 1" as a:1|g; retries at once. */
static inline struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    log_configure(LOG_ERROR, LOG_LOGFMT); /* failures are what is tested */
    pthread_mutex_init(&r->fake.lock, NULL);
    r->fake_conf = &r->fake;
    r->fake.close_how = ERR_CLOSED;
    r->conf = (struct lane_conf){
        .pool = "main",
        .output = "out",
        .encoder = encoder_find("statsd"),
        .encoder_text = "prefix=",
        .sink = &fake_ops,
        .sink_conf = &r->fake_conf,
        .sink_name = "queue",
        .max_samples = 1000,
        .buffer_bytes = (size_t)8 << 20,
        .retry = {.min_ns = 1, .max_ns = 1, .denied_min_ns = 1, .denied_max_ns = 1},
        .cluster = "prod",
        .instance = "node-7",
    };
    r->page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    return r;
}

static inline void rig_start(struct rig *r)
{
    setting_defaults(r->conf.encoder->settings, r->encoder_conf);
    r->conf.encoder_conf = r->encoder_conf;
    struct err err = {.text = ""};
    if (lane_new(&r->lane, &r->conf, &r->books, &err) != OK)
        test_fail(__FILE__, __LINE__, "lane_new: %s", err.text);
}

static inline struct rig *rig_started(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    return r;
}

/* Encodes text as a scrape of target id at due_ms; the last meta samples are meta series. */
static inline void rig_scrape_as(struct rig *r, const char *text, size_t meta,
                                 const struct lane_scrape *scrape)
{
    struct batch *b = read_text(r->page, text);
    b->meta_len = meta;
    lane_encode(r->lane, 0, &r->scratch, b, scrape);
    b->meta_len = 0;
    batch_commit(b);
}

static inline void rig_scrape(struct rig *r, const char *id, int64_t due_ms, const char *text)
{
    struct target t = {.id = id, .source = "pods"};
    rig_scrape_as(r, text, 0, &(struct lane_scrape){.target = &t, .due_ms = due_ms});
}

/* When so many payloads are held at once all end well, and so does what follows.  From then
 * on a scrape as large finds in the pool all it needs. */
static inline void rig_release(struct rig *r, size_t payloads)
{
    WAIT(fake_held(&r->fake) == payloads);
    fake_steer(&r->fake, FAKE_ENDS, OK);
    while (fake_held(&r->fake) > 0)
        fake_end(&r->fake, 0, OK);
    WAIT(r->books.in_memory == 0);
}

static inline uint64_t rig_lost(const struct rig *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < LANE_LOSSES; i++)
        n += r->books.lost[i];
    return n;
}

/* Law 1, of a lane in which nothing is running. */
static inline void check_balance(struct rig *r)
{
    const struct lane_books *b = &r->books;
    uint64_t skipped = 0;
    for (size_t i = 0; i < ENCODER_SKIPS; i++)
        skipped += b->skipped[i];
    CHECK_INT(b->passed + b->meta + b->ended, b->encoded + skipped);
    CHECK_INT(b->encoded + b->restored,
              b->delivered + rig_lost(r) + b->in_memory + b->in_spool + b->left);
}

static inline void rig_free(struct rig *r)
{
    lane_free(r->lane);
    lane_scratch_done(&r->scratch);
    page_free(r->page);
    setting_done(r->conf.encoder->settings, r->encoder_conf);
    pthread_mutex_destroy(&r->fake.lock);
    free(r);
}

/* Ends the lane when all is delivered, and checks the books. */
static inline void rig_finish(struct rig *r)
{
    lane_close(r->lane, clock_mono_ns() + 10 * SEC_NS);
    WAIT(lane_is_done(r->lane));
    check_balance(r);
    CHECK_INT(r->books.in_memory, 0);
    CHECK_INT(r->books.delivered, r->fake.delivered);
    CHECK_INT(r->fake.closes, 1);
    rig_free(r);
}

static inline bool same_id(struct payload_id a, struct payload_id b)
{
    return a.high == b.high && a.low == b.low;
}

#endif
