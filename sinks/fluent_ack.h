/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_ack.h - what a server of the Forward protocol says. */
#ifndef FLUENT_ACK_H
#define FLUENT_ACK_H

#include "payload.h"

#define FLUENT_ANSWER_MAX 4096 /* bytes of one answer */

/* Reads the answer in front of *left, which moves behind it: {"ack": CHUNK}.
 *   OK            *ret_known says whether the chunk is one of ours by its form, *ret_id which
 *   ERR_AGAIN     there is only a part as yet
 *   ERR_DENIED    a HELO: the server wants a login
 *   ERR_INVALID   no answer at all, or one above FLUENT_ANSWER_MAX
 * After the last two nothing more can be read.  */
enum status fluent_ack_read(struct span *left, bool *ret_known, struct payload_id *ret_id,
                            struct err *err) NODISCARD;

#endif
