# SPDX-License-Identifier: Apache-2.0
"""test_k8s_targets_once.py - what becomes a target: annotations, good and bad, selectors, bounds, two sources."""
import re

import cluster
import harness
import k8s
import netns


class Targets(k8s.Case):
    def setUp(self):
        super().setUp()
        self.account(k8s.OWN_NODE)

    def start_one(self, **more):
        agent = self.start([self.source(node=self.node, **more)])
        self.synced(agent)
        return agent

    def test_junk_is_refused_by_name_and_spoils_nothing_else(self):
        good = self.page()
        self.pod("good", good)
        junk = {
            "port-word": ({"port": "web"}, "'web' is no port of the pod"),
            "port-zero": ({"port": "0"}, "no number from 1 to 65535"),
            "port-large": ({"port": "70000"}, "no number from 1 to 65535"),
            "port-minus": ({"port": "-1"}, "'-1' is no port"),
            "port-empty": ({"port": ""}, "port"),
            "port-gap": ({"port": f"{good.port},,x y"}, "'x y' is no port"),
            "port-many": ({"port": ",".join(str(i) for i in range(1, 100))}, "too many ports"),
            "port-long": ({"port": "9" * 900}, "no number"),
            "paths": ({"port": f"{good.port},1", "path": "/a,/b,/c"}, "3 items for 2 ports"),
            "scheme": ({"scheme": "ftp"}, "scheme"),
            "scheme-url": ({"scheme": "http://127.0.0.1:1/?"}, "scheme"),
            "scrape": ({"scrape": "yes, please"}, "neither true nor false"),
            "interval": ({"interval": "soon"}, "interval"),
            "interval-unit": ({"interval": "15"}, "interval"),
            "interval-short": ({"interval": "100ms"}, "min_interval"),
            "interval-long": ({"interval": "90d"}, "interval"),
            "interval-minus": ({"interval": "-10s"}, "interval"),
            "timeout": ({"interval": "10s", "timeout": "11s"}, "above its interval"),
            "limit": ({"sample-limit": "many"}, "sample_limit"),
            "limit-zero": ({"sample-limit": "0"}, "sample_limit"),
            "limit-large": ({"sample-limit": "2000"}, "sample limit above 1000"),
            "path-control": ({"path": "/a\x01b"}, "path-control"),
            "path-long": ({"path": "/" + "x" * 1000}, None),    # odd, but a path
            "path-host": ({"path": "@127.0.0.1:1/x"}, None),
            "path-fragment": ({"path": "/a#b"}, None),
            "path-up": ({"path": "/../../x"}, None),
            "path-utf8": ({"path": "/é\u2028 x"}, None),
        }
        agent = self.start([self.source(node=self.node, common={"min_interval": "5s",
                                                                "sample_limit": 1000})])
        self.synced(agent)
        hosts = {name: self.address() for name in junk}
        for name, (annotations, _) in junk.items():
            self.pod(name, good, ip=hosts[name],
                     annotations={"prometheus.io/" + n: v for n, v in annotations.items()})
        for name, (_, words) in junk.items():
            with self.subTest(pod=name):
                if words:
                    self.refused(agent, f"k8s: {self.namespace}/{name}", words)
        for url, entry in agent.targets().items():     # whatever was taken goes to its pod and nowhere else
            name = entry["labels"]["pod"]
            host = good.host if name == "good" else hosts[name]
            self.assertRegex(url, rf"^http://{re.escape(host)}:\d+/[!-~]*$")
            self.assertNotIn("#", url)
        self.sample(good, pod="good")
        self.assertEqual(agent.status()["sources"][0]["last_error"], None)
        for name in junk:
            self.cluster.delete_pod(self.namespace, name)
        self.follows(agent, good.url())
        self.assertEqual(agent.json("/targets")["refused"], [])
        self.balanced(agent)
        self.stop(agent)

    def test_interval_timeout_and_limit_of_one_target(self):
        agent = self.start([self.source(node=self.node, interval="30s",
                                        common={"min_interval": "1s", "sample_limit": 100})])
        self.synced(agent)
        page = self.page(pages={"/metrics": "a 1\nb 2\nc 3\n"})
        self.pod("own", page, annotations={"prometheus.io/interval": "2s", "prometheus.io/timeout": "500ms",
                                           "prometheus.io/sample-limit": "2"})
        self.follows(agent, page.url())
        entry = agent.targets()[page.url()]
        self.assertEqual((entry["interval_seconds"], entry["timeout_seconds"]), (2, 0.5))
        self.wait_for(lambda: page.count() >= 2, what="it is scraped every two seconds")
        entry = agent.targets()[page.url()]
        self.assertEqual(entry["samples_post_filter"], 2, entry)
        self.annotate("own", sample_limit=None, interval="1s")
        self.wait_for(lambda: agent.targets()[page.url()]["samples_post_filter"] == 3)
        self.annotate("own", interval="900ms")
        self.follows(agent)
        self.refused(agent, "own", "min_interval")
        self.stop(agent)

    def test_several_ports_and_paths_names_and_schemes(self):
        agent = self.start_one()
        host = self.address()
        one, two = self.page(host), self.page(host)
        for page in (one, two):
            page.pages |= {"/a": k8s.PAGE, "/b?x=1": k8s.PAGE}
        ports = {"app": {"http": one.port}, "side": {"extra": two.port}}
        self.pod("web", one, containers=ports,
                 annotations={"prometheus.io/port": f" {one.port} , extra", "prometheus.io/path": "/a,/b?x=1"})
        self.follows(agent, one.url("/a"), two.url("/b?x=1"))
        self.sample(one, container="app")
        self.sample(two, container="side")
        self.annotate("web", path="/b?x=1")
        self.follows(agent, one.url("/b?x=1"), two.url("/b?x=1"))
        self.annotate("web", port=f"{one.port},{one.port}", path="/a")
        self.follows(agent, one.url("/a"))
        self.refused(agent, "web", "once more")
        self.annotate("web", port=str(one.port), scheme="https")
        self.follows(agent, one.url("/a").replace("http:", "https:"))
        self.annotate("web", port=None, scheme=None, path=None)
        self.follows(agent, f"http://{host}:9090/metrics")
        self.stop(agent)

    def test_init_containers_sidecars_and_the_host_network(self):
        agent = self.start_one(annotations="optional")
        page, side, init, host = (self.page() for _ in range(4))
        side = self.page(page.host)
        self.pod("web", page, annotations={"prometheus.io/scrape": None},
                 containers={"app": {"": page.port}},
                 initContainers=[
                     {"name": "init", "image": "none", "ports": [{"containerPort": init.port}]},
                     {"name": "side", "image": "none", "restartPolicy": "Always",
                      "ports": [{"containerPort": side.port},
                                {"containerPort": 53, "protocol": "UDP"}]}])
        self.pod("host", host, hostNetwork=True, annotations={"prometheus.io/scrape": None},
                 containers=[{"name": "app", "image": "none", "ports": [
                     {"containerPort": host.port, "hostPort": host.port}]}])
        self.pod("never", page, annotations={"prometheus.io/scrape": "false"})
        self.follows(agent, page.url(), side.url(), host.url())
        self.sample(side, container="side")
        self.sample(page, container="app")
        self.sample(host, pod="host")
        self.assertEqual(agent.json("/targets")["refused"], [])
        self.stop(agent)

    def test_a_pod_of_ipv6(self):
        if not netns.has_ipv6:
            self.skipTest("no IPv6 here")
        agent = self.start_one()
        page = self.page("fd00:244::5")
        self.pod("six", page)
        self.follows(agent, page.url())
        self.sample(page, pod="six")
        self.cluster.set_status(self.namespace, "six", "Running", ["127.0.0.1", page.host])
        self.follows(agent, f"http://127.0.0.1:{page.port}/metrics")
        self.stop(agent)

    def test_labels_select(self):
        expressions = [{"key": "tier", "operator": "In", "values": ["a", "b"]},
                       {"key": "track", "operator": "NotIn", "values": ["canary"]},
                       {"key": "team", "operator": "Exists"},
                       {"key": "old", "operator": "DoesNotExist"}]
        agent = self.start_one(selector={"matchLabels": {"app": "web"},
                                         "matchExpressions": expressions})
        fits = {"app": "web", "tier": "a", "team": "x"}
        labels = {"fits": fits, "app": {**fits, "app": "db"}, "tier": {**fits, "tier": "c"},
                  "track": {**fits, "track": "canary"}, "old": {**fits, "old": ""},
                  "team": {"app": "web", "tier": "a"}, "fits-too": {**fits, "tier": "b"}}
        pages = {name: self.page() for name in labels}
        for name, own in labels.items():
            self.pod(name, pages[name], labels=own)
        self.follows(agent, pages["fits"].url(), pages["fits-too"].url())
        c = self.cluster
        c.patch("pods", self.namespace, "fits", {"metadata": {"labels": {"old": "yes"}}})
        c.patch("pods", self.namespace, "tier", {"metadata": {"labels": {"tier": "b"}}})
        self.follows(agent, pages["tier"].url(), pages["fits-too"].url())
        self.stop(agent)
        selector = "app=web,tier+in+(a,b),track+notin+(canary),team,!old"
        self.assertEqual({k8s.query(e)["labelSelector"].replace(" ", "+") for e in self.asked()},
                         {selector})

    def test_namespaces_by_list_need_no_more_than_roles_there(self):
        c = self.cluster
        second, third = (c.namespace(f"{n}-{self.namespace}") for n in ("second", "third"))
        self.account(k8s.OWN_NODE, [self.namespace, second], account="narrow")
        pages = [self.page() for _ in range(3)]
        agent = self.start([self.source(namespaces=[self.namespace, second])])
        self.synced(agent)
        for namespace, page in zip((self.namespace, second, third), pages):
            c.create_pod(namespace, self.namespace, node="n1", ip=page.host,
                         containers={"app": {"metrics": page.port}},
                         annotations={"prometheus.io/scrape": "true"})
        self.follows(agent, pages[0].url(), pages[1].url())
        self.sample(pages[1], namespace=second)
        self.stop(agent)
        self.assertEqual({e.namespace for e in self.asked()}, {self.namespace, second})
        self.check_rights("pods")

    def test_a_hundred_namespaces_are_followed_at_once(self):
        others = [f"not-there-{i}" for i in range(99)]
        agent = self.start([self.source(namespaces=[*others, self.namespace])])
        self.synced(agent, 20)
        page = self.page()
        self.pod("web", page)
        self.follows(agent, page.url())
        self.sample(page, pod="web")
        self.stop(agent)
        self.assertEqual(len(self.asked()), 100)

    def test_two_sources_share_a_watch_and_the_first_scrapes_what_both_have(self):
        both = [self.source(name=name, node=self.node, labels={"app": "app"}, **more)
                for name, more in (("first", {}), ("second", {"annotations": "optional"}))]
        agent = self.start(both)
        self.synced(agent)
        page, asked = self.page(), self.page()
        self.pod("plain", page, annotations={"prometheus.io/scrape": None})
        self.pod("asked", asked)
        self.follows(agent, page.url(), asked.url())
        self.assertEqual({u: e["source"] for u, e in agent.targets().items()},
                         {page.url(): "second", asked.url(): "first"})
        self.sample(asked, job="first")
        self.annotate("asked", scrape=None)
        self.wait_for(lambda: agent.targets()[asked.url()]["source"] == "second", k8s.SOON_S,
                      "the second takes over")
        self.sample(asked, job="second")
        self.annotate("asked", scrape="true")
        self.wait_for(lambda: agent.targets()[asked.url()]["source"] == "first", k8s.SOON_S,
                      "the first takes it back")
        self.balanced(agent)
        agent.reload(harness.config(sources=both[1:]))
        self.wait_for(lambda: {e["source"] for e in agent.targets().values()} == {"second"},
                      k8s.SOON_S, "the first is gone")
        self.follows(agent, page.url(), asked.url())
        self.stop(agent)
        self.assertEqual(len(self.asked()), 1, self.asked())

    def test_targets_above_the_bound_are_refused_by_name_and_get_room_later(self):
        agent = self.start([self.source(node=self.node, common={"targets": 3})])
        self.synced(agent)
        pages = [self.page() for _ in range(5)]
        for i, page in enumerate(pages[:3]):
            self.pod(f"web-{i}", page)
        self.follows(agent, *(p.url() for p in pages[:3]))
        self.pod("web-3", pages[3])
        self.pod("web-4", pages[4])
        self.refused(agent, "web-3", "above the bound of targets")
        self.refused(agent, "web-4", "above the bound of targets")
        self.assertEqual(agent.status()["sources"][0]["refused"], 2)
        self.follows(agent, *(p.url() for p in pages[:3]))
        self.cluster.delete_pod(self.namespace, "web-4")
        self.cluster.delete_pod(self.namespace, "web-1")
        self.follows(agent, *(pages[i].url() for i in (0, 2, 3)))
        self.sample(pages[3])
        self.wait_for(lambda: not agent.json("/targets")["refused"], k8s.SOON_S)
        self.assertEqual(agent.status()["sources"][0]["refused"], 0)
        self.balanced(agent)
        self.stop(agent)

    def test_large_and_odd_objects(self):
        agent = self.start_one(labels={"app": "app", "absent": "absent"},
                               annotation_labels={"note": "note", "long": "long"})
        page, plain = self.page(), self.page()
        note = 'a "quoted"\nline \\ and a tab\t, \u00e9\U0001f600'
        many = {f"example.com/{i}": "x" * 2000 for i in range(120)}
        self.pod("odd", page, annotations={**many, "note": note, "long": "y" * 1025},
                 labels={"app": "web", **{f"l{i}": str(i) for i in range(200)}},
                 containers=[{"name": f"c{i}", "image": "none", "env": [
                     {"name": "E", "value": "z" * 3000}],
                     "ports": [{"containerPort": 1000 + 10 * i + k} for k in range(10)]}
                     for i in range(50)] + [
                     {"name": "app", "image": "none",
                      "ports": [{"name": "metrics", "containerPort": page.port}]}])
        self.annotate("odd", port=str(page.port))
        self.pod("plain", plain)
        self.follows(agent, page.url(), plain.url())
        sample = self.sample(page, pod="odd")
        self.assertEqual(sample["tags"]["note"], note)
        self.assertEqual(sample["tags"]["app"], "web")
        self.assertLessEqual({"long", "absent"} & set(sample["tags"]), set())
        self.annotate("odd", path="/" + "x" * 1030)      # beyond what is kept of one
        self.follows(agent, page.url(), plain.url())
        self.stop(agent)

    def test_two_pods_of_one_address_and_port_are_one_place_and_the_other_takes_over(self):
        agent = self.start_one()
        page = self.page()
        first = self.pod("first", page)
        self.follows(agent, page.url())
        self.pod("second", page)
        self.sample(page, pod="first")
        self.cluster.delete_pod(self.namespace, "first")
        self.sample(page, pod="second")
        self.follows(agent, page.url())
        self.assertEqual(first["spec"]["nodeName"], self.node)
        self.balanced(agent)
        self.stop(agent)

    def test_the_usual_rules_of_prometheus(self):
        meta = "__meta_kubernetes_pod_"
        rules = [
            {"source_labels": [meta + "annotation_prometheus_io_scrape"], "regex": "true",
             "action": "keep"},
            {"source_labels": [meta + "annotation_prometheus_io_path"], "regex": "(.+)",
             "target_label": "__metrics_path__"},
            {"source_labels": ["__address__", meta + "annotation_prometheus_io_port"],
             "regex": r"([^:]+)(?::\d+)?;(\d+)", "replacement": "$$1:$$2",
             "target_label": "__address__"},
            {"regex": meta + "label_(.+)", "action": "labelmap"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "ns"},
            {"source_labels": [meta + "phase"], "regex": "Pending|Succeeded|Failed",
             "action": "drop"}]
        agent = self.start([self.source(node=self.node, annotations="optional",
                                        common={"relabel": rules})])
        self.synced(agent)
        page = self.page(pages={"/deep": k8s.PAGE})
        self.pod("web", page, labels={"app": "web", "tier": "x"}, annotations={
            "prometheus.io/path": "/deep", "prometheus.io/port": str(page.port)},
            containers={"app": {"": 1234}, "side": {}})
        self.pod("other", page, annotations={"prometheus.io/scrape": None})
        self.follows(agent, page.url("/deep"))
        self.sample(page, app="web", tier="x", ns=self.namespace)
        self.cluster.set_status(self.namespace, "web", "Pending", page.host)
        self.follows(agent)
        self.stop(agent)


if __name__ == "__main__":
    cluster.main(in_netns=True)
