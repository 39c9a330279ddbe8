/* SPDX-License-Identifier: Apache-2.0 */
#include "err.h"

#include <stdarg.h>

static const char *const names[STATUS_COUNT] = {
    [OK] = "ok",           [ERR_AGAIN] = "again",   [ERR_TIMEOUT] = "timeout",
    [ERR_IO] = "io",       [ERR_CLOSED] = "closed", [ERR_INVALID] = "invalid",
    [ERR_LIMIT] = "limit", [ERR_DENIED] = "denied",
};

const char *status_name(enum status s)
{
    return (unsigned)s < STATUS_COUNT ? names[s] : "unknown";
}

bool status_retryable(enum status s)
{
    return s == ERR_AGAIN || s == ERR_TIMEOUT || s == ERR_IO;
}

enum status err_set(struct err *err, enum status s, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        err->status = s;
    }
    return s;
}

enum status err_wrap(struct err *err, enum status s, const char *prefix)
{
    if (err) {
        char old[sizeof err->text];
        memcpy(old, err->text, sizeof old);
        snprintf(err->text, sizeof err->text, "%s: %.180s", prefix, old);
        err->status = s;
    }
    return s;
}
