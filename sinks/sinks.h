/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.h - the sinks there are. */
#ifndef SINKS_H
#define SINKS_H

#include "sink.h"

#define SINKS(SINK) SINK(stdout) SINK(file) SINK(nats) SINK(kafka) SINK(http) SINK(statsd)

const struct sink_ops *sink_find(const char *name); /* or NULL */
const struct sink_ops *const *sink_all(void);       /* ended by NULL */

#endif
