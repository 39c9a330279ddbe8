# SPDX-License-Identifier: Apache-2.0
"""test_chart_once.py - the chart for a matrix of values: rights, hardening, references, and that the agent takes
the configuration.  test_manifests_once.py compares the plain manifests with it."""
import json, os, re, shutil, subprocess

import manifests
import harness
from manifests import CHART, ROOT, Objects, container, environment, helm, helm_template, yaml

PODS = {"get", "list", "watch"}
READ = {"list", "watch"}
LEASE = {("strata", "leases=strata-services"): {"get", "list", "watch", "update"},
         ("strata", "leases"): {"create"}}
NODE = {("*", "nodes/metrics"): {"get"}}
OWN_PODS = {("*", "pods"): PODS}


def kubernetes(**settings):
    return {"name": settings.get("role", "pod"), "pool": "main", "kubernetes": settings}


# what it is: (values, the rights, kinds of objects besides the usual ones)
MATRIX = {
    "default": ({}, OWN_PODS, ""),
    "a Deployment for services": (
        {"kind": "Deployment"}, {("*", "services"): READ, **LEASE}, ""),
    "two replicas": (
        {"kind": "Deployment", "replicas": 2}, {("*", "services"): READ, **LEASE}, "PodDisruptionBudget"),
    "two replicas that may go at once": (
        {"kind": "Deployment", "replicas": 2, "podDisruptionBudget": {"enabled": False}},
        {("*", "services"): READ, **LEASE}, ""),
    "a lease elsewhere": (
        {"kind": "Deployment", "config": {"sources": [
            kubernetes(role="service", namespaces=["shop"], lease={"namespace": "locks", "name": "x"})]}},
        {("shop", "services"): READ, ("locks", "leases=x"): PODS | {"update"},
         ("locks", "leases"): {"create"}}, ""),
    "pods of the cluster, all by default": (
        {"kind": "Deployment", "config": {"sources": [kubernetes()]}}, OWN_PODS, ""),
    "endpoints of the cluster": (
        {"kind": "Deployment", "config": {"sources": [kubernetes(role="endpoints")]}},
        {("*", "services"): READ, ("*", "endpointslices"): READ}, ""),
    "endpoints of the own node": (
        {"config": {"sources": [kubernetes(role="endpoints", node="${NODE_NAME}")]}},
        {("*", "services"): READ, **OWN_PODS}, ""),
    "namespaces": (
        {"namespaces": ["shop", "bank"]}, {("shop", "pods"): PODS, ("bank", "pods"): PODS}, ""),
    "namespaces, and a source with others": (
        {"namespaces": ["shop"], "config": {"sources": [
            kubernetes(role="pod", node="${NODE_NAME}", namespaces=["bank"])]}},
        {("bank", "pods"): PODS}, ""),
    "namespaces of some sources": (
        {"config": {"sources": [
            kubernetes(role="pod", node="${NODE_NAME}", namespaces=["shop"]),
            kubernetes(role="endpoints", node="${NODE_NAME}", namespaces=["shop", "bank"]),
            kubernetes(role="service")]}},
        {("shop", "pods"): PODS, ("shop", "services"): READ, ("bank", "pods"): PODS,
         ("bank", "services"): READ, ("*", "services"): READ, **LEASE}, ""),
    "no Kubernetes at all": (
        {"config": {"sources": [{"name": "hosts", "pool": "main",
                                 "static": {"targets": ["http://${HOST_IP}:9100/metrics"]}}]}}, {}, ""),
    "the kubelet": ({"kubelet": {"enabled": True}}, {**OWN_PODS, **NODE}, ""),
    "the kubelet of an IPv6 node, and namespaces": (
        {"kubelet": {"enabled": True, "host": "[${HOST_IP}]", "tls": {"verify": False}},
         "namespaces": ["shop"]}, {("shop", "pods"): PODS, **NODE}, ""),
    "a queue": ({"nats": {"enabled": True}}, OWN_PODS, "Service StatefulSet"),
    "a queue with a disk": (
        {"nats": {"enabled": True, "storage": {"size": "10Gi", "storageClass": "fast"}}},
        OWN_PODS, "Service StatefulSet"),
    "spool on the node": ({"spool": {"enabled": True}}, OWN_PODS, ""),
    "spool on the node, whose owner is set": (
        {"spool": {"enabled": True, "hostPath": {"setOwner": True}}}, OWN_PODS, ""),
    "spool on a claim": (
        {"kind": "Deployment", "spool": {"enabled": True, "type": "persistentVolumeClaim"}},
        {("*", "services"): READ, **LEASE}, "PersistentVolumeClaim"),
    "spool on a claim that is there": (
        {"kind": "Deployment", "spool": {"enabled": True, "type": "persistentVolumeClaim",
                                         "persistentVolumeClaim": {"existing": "disk"}}},
        {("*", "services"): READ, **LEASE}, ""),
    "NetworkPolicy": ({"networkPolicy": {"enabled": True}}, OWN_PODS, "NetworkPolicy"),
    "NetworkPolicy with peers and a queue": (
        {"nats": {"enabled": True}, "networkPolicy": {
            "enabled": True, "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "natsFrom": [{"podSelector": {}}], "egress": [{"ports": [{"port": 443}]}]}},
        OWN_PODS, "NetworkPolicy NetworkPolicy Service StatefulSet"),
    "ServiceMonitor": (
        {"serviceMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "prometheus"}}},
        OWN_PODS, "Service ServiceMonitor"),
    "rights and account of someone else": (
        {"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "theirs"}}, {}, ""),
    "another port": ({"config": {"agent": {"listen": "0.0.0.0:8080"}}}, OWN_PODS, ""),
    "all hooks": (
        {"commonLabels": {"team": "a"}, "podLabels": {"b": "c"}, "podAnnotations": {"d": "e"},
         "image": {"digest": "sha256:" + "0" * 64}, "imagePullSecrets": [{"name": "pull"}],
         "priorityClassName": "system-node-critical", "hostNetwork": True, "extraArgs": ["--log-level=debug"],
         "extraEnv": [{"name": "CLUSTER", "value": "one"}], "extraEnvFrom": [{"secretRef": {"name": "env"}}],
         "extraVolumes": [{"name": "more", "emptyDir": {}}],
         "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
         "extraContainers": [{"name": "beside", "image": "beside:1"}],
         "initContainers": [{"name": "before", "image": "before:1"}],
         "tolerations": [{"key": "gpu", "operator": "Exists"}], "nodeSelector": {"disk": "fast"},
         "affinity": {"nodeAffinity": {}}, "updateStrategy": {"type": "OnDelete"},
         "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
                                        "whenUnsatisfiable": "ScheduleAnyway"}],
         "config": {"agent": {"cluster": "${CLUSTER}"}},
         "spool": {"enabled": True, "hostPath": {"setOwner": True}}}, OWN_PODS, ""),
}
# values: what the message has to say
REFUSED = {
    "selfMetric": ({"selfMetric": {}}, "selfMetric"),
    "deep in": ({"kubelet": {"tls": {"verifi": False}}}, "verifi"),
    "in the configuration": ({"config": {"agent": {"memoryy": "1GiB"}}}, "/config/agent.*memoryy"),
    "in a source": ({"config": {"sources": [kubernetes(role="pod", nodes="a")]}}, "'nodes'"),
    "a unit that is none": ({"config": {"agent": {"grace": "5 parsecs"}}}, "/config/agent/grace"),
    "of a probe": ({"livenessProbe": {"period": 3}}, "period"),
    "a kind that is none": ({"kind": "CronJob"}, "DaemonSet.*Deployment"),
    "a text for a number": ({"replicas": "two"}, "replicas"),
    "pods without a node": ({"config": {"sources": [kubernetes()]}}, "role pod has no node"),
    "endpoints without a node": (
        {"config": {"sources": [kubernetes(role="endpoints", node="")]}}, "role endpoints has no node"),
    "a claim for each node": (
        {"spool": {"enabled": True, "type": "persistentVolumeClaim"}}, "one volume for one agent"),
    "a claim for two": (
        {"kind": "Deployment", "replicas": 2,
         "spool": {"enabled": True, "type": "persistentVolumeClaim"}}, "one volume for one agent"),
    "whose kubelet": ({"kind": "Deployment", "kubelet": {"enabled": True}}, "kubelet of its own node"),
    "an owner that no one knows": (
        {"podSecurityContext": {"runAsUser": None}, "spool": {"enabled": True, "hostPath": {"setOwner": True}}},
        "the owner to be"),
    "no port": ({"config": {"agent": {"listen": ""}}}, "listen needs a port"),
    "no pool": ({"config": {"pools": []}}, "config.pools needs a pool"),
}


class Chart(harness.Case):
    def render(self, values, **kwargs):
        done = helm_template(values, self.folder, **kwargs)
        self.assertEqual(done.returncode, 0, done.stderr)
        return Objects(done.stdout)

    def test_each_of_the_matrix(self):
        usual = ["ConfigMap", "ServiceAccount"]
        for name, (values, rights, more) in MATRIX.items():
            with self.subTest(name):
                objects = self.render(values)
                manifests.check_all(self, objects, others=("beside", "before"))
                self.assertEqual(objects.rights(), rights)
                kinds = sorted(o["kind"] for o in objects.all if not re.search("Role", o["kind"]))
                here = [k for k in usual if k != "ServiceAccount" or values.get("serviceAccount") is None]
                self.assertEqual(kinds, sorted([values.get("kind", "DaemonSet"), *here, *more.split()]))

    def test_lint_is_content_with_each(self):
        for name, (values, _, _) in MATRIX.items():
            with self.subTest(name):
                path = os.path.join(self.folder, "values.json")
                with open(path, "w") as f:
                    json.dump(values, f)
                done = helm("lint", "--strict", "--kube-version", manifests.KUBE_VERSION, "-f", path, CHART)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def check_config(self, objects):
        """The agent takes the ConfigMap's text, with what its pod's environment has."""
        text = objects.config()
        path = os.path.join(self.folder, "agent.yaml")
        with open(path, "w") as f:
            f.write(text)
        env = environment(objects.agent())
        if "[${HOST_IP}]" in text:
            env["HOST_IP"] = "2001:db8::7"
        done = self.run_agent("check-config", path, env=env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_agent_takes_each_configuration(self):
        for name, (values, _, _) in MATRIX.items():
            with self.subTest(name):
                self.check_config(self.render(values))

    def test_the_values_in_the_guide_are_good(self):
        with open(os.path.join(ROOT, "docs", "KUBERNETES.md")) as f:
            text = f.read().replace("\\\n", " ")
        blocks = re.findall(r"(?ms)^```yaml\n# values.yaml\n(.*?)^```", text)
        self.assertGreater(len(blocks), 4)
        for block in blocks:
            self.check_config(self.render(yaml.safe_load(block)))
        commands = re.findall(r"(?m)^    helm install (\S+) charts/strata (.*)$", text)
        self.assertGreater(len(commands), 1)
        for name, options in commands:
            done = helm("template", name, CHART, "--kube-version", manifests.KUBE_VERSION,
                        *options.replace("--create-namespace", "").split())
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"name: {name}\n", done.stdout)
        for name in re.findall(r"overlays/[a-z-]+", text):
            self.assertTrue(os.path.isdir(os.path.join(ROOT, "deploy", "kubernetes", name)), name)

    def test_values_that_are_refused(self):
        for name, (values, message) in REFUSED.items():
            with self.subTest(name):
                done = helm_template(values, self.folder)
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stderr, message)

    def test_a_change_of_the_configuration_restarts_nothing(self):
        before = self.render({})
        after = self.render({"config": {"agent": {"memory": "512MiB"}}})
        self.assertNotEqual(before.config(), after.config())
        self.assertEqual([o for o in before.all if o["kind"] != "ConfigMap"],
                         [o for o in after.all if o["kind"] != "ConfigMap"])

    def test_numbers_and_texts_reach_the_agent_as_they_are(self):
        sources = [{"name": "x", "pool": "main", "sample_limit": 10000000, "static": {
            "targets": ["${A:-http://[::1]:9/metrics}", "http://h/" + "long " * 40], "labels": {"n": "007"}}}]
        config = yaml.safe_load(self.render({"config": {"sources": sources}}).config())
        self.assertEqual(config["sources"], sources)
        self.assertIn("sample_limit: 10000000\n", self.render({"config": {"sources": sources}}).config())

    def test_details(self):
        def agent(values):
            return self.render(values).agent()
        pod = agent({})["spec"]["template"]["spec"]
        self.assertEqual(pod["containers"][0]["image"], "strata-agent:" + self.version())
        self.assertEqual(pod["tolerations"], [{"operator": "Exists", "effect": "NoSchedule"}])
        self.assertNotIn("tolerations", agent({"kind": "Deployment"})["spec"]["template"]["spec"])
        self.assertNotIn("tolerations", agent({"tolerateTaints": False})["spec"]["template"]["spec"])
        pod = agent(MATRIX["all hooks"][0])["spec"]["template"]["spec"]
        self.assertEqual(pod["dnsPolicy"], "ClusterFirstWithHostNet")
        self.assertEqual([c["name"] for c in pod["initContainers"]], ["spool-owner", "before"])
        self.assertEqual(pod["containers"][0]["image"], "strata-agent@sha256:" + "0" * 64)
        annotations = agent({"selfMetrics": {"annotations": False}})["spec"]["template"]["metadata"]["annotations"]
        self.assertNotIn("prometheus.io/scrape", annotations)
        values = {"podSecurityContext": {"runAsUser": 1000650000, "runAsGroup": 1000650001},
                  "spool": {"enabled": True, "hostPath": {"setOwner": True}}}
        command = agent(values)["spec"]["template"]["spec"]["initContainers"][0]["command"]
        self.assertEqual(command[1], "1000650000:1000650001")
        claim = agent(MATRIX["spool on a claim that is there"][0])
        self.assertEqual(claim["spec"]["strategy"], {"type": "Recreate"})
        self.assertIn({"name": "spool", "persistentVolumeClaim": {"claimName": "disk"}},
                      claim["spec"]["template"]["spec"]["volumes"])
        self.assertEqual(environment(agent({"nats": {"enabled": True}}))["NATS_URL"], "nats://strata-nats:4222")
        self.assertNotIn("NATS_URL", environment(agent({"nats": {"url": ""}})))
        config = yaml.safe_load(self.render({"kind": "Deployment"}).config())
        self.assertEqual(config["agent"]["instance"], "${POD_NAME}")
        config = yaml.safe_load(self.render({"kubelet": {"enabled": True}}).config())
        self.assertIs(config["sources"][1]["http"]["tls"]["verify"], True)
        self.assertEqual(len(config["sources"][1]["static"]["targets"]), 3)

    def test_probes_and_annotations_follow_tls(self):
        tls = {"cert": "/etc/strata/tls.crt", "key": "/etc/strata/tls.key"}
        for values, scheme in (({}, None), ({"config": {"agent": {"web": {"tls": tls}}}}, "HTTPS")):
            pod = self.render(values).agent()["spec"]["template"]
            for probe in ("livenessProbe", "readinessProbe"):
                asked = pod["spec"]["containers"][0][probe]["httpGet"]
                self.assertEqual(asked.get("scheme"), scheme, probe)
            self.assertEqual(pod["metadata"]["annotations"].get("prometheus.io/scheme"),
                             scheme and scheme.lower())

    def test_names_follow_the_release(self):
        objects = self.render({"nats": {"enabled": True}}, name="blue")
        self.assertEqual({n for _, _, n in objects.names()},
                         {"blue-strata", "blue-strata-nats", "strata-blue-strata"})

    def version(self):
        with open(os.path.join(ROOT, "CMakeLists.txt")) as f:
            return re.search(r"project\(strata VERSION (\S+)", f.read())[1]

    def test_the_version_is_that_of_the_project(self):
        with open(os.path.join(CHART, "Chart.yaml")) as f:
            chart = yaml.safe_load(f)
        self.assertEqual((chart["version"], chart["appVersion"]), (self.version(), self.version()))

    def test_each_value_is_in_the_schema_and_in_a_template(self):
        with open(os.path.join(CHART, "values.yaml")) as f:
            values = yaml.safe_load(f)
        with open(os.path.join(CHART, "values.schema.json")) as f:
            schema = json.load(f)
        self.assertEqual(set(schema["properties"]), set(values) | {"global"})
        self.assertIs(schema["additionalProperties"], False)
        text = ""
        for name in os.listdir(os.path.join(CHART, "templates")):
            with open(os.path.join(CHART, "templates", name)) as f:
                text += f.read()
        for key in values:
            self.assertRegex(text, rf"\.Values\.{key}\b")

    def notes(self, values):
        """NOTES.txt as helm install prints it: as an object of a copy of the chart."""
        chart = os.path.join(self.folder, "chart")
        shutil.copytree(CHART, chart, dirs_exist_ok=True)
        with open(os.path.join(chart, "templates", "NOTES.txt")) as f:
            text = f.read()
        with open(os.path.join(chart, "templates", "notes.yaml"), "w") as f:
            f.write('{{- define "notes" }}' + text + '{{ end }}\napiVersion: v1\nkind: Notes\n'
                    'metadata: {name: notes}\ntext: {{ include "notes" . | toJson }}\n')
        return self.render(values, chart=chart).one("Notes")["text"]

    def test_the_notes_tell_how_to_see_the_first_message(self):
        text = self.notes({"nats": {"enabled": True}})
        self.assertIn("kubectl -n strata rollout status daemonset/strata\n", text)
        self.assertIn("nats --server nats://strata-nats:4222 sub --count=1 'metrics.>'", text)
        self.assertIn("only until its pod goes", text)
        self.assertNotIn("{{", text)
        text = self.notes({"kind": "Deployment", "replicas": 2,
                           "config": {"sources": [kubernetes(role="endpoints")]}})
        self.assertIn("deployment/strata", text)
        self.assertIn("each of the 2 replicas", " ".join(text.lower().split()))
        text = self.notes({"kind": "Deployment", "replicas": 2, "nats": {"url": ""}})
        self.assertNotIn("BEWARE", text)
        self.assertIn("read the queue that config.sinks names", text)
        self.assertIn("verify is false", self.notes(
            {"kubelet": {"enabled": True, "tls": {"verify": False}}}))


class Schema(harness.Case):
    def test_the_schema_is_made_of_both_parts(self):
        """On an agent that prints a schema with definitions of its own."""
        agent = os.path.join(self.folder, "agent")
        schema = {"$schema": "x", "type": "object", "required": ["pools"],
                  "properties": {"pools": {"$ref": "#/definitions/pool"}},
                  "definitions": {"pool": {"properties": {"self": {"$ref": "#"}}}}}
        with open(agent, "w") as f:
            f.write("#!/bin/sh\ntest \"$*\" = 'settings --schema' && cat <<'E'\n" + json.dumps(schema) + "\nE\n")
        os.chmod(agent, 0o755)
        root = os.path.join(self.folder, "root")
        os.makedirs(os.path.join(root, "charts", "strata"))
        shutil.copytree(os.path.join(ROOT, "scripts"), os.path.join(root, "scripts"))
        script = os.path.join(root, "scripts", "values_schema.py")
        subprocess.run([script, agent], check=True)
        with open(os.path.join(root, "charts", "strata", "values.schema.json")) as f:
            made = json.load(f)
        self.assertEqual(made["properties"]["config"],
                         {"type": "object", "properties": {"pools": {"$ref": "#/definitions/config-pool"}}})
        self.assertEqual(made["definitions"]["config-pool"],
                         {"properties": {"self": {"$ref": "#/properties/config"}}})
        self.assertEqual(subprocess.run([script, agent, "--check"]).returncode, 0)
        with open(os.path.join(root, "scripts", "chart_values.yaml"), "a") as f:
            f.write("  more: {type: string}\n")
        done = subprocess.run([script, agent, "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("values.schema.json is old", done.stdout)


if __name__ == "__main__":
    harness.main(needs=["helm"])
