/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "budget.h"
#include "clock.h"
#include "mem.h"
#include "room.h"

#include <errno.h>

#define BEAT_NS (1 * SEC_NS)

_Static_assert(PAGE_REFUSALS <= BOOKS_REFUSALS, "books have no room for all refusals");

/* A scrape under way. */
struct running {
    struct job *job;
    int64_t start_ms;
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

/* A fetch has ended. */
static void take(void *of, void *user, const struct fetch_result *f)
{
    struct worker *w = of;
    struct running *r = user;
    count_seconds(w->crew->books, f->duration_ns);
    if (f->ok)
        take_good(w, r, f);
    else
        take_failed(w, r, f);
    w->crew->books->running--;
    job_end(r->job);
    w->in_flight--;
    r->next = w->idle;
    w->idle = r;
}

/* Jobs. */

static void start_scrape(struct worker *w, struct job *j)
{
    struct running *r = w->idle;
    if (r)
        w->idle = r->next;
    else
        r = mem_alloc(sizeof *r);
    r->job = j;
    r->start_ms = clock_wall_ms();
    w->in_flight++;
    w->crew->books->running++;
    struct fetch_request q = {.target = j->target,
                              .shard = j->state->shard >> 32, /* the low bits chose the worker */
                              .max_body = w->crew->max_body,
                              .expect_body = j->state->body_bytes + j->state->body_bytes / 16,
                              .user = r};
    fetch_start(w->fetcher, &q);
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
    } else if (clock_mono_ns() - j->due_ns > j->target->interval_ns) {
        b->stale++;
        job_end(j);
    } else {
        start_scrape(w, j);
    }
}

/* ERR_CLOSED: no more will come. */
static enum status take_jobs(struct worker *w)
{
    enum status s = OK;
    void *item = NULL;
    int64_t waited_ns;
    while (w->in_flight < w->crew->in_flight &&
           (s = channel_recv(w->jobs, &item, &waited_ns, DEADLINE_NOW)) == OK)
        start_job(w, item, waited_ns);
    return s;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    int fd;
    bool open = true;
    if (channel_fd(w->jobs, &fd) != OK)
        abort(); /* cannot be: worker_start has made it */
    while (open || w->in_flight > 0) {
        bool room = w->in_flight < w->crew->in_flight;
        curl_loop_watch(fetcher_loop(w->fetcher), fd, open && room);
        w->beat_ns = clock_mono_ns();
        curl_loop_wait(fetcher_loop(w->fetcher), w->beat_ns + BEAT_NS);
        if (w->crew->aborting)
            fetch_abort(w->fetcher);
        if (open && take_jobs(w) == ERR_CLOSED)
            open = false;
    }
    w->done = true;
    return NULL;
}

enum status worker_start(struct worker *w, struct crew *crew, struct channel *jobs, struct err *err)
{
    *w = (struct worker){.crew = crew, .jobs = jobs};
    struct fetcher_conf conf = {
        .max_connections = crew->max_connections, .accept = crew->accept, .done = take, .of = w};
    int fd;
    enum status s = fetcher_new(&w->fetcher, &conf, err);
    if (s != OK)
        return s;
    int e = channel_fd(jobs, &fd) == OK ? pthread_create(&w->thread, NULL, run, w) : EMFILE;
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
    for (struct running *r = w->idle, *next; r; r = next) {
        next = r->next;
        mem_free(r);
    }
}
