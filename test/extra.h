/* SPDX-License-Identifier: Apache-2.0 */
/* extra.h - samples with exemplars and created times, set by hand, for tests of encoders. */
#ifndef EXTRA_H
#define EXTRA_H

#include "encoder_run.h"

#define EXTRA_CREATED INT64_C(1795267560007) /* 2026-11-21T13:26:00.007Z */
#define EXTRA_SEEN    INT64_C(1795271159999) /* 2026-11-21T14:25:59.999Z */

/* "name\0value\0name\0value\0" */
#define EXTRA_LABELS(text) ((struct span){text, sizeof text - 1})

static inline void extra_set(struct batch *b, size_t sample, const struct sample_extra *x)
{
    CHECK(sample < b->len);
    if (b->extras_len == b->extras_cap) {
        b->extras_cap = 2 * b->extras_cap + 1;
        b->extras = mem_realloc(b->extras, b->extras_cap * sizeof *b->extras);
    }
    b->extras[b->extras_len++] = *x;
    b->samples[sample].extra = (uint32_t)b->extras_len;
}

/* Four samples: with all, with an exemplar without a time, with a created time, with neither. */
static inline struct batch *extra_batch(struct page *p)
{
    struct batch *b =
        read_text(p, "# HELP a_s h\"\n# TYPE a_s counter\n# UNIT a_s s\na_s{x=\"1\"} 1\n"
                     "# TYPE b histogram\nb_bucket{le=\"1\"} 2\n"
                     "# HELP c h\n# TYPE c counter\nc 3\nd 4\n");
    CHECK_INT(b->len, 4);
    b->extras_len = 0;
    extra_set(b, 0,
              &(struct sample_extra){.created_ms = EXTRA_CREATED,
                                     .has_exemplar = true,
                                     .exemplar = {.labels = EXTRA_LABELS("id\0q\"\0x\0\xc3\xa9\0"),
                                                  .value = 0.1,
                                                  .ts_ms = EXTRA_SEEN,
                                                  .has_ts = true}});
    extra_set(b, 1,
              &(struct sample_extra){
                  .created_ms = EXTRA_NO_TIME, .has_exemplar = true, .exemplar = {.value = -0.0}});
    extra_set(b, 2, &(struct sample_extra){.created_ms = 0});
    return b;
}

/* As encoder_check_bounds, with these. */
static inline void extra_check_bounds(const char *name, const char *settings)
{
    struct encoder_step e = encoder_configured(name, settings);
    AUTO(buf) struct buf raw = BUF_INIT(1 << 20);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    struct batch *b = extra_batch(p);
    size_t most = 0;
    for (size_t max = 0; max < 1400; max++) {
        AUTO_PTR(payload) struct payload *out = payload_new("key", max);
        struct encoder_counts c = {0};
        size_t from = 0;
        for (size_t n; (n = encoder_run(&e, b, &from, out, &raw, &c)) > 0;
             buf_truncate(&out->body, 0)) {
            CHECK(out->body.len <= max);
            most = n > most ? n : most;
        }
        CHECK_INT(c.encoded + c.skipped[SKIP_UNSAYABLE] + c.skipped[SKIP_TOO_LARGE], 4);
    }
    CHECK_INT(most, 4);
    e.ops->close(e.self);
}

/* Once constants are known no memory is asked for. */
static inline void extra_check_repeat(const char *name, const char *settings)
{
    struct encoder_step e = encoder_configured(name, settings);
    AUTO(buf) struct buf raw = BUF_INIT(1 << 20);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO_PTR(payload) struct payload *out = payload_new("key", 5000);
    struct batch *b = extra_batch(p);
    struct encoder_counts counts = {0};
    uint64_t before = 0;
    for (int scrape = 0; scrape < 3; scrape++) {
        size_t from = 0;
        buf_truncate(&out->body, 0);
        CHECK_INT(encoder_run(&e, b, &from, out, &raw, &counts), 4);
        before = scrape == 0 ? mem_count() : before;
    }
    CHECK_INT(mem_count(), before);
    e.ops->close(e.self);
}

#endif
