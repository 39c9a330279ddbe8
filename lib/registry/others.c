/* SPDX-License-Identifier: Apache-2.0 */
#include "others.h"

#include "mem.h"

static int compare(uint32_t source, const char *id, const struct registry_other *o)
{
    if (source != o->source)
        return source < o->source ? -1 : 1;
    return strcmp(id, o->target->id);
}

static int compare_others(const void *a, const void *b)
{
    const struct registry_other *x = a;
    return compare(x->source, x->target->id, b);
}

static bool is_scraped(const struct candidate *c)
{
    return c->place && c->place->first == c;
}

size_t others_list(const struct places *ps, struct registry_other **ret)
{
    const struct idmap *m = &ps->candidates;
    size_t slots = m->bits ? (size_t)1 << m->bits : 0, n = 0;
    for (size_t i = 0; i < slots; i++)
        n += m->slots[i].item && !is_scraped(m->slots[i].item);
    struct registry_other *others = mem_alloc((n + 1) * sizeof *others);
    n = 0;
    for (size_t i = 0; i < slots; i++) {
        const struct candidate *c = m->slots[i].item;
        if (c && !is_scraped(c))
            others[n++] =
                (struct registry_other){c->origin->source, target_ref(c->target),
                                        c->place ? target_ref(c->place->first->target) : NULL};
    }
    *ret = others;
    return n;
}

void others_sort(struct registry_other *others, size_t n)
{
    qsort(others, n, sizeof *others, compare_others);
}

const struct registry_other *registry_other_find(const struct registry_other *others, size_t n,
                                                 uint32_t source, const char *id)
{
    size_t from = 0, to = n;
    while (from < to) {
        size_t at = from + (to - from) / 2;
        int order = compare(source, id, &others[at]);
        if (order == 0)
            return &others[at];
        if (order < 0)
            to = at;
        else
            from = at + 1;
    }
    return NULL;
}

void registry_others_free(struct registry_other *others, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        target_unref(others[i].target);
        target_unref(others[i].winner);
    }
    mem_free(others);
}
