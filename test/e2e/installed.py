# SPDX-License-Identifier: Apache-2.0
"""installed.py - the chart as a release in a real API server, and what its pods would run with.

    class SomeTest(installed.Case):
        options = {"controllers": True}             arguments of cluster.Cluster
        def test_a_sentence(self):
            self.install({"kind": "Deployment"})
            pod = self.pod_on(self.real_node())
            env = self.environment(pod, account)    with the token of its service account in account
"""
import json, os, re

import cluster
import manifests

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class Case(cluster.Case):
    def setUp(self):
        super().setUp()
        self.releases = []
        self.addCleanup(self.uninstall)

    def uninstall(self):
        for release in self.releases:
            self.cluster.helm("uninstall", release, "-n", self.namespace)

    def install(self, values, release="strata"):
        path = os.path.join(self.folder, "values.json")
        with open(path, "w") as f:
            json.dump(values, f)
        out = self.cluster.helm("upgrade", "--install", release, manifests.CHART, "-n", self.namespace,
                                "-f", path)
        if release not in self.releases:
            self.releases.append(release)
        return out

    def real_node(self):
        """A node that kwok leaves alone: we are its kubelet."""
        node = "real-" + self.namespace
        self.cluster.create_node(node, labels={"kubernetes.io/os": "linux"})
        self.addCleanup(self.cluster.delete, "nodes", None, node)
        room = {"pods": "10", "cpu": "4", "memory": "8Gi"}
        self.cluster.patch("nodes", None, node, {"status": {"capacity": room, "allocatable": room}}, "status")
        return node

    def all_pods(self, component="agent"):
        return self.cluster.list("pods", self.namespace,
                                 labelSelector=f"app.kubernetes.io/component={component}")

    def pods(self, component="agent"):
        """{node: uid} of the pods that run."""
        return {p["spec"].get("nodeName"): p["metadata"]["uid"] for p in self.all_pods(component)
                if p["status"]["phase"] == "Running" and "deletionTimestamp" not in p["metadata"]}

    def pod_on(self, node=None):
        """An agent's pod on that node, or on any."""
        return self.wait_for(lambda: next((p for p in self.all_pods() if p["spec"].get("nodeName") and
                                           node in (None, p["spec"]["nodeName"])), None), 30, "a pod")

    def environment(self, pod, account):
        """What a kubelet gives its container; the files of its service account are laid into account."""
        fields = {"spec.nodeName": pod["spec"]["nodeName"], "metadata.name": pod["metadata"]["name"],
                  "metadata.namespace": self.namespace, "status.hostIP": "127.0.0.1"}
        env = {e["name"]: e["value"] if "value" in e else fields[e["valueFrom"]["fieldRef"]["fieldPath"]]
               for e in pod["spec"]["containers"][0]["env"]}
        token = self.cluster.token(self.namespace, pod["spec"]["serviceAccountName"])
        return env | self.cluster.in_cluster(account, token, self.namespace)

    def config_map(self):
        """The files that the agent finds in /etc/strata."""
        return self.cluster.get("configmaps", self.namespace, "strata")["data"]

    def as_the_pod_would(self, account, node=None):
        """The agent of the pod on a node, or of one that runs, here: its ConfigMap, environment, token.  Only the
        port is not the chart's, for tests have none of their own, nor the folder of the token."""
        env = self.environment(self.pod_on(node), account)
        text = self.config_map()["agent.yaml"].replace(ACCOUNT, account)
        return self.agent(re.sub(r"listen: .*", "listen: 127.0.0.1:0", text), env=env,
                          name=f"agent-{len(self.started)}")

    def account(self):
        folder = os.path.join(self.folder, "account")
        os.mkdir(folder)
        return folder

    def asked(self):
        """{(verb, resource)} of all that the agents have asked; nothing of it was denied."""
        entries = self.cluster.audit(f"system:serviceaccount:{self.namespace}:strata")
        self.assertEqual([e for e in entries if e.code in (401, 403)], [])
        return {(e.verb, e.resource) for e in entries}

    def stream_of(self, client, subject):
        """The bodies of the stream METRICS with this subject."""
        try:
            found = list(client.read_stream("METRICS"))
        except LookupError:     # the agent has not made it yet
            return None
        return [m.data.decode() for m in found if m.subject == subject] or None
