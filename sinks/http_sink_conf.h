/* SPDX-License-Identifier: Apache-2.0 */
/* http_sink_conf.h - what can be configured of the http sink. */
#ifndef HTTP_SINK_CONF_H
#define HTTP_SINK_CONF_H

#include "http.h"
#include "target.h"
#include "template.h"

struct http_oauth2_conf {
    char *token_url; /* "": no OAuth2 */
    char *client_id, *client_secret;
    struct text_list scopes;
    struct text_map params;
    unsigned login; /* enum http_oauth2_login */
    struct tls_conf tls;
};

enum http_oauth2_login { HTTP_LOGIN_HEADER, HTTP_LOGIN_BODY };

struct http_sink_conf {
    char *url;
    unsigned method;      /* of http_sink_methods */
    unsigned compression; /* of http_sink_compressions */
    int64_t connections;
    int64_t timeout, connect_timeout, duplicate_window;
    struct http_conf client;
    struct http_oauth2_conf oauth2;
};

extern const struct setting http_sink_settings[];
extern const char *const http_sink_methods[];      /* "POST", ... */
extern const char *const http_sink_compressions[]; /* names of compress.h */

/* As sink_ops.check, of a struct http_sink_conf. */
void http_sink_check(const void *conf, const struct setting_report *report);

/* The template of a URL that has names in braces; *ret is NULL when it has none.  ERR_INVALID: as
 * template_new. */
enum status http_sink_template(struct template **ret, const char *url, struct err *err) NODISCARD;

/* The URL of what comes from t, behind what out holds: labels are one piece of a path or query
 * each, whatever is in them.  As template_render. */
enum status http_sink_render(const struct template *url, const struct target *t,
                             struct buf *out) NODISCARD;

/* The part of a URL that may be shown: scheme, host, port and path; what stands behind a '?' may be
 * a secret. */
struct span http_sink_shown(const char *url);

#endif
