/* SPDX-License-Identifier: Apache-2.0 */
/* encoder_run.h - an encoder under test: its settings as text, what it makes of a batch. */
#ifndef ENCODER_RUN_H
#define ENCODER_RUN_H

#include "encoders.h"
#include "mem.h"
#include "read.h"
#include "test.h"

/* settings: "name=value name=value"; the status of open. */
static inline enum status encoder_try(const char *name, const char *settings,
                                      struct encoder_step *e, struct err *err)
{
    _Alignas(max_align_t) char conf[256] = {0};
    *e = (struct encoder_step){.ops = encoder_find(name), .max_samples = 1000};
    CHECK(e->ops && e->ops->conf_size <= sizeof conf);
    setting_defaults(e->ops->settings, conf);
    char *text = mem_strdup(settings), *save;
    for (char *s = strtok_r(text, " ", &save); s; s = strtok_r(NULL, " ", &save)) {
        char *value = strchr(s, '=');
        *value++ = '\0';
        CHECK_INT(setting_set(setting_find(e->ops->settings, s), conf, value, NULL), OK);
    }
    mem_free(text);
    enum status r = e->ops->open(&e->self, conf, err);
    setting_done(e->ops->settings, conf);
    return r;
}

static inline struct encoder_step encoder_configured(const char *name, const char *settings)
{
    struct encoder_step e;
    CHECK_INT(encoder_try(name, settings, &e, NULL), OK);
    return e;
}

static inline void encoder_check_refused(const char *name, const char *settings, const char *want)
{
    struct encoder_step e;
    struct err err;
    CHECK_INT(encoder_try(name, settings, &e, &err), ERR_INVALID);
    CHECK_STR(err.text, want);
}

/* Encodes b into messages of max_bytes, joined by '|', and checks them and the books. */
static inline struct encoder_counts encoder_check(const struct encoder_step *e,
                                                  const struct batch *b, size_t max_bytes,
                                                  const char *want)
{
    struct encoder_counts c = {0};
    AUTO(buf) struct buf all = BUF_INIT(10000), raw = BUF_INIT(1 << 20);
    AUTO_PTR(payload) struct payload *p = payload_new("key", max_bytes);
    size_t from = 0;
    for (; encoder_run(e, b, &from, p, &raw, &c) > 0; buf_truncate(&p->body, 0)) {
        CHECK(p->body.len <= max_bytes);
        CHECK_INT(buf_cat(&all, all.len ? "|" : "", p->body.data, NULL), OK);
    }
    CHECK_INT(from, batch_records(b));
    CHECK_INT(c.encoded + c.skipped[SKIP_UNSAYABLE] + c.skipped[SKIP_TOO_LARGE], b->len + c.ended);
    CHECK_STR(all.data, want);
    return c;
}

/* Every bound from nothing to more than enough; the asan preset sees a byte too many. */
static inline void encoder_check_bounds(const char *name, const char *settings)
{
    static const char text[] = "# HELP a q\"\n# TYPE a gauge\na{x=\"\\\"y\"} 1\nbc 22.5\ndef 3\n";
    struct encoder_step e = encoder_configured(name, settings);
    AUTO(buf) struct buf raw = BUF_INIT(1 << 20);
    size_t most = 0;
    for (size_t max = 0; max < 400; max++) {
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO_PTR(payload) struct payload *out = payload_new("key", max);
        struct encoder_counts c = {0};
        struct batch *b = read_text(p, text);
        for (int scrape = 0; scrape < 2; scrape++) { /* the second ends two */
            size_t from = 0;
            for (size_t n; (n = encoder_run(&e, b, &from, out, &raw, &c)) > 0;
                 buf_truncate(&out->body, 0)) {
                CHECK(out->body.len <= max);
                most = n > most ? n : most;
            }
            b = read_text(p, "# HELP a q\"\n# TYPE a gauge\na{x=\"\\\"y\"} 1\n");
        }
        CHECK_INT(c.encoded + c.skipped[SKIP_UNSAYABLE] + c.skipped[SKIP_TOO_LARGE], 4 + c.ended);
    }
    CHECK_INT(most, 3);
    e.ops->close(e.self);
}

/* From the second scrape on no memory is asked for. */
static inline void encoder_check_repeat(const char *name, const char *settings)
{
    struct encoder_step e = encoder_configured(name, settings);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO_PTR(payload) struct payload *out = payload_new("key", 5000);
    AUTO(buf) struct buf raw = BUF_INIT(1 << 20);
    struct encoder_counts counts = {0};
    uint64_t before = 0;
    for (int scrape = 0; scrape < 3; scrape++) {
        struct batch *b = read_text(p, scrape % 2 ? "# HELP a h\na{x=\"y\"} 1\nb 0.25\n"
                                                  : "# HELP a h\na{x=\"y\"} 7\nb 3.75\n");
        page_add_meta(p, &(struct page_meta){.up = true, .duration_seconds = 0.1}, b);
        size_t from = 0;
        buf_truncate(&out->body, 0);
        CHECK_INT(encoder_run(&e, b, &from, out, &raw, &counts), 2 + PAGE_META);
        batch_commit(b);
        page_rest(p, b);
        before = scrape == 0 ? mem_count() : before;
    }
    CHECK_INT(mem_count(), before);
    e.ops->close(e.self);
}

#endif
