/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - the verbs of strata-agent, each with the arguments behind "strata-agent":
 * argv[0] is the verb.  They return the exit code of the process. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "base.h"

enum exit_code {
    EXIT_FINE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_CONFIG = 78, /* EX_CONFIG of sysexits(3) */
};

int cmd_run(int argc, char **argv);        /* run -c FILE */
int cmd_scrape(int argc, char **argv);     /* scrape URL [-c FILE [--pool NAME]] */
int cmd_check(int argc, char **argv);      /* check-config FILE */
int cmd_check_page(int argc, char **argv); /* check-page [FILE] */
int cmd_describe(int argc, char **argv);   /* describe [--discover] FILE [--format WORD] */
int cmd_settings(int argc, char **argv);   /* settings [--markdown | --schema] */
int cmd_queue(int argc, char **argv);      /* queue show|flush|drop ... FILE */
int cmd_health(int argc, char **argv);     /* health [-c FILE | --address ADDRESS] */

#endif
