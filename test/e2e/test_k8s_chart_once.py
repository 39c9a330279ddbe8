# SPDX-License-Identifier: Apache-2.0
"""test_k8s_chart_once.py - the chart, installed into a real API server whose nodes kwok plays."""
import json, os

import cluster
import harness
import installed
import kube
import kubelet
import manifests
import test_chart_once as chart

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


class Installed(installed.Case):
    options = {"controllers": True, "kwok": "10.244.0.0/16"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nodes = cls.cluster.nodes(3, {"kubernetes.io/os": "linux"})
        cls.cluster.patch("nodes", None, cls.nodes[2],
                          {"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}})

    def may(self, account, verb, resource, name="", namespace="", group=""):
        resource, _, sub = resource.partition("/")
        return self.cluster.create("subjectaccessreviews", None, {"spec": {
            "user": f"system:serviceaccount:{self.namespace}:{account}",
            "resourceAttributes": {"verb": verb, "group": group, "resource": resource, "name": name,
                                   "subresource": sub, "namespace": namespace}}})["status"]["allowed"]

    def test_an_agent_on_each_node_and_a_queue(self):
        """In a namespace that takes no pod with more rights than it needs."""
        self.cluster.patch("namespaces", None, self.namespace, {"metadata": {"labels": RESTRICTED}})
        notes = self.install({"nats": {"enabled": True}})
        self.assertIn("nats://strata-nats:4222 sub", notes)
        self.wait_for(lambda: len(self.pods()) == 3, 60, "an agent on each node")
        self.assertEqual(set(self.pods()), set(self.nodes))
        self.wait_for(lambda: self.pods("queue"), 60, "the queue runs")

    def test_a_changed_configuration_reaches_the_configmap_and_restarts_no_pod(self):
        self.install({})
        self.wait_for(lambda: len(self.pods()) == 3, 60, "an agent on each node")
        before = self.pods()
        self.install({"config": {"agent": {"memory": "512MiB"}}})
        config = self.cluster.get("configmaps", self.namespace, "strata")["data"]["agent.yaml"]
        self.assertIn("memory: 512MiB", config)
        daemon_set = self.cluster.get("daemonsets", self.namespace, "strata")
        self.assertEqual(daemon_set["metadata"]["generation"], 1)
        self.assertEqual(self.pods(), before)
        self.install({"extraEnv": [{"name": "A", "value": "b"}]})
        self.wait_for(lambda: len(self.pods()) == 3 and not set(before.values()) & set(self.pods().values()),
                      60, "other values of the pod make it anew")

    def test_the_rights_are_those_of_the_values(self):
        self.install({})
        for verb in ("get", "list", "watch"):
            self.assertTrue(self.may("strata", verb, "pods"), verb)
        for verb, resource in (("get", "nodes/metrics"), ("list", "services"), ("get", "secrets"),
                               ("list", "configmaps"), ("delete", "pods"), ("get", "nodes/proxy")):
            self.assertFalse(self.may("strata", verb, resource, namespace=self.namespace), resource)
        self.install({"kubelet": {"enabled": True}, "namespaces": [self.namespace]})
        self.assertFalse(self.may("strata", "list", "pods"))
        self.assertTrue(self.may("strata", "list", "pods", namespace=self.namespace))
        self.assertTrue(self.may("strata", "get", "nodes/metrics"))

    def test_one_lease_and_no_other(self):
        self.install({"kind": "Deployment", "replicas": 2}, release="strata-services")

        def lease(verb, name=""):
            return self.may("strata-services", verb, "leases", name, self.namespace, "coordination.k8s.io")
        self.assertTrue(all(lease(v, "strata-services") for v in ("get", "list", "watch", "update")))
        self.assertTrue(lease("create"))
        self.assertFalse(any(lease(v, "other") for v in ("get", "list", "watch", "update")))
        self.assertFalse(lease("delete", "strata-services") or lease("list"))
        self.assertTrue(self.may("strata-services", "watch", "services"))
        self.assertFalse(self.may("strata-services", "watch", "pods"))

    def test_the_agent_of_a_pod_delivers_with_the_rights_of_the_chart(self):
        server, queue = self.targets(1, samples=20), self.nats()
        client = self.client(queue)
        account = self.account()
        node = self.real_node()
        self.install({"nats": {"url": queue.url}, "config": {
            "agent": {"cluster": "test", "first_scrape": "now"},
            "sources": [{"name": "pods", "pool": "main", "interval": "5s", "kubernetes": {
                "role": "pod", "node": "${NODE_NAME}", "api": {"service_account": account}}}]}})
        annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(server.port),
                       "prometheus.io/path": "/t/0"}
        self.cluster.create_pod(self.namespace, "web", node=node, ip="127.0.0.1", annotations=annotations)
        self.cluster.create_pod(self.namespace, "elsewhere", node=self.nodes[0], ip="127.0.0.1",
                                annotations=annotations)
        agent = self.as_the_pod_would(account, node)
        subject = f"metrics.pods.{self.namespace}.web"
        messages = self.wait_for(lambda: self.stream_of(client, subject), 30, "messages in the stream")
        samples = harness.check_messages(self, messages[0])
        self.assertGreaterEqual(len(samples), 20)
        self.assertEqual({s["tags"]["pod"] for s in samples}, {"web"})
        self.assertLessEqual(self.asked(), {(verb, "pods") for verb in ("get", "list", "watch")})
        self.stop(agent)

    def may_scrape_nodes(self, account):
        """As the agent itself is told."""
        with open(os.path.join(account, "token")) as f:
            return self.cluster.api("POST", kube.path_of("selfsubjectaccessreviews"), {"spec": {
                "resourceAttributes": {"verb": "get", "resource": "nodes", "subresource": "metrics"}}},
                f.read())["status"]["allowed"]

    def test_the_kubelets_pages_are_scraped_where_the_values_say_so(self):
        """By HTTPS that is verified, with the account's token, which the kubelet shows to the API server."""
        queue, account, node = self.nats(), self.account(), self.real_node()
        client, server = self.client(queue), self.keep(kubelet.Kubelet(self.cluster, node))
        values = {"nats": {"url": queue.url}, "kubelet": {"enabled": True, "port": server.port, "interval": "1s"},
                  "config": {"agent": {"first_scrape": "now"}, "sources": [{
                      "name": "pods", "pool": "main", "kubernetes": {
                          "role": "pod", "node": "${NODE_NAME}", "api": {"service_account": account}}}]}}
        self.install(values)
        agent = self.as_the_pod_would(account, node)
        self.assertTrue(self.may_scrape_nodes(account))
        self.wait_for(lambda: {p for p, _ in server.answers} == set(kubelet.PAGES), 30, "all pages are asked for")
        wanted = {line.split()[0] for line in kubelet.PAGES.values()}
        found = {}

        def all_there():
            for text in self.stream_of(client, "metrics.kubelet.unknown.unknown") or ():
                found.update((s["name"], s) for s in harness.check_messages(self, text))
            return wanted <= set(found)
        self.wait_for(all_there, 30, "the three pages in the stream")
        self.assertEqual({found[name]["tags"]["node"] for name in wanted}, {node})
        self.assertEqual({status for _, status in server.answers}, {200})

        values["kubelet"]["enabled"] = False
        self.install(values)
        self.wait_for(lambda: not self.may_scrape_nodes(account), what="the right is gone")
        self.wait_for(lambda: any("403" in str(t) for t in agent.targets().values()), 30, "the refusal is shown")
        self.stop(agent)

    def test_the_agent_of_a_deployment_keeps_to_its_rights(self):
        """There is no service that it could scrape, for the address of one is none of this machine."""
        account = self.account()
        self.install({"kind": "Deployment", "nats": {"url": self.nats().url}, "config": {"sources": [
            {"name": "services", "pool": "main",
             "kubernetes": {"role": "service", "api": {"service_account": account}}}]}})
        agent = self.as_the_pod_would(account)
        wanted = {("watch", "services"), ("create", "leases"), ("watch", "leases")}
        self.wait_for(lambda: wanted <= self.asked(), 30, "a lease, and who watches it")
        self.wait_for(lambda: agent.get("/readyz")[0] == 200, 30, "it is ready")
        self.assertLessEqual(self.asked(), {
            *((verb, "services") for verb in ("list", "watch")),
            *((verb, "leases") for verb in ("get", "list", "watch", "create", "update"))})
        lease = self.cluster.get("leases", self.namespace, "strata-services")
        self.assertNotEqual(lease["spec"]["holderIdentity"], "")
        self.stop(agent)
        lease = self.cluster.get("leases", self.namespace, "strata-services")
        self.assertEqual(lease["spec"]["holderIdentity"], "")

    def test_endpoints_are_seen_with_the_rights_of_the_chart(self):
        account = self.account()
        for node, more in (("${NODE_NAME}", "pods"), ("", "endpointslices")):
            with self.subTest(node):
                before = self.asked()
                self.install({"kind": "Deployment", "nats": {"url": self.nats().url}, "config": {"sources": [
                    {"name": "endpoints", "pool": "main", "kubernetes": {
                        "role": "endpoints", "node": node, "api": {"service_account": account}}}]}})
                agent = self.as_the_pod_would(account)
                self.wait_for(lambda: agent.get("/readyz")[0] == 200, 30, "it is ready")
                self.assertEqual({resource for _, resource in self.asked() - before} | {"services"},
                                 {"services", more})
                self.stop(agent)

    def test_the_server_takes_all_that_the_values_make(self):
        """helm lint does not see a misspelt field; the server, asked to be strict, does."""
        for namespace in ("strata", "shop", "bank", "locks"):
            self.cluster.namespace(namespace)
        for name, (values, _, _) in chart.MATRIX.items():
            with self.subTest(name):
                done = manifests.helm_template(values, self.folder, name="x")
                self.assertEqual(done.returncode, 0, done.stderr)
                objects = [o for o in manifests.Objects(done.stdout).all if o["kind"] != "ServiceMonitor"]
                text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
                out = self.cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-",
                                           text=text)
                self.assertEqual(len(out.splitlines()), len(objects))


if __name__ == "__main__":
    cluster.main(needs=["helm"])
