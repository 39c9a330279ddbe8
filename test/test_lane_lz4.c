/* SPDX-License-Identifier: Apache-2.0 */
/* A lane whose sink wants LZ4 frames, and whose encoder makes them: sent, cut, kept on disk. */
#include "compress.h"
#include "lane_spooled.h"

static struct {
    struct buf text; /* the contents of what was delivered, in order */
    size_t frames, plain;
} got;

static enum status read_body(const struct payload *p)
{
    AUTO(buf) struct buf content = BUF_INIT(LZ4_OUT_MAX);
    bool frame = compress_is_lz4(p);
    if (frame && lz4_frame_open((struct span){p->body.data, p->body.len}, &content) != OK)
        abort();
    const struct buf *from = frame ? &content : &p->body;
    if (buf_add(&got.text, from->data, from->len) != OK)
        abort();
    got.frames += frame;
    got.plain += !frame;
    return OK;
}

static bool yes(const void *conf)
{
    (void)conf;
    return true;
}

static struct sink_ops wants;

static void use_json(struct rig *r)
{
    wants = fake_ops;
    wants.wants_lz4 = yes;
    r->conf.encoder = encoder_find("json");
    r->conf.sink = &wants;
    r->conf.max_message = 1 << 16;
    r->fake.way = FAKE_JUDGES;
    r->fake.judge = read_body;
}

static void forget(void)
{
    buf_done(&got.text);
    got.text = (struct buf)BUF_INIT(1 << 22);
    got.frames = got.plain = 0;
}

enum { LINES = 200 };

static void make_page(struct buf *out)
{
    for (int i = 0; i < LINES; i++)
        CHECK_INT(
            buf_printf(out, "requests_total{pod=\"cart-%d\",zone=\"z-%d\"} %d\n", i, i % 3, i), OK);
}

/* What the same page is by an encoder that makes no frames. */
static void check_got(const char *page)
{
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO_PTR(payload) struct payload *want = payload_new("key", 1 << 20);
    struct encoder_step e = {.ops = encoder_find("json"), .max_samples = SIZE_MAX};
    struct encoder_counts counts = {0};
    _Alignas(max_align_t) char conf[64] = {0};
    size_t from = 0;
    setting_defaults(e.ops->settings, conf);
    CHECK_INT(e.ops->open(&e.self, conf, NULL), OK);
    CHECK_INT(encoder_run(&e, read_text(p, page), &from, want, NULL, &counts), LINES);
    CHECK_STR(got.text.data, want->body.data);
    e.ops->close(e.self);
}

TEST(frames_are_sent_and_counted_by_what_is_in_them)
{
    struct rig *r = rig_new();
    AUTO(buf) struct buf page = BUF_INIT(1 << 20);
    make_page(&page);
    use_json(r);
    for (int scrape = 1; scrape <= 3; scrape++) {
        forget();
        if (scrape == 1)
            rig_start(r);
        rig_scrape(r, "x", scrape, page.data);
        WAIT(r->books.delivered == (uint64_t)scrape * LINES);
        check_got(page.data);
        CHECK_INT(got.plain, 0);
        CHECK_INT(r->books.bytes_delivered, (uint64_t)scrape * got.text.len);
    }
    rig_finish(r);
    forget();
}

TEST(what_a_frame_would_not_make_smaller_goes_as_it_is)
{
    struct rig *r = rig_new();
    use_json(r);
    forget();
    rig_start(r);
    rig_scrape(r, "x", 1, "a 1\n");
    WAIT(r->books.delivered == 1);
    CHECK_INT(got.frames, 0);
    CHECK_INT(got.plain, 1);
    rig_finish(r);
    forget();
}

TEST(a_frame_too_large_for_the_peer_is_opened_and_cut)
{
    static const size_t told[] = {1000, 0}; /* the peer says its bound, or does not */
    AUTO(buf) struct buf page = BUF_INIT(1 << 20);
    make_page(&page);
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        struct rig *r = rig_new();
        use_json(r);
        r->fake.limit = 1000;
        r->fake.told_limit = told[i];
        forget();
        rig_start(r);
        rig_scrape(r, "x", 1, page.data);
        WAIT(r->books.delivered == LINES);
        CHECK(r->books.splits > 0);
        CHECK(got.plain > 20);
        CHECK_INT(r->books.bytes_delivered, got.text.len);
        if (told[i]) /* else pieces of pieces come in another order */
            check_got(page.data);
        rig_finish(r);
    }
    forget();
}

/* After a restart too, when it comes from disk. */
TEST(frames_are_kept_on_disk)
{
    static const size_t limits[] = {0, 1000};
    AUTO(buf) struct buf page = BUF_INIT(1 << 20);
    make_page(&page);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct spooled t;
        spooled_init(&t, LANE_ALWAYS);
        use_json(t.r);
        t.r->conf.spool.size = (int64_t)4 << 20;
        t.r->conf.buffer_bytes = 1 << 20;
        t.r->fake.way = FAKE_FAILS;
        t.r->fake.how = ERR_IO;
        forget();
        rig_start(t.r);
        rig_scrape(t.r, "x", 1, page.data);
        WAIT(t.r->books.in_spool == LINES);
        restart(&t);
        use_json(t.r);
        t.r->fake.limit = limits[i];
        t.r->fake.told_limit = limits[i];
        rig_start(t.r);
        WAIT(t.r->books.delivered == LINES);
        CHECK((limits[i] ? got.plain : got.frames) > 0);
        check_got(page.data);
        rig_finish(t.r);
        spool_rig_done(&t.disk);
    }
    forget();
}

/* More than one block holds is the sink's work. */
TEST(very_large_messages_are_not_made_so)
{
    struct rig *r = rig_new();
    AUTO(buf) struct buf page = BUF_INIT(1 << 20);
    make_page(&page);
    use_json(r);
    r->conf.max_message = LZ4_OUT_MAX + 1;
    forget();
    rig_start(r);
    rig_scrape(r, "x", 1, page.data);
    WAIT(r->books.delivered == LINES);
    CHECK_INT(got.frames, 0);
    rig_finish(r);
    forget();
}
