/* SPDX-License-Identifier: Apache-2.0 */
/* resolve.h - defaults that depend on other settings, and which encoder goes where. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "config.h"

/* $NODE_NAME, else the host's name; the caller frees it. */
char *resolve_instance(void);

/* <encoder>-<sink>, NULL when a part is; the caller frees it. */
char *resolve_output_name(const struct encoder_ops *e, const char *sink);

/* Whether the sink takes the encoder, and the encoder is made for the sink.  ERR_INVALID: *err
 * says why not. */
enum status resolve_pair(const struct encoder_ops *e, const struct sink_ops *s,
                         struct err *err) NODISCARD;

#endif
