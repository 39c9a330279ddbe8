/* SPDX-License-Identifier: Apache-2.0 */
/* http_out.h - payloads on their way to an HTTP server, a few at a time.
 *
 * All of it runs in the lane's thread: transfers go on while it is in http_out_run or http_out_flush.
 * A payload waits for an access token when there is none; a refused credential (401) is read, or
 * asked for, once more, and the payload sent once more with it, all within its timeout. */
#ifndef HTTP_OUT_H
#define HTTP_OUT_H

#include "http_sink_conf.h"
#include "sink.h"

struct http_out;

/* conf has been checked, and is copied.  ERR_IO: no descriptors left. */
enum status http_out_new(struct http_out **ret, const struct http_sink_conf *conf,
                         struct sink_lane *lane, struct err *err) NODISCARD;
void http_out_free(struct http_out *o); /* what is in the air ends with ERR_CLOSED */

/* As sink_ops says them. */
enum status http_out_send(struct http_out *o, struct payload *p, struct err *err) NODISCARD;
enum status http_out_run(struct http_out *o, int wake_fd, int64_t deadline_ns) NODISCARD;
enum status http_out_flush(struct http_out *o, int64_t deadline_ns, struct err *err) NODISCARD;
void http_out_explain(struct http_out *o, struct err *err);

#endif
