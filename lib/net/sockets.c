/* SPDX-License-Identifier: Apache-2.0 */
/* sockets.c - a bit for each descriptor; the contract is in sockets.h. */
#include "sockets.h"

/* Pages that nobody has touched take no memory. */
static _Atomic uint64_t noted[NET_SOCKET_MAX / 64];

static uint64_t bit(int fd)
{
    return UINT64_C(1) << (fd % 64);
}

void net_socket_opened(int fd)
{
    if (fd >= 0 && fd < NET_SOCKET_MAX)
        noted[fd / 64] |= bit(fd);
}

void net_socket_closed(int fd)
{
    if (fd >= 0 && fd < NET_SOCKET_MAX)
        noted[fd / 64] &= ~bit(fd);
}

bool net_socket_is_ours(int fd)
{
    return fd >= NET_SOCKET_MAX || (fd >= 0 && (noted[fd / 64] & bit(fd)) != 0);
}
