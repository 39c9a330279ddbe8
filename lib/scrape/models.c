/* SPDX-License-Identifier: Apache-2.0 */
#include "models.h"

#include "budget.h"
#include "hash.h"
#include "mem.h"

/* A model of its own for each length pays where many pages share it. */
enum { SEEN_ENOUGH = 3, SEEN_ENOUGH_OF_LENGTH = 24, SEEN_MOST = 100 };

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

static struct model *get(struct models *m, uint64_t kind, unsigned enough, const void *page,
                         struct span of)
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
    if (!m->slots[at].model && m->slots[at].seen >= enough)
        m->slots[at].model = model_new(of);
    return m->slots[at].model;
}

struct model *models_get(struct models *m, uint64_t kind, const void *page, struct span of)
{
    uint64_t and_length = hash_bytes((const char *)(uint64_t[]){kind, of.len}, 2 * sizeof kind);
    struct model *same = get(m, and_length, SEEN_ENOUGH_OF_LENGTH, page, of);
    return same ? same : get(m, kind, SEEN_ENOUGH, page, of);
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
