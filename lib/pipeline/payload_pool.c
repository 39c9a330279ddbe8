/* SPDX-License-Identifier: Apache-2.0 */
/* payload_pool.c - lists of empty payloads by size of body. */
#include "payload_pool.h"

#include "budget.h"

#include <assert.h>

#define SMALLEST ((size_t)256)

void payload_pool_init(struct payload_pool *pool, size_t max_body, size_t max_bytes)
{
    assert(max_body <= SMALLEST << (PAYLOAD_POOL_CLASSES - 1));
    *pool = (struct payload_pool){.max_body = max_body, .max_bytes = max_bytes};
    pthread_mutex_init(&pool->lock, NULL);
}

/* The largest body of class c: a power of two, but for the last class. */
static size_t class_size(const struct payload_pool *pool, unsigned c)
{
    size_t size = SMALLEST << c;
    return size < pool->max_body ? size : pool->max_body;
}

static unsigned class_for(const struct payload_pool *pool, size_t body_bytes)
{
    unsigned c = 0;
    while (class_size(pool, c) < body_bytes)
        c++;
    return c;
}

/* What p may be given out for again; false: for nothing. */
static bool find_class(const struct payload_pool *pool, const struct payload *p, unsigned *ret)
{
    unsigned c = 0;
    if (p->body.cap <= class_size(pool, 0)) /* the NUL needs a byte */
        return false;
    while (class_size(pool, c) < pool->max_body && class_size(pool, c + 1) < p->body.cap)
        c++;
    *ret = c;
    return true;
}

static struct payload *take_kept(struct payload_pool *pool, unsigned c)
{
    pthread_mutex_lock(&pool->lock);
    struct payload *p = pool->free[c];
    if (p) {
        pool->free[c] = p->next;
        pool->bytes -= payload_bytes(p);
    }
    pthread_mutex_unlock(&pool->lock);
    return p;
}

struct payload *payload_pool_take(struct payload_pool *pool, size_t body_bytes)
{
    assert(body_bytes <= pool->max_body);
    unsigned c = class_for(pool, body_bytes);
    size_t size = class_size(pool, c);
    struct payload *p = take_kept(pool, c);
    if (!p)
        p = payload_new("", size);
    p->next = NULL;
    p->body.max = size;
    if (!buf_room(&p->body, size))
        abort(); /* cannot be: it is empty */
    payload_count(p);
    return p;
}

void payload_pool_give(struct payload_pool *pool, struct payload *p)
{
    unsigned c;
    bool fits = find_class(pool, p, &c) && budget_has_room(BUDGET_BODY, 0);
    payload_reset(p);
    payload_count(p);
    pthread_mutex_lock(&pool->lock);
    bool kept = fits && pool->bytes + payload_bytes(p) <= pool->max_bytes;
    if (kept) {
        p->next = pool->free[c];
        pool->free[c] = p;
        pool->bytes += payload_bytes(p);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!kept)
        payload_free(p);
}

void payload_pool_empty(struct payload_pool *pool)
{
    for (unsigned c = 0; c < PAYLOAD_POOL_CLASSES; c++)
        for (struct payload *p; (p = take_kept(pool, c)) != NULL;)
            payload_free(p);
}

void payload_pool_done(struct payload_pool *pool)
{
    payload_pool_empty(pool);
    pthread_mutex_destroy(&pool->lock);
}

size_t payload_pool_bytes(struct payload_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t bytes = pool->bytes;
    pthread_mutex_unlock(&pool->lock);
    return bytes;
}
