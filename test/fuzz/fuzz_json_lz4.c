/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json_lz4.c - lines of JSON that come as LZ4 frames are what comes without.
 *
 * The input: a byte that says how, and texts of pages, parted by \x01.  Each text is read several
 * times in a row, a '$' in it being a number that changes, and of its samples some drop out.  Two lanes of one page
 * write what is left, as it is and as frames, which liblz4 opens; a page that is read for the first time
 * makes the same frames.  */
#include "budget.h"
#include "encoders.h"
#include "mem.h"
#include "page.h"

#include <lz4frame.h>

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {
    "\x01",
    "\x01",
    "a{x=\"1\"} $\n",
    "a{x=\"2\"} $\n",
    "a{x=\"3\",y=\"1\"} $\n",
    "a{x=\"\"} $\n",
    "a $\n",
    "b{ns=\"shop\",pod=\"cart-5d8f7c9b6-x2v1\",uid=\"0b5c8a52-1f0e\"} $\n",
    "b{ns=\"shop\",pod=\"cart-5d8f7c9b6-x2v2\",uid=\"0b5c8a53-1f0e\"} $\n",
    "b{ns=\"shop\",pod=\"mail-77aa\",uid=\"0b5c8a52-1f0e-4f3c-9d57\"} $\n",
    "b{ns=\"shop\",pod=\"\\\"\\\\\\n\"} $\n",
    "b{ns=\"shop\",pod=\"\\\"\\\\\\n\\\"\"} $ 5\n",
    "# TYPE b gauge\n",
    "# TYPE b counter\n",
    "# TYPE a gauge\n",
    "# HELP a $ help\n",
    "# HELP b Help.\n# UNIT b b\n",
    "c_s{x=\"1\"} $ 100\nc_s{x=\"2\"} $ 101\n",
    "# TYPE c_s gauge\n# UNIT c_s s\nc_s{x=\"3\"} $\nc_s{x=\"4\"} $\nc_s{x=\"5\"} $\n",
    "# TYPE d histogram\nd_bucket{le=\"1\"} $ # {t=\"$\"} $\nd_bucket{le=\"2\"} $ # {} $ 7\n"
    "d_bucket{le=\"+Inf\"} $\nd_count $\nd_sum $\n",
    "# TYPE e counter\ne_total $\ne_created $\n",
    "aa{x=\"1\"} $\n",
    "aaa{x=\"1\"} $\n",
    "{\"x.y\",\"l.m\"=\"z\"} $\n",
    "long_name_long_name_long_name_long_name_long_name_long_name_long_name{x=\"1\"} $\n",
    "long_name_long_name_long_name_long_name_long_name_long_name_long_namf{x=\"1\"} $\n",
    "long{z=\"1\",x="
    "\"0b5c8a521f0e4f3c9d57d1e26a7780c4f9b3e6a8127d5c40918e3fab62c7d05498e1b3f7a2c6d4\"} $\n",
    "90ab4e17c2d86f35a1b0978e6c4d2f13857ae9b60c4f1d283e7a95b6d0c1f4e8273b5a96",
    "7e15d3c9a8426fb0e71c5d934a8b26f0c9e4173d5a8f62b0d9c3e7514a6f8b20d3c97e15",
    "$",
    "\"",
    "# EOF\n",
    NULL};

enum { MOST = 4096, ROUNDS = 4, LANES = 2, BIGGEST = 1 << 20 };

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* What is under test, with defaults but for the help. */
static struct encoder_step make_step(const char *help, unsigned lane)
{
    _Alignas(max_align_t) char conf[64] = {0};
    struct encoder_step e = {.ops = encoder_find("json"), .lane = lane, .max_samples = SIZE_MAX};
    require(e.ops->conf_size <= sizeof conf);
    setting_defaults(e.ops->settings, conf);
    require(setting_set(setting_find(e.ops->settings, "help"), conf, help, NULL) == OK);
    require(e.ops->open(&e.self, conf, NULL) == OK);
    setting_done(e.ops->settings, conf);
    return e;
}

struct world {
    struct encoder_step plain, lz4;
    struct page_manner manner;
    struct page *page;
    struct payload *want, *got, *again;
    bool cold;
    unsigned seed;
};

static struct page *make_page(const struct page_manner *manner)
{
    struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, LANES);
    page_set_manner(p, manner);
    return p;
}

static void require_frame(const struct payload *p, const struct buf *want)
{
    static char back[BIGGEST];
    static LZ4F_dctx *d;
    if (!p->headers) {
        require(p->body.len == want->len && memcmp(p->body.data, want->data, want->len) == 0);
        return;
    }
    if (!d)
        require(!LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)));
    size_t len = sizeof back, in = p->body.len;
    require(p->body.len < want->len);
    require(LZ4F_decompress(d, back, &len, p->body.data, &in, NULL) == 0);
    require(in == p->body.len && len == want->len && memcmp(back, want->data, len) == 0);
}

static size_t run(const struct encoder_step *e, const struct batch *b, size_t *from,
                  struct payload *p, struct encoder_counts *counts)
{
    buf_truncate(&p->body, 0);
    return encoder_run(e, b, from, p, NULL, counts);
}

static void require_same_marks(const struct payload_marks *a, const struct payload_marks *b)
{
    require(a->len == b->len && a->records == b->records && a->stride == b->stride);
    require(a->len == 0 || memcmp(a->at, b->at, a->len * sizeof *a->at) == 0);
}

static bool same_body(const struct payload *a, const struct payload *b)
{
    return a->body.len == b->body.len && memcmp(a->body.data, b->body.data, a->body.len) == 0;
}

/* A page that knows nothing may know less of help and type; else its frame is the same. */
static void require_again(struct world *w, const struct batch *fresh, size_t *from)
{
    struct encoder_counts counts = {0};
    size_t again_from = *from;
    run(&w->plain, fresh, from, w->again, &counts);
    if (!same_body(w->again, w->want))
        return;
    run(&w->lz4, fresh, &again_from, w->again, &counts);
    require(again_from == *from && same_body(w->again, w->got));
}

static void encode(struct world *w, const struct batch *b, const struct batch *fresh)
{
    struct encoder_counts wanted = {0}, counts = {0};
    size_t n, from = 0, lz4_from = 0, fresh_from = 0;
    while ((n = run(&w->plain, b, &from, w->want, &wanted)) > 0) {
        require(run(&w->lz4, b, &lz4_from, w->got, &counts) == n && lz4_from == from);
        require_frame(w->got, &w->want->body);
        require_same_marks(&w->got->marks, &w->want->marks);
        require_again(w, fresh, &fresh_from);
    }
    require(run(&w->lz4, b, &lz4_from, w->got, &counts) == 0);
    require(memcmp(&counts, &wanted, sizeof counts) == 0);
}

/* Those of a random set stay. */
static void drop(struct batch *b, unsigned seed)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        if (seed % 3 == 0 || rand_r(&seed) % 4 > 0)
            b->samples[n++] = b->samples[i];
    b->len = n;
}

static void scrape(struct world *w, struct span body)
{
    static struct batch b, fresh_b;
    struct page_faults f;
    AUTO_PTR(page) struct page *fresh = make_page(&w->manner);
    unsigned seed = (unsigned)rand_r(&w->seed);
    page_read(w->page, body, 1000, &b, &f);
    page_read(fresh, body, 1000, &fresh_b, &f);
    drop(&b, seed);
    drop(&fresh_b, seed);
    encode(w, &b, &fresh_b);
    batch_commit(&b);
    budget_set_bound(w->cold ? 1 : SIZE_MAX);
    page_rest(w->page, &b);
    budget_set_bound(SIZE_MAX);
}

static void fill(struct buf *out, struct span text, unsigned *seed)
{
    static const char *const numbers[] = {"1", "2", "0", "-1", "NaN", "1.5", "150", "+Inf", "1e3"};
    enum status s = OK;
    buf_truncate(out, 0);
    for (size_t i = 0; i < text.len && s == OK; i++)
        s = text.data[i] == '$'
                ? buf_puts(out, numbers[(unsigned)rand_r(seed) % ARRAY_LEN(numbers)])
                : buf_add(out, &text.data[i], 1);
    require(s == OK);
}

static void scrape_all(struct world *w, struct span texts)
{
    AUTO(buf) struct buf body = BUF_INIT(1 << 24);
    const char *at = texts.data, *end = at + texts.len;
    for (const char *next; at <= end; at = next + 1) {
        next = memchr(at, '\x01', (size_t)(end - at));
        next = next ? next : end;
        for (unsigned round = 0; round < ROUNDS; round++) {
            fill(&body, (struct span){at, (size_t)(next - at)}, &w->seed);
            scrape(w, (struct span){body.data, body.len});
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lz4_message message;
    if (size < 1 || size % 3 == 1) /* two thirds are enough for a run of a moment */
        return 0;
    unsigned how = (unsigned)size * 7 + data[size - 1];
    size_t max = how & 1 ? BIGGEST : 200 + (how * 37 & 1023);
    struct world w = {.plain = make_step(how & 2 ? "true" : "false", 0),
                      .lz4 = make_step(how & 2 ? "true" : "false", 1),
                      .manner = {.format = how & 4 ? FORMAT_OPENMETRICS : FORMAT_TEXT},
                      .want = payload_new("key", max),
                      .got = payload_new("key", max),
                      .again = payload_new("key", max),
                      .cold = how & 8,
                      .seed = how};
    w.lz4.lz4 = &message;
    w.page = make_page(&w.manner);
    scrape_all(&w, (struct span){(const char *)data, size});
    page_free(w.page);
    payload_free(w.want);
    payload_free(w.got);
    payload_free(w.again);
    w.plain.ops->close(w.plain.self);
    w.lz4.ops->close(w.lz4.self);
    return 0;
}
