/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include "mem.h"

const struct setting tls_settings[] = {
    SETTING_STRING(tls_conf, ca, "", 0, "PEM file of trusted authorities; empty: the system's"),
    SETTING_STRING(tls_conf, cert, "", 0, "PEM file of the client's certificate"),
    SETTING_STRING(tls_conf, key, "", 0, "PEM file of the client's key"),
    SETTING_STRING(tls_conf, server_name, "", 0, "name expected of the server; empty: its host"),
    SETTING_BOOL(tls_conf, verify, "true", "whether the server's certificate is checked"),
    SETTING_END,
};

const struct setting http_settings[] = {
    SETTING_STRING(http_conf, user, "", 0, "user of basic authentication"),
    SETTING_STRING(http_conf, password, "", SETTING_SECRET, "its password, or file:PATH"),
    SETTING_STRING(http_conf, bearer, "", SETTING_SECRET, "bearer token, or file:PATH"),
    SETTING_GROUP(http_conf, tls, tls_settings, "TLS of https URLs"),
    SETTING_MAP(http_conf, headers, SETTING_SECRET, "headers added to each request"),
    SETTING_STRING(http_conf, proxy, "", 0, "URL of a proxy, without user; empty: none"),
    SETTING_STRING(http_conf, proxy_user, "", 0, "user of basic authentication with the proxy"),
    SETTING_STRING(http_conf, proxy_password, "", SETTING_SECRET, "its password, or file:PATH"),
    SETTING_BOOL(http_conf, gzip, "false", "whether compressed answers are asked for"),
    SETTING_END,
};

static const struct setting http_server_tls_settings[] = {
    SETTING_STRING(http_server_tls_conf, cert, "", 0, "PEM file of the certificate; empty: no TLS"),
    SETTING_STRING(http_server_tls_conf, key, "", 0, "PEM file of its key"),
    SETTING_STRING(http_server_tls_conf, client_ca, "", 0,
                   "PEM file of authorities: a client with a certificate of theirs is let in"),
    SETTING_END,
};

const struct setting http_server_settings[] = {
    SETTING_GROUP(http_server_conf, tls, http_server_tls_settings, "serves https in place of http"),
    SETTING_STRING(http_server_conf, user, "", 0, "user of basic authentication"),
    SETTING_STRING(http_server_conf, password, "", SETTING_SECRET, "its password, or file:PATH"),
    SETTING_STRING(http_server_conf, bearer, "", SETTING_SECRET, "bearer token, or file:PATH"),
    SETTING_END,
};

static bool is_header_name(const char *s)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return s[0] != '\0' && s[strspn(s, token)] == '\0'; /* RFC 9110, 5.6.2 */
}

static bool has_break(const char *s)
{
    return s[strcspn(s, "\r\n")] != '\0';
}

static void check_secret(const char *name, const char *text, const struct setting_report *r)
{
    if (has_break(text))
        setting_tell(r, name, SETTING_ALL, "%s has a line break", name);
    if (strcmp(text, "file:") == 0)
        setting_tell(r, name, SETTING_ALL, "%s: file: without a path", name);
}

static void check_login(const struct http_conf *c, const struct setting_report *r)
{
    if (c->user[0] && c->bearer[0])
        setting_tell(r, "bearer", SETTING_ALL, "user and bearer exclude each other");
    if (c->password[0] && !c->user[0])
        setting_tell(r, "password", SETTING_ALL, "a password without a user");
    if (strchr(c->user, ':') || has_break(c->user)) /* RFC 7617, 2 */
        setting_tell(r, "user", SETTING_ALL, "user has a ':' or a line break");
    check_secret("password", c->password, r);
    check_secret("bearer", c->bearer, r);
}

static void check_proxy(const struct http_conf *c, const struct setting_report *r)
{
    if (strchr(c->proxy, '@')) /* not repeated: a password may be in there */
        setting_tell(r, "proxy", SETTING_ALL,
                     "proxy: a URL with '@' is not taken, user and password of the proxy have "
                     "settings of their own: proxy_user, proxy_password");
    if (c->proxy_user[0] && !c->proxy[0])
        setting_tell(r, "proxy_user", SETTING_ALL, "proxy_user without a proxy");
    if (c->proxy_password[0] && !c->proxy_user[0])
        setting_tell(r, "proxy_password", SETTING_ALL, "a proxy_password without a proxy_user");
    if (strchr(c->proxy_user, ':') || has_break(c->proxy_user))
        setting_tell(r, "proxy_user", SETTING_ALL, "proxy_user has a ':' or a line break");
    check_secret("proxy_password", c->proxy_password, r);
}

static void check_header(const struct http_conf *c, size_t i, const struct setting_report *r)
{
    const struct text_pair *h = &c->headers.items[i];
    if (!is_header_name(h->name))
        setting_tell(r, "headers", i, "headers: '%s' is no name of a header", h->name);
    if (has_break(h->value))
        setting_tell(r, "headers", i, "headers: the value of '%s' has a line break", h->name);
    if ((c->user[0] || c->bearer[0]) && strcasecmp(h->name, "Authorization") == 0)
        setting_tell(r, "headers", i, "headers: '%s' beside user or bearer", h->name);
    for (size_t k = 0; k < i; k++)
        if (strcasecmp(h->name, c->headers.items[k].name) == 0) {
            setting_tell(r, "headers", i, "headers: '%s' is there twice", h->name);
            return;
        }
}

void http_check(const struct http_conf *conf, const struct setting_report *report)
{
    check_login(conf, report);
    check_proxy(conf, report);
    if (!conf->tls.cert[0] != !conf->tls.key[0])
        setting_tell(report, conf->tls.cert[0] ? "tls.cert" : "tls.key", SETTING_ALL,
                     "tls: cert and key go together");
    for (size_t i = 0; i < conf->headers.len; i++)
        check_header(conf, i, report);
}

static bool is_credential(const struct text_pair *header)
{
    return strcasecmp(header->name, "Authorization") == 0 ||
           strcasecmp(header->name, "Cookie") == 0 || strncmp(header->value, "file:", 5) == 0;
}

bool http_has_credentials(const struct http_conf *conf)
{
    bool has = conf->bearer[0] || conf->user[0];
    for (size_t i = 0; i < conf->headers.len && !has; i++)
        has = is_credential(&conf->headers.items[i]);
    return has;
}

enum status http_new(struct http **ret, const struct http_conf *conf, struct err *err)
{
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    http_check(conf, &report);
    if (first.status != OK)
        return err_set(err, first.status, "%s", first.text);
    struct http *h = mem_alloc(sizeof *h);
    h->refs = 1;
    setting_copy(http_settings, &h->conf, conf);
    *ret = h;
    return OK;
}

struct http *http_ref(struct http *h)
{
    if (h)
        h->refs++;
    return h;
}

void http_unref(struct http *h)
{
    if (!h || --h->refs > 0)
        return;
    setting_done(http_settings, &h->conf);
    mem_free(h);
}

void http_server_check(const struct http_server_conf *c, const struct setting_report *r)
{
    if (!c->user[0] != !c->password[0])
        setting_tell(r, c->user[0] ? "user" : "password", SETTING_ALL,
                     "user and password go together");
    if (strchr(c->user, ':') || has_break(c->user))
        setting_tell(r, "user", SETTING_ALL, "user has a ':' or a line break");
    check_secret("password", c->password, r);
    check_secret("bearer", c->bearer, r);
    if (!c->tls.cert[0] != !c->tls.key[0])
        setting_tell(r, c->tls.cert[0] ? "tls.cert" : "tls.key", SETTING_ALL,
                     "tls: cert and key go together");
    else if (c->tls.client_ca[0] && !c->tls.cert[0])
        setting_tell(r, "tls.client_ca", SETTING_ALL, "tls: client_ca without cert and key");
}

bool http_server_is_guarded(const struct http_server_conf *c)
{
    return c->user[0] || c->bearer[0] || c->tls.client_ca[0];
}
