/* SPDX-License-Identifier: Apache-2.0 */
/* bench_scripts.c - what encoders that keep scripts cost, where these hold and at worst.
 *
 *     bench_scripts [SCRAPES]
 *
 * Pages of 2,000 series in families of 100, with few labels, and with one long label more.  Of each page
 * all lines are encoded in their order, then half of them, others in each scrape, then all, in another
 * order in each scrape.  Nanoseconds of this thread per sample that is encoded, the best scrape of each;
 * reading is not in them.  Fewer than ten scrapes are of small pages, and only show that it works.  */
#include "bench.h"
#include "buf.h"
#include "compress.h"
#include "encoders.h"
#include "page.h"

enum { SERIES = 2000, FEW = 200, PER_FAMILY = 100, MAX_BODY = 16 << 20 };

static const struct page_limits limits = {.max_series = SERIES,
                                          .max_bytes = (size_t)1 << 30,
                                          .max_labels = 64,
                                          .max_name_bytes = 512,
                                          .max_value_bytes = 4096,
                                          .max_samples = SERIES,
                                          .max_new_series = SERIES,
                                          .max_names = SERIES,
                                          .max_line_bytes = 1 << 20};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_scripts: %s\n", what);
    exit(1);
}

static unsigned chance(void)
{
    static uint64_t state = UINT64_C(88172645463325252); /* the same in every run */
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442685040888963407);
    return (unsigned)(state >> 33);
}

/* What the long label is made of: digits by chance, or pieces of them that repeat in other orders. */
static const struct label_kind {
    const char *name;
    size_t len, piece; /* piece is 0: none repeats */
} kinds[] = {
    {"few labels", 0, 0},
    {"80 bytes by chance", 80, 0},
    {"850 bytes by chance", 850, 0},
    {"850 bytes in pieces of 18", 850, 18},
    {"850 bytes in pieces of 45", 850, 45},
    {"1.9 KB by chance", 1900, 0},
    {"1.9 KB in pieces of 45", 1900, 45},
    {"3.8 KB by chance", 3800, 0},
    {"3.8 KB in pieces of 90", 3800, 90},
};

enum { DIGITS = 9, PIECES = 32, MAX_PIECE = 90 };

static void put_label(struct buf *out, const struct label_kind *k)
{
    static char pieces[PIECES * MAX_PIECE + 1];
    for (size_t i = 0; i < sizeof pieces - 1 && !pieces[sizeof pieces - 2]; i += DIGITS)
        snprintf(pieces + i, DIGITS + 1, "%09x", chance());
    check(buf_puts(out, ",long=\"") == OK, "no room");
    size_t piece = k->piece ? k->piece : DIGITS;
    for (size_t n = 0; n + piece <= k->len; n += piece)
        if (k->piece)
            check(buf_add(out, pieces + chance() % PIECES * piece, piece) == OK, "no room");
        else
            check(buf_printf(out, "%09x", chance()) == OK, "no room");
    check(buf_puts(out, "\"") == OK, "no room");
}

static void make_body(struct buf *out, const struct label_kind *k, unsigned series)
{
    for (unsigned i = 0; i < series; i++) {
        check(buf_printf(out,
                         "kube_thing_%u{namespace=\"team-%u\",pod=\"service-%u-5d8f7c9b6-x2v%u\"",
                         i / PER_FAMILY, i % 7, i % 50, i) == OK,
              "no room");
        if (k->len > 0)
            put_label(out, k);
        check(buf_printf(out, "} %u\n", i * 37) == OK, "no room");
    }
}

enum way { ALL, HALF, MIXED, WAYS };

/* As a filter leaves it, or as if the page were in another order. */
static void arrange(struct batch *b, enum way way)
{
    size_t n = 0;
    for (size_t i = 0; way == HALF && i < b->len; i++)
        if (chance() % 2)
            b->samples[n++] = b->samples[i];
    if (way == HALF)
        b->len = n;
    for (size_t i = b->len; way == MIXED && i > 1; i--) {
        size_t other = chance() % i;
        struct sample s = b->samples[i - 1];
        b->samples[i - 1] = b->samples[other];
        b->samples[other] = s;
    }
}

static const struct format {
    const char *name, *encoder, *setting, *text;
    bool frames, compressed;
} formats[] = {
    {"json", "json", NULL, NULL, false, false},
    {"json, then liblz4", "json", NULL, NULL, false, true},
    {"json as frames", "json", NULL, NULL, true, false},
    {"remote_write v1", "remote_write", "version", "v1", false, false},
};

struct rig {
    struct page *page;
    struct batch batch;
    struct encoder_step encoder;
    struct payload *out;
    struct buf raw, small;
    struct compressor *compressor; /* or NULL */
    struct lz4_message lz4;
};

static void rig_open(struct rig *r, const struct format *f)
{
    _Alignas(max_align_t) char conf[256] = {0};
    *r = (struct rig){.page = page_new(NULL, &limits, 1),
                      .out = payload_new("bench", LZ4_OUT_MAX),
                      .raw = BUF_INIT(MAX_BODY),
                      .small = BUF_INIT(MAX_BODY),
                      .compressor = f->compressed ? compressor_new(COMPRESS_LZ4) : NULL,
                      .encoder = {.ops = encoder_find(f->encoder), .max_samples = SIZE_MAX}};
    const struct setting *table = r->encoder.ops->settings;
    setting_defaults(table, conf);
    if (f->setting)
        check(setting_set(setting_find(table, f->setting), conf, f->text, NULL) == OK, f->text);
    check(r->encoder.ops->open(&r->encoder.self, conf, NULL) == OK, "open");
    setting_done(table, conf);
    r->encoder.lz4 = f->frames ? &r->lz4 : NULL;
}

static void rig_close(struct rig *r)
{
    r->encoder.ops->close(r->encoder.self);
    page_free(r->page);
    batch_done(&r->batch);
    payload_free(r->out);
    buf_done(&r->raw);
    buf_done(&r->small);
    compressor_free(r->compressor);
    lz4_message_done(&r->lz4);
}

static double scrape(struct rig *r, const struct buf *body, enum way way)
{
    struct encoder_counts counts = {0};
    size_t from = 0;
    page_read(r->page, (struct span){body->data, body->len}, clock_wall_ms(), &r->batch, NULL);
    check(r->batch.len == SERIES || r->batch.len == FEW, "samples are missing");
    arrange(&r->batch, way);
    int64_t start = thread_cpu_ns();
    do {
        struct span small;
        buf_truncate(&r->out->body, 0);
        if (encoder_run(&r->encoder, &r->batch, &from, r->out, &r->raw, &counts) > 0)
            (void)compress_payload(r->compressor, r->out, &r->small, &small);
    } while (from < batch_records(&r->batch));
    double ns = (double)(thread_cpu_ns() - start) / (double)r->batch.len;
    check(counts.encoded == r->batch.len, "samples are left out");
    batch_commit(&r->batch);
    page_rest(r->page, &r->batch);
    return ns;
}

static void measure(const struct format *f, const struct buf *body, long scrapes)
{
    struct rig r;
    rig_open(&r, f);
    printf("  %-20s", f->name);
    for (enum way way = ALL; way < WAYS; way++) {
        double best = 1e9;
        for (long i = 0; i < scrapes + 2; i++) { /* the first two make room */
            double ns = scrape(&r, body, way);
            best = i >= 2 && ns < best ? ns : best;
        }
        printf(" %8.0f", best);
    }
    printf("\n");
    rig_close(&r);
}

int main(int argc, char **argv)
{
    long scrapes = argc > 1 ? strtol(argv[1], NULL, 10) : 30;
    printf("%-22s %8s %8s %8s\n", "ns/sample", "all", "half", "mixed");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct buf body = BUF_INIT(MAX_BODY);
        make_body(&body, &kinds[i], scrapes < 10 ? FEW : SERIES);
        printf("%s\n", kinds[i].name);
        for (size_t k = 0; k < ARRAY_LEN(formats); k++)
            measure(&formats[k], &body, scrapes);
        buf_done(&body);
    }
    return 0;
}
