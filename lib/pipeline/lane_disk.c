/* SPDX-License-Identifier: Apache-2.0 */
/* lane_disk.c - the file of a lane's spool: opened, failing, set aside, left behind. */
#include "lane_private.h"

#include "log.h"
#include "mem.h"

#define RETRY_NS    (5 * SEC_NS)
#define RETRY_MAX   (60 * SEC_NS)
#define LOOK_NS     (10 * SEC_NS)
#define STATE_NS    SEC_NS
#define GONE_AT_ONE 1024 /* rows for which room is made at a time */

static void count_row(struct lane *l, struct payload *p)
{
    l->books->in_spool += p->samples;
    l->books->in_memory -= p->samples;
    l->spool->samples += (int64_t)p->samples;
}

static void to_memory(void *lane, struct payload *p)
{
    struct lane *l = lane;
    l->books->in_memory += p->samples;
    l->books->in_spool -= p->samples;
    l->spool->samples -= (int64_t)p->samples;
    p->row = 0;
}

static void lose_rows(struct lane *l, int64_t samples, enum lane_loss why)
{
    l->books->lost[why] += (uint64_t)samples;
    l->books->in_spool -= (uint64_t)samples;
    l->spool->samples -= samples;
}

/* The file is no good any more: what memory does not have of it is lost. */
static void give_up_file(struct lane *l)
{
    struct lane_spool *s = l->spool;
    spool_release(s->disk, to_memory, l);
    lose_rows(l, s->samples, LOST_DAMAGED);
    s->gone_len = 0;
    s->retry_ns = 0;
    s->bare = s->conf.mode == LANE_ALWAYS;
}

static void say_aside(struct lane *l, const char *name)
{
    log_error("the spool was damaged and is set aside, a new one is begun", LOG_S("lane", l->name),
              LOG_S("file", name));
}

static void set_aside(struct lane *l)
{
    char name[SPOOL_NAME_MAX];
    struct err err;
    give_up_file(l);
    enum status r = spool_set_aside(l->spool->disk, name, &err);
    l->spool->disk = NULL;
    if (r == OK)
        say_aside(l, name);
    else /* opening will say more */
        log_error("the spool is damaged", LOG_S("lane", l->name), LOG_S("error", err.text));
}

static void show_error(struct lane *l, const struct err *err)
{
    pthread_mutex_lock(&l->lock);
    l->spool_state.works = !err;
    l->disk_works = !err;
    l->spool_state.error = err ? *err : (struct err){.status = OK};
    pthread_mutex_unlock(&l->lock);
}

bool lane_disk_worked(struct lane *l, enum status how, const struct err *err)
{
    struct lane_spool *s = l->spool;
    if (how == OK) {
        if (s->failing)
            log_info("the spool works again", LOG_S("lane", l->name));
        s->failing = s->blind = false;
        s->retry_ns = s->backoff_ns = 0;
        s->said = OK;
        show_error(l, NULL);
        return true;
    }
    if (s->said != how)
        log_warn("the spool does not work, what comes stays in memory", LOG_S("lane", l->name),
                 LOG_S("status", status_name(how)), LOG_S("error", err->text));
    s->said = how;
    s->failing = true;
    s->backoff_ns = s->backoff_ns ? 2 * s->backoff_ns : RETRY_NS;
    if (s->backoff_ns > RETRY_MAX)
        s->backoff_ns = RETRY_MAX;
    s->retry_ns = clock_mono_ns() + (how == ERR_AGAIN ? s->conf.held_ns : s->backoff_ns);
    show_error(l, err);
    if (how == ERR_CLOSED && s->disk)
        set_aside(l);
    return false;
}

static void state(struct lane *l)
{
    struct lane_spool *s = l->spool;
    struct spool_stats t = {0};
    if (s->disk)
        t = spool_stats(s->disk);
    pthread_mutex_lock(&l->lock);
    struct lane_spool_state *to = &l->spool_state;
    to->rows = t.rows;
    to->unread = t.unread;
    to->stored_bytes = t.stored;
    to->file_bytes = t.file_bytes;
    to->log_bytes = t.log_bytes;
    to->oldest_ms = t.oldest_ms;
    pthread_mutex_unlock(&l->lock);
}

static void take_over(struct lane *l)
{
    struct lane_spool *s = l->spool;
    struct spool_stats t = spool_stats(s->disk);
    s->samples += t.samples;
    l->books->in_spool += (uint64_t)t.samples;
    l->books->restored += (uint64_t)t.samples;
    if (s->next_seq <= t.last_seq)
        s->next_seq = t.last_seq + 1;
    if (spool_aside(s->disk)[0])
        say_aside(l, spool_aside(s->disk));
    if (t.rows > 0)
        log_info("found in the spool", LOG_S("lane", l->name), LOG_I("payloads", t.rows),
                 LOG_I("samples", t.samples));
    state(l);
}

bool lane_disk_ready(struct lane *l)
{
    struct lane_spool *s = l->spool;
    struct err err;
    if (s->disk || clock_mono_ns() < s->retry_ns)
        return s->disk;
    size_t body = l->max_message > LANE_BODY_MAX ? l->max_message : LANE_BODY_MAX;
    struct spool_conf conf = {.file = s->conf.file,
                              .size = s->conf.size,
                              .max_body = body,
                              .full_sync = s->conf.full_sync,
                              .vfs = s->conf.vfs,
                              .kinds = s->kinds};
    enum status r = spool_open(&s->disk, &conf, &err);
    if (r == OK)
        take_over(l); /* who sees that it works sees what is in it */
    return lane_disk_worked(l, r, &err);
}

static void take_dropped(struct lane *l, const struct spool_write *w)
{
    for (size_t i = 0; i < w->dropped_len; i++) {
        const struct spool_dropped *d = &w->dropped[i];
        if (d->payload)
            to_memory(l, d->payload);
        else
            lose_rows(l, d->samples, LOST_SPOOL_FULL);
    }
}

size_t lane_disk_write(struct lane *l, struct payload *const *add, size_t n, bool keep)
{
    struct lane_spool *s = l->spool;
    struct err err;
    struct spool_write w = {.add = add,
                            .add_len = n,
                            .gone = s->gone,
                            .gone_len = s->gone_len,
                            .keep = keep,
                            .last_ms = s->stops ? (int)(s->conf.last_ns / MS_NS) : 0};
    if (!s->disk || !lane_disk_worked(l, spool_write(s->disk, &w, &err), &err))
        return 0;
    s->gone_len -= w.removed;
    if (s->gone_len > 0)
        memmove(s->gone, s->gone + w.removed, s->gone_len * sizeof *s->gone);
    take_dropped(l, &w);
    for (size_t i = 0; i < w.added; i++)
        if (add[i]->row != 0)
            count_row(l, add[i]);
    s->stated_ns = 0; /* told at the end of the round */
    return w.added;
}

void lane_disk_forget(struct lane *l, int64_t row)
{
    struct lane_spool *s = l->spool;
    if (s->disk)
        spool_ended(s->disk, row);
    if (s->gone_len == 0)
        s->gone_since_ns = clock_mono_ns();
    if (s->gone_len % GONE_AT_ONE == 0)
        s->gone = mem_realloc(s->gone, (s->gone_len + GONE_AT_ONE) * sizeof *s->gone);
    s->gone[s->gone_len++] = row;
}

void lane_disk_look(struct lane *l)
{
    struct lane_spool *s = l->spool;
    int64_t now = clock_mono_ns();
    if (now - s->stated_ns >= STATE_NS) {
        s->stated_ns = now;
        state(l);
    }
    if (now - s->looked_ns < LOOK_NS)
        return;
    s->looked_ns = now;
    if (!s->disk || spool_is_there(s->disk))
        return;
    log_error("somebody removed the spool, a new one is begun", LOG_S("lane", l->name),
              LOG_S("file", s->conf.file));
    give_up_file(l);
    spool_close(s->disk);
    s->disk = NULL;
}

void lane_disk_close(struct lane *l)
{
    struct lane_spool *s = l->spool;
    spool_close(s->disk);
    s->disk = NULL;
    l->books->left += (uint64_t)s->samples;
    l->books->in_spool -= (uint64_t)s->samples;
    s->samples = 0;
}
