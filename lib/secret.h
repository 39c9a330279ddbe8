/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - a secret as configured: itself, or `file:PATH`.
 *
 *     struct secret s;
 *     secret_init(&s, conf->token);
 *     const char *text;
 *     enum status r = secret_get(&s, &text, &err);
 *
 * A file is looked at (stat) by secret_get, at most once a second, and read again when
 * it is another one or has changed; so tokens may be rotated in place, by rename, and by
 * moving a link.  It holds one line of at most SECRET_MAX bytes; the line's end is taken off.
 * Never logged, and wiped from memory when it is no longer used.  Not thread-safe: one per
 * user.  */
#ifndef SECRET_H
#define SECRET_H

#include "err.h"

#include <sys/stat.h>

#define SECRET_MAX 65536

struct secret {
    const char *conf; /* borrowed; outlives the secret; NULL or "": none */
    char *text;       /* of the file; NULL: never read well, or a fault since */
    int64_t looked_ns;
    struct timespec changed;
    off_t size;
    ino_t inode;
    dev_t device;
    bool racy; /* so young when it was read that it may have changed without a new time */
};

void secret_init(struct secret *s, const char *conf);
void secret_done(struct secret *s);

/* OK: *ret is valid until the next call; NULL when there is no secret at all.  A file that is
 * missing, empty or unreadable keeps what was read of it before, for that is how it looks in
 * the middle of a rotation.  Otherwise *err names the file:
 *   ERR_IO, ERR_DENIED   it cannot be read, and never was
 *   ERR_INVALID          no regular file; a control character in it, or a second line
 *   ERR_LIMIT            larger than SECRET_MAX  */
enum status secret_get(struct secret *s, const char **ret, struct err *err) NODISCARD;

/* The next secret_get looks at the file, however short ago the last one did. */
void secret_look(struct secret *s);

/* The file behind conf, or NULL when it is no `file:PATH`. */
const char *secret_path(const char *conf);

#endif
