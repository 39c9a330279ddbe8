/* SPDX-License-Identifier: Apache-2.0 */
/* laws.c - the sums, put together anew at each look. */
#include "laws.h"

#include <assert.h>

static uint64_t sum(const _Atomic uint64_t *counts, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += counts[i];
    return total;
}

static void add(struct law_term *terms, const char *name, uint64_t value)
{
    size_t n = 0;
    while (terms[n].name)
        n++;
    assert(n + 1 < LAWS_TERMS);
    terms[n] = (struct law_term){name, value};
}

static void jobs_due(const struct view *v, struct law *law)
{
    const struct registry_books *b = &v->registry;
    uint64_t dropped = 0;
    for (size_t i = 0; i < REGISTRY_DROPS; i++)
        dropped += b->dropped[i];
    law->name = "jobs due";
    add(law->left, "due", b->due);
    add(law->right, "handed", b->handed);
    add(law->right, "dropped", dropped);
    add(law->right, "queued", b->queued);
}

static void jobs_handed(const struct view *v, struct law *law)
{
    uint64_t scraped = 0, failed = 0, stale = 0, ended = 0, queued = 0, running = 0;
    for (size_t i = 0; i < v->pools_len; i++) {
        const struct pool_books *b = v->pools[i].books;
        scraped += b->scraped;
        failed += sum(b->failed, SCRAPE_FAILURES);
        stale += b->stale;
        ended += b->ended;
        running += b->running;
        queued += v->pools[i].state.queued;
    }
    law->name = "jobs handed";
    add(law->left, "handed", v->registry.handed);
    add(law->right, "scraped", scraped);
    add(law->right, "failed", failed);
    add(law->right, "stale", stale);
    add(law->right, "ended", ended);
    add(law->right, "queued", queued);
    add(law->right, "running", running);
}

static void samples(const struct view_pool *p, struct law *law)
{
    law->name = "samples";
    law->pool = p->name;
    add(law->left, "read", p->books->read);
    add(law->right, "passed", p->books->passed);
    add(law->right, "filtered", sum(p->books->filtered, BOOKS_FILTERS));
    add(law->right, "refused", sum(p->books->refused, BOOKS_REFUSALS));
}

static void records(const struct view_lane *l, bool delivery, struct law *law)
{
    const struct lane_books *b = l->books;
    law->pool = l->pool;
    law->output = l->output;
    if (delivery) {
        law->name = "records delivered";
        add(law->left, "encoded", b->encoded);
        add(law->left, "restored", b->restored);
        add(law->right, "delivered", b->delivered);
        add(law->right, "lost", sum(b->lost, LANE_LOSSES));
        add(law->right, "in_memory", b->in_memory);
        add(law->right, "in_spool", b->in_spool);
        add(law->right, "left", b->left);
    } else {
        law->name = "records encoded";
        add(law->left, "passed", b->passed);
        add(law->left, "meta", b->meta);
        add(law->left, "ended", b->ended);
        add(law->right, "encoded", b->encoded);
        add(law->right, "skipped", sum(b->skipped, ENCODER_SKIPS));
    }
}

static uint64_t total(const struct law_term *terms)
{
    uint64_t n = 0;
    for (; terms->name; terms++)
        n += terms->value;
    return n;
}

bool laws_get(const struct view *v, size_t i, struct law *ret)
{
    struct law law = {0};
    size_t lanes_at = 2 + v->pools_len;
    if (i == 0)
        jobs_due(v, &law);
    else if (i == 1)
        jobs_handed(v, &law);
    else if (i < lanes_at)
        samples(&v->pools[i - 2], &law);
    else if (i < lanes_at + 2 * v->lanes_len)
        records(&v->lanes[(i - lanes_at) / 2], (i - lanes_at) % 2 == 1, &law);
    else
        return false;
    law.balance = (int64_t)(total(law.left) - total(law.right));
    *ret = law;
    return true;
}

uint64_t laws_off(const struct view *v)
{
    uint64_t off = 0;
    struct law law;
    for (size_t i = 0; laws_get(v, i, &law); i++)
        off += (uint64_t)(law.balance < 0 ? -law.balance : law.balance);
    return off;
}
