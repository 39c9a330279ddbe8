/* SPDX-License-Identifier: Apache-2.0 */
/* nats_confirm.h - core NATS: a PING behind what was published, and what its PONG says.
 *
 * The keeper's thread waits for PONGs, so that nobody else waits for a server.  Each time that costs
 * some changes of threads, and these are most of what a small message costs.  So where the last PONG
 * came within NATS_QUICK_NS, on the same node or nearby, the lane's thread waits for the next one
 * itself, when it has nothing else to do; the first that takes longer makes it the keeper's again. */
#ifndef NATS_CONFIRM_H
#define NATS_CONFIRM_H

#include "nats_state.h"

#define NATS_QUICK_NS ((int64_t)2000000)

/* By the keeper: confirms what is published by now, or breaks the link.  l->lock is held, but for the
 * waiting. */
void nats_confirm(struct nats_link *l);

/* When the lane's thread is to call nats_confirm_quickly, so that messages that follow closely share a
 * PING; DEADLINE_NEVER: there is nothing to confirm, or the keeper does it.  l->lock is not held. */
int64_t nats_confirm_due_ns(struct nats_link *l);

/* By the lane's thread, l->lock is not held: confirms what is published if that is quick, and waits at
 * most a few NATS_QUICK_NS for it, and not beyond deadline_ns; otherwise the keeper does it.  True: something has ended. */
bool nats_confirm_quickly(struct nats_link *l, int64_t deadline_ns);

#endif
