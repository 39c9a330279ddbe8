/* SPDX-License-Identifier: Apache-2.0 */
/* kube_config_exec.c - the exec part of a user: arguments and environment of the plugin. */
#include "json_out.h"
#include "kube_config.h"
#include "mem.h"

#include <openssl/evp.h>
#include <unistd.h>

enum { INFO_MAX = 4 << 20 };

struct list {
    char **items;
    size_t len;
};

static void list_add(struct list *l, char *text)
{
    l->items = mem_realloc(l->items, (l->len + 2) * sizeof *l->items);
    l->items[l->len++] = text;
    l->items[l->len] = NULL;
}

/* A name without a / is looked for in $PATH, another one next to the file. */
static void read_argv(struct kube_thing *t, struct kube_exec *x)
{
    struct list argv = {.len = 0};
    const char *command = kube_thing_text(t, "command");
    const struct yaml_node *args = kube_thing_list(t, "args");
    if (command[0] == '\0')
        (void)kube_thing_fault(t, t->map, "exec has no command");
    list_add(&argv, strchr(command, '/') ? kube_thing_path(t, "command") : mem_strdup(command));
    for (size_t i = 0; args && i < args->len; i++) {
        if (args->items[i]->type != YAML_T_SCALAR)
            (void)kube_thing_fault(t, args->items[i], "one of args is no text");
        else
            list_add(&argv, mem_strdup(args->items[i]->text));
    }
    x->argv = argv.items;
}

static char *pair(const char *name, const char *value)
{
    size_t n = strlen(name), v = strlen(value);
    char *text = mem_alloc(n + v + 2);
    memcpy(text, name, n);
    text[n] = '=';
    memcpy(text + n + 1, value, v);
    return text;
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* A later one of a name replaces an earlier one. */
static void env_set(struct list *env, char *text)
{
    for (size_t i = 0; i < env->len; i++) {
        if (same_name(env->items[i], text)) {
            mem_free(env->items[i]);
            env->items[i] = text;
            return;
        }
    }
    list_add(env, text);
}

static void read_env(struct kube_thing *t, struct list *env)
{
    const struct yaml_node *list = kube_thing_list(t, "env");
    for (size_t i = 0; list && i < list->len; i++) {
        struct kube_thing item = *t;
        item.map = list->items[i];
        if (item.map->type != YAML_T_MAP) {
            (void)kube_thing_fault(t, item.map, "one of env is no map");
            return;
        }
        const char *name = kube_thing_text(&item, "name"), *value = kube_thing_text(&item, "value");
        if (name[0] == '\0' || strchr(name, '='))
            (void)kube_thing_fault(&item, item.map, "one of env has no good name");
        t->status = item.status;
        if (t->status != OK)
            return;
        env_set(env, pair(name, value));
    }
}

/* The authorities as the plugin gets them: base64 of PEM. */
static char *encode_ca(struct kube_thing *t, const struct kube_access *a)
{
    AUTO(buf) struct buf file = BUF_INIT(2 * (size_t)KUBE_CONFIG_MAX);
    struct err why;
    const char *pem = a->ca;
    if (!pem && a->http.tls.ca[0]) {
        if (kube_config_read(a->http.tls.ca, &file, &why) != OK)
            (void)kube_thing_fault(t, NULL, "certificate-authority: %.100s", why.text);
        pem = file.data;
    }
    if (!pem)
        return NULL;
    size_t len = strlen(pem);
    char *out = mem_alloc(len / 3 * 4 + 8);
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)pem, (int)len);
    return out;
}

static void add_cluster(struct json_out *j, struct kube_thing *t, const struct kube_access *a)
{
    char *ca = encode_ca(t, a);
    json_out_open(j, "cluster", '{');
    json_out_string(j, "server", a->server);
    if (a->http.tls.server_name[0])
        json_out_string(j, "tls-server-name", a->http.tls.server_name);
    if (!a->http.tls.verify)
        json_out_bool(j, "insecure-skip-tls-verify", true);
    if (ca)
        json_out_string(j, "certificate-authority-data", ca);
    json_out_close(j, '}');
    mem_free(ca);
}

static void add_info(struct kube_thing *t, const struct kube_access *a, struct list *env)
{
    AUTO(buf) struct buf text = BUF_INIT(INFO_MAX);
    struct json_out j = JSON_OUT(&text);
    json_out_open(&j, NULL, '{');
    json_out_string(&j, "apiVersion", a->exec->api_version);
    json_out_string(&j, "kind", "ExecCredential");
    json_out_open(&j, "spec", '{');
    if (kube_thing_bool(t, "provideClusterInfo"))
        add_cluster(&j, t, a);
    json_out_bool(&j, "interactive", false);
    json_out_close(&j, '}');
    json_out_close(&j, '}');
    env_set(env, pair("KUBERNETES_EXEC_INFO", text.data));
}

static void check_kind(struct kube_thing *t, const char *version)
{
    if (strcmp(version, "client.authentication.k8s.io/v1") != 0 &&
        strcmp(version, "client.authentication.k8s.io/v1beta1") != 0)
        (void)kube_thing_fault(t, t->map, "exec: apiVersion '%.60s' is not supported", version);
    if (strcmp(kube_thing_text(t, "interactiveMode"), "Always") == 0)
        (void)kube_thing_fault(t, t->map, "exec: interactiveMode is Always; nobody is there");
}

void kube_config_exec(struct kube_thing *user, struct kube_access *a)
{
    struct kube_thing t = *user;
    t.map = kube_thing_map(user, "exec");
    t.status = user->status;
    if (t.status != OK)
        return;
    a->exec = mem_alloc(sizeof *a->exec);
    a->exec->api_version = mem_strdup(kube_thing_text(&t, "apiVersion"));
    a->exec->hint = mem_strdup(kube_thing_text(&t, "installHint"));
    check_kind(&t, a->exec->api_version);
    read_argv(&t, a->exec);
    struct list env = {.len = 0};
    for (char **e = environ; e && *e; e++)
        list_add(&env, mem_strdup(*e));
    read_env(&t, &env);
    add_info(&t, a, &env);
    a->exec->envp = env.items;
    user->status = t.status;
}
