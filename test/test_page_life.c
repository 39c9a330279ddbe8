/* SPDX-License-Identifier: Apache-2.0 */
/* When series end, and what a page keeps when its target or its lanes change. */
#include "buf.h"
#include "mem.h"
#include "read.h"
#include "test.h"

static struct page *new_page(void)
{
    return page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
}

/* The names of the series that ended, as "a b ". */
static void check_ended(const struct batch *b, const char *want)
{
    AUTO(buf) struct buf got = BUF_INIT(1000);
    for (size_t i = 0; i < b->ended_len; i++)
        CHECK_INT(buf_cat(&got, series_name(b->ended[i]), " ", NULL), OK);
    CHECK_STR(got.data, want);
}

TEST(on_a_page_with_bad_lines_a_series_ends_at_the_second_scrape_that_lacks_it)
{
    static const struct {
        const char *text, *ended;
        size_t series; /* afterwards */
    } scrapes[] = {
        {"a 1\nb 2\nc 3\n", "", 3},
        {"a 1\nb x\nc 3\n", "", 3},   /* b's own line is bad */
        {"a 1\nb 2\nc 3\n", "", 3},   /* back: nothing happened */
        {"c 3\nd x\na 1\n", "", 3},   /* b is missed once */
        {"a 1\nd x\n", "b ", 2},      /* b for the second time, c once */
        {"a 1\nd x\nc 3\n", "", 2},   /* c is back: counted anew */
        {"a 1\nd x\n", "", 2},        /* c once */
        {"a 1\n", "c ", 1},           /* a good page ends at once what it lacks */
        {"b 1\n# TYPE b x\n", "", 2}, /* a once; a faulty comment is a bad line */
        {"", "b a ", 0},              /* a good one, and empty */
    };
    AUTO_PTR(page) struct page *p = new_page();
    for (size_t i = 0; i < ARRAY_LEN(scrapes); i++) {
        check_ended(read_text(p, scrapes[i].text), scrapes[i].ended);
        CHECK_INT(page_stats(p).series, scrapes[i].series);
    }
    read_text(p, ""); /* frees what has ended */
    CHECK_INT(page_stats(p).bytes, 0);
}

TEST(what_was_missed_once_is_known_again)
{
    AUTO_PTR(page) struct page *p = new_page();
    read_text(p, "a 1\nb 2\nc 3\nd 4\n");
    read_text(p, "d 4\n?\n"); /* the others are kept behind d */
    size_t known = page_stats(p).known;
    CHECK_INT(read_text(p, "a 1\nb 2\nc 3\nd 4\n")->len, 4);
    CHECK_INT(page_stats(p).known, known + 2); /* b and c */
}

TEST(a_failure_between_two_scrapes_is_none_of_them)
{
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch b = {0};
    read_text(p, "a 1\nb 2\n");
    check_ended(read_text(p, "a 1\nx\n"), "");
    page_failed(p, 1, &b);
    check_ended(&b, "");
    check_ended(read_text(p, "a 1\nx\n"), "b ");
}

TEST(a_series_missed_once_ends_with_all_others)
{
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch b = {0};
    read_text(p, "a 1\nb 2\n");
    read_text(p, "b x\na 1\n");
    page_failed(p, 1, &b);
    page_failed(p, 2, &b);
    check_ended(&b, "a b ");
    read_text(p, "a 1\nb 2\n");
    read_text(p, "b x\na 1\n"); /* and page_free frees what is left */
}

TEST(a_body_of_bad_lines_alone_leaves_the_page_as_it_was)
{
    static const char html[] = "<html>\n<body>404</body>\n";
    static const char empty[] = "# nothing\n";
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch b = {0};
    struct page_faults f;
    read_text(p, "a 1\nb 2\n");
    for (unsigned scrape = 1; scrape <= 2; scrape++) {
        page_read(p, (struct span){html, sizeof html - 1}, scrape, &b, &f);
        CHECK(f.unreadable);
        CHECK_INT(f.lines_bad, 2);
        CHECK_INT(batch_records(&b), 0);
        CHECK_INT(page_stats(p).series, 2);
        page_failed(p, scrape, &b);
        check_ended(&b, scrape == 1 ? "" : "a b ");
    }
    page_read(p, (struct span){empty, sizeof empty - 1}, 1, &b, &f);
    CHECK(!f.unreadable);
    page_read(p, (struct span){"a 1\nx\n", 6}, 1, &b, &f);
    CHECK(!f.unreadable);
    CHECK_INT(b.len, 1);
}

TEST(an_unreadable_body_is_no_scrape_that_lacks_a_series)
{
    AUTO_PTR(page) struct page *p = new_page();
    read_text(p, "a 1\nb 2\n");
    read_text(p, "<html>\n");
    check_ended(read_text(p, "a 1\nx\n"), "");
    read_text(p, "<html>\n");
    check_ended(read_text(p, "a 1\nx\n"), "b ");
}

TEST(bad_lines_beside_refused_samples_are_readable)
{
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch b = {0};
    struct page_faults f;
    static const char text[] = "a{x=\"1\",x=\"2\"} 1\n?\n";
    page_read(p, (struct span){text, sizeof text - 1}, 1, &b, &f);
    CHECK_INT(f.lines_bad, 1);
    CHECK(!f.unreadable);
}

TEST(a_page_with_bad_lines_is_no_failure)
{
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch b = {0};
    read_text(p, "a 1\n");
    page_failed(p, 1, &b);
    read_text(p, "a 1\n?\n");
    page_failed(p, 2, &b);
    check_ended(&b, "");
}

TEST(known_lines_are_known_again_behind_an_unreadable_body)
{
    AUTO_PTR(page) struct page *p = new_page();
    read_text(p, "a 1\nb 2\n");
    read_text(p, "?\n");
    CHECK_INT(read_text(p, "a 1\nb 2\n")->len, 2);
    CHECK_INT(page_stats(p).known, 2);
}

/* Lanes. */

/* Says which lanes have sent s, as "10". */
static void check_sent(const struct series *s, const char *want)
{
    CHECK_INT(s->lanes, strlen(want));
    for (unsigned i = 0; i < s->lanes; i++) {
        CHECK_INT(series_sent(s, i), want[i] == '1');
        CHECK(series_part(s, i).data == NULL);
    }
}

static void bind(struct page *p, uint64_t generation, const char *lanes)
{
    uint32_t ids[8];
    size_t n = strlen(lanes);
    for (size_t i = 0; i < n; i++)
        ids[i] = (uint32_t)lanes[i];
    page_bind(
        p, &(struct page_plan){.generation = generation, .lane_ids = ids, .lanes_len = (uint8_t)n});
}

TEST(a_lane_keeps_what_it_has_sent_under_another_slot)
{
    static const char text[] = "a 1\nb 2\n";
    static const struct {
        const char *lanes, *a, *b; /* lane A has sent both, lane B only b */
    } plans[] = {
        {"AB", "10", "11"}, {"BA", "01", "11"}, {"CBA", "001", "011"},
        {"A", "1", "1"},    {"BA", "01", "01"}, /* B was away, and knows nothing */
        {"", "", ""},       {"A", "0", "0"},
    };
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    bind(p, 1, "AB");
    struct batch *b = read_text(p, text);
    check_sent(b->samples[0].series, "00");
    series_set_sent(b->samples[0].series, 0);
    series_set_sent(b->samples[1].series, 0);
    series_set_sent(b->samples[1].series, 1);
    batch_commit(b);
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        for (size_t k = 0; k < 2; k++)
            if (b->samples[k].series->lanes > 0)
                series_set_part(b->samples[k].series, 0, (struct span){"part", 4});
        uint64_t id = b->samples[1].series->id;
        b->samples[1].series->asked = true;
        bind(p, i + 2, plans[i].lanes);
        b = read_text(p, text);
        CHECK_INT(b->ended_len, 0);
        check_sent(b->samples[0].series, plans[i].a);
        check_sent(b->samples[1].series, plans[i].b);
        CHECK(b->samples[1].series->id == id && !b->samples[1].series->asked);
        CHECK_DBL(b->samples[1].series->last_value, 2);
        CHECK_STR(series_name(b->samples[1].series), "b");
    }
    CHECK_INT(page_stats(p).parsed, 2); /* and every line stayed known */
}

TEST(other_lanes_change_nothing_in_what_is_known)
{
    AUTO_PTR(page) struct page *p = new_page();
    batch_commit(read_text(p, "a 1\nb 2\nc 3\n"));
    bind(p, 1, "A");
    struct batch *b = read_text(p, "b 2\nc 3\n?\n");
    CHECK_INT(page_stats(p).known, 1); /* c, behind b */
    CHECK_INT(b->ended_len, 0);        /* a is missed for the first time */
    CHECK(b->samples[0].series->has_last);
}

/* Of four families, one with help and unit, one with each alone, one with nothing. */
#define SAID                                                                                     \
    "# TYPE a_s gauge\n# HELP a_s All \\\\ of it.\n# UNIT a_s s\na_s 1\n# HELP b Only help.\nb " \
    "1\n"                                                                                        \
    "# UNIT c_m m\nc_m 1\nd 1\n"
#define UNSAID "a_s 1\nb 1\nc_m 1\nd 1\n"

static void check_comment(const char *got, const char *want)
{
    CHECK_INT(got != NULL, want != NULL);
    if (want)
        CHECK_STR(got, want);
}

static void check_said(const struct batch *b)
{
    static const struct {
        const char *name, *help, *unit;
    } families[] = {{"a_s", "All \\ of it.", "s"},
                    {"b", "Only help.", NULL},
                    {"c_m", NULL, "m"},
                    {"d", NULL, NULL}};
    CHECK(b->len >= ARRAY_LEN(families));
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const struct family *f = b->samples[i].series->family;
        CHECK_STR(family_name(f), families[i].name);
        check_comment(family_help(f), families[i].help);
        check_comment(family_unit(f), families[i].unit);
    }
    CHECK_INT(b->samples[0].series->family->kind, SERIES_GAUGE);
}

/* All that was derived of the four is kept: their comments are those of the scrape before. */
static void check_not_forgotten(const struct batch *b)
{
    for (size_t i = 0; i < 4; i++)
        CHECK_STR(series_part(b->samples[i].series, 0).data, "part");
}

static void set_parts(const struct batch *b)
{
    for (size_t i = 0; i < 4; i++)
        if (!series_part(b->samples[i].series, 0).data)
            series_set_part(b->samples[i].series, 0, (struct span){"part", 5});
}

TEST(what_comments_say_stays_while_texts_are_moved)
{
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(buf) struct buf text = BUF_INIT(10000);
    CHECK_INT(buf_puts(&text, "before 1\n" SAID), OK);
    for (int i = 0; i < 100; i++)
        CHECK_INT(buf_printf(&text, "gone_%d 1\n", i), OK);
    for (int i = 0; i < 3; i++) {
        struct batch *b = read_text(p, text.data);
        b = read_text(p, SAID); /* a hundred end */
        const struct texts *t = b->samples[0].series->family->texts;
        size_t before = t->len;
        set_parts(b);
        b = read_text(p, UNSAID);
        CHECK(t->len < before / 2 && t->dead == 0);
        check_said(b);
        b = read_text(p, SAID);
        check_said(b);
        check_not_forgotten(b);
    }
}

TEST(what_comments_say_stays_when_lanes_change)
{
    static const char *const lanes[] = {"A", "BA", "A", "", "CBA"};
    AUTO_PTR(page) struct page *p = new_page();
    check_said(read_text(p, SAID));
    for (uint32_t i = 0; i < ARRAY_LEN(lanes); i++) {
        bind(p, i + 1, lanes[i]);
        check_said(read_text(p, i % 2 ? SAID : UNSAID));
    }
}

TEST(a_plan_of_the_same_generation_changes_nothing)
{
    AUTO_PTR(page) struct page *p = new_page();
    bind(p, 7, "A");
    page_rest(p, read_text(p, "a 1\n"));
    struct series *s = read_text(p, "a 1\n")->samples[0].series;
    s->asked = true;
    uint64_t before = mem_count();
    bind(p, 7, "A");
    struct batch *b = read_text(p, "a 1\n");
    CHECK_INT(mem_count(), before);
    CHECK(b->samples[0].series == s && s->asked);
}

TEST(lanes_without_an_id_hand_nothing_on)
{
    AUTO_PTR(page) struct page *p = new_page();
    series_set_sent(read_text(p, "a 1\n")->samples[0].series, 0);
    uint32_t id = 0;
    page_bind(p, &(struct page_plan){.generation = 1, .lane_ids = &id, .lanes_len = 1});
    check_sent(read_text(p, "a 1\n")->samples[0].series, "0");
}

TEST(a_plan_may_bring_other_limits)
{
    struct page_limits limits = PAGE_LIMITS_DEFAULT;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 0);
    read_text(p, "a 1\nb 2\nc 3\n");
    limits.max_series = 1;
    page_bind(p, &(struct page_plan){.generation = 1, .limits = &limits});
    struct batch *b = read_text(p, "a 1\nb 2\nd 4\n");
    CHECK_INT(b->len, 2); /* known ones go on */
    check_ended(b, "c ");
    CHECK_INT(page_stats(p).refused[PAGE_MAX_SERIES], 1);
    page_bind(p, &(struct page_plan){.generation = 2});
    CHECK_INT(read_text(p, "a 1\nb 2\nd 4\n")->len, 2);
}

TEST(binding_keeps_the_memory_in_balance)
{
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    size_t none = 0;
    read_text(p, "# HELP a Help.\na{x=\"1\"} 1\nb 2\n");
    none = page_stats(p).bytes;
    bind(p, 1, "AB");
    CHECK_INT(page_stats(p).bytes, none + 2 * 2 * sizeof(struct text_part));
    series_set_part(read_text(p, "# HELP a Help.\na{x=\"1\"} 1\nb 2\n")->samples[0].series, 1,
                    (struct span){"part", 4});
    read_text(p, "b 2\nx\n"); /* a is missed once, and moved as well */
    bind(p, 2, "");
    CHECK_INT(page_stats(p).bytes, none);
    check_ended(read_text(p, "b 2\nx\n"), "a ");
    AUTO(batch) struct batch b = {0};
    page_end(p, 1, &b);
    bind(p, 3, "A"); /* frees what has ended */
    CHECK_INT(page_stats(p).bytes, 0);
}

/* Targets. */

TEST(a_page_takes_a_target_that_shows_the_same)
{
    struct label labels[] = {{"job", "j"}, {"node", "n"}}, turned[] = {{"node", "n"}, {"job", "j"}};
    struct label other[] = {{"job", "j"}, {"node", "m"}};
    struct label more[] = {{"job", "j"}, {"node", "n"}, {"pod", "p"}};
    static const char text[] = "a{job=\"x\"} 1 5\n";
    const struct {
        struct target like;
        bool want;
    } cases[] = {
        {{.labels = labels, .labels_len = 2, .id = "y"}, true},
        {{.labels = turned, .labels_len = 2}, true},
        {{.labels = labels, .labels_len = 1}, false},
        {{.labels = other, .labels_len = 2}, false},
        {{.labels = more, .labels_len = 3}, false},
        {{.labels = labels, .labels_len = 2, .honor_labels = true}, false},
        {{.labels = labels, .labels_len = 0}, false},
        {{.labels = labels, .labels_len = 2, .honor_timestamps = true}, true},
    };
    AUTO_PTR(target)
    struct target *t = target_new(&(struct target){.id = "x", .labels = labels, .labels_len = 2});
    AUTO_PTR(page) struct page *p = page_new(t, &PAGE_LIMITS_DEFAULT, 0);
    page_rest(p, read_text(p, text));
    struct series *s = read_text(p, text)->samples[0].series;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target *next = target_new(&cases[i].like);
        if (page_retarget(p, next) != cases[i].want)
            test_fail(__FILE__, __LINE__, "case %zu", i);
        CHECK_INT(next->refs, cases[i].want ? 2 : 1);
        struct batch *b = read_text(p, text);
        CHECK_INT(b->target == next, cases[i].want);
        CHECK(b->samples[0].series == s);
        target_unref(next);
    }
    CHECK_INT(t->refs, 1);
    CHECK_INT(read_text(p, text)->samples[0].ts_ms, 5); /* the last one honors times */
    CHECK(!page_retarget(p, NULL));
}

/* Meta series. */

static const struct page_meta good = {.up = true,
                                      .duration_seconds = 0.25,
                                      .samples_scraped = 3,
                                      .samples_post_filter = 2,
                                      .series_added = 1,
                                      .body_bytes = 99};

TEST(meta_series_tell_of_the_scrape)
{
    static const struct {
        const char *name;
        double value;
    } want[PAGE_META] = {
        {"up", 1},
        {"scrape_duration_seconds", 0.25},
        {"scrape_samples_scraped", 3},
        {"scrape_samples_post_filter", 2},
        {"scrape_series_added", 1},
        {"scrape_body_size_bytes", 99},
    };
    struct label labels[] = {{"node", "n"}, {"job", "j"}};
    AUTO_PTR(target)
    struct target *t = target_new(&(struct target){.id = "x", .labels = labels, .labels_len = 2});
    AUTO_PTR(page) struct page *p = page_new(t, &PAGE_LIMITS_DEFAULT, 1);
    struct batch *b = read_text(p, "a 1\n");
    size_t bytes = page_stats(p).bytes;
    page_add_meta(p, &good, b);
    CHECK_INT(b->len, 1 + PAGE_META);
    CHECK_INT(b->meta_len, PAGE_META);
    for (size_t i = 0; i < PAGE_META; i++) {
        const struct sample *s = &b->samples[1 + i];
        CHECK_STR(series_name(s->series), want[i].name);
        CHECK_DBL(s->value, want[i].value);
        CHECK_INT(s->ts_ms, b->scraped_ms);
        CHECK_INT(s->series->family->kind, SERIES_GAUGE);
        CHECK_STR(series_first(s->series).name, "job");
        CHECK_STR(series_label(s->series, "node"), "n");
        CHECK_INT(s->series->lanes, 1);
    }
    CHECK_INT(page_stats(p).series, 1);
    CHECK(page_stats(p).bytes > bytes);
    CHECK_INT(read_text(p, "a 1\n")->meta_len, 0);
}

TEST(there_is_room_for_meta_series_behind_any_number_of_samples)
{
    AUTO(buf) struct buf text = BUF_INIT(1000);
    for (int i = 0; i < 30; i++) {
        CHECK_INT(buf_printf(&text, "a%d 1\n", i), OK);
        AUTO_PTR(page) struct page *p = new_page();
        AUTO(batch) struct batch b = {0};
        page_read(p, (struct span){text.data, text.len}, 1, &b, NULL);
        page_add_meta(p, &good, &b);
        CHECK_INT(b.len, i + 1 + PAGE_META);
    }
}

TEST(a_failed_scrape_is_told_and_ends_no_meta_series)
{
    AUTO_PTR(page) struct page *p = new_page();
    AUTO(batch) struct batch b = {0};
    page_failed(p, 1, &b); /* of a target that was never read */
    page_add_meta(p, &(struct page_meta){.up = false}, &b);
    CHECK_INT(b.len, PAGE_META);
    struct series *up = b.samples[0].series;
    for (int64_t i = 2; i < 5; i++) {
        page_failed(p, i, &b);
        page_add_meta(p, &(struct page_meta){.up = false}, &b);
        CHECK_INT(b.ended_len, 0);
        CHECK(b.samples[0].series == up);
        CHECK_DBL(b.samples[0].value, 0);
        CHECK_INT(b.samples[0].ts_ms, i);
    }
}

TEST(meta_series_end_with_their_target)
{
    static const char all[] = "a up scrape_duration_seconds scrape_samples_scraped "
                              "scrape_samples_post_filter scrape_series_added "
                              "scrape_body_size_bytes ";
    AUTO_PTR(page) struct page *p = new_page();
    struct batch *b = read_text(p, "a 1\n");
    page_add_meta(p, &good, b);
    page_end(p, 9, b);
    CHECK_INT(b->len, 0);
    check_ended(b, all);
    page_end(p, 10, b);
    CHECK_INT(b->ended_len, 0);
    page_failed(p, 11, b);
    page_add_meta(p, &good, b);
    page_end(p, 12, b);
    check_ended(b, all + 2); /* they alone */
}

TEST(meta_series_stay_when_lanes_change)
{
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    bind(p, 1, "A");
    struct batch *b = read_text(p, "a 1\n");
    page_add_meta(p, &good, b);
    series_set_sent(b->samples[1].series, 0);
    bind(p, 2, "BA");
    b = read_text(p, "a 1\n");
    page_add_meta(p, &good, b);
    CHECK_STR(series_name(b->samples[1].series), "up");
    check_sent(b->samples[1].series, "01");
    check_sent(b->samples[2].series, "00");
}

TEST(a_repeat_scrape_with_meta_series_allocates_nothing)
{
    AUTO_PTR(page) struct page *p = new_page();
    uint64_t before = 0;
    for (int scrape = 0; scrape < 3; scrape++) {
        struct batch *b = read_text(p, "a 1\nb 2\n");
        page_add_meta(p, &good, b);
        batch_commit(b);
        page_rest(p, b);
        before = scrape == 0 ? mem_count() : before;
    }
    CHECK_INT(mem_count(), before);
}
