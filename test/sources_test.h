/* SPDX-License-Identifier: Apache-2.0 */
/* sources_test.h - what the tests of sources share: an environment, and a receiver that
 * writes down what it is told. */
#ifndef SOURCES_TEST_H
#define SOURCES_TEST_H

#include "clock.h"
#include "source.h"
#include "test.h"

/* All defaults, source "s", pool "main", number 7, agent "node-1" without a cluster. */
struct test_env {
    struct source_common common;
    struct source_env env;
};

static inline void test_env_set(struct source_common *common, const char *name, const char *text)
{
    CHECK_INT(setting_set(setting_find(source_settings, name), common, text, NULL), OK);
}

static inline void test_env_init(struct test_env *e)
{
    *e = (struct test_env){.env = {.number = 7, .agent = {.instance = "node-1"}}};
    setting_defaults(source_settings, &e->common);
    test_env_set(&e->common, "name", "s");
    test_env_set(&e->common, "pool", "main");
    e->env.common = &e->common;
}

static inline void test_env_done(struct test_env *e)
{
    setting_done(source_settings, &e->common);
}

/* Has room for so many events; writes "+id", "-id", "*id" (one scrape more), "synced" or "resync" for
 * each. */
struct test_receiver {
    size_t room;
    int64_t due_ms; /* of the last one scrape more */
    struct buf text;
};
#define TEST_RECEIVER                               \
    {                                               \
        .room = SIZE_MAX, .text = BUF_INIT(1 << 20) \
    }

static inline enum status test_receive(void *to, const struct target_event *e)
{
    static const char *const words[] = {"+", "-", "synced", "resync", "rank", "*"};
    struct test_receiver *r = to;
    if (r->room == 0)
        return ERR_AGAIN;
    r->room--;
    bool of_one = e->change < TARGET_SYNCED || e->change == TARGET_EXTRA;
    if (e->source != 7 || !e->target == of_one)
        abort();
    r->due_ms = e->change == TARGET_EXTRA ? e->due_ms : r->due_ms;
    if (buf_cat(&r->text, r->text.len ? " " : "", words[e->change], e->target ? e->target->id : "",
                NULL) != OK)
        abort();
    target_unref(e->target);
    return OK;
}

#endif
