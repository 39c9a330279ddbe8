/* SPDX-License-Identifier: Apache-2.0 */
#include "http_session.h"

#include "buf.h"
#include "hash.h"
#include "mem.h"
#include "trust.h"

enum {
    LINE_MAX_BYTES = SECRET_MAX + 256,
    CA_SECONDS = 60, /* a file of authorities is read again; libcurl's own time is a day */
};

enum { SECRETS = 3 }; /* bearer, password, the proxy's password; those of headers come behind */

static size_t headers_len(const struct http_session *s)
{
    return s->conf ? s->conf->headers.len : 0;
}

void http_session_init(struct http_session *s, const struct http_conf *conf,
                       const char *const *headers)
{
    *s = (struct http_session){.conf = conf, .headers = headers};
    secret_init(&s->bearer, conf ? conf->bearer : NULL);
    secret_init(&s->password, conf ? conf->password : NULL);
    secret_init(&s->proxy_password, conf ? conf->proxy_password : NULL);
    s->header_secrets = mem_alloc(headers_len(s) * sizeof *s->header_secrets);
    for (size_t i = 0; i < headers_len(s); i++)
        secret_init(&s->header_secrets[i], conf->headers.items[i].value);
}

void http_headers_release(struct http_headers *h)
{
    if (!h || --h->users > 0)
        return;
    curl_slist_free_all(h->list);
    mem_free(h);
}

struct http_headers *http_session_headers(struct http_session *s)
{
    s->list->users++;
    return s->list;
}

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    mem_free(*text);
    *text = NULL;
}

static void forget(struct http_session *s)
{
    http_headers_release(s->list);
    s->list = NULL;
    wipe(&s->used_password);
    wipe(&s->used_proxy_password);
}

void http_session_done(struct http_session *s)
{
    forget(s);
    wipe(&s->given_bearer);
    http_session_set_pem(s, &(struct http_pem){.ca = NULL});
    secret_done(&s->bearer);
    secret_done(&s->password);
    secret_done(&s->proxy_password);
    for (size_t i = 0; i < headers_len(s); i++)
        secret_done(&s->header_secrets[i]);
    mem_free(s->header_secrets);
}

void http_session_set_bearer(struct http_session *s, const char *token)
{
    wipe(&s->given_bearer);
    s->given_bearer = mem_strdup(token);
}

void http_session_set_pem(struct http_session *s, const struct http_pem *pem)
{
    wipe(&s->key);
    mem_free(s->ca);
    mem_free(s->cert);
    s->ca = mem_strdup(pem->ca);
    s->cert = mem_strdup(pem->cert);
    s->key = mem_strdup(pem->key);
    s->given_pem = true;
}

void http_session_look(struct http_session *s)
{
    secret_look(&s->bearer);
    secret_look(&s->password);
    secret_look(&s->proxy_password);
    for (size_t i = 0; i < headers_len(s); i++)
        secret_look(&s->header_secrets[i]);
}

static void list_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        abort(); /* out of memory, as mem.h would say it */
    *list = longer;
}

static void list_add_pair(struct curl_slist **list, const char *name, const char *between,
                          const char *value)
{
    AUTO(buf) struct buf line = BUF_INIT(LINE_MAX_BYTES);
    if (buf_cat(&line, name, between, value, NULL) == OK)
        list_add(list, line.data);
}

/* secrets: as SECRETS says, then one for each header of the configuration. */
static struct curl_slist *make_list(const struct http_session *s, const struct span *secrets)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; s->headers && s->headers[i]; i++)
        list_add(&list, s->headers[i]);
    for (size_t i = 0; i < headers_len(s); i++)
        list_add_pair(&list, s->conf->headers.items[i].name, ": ",
                      secrets[SECRETS + i].data ? secrets[SECRETS + i].data : "");
    if (secrets[0].data)
        list_add_pair(&list, "Authorization", ": Bearer ", secrets[0].data);
    return list;
}

static enum status get(struct secret *from, struct span *ret, struct err *err)
{
    const char *text;
    enum status s = secret_get(from, &text, err);
    if (s == OK)
        *ret = (struct span){text, text ? strlen(text) : 0};
    return s;
}

enum status http_session_refresh(struct http_session *s, struct err *err)
{
    size_t n = SECRETS + headers_len(s);
    struct span few[8], *secrets = n <= ARRAY_LEN(few) ? few : mem_alloc(n * sizeof *secrets);
    enum status r = get(&s->bearer, &secrets[0], err);
    if (r == OK && s->given_bearer)
        secrets[0] = (struct span){s->given_bearer, strlen(s->given_bearer)};
    if (r == OK)
        r = get(&s->password, &secrets[1], err);
    if (r == OK)
        r = get(&s->proxy_password, &secrets[2], err);
    for (size_t i = 0; i < headers_len(s) && r == OK; i++)
        r = get(&s->header_secrets[i], &secrets[SECRETS + i], err);
    uint64_t high, low;
    if (r == OK)
        hash_pieces(secrets, n, &high, &low);
    if (r == OK &&
        (s->version == 0 || s->given_pem || high != s->used_high || low != s->used_low)) {
        forget(s);
        s->list = mem_alloc(sizeof *s->list);
        *s->list = (struct http_headers){.users = 1, .list = make_list(s, secrets)};
        s->used_password = mem_strdup(secrets[1].data);
        s->used_proxy_password = mem_strdup(secrets[2].data);
        s->used_high = high;
        s->used_low = low;
        s->given_pem = false;
        s->version++;
    }
    if (secrets != few)
        mem_free(secrets);
    return r;
}

static void set_blob(CURL *easy, CURLoption option, const char *text)
{
    struct curl_blob b = {.data = (void *)text, .len = strlen(text), .flags = CURL_BLOB_COPY};
    curl_easy_setopt(easy, option, &b);
}

static void apply_pem(const struct http_session *s, CURL *easy)
{
    if (s->ca)
        set_blob(easy, CURLOPT_CAINFO_BLOB, s->ca);
    if (s->cert) {
        set_blob(easy, CURLOPT_SSLCERT_BLOB, s->cert);
        set_blob(easy, CURLOPT_SSLKEY_BLOB, s->key);
    }
}

static void apply_tls(const struct tls_conf *t, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2); /* or newer */
    /* For those who do not share (share_trust): with a CApath, which Debian sets by default, libcurl keeps
     * no authorities between connections, 28 ms each instead of 1.  It keeps none that are text, either. */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)CA_SECONDS);
    if (!t)
        return;
    if (t->ca[0])
        curl_easy_setopt(easy, CURLOPT_CAINFO, t->ca);
    if (t->cert[0]) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, t->cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, t->key);
    }
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, t->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, t->verify ? 2L : 0L);
}

/* One copy of the authorities for all; not with those that are given as text, nor with a proxy over TLS,
 * who is to be trusted by those of the system. */
static void share_trust(const struct http_session *s, CURL *easy)
{
    const struct http_conf *c = s->conf;
    const char *path = c && c->tls.ca[0] ? c->tls.ca : trust_system();
    bool proxied = c && strncasecmp(c->proxy, "https:", 6) == 0;
    if (path && !s->ca && !proxied && (!c || c->tls.verify))
        (void)trust_apply(easy, path);
}

static void apply_proxy_login(const struct http_session *s, CURL *easy)
{
    if (!s->conf || !s->conf->proxy_user[0])
        return;
    const char *password = s->used_proxy_password;
    curl_easy_setopt(easy, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, s->conf->proxy_user);
    curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, password ? password : "");
}

void http_session_apply(const struct http_session *s, CURL *easy)
{
    const struct http_conf *c = s->conf;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, c ? c->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    /* A name that resolves slowly must not hold up the thread when its transfer is given up. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    /* Whoever has moved under its name is found by the next connection: libcurl's own minute would
     * be one without it.  A second is enough for those that connect at the same time. */
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 1L);
    apply_proxy_login(s, easy);
    apply_tls(c ? &c->tls : NULL, easy);
    apply_pem(s, easy);
    share_trust(s, easy);
    if (c && c->gzip)
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    if (c && c->user[0]) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, c->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, s->used_password ? s->used_password : "");
    }
}

/* The URL with another host, the place to connect to instead of it, and the Host header. */
static enum status rename_host(const char *url, const char *name, char **ret_url,
                               struct curl_slist **ret_to, struct curl_slist **ret_headers)
{
    char *host = NULL, *port = NULL, *whole = NULL;
    CURLU *u = curl_url();
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              curl_url_set(u, CURLUPART_HOST, name, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK;
    AUTO(buf) struct buf to = BUF_INIT(4096);
    AUTO(buf) struct buf header = BUF_INIT(4096);
    ok = ok && buf_cat(&to, name, ":", port, ":", host, ":", port, NULL) == OK &&
         buf_cat(&header, "Host: ", host, ":", port, NULL) == OK;
    if (ok) {
        *ret_url = mem_strdup(whole);
        list_add(ret_to, to.data);
        list_add(ret_headers, header.data);
    }
    curl_free(host);
    curl_free(port);
    curl_free(whole);
    curl_url_cleanup(u);
    return ok ? OK : ERR_INVALID;
}

enum status http_session_url(const struct http_session *s, CURL *easy, const char *url,
                             const struct http_headers *headers, struct curl_slist **ret_to,
                             struct curl_slist **ret_headers, struct err *err)
{
    *ret_to = *ret_headers = NULL;
    const char *name = s->conf ? s->conf->tls.server_name : "";
    if (name[0] == '\0' || strncmp(url, "https:", 6) != 0) {
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, NULL);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers->list);
        return OK;
    }
    char *other = NULL;
    if (rename_host(url, name, &other, ret_to, ret_headers) != OK)
        return err_set(err, ERR_INVALID, "'%s' is no URL", url);
    for (struct curl_slist *l = headers->list; l; l = l->next)
        list_add(ret_headers, l->data);
    curl_easy_setopt(easy, CURLOPT_URL, other);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, *ret_to);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *ret_headers);
    mem_free(other);
    return OK;
}
