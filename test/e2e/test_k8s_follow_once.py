# SPDX-License-Identifier: Apache-2.0
"""test_k8s_follow_once.py - targets follow pods, services and slices, with no more rights than that takes."""
import datetime

import cluster
import harness
import k8s


def unix_ms(text):
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


class Pods(k8s.Case):
    def follow_own_node(self, **more):
        self.account(k8s.OWN_NODE)
        agent = self.start([self.source(node=self.node, labels={"app": "app"}, **more)])
        self.synced(agent)
        return agent

    def test_a_pod_appears_changes_and_goes(self):
        agent = self.follow_own_node()
        page, other = self.page(), None
        self.pod("elsewhere", page, node=self.node + "-other")
        self.pod("web", page, labels={"app": "one"})
        self.follows(agent, page.url())
        self.sample(page, namespace=self.namespace, pod="web", container="app", node=self.node,
                    app="one", job="k8s", cluster="test")
        entry = agent.targets()[page.url()]
        self.assertEqual(entry["id"], f"{self.namespace}/web/app:{page.port}/metrics")
        other = self.page(page.host)
        self.annotate("web", port=str(other.port))
        self.follows(agent, other.url())
        self.sample(other, pod="web", container="app")
        self.cluster.patch("pods", self.namespace, "web", {"metadata": {"labels": {"app": "two"}}})
        self.sample(other, app="two")
        self.annotate("web", scrape="false")
        self.follows(agent)
        self.annotate("web", scrape="true", path="/deep?a=b")
        other.pages["/deep?a=b"] = k8s.PAGE
        self.follows(agent, other.url("/deep?a=b"))
        self.cluster.delete_pod(self.namespace, "web")
        self.follows(agent)
        self.wait_for(lambda: any("ended" in o for o in self.samples("made_total", app="two")),
                      what="the series have ended")
        self.balanced(agent)
        self.stop(agent)
        self.check_rights("pods")
        self.assertEqual(len(self.asked(resource="pods")), 1)   # a streaming list, and it goes on
        self.assertFalse(self.samples(pod="elsewhere"))

    def test_a_pod_that_terminates_is_scraped_once_more_at_once_and_then_until_it_goes(self):
        server = self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        self.account(k8s.OWN_NODE)
        agent = self.start([self.source(node=self.node, interval="1h")], sinks=[
            harness.nats_sink(server.url, "metrics.{pod}", "METRICS")])
        self.synced(agent)
        rare, often = self.page(), self.page()
        self.pod("rare", rare)
        self.pod("often", often, annotations={"prometheus.io/interval": "1s"})
        self.follows(agent, rare.url(), often.url())
        self.wait_for(lambda: rare.count() == 1 and often.count() >= 2)
        self.cluster.delete_pod(self.namespace, "rare", grace=30)
        self.wait_for(lambda: rare.count() == 2, k8s.SOON_S, "the extra scrape")
        meta = self.cluster.get("pods", self.namespace, "rare")["metadata"]
        due_ms = unix_ms(meta["deletionTimestamp"]) - 1000 * meta["deletionGracePeriodSeconds"]
        self.cluster.delete_pod(self.namespace, "often", grace=30)
        count = often.count()
        self.wait_for(lambda: often.count() >= count + 3, what="regular scrapes go on")
        self.assertEqual(rare.count(), 2)
        self.annotate("rare", changed="again")      # a change while it terminates is no second extra
        for name in ("often", "rare"):
            self.cluster.delete_pod(self.namespace, name)
        self.follows(agent)
        self.balanced(agent)
        self.assertEqual(rare.count(), 2)
        self.stop(agent)
        dues = [int(m.headers["Strata-Due"]) for m in client.read_stream("METRICS", True)
                if m.subject == "metrics.rare"]
        self.assertIn(due_ms, dues)

    def test_pods_that_have_ended_are_none(self):
        agent = self.follow_own_node()
        pages = {name: self.page() for name in ("done", "broken", "stays")}
        for name, page in pages.items():
            self.pod(name, page)
        self.follows(agent, *(p.url() for p in pages.values()))
        self.cluster.set_status(self.namespace, "done", "Succeeded", pages["done"].host)
        self.cluster.set_status(self.namespace, "broken", "Failed", pages["broken"].host)
        self.follows(agent, pages["stays"].url())
        self.cluster.set_status(self.namespace, "stays", "Failed", pages["stays"].host)
        self.follows(agent)
        self.stop(agent)

    def test_a_pod_waits_for_its_address_and_keeps_its_name_when_made_anew(self):
        agent = self.follow_own_node()
        first, second = self.page(), self.page()
        self.pod("web", first, phase=None)
        self.refused(agent, "web", "no IP yet")
        self.cluster.set_status(self.namespace, "web", "Running", first.host)
        self.follows(agent, first.url())
        self.cluster.delete_pod(self.namespace, "web")
        self.pod("web", second)
        self.follows(agent, second.url())
        self.sample(second, pod="web")
        self.balanced(agent)
        self.stop(agent)

    def test_a_reload_that_changes_the_source_keeps_what_stays(self):
        agent = self.follow_own_node()
        pages = [self.page() for _ in range(3)]
        for i, page in enumerate(pages):
            self.pod(f"web-{i}", page)
        urls = [page.url() for page in pages]
        self.follows(agent, *urls)
        self.wait_for(lambda: min(page.count() for page in pages) > 1)
        for timeout in ("800ms", "700ms"):
            source = self.source(node=self.node, labels={"app": "app"}, common={"timeout": timeout})
            agent.reload(harness.config(sources=[source], sinks=[
                {"name": "queue", "file": {"path": self.sink}}]))
            self.wait_for(lambda: {t["timeout_seconds"] for t in agent.targets().values()} ==
                          {float(timeout[:-2]) / 1000}, what="the new source has them")
            self.assertEqual(sorted(agent.targets()), sorted(urls))
        counts = [page.count() for page in pages]
        self.wait_for(lambda: all(p.count() > n + 1 for p, n in zip(pages, counts)))
        self.balanced(agent)
        self.stop(agent)
        self.assertFalse([o for o in self.samples() if "ended" in o])


class Services(k8s.Case):
    def service(self, name, ports, annotations=None, **more):
        return self.cluster.create_service(
            self.namespace, name, ports,
            annotations={"prometheus.io/scrape": "true", **(annotations or {})}, **more)

    def test_endpoints_of_slices_come_and_go(self):
        self.account(k8s.SERVICES[1:])
        agent = self.start([self.source("endpoints")])
        self.synced(agent)
        one, two = (self.page(f"10.244.7.{i}", port=18080) for i in (1, 2))
        self.cluster.create_slice(self.namespace, "web", [one.host], {"http": 18080})
        self.service("web", {"http": 80})
        self.follows(agent, one.url())
        self.sample(one, namespace=self.namespace, service="web")
        self.cluster.patch("endpointslices", self.namespace, "web-1", {"endpoints": [
            {"addresses": [one.host], "conditions": {"ready": False}},
            {"addresses": [two.host], "conditions": {"ready": True}, "nodeName": "n7",
             "targetRef": {"kind": "Pod", "name": "p2", "namespace": self.namespace}}]})
        self.follows(agent, two.url())
        self.sample(two, service="web", pod="p2", node="n7")
        self.refused(agent, one.host, "not ready")
        self.annotate("web", "services", scrape=None)
        self.follows(agent)
        self.annotate("web", "services", scrape="true")
        self.follows(agent, two.url())
        self.cluster.delete("services", self.namespace, "web")
        self.follows(agent)
        self.service("web", {"http": 80})
        self.follows(agent, two.url())
        self.cluster.delete("endpointslices", self.namespace, "web-1")
        self.follows(agent)
        self.balanced(agent)
        self.stop(agent)
        self.check_rights("services", "endpointslices")

    def test_endpoints_with_a_node_are_pods_that_services_select(self):
        self.account(k8s.OWN_NODE + k8s.SERVICES[1:2])
        agent = self.start([self.source("endpoints", node=self.node)])
        self.synced(agent)
        page, far, plain = self.page(), self.page(), self.page()
        c = self.cluster
        for name, p, node in (("web", page, self.node), ("far", far, self.node + "-other"),
                              ("plain", plain, self.node)):
            c.create_pod(self.namespace, name, node=node, ip=p.host,
                         labels={"app": "plain" if name == "plain" else "web"},
                         containers={"app": {"m": p.port}})
        self.follows(agent)
        self.service("web", {"http": 80}, selector={"app": "web"})
        c.patch("services", self.namespace, "web", [
            {"op": "replace", "path": "/spec/ports/0/targetPort", "value": "m"}])
        self.follows(agent, page.url())
        self.sample(page, service="web", pod="web", node=self.node, container="app")
        c.patch("services", self.namespace, "web", {"spec": {"selector": {"app": "plain"}}})
        self.follows(agent, plain.url())
        c.patch("pods", self.namespace, "web", {"metadata": {"labels": {"app": "plain"}}})
        self.follows(agent, page.url(), plain.url())
        c.set_status(self.namespace, "plain", "Running", plain.host, ready=False)
        self.follows(agent, page.url())
        self.refused(agent, "plain", "not ready")
        count = page.count()
        c.delete_pod(self.namespace, "web", grace=30)
        self.wait_for(lambda: page.count() > count + 2)
        c.delete_pod(self.namespace, "web")
        self.follows(agent)
        self.balanced(agent)
        self.stop(agent)
        self.check_rights("pods", "services")

    def test_a_service_by_its_cluster_ip(self):
        self.account(k8s.SERVICES[1:2] + [("leases", "get,list,watch,create,update")])
        agent = self.start([self.source("service")])
        self.synced(agent)
        page = self.page("10.96.9.9")
        self.service("web", {"http": page.port}, clusterIP=page.host)
        self.service("headless", {"http": page.port}, clusterIP="None")
        self.follows(agent, page.url())
        self.sample(page, service="web", namespace=self.namespace)
        self.refused(agent, "headless", "no cluster IP")
        self.annotate("web", "services", port="70000")
        self.follows(agent)
        self.refused(agent, "web", "70000")
        self.annotate("web", "services", port=None)
        self.follows(agent, page.url())
        self.cluster.delete("services", self.namespace, "web")
        self.follows(agent)
        self.stop(agent)

    def test_three_roles_in_one_agent_share_what_they_follow(self):
        self.account(k8s.OWN_NODE + k8s.SERVICES[1:2] + [("leases", "get,list,watch,create,update")])
        agent = self.start([self.source(name="pods", node=self.node, namespaces=[self.namespace]),
                            self.source("endpoints", name="ends", node=self.node,
                                        namespaces=[self.namespace]),
                            self.source("service", name="services")])
        self.synced(agent)
        page, front = self.page(), self.page("10.96.9.10")
        self.service("web", {"http": page.port}, {"prometheus.io/port": str(page.port)},
                     selector={"app": "web"}, clusterIP=front.host)
        self.pod("web", page, labels={"app": "web"})
        behind = f"http://{front.host}:{page.port}/metrics"
        self.follows(agent, page.url(), behind)
        self.sample(page, job="pods", pod="web")
        self.annotate("web", scrape="false")
        self.sample(page, job="ends", pod="web", service="web")
        self.annotate("web", "services", scrape="false")
        self.follows(agent)
        self.annotate("web", scrape="true")
        self.annotate("web", "services", scrape="true")
        self.follows(agent, page.url(), behind)
        self.cluster.delete("services", self.namespace, "web")
        self.follows(agent, page.url())
        self.balanced(agent)
        self.stop(agent)
        watched = sorted(e.resource for e in self.asked(verb="watch"))
        self.assertEqual(watched, ["leases", "pods", "services"])

    def test_a_right_that_is_missing_is_named_and_when_given_back_all_goes_on(self):
        self.account(k8s.SERVICES[:1])
        agent = self.start([self.source("endpoints", node=self.node)])
        message = self.wait_for(lambda: self.source_error(agent), what="the fault is shown")
        for word in ("cannot watch", '"services"', self.user):
            self.assertIn(word, message)
        self.assertEqual(agent.get("/readyz")[0], 503)
        self.assertIn("not every source has synced", agent.get("/readyz")[2])
        page = self.page()
        self.pod("web", page, labels={"app": "web"}, annotations={"prometheus.io/scrape": None})
        self.service("web", {"http": page.port}, selector={"app": "web"})
        self.cluster.grant(self.user, k8s.SERVICES[1:2], name=self.role + "-2")
        self.synced(agent, 40)
        self.follows(agent, page.url())
        self.assertEqual(self.source_error(agent), "")
        self.stop(agent)


if __name__ == "__main__":
    cluster.main(needs=["nats-server"], in_netns=True)
