/* SPDX-License-Identifier: Apache-2.0 */
#include "filters.h"

#include <assert.h>

#define DECLARE(name) extern const struct filter_ops filter_##name;
#define ENTRY(name)   &filter_##name,

FILTERS(DECLARE)
static const struct filter_ops *const all[] = {FILTERS(ENTRY) NULL};

const struct filter_ops *const *filter_all(void)
{
    return all;
}

const struct filter_ops *filter_find(const char *name)
{
    for (size_t i = 0; all[i]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

static void ask(const struct filter_step *steps, size_t n, struct series *s)
{
    s->selected = 0;
    for (size_t i = 0; i < n; i++)
        if (steps[i].ops->selects(steps[i].self, s))
            s->selected |= UINT32_C(1) << i;
    s->asked = true;
}

static enum filter_verdict run_selected(const struct filter_step *steps, struct sample *s,
                                        uint64_t *dropped)
{
    for (uint32_t left = s->series->selected; left; left &= left - 1) {
        int i = __builtin_ctz(left);
        if (steps[i].ops->apply(steps[i].self, s) == FILTER_DROP) {
            dropped[i]++;
            return FILTER_DROP;
        }
    }
    return FILTER_KEEP;
}

size_t filter_run(const struct filter_step *steps, size_t n, struct batch *b, uint64_t *dropped)
{
    assert(n <= FILTER_STEPS);
    size_t kept = 0, before = b->len;
    for (size_t i = 0; i < before; i++) {
        struct sample *s = &b->samples[i];
        if (!s->series->asked)
            ask(steps, n, s->series);
        if (s->series->selected && run_selected(steps, s, dropped) == FILTER_DROP)
            continue;
        if (kept < i)
            b->samples[kept] = *s;
        kept++;
    }
    b->len = kept;
    return before - kept;
}
