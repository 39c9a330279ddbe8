/* SPDX-License-Identifier: Apache-2.0 */
/* http_session.h - struct http turned into libcurl's options.
 *
 * One per thread and struct http: it holds what the secrets' files say now, and the list of
 * headers made of it.  Redirects are never followed, proxies never taken from the
 * environment, other protocols than http and https never spoken.  */
#ifndef HTTP_SESSION_H
#define HTTP_SESSION_H

#include "http.h"
#include "secret.h"

#include <curl/curl.h>

/* A list that transfers under way still read after it has been replaced. */
struct http_headers {
    unsigned users;
    struct curl_slist *list;
};

/* TLS material as text (PEM) instead of files; NULL: as conf says. */
struct http_pem {
    const char *ca;
    const char *cert, *key; /* both or none */
};

struct http_session {
    const struct http_conf *conf; /* NULL: nothing special */
    struct secret bearer, password, proxy_password;
    struct secret *header_secrets; /* one for each of conf->headers */
    const char *const *headers;    /* of the user, ended by NULL */
    char *given_bearer;            /* instead of conf's; NULL: none */
    char *ca, *cert, *key;         /* likewise, as text */
    bool given_pem;                /* since the last refresh */
    struct http_headers *list;     /* all headers, with the credentials of the moment */
    char *used_password;           /* of the moment, or NULL */
    char *used_proxy_password;     /* likewise */
    uint64_t used_high, used_low;  /* hash of all secrets of the moment */
    uint64_t version;              /* grows when an easy handle is to be set up anew */
};

/* headers ("Name: value", static) go into each request, before those of conf.  conf and headers
 * outlive the session. */
void http_session_init(struct http_session *s, const struct http_conf *conf,
                       const char *const *headers);
void http_session_done(struct http_session *s);

/* What no configuration says but the program: a token instead of conf's (NULL: conf's again), TLS
 * material as text.  Copied; counts from the next refresh on. */
void http_session_set_bearer(struct http_session *s, const char *token);
void http_session_set_pem(struct http_session *s, const struct http_pem *pem);

/* The next refresh looks at the files, however short ago the last one did: a peer has refused what
 * they said. */
void http_session_look(struct http_session *s);

/* Looks at the secrets' files; version grows when one has changed.  ERR_IO, ERR_LIMIT: as
 * secret_get. */
enum status http_session_refresh(struct http_session *s, struct err *err) NODISCARD;

/* Sets all that is the same for each request of the session.  To be called for a new easy
 * handle, and when version has grown. */
void http_session_apply(const struct http_session *s, CURL *easy);

/* The headers of the moment, for one transfer: libcurl reads them while it runs.  To be released
 * when it has ended. */
struct http_headers *http_session_headers(struct http_session *s);
void http_headers_release(struct http_headers *h); /* NULL is fine */

/* Sets url and headers.  With a server_name of its own the certificate is checked against that name, while
 * the connection goes to the url's host, whose name stays in the Host header; *ret_to and
 * *ret_headers are lists that the caller frees (curl_slist_free_all) after the transfer; NULL
 * else.  ERR_INVALID: not a URL. */
enum status http_session_url(const struct http_session *s, CURL *easy, const char *url,
                             const struct http_headers *headers, struct curl_slist **ret_to,
                             struct curl_slist **ret_headers, struct err *err) NODISCARD;

#endif
