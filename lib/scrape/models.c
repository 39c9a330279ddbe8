/* SPDX-License-Identifier: Apache-2.0 */
#include "models.h"

#include "budget.h"
#include "mem.h"

enum { SEEN_ENOUGH = 3, SEEN_MOST = 100 };

struct model *model_ref(struct model *m)
{
    if (m)
        m->refs++;
    return m;
}

void model_unref(struct model *m)
{
    if (!m || --m->refs > 0)
        return;
    budget_add(BUDGET_PAGES, -(ptrdiff_t)(sizeof *m + m->len));
    mem_free(m);
}

static struct model *model_new(struct span of)
{
    size_t len = of.len < MODEL_BYTES ? of.len : MODEL_BYTES;
    struct model *m = mem_realloc(NULL, sizeof *m + len);
    m->refs = 1;
    m->len = (uint32_t)len;
    memcpy(m->data, of.data, len);
    budget_add(BUDGET_PAGES, (ptrdiff_t)(sizeof *m + len));
    return m;
}

struct model *models_get(struct models *m, uint64_t kind, const void *page, struct span of)
{
    size_t at = kind % MODELS_LEN;
    if (m->slots[at].kind != kind && m->slots[at].seen > 0) {
        m->slots[at].seen--;
        return NULL;
    }
    if (m->slots[at].kind != kind) {
        model_unref(m->slots[at].model);
        m->slots[at].model = NULL;
        m->slots[at].page = NULL;
        m->slots[at].kind = kind;
    }
    if (m->slots[at].page != page && m->slots[at].seen < SEEN_MOST)
        m->slots[at].seen++;
    m->slots[at].page = page;
    if (!m->slots[at].model && m->slots[at].seen >= SEEN_ENOUGH)
        m->slots[at].model = model_new(of);
    return m->slots[at].model;
}

void models_trim(struct models *m)
{
    for (size_t i = 0; i < MODELS_LEN; i++)
        if (m->slots[i].model && m->slots[i].model->refs == 1) {
            model_unref(m->slots[i].model);
            m->slots[i].model = NULL;
        }
}

void models_done(struct models *m)
{
    for (size_t i = 0; i < MODELS_LEN; i++)
        model_unref(m->slots[i].model);
}
