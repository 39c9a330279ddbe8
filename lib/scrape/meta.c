/* SPDX-License-Identifier: Apache-2.0 */
/* meta.c - six gauges for each target, beside the series of its page. */
#include "meta.h"

#include "key.h"
#include "mem.h"

#include <assert.h>

/* What each page has a copy of, in which users does not count. */
#define FAMILY(name_, help_)                                                   \
    {                                                                          \
        .name = (char[]){name_}, .help = (char[]){help_}, .kind = SERIES_GAUGE \
    }
static const struct family families[PAGE_META] = {
    FAMILY("up", "Whether the target was scraped: 1, or 0 when that failed."),
    FAMILY("scrape_duration_seconds", "How long the scrape took."),
    FAMILY("scrape_samples_scraped", "How many samples the target exposed."),
    FAMILY("scrape_samples_post_filter", "How many samples were left after the filters."),
    FAMILY("scrape_series_added", "How many series were not there in the scrape before."),
    FAMILY("scrape_body_size_bytes", "How long the page was, decompressed."),
};

void meta_done(struct meta *m)
{
    for (size_t i = 0; i < PAGE_META; i++)
        series_free(m->series[i]);
    mem_free(m->families);
    *m = (struct meta){.bytes = 0};
}

static void make_series(struct meta *m, const struct target *t, uint8_t lanes, struct buf *key)
{
    static const struct page_limits none = {
        .max_labels = SIZE_MAX, .max_name_bytes = SIZE_MAX, .max_value_bytes = SIZE_MAX};
    if (!m->families)
        m->families = mem_alloc(sizeof families);
    memcpy(m->families, families, sizeof families);
    for (size_t i = 0; i < PAGE_META; i++) {
        m->families[i].bytes = &m->bytes;
        struct promtext_line line = {.name = {families[i].name, strlen(families[i].name)}};
        enum page_refusal why = key_build(key, NULL, &line, t, &none);
        assert(why == PAGE_REFUSALS); /* no labels of a page that could clash */
        (void)why;
        m->series[i] = series_new((struct span){key->data, key->len}, &m->families[i], lanes);
    }
}

void meta_add(struct meta *m, const struct page_meta *values, const struct target *t, uint8_t lanes,
              struct buf *key, struct batch *b)
{
    const double numbers[PAGE_META] = {
        values->up ? 1 : 0,
        values->duration_seconds,
        (double)values->samples_scraped,
        (double)values->samples_post_filter,
        (double)values->series_added,
        (double)values->body_bytes,
    };
    assert(b->meta_len == 0 && b->cap >= b->len + PAGE_META);
    if (!m->series[0])
        make_series(m, t, lanes, key);
    for (size_t i = 0; i < PAGE_META; i++)
        b->samples[b->len++] =
            (struct sample){.series = m->series[i], .value = numbers[i], .ts_ms = b->scraped_ms};
    b->meta_len = PAGE_META;
}

void meta_relane(struct meta *m, uint8_t lanes, const uint8_t *from)
{
    for (size_t i = 0; i < PAGE_META && m->series[i]; i++)
        m->series[i] = series_relane(m->series[i], lanes, from);
}

size_t meta_end(struct meta *m, struct series *ended[PAGE_META])
{
    size_t n = 0;
    for (; n < PAGE_META && m->series[n]; n++) {
        ended[n] = m->series[n];
        m->series[n] = NULL;
    }
    return n;
}
