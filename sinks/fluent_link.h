/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_link.h - a connection to one of several servers, and what is in flight on it.
 *
 * All of it runs in the lane's thread; nothing waits but for the deadline of a call.  A failure
 * takes the link to the next server, at the next send; when to send again is the lane's
 * to decide, so back-off and jitter are there.  */
#ifndef FLUENT_LINK_H
#define FLUENT_LINK_H

#include "fluent_conf.h"
#include "sink.h"

struct fluent_link;

/* conf is copied; it has passed fluent_conf_report. */
struct fluent_link *fluent_link_new(const struct fluent_conf *conf, struct sink_lane *lane);
void fluent_link_free(struct fluent_link *l); /* ends what is in flight as closed */

/* The most bytes that such a link has, beside payloads and what TLS keeps. */
size_t fluent_link_bytes(const struct fluent_conf *conf);

/* As the hooks of sink_ops. */
enum status fluent_link_send(struct fluent_link *l, struct payload *p, int64_t deadline_ns,
                             struct err *err) NODISCARD;
enum status fluent_link_work(struct fluent_link *l, int wake_fd, int64_t deadline_ns) NODISCARD;
enum status fluent_link_flush(struct fluent_link *l, int64_t deadline_ns, struct err *err);
void fluent_link_explain(struct fluent_link *l, struct err *err);

#endif
