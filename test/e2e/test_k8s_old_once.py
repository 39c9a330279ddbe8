# SPDX-License-Identifier: Apache-2.0
"""test_k8s_old_once.py - an API server without streaming lists: the same results by lists and watches."""
import cluster
import k8s
import load


class Old(k8s.Case):
    def requests(self, *resources):
        """What was asked, in the order in which it came: (verb, query)."""
        self.check_rights(*resources)
        return [(e.verb, k8s.query(e)) for e in sorted(self.asked(), key=lambda e: e.time)]

    def test_a_node_is_listed_at_version_0_and_then_watched(self):
        self.account(k8s.OWN_NODE)
        page, late = self.page(), self.page()
        self.pod("web", page)
        self.pod("far", page, node=self.node + "-other")
        agent = self.start([self.source(node=self.node)])
        self.synced(agent)
        self.follows(agent, page.url())
        self.pod("late", late)
        self.follows(agent, page.url(), late.url())
        self.sample(late, pod="late")
        self.cluster.delete_pod(self.namespace, "web")
        self.follows(agent, late.url())
        self.assertEqual(self.source_error(agent), "")
        self.balanced(agent)
        self.stop(agent)
        (streamed, first), (listed, second), (watched, third) = self.requests("pods")
        self.assertEqual((streamed, listed, watched), ("watch", "list", "watch"))
        self.assertEqual(first["sendInitialEvents"], "true")
        self.assertEqual(second["resourceVersion"], "0")
        for q in (first, second, third):
            self.assertNotIn("limit", q)
            self.assertEqual(q["fieldSelector"], f"spec.nodeName={self.node},"
                             "status.phase!=Succeeded,status.phase!=Failed")
        self.assertGreater(int(third["resourceVersion"]), 0)
        self.assertEqual(third["allowWatchBookmarks"], "true")

    def test_all_of_a_namespace_come_in_pages_of_500(self):
        self.account(k8s.OWN_NODE)
        many = load.Load(self.cluster.api, self.namespace)
        many.create(510, nodes=10)
        agent = self.start([self.source(interval="1h")], agent={"first_scrape": "spread"})
        self.synced(agent)
        self.wait_for(lambda: len(agent.targets()) == 510, what="all are targets")
        self.cluster.delete_pod(self.namespace, "p-509")
        self.wait_for(lambda: len(agent.targets()) == 509, k8s.SOON_S, "one is gone")
        self.stop(agent)
        verbs = [verb for verb, _ in self.requests("pods")]
        self.assertEqual(verbs, ["watch", "list", "list", "watch"])
        pages = [q for verb, q in self.requests("pods") if verb == "list"]
        self.assertEqual([q["limit"] for q in pages], ["500"] * 2)
        self.assertNotIn("continue", pages[0])
        self.assertNotIn("resourceVersion", pages[0])
        self.assertTrue(pages[1]["continue"])

    def test_endpoints_too(self):
        self.account(k8s.SERVICES[1:])
        agent = self.start([self.source("endpoints")])
        self.synced(agent)
        page = self.page("10.244.8.1")
        self.cluster.create_service(self.namespace, "web", {"http": 80},
                                    annotations={"prometheus.io/scrape": "true"})
        self.cluster.create_slice(self.namespace, "web", [page.host], {"http": page.port})
        self.follows(agent, page.url())
        self.cluster.delete("services", self.namespace, "web")
        self.follows(agent)
        self.stop(agent)
        self.assertEqual(sorted(verb for verb, _ in self.requests("services", "endpointslices")),
                         ["list"] * 2 + ["watch"] * 4)


if __name__ == "__main__":
    Old.options = {"etcd": cluster.old_etcd()}
    cluster.main(in_netns=True, with_old_etcd=True)
