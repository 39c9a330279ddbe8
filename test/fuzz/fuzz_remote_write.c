/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_remote_write.c - version 1.0 of remote write, from whatever scrapes, is what it is field by field.
 *
 * The input: a byte that says how large messages may be and which samples are dropped, and texts of pages,
 * parted by \x01.  Each is read several times, a '$' in it being a number that changes from time to time. */
#include "../remote_write_plain.h"
#include "encoders.h"
#include "page.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {
    "\x01",
    "\x01",
    "\x07",
    "\x40",
    "\xff",
    "a $\n",
    "a{x=\"1\"} $\n",
    "a{x=\"12\"} $\na{x=\"13\"} $\na{x=\"14\"} $\na{x=\"15\"} 0\na{x=\"16\"} 0\n",
    "a{x=\"2\",pod=\"cart-5d8f7c9b6-x2v\",zone=\"eu-central-1b\"} $\n",
    "a{x=\"3\",pod=\"cart-5d8f7c9b6-x2w\",zone=\"eu-central-1b\"} 17\n",
    "b{x=\"4\",pod=\"mail-5d8f7c9b6-x2w\",zone=\"eu-central-1b\"} 17\n",
    "b{x=\"5\",pod=\"mail-5d8f7c9b6-x2w\",zone=\"eu-central-1b\"} 17 1795271160122\n",
    "bb{x=\"6\"} NaN\n",
    "c{x=\"1\"} 1 5\n",
    "c{x=\"2\"} 1 4398046511104\n",
    "c{x=\"2\"} -1 -1\n",
    "# TYPE h histogram\n",
    "h_bucket{le=\"1\"} $ # {trace=\"7\"} 0.5\n",
    "h_bucket{le=\"2\"} $ # {trace=\"123456\",span=\"abcdef\"} 1.5 1795271160\n",
    "h_bucket{le=\"+Inf\"} $\n",
    "h_count $\nh_sum $\n",
    "d{__name__=\"e\"} 1\n",
    "long{x=\"0123456789012345678901234567890123456789012345678901234567890123456789\"} $\n",
    "long{y=\"01234567890123456789012345678901234567890123456789012345678901234567890123\"} $\n",
    "0123456789",
    "x=\"1\"",
    "\"",
    "\n",
    "$",
    "# EOF\n",
    NULL};

enum { MOST = 1 << 20, ROUNDS = 3 };

struct run {
    struct encoder_step step;
    struct page *page;
    struct batch batch;
    struct payload *got;
    struct buf raw, want, back, text;
    unsigned drop;
};

static bool sayable(const struct series *s)
{
    return series_label(s, "__name__") == NULL;
}

/* The records of one message are those up to `to` that have not been in one and fit into some. */
static void check_message(struct run *r, size_t from, size_t to)
{
    size_t records = 0;
    plain_open(r->got, &r->back);
    buf_truncate(&r->want, 0);
    for (size_t i = from; i < to; i++) {
        const struct batch *b = &r->batch;
        const struct series *s = i < b->len ? b->samples[i].series : b->ended[i - b->len];
        size_t len = r->want.len;
        if (!sayable(s) || (i >= b->len && !series_sent(s, 0)))
            continue;
        plain_record(&r->want, b, i);
        records++;
        /* one that is too large for any message is not there */
        if (r->want.len > r->back.len ||
            memcmp(r->want.data + len, r->back.data + len, r->want.len - len) != 0) {
            plain_require(r->want.len - len + (r->want.len - len) / 6 + 32 > r->got->body.max);
            buf_truncate(&r->want, len);
            records--;
        }
    }
    plain_require(records == r->got->samples && r->want.len == r->back.len);
    plain_require(r->got->body.len <= r->got->body.max && r->back.len <= 4 * r->got->body.max);
}

static void scrape(struct run *r, struct span text)
{
    struct encoder_counts counts = {0};
    size_t from = 0, before = 0, kept = 0;
    page_read(r->page, text, INT64_C(1795271160123), &r->batch, NULL);
    for (size_t i = 0; i < r->batch.len; i++)
        if (r->drop == 0 || (i * 7 + text.len) % 16 >= r->drop)
            r->batch.samples[kept++] = r->batch.samples[i];
    r->batch.len = kept;
    r->batch.meta_len = 0;
    while (encoder_run(&r->step, &r->batch, &from, r->got, &r->raw, &counts) > 0) {
        check_message(r, before, from);
        buf_truncate(&r->got->body, 0);
        before = from;
    }
    plain_require(from == batch_records(&r->batch));
    batch_commit(&r->batch);
    page_rest(r->page, &r->batch);
}

/* The text with numbers in place of each '$'. */
static void fill(struct buf *out, const uint8_t *data, size_t size, int round)
{
    buf_truncate(out, 0);
    for (size_t i = 0; i < size; i++) {
        char c = (char)data[i];
        plain_require(
            (c == '$' ? buf_printf(out, "%d", round * (int)(i % 5)) : buf_add(out, &c, 1)) == OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned how = size > 0 ? data[0] : 0;
    struct run r = {.step = {.ops = encoder_find("remote_write"), .max_samples = SIZE_MAX},
                    .page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1),
                    .got = payload_new("key", how & 0x80 ? MOST : 100 + 40 * (size_t)(how >> 3)),
                    .raw = BUF_INIT(2 * MOST),
                    .want = BUF_INIT(8 * MOST),
                    .back = BUF_INIT(8 * MOST),
                    .text = BUF_INIT(MOST),
                    .drop = how & 7};
    _Alignas(max_align_t) char conf[256] = {0};
    setting_defaults(r.step.ops->settings, conf);
    plain_require(r.step.ops->open(&r.step.self, conf, NULL) == OK);
    for (size_t i = 1, end; i < size && size < MOST / 8; i = end + 1) {
        for (end = i; end < size && data[end] != 1;)
            end++;
        for (int round = 0; round < ROUNDS; round++) {
            fill(&r.text, data + i, end - i, round);
            scrape(&r, (struct span){r.text.data, r.text.len});
        }
    }
    r.step.ops->close(r.step.self);
    setting_done(r.step.ops->settings, conf);
    page_free(r.page);
    payload_free(r.got);
    batch_done(&r.batch);
    buf_done(&r.raw);
    buf_done(&r.want);
    buf_done(&r.back);
    buf_done(&r.text);
    return 0;
}
