# SPDX-License-Identifier: Apache-2.0
"""test_k8s_bed_once.py - the test bed itself: what other tests take for granted of a cluster."""
import os, re, shutil, signal, socket, sys

import cluster
import kube
import kubeconfig
import load
import netns
from process import Process

STREAM = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
PODS = "/api/v1/pods?fieldSelector=spec.nodeName%3D"
SYNCED = "k8s.io/initial-events-end"


def is_synced(event):
    return event["object"]["metadata"].get("annotations", {}).get(SYNCED) == "true"


class Bed(cluster.Case):
    def pods_path(self, query):
        return f"/api/v1/namespaces/{self.namespace}/pods?{query}"

    def next_of(self, events, kind, name):
        for event in events:
            if event["type"] == kind and event["object"]["metadata"]["name"] == name:
                return event["object"]
        self.fail(f"the watch ended without {kind} {name}")

    def test_a_streaming_list_tells_when_it_is_whole_and_goes_on(self):
        c = self.cluster
        for name in ("a", "b"):
            c.create_pod(self.namespace, name, node="n1", ip="10.244.0.2")
        events = c.api.watch(self.pods_path(STREAM))
        first = [next(events) for _ in range(3)]
        self.assertEqual([e["type"] for e in first], ["ADDED", "ADDED", "BOOKMARK"])
        self.assertTrue(is_synced(first[2]))
        c.create_pod(self.namespace, "c", phase=None)
        self.assertNotIn("nodeName", self.next_of(events, "ADDED", "c")["spec"])
        events.close()

    def test_pods_are_selected_by_node_and_terminate_before_they_go(self):
        c = self.cluster
        node = "node-of-" + self.namespace
        c.create_pod(self.namespace, "elsewhere", node="n2", ip="10.244.0.2")
        events = c.api.watch(PODS + node + "&" + STREAM)
        self.assertTrue(is_synced(next(events)))
        c.create_pod(self.namespace, "here", node=node, ip="10.244.0.3",
                     containers={"app": {"metrics": 8080}}, annotations={"prometheus.io/scrape": "true"})
        pod = self.next_of(events, "ADDED", "here")
        self.assertEqual(pod["spec"]["containers"][0]["ports"][0]["containerPort"], 8080)
        pod = self.next_of(events, "MODIFIED", "here")
        self.assertEqual((pod["status"]["podIP"], pod["status"]["phase"]), ("10.244.0.3", "Running"))
        c.delete_pod(self.namespace, "here", grace=30)
        pod = self.next_of(events, "MODIFIED", "here")
        self.assertEqual(pod["metadata"]["deletionGracePeriodSeconds"], 30)
        c.delete_pod(self.namespace, "here")
        self.next_of(events, "DELETED", "here")
        events.close()

    def test_an_api_server_killed_and_compacted_tells_410(self):
        c = self.cluster
        for name in ("a", "b", "c"):
            c.create_pod(self.namespace, name, node="n1", ip="10.244.0.2")
        page = c.api("GET", self.pods_path("limit=1"))["metadata"]
        c.create_pod(self.namespace, "d", node="n1", ip="10.244.0.2")
        c.kill_api()
        self.assertRaises(OSError, c.api, "GET", "/version")
        c.compact()
        c.start_api()
        self.assertEqual([p["metadata"]["name"] for p in c.list("pods", self.namespace)],
                         ["a", "b", "c", "d"])
        event = next(c.api.watch(self.pods_path("watch=1&resourceVersion=" + page["resourceVersion"])))
        self.assertEqual((event["type"], event["object"]["code"]), ("ERROR", 410))
        with self.assertRaises(kube.Refused) as refused:
            c.list("pods", self.namespace, limit=1, **{"continue": page["continue"]})
        self.assertEqual(refused.exception.status, 410)
        self.assertIn("continue", refused.exception.answer["metadata"])

    def test_a_stopped_api_server_comes_back_on_its_port(self):
        events = self.cluster.api.watch(self.pods_path(STREAM))
        self.assertTrue(is_synced(next(events)))
        self.cluster.stop_api()
        self.assertEqual(list(events), [])
        self.cluster.start_api()
        self.cluster.create_pod(self.namespace, "a", node="n1", ip="10.244.0.2")

    def test_a_frozen_api_server_is_silent_and_keeps_its_connections(self):
        events = self.cluster.api.watch(self.pods_path(STREAM), timeout=1)
        self.assertTrue(is_synced(next(events)))
        self.cluster.api_process.freeze()
        try:
            self.assertRaises(TimeoutError, next, events)
        finally:
            self.cluster.api_process.thaw()

    def test_the_audit_log_tells_what_a_service_account_did_by_its_rights(self):
        c = self.cluster
        user = c.service_account(self.namespace, "agent")
        token = c.token(self.namespace, "agent")
        with self.assertRaises(kube.Refused) as refused:
            c.api("GET", self.pods_path(""), token=token)
        self.assertEqual(refused.exception.status, 403)
        role = c.grant(user, [("pods", "get,list,watch")], [self.namespace])
        c.api("GET", self.pods_path(""), token=token)
        events = c.api.watch(self.pods_path(STREAM), token=token)
        self.assertTrue(is_synced(next(events)))
        self.wait_for(lambda: len(c.audit(user)) == 3)
        self.assertEqual([(e.verb, e.resource, e.namespace, e.code) for e in c.audit(user)],
                         [("list", "pods", self.namespace, 403), ("list", "pods", self.namespace, 200),
                          ("watch", "pods", self.namespace, 200)])
        self.assertEqual(c.audit(user, verb="watch")[0].uri, self.pods_path(STREAM))
        events.close()
        c.revoke(role, [self.namespace])
        self.wait_for(lambda: not c.allowed(user, "list", "pods", self.namespace))

    def test_a_token_that_lives_for_seconds_ends(self):
        c = self.cluster
        token = c.token(self.namespace, "default", seconds=2)

        def status():
            return c.api.request("GET", "/api/v1/pods", token=token)[0]
        self.assertEqual(status(), 403)
        self.wait_for(lambda: status() == 401, 20)

    def test_kubeconfigs_of_each_kind_are_understood(self):
        c = self.cluster
        user = c.service_account(self.namespace, "agent")
        c.grant("alice", [("pods", "list")], [self.namespace])
        c.grant(user, [("pods", "list")], [self.namespace])
        crt, key = c.certificate("alice", ["devs"])
        token = c.token(self.namespace, "agent")
        script = os.path.join(self.folder, "credential")
        with open(os.path.join(self.folder, "token"), "w") as f:
            f.write(token)
        for i, user in enumerate((
                kubeconfig.with_certificate(crt, key), kubeconfig.with_token(token),
                kubeconfig.with_certificate(crt, key, embed=False),
                kubeconfig.with_token_file(os.path.join(self.folder, "token")),
                kubeconfig.with_exec(script, {"token": token}))):
            path = c.kubeconfig(f"test-{i}", user, embed_ca=i % 2 == 0, namespace=self.namespace)
            with self.subTest(user=list(user)):
                self.assertEqual(c.kubectl("get", "pods", "--kubeconfig", path, "-o", "name"), "")
        with open(script + ".runs") as f:
            self.assertEqual(f.read(), "run\n")

    def test_the_folder_of_a_service_account_rotates_at_once(self):
        folder = os.path.join(self.folder, "account")
        env = self.cluster.in_cluster(folder, "one", self.namespace)
        self.assertEqual(env["KUBERNETES_SERVICE_PORT"], str(self.cluster.port))
        with open(os.path.join(folder, "token")) as held:
            kubeconfig.write_account(folder, token="two")
            self.assertEqual(held.read(), "one")
        for name, content in (("token", "two"), ("namespace", self.namespace)):
            with open(os.path.join(folder, name)) as f:
                self.assertEqual(f.read(), content)
        self.assertTrue(os.path.samefile(os.path.join(folder, "ca.crt"),
                                         os.path.join(folder, "..data", "ca.crt")))

    def test_slices_name_addresses_that_are_this_machine(self):
        c = self.cluster
        c.create_service(self.namespace, "web", {"http": 80}, clusterIP="10.96.7.7")
        server = socket.create_server(("10.244.3.4", 0))
        self.addCleanup(server.close)
        made = c.create_slice(self.namespace, "web", ["10.244.3.4"],
                              {"http": server.getsockname()[1]})
        socket.create_connection((made["endpoints"][0]["addresses"][0], made["ports"][0]["port"]),
                                 timeout=5).close()
        with self.assertRaises(kube.Refused) as refused:
            c.create_slice(self.namespace, "web", ["127.0.0.1"], {"http": 80}, name="loopback")
        self.assertEqual(refused.exception.status, 422)
        with self.assertRaises(OSError):    # no route leads out
            socket.create_connection(("192.0.2.1", 80), timeout=5)

    def test_ipv6(self):
        if not netns.has_ipv6:
            self.skipTest("no IPv6 here")
        c = self.cluster
        c.create_pod(self.namespace, "six", node="n1", ip=["10.244.0.2", "fd00:244::2"])
        made = c.create_slice(self.namespace, "web", ["fd00:244::2"], {"http": 80})
        self.assertEqual(made["addressType"], "IPv6")
        with socket.create_server(("fd00:244::2", 0), family=socket.AF_INET6) as server:
            socket.create_connection(server.getsockname()[:2], timeout=5).close()

    def test_load_comes_at_its_rate(self):
        made = load.Load(self.cluster.api, self.namespace)
        made.create(100, nodes=10)
        pods = self.cluster.list("pods", self.namespace, fieldSelector="spec.nodeName=node-3")
        self.assertEqual(len({p["status"]["podIP"] for p in pods}), 10)
        before = int(pods[0]["metadata"]["resourceVersion"])
        for replace in (False, True):
            self.assertGreaterEqual(made.change(rate=50, seconds=1, replace=replace).seconds, 0.97)
        pods = self.cluster.list("pods", self.namespace)
        self.assertEqual(len([p for p in pods if int(p["metadata"]["resourceVersion"]) > before]), 100)
        made.delete()
        self.assertEqual(self.cluster.list("pods", self.namespace), [])

    def test_two_clusters_at_once_and_one_that_is_killed(self):
        hand = self.keep(Process([sys.executable, "-B", cluster.__file__], self.folder, "by-hand"))
        config = self.wait_for(lambda: re.search(r"export KUBECONFIG=(\S+)", hand.out()), 60,
                               "the other cluster is ready")[1]
        self.addCleanup(shutil.rmtree, os.path.dirname(os.path.dirname(config)))
        self.cluster.kubectl("--kubeconfig", config, "create", "namespace", "only-there")
        self.assertNotIn("only-there", [n["metadata"]["name"]
                                        for n in self.cluster.list("namespaces")])
        with open(f"/proc/{hand.pid}/task/{hand.pid}/children") as f:
            pids = f.read().split()
        self.assertEqual(len(pids), 2)
        hand.end(signal.SIGKILL)
        self.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids),
                      what="its processes end with it")


class Whole(cluster.Case):
    options = {"controllers": True, "kwok": "10.244.0.0/16"}

    def test_a_daemon_set_runs_on_each_node_and_ends(self):
        c = self.cluster
        nodes = c.nodes(3)
        template = {"metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "app", "image": "none"}]}}
        c.create("daemonsets", self.namespace, {
            "metadata": {"name": "d"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})

        def running():
            pods = c.list("pods", self.namespace, fieldSelector="status.phase=Running")
            return len(pods) == 3 and pods
        pods = self.wait_for(running, 30, "the pods run")
        self.assertEqual(sorted(p["spec"]["nodeName"] for p in pods), nodes)
        self.assertEqual(len({p["status"]["podIP"] for p in pods}), 3)
        self.assertTrue(all(p["status"]["podIP"].startswith("10.244.") for p in pods))
        c.kubectl("delete", "daemonset", "-n", self.namespace, "d", "--timeout=30s")
        self.wait_for(lambda: not c.list("pods", self.namespace), 30, "the pods end")

    def test_helm_installs_a_chart(self):
        chart = os.path.join(self.folder, "chart")
        os.makedirs(os.path.join(chart, "templates"))
        for name, text in (("Chart.yaml", "apiVersion: v2\nname: small\nversion: 0.1.0\n"),
                           ("templates/map.yaml", "apiVersion: v1\nkind: ConfigMap\n"
                                                  "metadata: {name: small}\ndata: {a: '{{ .Values.a }}'}\n")):
            with open(os.path.join(chart, name), "w") as f:
                f.write(text)
        self.cluster.helm("install", "-n", self.namespace, "one", chart, "--set", "a=7")
        made = self.cluster.get("configmaps", self.namespace, "small")
        self.assertEqual(made["data"], {"a": "7"})


class OldEtcd(cluster.Case):
    def test_an_old_etcd_has_no_streaming_lists(self):
        c = self.cluster
        c.create_pod(self.namespace, "a", node="n1", ip="10.244.0.2")
        path = f"/api/v1/namespaces/{self.namespace}/pods?"
        event = next(c.api.watch(path + STREAM))
        self.assertEqual(event["type"], "ERROR")
        listed = c.api("GET", path + "resourceVersion=0")
        self.assertEqual(len(listed["items"]), 1)
        version = listed["metadata"]["resourceVersion"]
        events = c.api.watch(path + "watch=1&resourceVersion=" + version)
        c.create_pod(self.namespace, "b", phase=None)
        self.assertEqual(next(events)["object"]["metadata"]["name"], "b")
        events.close()


if __name__ == "__main__":
    OldEtcd.options = {"etcd": cluster.old_etcd()}
    cluster.main(in_netns=True, with_old_etcd=True)
