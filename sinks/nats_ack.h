/* SPDX-License-Identifier: Apache-2.0 */
/* nats_ack.h - what a JetStream server answers to a message. */
#ifndef NATS_ACK_H
#define NATS_ACK_H

#include "err.h"
#include "text.h"

/* Reads the JSON of an acknowledgement; foreign bytes.
 *   OK           stored, or known already: *ret_duplicate
 *   ERR_AGAIN    not now: the stream is full, has no leader, or the answer is no answer
 *   ERR_LIMIT    larger than the stream takes
 *   ERR_DENIED   another stream has the subject, or the stream takes nothing any more: an
 *                operator must act
 *   ERR_INVALID  the stream will never take this message */
enum status nats_ack_read(struct span json, bool *ret_duplicate, struct err *err) NODISCARD;

#endif
