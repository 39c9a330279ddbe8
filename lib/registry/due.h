/* SPDX-License-Identifier: Apache-2.0 */
/* due.h - at which moments a target is due.
 *
 * At k * interval + offset on the wall clock, offset = hash(id) mod interval: load is spread, the
 * same after a restart and on every replica.  */
#ifndef DUE_H
#define DUE_H

#include "target.h"

int64_t due_interval_ms(const struct target *t); /* 10 or more, as sources see to */

/* The first regular time after wall_ms. */
int64_t due_after(const struct target *t, int64_t wall_ms);

/* The due time of a scrape beside the regular ones, said to be due at wall_ms: the first moment from
 * then on that is no regular time, nor last_ms.  So no other scrape's messages have its ids. */
int64_t due_extra(const struct target *t, int64_t wall_ms, int64_t last_ms);

#endif
