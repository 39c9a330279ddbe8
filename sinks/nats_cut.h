/* SPDX-License-Identifier: Apache-2.0 */
/* nats_cut.h - ends an attempt to connect that hangs.
 *
 * nats.c waits without a bound for a peer that says nothing in a TLS handshake; up to 3.7 it turns
 * round and round, and grows, when the answer to its CONNECT does not come in time.  It gives
 * nobody its socket before it is connected, so that one is looked for among the descriptors
 * of the process.  */
#ifndef NATS_CUT_H
#define NATS_CUT_H

#include "base.h"

/* Shuts down each socket whose other end is that port, but for those of which keep, called
 * with the port of the own end, says true.  Returns how many. */
size_t nats_cut(uint16_t port, bool (*keep)(uint16_t own_port));

#endif
