# SPDX-License-Identifier: Apache-2.0
"""manifests.py - rendered Kubernetes objects, and what must hold of all of them.

    objects = Objects(helm_template({"kind": "Deployment"}))
    objects.rights()        {("strata", "pods"): {"get", "list", "watch"}, ...}
    check_all(test, objects)

Nothing here speaks to a cluster."""
import json, os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = os.path.join(ROOT, "charts", "strata")
PROGRAMS = os.environ.get("STRATA_CLUSTER", os.path.join(ROOT, "build", "tools", "cluster"))
os.environ["PATH"] = PROGRAMS + ":" + os.environ["PATH"]
try:
    import yaml
except ImportError:     # python3-yaml; harness.main would name programs only
    print("skipped, for this is missing: python3-yaml")
    sys.exit(1 if os.environ.get("STRATA_REQUIRE") == "all" else 77)

NAMESPACE = "strata"
KUBE_VERSION = "1.30.0"     # helm built without flags thinks of 1.20
WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet")
CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding", "Namespace")
FORBIDDEN = {"secrets", "nodes/proxy", "configmaps", "pods/exec", "pods/log", "*"}


def helm(*args):
    return subprocess.run(["helm", *args], capture_output=True, text=True, timeout=60)


def helm_template(values, folder, name="strata", chart=CHART):
    """What `helm template` makes; a helm that fails is returned, too."""
    path = os.path.join(folder, "values.json")
    with open(path, "w") as f:
        json.dump(values, f)
    return helm("template", name, chart, "-n", NAMESPACE, "--kube-version", KUBE_VERSION, "-f", path)


class Objects:
    def __init__(self, text):
        self.all = [o for o in yaml.safe_load_all(text) if o]

    def of(self, *kinds):
        return [o for o in self.all if o["kind"] in kinds]

    def names(self):
        return {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in self.all}

    def one(self, kind, name=None):
        found = [o for o in self.of(kind) if name in (None, o["metadata"]["name"])]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} of {kind} {name or ''}")
        return found[0]

    def agent(self):
        """The agents' workload."""
        found = [o for o in self.of("DaemonSet", "Deployment")]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} workloads of agents")
        return found[0]

    def rights(self):
        """{(namespace or "*", resource): verbs}; a resource with names is "resource=name,name"."""
        out = {}
        for role in self.of("ClusterRole", "Role"):
            bound = [b for b in self.of(role["kind"] + "Binding")
                     if b["roleRef"]["name"] == role["metadata"]["name"]
                     and b["metadata"].get("namespace") == role["metadata"].get("namespace")]
            if len(bound) != 1 or bound[0]["roleRef"]["kind"] != role["kind"]:
                raise AssertionError(f"{role['metadata']['name']} is bound {len(bound)} times")
            where = role["metadata"].get("namespace", "*")
            for rule in role["rules"]:
                for resource in rule["resources"]:
                    names = ",".join(rule.get("resourceNames", []))
                    key = (where, resource + ("=" + names if names else ""))
                    out[key] = out.get(key, set()) | set(rule["verbs"])
        return out

    def config(self, workload=None):
        """agent.yaml of the workload's ConfigMap, as text."""
        pod = (workload or self.agent())["spec"]["template"]["spec"]
        name = next(v["configMap"]["name"] for v in pod["volumes"] if v["name"] == "config")
        return self.one("ConfigMap", name)["data"]["agent.yaml"]


def container(workload, name="agent"):
    return next(c for c in workload["spec"]["template"]["spec"]["containers"] if c["name"] == name)


def environment(workload):
    """What the pod's container would find, with the downward API as one node might fill it."""
    known = {"spec.nodeName": "node-1", "metadata.name": "strata-x", "metadata.namespace": NAMESPACE,
             "status.hostIP": "192.0.2.7"}
    out = {}
    for e in container(workload)["env"]:
        out[e["name"]] = e["value"] if "value" in e else known[e["valueFrom"]["fieldRef"]["fieldPath"]]
    return out


def matches(selector, labels):
    return selector.items() <= labels.items() and selector != {}


def check_rights(test, objects):
    for role in objects.of("ClusterRole", "Role"):
        for rule in role["rules"]:
            test.assertFalse(FORBIDDEN & set(rule["resources"]), role)
            test.assertLessEqual(set(rule["verbs"]), {"get", "list", "watch", "create", "update"}, role)
            test.assertNotIn("*", rule["apiGroups"], role)
    account = objects.agent()["spec"]["template"]["spec"]["serviceAccountName"]
    for binding in objects.of("ClusterRoleBinding", "RoleBinding"):
        test.assertEqual(binding["subjects"],
                         [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}])


def check_hardened(test, workload, others=()):
    """No root, no way to it; others: containers that are not ours."""
    pod = workload["spec"]["template"]["spec"]
    test.assertFalse(pod.get("hostPID") or pod.get("hostIPC"))
    test.assertIs(pod["enableServiceLinks"], False)
    for c in pod["containers"] + pod.get("initContainers", []):
        if c["name"] in others:
            continue
        context = {**pod["securityContext"], **c["securityContext"]}
        where = (workload["metadata"]["name"], c["name"])
        test.assertIs(context["readOnlyRootFilesystem"], True, where)
        test.assertIs(context["allowPrivilegeEscalation"], False, where)
        test.assertEqual(context["capabilities"]["drop"], ["ALL"], where)
        test.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"}, where)
        test.assertNotIn("privileged", context, where)
        test.assertIn("memory", c["resources"]["limits"], where)
        if c["name"] == "spool-owner":      # the one that is root, for nothing but chown
            test.assertEqual(context["capabilities"].get("add"), ["CHOWN"], where)
            test.assertEqual(c["command"], ["chown", "65532:65532", c["volumeMounts"][0]["mountPath"]])
            test.assertIn(c, pod["initContainers"])
            continue
        test.assertNotIn("add", context["capabilities"], where)
        test.assertIs(context["runAsNonRoot"], True, where)
        test.assertEqual((context["runAsUser"], context["runAsGroup"]), (65532, 65532), where)


def check_references(test, objects):
    """Selectors select, names name something that is there."""
    for w in objects.of(*WORKLOADS):
        labels = w["spec"]["template"]["metadata"]["labels"]
        pod = w["spec"]["template"]["spec"]
        test.assertTrue(matches(w["spec"]["selector"]["matchLabels"], labels), w["metadata"])
        test.assertFalse([k for k in labels if k.startswith("helm.sh/") or k.endswith("/version")])
        volumes = {v["name"] for v in pod.get("volumes", [])}
        volumes |= {v["metadata"]["name"] for v in w["spec"].get("volumeClaimTemplates", [])}
        for c in pod["containers"] + pod.get("initContainers", []):
            test.assertLessEqual({m["name"] for m in c.get("volumeMounts", [])}, volumes)
        for v in pod.get("volumes", []):
            if "configMap" in v:
                objects.one("ConfigMap", v["configMap"]["name"])
    pods = [w["spec"]["template"]["metadata"]["labels"] for w in objects.of(*WORKLOADS)]
    for o in objects.of("Service"):
        test.assertEqual(sum(matches(o["spec"]["selector"], p) for p in pods), 1, o["metadata"])
    for o in objects.of("PodDisruptionBudget"):
        test.assertEqual(sum(matches(o["spec"]["selector"]["matchLabels"], p) for p in pods), 1)
    for o in objects.of("NetworkPolicy"):
        test.assertEqual(sum(matches(o["spec"]["podSelector"]["matchLabels"], p) for p in pods), 1)
    for o in objects.of("ServiceMonitor"):
        wanted = o["spec"]["selector"]["matchLabels"]
        found = [s for s in objects.of("Service") if matches(wanted, s["metadata"]["labels"])]
        test.assertEqual(len(found), 1)
        test.assertEqual(found[0]["spec"]["ports"][0]["name"], o["spec"]["endpoints"][0]["port"])


def check_agent(test, workload, config):
    """Probes without a credential, the folder of the ConfigMap, a token only where one is used."""
    template = workload["spec"]["template"]
    pod, agent = template["spec"], container(workload)
    test.assertEqual(agent["args"][:3], ["run", "-c", "/etc/strata/agent.yaml"])
    test.assertNotIn("command", agent)
    port = re.search(r"\d+$", config["agent"]["listen"])[0]
    test.assertEqual([str(p["containerPort"]) for p in agent["ports"]], [port])
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        test.assertEqual(agent[probe]["httpGet"], {"path": path, "port": "http"})
    mount = next(m for m in agent["volumeMounts"] if m["name"] == "config")
    test.assertEqual(mount, {"name": "config", "mountPath": "/etc/strata", "readOnly": True})
    test.assertFalse([k for k in template["metadata"]["annotations"] if "checksum" in k])
    used = "kubernetes.io/serviceaccount" in json.dumps(config) or \
        any("kubernetes" in s for s in config["sources"])
    test.assertIs(pod["automountServiceAccountToken"], used)
    env = {e["name"] for e in agent["env"]}
    test.assertLessEqual({"NODE_NAME", "POD_NAME", "POD_NAMESPACE", "HOST_IP"}, env)
    grace = config["agent"].get("grace", "20s")
    test.assertLess(int(grace.rstrip("s")), pod["terminationGracePeriodSeconds"])


def check_all(test, objects, others=()):
    test.assertFalse(objects.of("Secret"))
    test.assertEqual(len(objects.names()), len(objects.all))
    for o in objects.all:
        test.assertEqual("namespace" in o["metadata"], o["kind"] not in CLUSTER_WIDE, o["metadata"])
    check_rights(test, objects)
    check_references(test, objects)
    for w in objects.of(*WORKLOADS):
        check_hardened(test, w, others)
    check_agent(test, objects.agent(), yaml.safe_load(objects.config()))
