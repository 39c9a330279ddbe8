/* SPDX-License-Identifier: Apache-2.0 */
/* lane_spool.c - which payloads go to disk, and when they come from there. */
#include "lane_private.h"

#include "budget.h"
#include "mem.h"

#define WRITES_AT_ONCE 256
#define READS_A_ROUND  256
#define WAITING_MAX    4096  /* payloads */
#define GONE_MAX       65536 /* rows that cannot be deleted: then nothing more is read */
#define AGE_NS         SEC_NS
#define BUDGET_NS      (100 * MS_NS)

void lane_spool_new(struct lane *l, const struct lane_spool_conf *c, size_t max_bytes)
{
    struct lane_spool *s = mem_alloc(sizeof *s);
    s->conf = *c;
    s->conf.file = mem_strdup(c->file);
    s->conf.vfs = mem_strdup(c->vfs);
    s->conf.commit_ns = c->commit_ns > 0 ? c->commit_ns : LANE_COMMIT_NS;
    s->conf.held_ns = c->held_ns > 0 ? c->held_ns : LANE_HELD_NS;
    s->conf.last_ns = c->last_ns > 0 ? c->last_ns : LANE_LAST_NS;
    s->kinds = spool_kinds_new();
    s->max_bytes = max_bytes;
    s->budget_ns = clock_mono_ns();
    s->next_seq = clock_wall_ms() << 20; /* above those of earlier runs */
    l->spool_state.there = true;
    l->spool_state.limit_bytes = c->size;
    l->spool = s;
}

void lane_spool_free(struct lane *l)
{
    struct lane_spool *s = l->spool;
    if (!s)
        return;
    spool_close(s->disk);
    spool_kinds_free(s->kinds);
    mem_free((char *)s->conf.file);
    mem_free((char *)s->conf.vfs);
    mem_free(s->gone);
    mem_free(s);
    l->spool = NULL;
}

static void append(struct lane_spool *s, struct payload *p)
{
    if (!s->first)
        s->since_ns = s->round_ns; /* it may have come while the disk was waited for */
    p->next = NULL;
    *(s->first ? &s->last->next : &s->first) = p;
    s->last = p;
    s->len++;
    s->bytes += payload_cost(p);
}

static struct payload *pop(struct lane_spool *s)
{
    struct payload *p = s->first;
    s->first = p->next;
    p->next = NULL;
    s->len--;
    s->bytes -= payload_cost(p);
    return p;
}

/* May be tried now. */
static bool is_usable(const struct lane_spool *s)
{
    return s->disk && clock_mono_ns() >= s->retry_ns;
}

/* Law 6.  Where the disk can only be read, order is given up before delivery is. */
static bool is_behind(const struct lane_spool *s)
{
    bool stuck = s->failing && s->gone_len >= GONE_MAX;
    return s->disk && !s->blind && !stuck && !s->conf.fresh_first && spool_unread(s->disk) > 0;
}

static bool goes_to_disk(const struct lane_spool *s)
{
    return is_usable(s) && (s->conf.mode == LANE_ALWAYS || s->spilling || is_behind(s));
}

static bool is_full(const struct lane_spool *s)
{
    return s->bytes >= s->max_bytes || s->len >= WAITING_MAX;
}

/* The channel keeps what comes while the disk is waited for. */
static void heed_mark(struct lane_spool *s)
{
    if (s->conf.mode == LANE_OVERFLOW && is_full(s))
        s->spilling = true;
    else if (!s->first)
        s->spilling = false;
}

/* Straight into the window, where nothing has to wait. */
static bool is_direct(const struct lane_spool *s)
{
    return !goes_to_disk(s) && !is_behind(s);
}

static void put_direct(struct lane *l, struct payload *p)
{
    struct lane_spool *s = l->spool;
    s->bare |= s->conf.mode == LANE_ALWAYS;
    window_put(&l->window, p);
}

/* Those that waited go first.  Whether there is room for the next. */
static bool pass_waiting(struct lane *l)
{
    struct lane_spool *s = l->spool;
    while (s->first && window_has_room(&l->window))
        put_direct(l, pop(s));
    return !s->first && window_has_room(&l->window);
}

static void receive(struct lane *l)
{
    struct lane_spool *s = l->spool;
    void *item;
    for (;;) {
        bool direct = is_direct(s) && pass_waiting(l);
        if ((!direct && is_full(s)) || l->drained)
            return;
        enum status r = channel_recv(l->input, &item, NULL, DEADLINE_NOW);
        l->drained = r == ERR_CLOSED;
        if (r != OK)
            return;
        struct payload *p = item;
        p->seq = s->next_seq++;
        if (direct)
            put_direct(l, p);
        else
            append(s, p);
    }
}

bool lane_spool_takes(const struct lane *l)
{
    return !l->hold && !is_full(l->spool);
}

/* p has been written.  Kept, it is sent at once, unless it has to go behind others. */
static void place(struct lane *l, struct payload *p, bool keep)
{
    struct lane_spool *s = l->spool;
    if (p->row == 0) {
        lane_give_up(l, p, LOST_SPOOL_FULL);
        return;
    }
    if (keep && !s->relieving && !is_behind(s) && window_has_room(&l->window)) {
        window_put(&l->window, p);
        return;
    }
    if (keep)
        spool_forget(s->disk, p);
    payload_pool_give(&l->pool, p);
}

/* What waits; false: the disk failed. */
static bool write_waiting(struct lane *l, bool keep)
{
    struct lane_spool *s = l->spool;
    while (s->first) {
        struct payload *batch[WRITES_AT_ONCE];
        size_t n = 0;
        for (struct payload *p = s->first; p && n < WRITES_AT_ONCE; p = p->next)
            batch[n++] = p;
        size_t done = lane_disk_write(l, batch, n, keep);
        for (size_t i = 0; i < done; i++)
            place(l, pop(s), keep);
        if (done == 0)
            return false;
    }
    return true;
}

/* What went into the window while the disk could not be used gets its rows, and stays where it is.
 * False: the disk failed. */
static bool write_bare(struct lane *l)
{
    struct payload *bare[LANE_WINDOW];
    size_t n = window_list_bare(&l->window, bare, LANE_WINDOW);
    for (size_t done = 0, more; done < n; done += more) {
        size_t left = n - done;
        more = lane_disk_write(l, bare + done, left < WRITES_AT_ONCE ? left : WRITES_AT_ONCE, true);
        if (more == 0)
            return false;
    }
    l->spool->bare = false; /* one that is too large for the disk is not tried again */
    return true;
}

static bool is_pressing(const struct lane *l)
{
    const struct lane_spool *s = l->spool;
    return l->closing || s->spilling || s->bytes >= s->max_bytes / 2 || s->len >= WAITING_MAX / 2;
}

static void write_due(struct lane *l)
{
    struct lane_spool *s = l->spool;
    int64_t now = clock_mono_ns();
    if (!is_usable(s))
        return;
    if (s->bare && spool_unread(s->disk) == 0 && !write_bare(l)) /* nothing is lost to make room */
        return;
    if (s->first && goes_to_disk(s) && (is_pressing(l) || now - s->since_ns >= s->conf.commit_ns))
        (void)write_waiting(l, s->conf.mode == LANE_ALWAYS);
    else if (s->failing || (s->gone_len > 0 && now - s->gone_since_ns >= s->conf.commit_ns))
        (void)lane_disk_write(l, NULL, 0, false); /* failing: whether it works again */
}

static void refill(struct lane_spool *s)
{
    int64_t now = clock_mono_ns(), rate = s->conf.backlog_rate;
    double more = (double)rate * (double)(now - s->budget_ns) / (double)SEC_NS;
    if (more < 1) /* bytes; they add up */
        return;
    s->budget_ns = now;
    s->budget = more + (double)s->budget > (double)rate ? rate : s->budget + (int64_t)more;
}

/* For what is on disk; what is new keeps half of the window then. */
static bool has_room(const struct lane *l)
{
    const struct lane_spool *s = l->spool;
    const struct window *w = &l->window;
    if (l->closing || !s->disk || s->blind || s->gone_len >= GONE_MAX || !window_has_room(w))
        return false;
    if (w->held + w->in_flight > 0 && !budget_has_room(BUDGET_BODY, 0))
        return false;
    if (!s->conf.fresh_first)
        return true;
    return w->bytes < w->max_bytes / 2 && w->held + w->in_flight < LANE_WINDOW / 2 &&
           (s->conf.backlog_rate == 0 || s->budget > 0);
}

static void lose_row(struct lane *l, const struct spool_row *row, enum lane_loss why)
{
    l->books->lost[why] += (uint64_t)row->samples;
    l->books->in_spool -= (uint64_t)row->samples;
    l->spool->samples -= row->samples;
    lane_disk_forget(l, row->row);
}

struct payload *lane_take_payload(struct lane *l, size_t body_bytes)
{
    return body_bytes <= l->pool.max_body ? payload_pool_take(&l->pool, body_bytes)
                                          : payload_new("", body_bytes);
}

/* False: the disk failed. */
static bool load_row(struct lane *l, const struct spool_row *row)
{
    struct lane_spool *s = l->spool;
    struct err err;
    if (row->bytes < 0 || (size_t)row->bytes > LANE_BODY_MAX + l->max_message) {
        lose_row(l, row, LOST_TOO_LARGE);
        return true;
    }
    struct payload *p = lane_take_payload(l, (size_t)row->bytes);
    enum status r = spool_restore(s->disk, row, p, &err);
    if (r == OK) {
        p->lane = l;
        p->end = lane_take_back;
        p->here_ns = clock_mono_ns();
        payload_count(p);
        s->budget -= row->bytes;
        window_put(&l->window, p);
        return true;
    }
    p->row = 0;
    payload_pool_give(&l->pool, p);
    if (r == ERR_DENIED || r == ERR_LIMIT) {
        lose_row(l, row, r == ERR_LIMIT ? LOST_TOO_LARGE : LOST_DAMAGED);
        return true;
    }
    spool_put_back(s->disk, row);
    s->blind = true;
    return lane_disk_worked(l, r, &err);
}

static bool is_too_old(const struct lane_spool *s, const struct spool_row *row)
{
    return s->conf.max_age_ns > 0 && row->due_ms < clock_wall_ms() - s->conf.max_age_ns / MS_NS;
}

/* The next of them: loaded, lost, or left for later (false). */
static bool load_next(struct lane *l)
{
    struct lane_spool *s = l->spool;
    struct spool_row row;
    struct err err;
    enum status r = spool_next(s->disk, &row, &err);
    if (r == ERR_TIMEOUT)
        return false;
    if (r != OK) {
        s->blind = true;
        return lane_disk_worked(l, r, &err);
    }
    if (is_too_old(s, &row)) {
        lose_row(l, &row, LOST_TOO_OLD);
        return true;
    }
    if (has_room(l))
        return load_row(l, &row);
    spool_put_back(s->disk, &row);
    return false;
}

static void load(struct lane *l)
{
    struct lane_spool *s = l->spool;
    int64_t now = clock_mono_ns();
    if (s->blind && now >= s->retry_ns)
        s->blind = false;
    refill(s);
    bool aged = s->conf.max_age_ns > 0 && !l->closing && now - s->aged_ns >= AGE_NS;
    if (aged)
        s->aged_ns = now;
    for (int i = 0; i < READS_A_ROUND && s->disk && !s->blind && (has_room(l) || aged); i++)
        if (spool_unread(s->disk) == 0 || !load_next(l))
            return;
}

void lane_spool_round(struct lane *l)
{
    if (l->hold) /* the lane before has the file */
        return;
    l->disk_since_ns = l->spool->round_ns = clock_mono_ns();
    (void)lane_disk_ready(l);
    receive(l);
    heed_mark(l->spool);
    write_due(l);
    heed_mark(l->spool);
    receive(l); /* there is room again, or nothing to wait for: the disk has just failed */
    load(l);
    lane_disk_look(l);
    l->disk_since_ns = 0;
}

int64_t lane_spool_wake_ns(const struct lane *l)
{
    const struct lane_spool *s = l->spool;
    int64_t now = clock_mono_ns(), at = DEADLINE_NEVER;
    if (l->hold)
        return at;
    if (s->first && is_direct(s) && window_has_room(&l->window))
        return now;
    if (s->first && goes_to_disk(s))
        at = is_pressing(l) ? now : s->since_ns + s->conf.commit_ns;
    if (s->gone_len > 0 && is_usable(s) && s->gone_since_ns + s->conf.commit_ns < at)
        at = s->gone_since_ns + s->conf.commit_ns;
    if (s->retry_ns > 0 && s->retry_ns < at && now < s->retry_ns)
        at = s->retry_ns;
    if (s->disk && spool_unread(s->disk) > 0 && !l->closing && !s->blind) {
        if (has_room(l))
            return now;
        if (s->conf.fresh_first && s->conf.backlog_rate > 0 && s->budget <= 0 &&
            now + BUDGET_NS < at)
            at = now + BUDGET_NS;
    }
    return at;
}

/* Oldest first, as many as one commit takes; returns how many. */
static size_t gather(struct lane *l, bool old)
{
    size_t n = 0;
    struct payload *p;
    void *item;
    int64_t before_ns = old ? clock_mono_ns() - BUDGET_OLD_NS : DEADLINE_NEVER;
    for (; n < WRITES_AT_ONCE && (p = window_take_oldest(&l->window, before_ns)) != NULL; n++)
        lane_spool_keep(l, p);
    if (old && n == 0 && channel_age_ns(l->input) <= BUDGET_OLD_NS)
        return 0;
    for (; n < WRITES_AT_ONCE && channel_recv(l->input, &item, NULL, DEADLINE_NOW) == OK; n++)
        lane_spool_keep(l, item);
    return n;
}

bool lane_spool_relieve(struct lane *l)
{
    struct lane_spool *s = l->spool;
    bool old, works = is_usable(s);
    l->disk_since_ns = clock_mono_ns();
    s->relieving = true;
    while (works && budget_to_give_up(&old) > 0) {
        size_t n = gather(l, old);
        if (n == 0 && (old || !s->first))
            break;
        works = write_waiting(l, true);
    }
    s->relieving = false;
    l->disk_since_ns = 0;
    return works;
}

bool lane_spool_waits(const struct lane *l)
{
    const struct lane_spool *s = l->spool;
    return s->first || (s->disk && spool_unread(s->disk) > 0);
}

bool lane_spool_is_done(const struct lane *l)
{
    return !l->spool->first;
}

void lane_spool_keep(struct lane *l, struct payload *p)
{
    struct lane_spool *s = l->spool;
    if (p->row != 0) {
        if (s->disk)
            spool_forget(s->disk, p);
        payload_pool_give(&l->pool, p);
        return;
    }
    if (p->seq == 0)
        p->seq = s->next_seq++;
    append(s, p);
}

void lane_spool_replace(struct lane *l, struct payload *p, struct payload *const *pieces, size_t n)
{
    lane_uncount(l, p);
    l->books->in_memory += p->samples;
    for (size_t done = 0, more; done < n; done += more)
        if ((more = lane_disk_write(l, pieces + done, n - done, true)) == 0)
            return; /* the disk fails: they are in memory */
}

void lane_spool_put_by(struct lane *l)
{
    struct lane_spool *s = l->spool;
    struct payload *p;
    void *item;
    l->disk_since_ns = clock_mono_ns();
    s->stops = true;
    while ((p = window_take(&l->window)) != NULL)
        lane_spool_keep(l, p);
    while (channel_recv(l->input, &item, NULL, DEADLINE_NOW) == OK)
        lane_spool_keep(l, item);
    if (s->first) {
        s->retry_ns = 0; /* nearly the last chance */
        if (lane_disk_ready(l))
            (void)write_waiting(l, false);
    }
    s->conf.last_ns -= clock_mono_ns() - l->disk_since_ns; /* that long in all */
    if (s->conf.last_ns < MS_NS)
        s->conf.last_ns = MS_NS;
    l->disk_since_ns = 0;
}

void lane_spool_stop(struct lane *l)
{
    struct lane_spool *s = l->spool;
    l->disk_since_ns = clock_mono_ns();
    if (s->first || s->gone_len > 0) {
        s->retry_ns = 0; /* the last chance */
        if (lane_disk_ready(l) && write_waiting(l, false) && s->gone_len > 0)
            (void)lane_disk_write(l, NULL, 0, false);
    }
    while (s->first)
        lane_give_up(l, pop(s), LOST_CLOSED);
    lane_disk_close(l);
    l->disk_since_ns = 0;
}
