/* SPDX-License-Identifier: Apache-2.0 */
/* http_token.h - the access token of the moment (OAuth2, client credentials: RFC 6749, 4.4).
 *
 * Asked for when it is first wanted; then again in the last quarter of its life, at most five
 * minutes before its end, while the old one goes on being used; and when a server has refused it.
 * Requests run on the loop of its user, who calls http_token_ended from the loop's done. */
#ifndef HTTP_TOKEN_H
#define HTTP_TOKEN_H

#include "http_request.h"
#include "http_sink_conf.h"

struct http_token;

/* conf and loop outlive it. */
struct http_token *http_token_new(const struct http_sink_conf *conf, struct curl_loop *loop);
void http_token_free(struct http_token *t); /* NULL is fine */

/* *ret is the number of a token that can be used now, which http_token_text gives; numbers grow; 0: none
 * yet, it is being asked for, and http_token_ended will say how that went.
 * ERR_DENIED: our secret cannot be read.  ERR_IO: it cannot be asked for. */
enum status http_token_want(struct http_token *t, uint64_t *ret, struct err *err) NODISCARD;
const char *http_token_text(const struct http_token *t); /* valid until the next call of others */

/* A server has refused the token of that number: it is not given out again. */
void http_token_refused(struct http_token *t, uint64_t number);

/* False: easy is not ours.  *how: OK when there is a new token; else *err says why not:
 * ERR_DENIED, or ERR_AGAIN when another attempt may do. */
bool http_token_ended(struct http_token *t, CURL *easy, CURLcode code, enum status *how,
                      struct err *err);

/* What a token endpoint answers; foreign bytes.  *ret_token is to be freed (mem_free), *ret_life_ns is 0
 * when it does not say.  ERR_DENIED: there is no bearer token in it. */
enum status http_token_read(struct span json, char **ret_token, int64_t *ret_life_ns,
                            struct err *err) NODISCARD;

#endif
