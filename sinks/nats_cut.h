/* SPDX-License-Identifier: Apache-2.0 */
/* nats_cut.h - ends an attempt to connect that hangs.
 *
 * nats.c waits without a bound for a peer that says nothing in a TLS handshake; up to 3.7 it turns
 * round and round, and grows, when the answer to its CONNECT does not come in time.  It gives
 * nobody its socket before it is connected, so that one is looked for among the descriptors
 * of the process: by its peer's port, and by its age, for other lanes may be connecting to the
 * same server at this moment.
 *
 * Left alone: connections of links (keep), sockets of lib/net and of librdkafka (sockets.h), what is
 * no TCP client: listening sockets, and accepted ones, whose own port is that of a listening one
 * (of the first NATS_CUT_LISTENERS).  What remains: another library that opens client sockets by
 * itself, towards that very port; there is none, and who adds one notes its sockets with
 * net_socket_opened.  */
#ifndef NATS_CUT_H
#define NATS_CUT_H

#include "base.h"

#define NATS_CUT_LISTENERS 64

/* Looks at each socket whose other end is that port, but for those of which keep, called with
 * the port of the own end, says true; shuts down those that an earlier call saw at least
 * age_ns ago.  Returns how many it shut down.  Any thread. */
size_t nats_cut(uint16_t port, int64_t age_ns, bool (*keep)(uint16_t own_port));

#endif
