/* SPDX-License-Identifier: Apache-2.0 */
/* bench_hot.c - what one sample costs from body to message.
 *
 *     bench_hot [--json] [SCRAPES]
 *
 * Reads a made-up page of 5,000 series again and again, 5 % of the values
 * changing, through page, filters and an encoder, in this thread.  The naive way to json and statsd,
 * strtod and snprintf for every line, is timed in the same run: times depend on the
 * machine, their ratio much less, so the ratio is what to watch.  */
#include "bench.h"
#include "budget.h"
#include "buf.h"
#include "clock.h"
#include "compress.h"
#include "encoders.h"
#include "filters.h"
#include "mem.h"
#include "page.h"

#include <time.h>

enum { FAMILIES = 50, PER_FAMILY = 100, SERIES = FAMILIES * PER_FAMILY, BODIES = 4 };

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_hot: %s\n", what);
        exit(1);
    }
}

/* Body number `version`; each differs from the others in 5 % of its values. */
static void make_body(struct buf *out, unsigned version)
{
    enum status r = OK;
    for (unsigned i = 0; i < SERIES && r == OK; i++) {
        unsigned f = i / PER_FAMILY;
        if (i % PER_FAMILY == 0)
            r = buf_printf(out,
                           "# HELP kube_thing_%u How many things there are.\n"
                           "# TYPE kube_thing_%u %s\n",
                           f, f, f % 2 ? "counter" : "gauge");
        unsigned value = i * 37 + (i % 20 == 0 ? version : 0);
        if (r == OK)
            r = buf_printf(out,
                           "kube_thing_%u{namespace=\"team-%u\",pod=\"service-%u-5d8f7c9b6-x2v%u\","
                           "uid=\"0b5c8a52-1f0e-4f3c-9d57-%012u\",container=\"main\"} %u%s\n",
                           f, i % 7, i % 50, i, i, value, i % 3 ? "" : ".25");
    }
    check(r == OK, "the body is too large");
}

static void print_json(struct buf *out, const char *name, const char *tags, double value)
{
    char time[CLOCK_TEXT + 1];
    clock_format(time, clock_wall_ms());
    check(buf_printf(out,
                     "{\"name\":\"%s\",\"type\":\"gauge\",\"tags\":{%s},\"timestamp\":\"%s\","
                     "\"value\":%.17g}\n",
                     name, tags, time, value) == OK,
          "no room");
}

static void print_statsd(struct buf *out, const char *name, const char *tags, double value)
{
    check(buf_printf(out, "%s:%.17g|g|#%s\n", name, value, tags) == OK, "no room");
}

/* What is measured, and what the naive way does in its place. */
struct format {
    const char *encoder;
    const char *quote; /* of a tag's name */
    void (*print)(struct buf *out, const char *name, const char *tags, double value); /* or NULL */
    const char *setting, *text; /* NULL: all by default */
    const char *frame;          /* NULL: none; FRAME_KEPT, FRAME_SOUGHT */
};
static const char FRAME_KEPT[] = "lz4";           /* of sequences that are kept */
static const char FRAME_SOUGHT[] = "then liblz4"; /* by the library, of the whole message */

static const struct format formats[] = {
    {.encoder = "json", .quote = "\"", .print = print_json},
    {.encoder = "statsd", .quote = "", .print = print_statsd},
    {.encoder = "json", .frame = FRAME_KEPT},
    {.encoder = "json", .frame = FRAME_SOUGHT},
    {.encoder = "fluent", .setting = "mode", .text = "forward"},
    {.encoder = "fluent", .setting = "mode", .text = "packed"},
    {.encoder = "fluent", .setting = "mode", .text = "gzip"},
    {.encoder = "influx"},
    {.encoder = "prometheus"},
    {.encoder = "remote_write", .setting = "version", .text = "v1"},
    {.encoder = "remote_write", .setting = "version", .text = "v2"},
};

/* One line the naive way: copy the pieces, strtod, snprintf. */
static void naive_line(const struct format *f, const char *text, size_t len, struct buf *out)
{
    char tags[1024] = "";
    char *line = mem_strndup(text, len);
    char *brace = strchr(line, '{'), *close = strchr(brace, '}');
    char *name = mem_strndup(line, (size_t)(brace - line));
    char *labels = mem_strndup(brace + 1, (size_t)(close - brace) - 1);
    size_t n = 0;
    for (char *save, *l = strtok_r(labels, "=,", &save); l; l = strtok_r(NULL, "=,", &save)) {
        char *value = strtok_r(NULL, "=,", &save);
        n += (size_t)snprintf(tags + n, sizeof tags - n, "%s%s%s%s:%s", n ? "," : "", f->quote, l,
                              f->quote, value);
    }
    f->print(out, name, tags, strtod(close + 1, NULL));
    mem_free(name);
    mem_free(labels);
    mem_free(line);
}

static size_t naive(const struct format *f, const struct buf *body, struct buf *out)
{
    size_t samples = 0;
    const char *end = body->data + body->len;
    for (const char *line = body->data, *eol; line < end; line = eol + 1) {
        eol = memchr(line, '\n', (size_t)(end - line));
        if (*line == '#')
            continue;
        naive_line(f, line, (size_t)(eol - line), out);
        samples++;
    }
    return samples;
}

struct rig {
    struct page *page;
    struct batch batch;
    struct filter_step filters[2];
    struct encoder_step encoder;
    struct payload *out;
    struct buf raw; /* of encoders that finish */
    struct buf small;
    size_t sent;                   /* bytes of the last message */
    struct compressor *compressor; /* or NULL */
    struct lz4_message lz4;
    struct encoder_counts counts;
    uint64_t dropped[2];
};

/* Opens ops with its defaults and, if name is not NULL, one setting. */
#define OPEN(step, ops_, name, text)                                                             \
    do {                                                                                         \
        _Alignas(max_align_t) char conf[256] = {0};                                              \
        (step)->ops = (ops_);                                                                    \
        setting_defaults((step)->ops->settings, conf);                                           \
        const char *key = (name);                                                                \
        if (key)                                                                                 \
            check(setting_set(setting_find((step)->ops->settings, key), conf, text, NULL) == OK, \
                  text);                                                                         \
        check((step)->ops->open(&(step)->self, conf, NULL) == OK, "open");                       \
        setting_done((step)->ops->settings, conf);                                               \
    } while (0)

static void rig_open(struct rig *r, const struct format *f)
{
    *r = (struct rig){.out = payload_new("bench", LZ4_OUT_MAX),
                      .raw = BUF_INIT(8 << 20),
                      .small = BUF_INIT(8 << 20),
                      .compressor = f->frame == FRAME_SOUGHT ? compressor_new(COMPRESS_LZ4) : NULL,
                      .encoder = {.max_samples = SIZE_MAX}};
    r->page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    OPEN(&r->filters[0], filter_find("clip"), "match", "kube_thing_1*");
    OPEN(&r->filters[1], filter_find("clamp"), "max", "150000");
    OPEN(&r->encoder, encoder_find(f->encoder), f->setting, f->text);
    r->encoder.lz4 = f->frame == FRAME_KEPT ? &r->lz4 : NULL;
}

static void rig_close(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(r->filters); i++)
        r->filters[i].ops->close(r->filters[i].self);
    r->encoder.ops->close(r->encoder.self);
    page_free(r->page);
    batch_done(&r->batch);
    payload_free(r->out);
    buf_done(&r->raw);
    buf_done(&r->small);
    compressor_free(r->compressor);
    lz4_message_done(&r->lz4);
}

static double scrape(struct rig *r, const struct buf *body)
{
    int64_t start = thread_cpu_ns();
    size_t from = 0;
    page_read(r->page, (struct span){body->data, body->len}, clock_wall_ms(), &r->batch, NULL);
    filter_run(r->filters, ARRAY_LEN(r->filters), &r->batch, r->dropped);
    buf_truncate(&r->out->body, 0);
    size_t n = encoder_run(&r->encoder, &r->batch, &from, r->out, &r->raw, &r->counts);
    batch_commit(&r->batch);
    page_rest(r->page, &r->batch);
    struct span small;
    (void)compress_payload(r->compressor, r->out, &r->small, &small);
    r->sent = small.len;
    double ns = (double)(thread_cpu_ns() - start) / SERIES;
    /* a counter has no increment at first */
    check(n + r->counts.skipped[SKIP_UNSAYABLE] >= SERIES, "samples are missing");
    return ns;
}

static double scrape_naive(const struct format *f, const struct buf *body, struct buf *out)
{
    int64_t start = thread_cpu_ns();
    buf_truncate(out, 0);
    check(naive(f, body, out) == SERIES, "the naive way lost samples");
    return (double)(thread_cpu_ns() - start) / SERIES;
}

struct result {
    double first, best, mean, naive; /* ns per sample */
    double cold;                     /* likewise, of a page that is compressed between scrapes */
    double repeat_cold;              /* a repeat scrape of what left the caches */
    double cold_many;                /* both */
    double bytes, memory, cold_memory;
    uint64_t allocations;
};

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* The same where there is no memory for texts. */
static void measure_cold(struct rig *r, const struct buf *bodies, long scrapes, struct result *t)
{
    budget_set_bound(1);
    scrape(r, &bodies[0]);
    for (long i = 1; i <= scrapes; i++)
        t->cold = smaller(t->cold, scrape(r, &bodies[i % BODIES]));
    t->cold_memory = (double)page_stats(r->page).held_bytes / SERIES;
    budget_set_bound(SIZE_MAX);
}

/* Many pages in turn, and many messages: more than the caches of a core hold, as between two scrapes
 * of a target.  cold: without memory for texts, once all series are there.  The mean of the best round. */
static double measure_many(struct rig *r, const struct buf *bodies, long scrapes, bool cold)
{
    enum { PAGES = 100, OUTS = 24, ROUNDS = 5 };
    size_t len = scrapes < PAGES ? (size_t)scrapes : PAGES;
    struct page *one = r->page, *pages[PAGES];
    struct payload *out = r->out, *outs[OUTS];
    double best = 1e9;
    for (size_t i = 0; i < OUTS; i++)
        outs[i] = payload_new("bench", LZ4_OUT_MAX);
    for (size_t i = 0; i < len; i++)
        pages[i] = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    for (unsigned round = 0; round < ROUNDS; round++) { /* the first two make room for all */
        double sum = 0;
        for (size_t i = 0; i < len; i++) {
            r->page = pages[i];
            r->out = outs[i % OUTS];
            sum += scrape(r, &bodies[round % BODIES]);
        }
        budget_set_bound(cold ? 1 : SIZE_MAX);
        if (round >= 2)
            best = smaller(best, sum / (double)len);
    }
    for (size_t i = 0; i < OUTS; i++)
        payload_free(outs[i]);
    for (size_t i = 0; i < len; i++)
        page_free(pages[i]);
    budget_set_bound(SIZE_MAX);
    r->page = one;
    r->out = out;
    return best;
}

static struct result measure(const struct format *f, const struct buf *bodies, long scrapes)
{
    struct rig r;
    struct buf out = BUF_INIT(8 << 20);
    struct result t = {.first = 1e9, .best = 1e9, .cold = 1e9, .naive = 1e9};
    rig_open(&r, f);
    for (int i = 0; i < 5; i++) { /* new pages, of a worker that has had others */
        page_free(r.page);
        r.page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        t.first = smaller(t.first, scrape(&r, &bodies[0]));
    }
    scrape(&r, &bodies[0]); /* only now there are increments */
    t.allocations = mem_count();
    for (long i = 1; i <= scrapes; i++) {
        double ns = scrape(&r, &bodies[i % BODIES]);
        t.best = smaller(t.best, ns);
        t.mean += ns / (double)scrapes;
    }
    t.allocations = mem_count() - t.allocations;
    for (long i = 0; f->print && i < (scrapes < 20 ? scrapes : 20); i++)
        t.naive = smaller(t.naive, scrape_naive(f, &bodies[i % BODIES], &out));
    t.bytes = (double)r.sent / SERIES;
    t.memory = (double)page_stats(r.page).held_bytes / SERIES;
    t.repeat_cold = measure_many(&r, bodies, scrapes, false);
    t.cold_many = measure_many(&r, bodies, scrapes, true);
    measure_cold(&r, bodies, scrapes, &t);
    rig_close(&r);
    buf_done(&out);
    return t;
}

static void print_json_results(const struct result *json, const struct result *statsd,
                               const struct result *lz4, const struct result *liblz4)
{
    printf("{\"first_ns_per_sample\":%.2f,\"repeat_ns_per_sample\":%.2f,"
           "\"naive_ns_per_sample\":%.2f,\"statsd_repeat_ns_per_sample\":%.2f,"
           "\"statsd_naive_ns_per_sample\":%.2f,\"cold_ns_per_sample\":%.2f,"
           "\"repeat_cold_ns_per_sample\":%.2f,\"bytes_per_series\":%.1f,\"cold_bytes_per_series\":"
           "%.1f,"
           "\"lz4_repeat_ns_per_sample\":%.2f,\"liblz4_repeat_ns_per_sample\":%.2f,"
           "\"message_bytes_per_sample\":%.1f,\"lz4_message_bytes_per_sample\":%.1f,"
           "\"liblz4_message_bytes_per_sample\":%.1f,\"lz4_bytes_per_series\":%.1f}\n",
           json->first, json->best, json->naive, statsd->best, statsd->naive, json->cold,
           json->repeat_cold, json->memory, json->cold_memory, lz4->best, liblz4->best, json->bytes,
           lz4->bytes, liblz4->bytes, lz4->memory);
}

static void print_results(const struct format *f, const struct result *t, long scrapes)
{
    const char *how = f->frame ? f->frame : f->text ? f->text : "";
    printf("%s%s%s: %.1f B/sample  memory %.1f B/series, cold %.1f\n", f->encoder,
           how[0] ? " " : "", how, t->bytes, t->memory, t->cold_memory);
    printf("first scrape   %7.1f ns/sample\n", t->first);
    printf("repeat scrape  %7.1f ns/sample best, %.1f mean of %ld, %llu allocations\n", t->best,
           t->mean, scrapes, (unsigned long long)t->allocations);
    printf("caches cold    %7.1f ns/sample, mean of many pages\n", t->repeat_cold);
    printf("cold           %7.1f ns/sample best\n", t->cold);
    printf("cold, caches   %7.1f ns/sample, mean of many pages\n", t->cold_many);
    if (f->print)
        printf("naive          %7.1f ns/sample best, %.1f times the repeat scrape\n", t->naive,
               t->naive / t->best);
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    long scrapes = argc > 1 + json ? strtol(argv[1 + json], NULL, 10) : 200;
    struct buf bodies[BODIES];
    struct result results[ARRAY_LEN(formats)];
    for (unsigned i = 0; i < BODIES; i++) {
        bodies[i] = (struct buf)BUF_INIT(8 << 20);
        make_body(&bodies[i], i);
    }
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        results[i] = measure(&formats[i], bodies, scrapes);
    if (json) {
        print_json_results(&results[0], &results[1], &results[2], &results[3]);
    } else {
        printf("series %d  body %.1f B/sample\n", (int)SERIES, (double)bodies[0].len / SERIES);
        for (size_t i = 0; i < ARRAY_LEN(formats); i++)
            print_results(&formats[i], &results[i], scrapes);
    }
    for (unsigned i = 0; i < BODIES; i++)
        buf_done(&bodies[i]);
    return 0;
}
