/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_promtext.c - any body is read or refused line by line.
 *
 * Read again, when most lines are known, it gives the same samples and faults, whatever stood
 * between: a failed scrape, other lanes.  In every scrape no series is lost from the books of
 * the page, no limit is passed, and what json makes of it is UTF-8.  */
#include "encoders.h"
#include "mem.h"
#include "page.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"a",
                                  "b",
                                  "a_sum",
                                  "a_bucket",
                                  "a_count",
                                  "{",
                                  "}",
                                  "x",
                                  "le",
                                  "=",
                                  "\"",
                                  "\"\"",
                                  ",",
                                  "\\",
                                  "\\n",
                                  "\\\"",
                                  " ",
                                  "\t",
                                  "\n",
                                  "\n",
                                  "\r\n",
                                  "1",
                                  "0",
                                  "-",
                                  "+",
                                  ".",
                                  "e5",
                                  "NaN",
                                  "Inf",
                                  " 1\n",
                                  " 2.5 7\n",
                                  "# TYPE a histogram\n",
                                  "# TYPE a gauge\n",
                                  "# HELP a h\n",
                                  "#",
                                  "# UNIT ",
                                  "\xc3\xa9",
                                  "\xff",
                                  "{x=\"1\"}",
                                  "{x=\"1\",le=\"2\"} 3\n",
                                  "a{x=\"1\",} 4 -5\n",
                                  "# HELP a other\n",
                                  "# UNIT a s\n",
                                  "c 1\nd 1\ne 1\nf 1\ng 1\nh 1\n",
                                  "<html>\n",
                                  "                                                            ",
                                  NULL};

static const struct page_limits tight = {.max_series = 20,
                                         .max_bytes = 10000,
                                         .max_labels = 3,
                                         .max_name_bytes = 8,
                                         .max_value_bytes = 8,
                                         .max_samples = 12,
                                         .max_new_series = 1000,
                                         .max_names = 6,
                                         .max_line_bytes = 60};

enum { MOST = 64 };
static const struct page_limits roomy = {.max_series = MOST,
                                         .max_bytes = 1 << 20,
                                         .max_labels = 64,
                                         .max_name_bytes = 512,
                                         .max_value_bytes = 4096,
                                         .max_samples = MOST,
                                         .max_new_series = 1000,
                                         .max_names = 1000,
                                         .max_line_bytes = 1 << 20};

static void require(bool ok)
{
    if (!ok)
        abort();
}

static uint64_t sum(const uint64_t by[PAGE_REFUSALS])
{
    uint64_t n = 0;
    for (size_t i = 0; i < PAGE_REFUSALS; i++)
        n += by[i];
    return n;
}

/* Writes b with a json that says all it can; what was sent is told of its end. */
static struct encoder_counts encode(const struct batch *b, unsigned lane)
{
    static struct encoder_step json;
    static struct payload *out;
    if (!out) {
        out = payload_new("fuzz", 300);
        _Alignas(max_align_t) char conf[64] = {0};
        json = (struct encoder_step){.ops = encoder_find("json"), .max_samples = 7};
        setting_defaults(json.ops->settings, conf);
        require(setting_set(setting_find(json.ops->settings, "help"), conf, "true", NULL) == OK);
        require(json.ops->open(&json.self, conf, NULL) == OK);
    }
    json.lane = lane;
    size_t from = 0;
    struct encoder_counts c = {0};
    for (payload_reset(out); encoder_run(&json, b, &from, out, NULL, &c) > 0; payload_reset(out))
        require(text_is_utf8((struct span){out->body.data, out->body.len}));
    require(c.encoded + c.skipped[SKIP_TOO_LARGE] == b->len + c.ended && c.ended <= b->ended_len);
    return c;
}

/* What holds for every scrape, whatever was read before. */
static struct page_faults scrape(struct page *p, struct span body, struct batch *b,
                                 const struct page_limits *limits)
{
    struct page_faults f;
    struct page_stats old = page_stats(p), new;
    page_read(p, body, 1, b, &f);
    new = page_stats(p);
    require(old.series + f.added == new.series + b->ended_len);
    require(new.known + new.parsed == old.known + old.parsed + b->len);
    require(f.refused == sum(f.refused_by) && f.refused == sum(new.refused) - sum(old.refused));
    require(f.lines_bad == new.lines_bad - old.lines_bad);
    require((f.first_refused.status == OK) == (f.refused == 0));
    require((f.first_bad.status == OK) == (f.lines_bad == 0));
    require(f.unreadable == (b->len == 0 && f.refused == 0 && f.lines_bad > 0));
    require(!f.unreadable || b->ended_len == 0);
    require(b->len <= limits->max_samples && f.added <= limits->max_new_series);
    require(new.series <= limits->max_series &&new.families <= limits->max_names + b->ended_len);
    page_add_meta(p, &(struct page_meta){.up = true}, b);
    batch_commit(b);
    return f;
}

struct seen {
    size_t len;
    uint64_t ids[MOST];
    struct sample samples[MOST];
    struct page_faults faults;
};

static void see(struct seen *s, const struct batch *b, const struct page_faults *f)
{
    s->faults = *f;
    s->len = b->len - b->meta_len;
    for (size_t i = 0; i < s->len; i++) {
        s->ids[i] = b->samples[i].series->id;
        s->samples[i] = b->samples[i];
    }
}

static void require_same(const struct seen *s, const struct batch *b, const struct page_faults *f)
{
    require(b->len == s->len + PAGE_META && b->ended_len == 0 && f->added == 0);
    require(f->refused == s->faults.refused && f->lines_bad == s->faults.lines_bad);
    for (size_t i = 0; i < s->len; i++) {
        const struct sample *now = &b->samples[i], *old = &s->samples[i];
        require(now->series->id == s->ids[i] && now->ts_ms == old->ts_ms);
        require(memcmp(&now->value, &old->value, sizeof(double)) == 0);
        require(now->text.data == old->text.data);
    }
}

/* Lane 8 alone, then lanes 7 and 8. */
static void bind(struct page *p, const struct page_limits *limits, uint8_t lanes)
{
    static const uint32_t ids[] = {7, 8};
    page_bind(p, &(struct page_plan){.generation = lanes,
                                     .limits = limits,
                                     .lane_ids = ids + 2 - lanes,
                                     .lanes_len = lanes});
}

/* The same body again and again.  Where there is no room for a new name, a line is refused that counts
 * from the next scrape on, if one behind it made its series known: of two alike the first one; and so on,
 * until no more such lines are left. */
static void read_again(struct span body, const struct page_limits *limits)
{
    AUTO_PTR(page) struct page *p = page_new(NULL, limits, 0);
    static struct batch b;
    bind(p, limits, 1);
    struct seen seen;
    struct page_faults f = scrape(p, body, &b, limits);
    size_t scrapes = 0;
    for (size_t before = 0; f.refused_by[PAGE_MAX_NAMES] != before;) {
        require(scrapes++ < MOST); /* each finds room for one at least */
        before = f.refused_by[PAGE_MAX_NAMES];
        f = scrape(p, body, &b, limits);
    }
    see(&seen, &b, &f);
    uint64_t sent = encode(&b, 0).encoded;
    for (int i = 0; i < 3; i++) {
        f = scrape(p, body, &b, limits);
        require_same(&seen, &b, &f);
        if (i == 1)
            bind(p, limits, 2);
        page_failed(p, 2, &b);
        require(batch_records(&b) == 0 || f.unreadable);
    }
    page_end(p, 3, &b);
    require(b.len == 0 && b.ended_len == seen.len + PAGE_META && page_stats(p).series == 0);
    require(encode(&b, 0).ended == 0 && encode(&b, 1).ended == sent);
    page_end(p, 3, &b);
    require(b.ended_len == 0 && page_stats(p).bytes == 0 && page_stats(p).families == 0);
}

/* Parts of the body in turn, so that series come and go, with failures between. */
static void read_parts(struct span body)
{
    struct page_limits limits = tight;
    limits.max_new_series = 3;
    limits.max_samples = 8;
    AUTO_PTR(page) struct page *p = page_new(NULL, &limits, 1);
    static struct batch b;
    for (size_t i = 0; i < 5; i++) {
        size_t from = i % 2 ? body.len / 2 : 0, to = i % 3 ? body.len : body.len * 2 / 3;
        scrape(p, (struct span){body.data + from, to - from}, &b, &limits);
        if (i == 1)
            encode(&b, 0);
        if (i == 2)
            page_failed(p, 1, &b);
    }
    size_t series = page_stats(p).series, ended = 0;
    for (int i = 0; i < 2; i++) {
        page_failed(p, 2, &b);
        ended += b.ended_len;
    }
    require(page_stats(p).series == 0 && ended == series);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = malloc(size + (size == 0)); /* of this size exactly, for asan */
    for (size_t i = 0; i < size; i++)
        body[i] = (char)data[i];
    bool whole = size > 256; /* pages of the corpus; of random ones each goes one way */
    if (whole || size % 2 == 0)
        read_again((struct span){body, size}, &tight);
    if (whole || size % 2 == 1)
        read_parts((struct span){body, size});
    if (whole)
        read_again((struct span){body, size}, &roomy);
    free(body);
    return 0;
}
