/* SPDX-License-Identifier: Apache-2.0 */
/* lane_private.h - what the files of a lane share; nobody else includes it.
 *
 *     lane.c         lifecycle and state
 *     lane_encode.c  the workers' side
 *     lane_replicas.c  its parts, when other agents make the same
 *     lane_thread.c  the thread's loop
 *     lane_deputy.c  the thread that has the disk when the sink holds that one up
 *     lane_end.c     what the end of a payload means
 *     lane_spool.c   what goes to disk, and what comes from there
 *     lane_memory.c  what it gives up when the process has no room
 *     lane_disk.c    the spool's file: opened, failing, set aside, left behind  */
#ifndef LANE_PRIVATE_H
#define LANE_PRIVATE_H

#include "payload_pool.h"
#include "window.h"

/* The part of a lane that has a spool; guarded by the duty, as all that is the thread's. */
struct lane_spool {
    struct lane_spool_conf conf; /* file and vfs are owned */
    struct spool_kinds *kinds;
    struct spool *disk; /* NULL: not open */

    /* Out of the channel, not in the window: to be written, or to wait for room, or behind what is
     * on disk. */
    struct payload *first, *last;
    size_t len, bytes, max_bytes;
    int64_t since_ns; /* when the first came, or earlier */
    int64_t round_ns; /* when the round began that runs, or ran last */

    int64_t *gone; /* rows that have ended and are to be deleted */
    size_t gone_len;
    int64_t gone_since_ns;

    bool spilling;    /* more waits than may */
    bool relieving;   /* what is written leaves memory */
    bool blind;       /* what is on disk cannot be read now */
    bool failing;     /* the last thing that was tried failed */
    bool bare;        /* something is in the window without the row that the mode promises it */
    bool stops;       /* what is not written now is lost */
    int64_t retry_ns; /* nothing is tried before */
    int64_t backoff_ns;
    int64_t looked_ns, stated_ns, aged_ns;
    int64_t budget, budget_ns; /* bytes that may be read, and as of when */
    int64_t next_seq;
    int64_t samples;  /* of books->in_spool what is this lane's */
    enum status said; /* of failures, what was logged last */
};

/* A lane with a spool has a second thread, its deputy.  The lane's thread has the duty but while it is
 * inside of its sink; when that lasts, the deputy takes the duty and does what there is to do with
 * channel, window and spool.  What is being sent is in flight, and in no list, so that the deputy never
 * meets it; nor does it hear of ends, or send. */
struct lane_deputy {
    pthread_mutex_t duty; /* guards all of the lane that is its thread's, and what follows */
    pthread_t thread;
    bool runs;
    int timer_fd;
    bool watched;      /* the timer is set, or the deputy has seen that it had rung */
    int64_t inside_ns; /* since when the lane's thread is inside of the sink; 0: it is not */
    _Atomic bool acts; /* in place of the lane's thread */
    _Atomic bool over;
};

struct lane {
    /* fixed while it lives */
    uint32_t id;
    char *pool_name, *output, *name, *sink_name, *cluster, *instance, *encoder_text;
    const struct encoder_ops *encoder;
    void *encoder_self;
    const struct sink_ops *sink;
    void *sink_self; /* NULL once it is closed; only then it changes */
    size_t max_message, max_samples;
    bool replicas;
    bool lz4; /* messages are LZ4 frames when they come from the encoder */
    struct lane_retry retry;
    struct channel *input, *ends;
    int ends_fd, input_fd, wake_fd, epoll_fd; /* -1: none */
    pthread_t thread;

    struct lane *next; /* of all lanes of the process; lane_memory.c's */
    size_t reserved;   /* in the budget, for the sink's library */

    /* any thread */
    struct lane_books *books;
    struct sink_lane shared;
    struct payload_pool pool;
    _Atomic bool closing, done; /* closing: input is closed */
    _Atomic bool hold;          /* nothing is sent */
    _Atomic bool woken;         /* wake_fd has been written to */
    _Atomic uint32_t rendering; /* workers inside of the sink's render */
    _Atomic int64_t close_ns, beat_ns;
    _Atomic size_t held, in_flight, held_bytes;
    _Atomic bool disk_works;
    _Atomic int64_t disk_since_ns; /* the thread waits for the disk since then; 0: it does not */
    pthread_mutex_t lock;          /* guards what follows */
    struct lane_spool_state spool_state;
    bool failing;
    struct err last_error;
    int64_t last_delivered_ms;

    struct lane_deputy *deputy; /* NULL: the lane has no spool */

    /* The thread's; with a deputy, of whoever has the duty. */
    uint64_t random;
    bool drained; /* nothing will come from input any more */
    bool polls_input, knows_closing;
    bool busy;          /* the sink takes no more until something ends */
    int64_t resume_ns;  /* nothing is sent before */
    unsigned failures;  /* in a row */
    int64_t failing_ns; /* since when it fails; 0: it does not */
    bool denied;        /* meanwhile */
    uint64_t retries;   /* meanwhile */
    int64_t losses_said_ns;
    uint64_t losses_said[LANE_LOSSES];
    struct lane_spool *spool; /* NULL: none */
    struct window window;
};

void *lane_run(void *l); /* the thread */

/* Gives to, whose body is that of from's records from mark `first` on, the len marks of these. */
void lane_copy_marks(struct payload *to, const struct payload *from, uint32_t first, uint32_t len);

/* payload.end of all payloads of a lane. */
void lane_take_back(void *lane, struct payload *p, enum status how);

/* An empty one with room for body_bytes, whatever the lane's messages have. */
struct payload *lane_take_payload(struct lane *l, size_t body_bytes);

/* p, which is to be given away, is neither in memory nor in the spool any more. */
void lane_uncount(struct lane *l, struct payload *p);

/* The one place where the lane gives up an encoded payload, which is in no list any more. */
void lane_give_up(struct lane *l, struct payload *p, enum lane_loss why);

/* p, which is in flight, ended so; text (may be NULL) says more, for an accepted one the
 * sink does.  accepted: the sink had taken
 * it, so after a failure nobody knows whether it arrived. */
void lane_end(struct lane *l, struct payload *p, enum status how, bool accepted, const char *text);

/* Whether the sink, which did not take p, is merely full: p waits until something ends. */
bool lane_is_busy(struct lane *l, struct payload *p, enum status how);

/* lane_spool.c: all but _new and _free are for who has the duty. */
void lane_spool_new(struct lane *l, const struct lane_spool_conf *c, size_t max_bytes);
void lane_spool_free(struct lane *l);

/* Takes from the channel, writes what is due, reads what there is room for. */
void lane_spool_round(struct lane *l);
bool lane_spool_takes(const struct lane *l);      /* more from the channel */
int64_t lane_spool_wake_ns(const struct lane *l); /* when it has something to do */
bool lane_spool_waits(const struct lane *l);      /* something wants into the window */
bool lane_spool_is_done(const struct lane *l);    /* what came is in the window or on disk */

/* p, which is in no list any more, is to be there after a restart. */
void lane_spool_keep(struct lane *l, struct payload *p);

/* pieces, which are in no list, take the place of p, which has a row. */
void lane_spool_replace(struct lane *l, struct payload *p, struct payload *const *pieces, size_t n);

/* At a stop: all that waits is written, as far as the disk lets it. */
void lane_spool_put_by(struct lane *l);

/* All that is kept is written, or lost; then the file is closed. */
void lane_spool_stop(struct lane *l);

/* What waits in memory (old: for long) goes to disk, until the budget asks for no more.  False: the disk
 * cannot be used now. */
bool lane_spool_relieve(struct lane *l);

/* lane_memory.c */
void lane_memory_join(struct lane *l);
void lane_memory_leave(struct lane *l);
/* Gives up payloads that wait in the channel as far as the budget asks l to; any thread. */
void lane_memory_give(struct lane *l);
void lane_memory_relieve(struct lane *l); /* likewise, of all that waits; who has the duty */
/* Whether l takes nothing more: what waits could not be given up in its place. */
bool lane_memory_is_out(struct lane *l);
/* When the thread looks again, because the budget still asks for something; DEADLINE_NEVER: it does not. */
int64_t lane_memory_wake_ns(const struct lane *l);

/* lane_disk.c */

/* Opens the file if it is time to.  False: there is none. */
bool lane_disk_ready(struct lane *l);
/* What was tried ended so.  False, and said: it failed. */
bool lane_disk_worked(struct lane *l, enum status how, const struct err *err);
/* Writes n of `add`, which become rows, and deletes what is gone.  keep: as spool_write.  Returns how many
 * were written, fewer than n: it failed.  Of one too large for the spool row is 0. */
size_t lane_disk_write(struct lane *l, struct payload *const *add, size_t n, bool keep);
/* The row has ended. */
void lane_disk_forget(struct lane *l, int64_t row);
void lane_disk_look(struct lane *l); /* now and then: whether the file is still there; the state */
void lane_disk_close(struct lane *l);

/* lane_deputy.c; without a spool they do nothing. */
enum status lane_deputy_start(struct lane *l, struct err *err) NODISCARD;
void lane_deputy_end(
    struct lane *l); /* nobody has the duty; the lane's thread, or before it is there */
void lane_deputy_free(struct lane *l);
void lane_deputy_wake(struct lane *l); /* any thread */
void lane_duty_take(struct lane *l);
void lane_duty_give(struct lane *l);

/* Around each call of the sink that may wait: the duty is given away, and taken again. */
void lane_go_inside(struct lane *l);
void lane_come_back(struct lane *l);
void lane_rest(
    struct lane *l); /* as lane_go_inside, where what is waited for is what wakes the lane */

void lane_wake(struct lane *l);    /* any thread */
void lane_ring(struct lane *l);    /* likewise, the thread alone, not its deputy */
void lane_publish(struct lane *l); /* what is in memory, for others to see; who has the duty */

/* Says what was lost since it last did; not often, unless now is asked for. */
void lane_say_losses(struct lane *l, bool at_once);

#endif
