/* SPDX-License-Identifier: Apache-2.0 */
/* nats_message.h - a payload as a NATS message with its headers. */
#ifndef NATS_MESSAGE_H
#define NATS_MESSAGE_H

#include "compress.h"

#include <nats/nats.h>

/* A copy of body, which is p's, under p's address with the headers of docs/MESSAGES.md.  stream: the
 * one that is to store it, which also gives it an id to be known again by; NULL: core NATS.
 * reply: where the answer goes; NULL: there is none. */
natsStatus nats_message_make(natsMsg **ret, const struct payload *p,
                             const struct compress_body *body, const char *stream,
                             const char *reply);

#endif
