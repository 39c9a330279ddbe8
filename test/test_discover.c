/* SPDX-License-Identifier: Apache-2.0 */
#include "discover_test.h"
#include "log.h"

#include <fcntl.h>
#include <unistd.h>

/* All of it, and up to MAX_CONFS sources. */
enum { MAX_CONFS = 4 };
struct fixture {
    struct receiver r;
    struct discover *d;
    struct source_conf confs[MAX_CONFS];
    struct source_agent agent;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.r = {.room = SIZE_MAX, .log = BUF_INIT(1 << 20)},
                          .agent = {.instance = "node-1"}};
    surroundings_init(&f->r);
    CHECK_INT(discover_new(&f->d, (struct target_emit){receive, &f->r}, f->r.room_fd, NULL), OK);
}

static void drop_conf(struct source_conf *c)
{
    if (!c->ops)
        return;
    setting_done(c->ops->settings, c->conf);
    mem_free(c->conf);
    setting_done(source_settings, &c->common);
    *c = (struct source_conf){.ops = NULL};
}

static void end(struct fixture *f)
{
    discover_free(f->d);
    for (size_t i = 0; i < MAX_CONFS; i++)
        drop_conf(&f->confs[i]);
    surroundings_done(&f->r);
}

/* pairs: settings of the source; identity is a literal. */
static void conf(struct fixture *f, size_t i, const struct source_ops *ops, const char *name,
                 const char *identity, const char *const *pairs)
{
    struct source_conf *c = &f->confs[i];
    drop_conf(c);
    *c = (struct source_conf){.ops = ops, .identity = (char *)identity};
    c->conf = mem_alloc(ops->conf_size);
    setting_defaults(ops->settings, c->conf);
    setting_defaults(source_settings, &c->common);
    test_env_set(&c->common, "name", name);
    test_env_set(&c->common, "pool", "main");
    for (; *pairs; pairs += 2)
        CHECK_INT(setting_set(setting_find(ops->settings, pairs[0]), c->conf, pairs[1], NULL), OK);
}
#define CONF(f, i, ops, name, identity, ...) \
    conf(f, i, ops, name, identity, (const char *const[]){__VA_ARGS__, NULL})
#define FAKE(f, i, name, identity, which) CONF(f, i, &source_fake, name, identity, "fake", which)

static void set(struct fixture *f, size_t n)
{
    struct err err = {.text = ""};
    enum status s = discover_set(f->d, f->confs, n, &f->agent, &err);
    CHECK_STR(err.text, "");
    CHECK_INT(s, OK);
}

/* With n fakes, named a, b, ... */
static void begin_with(struct fixture *f, size_t n)
{
    static const char *const names[] = {"a", "b"}, *const fake[] = {"0", "1"};
    begin(f);
    for (size_t i = 0; i < n; i++)
        FAKE(f, i, names[i], "1", fake[i]);
    set(f, n);
}

/* The thread has gone round at least once since all that was done before. */
static void go_round(struct fixture *f, size_t n)
{
    set(f, n);
    set(f, n);
}

static struct source_state state(struct fixture *f, size_t i)
{
    struct source_state states[MAX_CONFS] = {{.name = ""}};
    CHECK(discover_states(f->d, states, MAX_CONFS) > i);
    return states[i];
}

TEST(without_sources_all_is_synced_once_that_was_said)
{
    struct fixture f;
    begin(&f);
    CHECK(!discover_synced(f.d));
    go_round(&f, 0);
    CHECK(discover_synced(f.d));
    CHECK_INT(discover_states(f.d, NULL, 0), 0);
    CHECK(clock_mono_ns() - discover_beat_ns(f.d) < 5 * SEC_NS);
    end(&f);
    discover_free(NULL);
}

TEST(sources_are_asked_when_their_descriptors_are_readable)
{
    struct fixture f;
    begin_with(&f, 2);
    script(0, "+x +y");
    check_log(&f.r, "0+x 0+y");
    script(1, "+x !synced");
    check_log(&f.r, "1+x 1!synced");
    go_round(&f, 2);
    CHECK(!discover_synced(f.d));
    CHECK_INT(state(&f, 0).targets, 2);
    CHECK(!state(&f, 0).synced);
    CHECK(state(&f, 1).synced);
    CHECK_STR(state(&f, 1).name, "b");
    CHECK_STR(state(&f, 1).pool, "main");
    CHECK_STR(state(&f, 1).kind, "fake");
    CHECK_INT(state(&f, 1).number - state(&f, 0).number, 1);
    script(0, "-x !synced");
    check_log(&f.r, "0-x 0!synced");
    go_round(&f, 2);
    CHECK(discover_synced(f.d));
    CHECK_INT(state(&f, 0).targets, 1);
    CHECK_INT(discover_states(f.d, NULL, 0), 2);
    FAKE(&f, 2, "c", "1", "2"); /* once ready is always ready */
    go_round(&f, 3);
    CHECK(discover_synced(f.d));
    end(&f);
}

TEST(a_source_without_change_goes_on_untouched)
{
    struct fixture f;
    begin_with(&f, 2);
    script(0, "+x !synced");
    check_log(&f.r, "0+x 0!synced");
    uint32_t number = state(&f, 0).number;
    FAKE(&f, 0, "b", "1", "1"); /* in another order */
    FAKE(&f, 1, "a", "1", "0");
    go_round(&f, 2);
    CHECK_STR(state(&f, 1).name, "a");
    CHECK_INT(state(&f, 1).number, number);
    check_log(&f.r, "0!rank");
    script(0, "+y");
    check_log(&f.r, "0+y");
    end(&f);
}

static void check_ranks(struct receiver *r, const char *want)
{
    AUTO(buf) struct buf got = BUF_INIT(1000);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->len; i++)
        (void)!buf_printf(&got, "%s%s=%u", i ? " " : "", r->held[i].id, r->held[i].rank);
    pthread_mutex_unlock(&r->lock);
    CHECK_STR(got.data, want);
}

TEST(a_source_tells_its_place_in_the_file_with_its_targets_and_anew_after_a_reload)
{
    struct fixture f;
    begin_with(&f, 2);
    script(0, "+x +y !synced");
    check_log(&f.r, "0+x 0+y 0!synced");
    script(1, "+z !synced");
    check_log(&f.r, "1+z 1!synced");
    check_ranks(&f.r, "x=0 y=0 z=1");
    give_room(&f.r, 0);
    FAKE(&f, 0, "b", "1", "1");
    FAKE(&f, 1, "c", "1", "2");
    FAKE(&f, 2, "a", "1", "0");
    set(&f, 3);
    check_refused_soon(&f.r);
    check_ranks(&f.r, "x=0 y=0 z=1");
    give_room(&f.r, SIZE_MAX);
    check_log(&f.r, "1!rank 0!rank");
    check_ranks(&f.r, "x=2 y=2 z=0");
    go_round(&f, 3);
    check_log(&f.r, ""); /* once */
    script(0, "+w");
    check_log(&f.r, "0+w");
    check_ranks(&f.r, "x=2 y=2 z=0 w=2");
    end(&f);
}

TEST(a_changed_source_hands_its_targets_over_when_it_has_synced)
{
    struct fixture f;
    begin_with(&f, 1);
    script(0, "+x +y !synced");
    check_log(&f.r, "0+x 0+y 0!synced");
    FAKE(&f, 0, "a", "2", "1");
    go_round(&f, 1);
    CHECK_INT(state(&f, 0).targets, 0);
    check_log(&f.r, "");
    script(1, "+x");
    check_log(&f.r, "1+x");
    go_round(&f, 1);
    check_log(&f.r, "");
    script(1, "!synced");
    check_log(&f.r, "1!synced 0-y 0-x");
    end(&f);
}

TEST(a_successor_that_is_replaced_before_it_syncs_leaves_the_hand_over_to_the_next)
{
    struct fixture f;
    begin_with(&f, 1);
    script(0, "+x !synced");
    check_log(&f.r, "0+x 0!synced");
    FAKE(&f, 0, "a", "2", "1");
    set(&f, 1);
    script(1, "+x");
    check_log(&f.r, "1+x");
    FAKE(&f, 0, "a", "3", "2");
    go_round(&f, 1);
    check_log(&f.r, "");
    script(2, "+x !synced");
    check_log(&f.r, "2+x 2!synced 1-x 0-x");
    end(&f);
}

TEST(the_first_failure_of_a_successor_ends_the_hand_over)
{
    struct fixture f;
    begin_with(&f, 1);
    script(0, "+x !synced");
    check_log(&f.r, "0+x 0!synced");
    FAKE(&f, 0, "a", "2", "1");
    set(&f, 1);
    script(1, "=io");
    check_log(&f.r, "0-x");
    go_round(&f, 1);
    CHECK_INT(state(&f, 0).last_error.status, ERR_IO);
    CHECK_STR(state(&f, 0).last_error.text, "no answer");
    script(1, "=ok +x");
    check_log(&f.r, "1+x");
    go_round(&f, 1);
    CHECK_INT(state(&f, 0).last_error.status, OK);
    end(&f);
}

TEST(a_successor_whose_peer_is_away_has_not_failed_until_it_is_denied)
{
    struct fixture f;
    begin(&f);
    CONF(&f, 0, &source_follower, "a", "1", "fake", "0");
    set(&f, 1);
    script(0, "+x +y !synced");
    check_log(&f.r, "0+x 0+y 0!synced");
    CONF(&f, 0, &source_follower, "a", "2", "fake", "1");
    set(&f, 1);
    script(1, "=io");
    go_round(&f, 1);
    CHECK_INT(state(&f, 0).last_error.status, ERR_IO);
    check_log(&f.r, "");
    script(1, "=ok +x !synced");
    check_log(&f.r, "1+x 1!synced 0-y 0-x");
    CONF(&f, 0, &source_follower, "a", "3", "fake", "2");
    set(&f, 1);
    fakes[2].leased = true; /* what was there by a lease goes with it */
    script(2, "=denied +x");
    check_log(&f.r, "2+x 1-x");
    CONF(&f, 0, &source_follower, "a", "4", "fake", "0");
    set(&f, 1);
    check_log(&f.r, "2-x");
    end(&f);
}

TEST(a_source_that_is_gone_takes_its_targets_along)
{
    struct fixture f;
    begin_with(&f, 1);
    script(0, "+x +y +z -y !synced");
    check_log(&f.r, "0+x 0+y 0+z 0-y 0!synced");
    give_room(&f.r, 1);
    go_round(&f, 0);
    check_log(&f.r, "0-z");
    check_refused_soon(&f.r);
    give_room(&f.r, 1);
    check_log(&f.r, "0-x");
    end(&f);
}

TEST(what_was_not_added_since_a_resync_is_not_removed_again)
{
    struct fixture f;
    begin_with(&f, 1);
    script(0, "+x +y !synced !resync +y +z -x !synced -none");
    check_log(&f.r, "0+x 0+y 0!synced 0!resync 0+y 0+z 0-x 0!synced");
    script(0, "!resync +z !synced"); /* y is gone by this */
    check_log(&f.r, "0!resync 0+z 0!synced");
    go_round(&f, 1);
    CHECK_INT(state(&f, 0).targets, 1);
    set(&f, 0);
    check_log(&f.r, "0-z");
    end(&f);
}

TEST(one_scrape_more_is_asked_for_of_known_targets_only)
{
    struct fixture f;
    begin_with(&f, 1);
    script(0, "*x +x *x *y +y !synced *y -x *x");
    check_log(&f.r, "0+x 0*x 0+y 0!synced 0*y 0-x");
    give_room(&f.r, 0);
    script(0, "*y");
    check_refused_soon(&f.r);
    give_room(&f.r, 10);
    check_log(&f.r, "0*y");
    set(&f, 0);
    check_log(&f.r, "0-y");
    end(&f);
}

TEST(a_source_that_minds_no_bound_is_bounded_all_the_same)
{
    struct fixture f;
    begin(&f);
    FAKE(&f, 0, "a", "1", "0");
    test_env_set(&f.confs[0].common, "targets", "2");
    set(&f, 1);
    script(0, "+a +b +c +a -c -b +d !synced -d +b");
    check_log(&f.r, "0+a 0+b 0+a 0-b 0+d 0!synced 0-d 0+b");
    script(0, "!resync +c +d +e !resync +e +f");
    check_log(&f.r, "0!resync 0+c 0+d 0!resync");
    go_round(&f, 1);
    CHECK_INT(state(&f, 0).targets, 4);
    CHECK_INT(state(&f, 0).refused, 4);
    script(0, "!synced +e");
    check_log(&f.r, "0!synced 0+e");
    end(&f);
}

TEST(an_open_that_fails_changes_nothing)
{
    struct fixture f;
    struct err err;
    begin_with(&f, 1);
    script(0, "+x !synced");
    check_log(&f.r, "0+x 0!synced");
    uint32_t number = state(&f, 0).number;
    FAKE(&f, 0, "a", "2", "2");
    FAKE(&f, 1, "b", "1", "1");
    CONF(&f, 2, &source_fake, "c", "1", "refuse", "true");
    CHECK_INT(discover_set(f.d, f.confs, 3, &f.agent, &err), ERR_INVALID);
    CHECK_STR(err.text, "c: refused");
    CHECK_INT(discover_set(f.d, f.confs, 3, &f.agent, NULL), ERR_INVALID);
    FAKE(&f, 2, "b", "1", "2");
    CHECK_INT(discover_set(f.d, f.confs, 3, &f.agent, &err), ERR_INVALID);
    CHECK_STR(err.text, "two sources are called b");
    mem_free(f.confs[0].common.http.user);
    mem_free(f.confs[0].common.http.bearer);
    f.confs[0].common.http.user = mem_strdup("u");
    f.confs[0].common.http.bearer = mem_strdup("t");
    CHECK_INT(discover_set(f.d, f.confs, 1, &f.agent, &err), ERR_INVALID);
    CHECK_STR(err.text, "a: user and bearer exclude each other");
    CHECK_INT(discover_states(f.d, NULL, 0), 1);
    CHECK_INT(state(&f, 0).number, number);
    script(0, "+y");
    check_log(&f.r, "0+y");
    end(&f);
}

TEST(a_source_that_waits_for_room_is_not_asked_until_there_is)
{
    struct fixture f;
    begin(&f);
    give_room(&f.r, 1);
    FAKE(&f, 0, "a", "1", "0");
    FAKE(&f, 1, "b", "1", "1");
    set(&f, 2);
    script(0, "+x +y");
    check_log(&f.r, "0+x");
    check_refused_soon(&f.r);
    go_round(&f, 2);
    pthread_mutex_lock(&fakes[0].lock);
    size_t calls = fakes[0].calls;
    pthread_mutex_unlock(&fakes[0].lock);
    eventfd_write(fakes[0].fd, 1); /* readable, and yet not asked: but now and then */
    for (int i = 0; i < 100; i++)
        set(&f, 2);
    pthread_mutex_lock(&fakes[0].lock);
    calls = fakes[0].calls - calls;
    pthread_mutex_unlock(&fakes[0].lock);
    CHECK(calls < 20);
    int64_t until_ns = clock_mono_ns() + 20 * MS_NS, beat_ns = 0;
    unsigned beats = 0; /* the loop does not spin either */
    while (clock_mono_ns() < until_ns) {
        beats += beat_ns != discover_beat_ns(f.d);
        beat_ns = discover_beat_ns(f.d);
    }
    CHECK(beats < 10);
    give_room(&f.r, 1);
    check_log(&f.r, "0+y");
    end(&f);
}

TEST(sources_that_wait_for_room_take_turns)
{
    struct fixture f;
    begin(&f);
    give_room(&f.r, 0);
    FAKE(&f, 0, "a", "1", "0");
    FAKE(&f, 1, "b", "1", "1");
    set(&f, 2);
    int64_t start_ns = clock_mono_ns();
    script(0, "+a +b +c +d +e +f +g +h +i");
    check_refused_soon(&f.r);
    script(1, "+z");
    check_refused_soon(&f.r);
    for (size_t n = 1; n <= 8; n++) {
        give_room(&f.r, 1);
        pthread_mutex_lock(&f.r.lock);
        wait_for(&f.r, were_told, &n);
        pthread_mutex_unlock(&f.r.lock);
    }
    pthread_mutex_lock(&f.r.lock);
    bool found = strstr(f.r.log.data, "+z") != NULL;
    pthread_mutex_unlock(&f.r.lock);
    CHECK(found);
    CHECK(clock_mono_ns() - start_ns < 4 * SEC_NS); /* each at once, not at the next beat */
    end(&f);
}

TEST(after_the_receiver_has_closed_nothing_is_told)
{
    struct fixture f;
    begin_with(&f, 1);
    script(0, "+x");
    check_log(&f.r, "0+x");
    pthread_mutex_lock(&f.r.lock);
    f.r.closed = true;
    pthread_mutex_unlock(&f.r.lock);
    script(0, "+y");
    go_round(&f, 1);
    go_round(&f, 0);
    check_log(&f.r, "");
    end(&f);
}

TEST(refused_targets_are_shown_with_their_source)
{
    struct fixture f;
    begin(&f);
    CONF(&f, 0, source_find("static"), "s", "1", "targets", "x", "targets", "y", "targets", "x");
    CONF(&f, 1, source_find("static"), "t", "1", "targets", "y", "targets", "z");
    test_env_set(&f.confs[1].common, "targets", "1");
    set(&f, 2);
    check_log(&f.r, "0+http://x:80/metrics 0+http://y:80/metrics 0!synced "
                    "1+http://y:80/metrics 1!synced");
    AUTO(buf) struct buf out = BUF_INIT(1000);
    discover_refused(f.d, &out);
    CHECK_STR(out.data, "s: x: is there already\nt: z: above the bound of 1 targets\n");
    CHECK_INT(state(&f, 0).refused, 1);
    end(&f);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

TEST(a_file_is_followed_by_the_thread)
{
    struct fixture f;
    char folder[] = "/tmp/strata-discover-XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/t.json", folder);
    begin(&f);
    CONF(&f, 0, source_find("file"), "f", "1", "files", path);
    set(&f, 1);
    check_log(&f.r, "0!synced");
    write_file(path, "[{\"targets\": [\"x\"]}]");
    check_log(&f.r, "0+http://x:80/metrics");
    unlink(path);
    check_log(&f.r, "0-http://x:80/metrics");
    end(&f);
    rmdir(folder);
}

/* Gives room by ones and tens, as the registry would, until it is told to stop. */
struct giver {
    struct receiver *r;
    _Atomic bool stop;
};

static void *give(void *arg)
{
    struct giver *g = arg;
    for (unsigned i = 0; !g->stop; i++) {
        pthread_mutex_lock(&g->r->lock);
        bool full = g->r->room == 0;
        g->r->room += full ? 1 + i % 20 : 0;
        if (!full) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += MS_NS;
            if (until.tv_nsec < SEC_NS)
                pthread_cond_timedwait(&g->r->told, &g->r->lock, &until);
        }
        pthread_mutex_unlock(&g->r->lock);
        if (full)
            eventfd_write(g->r->room_fd, 1);
    }
    return NULL;
}

/* Source i of reload n: some change each time, some go on. */
static void conf_of_reload(struct fixture *f, size_t i, unsigned n)
{
    static char identities[MAX_CONFS][20];
    static const char *const names[MAX_CONFS] = {"a", "b", "c", "d"};
    unsigned version = n / (unsigned)(i + 1);
    snprintf(identities[i], sizeof identities[i], "%u", version);
    CONF(f, i, source_find("static"), names[i], identities[i], NULL);
    const struct setting *targets = setting_find(f->confs[i].ops->settings, "targets");
    for (unsigned k = 0; k < 8; k++) {
        char url[32];
        snprintf(url, sizeof url, "h%u:%zu", version + k, i + 1);
        CHECK_INT(setting_set(targets, f->confs[i].conf, url, NULL), OK);
    }
}

/* What the last reload leaves. */
struct last_set {
    struct source_state states[MAX_CONFS];
    size_t len;
};

static bool is_last_set(const struct receiver *r, const void *arg)
{
    const struct last_set *last = arg;
    if (r->len != 8 * last->len)
        return false;
    for (size_t i = 0; i < last->len; i++)
        for (unsigned k = 0; k < 8; k++) {
            char id[64];
            snprintf(id, sizeof id, "http://h%u:%zu/metrics", 99 / (unsigned)(i + 1) + k, i + 1);
            if (find_held(r, last->states[i].number, id) == r->len)
                return false;
        }
    return true;
}

TEST(a_hundred_reloads_while_sources_speak_end_with_exactly_the_last_set)
{
    struct fixture f;
    begin(&f);
    give_room(&f.r, 0);
    struct giver g = {.r = &f.r};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, give, &g), 0);
    size_t len = MAX_CONFS;
    for (unsigned n = 0; n < 100; n++) {
        len = n % 7 == 3 ? 2 : MAX_CONFS;
        for (size_t i = 0; i < MAX_CONFS; i++)
            conf_of_reload(&f, i, n);
        if (discover_set(f.d, f.confs, len, &f.agent, NULL) != OK)
            abort();
    }
    struct last_set last = {.len = len};
    size_t sources = discover_states(f.d, last.states, MAX_CONFS);
    pthread_mutex_lock(&f.r.lock);
    wait_for(&f.r, is_last_set, &last);
    bool reached = is_last_set(&f.r, &last);
    pthread_mutex_unlock(&f.r.lock);
    go_round(&f, len); /* and it stays so */
    pthread_mutex_lock(&f.r.lock);
    bool stays = is_last_set(&f.r, &last);
    pthread_mutex_unlock(&f.r.lock);
    g.stop = true;
    pthread_join(thread, NULL);
    CHECK_INT(sources, len);
    CHECK(reached);
    CHECK(stays);
    end(&f);
}
