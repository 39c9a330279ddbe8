/* SPDX-License-Identifier: Apache-2.0 */
/* http_verdict.c - from codes to statuses; the contract is in http_verdict.h. */
#include "http_verdict.h"

enum status http_verdict(long code, bool unknown)
{
    switch (code) {
    case 401:
    case 403:
    case 407: return ERR_DENIED;
    case 409: return unknown ? ERR_AGAIN : ERR_INVALID;
    case 408:
    case 425:
    case 429:
    case 503: return ERR_AGAIN;
    case 413: return ERR_LIMIT;
    default: break;
    }
    if (code >= 200 && code < 300)
        return OK;
    if (code >= 300 && code < 400)
        return ERR_DENIED;
    return code >= 500 && code < 600 ? ERR_IO : ERR_INVALID;
}

enum status http_verdict_failed(CURLcode how, bool sent)
{
    switch ((int)how) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return ERR_DENIED;
    case CURLE_OPERATION_TIMEDOUT: return sent ? ERR_TIMEOUT : ERR_AGAIN;
    default: return sent ? ERR_IO : ERR_AGAIN;
    }
}

enum status http_verdict_token(long code)
{
    enum status s = http_verdict(code, false);
    return s == ERR_INVALID || s == ERR_LIMIT ? ERR_DENIED : s;
}
