/* SPDX-License-Identifier: Apache-2.0 */
/* http_request.h - one request at a time on one handle of libcurl, and the answer to it.
 *
 *     http_request_open(&r, url, &err)        the credentials of the moment
 *     http_request_header(&r, "Content-Type", "text/plain")
 *     http_request_start(&r, loop, "POST", body, timeout_ns, &err)
 *     ...                                     done of the loop is called with r.easy
 *     http_request_finish(&r, how, &answer)
 *
 * Of an answer the first bytes are kept and no more than HTTP_ANSWER_MAX are read. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "curl_loop.h"
#include "http_session.h"
#include "text.h"

#define HTTP_ANSWER_MAX 65536
#define HTTP_OWN_MAX    16 /* headers of one request */

struct http_request {
    struct http_session *session;
    void *of; /* whose it is */
    int64_t connect_timeout_ns;
    CURL *easy;
    uint64_t version; /* of the session that easy was set up with */
    struct http_headers *shared;
    struct curl_slist *to, *named;
    struct curl_slist own[HTTP_OWN_MAX]; /* in front of those of the session */
    size_t at[HTTP_OWN_MAX], own_len;    /* where each begins in lines */
    struct buf lines, kept;
    size_t headers_bytes, heard;
    bool headers_whole, enough; /* enough: the rest is not wanted */
    struct curl_loop *running;  /* NULL: it does not run */
    char error[CURL_ERROR_SIZE];
};

struct http_answer {
    long code;              /* 0: none came */
    bool whole;             /* to its end, or as much as is read */
    bool sent;              /* the server may have got some of the request */
    CURLcode how;           /* libcurl's, also when there is a code */
    const char *error;      /* its words; valid until the next start */
    struct span said;       /* the first bytes of the body; likewise */
    int64_t retry_after_ns; /* 0: none; at most HTTP_RETRY_AFTER_MAX_NS */
    uint64_t connects;      /* connections made */
};

#define HTTP_RETRY_AFTER_MAX_NS (INT64_C(300) * 1000000000)

/* session outlives it; keep: bytes kept of an answer, at most HTTP_ANSWER_MAX. */
void http_request_init(struct http_request *r, struct http_session *session, size_t keep,
                       int64_t connect_timeout_ns);
void http_request_done(struct http_request *r); /* ends what runs */

/* The start of each request.  ERR_DENIED: the credentials cannot be read.  ERR_INVALID: no URL.  After a
 * fault nothing has to be undone. */
enum status http_request_open(struct http_request *r, const char *url, struct err *err) NODISCARD;

/* Control characters of value become spaces.  ERR_LIMIT: too many, or too long. */
enum status http_request_header(struct http_request *r, const char *name,
                                const char *value) NODISCARD;
enum status http_request_line(struct http_request *r,
                              const char *line) NODISCARD; /* "Name: value" */

/* body stays as it is until the end; method is static.  CURLINFO_PRIVATE is r.  ERR_IO. */
enum status http_request_start(struct http_request *r, struct curl_loop *loop, const char *method,
                               struct span body, int64_t timeout_ns, struct err *err) NODISCARD;
void http_request_stop(struct http_request *r); /* takes a running one out */

/* To be called from the loop's done.  r may be opened again. */
void http_request_finish(struct http_request *r, CURLcode how, struct http_answer *ret);

/* The request that is behind a handle. */
struct http_request *http_request_of(CURL *easy);

/* What to tell people of an answer that was not taken: "429: slow down", or what libcurl says. */
#define HTTP_WORDS_MAX 160
void http_answer_words(const struct http_answer *a, char out[HTTP_WORDS_MAX]);

#endif
