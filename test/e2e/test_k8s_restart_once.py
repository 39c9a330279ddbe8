# SPDX-License-Identifier: Apache-2.0
"""test_k8s_restart_once.py - the API server dies, forgets, stands still, and takes rights away."""
import threading, time

import books
import cluster
import k8s

AWAY_S = 45     # the server comes back within 10 s; who asks it again is spread over 30 s


class Counted:
    """A page that tells how often it was asked for, and how often at once."""

    def __init__(self):
        self.lock, self.now, self.most, self.times = threading.Lock(), 0, 0, []

    def __call__(self, request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.times.append(time.monotonic())
        time.sleep(0.02)    # long enough that two at once would meet
        with self.lock:
            self.now -= 1
        return k8s.PAGE


class Restart(k8s.Case):
    DEATHS = 0      # of the server that forgets nothing, before the one that does

    def start_agent(self, source, name):
        """With a sink of its own."""
        self.sink = f"{self.folder}/{name}.json"
        agent = self.start([source], name=name)
        self.synced(agent)
        return agent

    def again(self, since, verb=None):
        """What this agent has asked for since then."""
        return [e for e in self.asked() if e not in since and verb in (None, e.verb)]

    def check_scraped(self, pages, since, agent, gone=()):
        """Each of them each second, never twice at once; of none but these pods series have ended."""
        seconds = time.monotonic() - since
        for counted in pages:
            self.assertEqual(counted.most, 1)
            count = sum(t >= since for t in counted.times)
            self.assertLessEqual(abs(count - seconds), 2 + seconds / 10)
        metrics = self.balanced(agent)
        self.assertLessEqual(set(books.dropped(metrics)), {"removed"})
        self.assertEqual({o["tags"]["pod"] for o in self.samples() if "ended" in o}, set(gone))

    def start_without_server(self, url):
        """An agent whose other source works at once."""
        fixed = {"name": "list", "static": {"targets": [url]}, "interval": "1s", "pool": "main"}
        sinks = [{"name": "queue", "stdout": {}}]
        agent = self.start([fixed, self.source("endpoints")], name="newcomer", sinks=sinks)
        self.wait_for(lambda: sum(books.failed(agent.metrics()).values()) > 1,
                      what="the other source is scraped")
        self.assertEqual(agent.get("/readyz")[0], 503)
        self.assertEqual(agent.get("/healthz")[0], 200)
        return agent

    def test_the_server_dies_and_forgets_and_takes_a_right_away(self):
        c = self.cluster
        self.account(k8s.OWN_NODE)
        counted = [Counted() for _ in range(4)]
        pages = [self.page(pages={"/metrics": one}) for one in counted]
        slice_page = self.page("10.244.9.1")
        for i, page in enumerate(pages[:3]):
            self.pod(f"web-{i}", page)
        pods = self.start_agent(self.source(node=self.node), "pods")
        pods_user, pods_sink = self.user, self.sink
        urls = [page.url() for page in pages[:3]]
        self.follows(pods, *urls)
        self.account(k8s.SERVICES[1:], account="second")
        c.create_service(self.namespace, "web", {"http": 80},
                         annotations={"prometheus.io/scrape": "true"})
        c.create_slice(self.namespace, "web", [slice_page.host], {"http": slice_page.port})
        services = self.start_agent(self.source("endpoints"), "services")
        self.follows(services, slice_page.url())
        for agent in (pods, services):
            self.wait_for(lambda: books.scraped(agent.metrics()) > 0)
        since = time.monotonic()
        asked = c.audit(pods_user) + c.audit(self.user)

        for death in range(self.DEATHS):
            (c.stop_api if death % 2 else c.kill_api)()
            self.wait_for(lambda: self.source_error(pods) and self.source_error(services), 5,
                          "the fault is shown")
            c.start_api()
            self.pod(f"more-{death}", pages[3])
            self.follows(pods, *urls, pages[3].url(), timeout=AWAY_S)
            self.works(services, timeout=AWAY_S)
            self.works(pods, timeout=20)
            c.delete_pod(self.namespace, f"more-{death}")
            self.follows(pods, *urls)

        self.pod("web-3", pages[3])
        self.follows(pods, *urls, pages[3].url())
        self.wait_for(lambda: counted[3].times)
        c.create_pod(self.namespace, "unseen", node="n2", ip="127.0.0.1")   # history goes on
        c.patch("services", self.namespace, "web", {"metadata": {"annotations": {"a": "b"}}})
        c.create_pod(self.namespace, "unseen-2", node="n2", ip="127.0.0.1")
        c.revoke(self.role)
        c.kill_api()
        c.compact()
        newcomer = self.start_without_server(pages[0].url("/fixed"))
        c.start_api()
        c.delete_pod(self.namespace, "web-3")
        message = self.wait_for(lambda: "403" in self.source_error(services) and
                                self.source_error(services), AWAY_S, "the right is missed")
        for word in ("cannot", "services", self.user):
            self.assertIn(word, message)
        self.follows(services, slice_page.url())    # what is known goes on
        c.grant(self.user, k8s.SERVICES[1:], name=self.role)
        self.follows(pods, *urls, timeout=AWAY_S)
        self.works(pods, timeout=5)
        for agent in (pods, services):
            self.assertEqual(agent.get("/readyz")[0], 200)
            self.assertEqual(agent.get("/healthz")[0], 200)
        self.works(services, timeout=40)
        self.follows(services, slice_page.url())
        self.synced(newcomer, AWAY_S)
        self.stop(newcomer)

        self.assertFalse([o for o in self.samples() if "ended" in o])
        self.balanced(services)
        self.stop(services)
        self.sink = pods_sink
        gone = [f"more-{i}" for i in range(self.DEATHS)] + ["web-3"]
        self.check_scraped(counted[:3], since, pods, gone)
        self.stop(pods)
        for user, most in ((pods_user, 8), (self.user, 40)):
            most *= self.DEATHS + 1
            fresh = [e for e in c.audit(user) if e not in asked]
            self.assertLessEqual(len(fresh), most, fresh)
        self.assertTrue(any(e.code == 410 or "sendInitialEvents" in e.uri
                            for e in c.audit(pods_user) if e not in asked))

    def test_a_server_that_stands_still_holds_nothing_up(self):
        self.account(k8s.OWN_NODE)
        counted = Counted()
        page, late = self.page(pages={"/metrics": counted}), self.page()
        self.pod("web", page)
        agent = self.start_agent(self.source(node=self.node), "agent")
        self.follows(agent, page.url())
        self.wait_for(lambda: counted.times)
        since, before = time.monotonic(), len(self.asked())
        self.cluster.api_process.freeze()
        try:
            count = len(counted.times)
            self.wait_for(lambda: len(counted.times) >= count + 3)
            self.assertEqual(agent.get("/healthz")[0], 200)
            self.assertEqual(len(agent.targets()), 1)
        finally:
            self.cluster.api_process.thaw()
        self.pod("late", late)
        self.follows(agent, page.url(), late.url())
        self.check_scraped([counted], since, agent)
        self.assertEqual(len(self.asked()), before)
        self.stop(agent)


if __name__ == "__main__":
    cluster.main(in_netns=True)
