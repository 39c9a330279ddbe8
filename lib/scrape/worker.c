/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "budget.h"
#include "clock.h"
#include "mem.h"
#include "room.h"

#include <errno.h>

#define BEAT_NS     (10 * SEC_NS)
#define SHORT_NS    (1 * SEC_NS) /* while memory is short: others may wait for what is kept here */
#define LOOK_NS     (20 * MS_NS) /* while scrapes wait for memory */
#define WAITING_MAX 1024         /* scrapes */

_Static_assert(PAGE_REFUSALS <= BOOKS_REFUSALS, "books have no room for all refusals");

/* A scrape under way. */
struct running {
    struct job *job;
    int64_t start_ms;
    size_t expect;    /* bytes of body; 0: not known */
    bool again;       /* it was begun before, and found no room */
    int64_t first_ns; /* since when nobody has waited longer; 0: not yet */
    struct running *next;
};

/* Pages. */

/* What a scrape that says the end of all series says in its ids, where others have 0 or why they
 * failed: a target whose labels change ends the old ones and is scraped at the same due time. */
#define OUTCOME_ENDED UINT32_MAX

/* The gauges of the pool follow what the page of s holds now. */
static void recount(struct worker *w, struct target_state *s)
{
    struct page_stats now = {.series = 0};
    if (s->page)
        now = page_stats(s->page);
    target_state_count(s, w->crew->books, now.series, now.held_bytes);
    budget_count(BUDGET_WORK, &w->counted, room_bytes(&w->batch));
}

static void encode(struct worker *w, const struct job *j, const struct target *t, uint32_t outcome)
{
    struct lane_scrape scrape = {
        .target = t, .due_ms = j->due_ms, .outcome = outcome, .clock_steps = j->clock_steps};
    pipeline_encode(w->crew->pipeline, &w->scratch, &w->batch, &scrape);
    batch_commit(&w->batch);
    page_rest(j->state->page, &w->batch);
}

/* Says that all series of the job's page have ended, under the address they were sent to, and
 * frees it. */
static void end_page(struct worker *w, struct job *j)
{
    struct target_state *s = j->state;
    page_bind(s->page, &w->crew->plan);
    page_end(s->page, clock_wall_ms(), &w->batch);
    encode(w, j, page_target(s->page), OUTCOME_ENDED);
    page_free(s->page);
    s->page = NULL;
    room_trim(&w->batch);
    recount(w, s);
}

/* The page of the job's target, bound to this pool's filters and lanes. */
static struct page *get_page(struct worker *w, struct job *j)
{
    struct target_state *s = j->state;
    if (s->page && !page_retarget(s->page, j->target))
        end_page(w, j); /* its labels have changed: other series from now on */
    if (!s->page)
        s->page = page_new(j->target, &w->crew->limits, w->crew->plan.lanes_len);
    page_bind(s->page, &w->crew->plan);
    return s->page;
}

/* Good and failed scrapes. */

static void count_seconds(struct pool_books *b, int64_t duration_ns)
{
    size_t i = 0;
    while (i < BOOKS_BUCKETS - 1 && (double)duration_ns > books_bucket_seconds[i] * (double)SEC_NS)
        i++;
    b->seconds[i]++;
    b->seconds_sum_ns += (uint64_t)duration_ns;
}

static void count_read(struct worker *w, size_t samples, size_t bytes,
                       const struct page_faults *faults)
{
    struct pool_books *b = w->crew->books;
    b->read += samples + faults->filtered + faults->refused;
    if (faults->filtered > 0)
        b->filtered[w->crew->pipeline->relabel_slot] += faults->filtered;
    for (size_t i = 0; i < PAGE_REFUSALS; i++)
        if (faults->refused_by[i])
            b->refused[i] += faults->refused_by[i];
    b->lines_bad += faults->lines_bad;
    b->flaws += faults->flaws;
    b->bytes += bytes;
}

static void show(struct job *j, const struct running *r, const struct fetch_result *f,
                 const struct target_shown *news)
{
    struct target_shown t = target_state_shown(j->state);
    uint64_t scrapes = t.scrapes + 1, failures = t.failures + (news->health == TARGET_DOWN);
    if (news->health == TARGET_UP)
        t = *news;
    t.health = news->health;
    t.failure = news->failure;
    t.last_error = news->last_error;
    t.scraped_ms = r->start_ms;
    t.duration_ns = f->duration_ns;
    t.scrapes = scrapes;
    t.failures = failures;
    target_state_show(j->state, &t);
}

static void take_failed(struct worker *w, struct running *r, const struct fetch_result *f)
{
    struct job *j = r->job;
    struct pool_books *b = w->crew->books;
    struct target_shown news = {.health = TARGET_DOWN, .failure = f->why, .last_error = f->err};
    b->failed[f->why]++;
    show(j, r, f, &news);
    if (f->why == SCRAPE_CLOSED)
        return; /* that is nothing about the target */
    struct page *p = get_page(w, j);
    page_failed(p, r->start_ms, &w->batch);
    struct page_meta meta = {.duration_seconds = (double)f->duration_ns / (double)SEC_NS};
    page_add_meta(p, &meta, &w->batch);
    encode(w, j, j->target, (uint32_t)f->why + 1);
    recount(w, j->state);
}

/* Something else than a page of metrics, or a faulty one in strict mode. */
static void take_garbage(struct worker *w, struct running *r, const struct fetch_result *f,
                         const struct page_faults *faults)
{
    struct fetch_result failed = *f;
    failed.why = SCRAPE_FORMAT;
    failed.err = faults->first_bad;
    if (!faults->strict)
        err_wrap(&failed.err, ERR_INVALID, "not one line is a metric");
    w->crew->books->lines_bad += faults->lines_bad;
    w->crew->books->bytes += f->body.len;
    take_failed(w, r, &failed);
}

static void take_good(struct worker *w, struct running *r, const struct fetch_result *f)
{
    struct job *j = r->job;
    struct page_faults faults;
    struct page *p = get_page(w, j);
    enum pool_mode mode = pool_mode_of(j->target, w->crew->mode);
    struct page_manner manner = pool_manner(mode, w->crew->fallback, f->content_type);
    manner.may_be_cut = !f->tells_end;
    page_set_manner(p, &manner);
    page_read(p, f->body, r->start_ms, &w->batch, &faults);
    if (faults.unreadable) {
        take_garbage(w, r, f, &faults);
        return;
    }
    size_t scraped = w->batch.len, passed = pipeline_filter(w->crew->pipeline, &w->batch);
    size_t exposed = scraped + (size_t)(faults.filtered + faults.refused);
    struct page_meta meta = {.up = true,
                             .duration_seconds = (double)f->duration_ns / (double)SEC_NS,
                             .samples_scraped = exposed,
                             .samples_post_filter = passed,
                             .series_added = faults.added,
                             .body_bytes = f->body.len};
    page_add_meta(p, &meta, &w->batch);
    encode(w, j, j->target, 0);
    recount(w, j->state);
    count_read(w, scraped, f->body.len, &faults);
    w->crew->books->scraped++;
    struct target_shown news = {.health = TARGET_UP,
                                .samples = scraped + (size_t)faults.filtered,
                                .samples_post_filter = passed,
                                .body_bytes = f->body.len,
                                .series = page_stats(p).series,
                                .refused = faults.refused,
                                .lines_bad = faults.lines_bad,
                                .flaws = faults.flaws,
                                .first_bad = faults.first_bad,
                                .first_refused = faults.first_refused,
                                .first_flaw = faults.first_flaw,
                                .named_len = faults.named_len};
    memcpy(news.named, faults.named, faults.named_len * sizeof faults.named[0]);
    show(j, r, f, &news);
    j->state->body_bytes = f->body.len;
}

/* Waiting for memory. */

static struct fetch_request request_of(struct worker *w, struct running *r)
{
    struct job *j = r->job;
    return (struct fetch_request){.target = j->target,
                                  .shard =
                                      j->state->shard >> 32, /* the low bits chose the worker */
                                  .max_body = w->crew->max_body,
                                  .expect_body = r->expect,
                                  .user = r};
}

static int64_t since(const struct running *r)
{
    const struct target_state *s = r->job->state;
    return s->waits_since_ns ? s->waits_since_ns : r->job->due_ns;
}

/* Among the workers, for the first that waits here; one that has no place for it stands in nobody's way. */
static void stand(struct worker *w)
{
    struct running *r = w->waiting;
    if (r && w->in_flight < w->crew->in_flight) {
        struct fetch_request q = request_of(w, r);
        turn_stand(&w->turn, since(r), fetch_bytes(&q));
    } else {
        turn_leave(&w->turn);
    }
}

static void put_off(struct worker *w, struct running *r)
{
    struct pool_books *b = w->crew->books;
    struct running **at = &w->waiting;
    b->waited++;
    b->waiting++;
    budget_wait(1);
    r->job->state->waits_since_ns = since(r);
    while (*at && since(*at) <= since(r))
        at = &(*at)->next;
    r->next = *at;
    *at = r;
    w->waiting_len++;
    stand(w);
}

static void stop_waiting(struct worker *w, struct running **at)
{
    *at = (*at)->next;
    w->waiting_len--;
    w->calls = true;
    w->crew->books->waiting--;
    budget_wait(-1);
    stand(w);
}

static void end(struct worker *w, struct running *r)
{
    w->crew->books->running--;
    job_end(r->job);
    r->next = w->idle;
    w->idle = r;
}

static bool is_stale(const struct job *j)
{
    return clock_mono_ns() - j->due_ns > j->target->interval_ns;
}

/* It will not fit at its next turn either, but by then it is known how large it is. */
static bool begins_again(const struct worker *w, struct running *r, const struct fetch_result *f)
{
    struct target_state *s = r->job->state;
    if (f->ok || f->why != SCRAPE_MEMORY)
        return false;
    r->expect = f->wants < w->crew->max_body ? f->wants : w->crew->max_body;
    s->body_bytes = r->expect;
    bool again = !r->again && !is_stale(r->job) && !w->crew->aborting;
    r->again = true;
    return again;
}

static void count_work(struct worker *w)
{
    budget_count(BUDGET_WORK, &w->counted, room_bytes(&w->batch));
    budget_count(BUDGET_WORK, &w->scratch_counted, lane_scratch_bytes(&w->scratch));
}

/* Room for work, which is kept from scrape to scrape while there is room for bodies. */
static void drop_work(struct worker *w)
{
    batch_done(&w->batch);
    lane_scratch_done(&w->scratch);
    count_work(w);
}

/* A fetch has ended. */
static void take(void *of, void *user, const struct fetch_result *f)
{
    struct worker *w = of;
    struct running *r = user;
    w->in_flight--;
    w->calls = true;
    stand(w);
    if (begins_again(w, r, f)) {
        put_off(w, r);
        return;
    }
    if (f->ok || f->why != SCRAPE_MEMORY)
        r->job->state->waits_since_ns = 0;
    count_seconds(w->crew->books, f->duration_ns);
    if (f->ok)
        take_good(w, r, f);
    else
        take_failed(w, r, f);
    count_work(w);
    if (!budget_has_room(BUDGET_BODY, 0) || budget_waiting() > 0)
        drop_work(w);
    end(w, r);
}

/* Jobs. */

static void begin(struct worker *w, struct running *r)
{
    struct fetch_request q = request_of(w, r);
    r->start_ms = clock_wall_ms();
    w->in_flight++;
    stand(w);
    fetch_start(w->fetcher, &q);
}

static bool may_begin(struct worker *w, struct running *r)
{
    struct fetch_request q = request_of(w, r);
    bool first;
    bool allowed = turn_allows(since(r), fetch_bytes(&q), &first);
    if (first && r->first_ns == 0)
        r->first_ns = clock_mono_ns();
    return allowed && fetch_has_room(&q, first);
}

static void start_scrape(struct worker *w, struct job *j)
{
    struct running *r = w->idle;
    size_t body = j->state->body_bytes;
    if (r)
        w->idle = r->next;
    else
        r = mem_alloc(sizeof *r);
    r->job = j;
    r->again = false;
    r->first_ns = 0;
    r->expect = body + body / 16 < w->crew->max_body ? body + body / 16 : w->crew->max_body;
    w->crew->books->running++;
    if (may_begin(w, r))
        begin(w, r);
    else
        put_off(w, r);
}

/* For /targets: the books say that it was stale. */
static void show_waited(struct target_state *s, size_t bytes)
{
    struct target_shown t = target_state_shown(s);
    t.failure = SCRAPE_MEMORY;
    err_set(&t.last_error, ERR_LIMIT,
            "waited for room for a page of %zu bytes longer than its interval (agent.memory)",
            bytes);
    target_state_show(s, &t);
}

/* It keeps its place among those that wait, for its target's next job; but not where it was first for
 * long, and had no room all the same: one that never fits would hold up all others. */
static void wait_in_vain(struct worker *w, struct running *r)
{
    struct target_state *s = r->job->state;
    if (w->crew->aborting) {
        w->crew->books->failed[SCRAPE_CLOSED]++;
        return;
    }
    w->crew->books->stale++;
    show_waited(s, r->expect);
    s->body_bytes = r->expect / 2; /* it may be smaller by now */
    if (r->first_ns && clock_mono_ns() - r->first_ns > r->job->target->interval_ns / 2)
        s->waits_since_ns = 0;
}

/* What is kept for the next scrapes is for those that wait, in whatever worker. */
static void make_way(struct worker *w)
{
    fetcher_trim(w->fetcher);
    drop_work(w);
    if (!w->waiting)
        return;
    for (size_t i = 0; i < w->crew->pipeline->lanes_len; i++)
        lane_give_way(w->crew->pipeline->lanes[i]);
}

/* In their order; a small one may pass a large one. */
static void try_waiting(struct worker *w)
{
    if (budget_waiting() > 0)
        make_way(w);
    for (struct running **at = &w->waiting, *r; (r = *at) != NULL;) {
        if (w->crew->aborting || is_stale(r->job)) {
            stop_waiting(w, at);
            wait_in_vain(w, r);
            end(w, r);
        } else if (w->in_flight < w->crew->in_flight && may_begin(w, r)) {
            stop_waiting(w, at);
            begin(w, r);
        } else {
            at = &r->next;
        }
    }
    if (w->calls)
        turn_call(&w->turn);
    w->calls = false;
}

static void start_job(struct worker *w, struct job *j, int64_t waited_ns)
{
    struct pool_books *b = w->crew->books;
    b->wait_ns_sum += (uint64_t)waited_ns;
    if (w->crew->aborting && j->kind == JOB_SCRAPE) {
        b->failed[SCRAPE_CLOSED]++;
        job_end(j);
    } else if (j->kind == JOB_END) {
        if (j->state->page)
            end_page(w, j);
        b->ended++;
        job_end(j);
    } else if (is_stale(j)) {
        b->stale++;
        job_end(j);
    } else {
        start_scrape(w, j);
    }
}

static bool has_place(const struct worker *w)
{
    return w->in_flight < w->crew->in_flight && w->waiting_len < WAITING_MAX;
}

/* ERR_CLOSED: no more will come. */
static enum status take_jobs(struct worker *w)
{
    enum status s = OK;
    void *item = NULL;
    int64_t waited_ns;
    while (has_place(w) && (s = channel_recv(w->jobs, &item, &waited_ns, DEADLINE_NOW)) == OK) {
        start_job(w, item, waited_ns);
        w->asks_ns = DEADLINE_NOW; /* it was not foreseen: there may be more to be told */
    }
    return s;
}

/* What is due by now. */
static void ask_for_jobs(struct worker *w)
{
    const struct job_source *from = w->inlet->source;
    int64_t now_ns = clock_mono_ns();
    struct job *j;
    if (!from)
        w->asks_ns = DEADLINE_NEVER;
    while (w->asks_ns <= now_ns && has_place(w)) {
        j = from->next(from->of, w->inlet, w->number, &w->asks_ns);
        if (!j)
            return;
        start_job(w, j, now_ns > j->due_ns ? now_ns - j->due_ns : 0);
        w->asks_ns = DEADLINE_NOW;
    }
}

static int64_t wake_ns(const struct worker *w)
{
    int64_t beat_ns = budget_has_room(BUDGET_TEXTS, 0) ? BEAT_NS : SHORT_NS;
    int64_t until_ns = w->beat_ns + (w->waiting ? LOOK_NS : beat_ns);
    return has_place(w) ? clock_earlier(w->asks_ns, until_ns) : until_ns;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    int fd;
    bool open = true;
    if (channel_fd(w->jobs, &fd) != OK)
        abort(); /* cannot be: worker_start has made it */
    while (open || w->in_flight > 0 || w->waiting) {
        curl_loop_watch(fetcher_loop(w->fetcher), fd, open && has_place(w));
        w->beat_ns = clock_mono_ns();
        curl_loop_wait(fetcher_loop(w->fetcher), wake_ns(w));
        if (w->crew->aborting)
            fetch_abort(w->fetcher);
        try_waiting(w);
        if (open && take_jobs(w) == ERR_CLOSED)
            open = false;
        ask_for_jobs(w);
    }
    w->done = true;
    return NULL;
}

enum status worker_start(struct worker *w, struct crew *crew, struct pool_inlet *inlet,
                         size_t number, struct err *err)
{
    *w = (struct worker){.crew = crew,
                         .inlet = inlet,
                         .number = number,
                         .jobs = inlet->channels[number],
                         .asks_ns = DEADLINE_NEVER};
    struct fetcher_conf conf = {
        .max_connections = crew->max_connections, .accept = crew->accept, .done = take, .of = w};
    int fd;
    enum status s = fetcher_new(&w->fetcher, &conf, err);
    if (s != OK)
        return s;
    w->turn.loop = fetcher_loop(w->fetcher);
    int e = channel_fd(w->jobs, &fd) == OK ? pthread_create(&w->thread, NULL, run, w) : EMFILE;
    if (e != 0) {
        fetcher_free(w->fetcher);
        return err_set(err, ERR_IO, "no thread for a worker: %s", strerror(e));
    }
    pthread_setname_np(w->thread, "worker");
    return OK;
}

void worker_join(struct worker *w)
{
    pthread_join(w->thread, NULL);
    fetcher_free(w->fetcher);
    batch_done(&w->batch);
    budget_count(BUDGET_WORK, &w->counted, 0);
    lane_scratch_done(&w->scratch);
    budget_count(BUDGET_WORK, &w->scratch_counted, 0);
    for (struct running *r = w->idle, *next; r; r = next) {
        next = r->next;
        mem_free(r);
    }
}
