/* SPDX-License-Identifier: Apache-2.0 */
/* payload_pool.h - empty payloads of one lane, kept for its next messages.
 *
 * Kept by the size of their bodies: 256 bytes, 512, ... up to the largest message of the
 * lane, so that a steady run allocates nothing and no body is more than twice as large as
 * what is in it (below 256 bytes: 256).  Workers take, the lane's thread gives.  */
#ifndef PAYLOAD_POOL_H
#define PAYLOAD_POOL_H

#include "payload.h"

#include <pthread.h>

#define PAYLOAD_POOL_CLASSES 25 /* up to 4 GiB */

struct payload_pool {
    pthread_mutex_t lock; /* guards bytes and free */
    size_t max_body;      /* of the last class */
    size_t max_bytes;
    size_t bytes; /* kept: all that the payloads hold */
    struct payload *free[PAYLOAD_POOL_CLASSES];
};

/* For bodies up to max_body bytes; keeps at most max_bytes. */
void payload_pool_init(struct payload_pool *pool, size_t max_body, size_t max_bytes);
void payload_pool_done(struct payload_pool *pool);

/* An empty payload with room for body_bytes <= max_body, which is also its bound up to the
 * size of its class; the caller owns it.  Any thread. */
struct payload *payload_pool_take(struct payload_pool *pool, size_t body_bytes);

/* Empties p and keeps it, or frees it when enough is kept, or memory is scarce (BUDGET_BODY).  Any
 * thread. */
void payload_pool_give(struct payload_pool *pool, struct payload *p);

void payload_pool_empty(struct payload_pool *pool);   /* frees what is kept; any thread */
size_t payload_pool_bytes(struct payload_pool *pool); /* any thread */

#endif
