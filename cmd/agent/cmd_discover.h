/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_discover.h - describe --discover: what the sources of a configuration find now. */
#ifndef CMD_DISCOVER_H
#define CMD_DISCOVER_H

#include "config.h"

struct discover_options {
    const char *path;
    bool json;
    int64_t timeout; /* ns, until all sources have synced or failed */
};

/* Opens the sources, looks, prints every candidate with its reason.  Nothing is scraped or
 * delivered, and no Lease is taken.  The exit code: EXIT_FINE when all sources have synced and none
 * fails, else EXIT_FAILED. */
int cmd_discover(const struct config *c, const struct discover_options *o);

#endif
