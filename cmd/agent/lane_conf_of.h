/* SPDX-License-Identifier: Apache-2.0 */
/* lane_conf_of.h - what a configuration says of an output, as a lane wants it. */
#ifndef LANE_CONF_OF_H
#define LANE_CONF_OF_H

#include "config.h"

/* *ret points into c, pool, o and file, which is empty and gets the name of its spool.  ERR_INVALID: that
 * is too long. */
enum status lane_conf_of(const struct config *c, const char *pool, const struct output_conf *o,
                         struct buf *file, struct lane_conf *ret, struct err *err) NODISCARD;

#endif
