/* SPDX-License-Identifier: Apache-2.0 */
/* What exemplars and created times do to bounds, memory, and formats that cannot say them. */
#include "extra.h"

static const char *const saying[][2] = {
    {"json", "mode=ndjson"},
    {"json", "mode=array help=true"},
    {"json", "mode=array"},
    {"fluent", "mode=forward"},
    {"fluent", "mode=packed help=true"},
    {"fluent", "mode=gzip"},
    {"remote_write", "version=v1"},
    {"remote_write", "version=v2"},
    {"remote_write", "version=v2 compression=zstd"},
};

TEST(messages_keep_their_bounds)
{
    for (size_t i = 0; i < ARRAY_LEN(saying); i++)
        extra_check_bounds(saying[i][0], saying[i][1]);
}

TEST(a_repeat_scrape_asks_for_no_memory)
{
    for (size_t i = 0; i < ARRAY_LEN(saying); i++)
        extra_check_repeat(saying[i][0], saying[i][1]);
}

TEST(formats_without_words_for_them_write_what_they_wrote)
{
    static const char *const names[] = {"statsd", "influx", "prometheus"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct encoder_step e = encoder_configured(names[i], "");
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO_PTR(payload) struct payload *plain = payload_new("key", 5000);
        AUTO_PTR(payload) struct payload *more = payload_new("key", 5000);
        struct encoder_counts c = {0};
        struct batch *b = extra_batch(p);
        size_t from = 0;
        CHECK(encoder_run(&e, b, &from, more, NULL, &c) > 0);
        for (size_t k = 0; k < b->len; k++)
            b->samples[k].extra = 0;
        from = 0;
        CHECK(encoder_run(&e, b, &from, plain, NULL, &c) > 0);
        CHECK_STR(more->body.data, plain->body.data);
        e.ops->close(e.self);
    }
}
