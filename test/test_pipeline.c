/* SPDX-License-Identifier: Apache-2.0 */
/* test_pipeline.c - filters, then every lane. */
#include "fake_sink.h"
#include "pipeline.h"

static void *clip_conf(const char *match, const char *max)
{
    const struct filter_ops *clip = filter_find("clip");
    void *conf = mem_alloc(clip->conf_size);
    setting_defaults(clip->settings, conf);
    if (setting_set(setting_find(clip->settings, "match"), conf, match, NULL) != OK ||
        setting_set(setting_find(clip->settings, "max"), conf, max, NULL) != OK)
        abort();
    return conf;
}

static void free_conf(void *conf)
{
    setting_done(filter_find("clip")->settings, conf);
    mem_free(conf);
}

TEST(each_filter_counts_what_it_drops_and_the_rest_has_passed)
{
    const struct filter_ops *ops[] = {filter_find("clip"), filter_find("clip")};
    void *confs[] = {clip_conf("a*", "10"), clip_conf("", "100")};
    struct pool_books books = {0};
    struct pipeline p;
    CHECK_INT(pipeline_init(&p, ops, confs, 2, NULL, 0, &books, NULL), OK);
    free_conf(confs[0]);
    free_conf(confs[1]);
    AUTO_PTR(page) struct page *page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    for (int i = 0; i < 2; i++) {
        struct batch *b = read_text(page, "a 5\na2 50\nb 50\nc 500\nd 1\na3 5000\n");
        CHECK_INT(pipeline_filter(&p, b), 3);
        CHECK_INT(b->len, 3);
    }
    CHECK_INT(books.passed, 6);
    CHECK_INT(books.filtered[0], 4);
    CHECK_INT(books.filtered[1], 2);
    CHECK_INT(books.filtered[2], 0);
    CHECK_INT(books.read, 0); /* the worker's to count */
    pipeline_done(&p);
    CHECK_INT(p.steps_len, 0);
}

TEST(a_filter_that_refuses_its_settings_leaves_nothing_behind)
{
    const struct filter_ops *ops[] = {filter_find("clip"), filter_find("clip")};
    void *confs[] = {clip_conf("", "10"), clip_conf("", "10")};
    struct pool_books books = {0};
    struct err err;
    struct pipeline p;
    const struct setting *min = setting_find(ops[1]->settings, "min");
    CHECK_INT(setting_set(min, confs[1], "20", NULL), OK);
    CHECK_INT(pipeline_init(&p, ops, confs, 2, NULL, 0, &books, &err), ERR_INVALID);
    CHECK_STR(err.text, "clip: min 20 is above max 10");
    CHECK_INT(p.steps_len, 0);
    CHECK_INT(p.lanes_len, 0);
    free_conf(confs[0]);
    free_conf(confs[1]); /* the asan preset would see a leak */
}

TEST(every_lane_gets_what_passed_under_its_own_slot)
{
    struct rig *r = rig_new(), *q = rig_new();
    struct pool_books books = {0};
    struct pipeline p;
    q->conf.encoder = encoder_find("json");
    q->conf.output = "other";
    rig_start(r);
    rig_start(q);
    struct lane *lanes[] = {r->lane, q->lane};
    CHECK_INT(pipeline_init(&p, NULL, NULL, 0, lanes, 2, &books, NULL), OK);
    lanes[0] = lanes[1] = NULL; /* they are copied */

    AUTO_PTR(page) struct page *page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 2);
    struct target t = {.id = "x", .source = "pods"};
    struct batch *b = read_text(page, "a 5\nup 1\n");
    b->len = 1;
    CHECK_INT(pipeline_filter(&p, b), 1);
    b->len = 2;
    b->meta_len = 1;
    pipeline_encode(&p, &r->scratch, b, &(struct lane_scrape){.target = &t, .due_ms = 1});
    b->meta_len = 0;
    WAIT(r->books.delivered == 2);
    WAIT(q->books.delivered == 2);
    CHECK_INT(books.passed, 1);
    CHECK_INT(r->books.meta, 1);
    CHECK_STR(r->fake.log[0].body, "a:5|g\nup:1|g\n");
    CHECK(strncmp(q->fake.log[0].body, "{\"name\":\"a\"", 11) == 0);
    CHECK(!same_id(r->fake.log[0].id, q->fake.log[0].id));
    pipeline_done(&p);
    rig_finish(r);
    rig_finish(q);
}
