/* SPDX-License-Identifier: Apache-2.0 */
/* kube_access.c - the places to look at, in their order. */
#include "kube_access.h"

#include "hash.h"
#include "kube_config.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 4096, IDENTITY_MAX = 4 << 20 };

const struct setting kube_access_settings[] = {
    SETTING_STRING(kube_access_conf, kubeconfig, "", 0,
                   "file that says where the API server is; empty: $KUBECONFIG, the pod's service "
                   "account, ~/.kube/config, whatever is there first"),
    SETTING_STRING(kube_access_conf, context, "", 0,
                   "of the kubeconfig; empty: its current-context"),
    SETTING_STRING(kube_access_conf, service_account,
                   "/var/run/secrets/kubernetes.io/serviceaccount", 0,
                   "folder with the pod's token, ca.crt and namespace"),
    SETTING_END,
};

static void set(char **to, const char *text)
{
    mem_free(*to);
    *to = mem_strdup(text);
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    mem_free(text);
}

static void free_list(char **list)
{
    for (char **l = list; l && *l; l++)
        mem_free(*l);
    mem_free(list);
}

void kube_access_free(struct kube_access *a)
{
    if (!a)
        return;
    if (a->exec) {
        mem_free(a->exec->api_version);
        free_list(a->exec->argv);
        free_list(a->exec->envp);
        mem_free(a->exec->hint);
        mem_free(a->exec);
    }
    setting_done(http_settings, &a->http);
    mem_free(a->server);
    mem_free(a->ns);
    mem_free(a->ca);
    mem_free(a->cert);
    wipe(a->key);
    mem_free(a->trust);
    mem_free(a->identity);
    mem_free(a);
}

struct kube_access *kube_access_new(void)
{
    struct kube_access *a = mem_alloc(sizeof *a);
    setting_defaults(http_settings, &a->http);
    a->server = mem_strdup("");
    a->ns = mem_strdup("");
    a->trust = mem_strdup("");
    return a;
}

static struct span span_of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static size_t list_len(char **list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

enum status kube_access_seal(struct kube_access *a, struct err *err)
{
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    http_check(&a->http, &report);
    if (first.status != OK)
        return err_set(err, ERR_INVALID, "credentials of %.100s: %s", a->server, first.text);
    AUTO(buf) struct buf http = BUF_INIT(IDENTITY_MAX);
    if (setting_identity(http_settings, &a->http, &http) != OK)
        return err_set(err, ERR_LIMIT, "credentials of %.100s: too long", a->server);
    size_t args = a->exec ? list_len(a->exec->argv) : 0;
    size_t env = a->exec ? list_len(a->exec->envp) : 0, n = 0;
    struct span *pieces = mem_alloc((args + env + 6) * sizeof *pieces);
    const char *const texts[] = {a->ns, a->ca, a->cert, a->key};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        pieces[n++] = span_of(texts[i]);
    pieces[n++] = (struct span){http.data, http.len};
    for (size_t i = 0; i < args; i++)
        pieces[n++] = span_of(a->exec->argv[i]);
    for (size_t i = 0; i < env; i++)
        pieces[n++] = span_of(a->exec->envp[i]);
    uint64_t high, low;
    hash_pieces(pieces, n, &high, &low);
    mem_free(pieces);
    AUTO(buf) struct buf text = BUF_INIT(IDENTITY_MAX);
    if (buf_printf(&text, "%s %016" PRIx64 "%016" PRIx64, a->server, high, low) != OK)
        return err_set(err, ERR_LIMIT, "the URL of the API server is too long");
    set(&a->identity, text.data);
    return OK;
}

/* The end of a long path says more than its beginning. */
static const char *shown(const char *path)
{
    size_t len = strlen(path);
    return len > 100 ? path + len - 100 : path;
}

static enum status from_errno(struct err *err, const char *path, int why)
{
    bool denied = why == EACCES || why == EPERM;
    return err_set(err, denied ? ERR_DENIED : ERR_IO, "%s: %s", shown(path), strerror(why));
}

static enum status read_open(int fd, const char *path, struct buf *out, struct err *err)
{
    char chunk[16384];
    struct stat st;
    ssize_t n;
    if (fstat(fd, &st) != 0)
        return from_errno(err, path, errno);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s: is no regular file", shown(path));
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (buf_add(out, chunk, (size_t)n) != OK || out->len > KUBE_CONFIG_MAX)
            return err_set(err, ERR_INVALID, "%s: more than %u bytes", shown(path),
                           KUBE_CONFIG_MAX);
    return n == 0 ? OK : from_errno(err, path, errno);
}

enum status kube_config_read(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO does not hold us up */
    if (fd < 0)
        return from_errno(err, path, errno);
    enum status s = read_open(fd, path, out, err);
    close(fd);
    return s;
}

/* *ret_found: whether it is there at all; a file that need not be and is not is OK. */
static enum status add_file(struct kube_config *c, const char *path, bool optional, bool *ret_found,
                            struct err *err)
{
    struct stat st;
    AUTO(buf) struct buf text = BUF_INIT(2 * (size_t)KUBE_CONFIG_MAX);
    if (optional && stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return OK;
    enum status s = kube_config_read(path, &text, err);
    if (s == OK)
        s = kube_config_add(c, path, (struct span){text.data, text.len}, err);
    if (s == OK)
        *ret_found = true;
    explicit_bzero(text.data, text.len);
    return s;
}

/* The files of a list like $PATH; empty names and files that are not there are skipped. */
static enum status add_list(struct kube_config *c, const char *list, bool *ret_found,
                            struct err *err)
{
    enum status s = OK;
    for (const char *at = list; s == OK && *at;) {
        size_t len = strcspn(at, ":");
        char *path = mem_strndup(at, len);
        if (len > 0)
            s = add_file(c, path, true, ret_found, err);
        mem_free(path);
        at += len + (at[len] == ':');
    }
    return s;
}

static enum status add_home(struct kube_config *c, bool *ret_found, struct err *err)
{
    const char *home = getenv("HOME");
    AUTO(buf) struct buf path = BUF_INIT(PATH_MAX_BYTES);
    if (!home || !home[0] || buf_cat(&path, home, "/.kube/config", NULL) != OK)
        return OK;
    return add_file(c, path.data, true, ret_found, err);
}

static enum status join(struct buf *out, const char *folder, const char *name, struct err *err)
{
    if (buf_cat(out, folder, "/", name, NULL) != OK)
        return err_set(err, ERR_INVALID, "service_account: is too long for a path");
    return OK;
}

/* What stands in the first line of the file namespace. */
static void read_ns(struct kube_access *a, const char *path)
{
    AUTO(buf) struct buf text = BUF_INIT(2 * (size_t)KUBE_CONFIG_MAX);
    if (kube_config_read(path, &text, NULL) != OK)
        return;
    text.data[strcspn(text.data, " \t\r\n")] = '\0';
    if (strlen(text.data) <= 253)
        set(&a->ns, text.data);
}

static enum status fill_pod(struct kube_access *a, const char *folder, struct err *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    AUTO(buf)
    struct buf token = BUF_INIT(PATH_MAX_BYTES), ca = BUF_INIT(PATH_MAX_BYTES),
               ns = BUF_INIT(PATH_MAX_BYTES), server = BUF_INIT(PATH_MAX_BYTES);
    AUTO(buf) struct buf trust = BUF_INIT(PATH_MAX_BYTES + 16);
    enum status s = join(&token, folder, "token", err);
    s = s == OK ? join(&ca, folder, "ca.crt", err) : s;
    s = s == OK ? join(&ns, folder, "namespace", err) : s;
    if (s != OK)
        return s;
    if (access(token.data, R_OK) != 0)
        return from_errno(err, token.data, errno);
    if (access(ca.data, R_OK) != 0)
        return from_errno(err, ca.data, errno);
    bool v6 = strchr(host, ':') && host[0] != '[';
    if (buf_cat(&server, "https://", v6 ? "[" : "", host, v6 ? "]" : "", ":", port, NULL) != OK ||
        buf_cat(&trust, shown(ca.data), " (service_account)", NULL) != OK)
        return err_set(err, ERR_INVALID, "KUBERNETES_SERVICE_HOST: is too long");
    set(&a->server, server.data);
    set(&a->http.tls.ca, ca.data);
    set(&a->trust, trust.data);
    mem_free(a->http.bearer);
    a->http.bearer = mem_alloc(token.len + sizeof "file:");
    memcpy(a->http.bearer, "file:", 5);
    memcpy(a->http.bearer + 5, token.data, token.len);
    read_ns(a, ns.data);
    return kube_access_seal(a, err);
}

static bool has_text(const char *name)
{
    const char *text = getenv(name);
    return text && text[0];
}

static enum status find_pod(struct kube_access **ret, const char *folder, struct err *err)
{
    struct kube_access *a = kube_access_new();
    enum status s = fill_pod(a, folder, err);
    if (s == OK)
        *ret = a;
    else
        kube_access_free(a);
    return s;
}

/* Nothing was found: why is what a pod's folder said, if this is a pod. */
static enum status nowhere(const struct err *why, struct err *err)
{
    if (why->status != OK)
        return err_set(err, why->status,
                       "no service account: %.130s (is automountServiceAccountToken false?); no "
                       "$KUBECONFIG, no ~/.kube/config",
                       why->text);
    return err_set(err, ERR_IO,
                   "no access to Kubernetes: no setting kubeconfig, no file of $KUBECONFIG, not in "
                   "a pod (no KUBERNETES_SERVICE_HOST and _PORT), no ~/.kube/config");
}

enum status kube_access_find(struct kube_access **ret, const struct kube_access_conf *conf,
                             struct err *err)
{
    struct kube_config *c = kube_config_new();
    struct err why = {.status = OK};
    struct kube_access *pod = NULL;
    bool found = false;
    enum status s = OK;
    if (conf->kubeconfig[0]) {
        s = add_file(c, conf->kubeconfig, false, &found, err);
    } else {
        if (has_text("KUBECONFIG"))
            s = add_list(c, getenv("KUBECONFIG"), &found, err);
        if (s == OK && !found && has_text("KUBERNETES_SERVICE_HOST") &&
            has_text("KUBERNETES_SERVICE_PORT"))
            (void)!find_pod(&pod, conf->service_account, &why);
        if (s == OK && !found && !pod)
            s = add_home(c, &found, err);
    }
    if (s == OK && pod)
        *ret = pod;
    else if (s == OK)
        s = found ? kube_config_access(c, conf->context, ret, err) : nowhere(&why, err);
    kube_config_free(c);
    return s;
}
