/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_access.h"
#include "kube_config.h"
#include "mem.h"
#include "test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

/* base64 of "-----BEGIN CERTIFICATE-----\nca\n", of the same with "cert", with "key". */
#define CA_DATA   "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmNhCg=="
#define CERT_DATA "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmNlcnQK"
#define KEY_DATA  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmtleQo="
#define PEM(text) "-----BEGIN CERTIFICATE-----\n" text "\n"

static char folder[64];

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void leave(void)
{
    nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
}

/* An empty folder, and an environment that says nothing. */
static void enter(void)
{
    if (folder[0])
        leave();
    else
        atexit(leave);
    snprintf(folder, sizeof folder, "/tmp/test_kube_access.XXXXXX");
    CHECK(mkdtemp(folder));
    CHECK_INT(chdir(folder), 0);
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    setenv("HOME", folder, 1);
}

/* The path of name in the folder; a few of them live at once. */
static const char *in(const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in(name), "w");
    CHECK(f);
    CHECK_INT(fwrite(text, 1, strlen(text), f), strlen(text));
    CHECK_INT(fclose(f), 0);
}

static struct err err;

static enum status find(struct kube_access **ret, const char *kubeconfig, const char *context)
{
    struct kube_access_conf c = {.kubeconfig = mem_strdup(kubeconfig),
                                 .context = mem_strdup(context),
                                 .service_account = mem_strdup(in("account"))};
    err = (struct err){.text = ""};
    *ret = NULL;
    enum status s = kube_access_find(ret, &c, &err);
    setting_done(kube_access_settings, &c);
    CHECK((s == OK) == (*ret != NULL) && (s == OK) == (err.text[0] == '\0'));
    return s;
}

static struct kube_access *found(const char *kubeconfig, const char *context)
{
    struct kube_access *a;
    enum status s = find(&a, kubeconfig, context);
    if (s != OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return a;
}

/* A kubeconfig of one context, with what is said of its cluster and its user. */
static void put_config(const char *name, const char *cluster, const char *user)
{
    char text[8192];
    snprintf(text, sizeof text,
             "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
             "contexts: [{name: c, context: {cluster: one, user: me, namespace: shop}}]\n"
             "clusters:\n- name: one\n  cluster: {%s}\n"
             "users:\n- name: me\n  user: {%s}\n",
             cluster, user);
    put(name, text);
}

static struct kube_access *of(const char *cluster, const char *user)
{
    put_config("config", cluster, user);
    return found(in("config"), "");
}

static void put_account(void)
{
    CHECK_INT(mkdir(in("account"), 0700), 0);
    put("account/token", "t1\n");
    put("account/ca.crt", PEM("ca"));
    put("account/namespace", "shop\n");
    setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
}

TEST(a_pod_has_its_service_account)
{
    enter();
    put_account();
    struct kube_access *a = found("", "");
    char bearer[256];
    snprintf(bearer, sizeof bearer, "file:%s", in("account/token"));
    CHECK_STR(a->server, "https://10.0.0.1:443");
    CHECK_STR(a->ns, "shop");
    CHECK_STR(a->http.bearer, bearer);
    CHECK_STR(a->http.tls.ca, in("account/ca.crt"));
    CHECK(a->http.tls.verify && !a->exec && !a->ca);
    CHECK_STR(a->http.proxy, "");
    CHECK(strstr(a->trust, "account/ca.crt"));
    kube_access_free(a);
}

TEST(a_service_of_ipv6_gets_brackets)
{
    enter();
    put_account();
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    struct kube_access *a = found("", "");
    CHECK_STR(a->server, "https://[fd00::1]:443");
    kube_access_free(a);
}

TEST(a_pod_without_a_token_is_told_why)
{
    enter();
    put_account();
    CHECK_INT(unlink(in("account/token")), 0);
    struct kube_access *a;
    CHECK_INT(find(&a, "", ""), ERR_IO);
    CHECK(strstr(err.text, "account/token: No such file"));
    CHECK(strstr(err.text, "automountServiceAccountToken"));
}

TEST(nothing_at_all_says_where_was_looked)
{
    enter();
    struct kube_access *a;
    CHECK_INT(find(&a, "", ""), ERR_IO);
    CHECK(strstr(err.text, "KUBECONFIG") && strstr(err.text, "~/.kube/config"));
}

TEST(what_comes_first_is_taken)
{
    enter();
    CHECK_INT(mkdir(in(".kube"), 0700), 0);
    put_config(".kube/config", "server: 'https://home'", "");
    put_config("env", "server: 'https://env'", "");
    put_config("set", "server: 'https://set'", "");
    struct kube_access *a = found("", "");
    CHECK_STR(a->server, "https://home");
    kube_access_free(a);
    put_account();
    a = found("", "");
    CHECK_STR(a->server, "https://10.0.0.1:443");
    kube_access_free(a);
    setenv("KUBECONFIG", "missing::also/missing", 1); /* none of them is there */
    a = found("", "");
    CHECK_STR(a->server, "https://10.0.0.1:443");
    kube_access_free(a);
    setenv("KUBECONFIG", "missing:env", 1);
    a = found("", "");
    CHECK_STR(a->server, "https://env");
    kube_access_free(a);
    a = found("set", "");
    CHECK_STR(a->server, "https://set");
    kube_access_free(a);
    CHECK_INT(find(&a, "missing", ""), ERR_IO);
    CHECK_STR(err.text, "missing: No such file or directory");
}

TEST(files_are_merged_and_the_first_that_names_a_thing_wins)
{
    enter();
    put("a", "clusters: [{name: one, cluster: {server: 'https://a'}}]\n"
             "users: [{name: me, user: {token: a}}]\n");
    put("b", "current-context: c\n"
             "clusters: [{name: one, cluster: {server: 'https://b', tls-server-name: b}}]\n"
             "contexts: [{name: c, context: {cluster: one, user: me}},\n"
             "           {name: d, context: {cluster: two, user: you}}]\n");
    put("c", "current-context: d\n"
             "clusters: [{name: two, cluster: {server: 'https://c/'}}]\n"
             "users: [{name: you, user: {token: c}}, {name: me, user: {token: x}}]\n");
    setenv("KUBECONFIG", "a:b::c", 1);
    struct kube_access *a = found("", "");
    CHECK_STR(a->server, "https://a");
    CHECK_STR(a->http.bearer, "a");
    CHECK_STR(a->http.tls.server_name, "");
    CHECK_STR(a->ns, "");
    kube_access_free(a);
    a = found("", "d");
    CHECK_STR(a->server, "https://c");
    CHECK_STR(a->http.bearer, "c");
    kube_access_free(a);
}

TEST(certificates_stand_in_files_next_to_their_kubeconfig)
{
    enter();
    CHECK_INT(mkdir(in("d"), 0700), 0);
    put("d/ca.pem", PEM("ca"));
    put("d/cert.pem", PEM("cert"));
    put("key.pem", PEM("key"));
    char user[300];
    snprintf(user, sizeof user, "client-certificate: cert.pem, client-key: %s", in("key.pem"));
    put_config("d/config", "server: 'https://h:6443/k8s/', certificate-authority: ca.pem", user);
    struct kube_access *a = found(in("d/config"), "");
    CHECK_STR(a->server, "https://h:6443/k8s");
    CHECK_STR(a->ns, "shop");
    CHECK_STR(a->http.tls.ca, in("d/ca.pem"));
    CHECK_STR(a->http.tls.cert, in("d/cert.pem"));
    CHECK_STR(a->http.tls.key, in("key.pem"));
    CHECK(strstr(a->trust, "certificate-authority of cluster 'one' in /tmp/"));
    kube_access_free(a);
}

TEST(certificates_stand_in_the_kubeconfig_itself)
{
    enter();
    put("key.pem", PEM("file"));
    struct kube_access *a = of("server: 'https://h', certificate-authority-data: " CA_DATA
                               ", certificate-authority: missing, tls-server-name: kube",
                               "client-certificate-data: " CERT_DATA ", client-key-data: " KEY_DATA
                               ", client-key: missing");
    CHECK_STR(a->ca, PEM("ca"));
    CHECK_STR(a->cert, PEM("cert"));
    CHECK_STR(a->key, PEM("key"));
    CHECK_STR(a->http.tls.ca, "");
    CHECK_STR(a->http.tls.cert, "");
    CHECK_STR(a->http.tls.server_name, "kube");
    kube_access_free(a);
    a = of("server: 'https://h'", "client-certificate-data: " CERT_DATA ", client-key: key.pem");
    CHECK_STR(a->cert, PEM("cert"));
    CHECK_STR(a->key, PEM("file"));
    kube_access_free(a);
}

TEST(tokens_and_passwords_are_taken)
{
    enter();
    put("token", "x");
    struct kube_access *a = of("server: 'http://h'", "token: abc");
    CHECK_STR(a->http.bearer, "abc");
    kube_access_free(a);
    char bearer[256];
    snprintf(bearer, sizeof bearer, "file:%s", in("token"));
    a = of("server: 'http://h'", "token: abc, tokenFile: token, exec: {command: never}");
    CHECK_STR(a->http.bearer, bearer);
    CHECK(!a->exec);
    kube_access_free(a);
    a = of("server: 'https://h', insecure-skip-tls-verify: true", "username: u, password: '12'");
    CHECK_STR(a->http.user, "u");
    CHECK_STR(a->http.password, "12");
    CHECK(!a->http.tls.verify);
    kube_access_free(a);
    a = of("server: 'https://h'", "");
    CHECK(a->http.tls.verify && !a->http.bearer[0] && !a->http.user[0]);
    kube_access_free(a);
}

static const char *env_of(const struct kube_exec *x, const char *name)
{
    const char *value = NULL;
    size_t n = strlen(name);
    for (char **e = x->envp; *e; e++) {
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') {
            CHECK(!value); /* once only */
            value = *e + n + 1;
        }
    }
    return value;
}

TEST(an_exec_plugin_gets_its_arguments_and_environment)
{
    enter();
    setenv("STRATA_KEPT", "kept", 1);
    setenv("STRATA_REPLACED", "old", 1);
    setenv("KUBERNETES_EXEC_INFO", "{}", 1);
    struct kube_access *a =
        of("server: 'https://h', certificate-authority-data: " CA_DATA,
           "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login,"
           " args: [get, 'a b', ~], installHint: install it, provideClusterInfo: true,"
           " interactiveMode: IfAvailable,"
           " env: [{name: STRATA_REPLACED, value: new}, {name: STRATA_ADDED, value: ''}]}");
    struct kube_exec *x = a->exec;
    CHECK(x);
    CHECK_STR(x->api_version, "client.authentication.k8s.io/v1");
    CHECK_STR(x->argv[0], in("./bin/login"));
    CHECK_STR(x->argv[1], "get");
    CHECK_STR(x->argv[2], "a b");
    CHECK_STR(x->hint, "install it");
    CHECK_STR(env_of(x, "STRATA_KEPT"), "kept");
    CHECK_STR(env_of(x, "STRATA_REPLACED"), "new");
    CHECK_STR(env_of(x, "STRATA_ADDED"), "");
    CHECK_STR(env_of(x, "KUBERNETES_EXEC_INFO"),
              "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
              "\"spec\":{\"cluster\":{\"server\":\"https://h\","
              "\"certificate-authority-data\":\"" CA_DATA "\"},\"interactive\":false}}");
    kube_access_free(a);
    unsetenv("KUBERNETES_EXEC_INFO");
    a = of("server: 'https://h'",
           "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: login}");
    CHECK_STR(a->exec->argv[0], "login"); /* of $PATH */
    CHECK(!a->exec->argv[1]);
    CHECK_STR(env_of(a->exec, "KUBERNETES_EXEC_INFO"),
              "{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\","
              "\"kind\":\"ExecCredential\",\"spec\":{\"interactive\":false}}");
    kube_access_free(a);
}

#define SERVER "server: 'https://h'"
#define EXEC   "apiVersion: client.authentication.k8s.io/v1"

TEST(what_cannot_be_done_is_named)
{
    enter();
    static const struct {
        const char *cluster, *user, *want;
    } cases[] = {
        {"", "", "7:12: cluster 'one': has no server"},
        {"server: h:6443", "", "cluster 'one': server is no http:// or https:// URL"},
        {"server: 'ftp://h'", "", "cluster 'one': server is no http:// or https:// URL"},
        {"server: 'https://u:p@h'", "", "cluster 'one': server is no http:// or https:// URL"},
        {"server: 'https://h?a=b'", "", "cluster 'one': server is no http:// or https:// URL"},
        {"server: 'https://h h'", "", "cluster 'one': server is no http:// or https:// URL"},
        {"server: [a]", "", "cluster 'one': server is no text"},
        {SERVER ", proxy-url: 'http://p'", "", "cluster 'one': proxy-url: proxies are not used"},
        {SERVER ", insecure-skip-tls-verify: yes", "",
         "insecure-skip-tls-verify is neither true nor false"},
        {SERVER ", insecure-skip-tls-verify: true, certificate-authority-data: " CA_DATA, "",
         "insecure-skip-tls-verify beside certificate-authority"},
        {SERVER ", certificate-authority-data: '!'", "",
         "cluster 'one': certificate-authority-data is no base64 of a PEM text"},
        {SERVER ", certificate-authority-data: YWJj", "",
         "cluster 'one': certificate-authority-data is no base64 of a PEM text"},
        {SERVER ", certificate-authority: missing", "", "cluster 'one': certificate-authority: "},
        {SERVER, "auth-provider: {name: gcp}", "user 'me': auth-provider is not supported"},
        {SERVER, "as: boss", "user 'me': as is not supported"},
        {SERVER, "as-groups: [a]", "user 'me': as-groups is not supported"},
        {SERVER, "token: a, username: b", "user and bearer exclude each other"},
        {SERVER, "token: \"a\\nb\"", "bearer has a line break"},
        {SERVER, "token: 'file:/etc/passwd'", "did you mean tokenFile?"},
        {SERVER, "tokenFile: missing", "user 'me': tokenFile: "},
        {SERVER, "tokenFile: .", "is no regular file"},
        {SERVER, "client-certificate-data: " CERT_DATA,
         "user 'me': client-certificate and client-key go together"},
        {SERVER, "client-key-data: x", "user 'me': client-key-data is no base64 of a PEM text"},
        {SERVER, "exec: [x]", "user 'me': exec is no map"},
        {SERVER, "exec: {command: x}", "exec: apiVersion '' is not supported"},
        {SERVER, "exec: {" EXEC "alpha1, command: x}", "is not supported"},
        {SERVER, "exec: {" EXEC "}", "exec has no command"},
        {SERVER, "exec: {" EXEC ", command: x, args: a}", "args is no list"},
        {SERVER, "exec: {" EXEC ", command: x, args: [[a]]}", "one of args is no text"},
        {SERVER, "exec: {" EXEC ", command: x, env: [a]}", "one of env is no map"},
        {SERVER, "exec: {" EXEC ", command: x, env: [{name: a=b}]}", "no good name"},
        {SERVER, "exec: {" EXEC ", command: x, interactiveMode: Always}", "nobody is there"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kube_access *a;
        put_config("config", cases[i].cluster, cases[i].user);
        enum status s = find(&a, "config", "");
        if (s == OK || !strstr(err.text, cases[i].want))
            test_fail(__FILE__, __LINE__, "'%s' says '%s', want '%s'", cases[i].user, err.text,
                      cases[i].want);
        CHECK_INT(s, strstr(err.text, "No such file") ? ERR_IO : ERR_INVALID);
    }
}

TEST(junk_is_refused_with_its_place)
{
    enter();
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "config: no current-context, and the setting context is empty"},
        {"[]", "config: 1:1: no kubeconfig: is no map"},
        {"kind: Pod", "config: 1:7: no kubeconfig: kind is 'Pod'"},
        {"a: [", "config: "},
        {"\xff\xfe\x01", "config: "},
        {"clusters: {}", "config: 1:11: no kubeconfig: clusters is no list"},
        {"users: [a]", "config: 1:9: no kubeconfig: one of users has no name"},
        {"contexts: [{name: [a]}]", "config: 1:12: no kubeconfig: one of contexts has no name"},
        {"current-context: {}", "config: 1:18: no kubeconfig: current-context is no text"},
        {"current-context: c", "config: no context 'c'"},
        {"current-context: \"c\\nd\"", "config: no context 'c d'"},
        {"current-context: c\ncontexts: [{name: c}]", "context 'c': names no cluster"},
        {"current-context: c\ncontexts: [{name: c, context: {cluster: x}}]",
         "config: no cluster 'x'"},
        {"current-context: c\ncontexts: [{name: c, context: {cluster: x, user: u}}]\n"
         "clusters: [{name: x, cluster: {" SERVER "}}]",
         "config: no user 'u'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kube_access *a;
        put("config", cases[i].text);
        CHECK_INT(find(&a, "config", ""), ERR_INVALID);
        if (!strstr(err.text, cases[i].want))
            test_fail(__FILE__, __LINE__, "'%s', want '%s'", err.text, cases[i].want);
    }
}

TEST(an_alias_bomb_is_an_error_and_no_memory)
{
    enter();
    char text[4096] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    size_t len = strlen(text);
    for (int i = 1; i < 12; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                                i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    put("config", text);
    struct kube_access *a;
    CHECK_INT(find(&a, "config", ""), ERR_INVALID);
    CHECK(strstr(err.text, "config: "));
}

TEST(a_file_above_one_mebibyte_is_refused)
{
    enter();
    char *text = mem_alloc(KUBE_CONFIG_MAX + 2);
    memset(text, '#', KUBE_CONFIG_MAX + 1);
    put("config", text);
    struct kube_access *a;
    CHECK_INT(find(&a, "config", ""), ERR_INVALID);
    CHECK_STR(err.text, "config: more than 1048576 bytes");
    text[KUBE_CONFIG_MAX] = '\0';
    put("config", text);
    CHECK_INT(find(&a, "config", ""), ERR_INVALID);
    CHECK(strstr(err.text, "no current-context")); /* it was read */
    mem_free(text);
}

TEST(a_fifo_does_not_hold_us_up)
{
    enter();
    CHECK_INT(mkfifo(in("fifo"), 0600), 0);
    struct kube_access *a;
    CHECK_INT(find(&a, "fifo", ""), ERR_INVALID);
    CHECK_STR(err.text, "fifo: is no regular file");
}

TEST(equal_accesses_have_equal_identities_without_secrets)
{
    enter();
    struct kube_access *a = of(SERVER, "token: s3cret"), *b = of(SERVER, "token: s3cret");
    struct kube_access *c = of(SERVER, "token: another");
    struct kube_access *d = of(SERVER ", certificate-authority-data: " CA_DATA, "token: s3cret");
    CHECK_STR(a->identity, b->identity);
    CHECK(strcmp(a->identity, c->identity) != 0);
    CHECK(strcmp(a->identity, d->identity) != 0);
    CHECK(!strstr(a->identity, "s3cret"));
    kube_access_free(a);
    kube_access_free(b);
    kube_access_free(c);
    kube_access_free(d);
    kube_access_free(NULL);
}

TEST(the_settings_have_their_defaults)
{
    struct kube_access_conf c = {.kubeconfig = NULL};
    setting_defaults(kube_access_settings, &c);
    CHECK_STR(c.kubeconfig, "");
    CHECK_STR(c.context, "");
    CHECK_STR(c.service_account, "/var/run/secrets/kubernetes.io/serviceaccount");
    setting_done(kube_access_settings, &c);
}
