/* SPDX-License-Identifier: Apache-2.0 */
/* page_relabel.c - metric_relabel: rules on the key of a series. */
#include "page_private.h"

#include "mem.h"

#define SET_BYTES ((size_t)16 << 20) /* labels of one series under work */

struct relabeller {
    struct label_set labels;
    struct relabel_work work;
};

static const struct span name_label = {"__name__", sizeof "__name__" - 1};

static struct relabeller *relabeller_new(void)
{
    struct relabeller *w = mem_alloc(sizeof *w);
    label_set_init(&w->labels, SET_BYTES);
    relabel_work_init(&w->work);
    return w;
}

void relabeller_free(struct relabeller *w)
{
    if (!w)
        return;
    label_set_done(&w->labels);
    relabel_work_done(&w->work);
    mem_free(w);
}

/* The text at *at, which ends with NUL; *at goes behind it. */
static struct span next_text(const char **at)
{
    struct span s = {*at, strlen(*at)};
    *at += s.len + 1;
    return s;
}

static enum status fill(struct label_set *set, const struct buf *key)
{
    const char *at = key->data, *end = key->data + key->len;
    label_set_reset(set);
    enum status s = label_set_set(set, name_label, next_text(&at));
    while (at < end && s == OK) {
        struct span name = next_text(&at), value = next_text(&at);
        s = label_set_set(set, name, value);
    }
    return s;
}

static void add(struct buf *key, struct span text)
{
    enum status s = buf_add(key, text.data, text.len);
    if (s == OK)
        s = buf_add(key, "", 1);
    if (s != OK)
        abort(); /* only the limits bound a key */
}

static bool is_hidden(struct span name)
{
    return name.len >= 2 && memcmp(name.data, "__", 2) == 0;
}

/* The limits hold for what the rules make, too. */
static enum page_refusal check(const struct label_set *set, const struct page_limits *limits)
{
    size_t labels = 0;
    for (size_t i = 0; i < set->len; i++) {
        struct label_span l = label_set_at(set, i);
        bool name = l.name.len == name_label.len && is_hidden(l.name) &&
                    memcmp(l.name.data, name_label.data, l.name.len) == 0;
        if (name && l.value.len > limits->max_name_bytes)
            return PAGE_MAX_NAME_BYTES;
        if (is_hidden(l.name))
            continue;
        labels++;
        if (l.name.len > limits->max_name_bytes)
            return PAGE_MAX_NAME_BYTES;
        if (l.value.len > limits->max_value_bytes)
            return PAGE_MAX_VALUE_BYTES;
    }
    if (label_set_get(set, name_label).len == 0)
        return PAGE_RELABEL;
    return labels > limits->max_labels ? PAGE_MAX_LABELS : PAGE_REFUSALS;
}

enum page_refusal reader_relabel(struct reader *r, bool *ret_dropped)
{
    struct page *p = r->page;
    size_t rule = RELABEL_KEPT;
    if (!r->relabeller)
        r->relabeller = relabeller_new();
    struct label_set *set = &r->relabeller->labels;
    if (fill(set, &r->room->key) != OK ||
        relabel_apply(p->relabel, set, &r->relabeller->work, &rule, NULL) != OK)
        return PAGE_RELABEL;
    *ret_dropped = rule != RELABEL_KEPT;
    if (*ret_dropped)
        return PAGE_REFUSALS;
    enum page_refusal why = check(set, &p->limits);
    if (why != PAGE_REFUSALS)
        return why;
    buf_truncate(&r->room->key, 0);
    add(&r->room->key, label_set_get(set, name_label));
    for (size_t i = 0; i < set->len; i++) {
        struct label_span l = label_set_at(set, i);
        if (is_hidden(l.name))
            continue;
        add(&r->room->key, l.name);
        add(&r->room->key, l.value);
    }
    return PAGE_REFUSALS;
}
