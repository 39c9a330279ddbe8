/* SPDX-License-Identifier: Apache-2.0 */
#include "kubernetes_diff.h"

#include "hash.h"
#include "mem.h"

static bool is_one(const struct gathered_one *one, const char *id, uint64_t hash)
{
    return one->target && one->hash == hash && strcmp(one->id, id) == 0;
}

/* Mostly it stands where it stood before. */
static bool is_there(const struct gathered *g, size_t like, const char *id, uint64_t hash)
{
    if (like < g->len && is_one(&g->all[like], id, hash))
        return true;
    for (size_t i = 0; i < g->len; i++)
        if (is_one(&g->all[i], id, hash))
            return true;
    return false;
}

static void found(void *of, const struct kube_found *f)
{
    struct gathered *g = of;
    struct err why = {OK, ""};
    struct target *t = NULL;
    bool unasked = f->unasked;
    uint64_t hash = hash_bytes(f->id, strlen(f->id));
    if (f->refused) {
        err_set(&why, ERR_INVALID, "%s", f->refused);
    } else if (is_there(g, 0, f->id, hash)) {
        err_set(&why, ERR_INVALID, "it stands there twice"); /* an endpoint in a slice */
    } else {
        struct source_found like = {.id = f->id, .labels = f->labels, .len = f->labels_len};
        unasked = source_found_target(g->env, &like, &t, &why) == OK && !t;
    }
    if (g->len == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 8;
        g->all = mem_realloc(g->all, g->cap * sizeof *g->all);
    }
    g->all[g->len++] = (struct gathered_one){
        .id = mem_strdup(f->id),
        .hash = hash,
        .target = t,
        .why = t ? NULL : mem_strdup(why.text),
        .unasked = unasked,
    };
}

struct kube_found_sink gathered_sink(struct gathered *g)
{
    return (struct kube_found_sink){found, g};
}

void gathered_reset(struct gathered *g)
{
    for (size_t i = 0; i < g->len; i++) {
        mem_free(g->all[i].id);
        mem_free(g->all[i].why);
        target_unref(g->all[i].target);
    }
    g->len = 0;
}

void diff_init(struct diff *d, const struct source_env *env)
{
    *d = (struct diff){.sides = {{.env = env}, {.env = env}}};
    tell_init(&d->tell, env);
}

void diff_done(struct diff *d)
{
    tell_done(&d->tell);
    for (int i = 0; i < 2; i++) {
        gathered_reset(&d->sides[i]);
        mem_free(d->sides[i].all);
    }
}

static void forget(struct diff *d)
{
    const struct gathered *before = &d->sides[0];
    for (size_t i = 0; i < before->len; i++) {
        const struct gathered_one *one = &before->all[i];
        if (!one->target)
            d->refused -= !one->unasked;
        else if (!tell_has(&d->tell, one->id))
            d->excess--;
        else if (!is_there(&d->sides[1], i, one->id, one->hash))
            tell_remove(&d->tell, one->id);
    }
}

void diff_tell(struct diff *d)
{
    struct gathered *now = &d->sides[1];
    forget(d);
    for (size_t i = 0; i < now->len; i++) {
        const struct gathered_one *one = &now->all[i];
        if (!one->target)
            d->refused += !one->unasked;
        else if (tell_put(&d->tell, target_ref(one->target)) != OK)
            d->excess++;
        else if (d->extra_ms)
            tell_extra(&d->tell, one->id, d->extra_ms);
    }
    gathered_reset(&d->sides[0]);
    gathered_reset(now);
}

bool diff_has_room(const struct diff *d)
{
    return d->excess > 0 && d->tell.len < (size_t)d->tell.env->common->targets;
}

void diff_fill(struct diff *d)
{
    struct gathered *now = &d->sides[1];
    for (size_t i = 0; i < now->len; i++) {
        const struct gathered_one *one = &now->all[i];
        if (one->target && !tell_has(&d->tell, one->id) &&
            tell_put(&d->tell, target_ref(one->target)) == OK)
            d->excess--;
    }
    gathered_reset(now);
}
