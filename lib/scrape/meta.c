/* SPDX-License-Identifier: Apache-2.0 */
/* meta.c - six gauges for each target, beside the series of its page. */
#include "meta.h"

#include "hash.h"
#include "key.h"

#include <assert.h>

/* What each room has a copy of, in which users does not count. */
#define FAMILY(name, help)                                              \
    {                                                                   \
        .fixed = name "\0" help, .kind = SERIES_GAUGE, .has_help = true \
    }
static const struct family families[PAGE_META] = {
    FAMILY("up", "Whether the target was scraped: 1, or 0 when that failed."),
    FAMILY("scrape_duration_seconds", "How long the scrape took."),
    FAMILY("scrape_samples_scraped", "How many samples the target exposed."),
    FAMILY("scrape_samples_post_filter", "How many samples were left after the filters."),
    FAMILY("scrape_series_added", "How many series were not there in the scrape before."),
    FAMILY("scrape_body_size_bytes", "How long the page was, decompressed."),
};

static void make_texts(struct meta *m, const struct target *t, uint8_t lanes, struct texts *texts,
                       struct buf *key)
{
    static const struct page_limits none = {
        .max_labels = SIZE_MAX, .max_name_bytes = SIZE_MAX, .max_value_bytes = SIZE_MAX};
    for (size_t i = 0; i < PAGE_META; i++) {
        struct promtext_line line = {.name = {families[i].fixed, strlen(families[i].fixed)}};
        enum page_refusal why = key_build(key, NULL, &line, t, &none);
        assert(why == PAGE_REFUSALS); /* no labels of a page that could clash */
        (void)why;
        m->at[i] = texts_add(texts, (struct span){key->data, key->len}, lanes);
    }
    m->there = true;
}

static void make_records(const struct meta *m, uint8_t lanes, struct texts *texts, struct room *r)
{
    if (!r->families[0].fixed)
        memcpy(r->families, families, sizeof families);
    for (size_t i = 0; i < PAGE_META; i++) {
        r->families[i].texts = texts;
        r->meta[i] = (struct series){.family = &r->families[i], .text = m->at[i], .lanes = lanes};
        struct span key = series_key(&r->meta[i]);
        r->meta[i].id = hash_bytes(key.data, key.len);
    }
}

void meta_add(struct meta *m, const struct page_meta *values, const struct target *t, uint8_t lanes,
              struct texts *texts, struct batch *b)
{
    struct room *r = room_of(b);
    const double numbers[PAGE_META] = {
        values->up ? 1 : 0,
        values->duration_seconds,
        (double)values->samples_scraped,
        (double)values->samples_post_filter,
        (double)values->series_added,
        (double)values->body_bytes,
    };
    assert(b->meta_len == 0 && b->cap >= b->len + PAGE_META);
    if (!m->there)
        make_texts(m, t, lanes, texts, &r->key);
    make_records(m, lanes, texts, r);
    for (size_t i = 0; i < PAGE_META; i++)
        b->samples[b->len++] =
            (struct sample){.series = &r->meta[i], .value = numbers[i], .ts_ms = b->scraped_ms};
    b->meta_len = PAGE_META;
}

void meta_move(struct meta *m, uint8_t lanes, const struct texts *from, struct texts *to)
{
    for (size_t i = 0; i < PAGE_META && m->there; i++)
        m->at[i] = texts_move(from, m->at[i], lanes, to);
}

void meta_relane(struct meta *m, uint8_t old_lanes, const struct texts *from_texts,
                 struct texts *to, uint8_t lanes, const uint8_t *from)
{
    for (size_t i = 0; i < PAGE_META && m->there; i++) {
        struct series s = {.text = m->at[i], .lanes = old_lanes};
        series_relane(&s, from_texts, to, lanes, from);
        m->at[i] = s.text;
    }
}

size_t meta_end(struct meta *m, uint8_t lanes, struct texts *texts, struct batch *b,
                struct series *ended[PAGE_META])
{
    struct room *r = room_of(b);
    if (!m->there || m->ending)
        return 0;
    make_records(m, lanes, texts, r);
    for (size_t i = 0; i < PAGE_META; i++)
        ended[i] = &r->meta[i];
    m->ending = true;
    return PAGE_META;
}

void meta_settle(struct meta *m, uint8_t lanes, struct texts *texts)
{
    if (!m->ending)
        return;
    for (size_t i = 0; i < PAGE_META; i++)
        texts_remove(texts, m->at[i], lanes);
    m->there = m->ending = false;
}
