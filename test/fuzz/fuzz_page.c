/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_page.c - a page that has read others before gives what a fresh one gives.
 *
 * The input: a byte that says how, and texts of pages, parted by \x01.  Each text is read several
 * times in a row, a '$' in it being a number that changes from time to time.  Between some of them the
 * page is cold.  In strict mode the verdict is that of check.h; what salvage finds unsound hangs on no
 * page before.  */
#include "budget.h"
#include "buf.h"
#include "check.h"
#include "mem.h"
#include "page.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {
    "\x01",
    "\x01",
    "# EOF\n",
    "# EOF\n\x01",
    "# TYPE c counter\n",
    "c_total $\n",
    "c_total{a=\"1\"} $\n",
    "c_total{a=\"1\"} $ # {t=\"x\"} $\n",
    "c_created $\n",
    "c_created{a=\"1\"} $\n",
    "# TYPE c counter\nc_total $\nc_created $\nc_total{a=\"1\"} $\nc_created{a=\"1\"} $\n",
    "# TYPE h histogram\n",
    "h_bucket{le=\"1\"} $\n",
    "h_bucket{le=\"2\"} $\n",
    "h_bucket{le=\"+Inf\"} $\n",
    "h_count $\nh_sum $\n",
    "# TYPE h histogram\nh_bucket{le=\"1.0\"} $\nh_bucket{le=\"+Inf\"} $\nh_count $\nh_sum $\n",
    "h_bucket{a=\"1\",le=\"1\"} $\nh_bucket{a=\"1\",le=\"+Inf\"} $\nh_count{a=\"1\"} "
    "$\nh_sum{a=\"1\"} $\n",
    "h_created{a=\"1\"} $\n",
    "# TYPE g gaugehistogram\ng_bucket{le=\"-1\"} $\ng_bucket{le=\"+Inf\"} $\ng_gcount $\ng_gsum "
    "$\n",
    "# TYPE s summary\ns{quantile=\"0.5\"} $\ns_count $\ns_sum $\ns_created $\n",
    "s{quantile=\"0.9\"} $\n",
    "# TYPE i info\ni_info{a=\"1\"} 1\n",
    "i_info{a=\"2\"} $\n",
    "# TYPE t stateset\nt{t=\"x\"} $\nt{t=\"y\"} 0\n",
    "# TYPE u unknown\nu $\n",
    "# TYPE v gauge\nv $\n",
    "v{a=\"1\"} $\n",
    "v{a=\"2\"} $ $\n",
    "# TYPE d counter\nd_total $ 5\nd_created 1 $\n",
    "# TYPE e histogram\ne_count $\ne_sum 1\ne_bucket{le=\"+Inf\"} $\n",
    "# HELP v Help.\n",
    "# UNIT v_s s\n",
    "w $\n",
    "{\"x.y\",\"l.m\"=\"z\"} $\n",
    "c $\n",
    "h $\n",
    "?\n",
    "\n",
    " ",
    "$",
    "\r\n",
    "a=\"1\"",
    NULL};

enum { MOST = 4096, ROUNDS = 3 };
static const struct page_limits limits = {.max_series = MOST,
                                          .max_bytes = 1 << 20,
                                          .max_labels = 64,
                                          .max_name_bytes = 512,
                                          .max_value_bytes = 4096,
                                          .max_samples = MOST,
                                          .max_new_series = MOST,
                                          .max_names = MOST,
                                          .max_line_bytes = 1 << 20};

static void require(bool ok)
{
    if (!ok)
        abort();
}

static bool same_span(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static void require_same_extra(const struct sample_extra *a, const struct sample_extra *b)
{
    require((a != NULL) == (b != NULL));
    if (!a)
        return;
    require(a->created_ms == b->created_ms && a->has_exemplar == b->has_exemplar);
    if (!a->has_exemplar)
        return;
    require(same_span(a->exemplar.labels, b->exemplar.labels));
    require(memcmp(&a->exemplar.value, &b->exemplar.value, sizeof(double)) == 0);
    require(a->exemplar.has_ts == b->exemplar.has_ts && a->exemplar.ts_ms == b->exemplar.ts_ms);
}

static void require_same(const struct batch *a, const struct batch *b)
{
    require(a->len == b->len);
    for (size_t i = 0; i < a->len; i++) {
        const struct sample *x = &a->samples[i], *y = &b->samples[i];
        require(x->series->id == y->series->id);
        require(same_span(series_key(x->series), series_key(y->series)));
        require(memcmp(&x->value, &y->value, sizeof(double)) == 0);
        require(x->ts_ms == y->ts_ms && x->text.data == y->text.data);
        require_same_extra(sample_extra(a, x), sample_extra(b, y));
    }
}

/* The rules drop all of "w", and rename all of "v". */
static struct relabel *make_rules(void)
{
    struct relabel_rule_conf c[2] = {{.regex = NULL}};
    static const char *const texts[2][4] = {{"drop", "w", "", "$1"},
                                            {"replace", "v", "__name__", "z"}};
    struct relabel *r;
    for (size_t i = 0; i < 2; i++) {
        setting_defaults(relabel_settings, &c[i]);
        const char *const names[] = {"action", "regex", "target_label", "replacement"};
        for (size_t k = 0; k < 4; k++)
            require(setting_set(setting_find(relabel_settings, names[k]), &c[i], texts[i][k],
                                NULL) == OK);
        require(setting_set(setting_find(relabel_settings, "source_labels"), &c[i], "__name__",
                            NULL) == OK);
    }
    require(relabel_new(&r, c, 2, NULL) == OK);
    for (size_t i = 0; i < 2; i++)
        setting_done(relabel_settings, &c[i]);
    return r;
}

static struct page *make_page(const struct page_plan *plan, const struct page_manner *manner)
{
    struct page *p = page_new(NULL, &limits, 2);
    page_bind(p, plan);
    page_set_manner(p, manner);
    return p;
}

static bool is_sound(struct span body, const struct page_manner *m, struct err *err)
{
    const struct check_conf conf = {.format = m->format,
                                    .max_line = limits.max_line_bytes,
                                    .max_series = MOST,
                                    .max_families = MOST};
    return check_page(&conf, body, err) == OK;
}

/* What an encoder would keep of each series: its key, once more. */
static void derive(const struct batch *b)
{
    AUTO(buf) struct buf copy = BUF_INIT(1 << 20);
    for (size_t i = 0; i < b->len; i++) {
        struct series *s = b->samples[i].series;
        struct span key = series_key(s), part = series_part(s, 0);
        require(!part.data || same_span(part, key));
        require(!s->has_last || series_sent(s, 0));
        buf_truncate(&copy, 0);
        require(buf_add(&copy, key.data, key.len) == OK);
        if (!part.data)
            series_set_part(s, 0, (struct span){copy.data, copy.len});
        series_set_sent(s, 0);
    }
    for (size_t i = 0; i < b->ended_len; i++)
        require(!series_part(b->ended[i], 0).data ||
                same_span(series_part(b->ended[i], 0), series_key(b->ended[i])));
}

struct world {
    struct page *page;
    struct page_plan plan;
    struct page_manner manner;
    bool all_sound; /* bodies up to now */
    unsigned bound; /* which bounds memory has, for one scrape after another: a bit each */
};

/* What _created is to a page with faults may hang on the pages before: on types that they gave. */
static bool is_comparable(const struct world *w)
{
    return w->all_sound || w->plan.keep_created || w->manner.format == FORMAT_TEXT ||
           w->manner.mode == MODE_STRICT;
}

static void scrape(struct world *w, struct span body)
{
    static struct batch b, fresh_b;
    struct page *p = w->page;
    struct page_faults f, fresh_f;
    struct page_stats old = page_stats(p), new;
    AUTO_PTR(page) struct page *fresh = make_page(&w->plan, &w->manner);
    page_read(p, body, 1, &b, &f);
    page_read(fresh, body, 1, &fresh_b, &fresh_f);
    new = page_stats(p);
    require(old.series + f.added == new.series + b.ended_len);
    require(!f.unreadable || batch_records(&b) == 0);
    struct err err = {OK, ""};
    bool sound = is_sound(body, &w->manner, &err);
    w->all_sound &= sound;
    require(f.flaws == fresh_f.flaws);
    require(f.refused_by[PAGE_UNSOUND] == fresh_f.refused_by[PAGE_UNSOUND]);
    require(!sound || f.flaws + f.refused_by[PAGE_UNSOUND] == 0);
    if (w->manner.mode == MODE_STRICT) {
        require(sound != f.strict);
        require(sound || (f.unreadable && strcmp(err.text, f.first_bad.text) == 0));
    }
    if (is_comparable(w)) {
        require(f.refused == fresh_f.refused && f.lines_bad == fresh_f.lines_bad);
        require(f.filtered == fresh_f.filtered && f.unreadable == fresh_f.unreadable);
        require_same(&b, &fresh_b);
    }
    derive(&b);
    batch_commit(&b);
    budget_set_bound(w->bound & 1 ? 1 << 20 : SIZE_MAX); /* cold until the next, or not */
    if (w->bound & 1)
        budget_add(BUDGET_WORK, 3 << 18);
    page_rest(p, &b);
    if (w->bound & 1)
        budget_add(BUDGET_WORK, -(3 << 18));
    budget_set_bound(SIZE_MAX);
    w->bound = w->bound >> 1 | (w->bound & 1) << 7;
}

/* Round 0 and 1: the same number everywhere, which is good for most pages. */
static void fill(struct buf *out, struct span text, unsigned round, unsigned *seed)
{
    static const char *const numbers[] = {"1", "2", "0", "-1", "NaN", "1.5", "3", "+Inf", "1e3"};
    enum status s = OK;
    buf_truncate(out, 0);
    for (size_t i = 0; i < text.len && s == OK; i++) {
        size_t n =
            round < 2 || rand_r(seed) % 4 ? round % 2 : (unsigned)rand_r(seed) % ARRAY_LEN(numbers);
        s = text.data[i] == '$' ? buf_puts(out, numbers[n]) : buf_add(out, &text.data[i], 1);
    }
    require(s == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct relabel *rules;
    if (!rules)
        rules = make_rules();
    if (size < 1 || size % 3 == 1) /* two thirds are enough for a run of a moment */
        return 0;
    unsigned how = (unsigned)size * 7 + data[size - 1], seed = how + data[0];
    struct world w = {.manner = {.format = how & 1 ? FORMAT_OPENMETRICS : FORMAT_TEXT,
                                 .mode = how & 2 ? MODE_STRICT : MODE_SALVAGE},
                      .plan = {.generation = 1,
                               .keep_created = how & 4,
                               .relabel = how & 8 ? rules : NULL,
                               .relabel_hash = how & 8,
                               .lane_ids = (const uint32_t[]){1, 2},
                               .lanes_len = 2},
                      .bound = data[0],
                      .all_sound = true};
    AUTO_PTR(page) struct page *p = make_page(&w.plan, &w.manner);
    w.page = p;
    AUTO(buf) struct buf body = BUF_INIT(1 << 24);
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *mark = memchr(at, 1, (size_t)(end - at));
        struct span text = {at, (size_t)((mark ? mark : end) - at)};
        for (unsigned round = 0; round < ROUNDS; round++) {
            fill(&body, text, round, &seed);
            if (how & 16 && w.manner.format == FORMAT_OPENMETRICS)
                require(buf_puts(&body, "# EOF\n") == OK);
            scrape(&w, (struct span){body.data, body.len});
        }
        at = mark ? mark + 1 : end;
    }
    return 0;
}
