/* SPDX-License-Identifier: Apache-2.0 */
/* err.h - how a function says that it failed.
 *
 * A function that can fail returns `enum status` and marks it NODISCARD.  If
 * there is more to say than the status, its last parameter is `struct err *`,
 * filled only on failure, NULL when the caller does not care.  Results go out
 * through `ret_` parameters, written only on success.
 *
 * Only cmd/ and the thread loops log.  Everything else returns.  */
#ifndef ERR_H
#define ERR_H

#include "base.h"

enum status {
    OK = 0,
    ERR_AGAIN,   /* not now: full, busy, reconnecting; same call may work later */
    ERR_TIMEOUT, /* the deadline passed first */
    ERR_IO,      /* the peer or the system failed; later may work */
    ERR_CLOSED,  /* the other side is gone for good; stop */
    ERR_INVALID, /* this input can never work; drop it and count it */
    ERR_LIMIT,   /* a stated bound would be passed; drop it and count it */
    ERR_DENIED,  /* credentials or permission; an operator must act */
    STATUS_COUNT
};

struct err {
    enum status status;
    char text[240]; /* one line, no newline, lower case, no trailing dot */
};

/* "again", "timeout", ... : static, never NULL; used in logs and metric labels. */
const char *status_name(enum status s);

/* True for ERR_AGAIN, ERR_TIMEOUT and ERR_IO: waiting may help. */
bool status_retryable(enum status s);

/* Fills *err (if not NULL) and returns s, so that a failing line reads:
 *     return err_set(err, ERR_INVALID, "min %g is above max %g", min, max);  */
enum status err_set(struct err *err, enum status s, const char *fmt, ...) PRINTF(3, 4);

/* Puts "prefix: " before the text already in *err (if not NULL); returns s. */
enum status err_wrap(struct err *err, enum status s, const char *prefix);

#endif
