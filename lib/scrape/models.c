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

/* Pages change and leave their models behind: a new one takes their place. */
static struct model *get(struct models *m, struct model_slot slots[MODELS_LEN], uint64_t kind,
                         unsigned enough, const void *page, struct span of)
{
    struct model_slot *s = &slots[kind % MODELS_LEN];
    if (s->kind != kind && s->seen > 0) {
        s->seen--;
        return NULL;
    }
    if (s->kind != kind) {
        model_unref(s->model);
        *s = (struct model_slot){.kind = kind};
    }
    if (s->page != page && s->seen < SEEN_MOST)
        s->seen++;
    s->page = page;
    if (!s->model && s->seen >= enough) {
        models_trim(m);
        s->model = model_new(of);
    }
    return s->model;
}

struct model *models_get(struct models *m, uint64_t kind, const void *page, struct span of)
{
    uint64_t and_length = hash_bytes((const char *)(uint64_t[]){kind, of.len}, 2 * sizeof kind);
    struct model *same = get(m, m->lengths, and_length, SEEN_ENOUGH_OF_LENGTH, page, of);
    return same ? same : get(m, m->kinds, kind, SEEN_ENOUGH, page, of);
}

static void trim(struct model_slot slots[MODELS_LEN])
{
    for (size_t i = 0; i < MODELS_LEN; i++)
        if (slots[i].model && slots[i].model->refs == 1) {
            model_unref(slots[i].model);
            slots[i].model = NULL;
        }
}

void models_trim(struct models *m)
{
    trim(m->kinds);
    trim(m->lengths);
}

void models_done(struct models *m)
{
    for (size_t i = 0; i < MODELS_LEN; i++) {
        model_unref(m->kinds[i].model);
        model_unref(m->lengths[i].model);
    }
}
