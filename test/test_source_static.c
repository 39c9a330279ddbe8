/* SPDX-License-Identifier: Apache-2.0 */
#include "relabel_test.h"
#include "sources.h"
#include "sources_test.h"

/* Opens the source with these targets and one label; its conf is freed again. */
static enum status open_static(void **ret, const struct test_env *e, const char *const *targets,
                               struct err *err)
{
    const struct source_ops *ops = source_find("static");
    CHECK(ops != NULL);
    _Alignas(max_align_t) char conf[256] = {0};
    CHECK(ops->conf_size <= sizeof conf);
    setting_defaults(ops->settings, conf);
    for (; *targets; targets++)
        CHECK_INT(setting_set(setting_find(ops->settings, "targets"), conf, *targets, err), OK);
    CHECK_INT(setting_put(setting_find(ops->settings, "labels"), conf, "job", "node", err), OK);
    enum status s = ops->open(ret, conf, &e->env, err);
    setting_done(ops->settings, conf);
    return s;
}
#define TARGETS(...) ((const char *const[]){__VA_ARGS__, NULL})

TEST(sources_are_found_by_their_names)
{
    CHECK_STR(source_find("static")->name, "static");
    CHECK_STR(source_find("file")->name, "file");
    CHECK(source_find("") == NULL);
    size_t n = 0;
    for (; source_all()[n]; n++)
        CHECK(source_find(source_all()[n]->name) == source_all()[n]);
    CHECK(n >= 2);
}

TEST(a_static_source_tells_its_list_once_and_ends)
{
    struct test_env e;
    void *self;
    const struct source_ops *ops = source_find("static");
    struct test_receiver r = TEST_RECEIVER;
    struct target_emit emit = {test_receive, &r};
    test_env_init(&e);
    CHECK_INT(open_static(&self, &e, TARGETS("a", "b:1"), NULL), OK);
    CHECK_INT(ops->fd(self), -1);
    CHECK_INT(ops->timer_ns(self), DEADLINE_NOW);
    CHECK_INT(ops->ready(self, &emit, NULL), ERR_CLOSED);
    CHECK_INT(ops->timer_ns(self), DEADLINE_NEVER);
    CHECK_STR(r.text.data, "+http://a:80/metrics +http://b:1/metrics synced");
    ops->close(self);
    buf_done(&r.text);
    test_env_done(&e);
}

TEST(a_static_source_loses_nothing_to_a_receiver_with_room_for_one)
{
    struct test_env e;
    void *self;
    const struct source_ops *ops = source_find("static");
    struct test_receiver r = TEST_RECEIVER;
    struct target_emit emit = {test_receive, &r};
    test_env_init(&e);
    CHECK_INT(open_static(&self, &e, TARGETS("a", "b", "c"), NULL), OK);
    int asked = 0;
    do {
        r.room = 1;
        asked++;
    } while (ops->ready(self, &emit, NULL) == ERR_AGAIN);
    CHECK_INT(asked, 4);
    CHECK_STR(r.text.data, "+http://a:80/metrics +http://b:80/metrics +http://c:80/metrics synced");
    ops->close(self);
    buf_done(&r.text);
    test_env_done(&e);
}

static void count(void *to, const char *setting, size_t item, const char *text)
{
    (void)setting, (void)item, (void)text;
    ++*(size_t *)to;
}

/* Rules that keep what is on port 1, and put a domain behind the host. */
TEST(rules_drop_and_move_targets_of_a_list)
{
    struct test_env e;
    void *self;
    const struct source_ops *ops = source_find("static");
    struct test_receiver r = TEST_RECEIVER;
    struct target_emit emit = {test_receive, &r};
    AUTO(buf) struct buf lines = BUF_INIT(1000);
    const struct rule rules[MAX_RULES] = {
        {.action = "keep", .source = "__address__", .regex = ".*:1"},
        {.source = "__address__",
         .regex = "(.)(.*)",
         .target = "__address__",
         .replacement = "$1.example$2"}};
    test_env_init(&e);
    AUTO_PTR(relabel) struct relabel *relabel = make(rules);
    e.env.relabel = relabel;
    CHECK_INT(open_static(&self, &e, TARGETS("a:1", "b:2"), NULL), OK);
    CHECK_INT(ops->ready(self, &emit, NULL), ERR_CLOSED);
    CHECK_STR(r.text.data, "+http://a.example:1/metrics synced");
    CHECK_INT(ops->refused(self, &lines), 0);
    CHECK_STR(lines.data, "b:2: dropped by relabel[0] (keep)\n");
    ops->close(self);
    buf_done(&r.text);
    test_env_done(&e);
}

TEST(labels_of_a_list_are_good_whatever_rules_do_to_other_targets)
{
    struct test_env e;
    const struct source_ops *ops = source_find("static");
    const struct rule rules[MAX_RULES] = {
        {.source = "__address__", .regex = "l.*", .target = "__scheme__", .replacement = "ftp"}};
    AUTO_PTR(relabel) struct relabel *relabel = make(rules);
    _Alignas(max_align_t) char conf[256] = {0};
    size_t faults = 0;
    test_env_init(&e);
    e.env.relabel = relabel;
    setting_defaults(ops->settings, conf);
    CHECK_INT(setting_set(setting_find(ops->settings, "targets"), conf, "a:1", NULL), OK);
    ops->check(conf, &e.env, &(struct setting_report){count, &faults});
    CHECK_INT(faults, 0);
    CHECK_INT(setting_set(setting_find(ops->settings, "targets"), conf, "l:1", NULL), OK);
    ops->check(conf, &e.env, &(struct setting_report){count, &faults});
    CHECK_INT(faults, 1);
    setting_done(ops->settings, conf);
    test_env_done(&e);
}

TEST(a_static_source_closed_early_frees_what_it_did_not_tell)
{
    struct test_env e;
    void *self;
    const struct source_ops *ops = source_find("static");
    struct test_receiver r = TEST_RECEIVER;
    struct target_emit emit = {test_receive, &r};
    test_env_init(&e);
    CHECK_INT(open_static(&self, &e, TARGETS("a", "b", "c"), NULL), OK);
    r.room = 1;
    CHECK_INT(ops->ready(self, &emit, NULL), ERR_AGAIN);
    ops->close(self);
    buf_done(&r.text);
    test_env_done(&e);
}

TEST(a_bad_target_refuses_the_configuration)
{
    struct test_env e;
    void *self;
    struct err err;
    test_env_init(&e);
    CHECK_INT(open_static(&self, &e, TARGETS("a", "u:p@b"), &err), ERR_INVALID);
    CHECK_STR(err.text, "targets: number 2: credentials in the URL: they belong into http: of the "
                        "source");
    test_env_done(&e);
}

TEST(what_is_there_twice_or_above_the_bound_is_refused_by_name)
{
    struct test_env e;
    void *self;
    const struct source_ops *ops = source_find("static");
    struct test_receiver r = TEST_RECEIVER;
    struct target_emit emit = {test_receive, &r};
    AUTO(buf) struct buf out = BUF_INIT(1000);
    AUTO(buf) struct buf small = BUF_INIT(50);
    test_env_init(&e);
    test_env_set(&e.common, "targets", "2");
    CHECK_INT(open_static(&self, &e, TARGETS("a", "http://a:80/metrics", "b", "c"), NULL), OK);
    CHECK_INT(ops->ready(self, &emit, NULL), ERR_CLOSED);
    CHECK_STR(r.text.data, "+http://a:80/metrics +http://b:80/metrics synced");
    CHECK_INT(ops->refused(self, &out), 2);
    CHECK_STR(out.data, "http://a:80/metrics: is there already\nc: above the bound of 2 targets\n");
    CHECK_INT(ops->refused(self, &small), 2);
    CHECK_STR(small.data, "http://a:80/metrics: is there already\n");
    ops->close(self);
    buf_done(&r.text);
    test_env_done(&e);
}
