/* SPDX-License-Identifier: Apache-2.0 */
/* listen.h - opens a listening TCP socket at an address given as text.
 *
 *     127.0.0.1:9690    [::1]:9690    :9690 (all addresses)    port 0: any that is free  */
#ifndef LISTEN_H
#define LISTEN_H

#include "err.h"

#define LISTEN_URL 80

/* A socket that does not block, closed at exec; url: under which it is reached from here, with that
 * scheme and the real port.  ERR_INVALID: text is no such address; ERR_IO: it is taken, or none of this machine. */
enum status listen_open(const char *text, const char *scheme, int *ret_fd, char url[LISTEN_URL],
                        struct err *err) NODISCARD;

#endif
