/* SPDX-License-Identifier: Apache-2.0 */
/* http_verdict.h - what the end of a request means for its payload (docs/MESSAGES.md has the table). */
#ifndef HTTP_VERDICT_H
#define HTTP_VERDICT_H

#include "err.h"

#include <curl/curl.h>

/* Of an answer with that status code.  unknown: an earlier send of the payload may still be worked
 * on by the server.
 *   OK           2xx
 *   ERR_AGAIN    408, 425, 429, 503; 409 when unknown
 *   ERR_IO       any other 5xx: it may have been stored
 *   ERR_DENIED   401, 403, 407, and 3xx, for redirects are not followed
 *   ERR_LIMIT    413
 *   ERR_INVALID  any other 4xx, and what is no status */
enum status http_verdict(long code, bool unknown);

/* Of a request without an answer, never OK.  sent: the server may have got some of it; then what became
 * of it is unknown (ERR_IO, ERR_TIMEOUT), else it is known that nothing did (ERR_AGAIN).  ERR_DENIED:
 * our certificate, or that of the server. */
enum status http_verdict_failed(CURLcode how, bool sent);

/* Of what asks for a token (RFC 6749, 5.2), when it was answered with that code: ERR_DENIED for 3xx and
 * 4xx, unless a later one may do; never ERR_INVALID or ERR_LIMIT, for no payload is to be lost. */
enum status http_verdict_token(long code);

#endif
