/* SPDX-License-Identifier: Apache-2.0 */
/* A series ends once for each time that it was there, whatever befalls its target: random scrapes
 * against a model of a few lines. */
#include "buf.h"
#include "page.h"
#include "test.h"

enum { SERIES = 12 };

/* What there should be. */
struct model {
    bool there[SERIES], missed[SERIES]; /* missed: in the last scrape, whose page had bad lines */
    unsigned failures;
};

struct world {
    struct page *page;
    struct batch batch;
    struct buf text;
    struct model model;
    unsigned seed;
    enum page_format format;
    uint64_t generation;
    unsigned ended[SERIES], began[SERIES]; /* in all */
};

static unsigned dice(struct world *w, unsigned sides)
{
    return (unsigned)rand_r(&w->seed) % sides;
}

static void put(struct world *w, const char *text)
{
    CHECK_INT(buf_puts(&w->text, text), OK);
}

/* In each format a page that is good in strict mode, but for what fault says. */
static void make_text(struct world *w, const bool lines[SERIES], const char *fault)
{
    buf_truncate(&w->text, 0);
    for (unsigned i = 0; i < SERIES; i++)
        if (lines[i])
            CHECK_INT(buf_printf(&w->text, "s%u %u\n", i, dice(w, 100)), OK);
    put(w, fault);
    if (w->format == FORMAT_OPENMETRICS)
        put(w, "# EOF\n");
}

/* What the batch says has ended is what the model says. */
static void check_ended(struct world *w, const bool want[SERIES])
{
    size_t n = 0;
    for (unsigned i = 0; i < SERIES; i++)
        n += want[i];
    CHECK_INT(w->batch.ended_len, n);
    for (size_t k = 0; k < n; k++) {
        unsigned i = (unsigned)strtoul(series_name(w->batch.ended[k]) + 1, NULL, 10);
        CHECK(i < SERIES && want[i]);
        w->ended[i]++;
        CHECK_INT(w->ended[i], w->began[i]);
    }
}

static void end_all(struct model *m, bool ended[SERIES])
{
    for (unsigned i = 0; i < SERIES; i++) {
        ended[i] = m->there[i];
        m->there[i] = m->missed[i] = false;
    }
}

static void fail(struct world *w)
{
    bool ended[SERIES] = {false};
    page_failed(w->page, 1, &w->batch);
    CHECK_INT(w->batch.len, 0);
    if (++w->model.failures >= 2)
        end_all(&w->model, ended);
    check_ended(w, ended);
}

static void choose(struct world *w, bool lines[SERIES])
{
    unsigned often = 1 + dice(w, 10);
    for (unsigned i = 0; i < SERIES; i++)
        lines[i] = dice(w, 10) < often;
}

static void set_mode(struct world *w, enum page_mode mode)
{
    page_set_manner(w->page, &(struct page_manner){.format = w->format, .mode = mode});
}

static void scrape(struct world *w, bool faulty)
{
    bool lines[SERIES], ended[SERIES] = {false};
    struct page_faults f;
    struct model *m = &w->model;
    set_mode(w, faulty ? MODE_SALVAGE : (enum page_mode)dice(w, 2));
    choose(w, lines);
    lines[0] |= faulty; /* else it would be no page at all */
    make_text(w, lines, faulty ? "?\n" : "");
    page_read(w->page, (struct span){w->text.data, w->text.len}, 1, &w->batch, &f);
    CHECK(!f.unreadable);
    m->failures = 0;
    for (unsigned i = 0; i < SERIES; i++) {
        w->began[i] += lines[i] && !m->there[i];
        ended[i] = m->there[i] && !lines[i] && (!faulty || m->missed[i]);
        m->missed[i] = m->there[i] && !lines[i] && !ended[i];
        m->there[i] = lines[i] || m->missed[i];
    }
    check_ended(w, ended);
}

static void refuse(struct world *w)
{
    bool lines[SERIES];
    struct page_faults f;
    set_mode(w, MODE_STRICT);
    choose(w, lines);
    make_text(w, lines, "?\n");
    page_read(w->page, (struct span){w->text.data, w->text.len}, 1, &w->batch, &f);
    CHECK(f.strict && f.unreadable && batch_records(&w->batch) == 0);
    fail(w);
}

static void target_goes(struct world *w)
{
    bool ended[SERIES] = {false};
    page_end(w->page, 1, &w->batch);
    end_all(&w->model, ended);
    check_ended(w, ended);
}

static void reload(struct world *w)
{
    static const uint32_t lanes[] = {1, 2, 3};
    page_bind(w->page, &(struct page_plan){.generation = ++w->generation,
                                           .lane_ids = lanes,
                                           .lanes_len = (uint8_t)dice(w, 4)});
}

static void step(struct world *w)
{
    switch (dice(w, 12)) {
    case 0: target_goes(w); break;
    case 1: reload(w); break;
    case 2:
    case 3: fail(w); break;
    case 4: refuse(w); break;
    case 5:
    case 6:
    case 7: scrape(w, true); break;
    default: scrape(w, false); break;
    }
    size_t there = 0;
    for (unsigned i = 0; i < SERIES; i++) {
        there += w->model.there[i];
        CHECK_INT(w->began[i], w->ended[i] + w->model.there[i]);
    }
    CHECK_INT(page_stats(w->page).series, there);
}

static void live(enum page_format format, unsigned seed)
{
    struct world w = {.text = BUF_INIT(10000), .seed = seed, .format = format, .generation = 1};
    w.page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 0);
    for (int i = 0; i < 2000; i++)
        step(&w);
    page_free(w.page);
    batch_done(&w.batch);
    buf_done(&w.text);
}

TEST(a_series_ends_once_for_each_time_it_was_there)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        live(FORMAT_TEXT, seed);
        live(FORMAT_OPENMETRICS, seed);
    }
}
