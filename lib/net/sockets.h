/* SPDX-License-Identifier: Apache-2.0 */
/* sockets.h - which descriptors of the process are sockets of lib/net, or of a library that notes them.
 *
 * For who looks through all descriptors of the process for a socket that its library does not
 * give out (nats_cut.h): those noted here are somebody else's for certain.  Any thread.  */
#ifndef SOCKETS_H
#define SOCKETS_H

#include "base.h"

#define NET_SOCKET_MAX (1 << 20) /* descriptors from here on count as noted, always */

void net_socket_opened(int fd); /* before it is connected; -1 is fine */
void net_socket_closed(int fd); /* before close(), which makes the number another's */
bool net_socket_is_ours(int fd);

#endif
