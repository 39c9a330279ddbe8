/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include "budget.h"
#include "http.h"
#include "mem.h"

#include <assert.h>

static size_t text_bytes(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

size_t target_bytes(const struct target *t)
{
    size_t n = sizeof *t + text_bytes(t->id) + text_bytes(t->source) + text_bytes(t->pool) +
               text_bytes(t->url) + t->labels_len * sizeof t->labels[0];
    for (size_t i = 0; i < t->labels_len; i++)
        n += text_bytes(t->labels[i].name) + text_bytes(t->labels[i].value);
    return n;
}

/* A copy of s at *at, which moves on behind it. */
static const char *keep(char **at, const char *s)
{
    size_t n = text_bytes(s);
    if (!s)
        return NULL;
    *at += n;
    return memcpy(*at - n, s, n);
}

/* All in one piece of memory: there may be very many. */
struct target *target_new(const struct target *like)
{
    assert(like->timeout_ns <= like->interval_ns && like->labels_len <= TARGET_LABELS);
    struct target *t = mem_alloc(target_bytes(like));
    struct label *labels = (struct label *)(t + 1);
    char *at = (char *)(labels + like->labels_len);
    t->refs = 1;
    t->id = keep(&at, like->id);
    t->source = keep(&at, like->source);
    t->pool = keep(&at, like->pool);
    t->url = keep(&at, like->url);
    t->interval_ns = like->interval_ns;
    t->timeout_ns = like->timeout_ns;
    for (size_t i = 0; i < like->labels_len; i++) {
        labels[i].name = keep(&at, like->labels[i].name);
        labels[i].value = keep(&at, like->labels[i].value);
    }
    t->labels = labels;
    t->labels_len = like->labels_len;
    t->max_samples = like->max_samples;
    t->mode = like->mode;
    t->honor_labels = like->honor_labels;
    t->honor_timestamps = like->honor_timestamps;
    t->http = http_ref(like->http);
    budget_add(BUDGET_DISCOVERY, (ptrdiff_t)target_bytes(t));
    return t;
}

static bool has_label(const struct target *t, const struct label *l, size_t likely_at)
{
    for (size_t i = 0; i < t->labels_len; i++) {
        const struct label *own = &t->labels[(likely_at + i) % t->labels_len];
        if (strcmp(own->name, l->name) == 0)
            return strcmp(own->value, l->value) == 0;
    }
    return false;
}

bool target_same_labels(const struct target *a, const struct target *b)
{
    if (a->labels_len != b->labels_len)
        return false;
    for (size_t i = 0; i < a->labels_len; i++)
        if (!has_label(b, &a->labels[i], i))
            return false;
    return true;
}

bool target_same_scrape(const struct target *a, const struct target *b)
{
    return a == b || (a->interval_ns == b->interval_ns && a->timeout_ns == b->timeout_ns &&
                      a->max_samples == b->max_samples && a->mode == b->mode &&
                      strcmp(a->url, b->url) == 0 && target_same_labels(a, b));
}

struct target *target_ref(struct target *t)
{
    if (t)
        t->refs++;
    return t;
}

void target_unref(struct target *t)
{
    if (!t || --t->refs > 0)
        return;
    budget_add(BUDGET_DISCOVERY, -(ptrdiff_t)target_bytes(t));
    http_unref(t->http);
    mem_free(t);
}
