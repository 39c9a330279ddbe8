/* SPDX-License-Identifier: Apache-2.0 */
/* nats_keeper.h - the thread of a nats link. */
#ifndef NATS_KEEPER_H
#define NATS_KEEPER_H

/* Runs until the link (struct nats_link) says stop, then sets done and gives its reference
 * back.  For pthread_create. */
void *nats_keeper_run(void *link);

#endif
