/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - the commands of strata-agent, and how they exit.  */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "base.h"

enum exit_code { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 };

/* argv[0] is the command's name.  Each returns an exit_code. */
int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_describe(int argc, char **argv);
int cmd_settings(int argc, char **argv);
int cmd_scrape(int argc, char **argv);

#endif
