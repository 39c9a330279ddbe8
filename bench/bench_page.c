/* SPDX-License-Identifier: Apache-2.0 */
/* bench_page.c - what a page costs, by kind, format and mode.
 *
 *     bench_page [SCRAPES [FILE...]]
 *
 * Pages as node exporter and kube-state-metrics have them and one of histograms alone, as text and as
 * OpenMetrics, 5 % of the values changing; and those in files as they are, OpenMetrics where the last
 * line is # EOF.  Each is read in this thread, salvaged and strict: alone, and with JSON
 * made of it.  The last column is what matters: what strict costs a repeat scrape over salvage.  Rounds
 * of both alternate, so that a machine that is busy slows down both, and the best of each counts.
 * The last page is one of OpenMetrics whose first sample is unsound, salvaged: what a fault costs.  */
#include "bench.h"
#include "budget.h"
#include "clock.h"
#include "encoders.h"
#include "made_page.h"
#include "mem.h"
#include "page.h"

#include <time.h>

enum { BODIES = 4, SAMPLES = 5000, MAX_BODY = 64 << 20 };

static const struct page_limits limits = {.max_series = 1 << 20,
                                          .max_bytes = (size_t)1 << 30,
                                          .max_labels = 64,
                                          .max_name_bytes = 512,
                                          .max_value_bytes = 4096,
                                          .max_samples = 1 << 20,
                                          .max_new_series = 1 << 20,
                                          .max_names = 1 << 20,
                                          .max_line_bytes = 1 << 20};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_page: %s\n", what);
    exit(1);
}

/* Pages. */

static void put(struct buf *b, const char *data, size_t n)
{
    check(buf_add(b, data, n) == OK, "the page is too large");
}

/* The name in a line "# TYPE name counter" or "# HELP name ..." without _total, where it has that;
 * untyped is called unknown. */
static void put_comment(struct buf *out, const char *line, size_t len)
{
    static const char untyped[] = " untyped\n";
    const size_t type = sizeof untyped - 1;
    if (len > type && memcmp(line, "# TYPE ", 7) == 0 &&
        memcmp(line + len - type, untyped, type) == 0) {
        put(out, line, len - type);
        put(out, " unknown\n", 9);
        return;
    }
    static const char total[] = "_total";
    const size_t n = sizeof total - 1;
    size_t name = 7;
    while (name < len && line[name] != ' ')
        name++;
    bool cut = name > 7 + n && memcmp(line + name - n, total, n) == 0;
    put(out, line, cut ? name - n : name);
    put(out, line + name, len - name);
}

/* The same page in OpenMetrics. */
static void convert(struct buf *out, const struct buf *text)
{
    const char *at = text->data, *end = at + text->len;
    buf_truncate(out, 0);
    while (at < end) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((eol ? eol + 1 : end) - at);
        if (*at == '#')
            put_comment(out, at, len);
        else
            put(out, at, len);
        at += len;
    }
    put(out, "# EOF\n", 6);
}

static void make_histograms(struct buf *out, unsigned version)
{
    static const char *const bounds[] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                         "0.5",   "1.0",  "2.5",   "5.0",  "10.0"};
    enum status s = buf_puts(out, "# HELP rpc_seconds How long.\n# TYPE rpc_seconds histogram\n");
    for (unsigned i = 0; i < SAMPLES / 14 && s == OK; i++) {
        unsigned n = i * 7 + (i % 20 == 0 ? version : 0);
        for (unsigned k = 0; k < ARRAY_LEN(bounds) && s == OK; k++)
            s = buf_printf(out,
                           "rpc_seconds_bucket{service=\"billing-%u\",code=\"200\",le=\"%s\"} %u\n",
                           i, bounds[k], n + k);
        if (s == OK)
            s = buf_printf(
                out,
                "rpc_seconds_bucket{service=\"billing-%u\",code=\"200\",le=\"+Inf\"} %u\n"
                "rpc_seconds_sum{service=\"billing-%u\",code=\"200\"} %u.25\n"
                "rpc_seconds_count{service=\"billing-%u\",code=\"200\"} %u\n",
                i, n + 50, i, n, i, n + 50);
    }
    check(s == OK, "the page is too large");
}

static void make_bodies(struct buf *bodies, unsigned kind)
{
    struct made_page p;
    if (kind < 2)
        made_page_init(&p, kind, SAMPLES);
    for (unsigned i = 0; i < BODIES; i++) {
        bodies[i] = (struct buf)BUF_INIT(MAX_BODY);
        if (kind == 2) {
            make_histograms(&bodies[i], i);
        } else {
            put(&bodies[i], p.text.data, p.text.len);
            made_page_step(&p, 5);
        }
    }
    if (kind < 2)
        made_page_done(&p);
}

static void read_bodies(struct buf *bodies, const char *path)
{
    char piece[1 << 14];
    FILE *f = fopen(path, "rb");
    check(f != NULL, path);
    bodies[0] = (struct buf)BUF_INIT(MAX_BODY);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        put(&bodies[0], piece, n);
    fclose(f);
    for (unsigned i = 1; i < BODIES; i++) {
        bodies[i] = (struct buf)BUF_INIT(MAX_BODY);
        put(&bodies[i], bodies[0].data, bodies[0].len);
    }
}

/* Scrapes. */

struct rig {
    struct page *page;
    struct batch batch;
    struct encoder_step json;
    struct payload *out;
    struct encoder_counts counts;
    uint64_t faults;            /* samples that are refused */
    double first, alone, whole; /* ns per sample: a first scrape; the best repeat, with JSON too */
};

static void rig_open(struct rig *r, const struct page_manner *manner)
{
    _Alignas(max_align_t) char conf[256] = {0};
    *r = (struct rig){.out = payload_new("bench", MAX_BODY),
                      .json = {.ops = encoder_find("json"), .max_samples = SIZE_MAX},
                      .first = 1e9,
                      .alone = 1e9,
                      .whole = 1e9};
    setting_defaults(r->json.ops->settings, conf);
    check(r->json.ops->open(&r->json.self, conf, NULL) == OK, "json");
    setting_done(r->json.ops->settings, conf);
    r->page = page_new(NULL, &limits, 1);
    page_set_manner(r->page, manner);
}

static void rig_close(struct rig *r)
{
    r->json.ops->close(r->json.self);
    page_free(r->page);
    batch_done(&r->batch);
    payload_free(r->out);
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* ns of the page alone; *ret_whole with JSON. */
static double scrape(struct rig *r, const struct buf *body, double *ret_whole)
{
    struct page_faults f;
    size_t from = 0;
    int64_t start = thread_cpu_ns();
    page_read(r->page, (struct span){body->data, body->len}, clock_wall_ms(), &r->batch, &f);
    int64_t read = thread_cpu_ns();
    buf_truncate(&r->out->body, 0);
    encoder_run(&r->json, &r->batch, &from, r->out, NULL, &r->counts);
    batch_commit(&r->batch);
    size_t samples = r->batch.len;
    check(samples > 0, "a scrape has no samples");
    page_rest(r->page, &r->batch);
    *ret_whole = (double)(thread_cpu_ns() - start) / (double)samples;
    if (f.unreadable)
        fprintf(stderr, "bench_page: %s\n", f.first_bad.text);
    check(!f.unreadable && f.refused == r->faults, "a scrape failed");
    return (double)(read - start) / (double)samples;
}

static double held_by_series(const struct rig *r)
{
    struct page_stats s = page_stats(r->page);
    return (double)s.held_bytes / (double)s.series;
}

/* Where there is no memory for texts: ns of the page alone, at best. */
static double scrape_cold(struct rig *r, const struct buf *bodies, long scrapes, double *ret_bytes)
{
    double best = 1e9, whole;
    budget_set_bound(1);
    scrape(r, &bodies[0], &whole);
    for (long i = 1; i <= scrapes; i++)
        best = smaller(best, scrape(r, &bodies[i % BODIES], &whole));
    *ret_bytes = held_by_series(r);
    budget_set_bound(SIZE_MAX);
    return best;
}

static double first_scrape(const struct page_manner *m, const struct buf *bodies, uint64_t faults)
{
    double best = 1e9, whole;
    for (int i = 0; i < 3; i++) {
        struct rig r;
        rig_open(&r, m);
        r.faults = faults;
        best = smaller(best, scrape(&r, &bodies[0], &whole));
        rig_close(&r);
    }
    return best;
}

/* faults: samples that salvage refuses; where there are any, strict has nothing to read. */
static void measure(const char *name, enum page_format format, const struct buf *bodies,
                    long scrapes, uint64_t faults)
{
    const unsigned modes = faults > 0 ? 1 : 2;
    struct rig rigs[2]; /* by mode */
    for (unsigned m = 0; m < modes; m++) {
        const struct page_manner manner = {.format = format, .mode = (enum page_mode)m};
        rig_open(&rigs[m], &manner);
        rigs[m].faults = faults;
        rigs[m].first = first_scrape(&manner, bodies, faults);
    }
    for (long i = 0; i < scrapes + 2; i++)
        for (unsigned m = 0; m < modes; m++) {
            double whole, alone = scrape(&rigs[m], &bodies[i % BODIES], &whole);
            if (i >= 2) {
                rigs[m].alone = smaller(rigs[m].alone, alone);
                rigs[m].whole = smaller(rigs[m].whole, whole);
            }
        }
    for (unsigned m = 0; m < modes; m++) {
        struct rig *r = &rigs[m];
        double plain = held_by_series(r), small, cold = scrape_cold(r, bodies, scrapes, &small);
        printf("%-12.12s %-12s%-8s %7.1f %7.1f %7.1f %7.1f %7.1f %7.1f", name,
               page_format_name(format), page_mode_name((enum page_mode)m), r->first, r->alone,
               r->whole, cold, plain, small);
        if (m == MODE_STRICT)
            printf("   %+5.1f %% %+5.1f %%", (r->alone / rigs[0].alone - 1) * 100,
                   (r->whole / rigs[0].whole - 1) * 100);
        putchar('\n');
        rig_close(&rigs[m]);
    }
}

static bool is_openmetrics(const struct buf *body)
{
    return body->len >= 6 && memcmp(body->data + body->len - 6, "# EOF\n", 6) == 0;
}

/* In front of all others a sample that is none. */
static void spoil(struct buf *body)
{
    static const char unsound[] = "# TYPE spoiled counter\nspoiled_total NaN\n";
    struct buf all = BUF_INIT(MAX_BODY);
    put(&all, unsound, sizeof unsound - 1);
    put(&all, body->data, body->len);
    buf_done(body);
    *body = all;
}

static void measure_page(const char *name, struct buf *bodies, long scrapes, bool faulty)
{
    struct buf converted[BODIES];
    for (unsigned i = 0; i < BODIES; i++) {
        converted[i] = (struct buf)BUF_INIT(MAX_BODY);
        convert(&converted[i], &bodies[i]);
    }
    if (!faulty)
        measure(name, FORMAT_TEXT, bodies, scrapes, 0);
    if (!faulty)
        measure(name, FORMAT_OPENMETRICS, converted, scrapes, 0);
    for (unsigned i = 0; faulty && i < BODIES; i++)
        spoil(&converted[i]);
    if (faulty)
        measure(name, FORMAT_OPENMETRICS, converted, scrapes, 1);
    for (unsigned i = 0; i < BODIES; i++) {
        buf_done(&bodies[i]);
        buf_done(&converted[i]);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"node", "kube-state", "histograms"};
    long scrapes = argc > 1 ? strtol(argv[1], NULL, 10) : 200;
    struct buf bodies[BODIES];
    printf("ns/sample                         first  repeat   +JSON    cold B/series    cold   "
           "strict over salvage\n");
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        make_bodies(bodies, i);
        measure_page(names[i], bodies, scrapes, false);
    }
    for (int i = 2; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        read_bodies(bodies, argv[i]);
        measure(slash ? slash + 1 : argv[i],
                is_openmetrics(&bodies[0]) ? FORMAT_OPENMETRICS : FORMAT_TEXT, bodies, scrapes, 0);
        for (unsigned k = 0; k < BODIES; k++)
            buf_done(&bodies[k]);
    }
    make_bodies(bodies, 0);
    measure_page("faulty", bodies, scrapes, true);
    return 0;
}
