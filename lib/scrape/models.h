/* SPDX-License-Identifier: Apache-2.0 */
/* models.h - texts of one page, by which those of pages like it are compressed; part of cold.c.
 *
 * Pages of one exporter differ in little but the labels of their targets.  A small page alone has not
 * much in common with itself; by a model a tenth of it is left.
 *
 *     struct model *m = models_get(&models, kind, texts);     NULL: none yet
 *
 * A model is made when pages of a kind came three times, each another one than the last, and is counted
 * once.  One that no page needs goes when another is made, or when who frees pages calls models_trim.
 * Where the addresses of targets differ in length, so do all places that stand in their texts: pages of
 * one kind and length have a model of their own when they came often.  Threads: models are shared by
 * count, a struct models belongs to one thread.  */
#ifndef MODELS_H
#define MODELS_H

#include "text.h"

#define MODEL_BYTES ((size_t)63 << 10) /* at most; LZ4 looks back 64 KiB */

struct model {
    _Atomic uint32_t refs;
    uint32_t len;
    char data[];
};

struct model *model_ref(struct model *m); /* NULL gives NULL */
void model_unref(struct model *m);        /* NULL is fine */

/* Where kinds meet, the one that comes more often stays. */
struct model_slot {
    uint64_t kind;
    uint8_t seen;     /* times, less those that another one came */
    const void *page; /* that came last: one alone needs no model */
    struct model *model;
};

#define MODELS_LEN 128
/* Zeroed is empty. */
struct models {
    struct model_slot kinds[MODELS_LEN];
    struct model_slot lengths[MODELS_LEN]; /* of kinds and lengths, which are many */
};

/* For pages of that kind (a hash), of which of are the texts of one; m's reference, valid until the next call.  NULL:
 * there is none yet. */
struct model *models_get(struct models *m, uint64_t kind, const void *page, struct span of);
void models_trim(struct models *m); /* lets those go that no page needs */
void models_done(struct models *m);

#endif
