/* SPDX-License-Identifier: Apache-2.0 */
/* expand.h - ${NAME} in values.
 *
 * ${NAME} is the environment's; ${NAME:-text} is text where NAME is unset or empty, text up
 * to the next '}'; $$ is one $; any other $ stands for itself.  */
#ifndef EXPAND_H
#define EXPAND_H

#include "buf.h"

#define EXPAND_MAX (1 << 20) /* bytes of a value */

/* Behind what out holds.  ERR_INVALID: NAME is unset, is no name, or its value no UTF-8; a '}'
 * is missing.  ERR_LIMIT: out's bound. */
enum status expand(const char *text, struct buf *out, struct err *err) NODISCARD;

#endif
