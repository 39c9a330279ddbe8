/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - a secret as configured: itself, or `file:PATH`.
 *
 *     struct secret s;
 *     secret_init(&s, conf->token);
 *     const char *text;
 *     enum status r = secret_get(&s, &text, &err);
 *
 * A file is looked at (stat) at each secret_get, at most once a second, and read again
 * when time, size or inode differ.  One trailing newline is taken off.  At most
 * SECRET_MAX bytes; never logged.  Not thread-safe: one per user.  */
#ifndef SECRET_H
#define SECRET_H

#include "err.h"

#include <sys/stat.h>

#define SECRET_MAX 65536

struct secret {
    const char *conf; /* borrowed; outlives the secret; NULL or "": none */
    char *text;       /* of the file */
    int64_t looked_ns;
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

void secret_init(struct secret *s, const char *conf);
void secret_done(struct secret *s);

/* OK: *ret is valid until the next call; NULL when there is no secret at all.
 * ERR_IO, ERR_LIMIT: the file cannot be read, or is too large; *err names it.  A file
 * that was read before and is missing now keeps its last content. */
enum status secret_get(struct secret *s, const char **ret, struct err *err) NODISCARD;

/* The file behind conf, or NULL when it is no `file:PATH`. */
const char *secret_path(const char *conf);

#endif
