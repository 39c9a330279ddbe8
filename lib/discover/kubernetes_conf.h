/* SPDX-License-Identifier: Apache-2.0 */
/* kubernetes_conf.h - what can be configured of the source kubernetes. */
#ifndef KUBERNETES_CONF_H
#define KUBERNETES_CONF_H

#include "kube_access.h"
#include "setting.h"

enum kubernetes_role { ROLE_POD, ROLE_ENDPOINTS, ROLE_SERVICE };

struct kubernetes_expression {
    char *key;
    unsigned operator; /* In, NotIn, Exists, DoesNotExist */
    struct text_list values;
};

struct kubernetes_selector {
    struct text_map match_labels;
    struct group_list match_expressions; /* of struct kubernetes_expression */
};

struct kubernetes_lease {
    char *ns, *name;
    int64_t duration;
};

struct kubernetes_conf {
    unsigned role;
    char *prefix;
    unsigned annotations; /* enum kube_annotations */
    char *node;
    struct text_list namespaces;
    struct kubernetes_selector selector;
    struct text_map labels, annotation_labels;
    struct kubernetes_lease lease;
    struct kube_access_conf api;
};

extern const struct setting kubernetes_settings[];

/* All that is wrong with it. */
void kubernetes_check(const struct kubernetes_conf *c, const struct setting_report *report);

/* The selector as the API's labelSelector has it: "app=web,tier in (a,b),!canary"; "" when nothing is
 * selected.  ERR_LIMIT: longer than out's bound. */
enum status kubernetes_selector_text(const struct kubernetes_selector *s,
                                     struct buf *out) NODISCARD;

#endif
