/* SPDX-License-Identifier: Apache-2.0 */
#include "config_test.h"

#include <stdlib.h>

#define KUBERNETES(settings, rules)                                                      \
    "sources:\n  - {name: s, pool: main, kubernetes: {" settings "}, relabel: [\n" rules \
    "]}\n" MIN_POOL MIN_SINK

static const struct {
    const char *text, *faults;
} kubernetes_cases[] = {
    {KUBERNETES("", ""), ""},
    {KUBERNETES("annotations: optional, node: n, api: {kubeconfig: /nowhere/x}",
                "{source_labels: [a], regex: '(.+);x', target_label: b, replacement: '$1:${1}'},\n"
                "{action: labelmap, regex: __meta_(.+)}, {action: keep, regex: true}\n"),
     ""},
    {KUBERNETES("rolle: pod, role: ingress, annotations: maybe", ""),
     "f:2:40: unknown key 'rolle'; did you mean 'role'?\n"
     "f:2:58: role: 'ingress' is none of: pod, endpoints, service\n"
     "f:2:80: annotations: 'maybe' is none of: required, optional\n"},
    {KUBERNETES("role: service, node: n, prefix: -a, namespaces: [a, a, B_]", ""),
     "f:2:61: kubernetes: node: role service has none: a cluster IP is of the whole cluster\n"
     "f:2:72: kubernetes: prefix: '-a' is no prefix of annotations\n"
     "f:2:92: kubernetes: namespaces: 'a' stands there twice\n"
     "f:2:95: kubernetes: namespaces: 'B_' is no name of a namespace\n"},
    {KUBERNETES("selector: {matchLabels: {a b: x y}, matchExpressions: [{key: a}, {key: '', "
                "operator: Exists},\n {key: b, operator: Exists, values: [x]}, {key: c, values: "
                "[x, y z]}]}",
                ""),
     "f:2:65: kubernetes: matchLabels: 'a b' is no name of a label\n"
     "f:2:65: kubernetes: matchLabels: 'x y' is no value of a label\n"
     "f:2:95: kubernetes: values: In takes at least one value\n"
     "f:2:111: kubernetes: key: '' is no name of a label\n"
     "f:3:37: kubernetes: values: Exists takes no values\n"
     "f:3:64: kubernetes: values: 'y z' is no value of a label\n"},
    {KUBERNETES("selector: {matchExpressions: [{values: [x]}]}, lease: {duration: 1s}", ""),
     "f:2:70: 'key' is missing: name of a label\n"
     "f:2:105: duration: '1s' is out of range, 3s to 10m\n"},
    {KUBERNETES("labels: {app: a-b}, annotation_labels: {x: \"1\"}, lease: {namespace: A_, name: "
                "-}",
                ""),
     "f:2:49: kubernetes: labels: 'a-b' is no name of a label of samples\n"
     "f:2:80: kubernetes: annotation_labels: '1' is no name of a label of samples\n"
     "f:2:108: kubernetes: lease.namespace: 'A_' is no name of a namespace\n"
     "f:2:118: kubernetes: lease.name: '-' is no name of a lease\n"},
    {KUBERNETES("", "{regex: '(', target_label: a},\n{action: Keep, target_label: a},\n"
                    "{regexp: x, target_label: a}, {},\n"),
     "f:3:9: relabel: regex: '(': missing closing parenthesis, at character 1\n"
     "f:4:10: action: 'Keep' is none of: replace, keep, drop, "},
    {KUBERNETES("", "{regexp: x, target_label: a}, {},\n"
                    "{action: hashmod, source_labels: [a], target_label: b},\n"
                    "{action: labelmap, regex: a, replacement: ''},\n"
                    "{source_labels: [x, a-b], target_label: c-d},\n"
                    "{action: labeldrop, regex: 'a[', source_labels: [x]}\n"),
     "f:3:2: unknown key 'regexp'; did you mean 'regex'?\n"
     "f:3:31: relabel: target_label: replace needs one\n"
     "f:4:1: relabel: modulus: hashmod needs one of 1 or more\n"
     "f:5:43: relabel: replacement: '' gives no name of a label: letters, digits, '_' and groups "
     "like $1 or ${name}, no digit first\n"
     "f:6:21: relabel: source_labels: 'a-b' is no name of a label\n"
     "f:6:41: relabel: target_label: 'c-d' is no name of a label\n"
     "f:7:28: relabel: regex: 'a[': missing terminating ] for character class, at character 2\n"
     "f:7:49: relabel: source_labels: labeldrop takes only regex\n"},
};

TEST(faults_of_kubernetes_and_of_rules_are_named_with_their_place)
{
    setenv("HOME", "/nowhere", 1);
    unsetenv("KUBECONFIG");
    for (size_t i = 0; i < ARRAY_LEN(kubernetes_cases); i++) {
        const char *said = faults_of(kubernetes_cases[i].text), *want = kubernetes_cases[i].faults;
        size_t n = strlen(want);
        if (n > 0 && want[n - 1] != '\n' && strncmp(said, want, n) == 0)
            continue;
        CHECK_STR(said, want);
    }
}
