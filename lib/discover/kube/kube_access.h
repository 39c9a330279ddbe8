/* SPDX-License-Identifier: Apache-2.0 */
/* kube_access.h - where the Kubernetes API server is, and who we are to it.
 *
 * Found, in this order: the setting kubeconfig; the environment's KUBECONFIG (a list of files:
 * merged as kubectl does, the first that names a thing wins); within a pod the service account's
 * folder with KUBERNETES_SERVICE_HOST and _PORT; ~/.kube/config.
 *
 * A token that lies in a file is read anew as it rotates (secret.h), certificates in files when a
 * connection is made.  What stands in the kubeconfig itself (certificate-authority-data, ...) is kept
 * as text.  An exec credential plugin is described here and run by kube_client.c.  */
#ifndef KUBE_ACCESS_H
#define KUBE_ACCESS_H

#include "http.h"

struct kube_access_conf {
    char *kubeconfig;      /* "": as said above */
    char *context;         /* "": the current one */
    char *service_account; /* folder with token, ca.crt and namespace */
};
extern const struct setting kube_access_settings[]; /* of struct kube_access_conf */

/* client.authentication.k8s.io/v1 and v1beta1. */
struct kube_exec {
    char *api_version;
    char **argv; /* ended by NULL */
    /* Of the process, with those of the plugin and KUBERNETES_EXEC_INFO; ended by NULL. */
    char **envp;
    char *hint; /* what to do when there is no such program; "" */
};

struct kube_access {
    char *server;          /* https://host:port, perhaps with a path, without a / at its end */
    char *ns;              /* of the pod, or of the context; "": not known */
    struct http_conf http; /* credentials and TLS; proxies off */
    char *ca, *cert, *key; /* PEM as text, instead of the files of http.tls; NULL: none */
    char *trust;           /* where the authorities are set, for who reads that there is no trust */
    struct kube_exec *exec; /* NULL: none */
    char *identity;         /* two accesses of equal identity are the same; holds no secret */
};

/* Reads small files, which the discovery thread may, and connects to nothing.  A user's static
 * token goes before an exec plugin, as with kubectl; a tokenFile before a token, text before a file.
 *   ERR_INVALID   a file that is no kubeconfig (more than 1 MiB, bad YAML or base64), a context, cluster or
 *                 user that it does not have, what we cannot do (auth-provider, a proxy-url, impersonation):
 *                 *err names the file and the thing
 *   ERR_IO, ERR_DENIED   a file that is named cannot be read; or there is no access at all: *err
 *                 says where was looked */
enum status kube_access_find(struct kube_access **ret, const struct kube_access_conf *conf,
                             struct err *err) NODISCARD;
void kube_access_free(struct kube_access *a); /* NULL is fine */

#endif
