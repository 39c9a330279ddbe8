/* SPDX-License-Identifier: Apache-2.0 */
/* kube_config.c - files, contexts, clusters; a user's credentials but for exec. */
#include "kube_config.h"

#include "mem.h"
#include "secret.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdarg.h>

enum { NODES_MAX = 50000, DEPTH_MAX = 32, SHOWN = 90, NAME_SHOWN = 60 };

struct file {
    char *path;
    struct yaml *yaml;
};

struct kube_config {
    struct file files[KUBE_CONFIG_FILES];
    size_t len;
};

struct kube_config *kube_config_new(void)
{
    return mem_alloc(sizeof(struct kube_config));
}

void kube_config_free(struct kube_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->len; i++) {
        mem_free(c->files[i].path);
        yaml_free(c->files[i].yaml);
    }
    mem_free(c);
}

static const char *shown(const char *path)
{
    size_t len = strlen(path);
    return len > SHOWN ? path + len - SHOWN : path;
}

/* Names are any text; messages are one line. */
static void make_line(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

static enum status one_line(enum status s, struct err *err)
{
    if (s != OK && err)
        make_line(err->text);
    return s;
}

/* Things. */

enum status kube_thing_fault(struct kube_thing *t, const struct yaml_node *at, const char *fmt, ...)
{
    char what[160], name[NAME_SHOWN + 8] = "", place[32] = "";
    if (t->status != OK)
        return t->status;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (t->name)
        snprintf(name, sizeof name, " '%.*s'", NAME_SHOWN, t->name);
    if (at)
        snprintf(place, sizeof place, " %u:%u:", at->line, at->column);
    t->status =
        err_set(t->err, ERR_INVALID, "%s:%s %s%s: %s", shown(t->path), place, t->kind, name, what);
    return t->status;
}

static const struct yaml_node *value_of(const struct kube_thing *t, const char *key)
{
    const struct yaml_node *n = t->map ? yaml_get(t->map, key) : NULL;
    return n && yaml_is_null(n) ? NULL : n;
}

const char *kube_thing_text(struct kube_thing *t, const char *key)
{
    const struct yaml_node *n = value_of(t, key);
    if (n && n->type != YAML_T_SCALAR) {
        (void)kube_thing_fault(t, n, "%s is no text", key);
        return "";
    }
    return n ? n->text : "";
}

bool kube_thing_bool(struct kube_thing *t, const char *key)
{
    const char *text = kube_thing_text(t, key);
    if (text[0] && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        (void)kube_thing_fault(t, value_of(t, key), "%s is neither true nor false", key);
    return strcmp(text, "true") == 0;
}

static const struct yaml_node *of_type(struct kube_thing *t, const char *key, enum yaml_type type,
                                       const char *word)
{
    const struct yaml_node *n = value_of(t, key);
    if (!n || n->type == type)
        return n;
    (void)kube_thing_fault(t, n, "%s is no %s", key, word);
    return NULL;
}

const struct yaml_node *kube_thing_map(struct kube_thing *t, const char *key)
{
    return of_type(t, key, YAML_T_MAP, "map");
}

const struct yaml_node *kube_thing_list(struct kube_thing *t, const char *key)
{
    return of_type(t, key, YAML_T_LIST, "list");
}

static char *next_to(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || !slash)
        return mem_strdup(path);
    size_t folder = (size_t)(slash - file) + 1, len = strlen(path);
    char *whole = mem_alloc(folder + len + 1);
    memcpy(whole, file, folder);
    memcpy(whole + folder, path, len);
    return whole;
}

char *kube_thing_path(struct kube_thing *t, const char *key)
{
    const char *path = kube_thing_text(t, key);
    return path[0] ? next_to(t->path, path) : NULL;
}

/* Adding a file. */

static const char *const lists[] = {"clusters", "users", "contexts"};

static void check_list(struct kube_thing *t, const char *key)
{
    const struct yaml_node *list = kube_thing_list(t, key);
    for (size_t i = 0; list && i < list->len; i++) {
        const struct yaml_node *item = list->items[i];
        const struct yaml_node *name = item->type == YAML_T_MAP ? yaml_get(item, "name") : NULL;
        if (!name || name->type != YAML_T_SCALAR || yaml_is_null(name))
            (void)kube_thing_fault(t, item, "one of %s has no name", key);
    }
}

static enum status check_file(const char *path, const struct yaml_node *root, struct err *err)
{
    struct kube_thing t = {
        .path = path, .kind = "no kubeconfig", .map = root, .err = err, .status = OK};
    if (!root)
        return OK;
    if (root->type != YAML_T_MAP)
        return kube_thing_fault(&t, root, "is no map");
    const char *kind = kube_thing_text(&t, "kind");
    if (kind[0] && strcmp(kind, "Config") != 0)
        (void)kube_thing_fault(&t, value_of(&t, "kind"), "kind is '%.40s'", kind);
    (void)kube_thing_text(&t, "current-context");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        check_list(&t, lists[i]);
    return t.status;
}

enum status kube_config_add(struct kube_config *c, const char *path, struct span text,
                            struct err *err)
{
    static const struct yaml_limits limits = {
        .max_bytes = KUBE_CONFIG_MAX, .max_nodes = NODES_MAX, .max_depth = DEPTH_MAX};
    struct err why;
    struct yaml *y = NULL;
    if (c->len == KUBE_CONFIG_FILES)
        return err_set(err, ERR_LIMIT, "%s: more than %d kubeconfig files", shown(path),
                       KUBE_CONFIG_FILES);
    if (yaml_parse(&y, text, &limits, &why) != OK)
        return err_set(err, ERR_INVALID, "%s: %.130s", shown(path), why.text);
    enum status s = check_file(path, yaml_root(y), err);
    if (s != OK) {
        yaml_free(y);
        return one_line(s, err);
    }
    c->files[c->len++] = (struct file){mem_strdup(path), y};
    return OK;
}

/* Looking up. */

static const struct yaml_node *find_in(const struct yaml_node *root, const char *list,
                                       const char *name)
{
    const struct yaml_node *items = root ? yaml_get(root, list) : NULL;
    for (size_t i = 0; items && items->type == YAML_T_LIST && i < items->len; i++)
        if (strcmp(yaml_get(items->items[i], "name")->text, name) == 0)
            return items->items[i];
    return NULL;
}

/* The thing of that name; its map is the value of kind: "cluster" of one of clusters. */
static enum status find(const struct kube_config *c, const char *list, const char *kind,
                        const char *name, struct kube_thing *ret, struct err *err)
{
    for (size_t i = 0; i < c->len; i++) {
        const struct yaml_node *item = find_in(yaml_root(c->files[i].yaml), list, name);
        if (!item)
            continue;
        *ret = (struct kube_thing){
            .path = c->files[i].path, .kind = kind, .name = name, .map = item, .err = err};
        ret->map = kube_thing_map(ret, kind);
        return ret->status;
    }
    return err_set(err, ERR_INVALID, "%s%s: no %s '%.*s'", shown(c->files[0].path),
                   c->len > 1 ? " and others" : "", kind, NAME_SHOWN, name);
}

static const char *current_context(const struct kube_config *c)
{
    for (size_t i = 0; i < c->len; i++) {
        struct kube_thing t = {.kind = "", .map = yaml_root(c->files[i].yaml)};
        const char *name = kube_thing_text(&t, "current-context");
        if (name[0])
            return name;
    }
    return "";
}

/* Pieces of an access. */

static void move(char **to, char *text)
{
    if (!text)
        return;
    mem_free(*to);
    *to = text;
}

static char *decode(const char *text, size_t len)
{
    char *out = mem_alloc(len + 4);
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    int n = 0, rest = 0;
    if (!ctx)
        abort(); /* out of memory, as mem.h would say it */
    EVP_DecodeInit(ctx);
    bool good = EVP_DecodeUpdate(ctx, (unsigned char *)out, &n, (const unsigned char *)text,
                                 (int)len) >= 0 &&
                EVP_DecodeFinal(ctx, (unsigned char *)out + n, &rest) == 1;
    EVP_ENCODE_CTX_free(ctx);
    if (good && strlen(out) == (size_t)n + (size_t)rest && strstr(out, "-----BEGIN "))
        return out;
    explicit_bzero(out, len);
    mem_free(out);
    return NULL;
}

/* NULL: there is none. */
static char *text_data(struct kube_thing *t, const char *key)
{
    const char *text = kube_thing_text(t, key);
    char *pem = text[0] ? decode(text, strlen(text)) : NULL;
    if (text[0] && !pem)
        (void)kube_thing_fault(t, value_of(t, key), "%s is no base64 of a PEM text", key);
    return pem;
}

/* The file behind key as text. */
static char *text_file(struct kube_thing *t, const char *key)
{
    struct err why;
    AUTO(buf) struct buf text = BUF_INIT(2 * (size_t)KUBE_CONFIG_MAX);
    char *path = kube_thing_path(t, key), *out = NULL;
    enum status s = path ? kube_config_read(path, &text, &why) : OK;
    if (s != OK && t->status == OK)
        t->status = err_set(t->err, s, "%s '%.*s': %s: %.120s", t->kind, NAME_SHOWN, t->name, key,
                            why.text);
    else if (path)
        out = mem_strdup(text.data);
    explicit_bzero(text.data, text.len);
    mem_free(path);
    return out;
}

/* A file that is named must be there, so that a wrong path is told of at once. */
static void check_readable(struct kube_thing *t, const char *key)
{
    char *text = text_file(t, key);
    if (text)
        explicit_bzero(text, strlen(text));
    mem_free(text);
}

static void read_server(struct kube_thing *t, struct kube_access *a)
{
    const char *server = kube_thing_text(t, "server");
    char *part = NULL;
    CURLU *u = curl_url();
    bool scheme = strncmp(server, "https://", 8) == 0 || strncmp(server, "http://", 7) == 0;
    bool good = u && scheme && curl_url_set(u, CURLUPART_URL, server, 0) == CURLUE_OK;
    static const CURLUPart without[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                        CURLUPART_FRAGMENT};
    for (size_t i = 0; good && i < ARRAY_LEN(without); i++) {
        good = curl_url_get(u, without[i], &part, 0) != CURLUE_OK;
        curl_free(part);
        part = NULL;
    }
    curl_url_cleanup(u);
    if (server[0] == '\0')
        (void)kube_thing_fault(t, t->map, "has no server");
    else if (!good || strlen(server) > 1024)
        (void)kube_thing_fault(t, value_of(t, "server"), "server is no http:// or https:// URL");
    size_t len = strlen(server);
    while (len > 0 && server[len - 1] == '/')
        len--;
    move(&a->server, mem_strndup(server, len));
}

static void read_cluster(struct kube_thing *t, struct kube_access *a)
{
    struct tls_conf *tls = &a->http.tls;
    char trust[240];
    read_server(t, a);
    tls->verify = !kube_thing_bool(t, "insecure-skip-tls-verify");
    move(&tls->server_name, mem_strdup(kube_thing_text(t, "tls-server-name")));
    a->ca = text_data(t, "certificate-authority-data");
    if (!a->ca) {
        check_readable(t, "certificate-authority");
        move(&tls->ca, kube_thing_path(t, "certificate-authority"));
    }
    if (!tls->verify && (a->ca || tls->ca[0]))
        (void)kube_thing_fault(t, value_of(t, "insecure-skip-tls-verify"),
                               "insecure-skip-tls-verify beside certificate-authority");
    if (kube_thing_text(t, "proxy-url")[0])
        (void)kube_thing_fault(t, value_of(t, "proxy-url"), "proxy-url: proxies are not used");
    snprintf(trust, sizeof trust, "certificate-authority of cluster '%.*s' in %s", NAME_SHOWN,
             t->name, shown(t->path));
    make_line(trust);
    move(&a->trust, mem_strdup(trust));
}

/* Both as files, or both as text. */
static void read_certificate(struct kube_thing *t, struct kube_access *a)
{
    struct tls_conf *tls = &a->http.tls;
    a->cert = text_data(t, "client-certificate-data");
    a->key = text_data(t, "client-key-data");
    if (a->cert || a->key) {
        if (!a->cert)
            a->cert = text_file(t, "client-certificate");
        if (!a->key)
            a->key = text_file(t, "client-key");
    } else {
        move(&tls->cert, kube_thing_path(t, "client-certificate"));
        move(&tls->key, kube_thing_path(t, "client-key"));
        check_readable(t, "client-certificate");
        check_readable(t, "client-key");
    }
    if ((a->cert || tls->cert[0]) != (a->key || tls->key[0]))
        (void)kube_thing_fault(t, t->map, "client-certificate and client-key go together");
}

static void read_token(struct kube_thing *t, struct kube_access *a)
{
    const char *token = kube_thing_text(t, "token");
    char *path = kube_thing_path(t, "tokenFile");
    check_readable(t, "tokenFile");
    AUTO(buf) struct buf bearer = BUF_INIT(SECRET_MAX);
    if (buf_cat(&bearer, path ? "file:" : "", path ? path : token, NULL) != OK)
        (void)kube_thing_fault(t, t->map, "token is longer than %d bytes", SECRET_MAX);
    else if (!path && secret_path(token))
        (void)kube_thing_fault(t, value_of(t, "token"), "token is a path; did you mean tokenFile?");
    move(&a->http.bearer, mem_strdup(bearer.data));
    explicit_bzero(bearer.data, bearer.len);
    mem_free(path);
}

static void read_user(struct kube_thing *t, struct kube_access *a)
{
    static const char *const cannot[] = {"auth-provider", "as", "as-uid", "as-groups",
                                         "as-user-extra"};
    for (size_t i = 0; i < ARRAY_LEN(cannot); i++)
        if (value_of(t, cannot[i]))
            (void)kube_thing_fault(t, value_of(t, cannot[i]), "%s is not supported", cannot[i]);
    read_certificate(t, a);
    read_token(t, a);
    move(&a->http.user, mem_strdup(kube_thing_text(t, "username")));
    move(&a->http.password, mem_strdup(kube_thing_text(t, "password")));
    if (t->status == OK && value_of(t, "exec") && !a->http.bearer[0])
        kube_config_exec(t, a);
}

static enum status read_context(const struct kube_config *c, struct kube_thing *t,
                                struct kube_access *a, struct err *err)
{
    struct kube_thing cluster, user = {.status = OK};
    const char *cluster_name = kube_thing_text(t, "cluster"),
               *user_name = kube_thing_text(t, "user");
    move(&a->ns, mem_strdup(kube_thing_text(t, "namespace")));
    if (cluster_name[0] == '\0')
        (void)kube_thing_fault(t, t->map, "names no cluster");
    if (t->status != OK)
        return t->status;
    enum status s = find(c, "clusters", "cluster", cluster_name, &cluster, err);
    if (s == OK) {
        read_cluster(&cluster, a);
        s = cluster.status;
    }
    if (s == OK && user_name[0])
        s = find(c, "users", "user", user_name, &user, err);
    if (s == OK && user_name[0]) {
        read_user(&user, a);
        s = user.status;
    }
    return s == OK ? kube_access_seal(a, err) : s;
}

enum status kube_config_access(const struct kube_config *c, const char *context,
                               struct kube_access **ret, struct err *err)
{
    struct kube_thing t;
    if (!context[0])
        context = current_context(c);
    if (!context[0])
        return err_set(err, ERR_INVALID,
                       "%s%s: no current-context, and the setting context is empty",
                       shown(c->files[0].path), c->len > 1 ? " and others" : "");
    enum status s = find(c, "contexts", "context", context, &t, err);
    if (s != OK)
        return one_line(s, err);
    struct kube_access *a = kube_access_new();
    s = read_context(c, &t, a, err);
    if (s == OK)
        *ret = a;
    else
        kube_access_free(a);
    return one_line(s, err);
}
