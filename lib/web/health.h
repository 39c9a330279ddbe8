/* SPDX-License-Identifier: Apache-2.0 */
/* health.h - words that more than one page uses. */
#ifndef HEALTH_H
#define HEALTH_H

#include "view.h"

#define HEALTH_URL_MAX 8192 /* bytes of a URL that is shown */

const char *health_name(enum target_health health); /* "up", "down", "unknown": static */

/* url without user and password, valid as long as url and out, whose content does not count. */
const char *health_url(const char *url, struct buf *out);

/* False when the peer's certificate is not checked (verify: false). */
bool health_verifies_tls(const struct target *t);

#endif
