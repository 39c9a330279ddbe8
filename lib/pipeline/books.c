/* SPDX-License-Identifier: Apache-2.0 */
/* books.c - the words for what is counted. */
#include "books.h"

const double books_bucket_seconds[BOOKS_BUCKETS - 1] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                        0.5,   1,    2.5,   5,    10};

const char *lane_loss_name(enum lane_loss why)
{
    static const char *const names[LANE_LOSSES] = {
        [LOST_BUFFER_FULL] = "buffer_full", [LOST_TOO_LARGE] = "too_large",
        [LOST_REFUSED] = "refused",         [LOST_CLOSED] = "closed",
        [LOST_SPOOL_FULL] = "spool_full",   [LOST_TOO_OLD] = "too_old",
        [LOST_DAMAGED] = "spool_damaged",   [LOST_MEMORY] = "memory",
    };
    return names[why];
}

const char *scrape_failure_name(enum scrape_failure why)
{
    static const char *const names[SCRAPE_FAILURES] = {
        [SCRAPE_TIMEOUT] = "timeout",
        [SCRAPE_CONNECT] = "connect",
        [SCRAPE_TLS] = "tls",
        [SCRAPE_STATUS] = "status",
        [SCRAPE_TOO_LARGE] = "too_large",
        [SCRAPE_HEADERS] = "headers",
        [SCRAPE_BROKEN] = "broken",
        [SCRAPE_CREDENTIALS] = "credentials",
        [SCRAPE_FORMAT] = "format",
        [SCRAPE_CLOSED] = "closed",
        [SCRAPE_MEMORY] = "memory",
    };
    return names[why];
}
