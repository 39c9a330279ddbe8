/* SPDX-License-Identifier: Apache-2.0 */
/* http_sink_conf.c - settings of the http sink; the contract is in http_sink_conf.h. */
#include "http_sink_conf.h"

#include "clock.h"

#include <curl/curl.h>

#define HOUR_NS (3600 * SEC_NS)

const char *const http_sink_methods[] = {"POST", "PUT", NULL};
const char *const http_sink_compressions[] = {"none", "gzip", "zstd", NULL};
static const char *const logins[] = {"header", "body", NULL};

static const struct setting oauth2_settings[] = {
    SETTING_STRING(http_oauth2_conf, token_url, "", 0,
                   "where access tokens are asked for (client credentials); empty: no OAuth2"),
    SETTING_STRING(http_oauth2_conf, client_id, "", 0, "who asks"),
    SETTING_STRING(http_oauth2_conf, client_secret, "", SETTING_SECRET, "its secret, or file:PATH"),
    SETTING_LIST(http_oauth2_conf, scopes, 0, "asked for"),
    SETTING_MAP(http_oauth2_conf, params, 0, "more to send, for example audience"),
    SETTING_CHOICE(http_oauth2_conf, login, "header", logins,
                   "where client_id and client_secret go: basic authentication, or the form"),
    SETTING_GROUP(http_oauth2_conf, tls, tls_settings, "TLS of an https token_url"),
    SETTING_END};

const struct setting http_sink_settings[] = {
    SETTING_STRING(http_sink_conf, url, NULL, SETTING_REQUIRED,
                   "http:// or https://; names in braces behind the host are labels of the "
                   "target, or {pool} {source} {target} {instance} {job}"),
    SETTING_CHOICE(http_sink_conf, method, "POST", http_sink_methods, "of each request"),
    SETTING_CHOICE(http_sink_conf, compression, "none", http_sink_compressions,
                   "of bodies, unless the encoder compresses"),
    SETTING_INT(http_sink_conf, connections, "4", 1, 64,
                "requests at a time, each on a connection of its own"),
    SETTING_DURATION(http_sink_conf, timeout, "10s", 100 * MS_NS, HOUR_NS,
                     "for a whole answer; then it is sent again under the same key"),
    SETTING_DURATION(http_sink_conf, connect_timeout, "5s", 100 * MS_NS, HOUR_NS,
                     "for a connection, TLS included"),
    SETTING_DURATION(http_sink_conf, duplicate_window, "0s", 0, 24 * HOUR_NS,
                     "how long the server knows an Idempotency-Key again; 0: it does not"),
    SETTING_GROUP(http_sink_conf, client, http_settings, "credentials, TLS, headers, proxy"),
    SETTING_GROUP(http_sink_conf, oauth2, oauth2_settings, "access tokens"),
    SETTING_END};

/* Why it cannot be used as an URL, or NULL.  Nothing of it is repeated: it may hold a secret. */
static const char *find_fault(const char *url)
{
    const char *why = NULL;
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    size_t host = scheme + strcspn(url + scheme, "/?#");
    CURLU *u = curl_url();
    if (scheme == 0)
        why = "is neither http:// nor https://";
    else if (memchr(url, '@', host))
        why = "has an '@': user and password have settings of their own";
    else if (memchr(url, '{', host))
        why = "has a name in braces where its host is";
    else if (strchr(url, '#'))
        why = "has a '#', which no server gets to see";
    else if (strpbrk(url, " \t\r\n") || !u ||
             curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK)
        why = "is no URL";
    curl_url_cleanup(u);
    return why;
}

/* What the sink itself writes, or libcurl. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"Content-Type",      "Content-Encoding", "Content-Length",
                                        "Transfer-Encoding", "Idempotency-Key",  "Expect",
                                        "Connection"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return strncasecmp(name, "Strata-", 7) == 0;
}

/* What http_check says of one of our groups, under that name. */
struct inner {
    const char *group;
    const struct setting_report *report;
};

static void add_inner(void *to, const char *setting, size_t item, const char *text)
{
    const struct inner *in = to;
    char name[64];
    snprintf(name, sizeof name, "%s.%s", in->group, setting);
    in->report->add(in->report->to, name, item, text);
}

static void check_client(const struct http_sink_conf *c, const struct setting_report *r)
{
    const struct text_map *h = &c->client.headers;
    bool oauth2 = c->oauth2.token_url[0];
    struct inner in = {"client", r};
    struct setting_report inner = {add_inner, &in};
    http_check(&c->client, &inner);
    for (size_t i = 0; i < h->len; i++)
        if (is_ours(h->items[i].name) || (oauth2 && !strcasecmp(h->items[i].name, "Authorization")))
            setting_tell(r, "client.headers", i, "client.headers: '%s' is made by the sink",
                         h->items[i].name);
    if (oauth2 && c->client.bearer[0])
        setting_tell(r, "client.bearer", SETTING_ALL, "client.bearer beside oauth2");
    if (oauth2 && c->client.user[0])
        setting_tell(r, "client.user", SETTING_ALL, "client.user beside oauth2");
}

static void check_oauth2(const struct http_oauth2_conf *c, const struct setting_report *r)
{
    const char *why = c->token_url[0] ? find_fault(c->token_url) : NULL;
    struct http_conf as_http = {.user = (char *)"",
                                .password = (char *)"",
                                .bearer = c->client_secret,
                                .tls = c->tls,
                                .proxy = (char *)"",
                                .proxy_user = (char *)"",
                                .proxy_password = (char *)""};
    struct err first = {OK, ""};
    struct setting_report one = setting_report_first(&first);
    if (why)
        setting_tell(r, "oauth2.token_url", SETTING_ALL, "oauth2.token_url %s", why);
    if (c->token_url[0] && (!c->client_id[0] || !c->client_secret[0]))
        setting_tell(r, "oauth2", SETTING_ALL,
                     "oauth2: token_url, client_id and client_secret go together");
    if (!c->token_url[0] && (c->client_id[0] || c->client_secret[0]))
        setting_tell(r, "oauth2.token_url", SETTING_ALL, "oauth2: without token_url");
    if (!c->tls.cert[0] != !c->tls.key[0])
        setting_tell(r, "oauth2.tls", SETTING_ALL, "oauth2.tls: cert and key go together");
    as_http.tls.cert = as_http.tls.key = (char *)"";
    http_check(&as_http, &one);
    if (first.status != OK)
        setting_tell(r, "oauth2.client_secret", SETTING_ALL,
                     "oauth2.client_secret: a line break, or file: without a path");
}

void http_sink_check(const void *conf, const struct setting_report *report)
{
    const struct http_sink_conf *c = conf;
    struct err err = {.text = ""};
    AUTO_PTR(template) struct template *t = NULL;
    const char *why = c->url ? find_fault(c->url) : NULL;
    if (why)
        setting_tell(report, "url", SETTING_ALL, "url %s", why);
    else if (c->url && http_sink_template(&t, c->url, &err) != OK)
        setting_tell(report, "url", SETTING_ALL, "url: %s", err.text);
    check_client(c, report);
    check_oauth2(&c->oauth2, report);
}

/* RFC 3986, 2.3, and what a path may have besides that means nothing to servers. */
static bool is_legal(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~:", c));
}

enum status http_sink_template(struct template **ret, const char *url, struct err *err)
{
    if (!strpbrk(url, "{}")) {
        *ret = NULL;
        return OK;
    }
    return template_new(ret, url, "unknown", is_legal, err);
}

/* "." and "..", which servers resolve, as pieces of the path. */
static void spoil_dots(char *path)
{
    for (char *piece = strchr(path, '/'); piece && *piece == '/';) {
        size_t len = strcspn(++piece, "/?");
        if (len > 0 && strspn(piece, ".") == len)
            memset(piece, '_', len);
        piece += len;
    }
}

enum status http_sink_render(const struct template *url, const struct target *t, struct buf *out)
{
    size_t start = out->len;
    enum status s = template_render(url, t, out);
    if (s != OK)
        return s;
    char *host = strstr(out->data + start, "://");
    spoil_dots(host ? host + 3 : out->data + start);
    return OK;
}

struct span http_sink_shown(const char *url)
{
    return (struct span){url, strcspn(url, "?")};
}
