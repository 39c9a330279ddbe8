/* SPDX-License-Identifier: Apache-2.0 */
/* source_target.c - from a URL and labels to a target; the contract is in source.h. */
#include "clock.h"
#include "mem.h"
#include "source.h"
#include "source_rules.h"

#include <arpa/inet.h>
#include <ctype.h>

enum {
    HOST_MAX = 253, /* bytes of a name in the DNS */
    ZONE_MAX = 15,  /* of an interface's name */
    NAME_MAX_BYTES = 512,
    NAMES_MAX = 2 * TARGET_LABELS, /* with those whose empty value leaves a label out */
    OWN_MAX = 1000,                /* with those that start with __ */
};

/* Labels that a target comes with. */
struct own {
    const struct label *all;
    size_t len;
};

/* A URL as it was given; pieces of it, in its order. */
struct pieces {
    struct span scheme; /* data NULL: none */
    struct span authority;
    struct span path;  /* len 0: none */
    struct span query; /* with its ?; len 0: none */
};

struct host {
    char text[HOST_MAX + ZONE_MAX + 8]; /* as it stands in the URL made whole */
    unsigned port;                      /* 0: the scheme's */
    bool local;                         /* only this machine, or its link, means the same by it */
};

static enum status bad(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "%s", what);
}

static enum status check_bytes(struct span s, struct err *err)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c <= ' ' || c >= 0x7f)
            return bad(err, "a space, control character or byte beyond ASCII in the URL");
        if (c == '#')
            return bad(err, "a fragment (#) in the URL");
        if (c == '\\')
            return bad(err, "a backslash in the URL");
        if (c == '%' && !(i + 2 < s.len && isxdigit((unsigned char)s.data[i + 1]) &&
                          isxdigit((unsigned char)s.data[i + 2])))
            return bad(err, "a % without two hex digits in the URL");
    }
    return OK;
}

static struct span cut(const char *from, const char *to)
{
    return (struct span){from, (size_t)(to - from)};
}

static struct pieces take_apart(const char *url)
{
    struct pieces p = {.scheme = {NULL, 0}};
    const char *mark = url + strcspn(url, "/?");
    if (mark > url && mark[-1] == ':' && strncmp(mark, "//", 2) == 0) {
        p.scheme = cut(url, mark - 1);
        url = mark + 2;
        mark = url + strcspn(url, "/?");
    }
    p.authority = cut(url, mark);
    const char *query = mark + strcspn(mark, "?");
    p.path = cut(mark, query);
    p.query = cut(query, query + strlen(query));
    return p;
}

/* Hosts. */

static bool is_local_v4(struct in_addr a)
{
    uint32_t n = ntohl(a.s_addr);
    return n >> 24 == 127 || n >> 24 == 0 || n >> 16 == 0xa9fe;
}

static bool is_local_v6(const struct in6_addr *a)
{
    if (IN6_IS_ADDR_V4MAPPED(a)) {
        struct in_addr v4;
        memcpy(&v4, a->s6_addr + 12, sizeof v4);
        return is_local_v4(v4);
    }
    return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_UNSPECIFIED(a);
}

static bool is_local_name(const char *name)
{
    size_t len = strlen(name);
    if (len > 0 && name[len - 1] == '.')
        len--;
    return (len == 9 && memcmp(name, "localhost", 9) == 0) ||
           (len > 10 && memcmp(name + len - 10, ".localhost", 10) == 0);
}

static bool is_zone(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.data[i]) && !strchr("._-", s.data[i]))
            return false;
    return s.len > 0 && s.len <= ZONE_MAX;
}

/* s is what stands within the brackets. */
static enum status read_v6(struct span s, struct host *h, struct err *err)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr a;
    const char *percent = memchr(s.data, '%', s.len);
    size_t len = percent ? (size_t)(percent - s.data) : s.len;
    if (len >= sizeof text)
        return bad(err, "no IPv6 address within the brackets");
    memcpy(text, s.data, len);
    if (inet_pton(AF_INET6, text, &a) != 1)
        return bad(err, "no IPv6 address within the brackets");
    struct span zone = {"", 0};
    if (percent) { /* check_bytes has seen two digits behind it; RFC 6874: they are 25 */
        zone = cut(percent + 3, s.data + s.len);
        if (memcmp(percent, "%25", 3) != 0 || !is_zone(zone))
            return bad(err, "the zone of an IPv6 address is written as %25NAME");
    }
    inet_ntop(AF_INET6, &a, text, sizeof text);
    snprintf(h->text, sizeof h->text, "[%s%s%.*s]", text, percent ? "%25" : "", (int)zone.len,
             zone.data);
    h->local = is_local_v6(&a);
    return OK;
}

/* Also what only looks like a name: 127.1 and 0x7f000001 are 127.0.0.1 to whoever connects. */
static enum status read_name(struct span s, struct host *h, struct err *err)
{
    if (s.len == 0)
        return bad(err, "no host in the URL");
    if (s.len > HOST_MAX)
        return err_set(err, ERR_INVALID, "a host of more than %d bytes", HOST_MAX);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (!isalnum(c) && !strchr("._-", c))
            return bad(err, "a host has letters, digits, '.', '-' and '_'");
        h->text[i] = (char)tolower(c);
    }
    h->text[s.len] = '\0';
    struct in_addr a;
    h->local = is_local_name(h->text);
    if (inet_aton(h->text, &a)) {
        inet_ntop(AF_INET, &a, h->text, sizeof h->text);
        h->local = is_local_v4(a);
    }
    return OK;
}

static enum status read_port(struct span s, struct host *h, struct err *err)
{
    unsigned port = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!isdigit((unsigned char)s.data[i]) || i >= 5)
            return bad(err, "the port is no number from 1 to 65535");
        port = port * 10 + (unsigned)(s.data[i] - '0');
    }
    if (port == 0 || port > 65535)
        return bad(err, "the port is no number from 1 to 65535");
    h->port = port;
    return OK;
}

static enum status read_host(struct span s, struct host *h, struct err *err)
{
    *h = (struct host){.port = 0};
    if (s.len > 0 && memchr(s.data, '@', s.len))
        return bad(err, "credentials in the URL: they belong into http: of the source");
    const char *end = s.data + s.len, *colon;
    enum status r;
    if (s.len > 0 && s.data[0] == '[') {
        const char *close = memchr(s.data, ']', s.len);
        if (!close)
            return bad(err, "no IPv6 address within the brackets");
        colon = close + 1;
        r = read_v6(cut(s.data + 1, close), h, err);
    } else {
        colon = s.len > 0 ? memchr(s.data, ':', s.len) : NULL;
        colon = colon ? colon : end;
        if (colon < end && memchr(colon + 1, ':', (size_t)(end - colon - 1)))
            return bad(err, "more than one ':'; an IPv6 address stands in brackets");
        r = read_name(cut(s.data, colon), h, err);
    }
    if (r != OK || colon == end)
        return r;
    return *colon == ':' ? read_port(cut(colon + 1, end), h, err)
                         : bad(err, "more than a port behind the brackets");
}

/* URLs. */

static const char *own_value(const struct own *own, const char *name)
{
    for (size_t i = 0; i < own->len; i++)
        if (strcmp(own->all[i].name, name) == 0)
            return own->all[i].value;
    return NULL;
}

static enum status read_scheme(struct span given, const struct own *own, bool *ret_https,
                               struct err *err)
{
    const char *label = own_value(own, "__scheme__");
    if (!given.data && label)
        given = (struct span){label, strlen(label)};
    bool https = given.len == 5 && strncasecmp(given.data, "https", 5) == 0;
    bool http = !given.data || (given.len == 4 && strncasecmp(given.data, "http", 4) == 0);
    if (!https && !http)
        return bad(err, "the scheme is neither http nor https");
    *ret_https = https;
    return OK;
}

static enum status add_escaped(const char *s, struct buf *url)
{
    enum status r = OK;
    for (; *s && r == OK; s++) {
        if (isalnum((unsigned char)*s) || strchr("-._~", *s))
            r = buf_add(url, s, 1);
        else
            r = buf_printf(url, "%%%02X", (unsigned)(unsigned char)*s);
    }
    return r;
}

static enum status add_params(const struct own *own, bool first, struct buf *url)
{
    enum status r = OK;
    for (size_t i = 0; i < own->len && r == OK; i++) {
        const struct label *p = &own->all[i];
        if (strncmp(p->name, "__param_", 8) != 0)
            continue;
        r = buf_puts(url, first ? "?" : "&");
        if (r == OK)
            r = add_escaped(p->name + 8, url);
        if (r == OK)
            r = buf_puts(url, "=");
        if (r == OK)
            r = add_escaped(p->value, url);
        first = false;
    }
    return r;
}

/* Path and query behind what url holds. */
static enum status add_path(const struct pieces *p, const struct own *own, struct buf *url,
                            struct err *err)
{
    struct span path = p->path;
    const char *label = own_value(own, "__metrics_path__");
    if (path.len == 0)
        path = label && label[0] ? (struct span){label, strlen(label)}
                                 : (struct span){"/metrics", strlen("/metrics")};
    enum status r = check_bytes(path, err);
    if (r != OK)
        return r;
    bool query = p->query.len > 0 || memchr(path.data, '?', path.len);
    r = path.data[0] == '/' ? OK : buf_puts(url, "/");
    if (r == OK)
        r = buf_add(url, path.data, path.len);
    if (r == OK)
        r = buf_add(url, p->query.data, p->query.len);
    return r == OK ? add_params(own, !query, url) : r;
}

/* url and instance are empty before, whole afterwards. */
static enum status make_url(const char *given, const struct own *own, struct buf *url,
                            struct buf *instance, bool *ret_local, struct err *err)
{
    struct host h;
    bool https = false;
    size_t len = strnlen(given, SOURCE_URL_MAX + 1);
    if (len > SOURCE_URL_MAX)
        return err_set(err, ERR_INVALID, "a URL of more than %d bytes", SOURCE_URL_MAX);
    enum status r = check_bytes((struct span){given, len}, err);
    if (r != OK)
        return r;
    struct pieces p = take_apart(given);
    r = read_host(p.authority, &h, err);
    if (r == OK)
        r = read_scheme(p.scheme, own, &https, err);
    if (r != OK)
        return r;
    unsigned port = h.port ? h.port : https ? 443 : 80;
    struct err why = {.status = OK};
    r = buf_printf(instance, "%s:%u", h.text, port);
    if (r == OK)
        r = buf_cat(url, https ? "https://" : "http://", instance->data, NULL);
    if (r == OK)
        r = add_path(&p, own, url, &why);
    if (r == OK)
        *ret_local = h.local;
    else if (r == ERR_INVALID)
        return bad(err, why.text);
    else
        return err_set(err, ERR_INVALID, "a URL of more than %d bytes", SOURCE_URL_MAX);
    return OK;
}

/* Labels. */

struct labels {
    struct label all[NAMES_MAX]; /* those with an empty value too */
    size_t len, bytes;
};

static enum status add_label(struct labels *l, const char *name, const char *value, struct err *err)
{
    size_t name_len = strlen(name), len = strlen(value);
    if (strncmp(name, "__", 2) == 0)
        return OK;
    if (!text_is_label_name((struct span){name, name_len}) || name_len > NAME_MAX_BYTES)
        return err_set(err, ERR_INVALID, "'%.80s' is no name of a label", name);
    if (len > SOURCE_VALUE_MAX)
        return err_set(err, ERR_INVALID, "label %.80s: a value of more than %d bytes", name,
                       SOURCE_VALUE_MAX);
    if (!text_is_utf8((struct span){value, len}))
        return err_set(err, ERR_INVALID, "label %.80s: the value is not UTF-8", name);
    for (size_t i = 0; i < l->len; i++)
        if (strcmp(l->all[i].name, name) == 0)
            return OK;
    l->bytes += name_len + len;
    if (l->len == NAMES_MAX)
        return err_set(err, ERR_INVALID, "more than %d labels", TARGET_LABELS);
    if (l->bytes > SOURCE_LABELS_MAX)
        return err_set(err, ERR_INVALID, "labels of more than %d bytes", SOURCE_LABELS_MAX);
    l->all[l->len++] = (struct label){name, value};
    return OK;
}

static enum status add_map(struct labels *l, const struct text_map *m, struct err *err)
{
    enum status r = OK;
    for (size_t i = 0; m && i < m->len && r == OK; i++)
        r = add_label(l, m->items[i].name, m->items[i].value, err);
    return r;
}

static enum status gather(struct labels *l, const struct source_env *env, const struct own *own,
                          const char *instance, struct err *err)
{
    enum status r = OK;
    for (size_t i = 0; i < own->len && r == OK; i++)
        r = add_label(l, own->all[i].name, own->all[i].value, err);
    if (r == OK)
        r = add_label(l, "instance", instance, err);
    if (r == OK)
        r = add_label(l, "job", env->common->name, err);
    if (r == OK)
        r = add_map(l, env->agent.labels, err);
    if (r == OK && env->agent.cluster)
        r = add_label(l, "cluster", env->agent.cluster, err);
    if (r != OK)
        return r;
    size_t kept = 0;
    for (size_t i = 0; i < l->len; i++)
        if (l->all[i].value[0])
            l->all[kept++] = l->all[i];
    l->len = kept;
    if (kept > TARGET_LABELS)
        return err_set(err, ERR_INVALID, "more than %d labels", TARGET_LABELS);
    return OK;
}

static enum status make_id(const struct source_env *env, const struct source_found *found,
                           const char *url, bool local, struct buf *id, struct err *err)
{
    enum status r = OK;
    if (found->id)
        r = buf_puts(id, found->id);
    else if (local && env->agent.instance)
        r = buf_cat(id, env->agent.instance, "/", url, NULL);
    else
        r = buf_puts(id, url);
    return r == OK ? OK : bad(err, "its id is too long");
}

/* Whoever is found says the scheme, and may be anybody: only a certificate tells. */
static bool would_leak(const struct source_env *env, const struct source_found *found,
                       const char *url)
{
    const struct http_conf *c = &env->common->http;
    return found->id && c->tls.verify && http_has_credentials(c) && strncmp(url, "https:", 6) != 0;
}

static enum status ask(const struct source_common *c, const struct own *own,
                       struct source_asked *ret, struct err *err)
{
    const struct source_wish wish = {.interval = own_value(own, "__scrape_interval__"),
                                     .timeout = own_value(own, "__scrape_timeout__"),
                                     .limit = own_value(own, "__sample_limit__"),
                                     .mode = own_value(own, "__scrape_mode__")};
    return source_ask(c, &wish, ret, err);
}

static enum status make_target(const struct source_env *env, const struct source_found *found,
                               const struct own *own, struct target **ret, struct err *err)
{
    AUTO(buf) struct buf whole = BUF_INIT(SOURCE_URL_MAX);
    AUTO(buf) struct buf instance = BUF_INIT(SOURCE_URL_MAX);
    AUTO(buf) struct buf id = BUF_INIT(2 * SOURCE_URL_MAX);
    struct labels labels = {.len = 0};
    struct source_asked asked;
    const struct source_common *c = env->common;
    bool local = false;
    const char *url = found->url ? found->url : own_value(own, "__address__");
    if (!url)
        return bad(err, "no __address__");
    enum status r = make_url(url, own, &whole, &instance, &local, err);
    if (r == OK && would_leak(env, found, whole.data))
        r = bad(err, "plain http, but http: of the source has credentials: they go over https, or "
                     "with tls.verify: false to anybody");
    if (r == OK)
        r = gather(&labels, env, own, instance.data, err);
    if (r == OK)
        r = ask(c, own, &asked, err);
    if (r == OK)
        r = make_id(env, found, whole.data, local, &id, err);
    if (r != OK)
        return r;
    *ret = target_new(&(struct target){.id = id.data,
                                       .source = c->name,
                                       .pool = c->pool,
                                       .url = whole.data,
                                       .interval_ns = asked.interval,
                                       .timeout_ns = asked.timeout,
                                       .max_samples = asked.sample_limit,
                                       .mode = (enum target_mode)asked.mode,
                                       .labels = labels.all,
                                       .labels_len = labels.len,
                                       .honor_labels = c->honor_labels,
                                       .honor_timestamps = c->honor_timestamps,
                                       .http = env->http});
    return OK;
}

/* Rules. */

struct for_rules {
    struct label all[OWN_MAX + 16];
    size_t len;
    struct buf scheme, address, path, interval, timeout;
};

static void add(struct for_rules *f, const char *name, const char *value)
{
    f->all[f->len++] = (struct label){name, value};
}

/* As Prometheus' rules see it: without scheme and path. */
static enum status add_url(struct for_rules *f, const char *url, struct err *err)
{
    size_t len = strnlen(url, SOURCE_URL_MAX + 1);
    enum status r = check_bytes((struct span){url, len}, err);
    if (r != OK || len > SOURCE_URL_MAX)
        return r != OK ? r : bad(err, "a URL that is too long");
    struct pieces p = take_apart(url);
    if (p.authority.len > 0 && memchr(p.authority.data, '@', p.authority.len))
        return bad(err, "credentials in the URL: they belong into http: of the source");
    if (buf_add(&f->address, p.authority.data, p.authority.len) != OK ||
        (p.scheme.data && buf_add(&f->scheme, p.scheme.data, p.scheme.len) != OK) ||
        buf_add(&f->path, p.path.data, p.path.len) != OK ||
        buf_cat(&f->path, p.path.len == 0 && p.query.len > 0 ? "/metrics" : "", NULL) != OK ||
        buf_add(&f->path, p.query.data, p.query.len) != OK)
        return bad(err, "a URL that is too long");
    add(f, "__address__", f->address.data);
    if (f->scheme.len > 0)
        add(f, "__scheme__", f->scheme.data);
    if (f->path.len > 0)
        add(f, "__metrics_path__", f->path.data);
    return OK;
}

/* What was found comes behind the defaults and so wins; a URL says more than labels do. */
static enum status run_rules(const struct source_env *env, const struct source_found *found,
                             struct for_rules *f, struct source_ruled *ruled, bool *ret_kept,
                             struct err *err)
{
    const struct source_common *c = env->common;
    struct source_asked plain;
    enum status r = source_ask(c, &(struct source_wish){.mode = NULL}, &plain, err);
    if (r != OK)
        return r;
    struct source_common shown = {.interval = plain.interval, .timeout = plain.timeout};
    (void)!setting_text(setting_find(source_settings, "interval"), &shown, &f->interval);
    (void)!setting_text(setting_find(source_settings, "timeout"), &shown, &f->timeout);
    add(f, "job", c->name);
    add(f, "__scheme__", "http");
    add(f, "__metrics_path__", "/metrics");
    add(f, "__scrape_interval__", f->interval.data);
    add(f, "__scrape_timeout__", f->timeout.data);
    for (size_t i = 0; i < found->len; i++)
        add(f, found->labels[i].name, found->labels[i].value);
    if (found->url)
        r = add_url(f, found->url, err);
    return r == OK ? source_rules_run(env, f->all, f->len, ruled, ret_kept, err) : r;
}

/* A timeout that nobody asked for follows the interval that somebody did. */
static bool asks_interval_only(const struct own *own, const struct for_rules *f)
{
    const char *interval = own_value(own, "__scrape_interval__");
    const char *timeout = own_value(own, "__scrape_timeout__");
    return interval && timeout && strcmp(interval, f->interval.data) != 0 &&
           strcmp(timeout, f->timeout.data) == 0;
}

/* What rules left, then names that stay empty: those found so, and job where a rule took it away. */
static struct own own_of_ruled(const struct source_ruled *ruled, const struct source_found *found,
                               const struct for_rules *f)
{
    struct label *all = mem_alloc((ruled->len + found->len + 1) * sizeof *all);
    struct own own = {all, ruled->len};
    memcpy(all, ruled->labels, ruled->len * sizeof *all);
    bool interval_only = asks_interval_only(&own, f);
    for (size_t i = 0; i < ruled->len && interval_only; i++)
        if (strcmp(all[i].name, "__scrape_timeout__") == 0)
            all[i].name = "__";
    for (size_t i = 0; i < found->len; i++)
        if (found->labels[i].value[0] == '\0' && strncmp(found->labels[i].name, "__", 2) != 0)
            all[own.len++] = found->labels[i];
    all[own.len++] = (struct label){"job", ""};
    return own;
}

static enum status make_ruled(const struct source_env *env, const struct source_found *found,
                              struct target **ret, struct err *err)
{
    AUTO(source_ruled) struct source_ruled ruled = {.len = 0};
    struct for_rules *f = mem_alloc(sizeof *f);
    struct buf *const bufs[] = {&f->scheme, &f->address, &f->path, &f->interval, &f->timeout};
    bool kept = false;
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        *bufs[i] = (struct buf)BUF_INIT(SOURCE_URL_MAX + 16);
    enum status r = run_rules(env, found, f, &ruled, &kept, err);
    if (r == OK && !kept) {
        *ret = NULL;
    } else if (r == OK) {
        struct own own = own_of_ruled(&ruled, found, f);
        r = make_target(env, &(struct source_found){.id = found->id}, &own, ret, err);
        mem_free((struct label *)own.all);
    }
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        buf_done(bufs[i]);
    mem_free(f);
    return r;
}

enum status source_found_target(const struct source_env *env, const struct source_found *found,
                                struct target **ret, struct err *err)
{
    struct err why = {OK, ""};
    if (found->len > OWN_MAX)
        return err_set(err, ERR_INVALID, "more than %d labels", TARGET_LABELS);
    struct own own = {found->labels, found->len};
    enum status r =
        env->relabel ? make_ruled(env, found, ret, &why) : make_target(env, found, &own, ret, &why);
    if (err && (r != OK || !*ret))
        *err = why;
    return r;
}

enum status source_target(const struct source_env *env, const char *url, const struct text_map *own,
                          struct target **ret, struct err *err)
{
    size_t n = own ? own->len : 0;
    if (n > OWN_MAX)
        return err_set(err, ERR_INVALID, "more than %d labels", TARGET_LABELS);
    struct label *labels = mem_alloc((n + 1) * sizeof *labels);
    for (size_t i = 0; i < n; i++)
        labels[i] = (struct label){own->items[i].name, own->items[i].value};
    enum status r = source_found_target(
        env, &(struct source_found){.url = url, .labels = labels, .len = n}, ret, err);
    mem_free(labels);
    return r;
}
