/* SPDX-License-Identifier: Apache-2.0 */
#include "hash.h"

#include <endian.h>
#include <pthread.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

void hash_pieces(const struct span *pieces, size_t n, uint64_t *ret_high, uint64_t *ret_low)
{
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < n; i++) {
        uint64_t len = htole64(pieces[i].data ? pieces[i].len : UINT64_MAX);
        XXH3_128bits_update(&state, &len, sizeof len);
        if (pieces[i].data)
            XXH3_128bits_update(&state, pieces[i].data, pieces[i].len);
    }
    XXH128_hash_t h = XXH3_128bits_digest(&state);
    *ret_high = h.high64;
    *ret_low = h.low64;
}

static uint64_t salt;

static void make_salt(void)
{
    if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        abort(); /* cannot be: 8 bytes are given whole or never */
    salt |= 1;
}

uint64_t hash_salt(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_salt);
    return salt;
}
