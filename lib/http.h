/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - how to talk HTTP to a peer: credentials, TLS, headers.
 *
 * Settings only, shared by count, immutable once made; lib/net turns them into requests.
 * A secret may be `file:PATH`: the file is read anew when it changes, so that a rotated
 * token is used without a reload (secret.h).  */
#ifndef HTTP_H
#define HTTP_H

#include "setting.h"

struct tls_conf {
    char *ca;          /* PEM file; "": the system's authorities */
    char *cert, *key;  /* PEM files of the client; "": none */
    char *server_name; /* expected in the certificate, sent as SNI; "": the URL's host */
    bool verify;
};

struct http_conf {
    char *user, *password; /* basic authentication; user "": none */
    char *bearer;          /* token; "": none */
    struct tls_conf tls;
    struct text_map headers;
    char *proxy;                       /* URL; "": none, whatever the environment says */
    char *proxy_user, *proxy_password; /* basic authentication with it; user "": none */
    bool gzip;
};

extern const struct setting tls_settings[];
extern const struct setting http_settings[];

/* Who may read what we serve, and whether in clear. */
struct http_server_tls_conf {
    char *cert, *key; /* PEM files of the server; "": no TLS */
    char *client_ca;  /* PEM file: who shows a certificate of it is let in; "": none is asked for */
};
struct http_server_conf {
    struct http_server_tls_conf tls;
    char *user, *password; /* basic authentication; user "": none */
    char *bearer;          /* token; "": none */
};
extern const struct setting http_server_settings[];

/* Tells of: password and user not both there, a line break, a ':' in the user, file: without a path,
 * cert and key not both there, client_ca without them. */
void http_server_check(const struct http_server_conf *conf, const struct setting_report *report);

/* Whether anything is asked of who reads. */
bool http_server_is_guarded(const struct http_server_conf *conf);

struct http {
    _Atomic uint32_t refs;
    struct http_conf conf;
};

/* Tells of all that http_new would refuse. */
void http_check(const struct http_conf *conf, const struct setting_report *report);

/* Whether requests carry what only its addressee may see: a login, a token, a header Authorization or
 * Cookie, or one whose value is a file. */
bool http_has_credentials(const struct http_conf *conf);

/* A copy of conf; the caller holds the first reference.  ERR_INVALID: basic and bearer
 * both, a password without a user, a line break in one of them, file: without a path, a
 * proxy whose URL has an '@' (*err does not repeat it), a proxy_user without a proxy, a
 * certificate without its key, a header that is no header, is there twice, or is made by us
 * (Authorization beside basic or bearer). */
enum status http_new(struct http **ret, const struct http_conf *conf, struct err *err) NODISCARD;
struct http *http_ref(struct http *h); /* returns h; NULL gives NULL */
void http_unref(struct http *h);       /* NULL is fine */

#endif
