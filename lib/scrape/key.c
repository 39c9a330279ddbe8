/* SPDX-License-Identifier: Apache-2.0 */
#include "key.h"

#include <assert.h>

/* The labels of a key under way: first those of the line, then those of the target. */
struct labels {
    struct promtext_label items[TARGET_LABELS + PROMTEXT_LABELS];
    size_t len;
    struct promtext_label *clashing[TARGET_LABELS]; /* among items, of the line */
    size_t clashing_len;
};

static bool has(const struct labels *all, struct span name)
{
    for (size_t i = 0; i < all->len; i++) {
        struct span other = all->items[i].name;
        if (other.len == name.len && memcmp(other.data, name.data, name.len) == 0)
            return true;
    }
    return false;
}

/* The first label of the line with that name, or NULL.  A second one stays what it is,
 * and is found when all are sorted. */
static struct promtext_label *find_exposed(struct labels *all, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (span_is(all->items[i].name, name))
            return &all->items[i];
    return NULL;
}

/* Writes names that stand there escaped as they are meant.  Room for all that names will have to
 * hold is made at once, so that nothing in it moves. */
static void unescape_names(struct labels *all, struct buf *names, size_t more)
{
    size_t bytes = 0;
    for (size_t i = 0; i < all->len; i++)
        bytes += all->items[i].name_escaped ? all->items[i].name.len : 0;
    if (bytes == 0)
        return;
    char *room = buf_room(names, bytes + more);
    assert(room);
    for (size_t i = 0; i < all->len; i++) {
        struct promtext_label *l = &all->items[i];
        if (!l->name_escaped)
            continue;
        l->name = (struct span){room, promtext_unescape(room, l->name)};
        room += l->name.len;
        buf_used(names, l->name.len);
    }
}

static void take_labels(struct labels *all, const struct promtext_label *labels, size_t n)
{
    memcpy(all->items, labels, n * sizeof labels[0]);
    all->len = n;
    all->clashing_len = 0;
}

static void merge_target(struct labels *all, const struct target *t)
{
    size_t exposed_len = all->len;
    for (size_t i = 0; t && i < t->labels_len; i++) {
        struct promtext_label own = {
            .name = {t->labels[i].name, strlen(t->labels[i].name)},
            .value = {t->labels[i].value, strlen(t->labels[i].value)},
        };
        struct promtext_label *exposed = find_exposed(all, exposed_len, t->labels[i].name);
        if (exposed && t->honor_labels)
            continue;
        if (exposed)
            all->clashing[all->clashing_len++] = exposed;
        all->items[all->len++] = own;
    }
}

/* Gives l a name that no other label has, written to room.  False: it is above max. */
static bool rename_label(const struct labels *all, struct promtext_label *l, char *room, size_t max)
{
    static const char prefix[] = "exported_";
    const size_t n = sizeof prefix - 1;
    struct span name = l->name;
    do {
        if (name.len + n > max)
            return false;
        memmove(room + n, name.data, name.len);
        memcpy(room, prefix, n);
        name = (struct span){room, name.len + n};
    } while (has(all, name));
    l->name = name;
    return true;
}

static bool rename_clashing(struct labels *all, struct buf *names, size_t max)
{
    if (all->clashing_len == 0)
        return true;
    char *room = buf_room(names, all->clashing_len * max);
    assert(room);
    for (size_t i = 0; i < all->clashing_len; i++)
        if (!rename_label(all, all->clashing[i], room + i * max, max))
            return false;
    return true;
}

/* Most differ in their first byte, and a call of memcmp costs more than that. */
static inline int compare_names(struct span a, struct span b)
{
    if (a.len > 0 && b.len > 0 && a.data[0] != b.data[0])
        return (unsigned char)a.data[0] - (unsigned char)b.data[0];
    int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* By insertion: few labels, mostly in order.  False when a name is there twice. */
static bool sort_labels(const struct promtext_label *labels, size_t n,
                        const struct promtext_label **ret)
{
    for (size_t i = 0; i < n; i++) {
        const struct promtext_label *l = &labels[i];
        size_t k = i;
        int c = 1;
        while (k > 0 && (c = compare_names(ret[k - 1]->name, l->name)) > 0) {
            ret[k] = ret[k - 1];
            k--;
        }
        ret[k] = l;
        if (k > 0 && c == 0)
            return false;
    }
    return true;
}

/* Text and NUL. */
static inline char *put(char *at, struct span text, bool escaped)
{
    size_t len = text.len;
    if (escaped)
        len = promtext_unescape(at, text);
    else if (len > 0)
        memcpy(at, text.data, len);
    at[len] = '\0';
    return at + len + 1;
}

static bool has_nul(struct span s)
{
    return s.len > 0 && memchr(s.data, '\0', s.len);
}

/* Of labels in order: whether they may be kept.  *ret_bytes: no more are needed for them. */
static enum page_refusal check_labels(const struct promtext_label *const *sorted, size_t n,
                                      const struct page_limits *limits, size_t *ret_bytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const struct promtext_label *l = sorted[i];
        if (l->name.len > limits->max_name_bytes)
            return PAGE_MAX_NAME_BYTES;
        if (l->value.len > limits->max_value_bytes)
            return PAGE_MAX_VALUE_BYTES;
        if (!l->simple && (has_nul(l->name) || has_nul(l->value)))
            return PAGE_NUL;
        bytes += l->name.len + l->value.len + 2;
    }
    *ret_bytes = bytes;
    return PAGE_REFUSALS;
}

/* Writes all of them to out, in order, behind name; only the limits bound out, so there is always
 * room.  name.data NULL: it has none. */
static enum page_refusal write_key(struct buf *out, struct span name, bool escaped,
                                   const struct labels *all, const struct page_limits *limits)
{
    const struct promtext_label *sorted[TARGET_LABELS + PROMTEXT_LABELS];
    size_t bytes;
    if (!sort_labels(all->items, all->len, sorted))
        return PAGE_LABEL_TWICE;
    enum page_refusal why = check_labels(sorted, all->len, limits, &bytes);
    if (why != PAGE_REFUSALS)
        return why;
    buf_truncate(out, 0);
    char *room = buf_room(out, name.len + 1 + bytes), *at = room;
    assert(room);
    if (name.data)
        at = put(at, name, escaped);
    for (size_t i = 0; i < all->len; i++) {
        if (sorted[i]->value.len == 0)
            continue; /* the same as no label */
        at = put(at, sorted[i]->name, false);
        at = put(at, sorted[i]->value, sorted[i]->escaped);
    }
    buf_used(out, (size_t)(at - room));
    return PAGE_REFUSALS;
}

enum page_refusal key_build(struct buf *out, struct buf *names, const struct promtext_line *l,
                            const struct target *t, const struct page_limits *limits)
{
    struct labels all;
    take_labels(&all, l->labels, l->labels_len);
    if (names) {
        buf_truncate(names, 0);
        unescape_names(&all, names, t ? t->labels_len * limits->max_name_bytes : 0);
    }
    merge_target(&all, t);
    if (all.len > limits->max_labels)
        return PAGE_MAX_LABELS;
    if (l->name.len > limits->max_name_bytes ||
        !rename_clashing(&all, names, limits->max_name_bytes))
        return PAGE_MAX_NAME_BYTES;
    if (l->quoted && has_nul(l->name))
        return PAGE_NUL;
    return write_key(out, l->name, l->name_escaped, &all, limits);
}

enum page_refusal key_labels(struct buf *out, struct buf *names,
                             const struct promtext_label *labels, size_t n,
                             const struct page_limits *limits)
{
    struct labels all;
    take_labels(&all, labels, n);
    buf_truncate(names, 0);
    unescape_names(&all, names, 0);
    return write_key(out, (struct span){NULL, 0}, false, &all, limits);
}
