/* SPDX-License-Identifier: Apache-2.0 */
/* health.c - names of states, and URLs that may be shown. */
#include "health.h"

const char *health_name(enum target_health health)
{
    switch (health) {
    case TARGET_UP: return "up";
    case TARGET_DOWN: return "down";
    case TARGET_UNKNOWN: break;
    }
    return "unknown";
}

const char *health_url(const char *url, struct buf *out)
{
    const char *scheme = url ? strstr(url, "://") : NULL;
    if (!scheme)
        return url;
    const char *host = scheme + 3;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    if (!at)
        return url;
    buf_truncate(out, 0);
    if (buf_add(out, url, (size_t)(host - url)) != OK || buf_puts(out, at + 1) != OK)
        return "";
    return out->data;
}

bool health_verifies_tls(const struct target *t)
{
    return !t->http || t->http->conf.tls.verify;
}
