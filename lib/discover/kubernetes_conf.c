/* SPDX-License-Identifier: Apache-2.0 */
#include "kubernetes_conf.h"

#include "clock.h"
#include "kube_found.h"

#include <ctype.h>

enum { NAMESPACES_MAX = 100 };
enum operator{ OPERATOR_IN, OPERATOR_NOT_IN, OPERATOR_EXISTS, OPERATOR_NOT_EXISTS };

static const char *const roles[] = {"pod", "endpoints", "service", NULL};
static const char *const annotations[] = {"required", "optional", NULL};
static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist", NULL};

static const struct setting expression_settings[] = {
    SETTING_STRING(kubernetes_expression, key, NULL, SETTING_REQUIRED, "name of a label"),
    SETTING_CHOICE(kubernetes_expression, operator, "In", operators,
                   "In and NotIn compare with values, the others ask whether the label is there"),
    SETTING_LIST(kubernetes_expression, values, 0, "of In and NotIn"),
    SETTING_END,
};

static const struct setting selector_settings[] = {
    SETTING_MAP_AS(kubernetes_selector, match_labels, "matchLabels", 0,
                   "labels that the object has, with their values"),
    SETTING_GROUPS_AS(kubernetes_selector, match_expressions, "matchExpressions",
                      expression_settings, kubernetes_expression,
                      "conditions, all of which must hold"),
    SETTING_END,
};

static const struct setting lease_settings[] = {
    {SETTING_NAMED(kubernetes_lease, ns, char *, SETTING_T_STRING, "namespace", "",
                   "where the lease is; empty: the agent's own")},
    SETTING_STRING(kubernetes_lease, name, "strata-services", 0,
                   "name of the lease; sources of the same lease divide nothing: one agent has "
                   "them all"),
    SETTING_DURATION(kubernetes_lease, duration, "12s", 3 * SEC_NS, 600 * SEC_NS,
                     "after so long without a word from its holder another agent takes it"),
    SETTING_END,
};

const struct setting kubernetes_settings[] = {
    SETTING_CHOICE(kubernetes_conf, role, "pod", roles,
                   "pod: each pod; endpoints: what is behind services; service: the cluster IP of "
                   "services, once, by the agent that holds a lease"),
    SETTING_STRING(kubernetes_conf, prefix, "prometheus.io", 0,
                   "of the annotations: PREFIX/scrape, port, path, scheme, interval, timeout, "
                   "sample-limit, mode"),
    SETTING_CHOICE(kubernetes_conf, annotations, "required", annotations,
                   "required: only what has PREFIX/scrape: \"true\"; optional: each declared TCP "
                   "port of what has no PREFIX/scrape: \"false\""),
    SETTING_STRING(
        kubernetes_conf, node, "", 0,
        "only pods of this node, ${NODE_NAME} as a rule; the API server sends no others; "
        "empty: those of all nodes"),
    SETTING_LIST(kubernetes_conf, namespaces, 0, "only those of these namespaces; none: all"),
    SETTING_GROUP(kubernetes_conf, selector, selector_settings,
                  "only objects with these labels: pods, or services where the role is about "
                  "services"),
    SETTING_MAP(kubernetes_conf, labels, 0,
                "labels of the object that its samples get, each with the name that it has there"),
    SETTING_MAP(kubernetes_conf, annotation_labels, 0, "likewise of its annotations"),
    SETTING_GROUP(kubernetes_conf, lease, lease_settings, "of role service"),
    SETTING_GROUP(kubernetes_conf, api, kube_access_settings, "the API server"),
    SETTING_END,
};

/* Names of the API: letters, digits and - _ . /, beginning and ending with a letter or digit. */
static bool is_name(const char *s, size_t max, const char *others)
{
    size_t len = strlen(s);
    if (len == 0 || len > max || !isalnum((unsigned char)s[0]) ||
        !isalnum((unsigned char)s[len - 1]))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr(others, *s))
            return false;
    return true;
}

static void check_selector(const struct kubernetes_selector *s, const struct setting_report *report)
{
    for (size_t i = 0; i < s->match_labels.len; i++) {
        const struct text_pair *p = &s->match_labels.items[i];
        if (!is_name(p->name, 317, "-_./"))
            setting_tell(report, "selector.matchLabels", i,
                         "matchLabels: '%.80s' is no name of a label", p->name);
        if (p->value[0] && !is_name(p->value, 63, "-_."))
            setting_tell(report, "selector.matchLabels", i,
                         "matchLabels: '%.80s' is no value of a label", p->value);
    }
    const struct kubernetes_expression *e = s->match_expressions.items;
    for (size_t i = 0; i < s->match_expressions.len; i++) {
        char name[64];
        bool valued = e[i].operator== OPERATOR_IN || e[i].operator== OPERATOR_NOT_IN;
        snprintf(name, sizeof name, "selector.matchExpressions[%zu].key", i);
        if (!e[i].key || !is_name(e[i].key, 317, "-_./"))
            setting_tell(report, name, SETTING_ALL, "key: '%.80s' is no name of a label",
                         e[i].key ? e[i].key : "");
        snprintf(name, sizeof name, "selector.matchExpressions[%zu].values", i);
        if (valued != (e[i].values.len > 0))
            setting_tell(report, name, SETTING_ALL, "values: %s takes %s", operators[e[i].operator],
                         valued ? "at least one value" : "no values");
        for (size_t k = 0; k < e[i].values.len; k++)
            if (e[i].values.items[k][0] && !is_name(e[i].values.items[k], 63, "-_."))
                setting_tell(report, name, k, "values: '%.80s' is no value of a label",
                             e[i].values.items[k]);
    }
}

static void check_chosen(const struct text_map *m, const char *setting,
                         const struct setting_report *report)
{
    for (size_t i = 0; i < m->len; i++)
        if (!text_is_label_name((struct span){m->items[i].value, strlen(m->items[i].value)}))
            setting_tell(report, setting, i, "%s: '%.80s' is no name of a label of samples",
                         setting, m->items[i].value);
}

/* One that stands there twice would be counted twice. */
static void check_namespaces(const struct text_list *l, const struct setting_report *report)
{
    for (size_t i = 0; i < l->len; i++) {
        if (!is_name(l->items[i], 63, "-"))
            setting_tell(report, "namespaces", i, "namespaces: '%.80s' is no name of a namespace",
                         l->items[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(l->items[i], l->items[k]) == 0) {
                setting_tell(report, "namespaces", i, "namespaces: '%.80s' stands there twice",
                             l->items[i]);
                break;
            }
    }
}

void kubernetes_check(const struct kubernetes_conf *c, const struct setting_report *report)
{
    if (c->prefix && !is_name(c->prefix, 253, "-."))
        setting_tell(report, "prefix", SETTING_ALL, "prefix: '%.80s' is no prefix of annotations",
                     c->prefix);
    if (c->node && c->node[0] && !is_name(c->node, 253, "-."))
        setting_tell(report, "node", SETTING_ALL, "node: '%.80s' is no name of a node", c->node);
    if (c->namespaces.len > NAMESPACES_MAX)
        setting_tell(report, "namespaces", SETTING_ALL, "namespaces: more than %d", NAMESPACES_MAX);
    check_namespaces(&c->namespaces, report);
    if (c->lease.name && !is_name(c->lease.name, 253, "-."))
        setting_tell(report, "lease.name", SETTING_ALL, "lease.name: '%.80s' is no name of a lease",
                     c->lease.name);
    if (c->lease.ns && c->lease.ns[0] && !is_name(c->lease.ns, 63, "-"))
        setting_tell(report, "lease.namespace", SETTING_ALL,
                     "lease.namespace: '%.80s' is no name of a namespace", c->lease.ns);
    if (c->role == ROLE_SERVICE && c->node && c->node[0])
        setting_tell(report, "node", SETTING_ALL,
                     "node: role service has none: a cluster IP is of the whole cluster");
    check_selector(&c->selector, report);
    check_chosen(&c->labels, "labels", report);
    check_chosen(&c->annotation_labels, "annotation_labels", report);
}

static enum status add_expression(const struct kubernetes_expression *e, struct buf *out)
{
    static const char *const words[] = {" in (", " notin (", "", ""};
    enum status r = buf_cat(out, e->operator == OPERATOR_NOT_EXISTS ? "!" : "", e->key,
                            words[e->operator], NULL);
    if (e->operator> OPERATOR_NOT_IN)
        return r;
    for (size_t i = 0; i < e->values.len && r == OK; i++)
        r = buf_cat(out, i ? "," : "", e->values.items[i], NULL);
    return r == OK ? buf_puts(out, ")") : r;
}

enum status kubernetes_selector_text(const struct kubernetes_selector *s, struct buf *out)
{
    enum status r = OK;
    size_t n = 0;
    for (size_t i = 0; i < s->match_labels.len && r == OK; i++) {
        const struct text_pair *p = &s->match_labels.items[i];
        r = buf_cat(out, n++ ? "," : "", p->name, "=", p->value, NULL);
    }
    const struct kubernetes_expression *e = s->match_expressions.items;
    for (size_t i = 0; i < s->match_expressions.len && r == OK; i++) {
        r = buf_puts(out, n++ ? "," : "");
        r = r == OK ? add_expression(&e[i], out) : r;
    }
    return r;
}
