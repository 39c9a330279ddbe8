/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_kubeconfig.c - any text is an access or refused with a reason, never worse. */
#include "kube_config.h"
#include "mem.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"current-context: c\n",
                                  "kind: Config\n",
                                  "contexts: [{name: c, context: {cluster: k, user: u}}]\n",
                                  "clusters:\n- name: k\n  cluster:\n",
                                  "clusters: [{name: k, cluster: {server: 'https://h'}}]\n",
                                  "users:\n- name: u\n  user:\n",
                                  "users: []\n",
                                  "    server: https://h:6443\n",
                                  "    server: \"http://[::1]/x/\"\n",
                                  "    certificate-authority-data: LS0tLS1CRUdJTiA=\n",
                                  "    certificate-authority-data: ",
                                  "    certificate-authority: a.pem\n",
                                  "    insecure-skip-tls-verify: true\n",
                                  "    tls-server-name: x\n",
                                  "    proxy-url: http://p\n",
                                  "    token: t\n",
                                  "    tokenFile: t\n",
                                  "    username: n\n",
                                  "    password: p\n",
                                  "    client-certificate-data: LS0tLS1CRUdJTiA=\n",
                                  "    client-key-data: LS0tLS1CRUdJTiA=\n",
                                  "    as: x\n",
                                  "    exec:\n",
                                  "      apiVersion: client.authentication.k8s.io/v1\n",
                                  "      command: ./x\n",
                                  "      command: x\n",
                                  "      args: [a, b]\n",
                                  "      env: [{name: A, value: b}]\n",
                                  "      provideClusterInfo: true\n",
                                  "&a ",
                                  "*a",
                                  "[",
                                  "]",
                                  "{",
                                  "}",
                                  "- ",
                                  "\n",
                                  "'",
                                  "\"",
                                  "~",
                                  "\xff",
                                  NULL};

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_access(const struct kube_access *a)
{
    size_t len = strlen(a->server);
    check(strncmp(a->server, "http", 4) == 0 && a->server[len - 1] != '/');
    check(a->ns && a->trust && a->identity && a->http.proxy[0] == '\0');
    check(!a->cert == !a->key);
    check(!a->exec || (a->exec->argv[0] && a->exec->envp && a->exec->api_version[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char second[] =
        "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: 'https://h'}}]\n";
    struct err err = {.text = ""};
    struct kube_access *a = NULL;
    struct kube_config *c = kube_config_new();
    struct span text = {(const char *)data, size};
    enum status s = kube_config_add(c, "/nowhere/config", text, &err);
    if (s == OK && size % 2)
        s = kube_config_add(c, "/nowhere/other", (struct span){second, strlen(second)}, &err);
    if (s == OK)
        s = kube_config_access(c, "", &a, &err);
    check((s == OK) == (err.text[0] == '\0') && (s == OK) == (a != NULL));
    for (const char *p = err.text; *p; p++)
        check((unsigned char)*p >= ' ');
    if (a)
        check_access(a);
    kube_access_free(a);
    kube_config_free(c);
    return 0;
}
