/* SPDX-License-Identifier: Apache-2.0 */
/* page_beside.c - exemplars and created times. */
#include "clock.h"
#include "key.h"
#include "page_private.h"

#include <math.h>

/* Seconds since 1970; what no clock of ours says is left out. */
static int64_t created_ms(double seconds)
{
    double ms = seconds * 1000;
    if (!(ms >= (double)CLOCK_MIN_MS && ms <= (double)CLOCK_MAX_MS))
        return EXTRA_NO_TIME;
    return llround(ms);
}

/* Only what counts has a beginning. */
static bool counts(const struct series *s)
{
    enum series_kind k = s->family->kind;
    return k == SERIES_COUNTER || k == SERIES_HISTOGRAM || k == SERIES_SUMMARY;
}

static struct sample_extra *extra_of(struct batch *b, struct sample *s)
{
    return s->extra ? &b->extras[s->extra - 1] : batch_add_extra(b, s);
}

void reader_created(struct reader *r, const struct promtext_value *v)
{
    if (r->created_ms != EXTRA_NO_TIME)
        return; /* a metric has one; many would cost the square of their number */
    r->created_ms = created_ms(v->number);
    if (r->created_ms == EXTRA_NO_TIME)
        return;
    for (size_t i = r->metric_at; i < r->batch->len; i++)
        if (counts(r->batch->samples[i].series))
            extra_of(r->batch, &r->batch->samples[i])->created_ms = r->created_ms;
}

/* Few pages ask for one; of those that do, each sample is remembered once. */
static struct sample *sample_of(struct reader *r, const struct series *s)
{
    struct batch *b = r->batch;
    struct idmap *points = &r->room->points;
    if (r->points == 0)
        idmap_reset(points, b->len);
    for (; r->points < b->len; r->points++)
        idmap_put(points, b->samples[r->points].series->id, (void *)(r->points + 1));
    uintptr_t at = (uintptr_t)idmap_get(points, s->id);
    return at ? &b->samples[at - 1] : NULL;
}

void reader_newer(struct reader *r, const struct series *s, const struct promtext_value *v)
{
    struct sample *to = sample_of(r, s);
    if (!to)
        return; /* it is silent */
    to->value = v->number;
    to->text = v->text;
    to->ts_ms = r->honor_timestamps ? v->ts_ms : r->scraped_ms;
    to->extra = 0;
    if (v->exemplar || v->has_created || r->created_ms != EXTRA_NO_TIME)
        reader_beside(r, to, v);
}

/* Labels that cannot be kept, or not within the limits, cost the exemplar. */
static void keep_exemplar(struct reader *r, struct sample *s, const struct promtext_exemplar *e)
{
    struct buf *text = &r->room->exposed;
    if (key_labels(text, &r->room->names, e->labels, e->labels_len, &r->page->limits) !=
        PAGE_REFUSALS)
        return;
    struct sample_extra *x = extra_of(r->batch, s);
    batch_set_exemplar(r->batch, x, (struct span){text->data, text->len});
    x->exemplar.value = e->number;
    x->exemplar.ts_ms = e->ts_ms;
    x->exemplar.has_ts = e->has_ts;
}

void reader_beside(struct reader *r, struct sample *s, const struct promtext_value *v)
{
    int64_t created = v->has_created ? v->created_ms : r->created_ms;
    if (created != EXTRA_NO_TIME && counts(s->series))
        extra_of(r->batch, s)->created_ms = created;
    if (v->exemplar)
        keep_exemplar(r, s, v->exemplar);
}
