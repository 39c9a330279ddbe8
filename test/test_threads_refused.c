/* SPDX-License-Identifier: Apache-2.0 */
/* test_threads_refused.c - the system gives no thread: whoever asks says so and holds nothing back.
 *
 * pthread_create of our own code leads here (-Wl,--wrap); shared libraries have theirs.  */
#include "discover.h"
#include "lane_spooled.h"
#include "lookup.h"
#include "pool.h"
#include "registry.h"
#include "sink_run.h"
#include "web.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The linker's names.  NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);
/* NOLINTEND(bugprone-reserved-identifier) */

static _Atomic int granted = INT_MAX; /* so many threads are still given */
static _Atomic int refused;

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
    if (granted-- > 0)
        return __real_pthread_create(t, a, run, arg);
    refused++;
    return EAGAIN;
}

static size_t count_in(const char *folder)
{
    DIR *d = opendir(folder);
    size_t n = 0;
    CHECK(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* After that many threads no more are given; what is open now must be all that is open in the end. */
static size_t grant(int n)
{
    granted = n;
    refused = 0;
    return count_in("/proc/self/fd");
}

static void check_refused(enum status s, enum status want, const struct err *err, size_t open)
{
    granted = INT_MAX;
    CHECK_INT(s, want);
    CHECK_INT(err->status, want);
    CHECK(strstr(err->text, "thread") != NULL);
    CHECK(strstr(err->text, strerror(EAGAIN)) != NULL);
    CHECK(refused > 0);
    CHECK_INT(count_in("/proc/self/fd"), open);
}

TEST(a_lane_without_a_thread_is_none_and_its_sink_is_closed)
{
    struct rig *r = rig_new();
    struct err err = {.text = ""};
    setting_defaults(r->conf.encoder->settings, r->encoder_conf);
    r->conf.encoder_conf = r->encoder_conf;
    size_t open = grant(0);
    check_refused(lane_new(&r->lane, &r->conf, &r->books, &err), ERR_IO, &err, open);
    CHECK(r->lane == NULL);
    CHECK_INT(r->fake.closes, 1);
    r->fake.closes = 0;
    CHECK_INT(lane_new(&r->lane, &r->conf, &r->books, &err), OK);
    rig_scrape(r, "a", 1000, "a 1\n");
    WAIT(r->books.delivered == 1);
    rig_finish(r);
}

TEST(a_lane_with_a_spool_needs_two_threads_and_without_one_of_them_is_none)
{
    for (int n = 0; n < 2; n++) {
        struct spooled t;
        struct err err = {.text = ""};
        spooled_init(&t, LANE_ALWAYS);
        setting_defaults(t.r->conf.encoder->settings, t.r->encoder_conf);
        t.r->conf.encoder_conf = t.r->encoder_conf;
        size_t open = grant(n);
        check_refused(lane_new(&t.r->lane, &t.r->conf, &t.r->books, &err), ERR_IO, &err, open);
        CHECK(t.r->lane == NULL);
        CHECK_INT(t.r->fake.closes, 1);
        CHECK_INT(lane_new(&t.r->lane, &t.r->conf, &t.r->books, &err), OK);
        rig_scrape(t.r, "a", 1000, "a 1\n");
        WAIT(t.r->books.delivered == 1);
        spooled_done(&t);
    }
}

TEST(a_pool_without_one_of_its_workers_ends_the_others_and_leaves_the_pipeline)
{
    for (int n = 0; n < 3; n++) {
        struct pool_books books = {0};
        struct pipeline pipeline;
        struct pool_conf conf = {.name = NULL};
        struct pool *p = NULL;
        struct err err = {.text = ""};
        setting_defaults(pool_settings, &conf);
        conf.workers = 3;
        conf.max_connections = 6;
        CHECK_INT(pipeline_init(&pipeline, NULL, NULL, 0, NULL, 0, &books, &err), OK);
        size_t open = grant(n);
        check_refused(pool_new(&p, &conf, &pipeline, &err), ERR_IO, &err, open);
        CHECK(p == NULL);
        CHECK(pipeline.books == &books);
        CHECK_INT(pool_new(&p, &conf, &pipeline, &err), OK);
        pool_close(p);
        pool_free(p);
        setting_done(pool_settings, &conf);
    }
}

TEST(a_registry_without_a_thread_can_be_started_once_there_is_one)
{
    struct err err = {.text = ""};
    size_t before = count_in("/proc/self/fd");
    struct registry *r = registry_new(&(struct registry_conf){.max_targets = 10});
    granted = 0;
    enum status s = registry_start(r, &err);
    granted = INT_MAX;
    CHECK_INT(s, ERR_IO);
    CHECK_STR(err.text, "registry: no thread: Resource temporarily unavailable");
    CHECK_INT(registry_start(r, &err), OK);
    registry_stop(r);
    registry_free(r);
    r = registry_new(&(struct registry_conf){.max_targets = 10});
    grant(0);
    CHECK_INT(registry_start(r, &err), ERR_IO);
    granted = INT_MAX;
    registry_free(r);
    CHECK_INT(count_in("/proc/self/fd"), before);
}

TEST(a_web_without_a_thread_frees_its_port)
{
    struct err err = {.text = ""};
    struct web *w = NULL;
    struct web_conf conf = {.listen = "127.0.0.1:0"};
    CHECK_INT(web_new(&w, &conf, &err), OK); /* what libevent keeps is open from now on */
    web_free(w);
    w = NULL;
    size_t open = grant(0);
    check_refused(web_new(&w, &conf, &err), ERR_IO, &err, open);
    CHECK(w == NULL);
}

static enum status take_nothing(void *to, const struct target_event *e)
{
    (void)to;
    (void)e;
    return OK;
}

TEST(discovery_without_a_thread_is_none)
{
    struct err err = {.text = ""};
    struct discover *d = NULL;
    struct target_emit emit = {.call = take_nothing};
    int room = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    size_t open = grant(0);
    check_refused(discover_new(&d, emit, room, &err), ERR_IO, &err, open);
    CHECK(d == NULL);
    CHECK_INT(discover_new(&d, emit, room, &err), OK);
    discover_free(d);
    close(room);
}

TEST(a_look_up_without_a_thread_is_to_be_tried_again)
{
    struct err err = {.text = ""};
    struct lookup *l = NULL;
    size_t open = grant(0);
    check_refused(lookup_start(&l, "localhost", "1", &err), ERR_AGAIN, &err, open);
    CHECK(l == NULL);
}

static enum status send_one(struct sink_run *run)
{
    struct payload *p = sink_run_payload(run, "x", 1);
    CHECK_INT(buf_puts(&p->address, "metrics"), OK);
    run->err = (struct err){.status = OK};
    enum status s = run->ops->send(run->self, p, clock_mono_ns() + SEC_NS, &run->err);
    if (s != OK)
        payload_free(p);
    return s;
}

/* What a sink has not taken is still the caller's, and the next send finds all as it was. */
static void check_sink(const char *name, const char *setting, const char *text)
{
    struct sink_run run;
    size_t before = count_in("/proc/self/fd");
    if (sink_run_open(&run, name, (const char *const[]){setting, text, NULL}) != OK)
        test_fail(__FILE__, __LINE__, "%s", run.err.text);
    grant(0);
    enum status s = send_one(&run);
    int asked = refused;
    granted = INT_MAX;
    CHECK_INT(asked, 1);
    CHECK(strstr(run.err.text, "thread") != NULL);
    CHECK(status_retryable(s));
    s = send_one(&run); /* there is nobody at that port */
    CHECK(strstr(run.err.text, "thread") == NULL);
    CHECK(s == OK || status_retryable(s));
    sink_run_close(&run);
    WAIT(count_in("/proc/self/fd") <= before);
}

TEST(sinks_that_get_no_thread_to_connect_say_so_and_try_again)
{
    check_sink("nats", "servers", "nats://127.0.0.1:1");
    check_sink("fluent", "servers", "tcp://localhost:1");
    check_sink("statsd", "address", "localhost:1");
}

TEST(a_kafka_producer_is_freed_in_place_when_there_is_no_thread_for_that)
{
    struct sink_run run;
    size_t before = count_in("/proc/self/task");
    const char *const settings[] = {"brokers", "127.0.0.1:1", "topic", "metrics", NULL};
    if (sink_run_open(&run, "kafka", settings) != OK)
        test_fail(__FILE__, __LINE__, "%s", run.err.text);
    enum status s = send_one(&run);
    CHECK(s == OK || status_retryable(s));
    grant(0);
    sink_run_close(&run);
    int asked = refused;
    granted = INT_MAX;
    CHECK_INT(asked, 1);
    WAIT(count_in("/proc/self/task") <= before);
}
