/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_queue.h - what the files of the command queue share. */
#ifndef CMD_QUEUE_H
#define CMD_QUEUE_H

#include "spool.h"

/* For a spool that is only made smaller: no bound that would drop something. */
#define QUEUE_SIZE (INT64_C(1) << 40)

/* queue flush ARGUMENTS */
int cmd_queue_flush(int argc, char **argv);

/* Looks at a file that is there and that nobody has; false: it says why not. */
bool cmd_queue_look(const char *file, bool free, struct spool_view *ret);

#endif
