/* SPDX-License-Identifier: Apache-2.0 */
/* What pages take of memory, and what becomes of them where there is little. */
#include "budget.h"
#include "encoders.h"
#include "mem.h"
#include "read.h"
#include "test.h"

#define BOUND ((size_t)1 << 30)

/* So little memory is left that texts have none, and new series have. */
static void press(bool on)
{
    static bool was;
    if (on != was)
        budget_add(BUDGET_CLIENTS, (ptrdiff_t)(BOUND / 8 * 5) * (on ? 1 : -1));
    was = on;
    budget_set_bound(on ? BOUND : SIZE_MAX);
}

static struct encoder_step open_json(void)
{
    struct encoder_step e = {.ops = encoder_find("json"), .max_samples = SIZE_MAX};
    _Alignas(max_align_t) char conf[256] = {0};
    setting_defaults(e.ops->settings, conf);
    CHECK_INT(e.ops->open(&e.self, conf, NULL), OK);
    setting_done(e.ops->settings, conf);
    return e;
}

/* A page with all that a worker has for it. */
struct side {
    struct page *page;
    struct batch batch;
    struct encoder_step json;
    struct payload *out;
};

static void side_open(struct side *s)
{
    *s = (struct side){.page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1),
                       .json = open_json(),
                       .out = payload_new("key", 8 << 20)};
}

static void side_close(struct side *s)
{
    s->json.ops->close(s->json.self);
    page_free(s->page);
    batch_done(&s->batch);
    payload_free(s->out);
}

/* What the batch says goes out, and the page rests. */
static void side_send(struct side *s, bool cold)
{
    struct encoder_counts counts = {0};
    size_t from = 0;
    buf_truncate(&s->out->body, 0);
    encoder_run(&s->json, &s->batch, &from, s->out, NULL, &counts);
    CHECK_INT(from, batch_records(&s->batch));
    batch_commit(&s->batch);
    press(cold);
    page_rest(s->page, &s->batch);
    press(false);
}

static void side_read(struct side *s, const struct buf *text, bool cold)
{
    page_read(s->page, (struct span){text->data, text->len}, 1000, &s->batch, NULL);
    page_add_meta(s->page, &(struct page_meta){.up = true}, &s->batch);
    side_send(s, cold);
}

static size_t held(const struct side *s)
{
    return page_stats(s->page).held_bytes;
}

static void add_lines(struct buf *out, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (i % 100 == 0)
            CHECK_INT(buf_printf(out, "# HELP kube_thing_%u How many there are.\n", i / 100), OK);
        CHECK_INT(
            buf_printf(out,
                       "kube_thing_%u{namespace=\"team-%u\",pod=\"service-%u-5d8f7c9b6-x2v%u\","
                       "uid=\"0b5c8a52-1f0e-4f3c-9d57-%012u\",container=\"main\"} %u\n",
                       i / 100, i % 7, i % 50, i, i, i * 37),
            OK);
    }
}

/* Some lines of a few families, mostly in their order. */
static void make_random(struct buf *out, unsigned *seed)
{
    buf_truncate(out, 0);
    unsigned all = 40, start = rand_r(seed) % 4 ? 0 : (unsigned)rand_r(seed) % all;
    bool lossy = rand_r(seed) % 3 == 0;
    for (unsigned k = 0; k < all; k++) {
        unsigned i = (start + k) % all;
        if (lossy && rand_r(seed) % 8 == 0)
            continue;
        if (rand_r(seed) % 64 == 0)
            CHECK_INT(buf_puts(out, "?\n"), OK);
        if (i % 10 == 0)
            CHECK_INT(buf_printf(out, "# HELP f%u Help %u.\n# TYPE f%u gauge\n", i / 10,
                                 (unsigned)rand_r(seed) % 20 / 19, i / 10),
                      OK);
        CHECK_INT(buf_printf(out, "f%u{pod=\"service-%u\",v=\"%u\"} %u\n", i / 10, i,
                             rand_r(seed) % 50 == 0, (unsigned)rand_r(seed) % 3),
                  OK);
    }
}

static void check_same(const struct side *a, const struct side *b)
{
    CHECK_STR(a->out->body.data, b->out->body.data);
    struct page_stats x = page_stats(a->page), y = page_stats(b->page);
    CHECK_INT(x.series, y.series);
    CHECK_INT(x.bytes, y.bytes);
    CHECK_INT(x.known, y.known);
}

TEST(a_cold_page_says_what_a_plain_one_says)
{
    struct side plain, cold;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    unsigned seed = 7;
    side_open(&plain);
    side_open(&cold);
    for (unsigned i = 0; i < 300; i++) {
        bool now = rand_r(&seed) % 4 != 0;
        if (rand_r(&seed) % 10 == 0) {
            page_failed(plain.page, 1000, &plain.batch);
            page_failed(cold.page, 1000, &cold.batch);
            side_send(&plain, false);
            side_send(&cold, now);
        } else {
            make_random(&text, &seed);
            side_read(&plain, &text, false);
            side_read(&cold, &text, now);
        }
        check_same(&plain, &cold);
    }
    page_end(plain.page, 2000, &plain.batch);
    page_end(cold.page, 2000, &cold.batch);
    side_send(&plain, false);
    side_send(&cold, true);
    check_same(&plain, &cold);
    CHECK(strstr(cold.out->body.data, "\"ended\":true") != NULL);
    CHECK_INT(page_stats(cold.page).bytes, 0);
    side_close(&plain);
    side_close(&cold);
}

TEST(a_page_goes_cold_and_comes_back)
{
    struct side s;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    side_open(&s);
    add_lines(&text, 0, 500);
    side_read(&s, &text, false);
    size_t bytes = page_stats(s.page).bytes, plain = held(&s);
    CHECK(plain >= bytes);
    side_read(&s, &text, true);
    CHECK(held(&s) < bytes / 2);
    CHECK_INT(page_stats(s.page).bytes, bytes);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), held(&s));
    side_read(&s, &text, false);
    CHECK_INT(held(&s), plain);
    CHECK_INT(page_stats(s.page).known, 1000);
    side_close(&s);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
}

TEST(a_cold_page_waits_until_there_is_clearly_room)
{
    struct side s;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    side_open(&s);
    add_lines(&text, 0, 500);
    side_read(&s, &text, true);
    size_t cold = held(&s), almost = BOUND / 2 - BOUND / 16;
    for (int room = 0; room < 2; room++) {
        size_t used = room ? almost - ((size_t)1 << 20) : almost;
        page_read(s.page, (struct span){text.data, text.len}, 1000, &s.batch, NULL);
        budget_set_bound(BOUND);
        budget_add(BUDGET_CLIENTS, (ptrdiff_t)used);
        page_rest(s.page, &s.batch);
        budget_add(BUDGET_CLIENTS, -(ptrdiff_t)used);
        budget_set_bound(SIZE_MAX);
        CHECK(room ? held(&s) > cold : held(&s) == cold);
    }
    side_close(&s);
}

TEST(a_small_page_is_cold_though_there_is_room)
{
    struct side s;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    side_open(&s);
    add_lines(&text, 0, 50);
    side_read(&s, &text, false);
    size_t plain = held(&s);
    for (int i = 0; i < 3; i++) {
        page_read(s.page, (struct span){text.data, text.len}, 1000, &s.batch, NULL);
        budget_set_bound(BOUND);
        page_rest(s.page, &s.batch);
        budget_set_bound(SIZE_MAX);
        CHECK(held(&s) < plain / 2);
    }
    side_close(&s);
}

/* The one of that name, which is a sample of s. */
static const struct family *family_of(const struct side *s, const char *name)
{
    for (size_t i = 0; i < s->batch.len; i++)
        if (strcmp(series_name(s->batch.samples[i].series), name) == 0)
            return s->batch.samples[i].series->family;
    return NULL;
}

TEST(families_come_and_go_while_a_page_is_cold_between_scrapes)
{
#define OLD   "# HELP a_total As it was.\n# TYPE a_total counter\na_total 1\n"
#define GOES  "# TYPE b gauge\n# UNIT b seconds\nb{x=\"1\"} 2\nb{x=\"2\"} 2\n"
#define COMES "# HELP c New.\n# TYPE c gauge\nc 3\n"
    const char *const texts[] = {OLD GOES, OLD GOES, "a_total 1\n" COMES, OLD COMES, OLD GOES, OLD};
    const size_t families[] = {2, 2, 2, 2, 2, 1};
    struct side s;
    side_open(&s);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        page_read(s.page, (struct span){texts[i], strlen(texts[i])}, 1000, &s.batch, NULL);
        const struct family *old = family_of(&s, "a_total"), *goes = family_of(&s, "b"),
                            *comes = family_of(&s, "c");
        CHECK_INT(old->kind, SERIES_COUNTER);
        CHECK_STR(family_help(old), "As it was.");
        CHECK_INT(!goes, !strstr(texts[i], "gauge\n# UNIT"));
        CHECK(!goes || (goes->kind == SERIES_GAUGE && !family_help(goes)));
        CHECK(!comes || strcmp(family_help(comes), "New.") == 0);
        side_send(&s, true);
        CHECK_INT(page_stats(s.page).families, families[i]);
    }
    side_close(&s);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
}

/* A first scrape of a target of that number, which rests cold in the room of b. */
static struct page *rest_like(struct batch *b, const struct buf *text, unsigned number)
{
    char instance[32];
    snprintf(instance, sizeof instance, "10.0.%u.%u:9100", number / 256, number % 256);
    struct label labels[] = {{"instance", instance}, {"job", "things"}};
    AUTO_PTR(target)
    struct target *t =
        target_new(&(struct target){.id = instance, .labels = labels, .labels_len = 2});
    struct page *p = page_new(t, &PAGE_LIMITS_DEFAULT, 1);
    page_read(p, (struct span){text->data, text->len}, 1000, b, NULL);
    page_add_meta(p, &(struct page_meta){.up = true}, b);
    press(true);
    page_rest(p, b);
    press(false);
    return p;
}

TEST(pages_that_are_alike_are_kept_by_what_differs)
{
    enum { PAGES = 10, LINES = 50 };
    struct page *pages[PAGES];
    struct batch b = {.len = 0};
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    unsigned seed = 7;
    for (unsigned i = 0; i < LINES; i++)
        CHECK_INT(buf_printf(&text, "thing{uid=\"%08x%08x%08x\"} %u\n", (unsigned)rand_r(&seed),
                             (unsigned)rand_r(&seed), (unsigned)rand_r(&seed), i),
                  OK);
    size_t sum = 0, alone, last;
    for (unsigned i = 0; i < PAGES; i++) {
        pages[i] = rest_like(&b, &text, i);
        sum += page_stats(pages[i]).held_bytes;
    }
    alone = page_stats(pages[0]).held_bytes;
    last = page_stats(pages[PAGES - 1]).held_bytes;
    CHECK(last + (size_t)20 * LINES < alone);
    CHECK(budget_part_bytes(BUDGET_PAGES) > sum); /* the model */
    batch_done(&b);
    b = (struct batch){.len = 0}; /* another worker has them now */
    for (unsigned i = 0; i < PAGES; i++) {
        page_read(pages[i], (struct span){text.data, text.len}, 2000, &b, NULL);
        CHECK_INT(b.len, LINES);
        CHECK_INT(page_stats(pages[i]).known, LINES);
        CHECK_STR(series_label(b.samples[LINES - 1].series, "instance"),
                  page_target(pages[i])->labels[0].value);
        press(true);
        page_rest(pages[i], &b);
        press(false);
        page_free(pages[i]);
    }
    batch_done(&b);
    CHECK_INT(budget_part_bytes(BUDGET_PAGES), 0);
}

TEST(a_cold_page_may_lose_all_and_come_back)
{
    struct side s;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    side_open(&s);
    add_lines(&text, 0, 5);
    for (int i = 0; i < 3; i++) {
        page_read(s.page, (struct span){text.data, text.len}, 1000, &s.batch, NULL);
        CHECK_INT(s.batch.len, 5);
        side_send(&s, true);
        page_end(s.page, 2000, &s.batch);
        CHECK_INT(s.batch.ended_len, 5);
        side_send(&s, true);
        page_failed(s.page, 3000, &s.batch);
        CHECK_INT(batch_records(&s.batch), 0);
        side_send(&s, true);
    }
    CHECK_INT(page_stats(s.page).bytes, 0);
    side_close(&s);
}

TEST(a_repeat_scrape_allocates_nothing_plain_or_cold)
{
    for (int cold = 0; cold < 2; cold++) {
        struct side s;
        AUTO(buf) struct buf text = BUF_INIT(1 << 20);
        side_open(&s);
        add_lines(&text, 0, 50);
        side_read(&s, &text, cold);
        uint64_t before = mem_count();
        for (int i = 0; i < 3; i++)
            side_read(&s, &text, cold);
        CHECK_INT(mem_count(), before);
        side_close(&s);
    }
}

TEST(a_series_takes_so_many_bytes)
{
    struct side s;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    enum { SERIES = 2000 };
    side_open(&s);
    add_lines(&text, 0, SERIES);
    side_read(&s, &text, false);
    size_t plain = held(&s) / SERIES;
    CHECK(plain > 150 && plain < 240);
    side_read(&s, &text, true);
    size_t cold = held(&s) / SERIES;
    CHECK(cold > sizeof(struct series) && cold < 100);
    side_close(&s);
}

TEST(what_has_ended_takes_no_memory_for_long)
{
    struct side s;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    size_t most = 0;
    side_open(&s);
    for (unsigned i = 0; i < 60; i++) { /* in each scrape a tenth is new */
        buf_truncate(&text, 0);
        add_lines(&text, i * 10, i * 10 + 100);
        side_read(&s, &text, i % 7 == 6);
        CHECK_INT(page_stats(s.page).series, 100);
        if (i == 1)
            most = held(&s) * 3 / 2;
        CHECK(i < 2 || held(&s) < most);
    }
    CHECK(strstr(s.out->body.data, "kube_thing_5") != NULL);
    side_close(&s);
}

TEST(without_memory_new_series_are_refused_and_known_ones_go_on)
{
    struct side s;
    struct page_faults f;
    static const char more[] = "a 3\nnew 4\n";
    side_open(&s);
    page_read(s.page, (struct span){"a 1\nb 2\n", 8}, 1, &s.batch, NULL);
    side_send(&s, false);
    budget_set_bound(BOUND);
    budget_add(BUDGET_CLIENTS, BOUND / 4 * 3);
    page_read(s.page, (struct span){more, sizeof more - 1}, 1, &s.batch, &f);
    budget_add(BUDGET_CLIENTS, -(ptrdiff_t)(BOUND / 4 * 3));
    budget_set_bound(SIZE_MAX);
    CHECK_INT(s.batch.len, 1);
    CHECK_INT(s.batch.ended_len, 1);
    CHECK_INT(f.refused_by[PAGE_MAX_MEMORY], 1);
    CHECK_STR(f.first_refused.text, "memory: new");
    side_close(&s);
}

TEST(a_cold_page_keeps_what_was_sent_when_lanes_change)
{
    struct side s;
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    side_open(&s);
    page_bind(s.page,
              &(struct page_plan){.generation = 1, .lane_ids = (uint32_t[]){5}, .lanes_len = 1});
    add_lines(&text, 0, 3);
    side_read(&s, &text, true);
    page_bind(s.page,
              &(struct page_plan){.generation = 2, .lane_ids = (uint32_t[]){6, 5}, .lanes_len = 2});
    page_read(s.page, (struct span){text.data, text.len}, 1000, &s.batch, NULL);
    for (size_t i = 0; i < s.batch.len; i++) {
        CHECK(!series_sent(s.batch.samples[i].series, 0));
        CHECK(series_sent(s.batch.samples[i].series, 1));
        CHECK(!series_part(s.batch.samples[i].series, 1).data);
    }
    side_send(&s, true);
    CHECK(strstr(s.out->body.data, "team-2") != NULL);
    side_close(&s);
}

/* Lines without a sample have ids of another kind, which no key gives back. */
TEST(lines_without_a_sample_are_known_after_the_page_was_cold)
{
    const char *const same = "# TYPE x counter\n"
                             "x_total{le=\"1\"} 1\nx_created{le=\"1\"} 1\n"
                             "x_total{le=\"2\"} 1\nx_created{le=\"2\"} 1\n";
    const char *const more[] = {"", "", "# TYPE y gauge\ny 1\n", "# TYPE z gauge\nz 1\n"};
    struct page *page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    struct batch batch = {0};
    AUTO(buf) struct buf text = BUF_INIT(4096);
    page_set_manner(page,
                    &(struct page_manner){.format = FORMAT_OPENMETRICS, .mode = MODE_SALVAGE});
    for (size_t i = 0; i < 4; i++) {
        struct page_faults faults;
        buf_truncate(&text, 0);
        CHECK_INT(buf_cat(&text, same, more[i], "# EOF\n", NULL), OK);
        page_read(page, (struct span){text.data, text.len}, 1000, &batch, &faults);
        CHECK_INT(batch.len, i < 2 ? 2 : 3);
        CHECK_INT(faults.refused + faults.lines_bad, 0);
        CHECK_INT(page_stats(page).series, i < 2 ? 2 : 3);
        press(true);
        page_rest(page, &batch);
        press(false);
    }
    page_free(page);
    batch_done(&batch);
}
