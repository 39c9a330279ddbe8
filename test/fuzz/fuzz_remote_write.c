/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_remote_write.c - version 1.0 of remote write, from whatever scrapes, is what it is field by field.
 *
 * The input: a byte that says how large messages may be and which samples are dropped, and texts of pages,
 * parted by \x01.  Each is read several times, a '$' in it being a number that changes from time to time,
 * a '?' an exemplar that comes and goes.
 * A page that is read for the first time makes the same bytes. */
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
    "# TYPE f counter\n",
    "f_total{x=\"1\",y=\"1\"} $?\n",
    "f_total{x=\"1\",y=\"21\"} $?\nf_total{x=\"2\",y=\"21\"} $\nf_total{x=\"2\",y=\"1\"} $?\n",
    "f_total{x=\"3\",y=\"21\"} $\nf_total{x=\"34\",y=\"2\"} $?\nf_total{x=\"4\",y=\"11\"} $\n",
    "d{__name__=\"e\"} 1\n",
    "long{x=\"0123456789012345678901234567890123456789012345678901234567890123456789\"} $\n",
    "long{y=\"01234567890123456789012345678901234567890123456789012345678901234567890123\"} $\n",
    "long{z=\"1\",x="
    "\"0b5c8a521f0e4f3c9d57d1e26a7780c4f9b3e6a8127d5c40918e3fab62c7d05498e1b3f7a2c6d4\"} $\n",
    "90ab4e17c2d86f35a1b0978e6c4d2f13857ae9b60c4f1d283e7a95b6d0c1f4e8273b5a96",
    "7e15d3c9a8426fb0e71c5d934a8b26f0c9e4173d5a8f62b0d9c3e7514a6f8b20d3c97e15",
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
    struct page_manner manner;
    struct page *page;
    struct batch batch;
    struct payload *got, *again;
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

/* Those of a set stay. */
static void drop(const struct run *r, struct batch *b, size_t seed)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->len; i++)
        if (r->drop == 0 || (i * 7 + seed) % 16 >= r->drop)
            b->samples[kept++] = b->samples[i];
    b->len = kept;
    b->meta_len = 0;
}

/* Whether a page that has seen nothing reads the same: without the last one's knowledge of types a line
 * may be another. */
static bool reads_same(struct run *r, const struct batch *fresh)
{
    bool same = fresh->len == r->batch.len;
    for (size_t i = 0; same && i < fresh->len; i++) {
        buf_truncate(&r->want, 0);
        plain_record(&r->want, fresh, i);
        size_t len = r->want.len;
        plain_record(&r->want, &r->batch, i);
        same = r->want.len == 2 * len && memcmp(r->want.data, r->want.data + len, len) == 0;
    }
    return same;
}

/* The message of the fresh page up to `to` is the same; not when series that ended are in it. */
static void require_again(struct run *r, const struct batch *fresh, size_t *from, size_t to)
{
    struct encoder_counts counts = {0};
    if (to > fresh->len || (to == fresh->len && r->batch.ended_len > 0))
        return;
    buf_truncate(&r->again->body, 0);
    encoder_run(&r->step, fresh, from, r->again, &r->raw, &counts);
    plain_require(*from == to && r->again->body.len == r->got->body.len);
    plain_require(memcmp(r->again->body.data, r->got->body.data, r->got->body.len) == 0);
}

static void scrape(struct run *r, struct span text)
{
    static struct batch fresh_batch;
    AUTO_PTR(page) struct page *fresh = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    size_t fresh_from = 0;
    struct encoder_counts counts = {0};
    size_t from = 0, before = 0;
    page_read(r->page, text, INT64_C(1795271160123), &r->batch, NULL);
    page_set_manner(fresh, &r->manner);
    page_read(fresh, text, INT64_C(1795271160123), &fresh_batch, NULL);
    drop(r, &r->batch, text.len);
    drop(r, &fresh_batch, text.len);
    bool same = reads_same(r, &fresh_batch);
    while (encoder_run(&r->step, &r->batch, &from, r->got, &r->raw, &counts) > 0) {
        check_message(r, before, from);
        if (same)
            require_again(r, &fresh_batch, &fresh_from, from);
        buf_truncate(&r->got->body, 0);
        before = from;
    }
    plain_require(from == batch_records(&r->batch));
    batch_commit(&r->batch);
    page_rest(r->page, &r->batch);
}

/* The text with numbers in place of each '$', and at times an exemplar in place of each '?'. */
static void fill(struct buf *out, const uint8_t *data, size_t size, int round)
{
    buf_truncate(out, 0);
    for (size_t i = 0; i < size; i++) {
        char c = (char)data[i];
        enum status done = OK;
        if (c == '$')
            done = buf_printf(out, "%d", round * (int)(i % 5));
        else if (c != '?')
            done = buf_add(out, &c, 1);
        else if (round % 2)
            done = buf_puts(out, " # {t=\"7\"} 1");
        plain_require(done == OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned how = size > 0 ? data[0] : 0;
    struct run r = {
        .step = {.ops = encoder_find("remote_write"), .max_samples = SIZE_MAX},
        .page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1),
        .got = payload_new("key", how & 0x80 ? MOST : 100 + 40 * (size_t)(how >> 3)),
        .manner = {.format = size % 2 ? FORMAT_OPENMETRICS : FORMAT_TEXT, .mode = MODE_SALVAGE},
        .raw = BUF_INIT(2 * MOST),
        .want = BUF_INIT(8 * MOST),
        .back = BUF_INIT(8 * MOST),
        .text = BUF_INIT(MOST),
        .drop = how & 7};
    _Alignas(max_align_t) char conf[256] = {0};
    setting_defaults(r.step.ops->settings, conf);
    r.again = payload_new("key", r.got->body.max);
    page_set_manner(r.page, &r.manner);
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
    payload_free(r.again);
    batch_done(&r.batch);
    buf_done(&r.raw);
    buf_done(&r.want);
    buf_done(&r.back);
    buf_done(&r.text);
    return 0;
}
