# SPDX-License-Identifier: Apache-2.0
"""test_k8s_candidates_once.py - each object of a cluster is a target, or is shown with the reason why not."""
import json, os

import cluster
import harness
import kubeconfig

SCRAPE = {"prometheus.io/scrape": "true"}


def scraped(port):
    return {**SCRAPE, "prometheus.io/port": str(port)}


class Candidates(cluster.Case):
    def setUp(self):
        super().setUp()
        c = self.cluster
        self.pod("good", scraped(8080))
        self.pod("plain", {})
        self.pod("never", {"prometheus.io/scrape": "false"})
        self.pod("odd", scraped("nosuch"))
        self.pod("above", scraped(8081))
        self.pod("ended", scraped(8080), phase="Succeeded")
        c.create_service(self.namespace, "web", {"http": 8080}, selector={"app": "good"},
                         annotations=scraped(8080))
        c.create_service(self.namespace, "lonely", {"http": 80}, selector={"app": "nobody"},
                         annotations=scraped(80))
        c.create_service(self.namespace, "blind", {"http": 80}, annotations=scraped(80))
        c.create_slice(self.namespace, "web", ["10.244.0.9"], {"http": 8080})

    def pod(self, name, annotations, **more):
        self.cluster.create_pod(self.namespace, name, node="n1", ip="10.244.0.9", annotations=annotations,
                                labels={"app": name}, containers={"app": {"metrics": 8080}}, **more)

    def config(self, *sources):
        """sources: name, role, node, and what else the source has."""
        c = self.cluster
        api = {"kubeconfig": c.kubeconfig("agent", self.user())}
        return harness.config(sources=[
            {"name": name, "pool": "main", "interval": "5s", **more,
             "kubernetes": {"role": role, "node": node, "namespaces": [self.namespace], "api": api,
                            **({"lease": {"namespace": self.namespace}} if role == "service" else {})}}
            for name, role, node, more in sources])

    def user(self):
        c = self.cluster
        crt, key = c.certificate("alice")
        rights = [(r, "get,list,watch") for r in ("pods", "services", "endpointslices")]
        c.grant("alice", rights + [("leases", "get,list,watch,create,update")], [self.namespace])
        return kubeconfig.with_certificate(crt, key)

    def path(self, config):
        path = os.path.join(self.folder, "agent.json")
        with open(path, "w") as f:
            f.write(harness.text_of(config))
        return path

    def reasons(self, found, source):
        """The name of each candidate of a source, without the namespace -> why, or its state."""
        return {o["id"].removeprefix(self.namespace + "/"): o["why"] or o["state"]
                for o in found if o["source"] == source}

    def test_each_object_has_its_reason(self):
        config = self.config(("pods", "pod", "n1", {}), ("few", "pod", "n1", {"targets": 1}),
                             ("behind", "endpoints", "n1", {}), ("slices", "endpoints", "", {}),
                             ("services", "service", "", {}))
        done = self.run_agent("describe", "--discover", self.path(config), "--format", "json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = json.loads(done.stdout)["candidates"]
        pods = self.reasons(found, "pods")
        self.assertEqual(pods["good/app:8080/metrics"], "target")
        self.assertEqual(pods["plain"], "no annotation prometheus.io/scrape")
        self.assertIn("prometheus.io/scrape", pods["never"])
        self.assertTrue([why for name, why in pods.items() if name.startswith("odd") and "nosuch" in why])
        self.assertEqual(len(pods), 5)  # those that have ended are not even sent
        few = self.reasons(found, "few")
        self.assertEqual(sorted(why for name, why in few.items() if name[:4] in ("good", "abov")),
                         ["above the bound of targets", "another candidate of the same URL goes before it"])
        behind = self.reasons(found, "behind")
        self.assertEqual(behind["lonely"], "no pod of this node matches its selector")
        self.assertEqual(behind["blind"], "it has no selector")
        self.assertEqual(behind["plain"], "no service that is followed selects it")
        self.assertEqual([o["winner"] for o in found if o["source"] == "behind" and o["url"]], ["pods"])
        slices = self.reasons(found, "slices")
        self.assertEqual(slices["lonely"], "no EndpointSlice")
        self.assertEqual(len([w for w in slices.values() if w.startswith("another candidate")]), 1)
        services = [o for o in found if o["source"] == "services"]
        self.assertEqual({o["state"] for o in services}, {"target"})
        self.assertEqual(len(services), 3)
        self.assertEqual(self.cluster.list("leases", self.namespace), [])

    def test_the_agent_shows_them_with_who_holds_the_lease_and_what_its_watches_do(self):
        config = self.config(("pods", "pod", "n1", {}), ("again", "pod", "n1", {}),
                             ("services", "service", "", {}))
        first = self.agent(config, name="first")
        self.wait_for(lambda: self.cluster.list("leases", self.namespace), 20, "the lease")

        def reasons(agent, source):
            return self.reasons(agent.json("/targets")["candidates"], source)

        def why(agent):
            return set(reasons(agent, "services").values())
        self.wait_for(lambda: why(first) == {"target"}, 20)
        second = self.agent(config, name="second")
        holder = self.cluster.list("leases", self.namespace)[0]["spec"]["holderIdentity"]
        self.wait_for(lambda: why(second) == {"the lease is held by " + holder}, 20)
        self.wait_for(lambda: reasons(second, "again").get("good/app:8080/metrics") ==
                      "another candidate of the same URL goes before it", 20)

        def watches_of(status):
            return {s["name"]: s["watches"] for s in status["sources"]}
        counts = ("collections", "synced", "watching", "objects")
        self.wait_for(lambda: [watches_of(first.status())["pods"][k] for k in counts] == [1, 1, 1, 5], 20)
        status = first.status()
        watches = watches_of(status)
        self.assertGreater(watches["pods"]["object_bytes"], 500)
        # Beside objects: targets, and what is being read.
        self.assertGreater(status["memory"]["parts"]["discovery"],
                           sum(w["object_bytes"] for w in watches.values()))
        metrics = first.get("/metrics")[2]
        self.assertIn('strata_discovery_objects{source="pods"} 5\n', metrics)
        self.assertIn('strata_discovery_watches_open{source="again"} 1\n', metrics)
        for agent in (second, first):
            self.stop(agent)

    def test_a_server_that_is_away_is_told(self):
        path = self.path(self.config(("pods", "pod", "n1", {})))
        self.cluster.kill_api()
        try:
            done = self.run_agent("describe", "--discover", path)
        finally:
            self.cluster.start_api()
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^source pods \(kubernetes, pool main\): failed: .+")
        self.assertIn("\n1 sources: 0 synced, 1 failed; 0 candidates", done.stdout)


if __name__ == "__main__":
    cluster.main(in_netns=True)
