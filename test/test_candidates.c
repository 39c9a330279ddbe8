/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all that was found: made by the discovery thread for whoever asks. */
#include "clock.h"
#include "discover_test.h"
#include "log.h"

#include <semaphore.h>
#include <unistd.h>

enum { MANY = 60000, ASKERS = 4 };

/* What the source of these tests says when it is asked. */
static sem_t entered, gate;
static _Atomic bool gated;
static size_t many;

static size_t tell_candidates(const void *self, const struct source_candidates *to)
{
    (void)self;
    char id[101];
    if (gated) {
        sem_post(&entered);
        sem_wait(&gate);
    }
    to->one(to->of, &(struct source_candidate){.id = "x", .url = "http://x:1/metrics"});
    to->one(to->of, &(struct source_candidate){.id = "y", .why = "no annotation"});
    for (size_t i = 0; i < many; i++) {
        snprintf(id, sizeof id, "%0100zu", i);
        to->one(to->of, &(struct source_candidate){.id = id, .why = "because"});
    }
    return 3;
}

static bool tell_watching(const void *self, struct source_watching *ret)
{
    (void)self;
    *ret = (struct source_watching){.collections = 2, .object_bytes = 77};
    return true;
}

struct fixture {
    struct receiver r;
    struct discover *d;
    struct source_ops told;
    struct source_conf confs[3];
    struct source_agent agent;
};

static void add_conf(struct fixture *f, size_t i, const struct source_ops *ops, const char *name,
                     const char *setting, const char *value)
{
    struct source_conf *c = &f->confs[i];
    *c = (struct source_conf){.ops = ops, .identity = (char *)"1"};
    c->conf = mem_alloc(ops->conf_size);
    setting_defaults(ops->settings, c->conf);
    setting_defaults(source_settings, &c->common);
    test_env_set(&c->common, "name", name);
    test_env_set(&c->common, "pool", "main");
    CHECK_INT(setting_set(setting_find(ops->settings, setting), c->conf, value, NULL), OK);
}

/* Source a says what tell_candidates does, b knows nothing but its targets, c is a fixed list. */
static void begin(struct fixture *f)
{
    *f = (struct fixture){.r = {.room = SIZE_MAX, .log = BUF_INIT(1 << 20)},
                          .agent = {.instance = "node-1"},
                          .told = source_fake};
    f->told.candidates = tell_candidates;
    f->told.watching = tell_watching;
    many = 0;
    gated = false;
    sem_init(&entered, 0, 0);
    sem_init(&gate, 0, 0);
    surroundings_init(&f->r);
    add_conf(f, 0, &f->told, "a", "fake", "0");
    add_conf(f, 1, &source_fake, "b", "fake", "1");
    add_conf(f, 2, source_find("static"), "c", "targets", "http://h:1/m");
    CHECK_INT(discover_new(&f->d, (struct target_emit){receive, &f->r}, f->r.room_fd, NULL), OK);
    CHECK_INT(discover_set(f->d, f->confs, 2, &f->agent, NULL), OK);
}

static void end(struct fixture *f)
{
    discover_free(f->d);
    for (size_t i = 0; i < ARRAY_LEN(f->confs); i++) {
        setting_done(f->confs[i].ops->settings, f->confs[i].conf);
        mem_free(f->confs[i].conf);
        setting_done(source_settings, &f->confs[i].common);
    }
    surroundings_done(&f->r);
    sem_destroy(&entered);
    sem_destroy(&gate);
}

static struct discover_candidates *ask(struct fixture *f)
{
    struct discover_candidates *c = NULL;
    CHECK_INT(discover_candidates(f->d, clock_mono_ns() + 10 * SEC_NS, &c, NULL), OK);
    return c;
}

TEST(all_that_was_found_is_told_with_its_reason)
{
    struct fixture f;
    begin(&f);
    script(1, "+t !synced");
    check_log(&f.r, "0+t 0!synced");
    struct discover_candidates *c = ask(&f);
    CHECK_INT(c->len, 3);
    CHECK_INT(c->left_out, 3);
    CHECK_STR(c->all[0].source_name, "a");
    CHECK_STR(c->all[0].id, "x");
    CHECK_STR(c->all[0].url, "http://x:1/metrics");
    CHECK(!c->all[0].why);
    CHECK_STR(c->all[1].id, "y");
    CHECK_STR(c->all[1].why, "no annotation");
    CHECK(!c->all[1].url);
    CHECK_STR(c->all[2].source_name, "b");
    CHECK_STR(c->all[2].id, "t");
    CHECK(!c->all[2].why);
    CHECK_INT(c->all[2].source - c->all[0].source, 1);
    discover_candidates_unref(c);
    discover_candidates_unref(NULL);
    end(&f);
}

TEST(a_fixed_list_tells_its_targets_and_what_it_refused)
{
    struct fixture f;
    begin(&f);
    struct text_list *targets =
        (void *)((char *)f.confs[2].conf +
                 setting_find(source_find("static")->settings, "targets")->offset);
    for (size_t i = targets->len; i < 700;
         i++) /* "... is there already": more than lines have room */
        CHECK_INT(setting_set(setting_find(source_find("static")->settings, "targets"),
                              f.confs[2].conf, "http://h:1/m", NULL),
                  OK);
    CHECK_INT(targets->len, 700);
    CHECK_INT(discover_set(f.d, f.confs, 3, &f.agent, NULL), OK);
    check_log(&f.r, "0+http://h:1/m 0!synced");
    struct discover_candidates *c = ask(&f);
    CHECK(c->len > 100);
    CHECK_INT(c->len + c->left_out, 700 + 2 + 3);
    CHECK_STR(c->all[2].id, "http://h:1/m");
    CHECK_STR(c->all[2].url, "http://h:1/m");
    CHECK(!c->all[2].why);
    CHECK_STR(c->all[3].id, "http://h:1/m");
    CHECK_STR(c->all[3].why, "is there already");
    CHECK(!c->all[3].url);
    discover_candidates_unref(c);
    end(&f);
}

TEST(a_list_is_bounded_and_says_how_much_it_left_out)
{
    struct fixture f;
    begin(&f);
    many = MANY;
    struct discover_candidates *c = ask(&f);
    CHECK(c->bytes <= DISCOVER_CANDIDATES_BYTES);
    CHECK(c->bytes > DISCOVER_CANDIDATES_BYTES - 1000);
    CHECK(c->len < MANY);
    CHECK_INT(c->len + c->left_out, MANY + 2 + 3);
    discover_candidates_unref(c);
    end(&f);
}

static void *ask_often(void *of)
{
    for (int i = 0; i < 20; i++) {
        struct discover_candidates *c = NULL;
        if (discover_candidates(of, clock_mono_ns() + 10 * SEC_NS, &c, NULL) != OK || c->len != 2)
            abort();
        discover_candidates_unref(c);
    }
    return NULL;
}

TEST(several_may_ask_at_once)
{
    struct fixture f;
    pthread_t threads[ASKERS];
    begin(&f);
    for (size_t i = 0; i < ASKERS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, ask_often, f.d), 0);
    for (size_t i = 0; i < ASKERS; i++)
        pthread_join(threads[i], NULL);
    end(&f);
}

TEST(one_whose_deadline_passes_goes_and_the_next_is_answered)
{
    struct fixture f;
    struct discover_candidates *c = NULL;
    struct err err = {.text = ""};
    begin(&f);
    gated = true;
    CHECK_INT(discover_candidates(f.d, clock_mono_ns() + 5 * MS_NS, &c, &err), ERR_TIMEOUT);
    CHECK_STR(err.text, "discovery has not answered in time");
    CHECK(!c);
    gated = false;
    sem_post(&gate);
    c = ask(&f);
    CHECK_INT(c->len, 2);
    discover_candidates_unref(c);
    end(&f);
}

static void *ask_until_closed(void *of)
{
    struct discover_candidates *c = NULL;
    if (discover_candidates(of, DEADLINE_NEVER, &c, NULL) != ERR_CLOSED || c)
        abort();
    sem_post(&gate);
    return NULL;
}

TEST(who_asks_while_discovery_stops_is_let_go)
{
    struct fixture f;
    pthread_t thread;
    begin(&f);
    gated = true;
    CHECK_INT(pthread_create(&thread, NULL, ask_until_closed, f.d), 0);
    sem_wait(&entered);
    end(&f);
    pthread_join(thread, NULL);
}

TEST(what_watches_do_is_in_the_state)
{
    struct fixture f;
    struct source_state states[2];
    begin(&f);
    CHECK_INT(discover_states(f.d, states, 2), 2);
    CHECK(states[0].follows);
    CHECK_INT(states[0].watching.collections, 2);
    CHECK_INT(states[0].watching.object_bytes, 77);
    CHECK(!states[1].follows);
    end(&f);
}
