/* SPDX-License-Identifier: Apache-2.0 */
/* json_out.h - writes JSON: commas, quotes, escapes.
 *
 *     struct json_out j = JSON_OUT(&buf);
 *     json_out_open(&j, NULL, '{');
 *     json_out_string(&j, "name", pool->name);
 *     json_out_open(&j, "queue", '[');
 *     json_out_uint(&j, NULL, 7);
 *     json_out_close(&j, ']');
 *     json_out_close(&j, '}');
 *     return j.status;                       {"name":"main","queue":[7]}
 *
 * A member of an object has a key, an element of an array has none (NULL).  After the
 * first write that does not fit, status is ERR_LIMIT and nothing more is written, so one
 * look at the end will do.  For pages and descriptions; samples have encoders.  */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include "buf.h"
#include "text.h"

struct json_out {
    struct buf *out;
    enum status status; /* OK or ERR_LIMIT */
    bool comma;         /* something stands before the next member */
};

#define JSON_OUT(buf_) ((struct json_out){.out = (buf_)})

void json_out_open(struct json_out *j, const char *key, char bracket);       /* '{' or '[' */
void json_out_close(struct json_out *j, char bracket);                       /* '}' or ']' */
void json_out_string(struct json_out *j, const char *key, const char *text); /* NULL: null */
void json_out_span(struct json_out *j, const char *key, struct span text);   /* may hold NULs */
void json_out_uint(struct json_out *j, const char *key, uint64_t n);
void json_out_int(struct json_out *j, const char *key, int64_t n);
void json_out_double(struct json_out *j, const char *key, double d); /* no number: null */
void json_out_bool(struct json_out *j, const char *key, bool value);
void json_out_time(struct json_out *j, const char *key, int64_t wall_ms); /* 0: null */

/* text in quotes, escaped; what is no UTF-8 becomes U+FFFD.  OK, or ERR_LIMIT with out as it
 * was. */
enum status json_out_quote(struct buf *out, const char *text) NODISCARD;
enum status json_out_quote_span(struct buf *out, struct span text) NODISCARD;

#endif
