/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_config.h - what commands that read a configuration have in common. */
#ifndef CMD_CONFIG_H
#define CMD_CONFIG_H

#include "config.h"

/* The configuration of path, or NULL: its faults are on standard error then, one a line, with
 * their number behind. */
struct config *cmd_config_load(const char *path);

/* True for --help and -h. */
bool cmd_is_help(const char *arg);

/* All of out to standard output.  False: it cannot be written; standard error says why. */
bool cmd_print(const struct buf *out);

#endif
