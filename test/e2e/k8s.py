# SPDX-License-Identifier: Apache-2.0
"""k8s.py - what the tests of the source kubernetes share: the agent as a pod of a cluster.

    class SomeTest(k8s.Case):
        def test_a_sentence(self):
            self.account([("pods", "get,list,watch")])      with the files and rights of a pod
            agent = self.start([self.source(node=self.node)])
            page = self.page("10.244.1.1")
            self.pod("web", page)
            self.follows(agent, page.url())                 within a second or so
            self.sample(page, pod="web")                    has arrived
"""
import itertools, os, time, urllib.parse

import cluster
import harness
import page_server
from process import wait_for

OWN_NODE = [("pods", "get,list,watch")]
SERVICES = OWN_NODE + [("services", "get,list,watch"), ("endpointslices", "get,list,watch")]
SOON_S = 3              # a change takes some milliseconds; this machine may be busy
PAGE = "made_total 7\n"
numbers = itertools.count(1)


def query(entry):
    """The parameters of a request in the audit log."""
    parsed = urllib.parse.parse_qs(urllib.parse.urlsplit(entry.uri).query, keep_blank_values=True)
    return {name: values[0] for name, values in parsed.items()}


class Pages(page_server.PageServer):
    """A pod's server, on an address of its own."""

    def __init__(self, host, pages=None, port=0):
        super().__init__(pages or {"/metrics": PAGE}, host=host, port=port)
        self.instance = self.base.removeprefix("http://")

    def count(self):
        return len(self.requests)


class Case(cluster.Case):
    """Addresses of pods: self.address() of the loopback network, and 10.244.x.y where the program is in
    a network of its own."""

    def setUp(self):
        super().setUp()
        self.node = "node-" + self.namespace
        self.sink = os.path.join(self.folder, "sink.json")
        self.user, self.env = None, {}

    # Who the agent is

    def account(self, rules, namespaces=None, seconds=3600, account="agent"):
        """A service account with these rights, and the folder that a kubelet gives its pod."""
        c = self.cluster
        self.user = c.service_account(self.namespace, account)
        self.role = c.grant(self.user, rules, namespaces, name=f"{self.namespace}-{account}")
        self.account_folder = os.path.join(self.folder, account)
        self.env = c.in_cluster(self.account_folder, c.token(self.namespace, account, seconds),
                                self.namespace)

    def api_settings(self):
        return {"service_account": self.account_folder}

    # The agent

    def source(self, role="pod", name="k8s", interval="1s", common=None, **kubernetes):
        """One source; in this test's namespace unless a node or namespaces are named ([]: all)."""
        if "node" not in kubernetes:
            kubernetes.setdefault("namespaces", [self.namespace])
        kubernetes = {"role": role, "api": self.api_settings(), **kubernetes}
        return {"name": name, "kubernetes": kubernetes, "interval": interval, "pool": "main",
                "min_interval": "0s", **(common or {})}

    def start(self, sources, env=None, name=None, listens_at_once=True, **more):
        sinks = more.pop("sinks", [{"name": "queue", "file": {"path": self.sink}}])
        conf = harness.config(sources=sources, sinks=sinks, **more)
        return self.agent(conf, env={"KUBECONFIG": "", **self.env, **(env or {})}, name=name,
                          listens=listens_at_once)

    def synced(self, agent, timeout=10):
        self.wait_for(lambda: agent.get("/readyz")[0] == 200, timeout, "the agent is ready")

    def source_error(self, agent):
        """What the first of the sources that do not work says; ""."""
        return next(filter(None, (s["last_error"] for s in agent.status()["sources"])), "")

    def works(self, agent, timeout=10):
        self.wait_for(lambda: not self.source_error(agent), timeout, "the source works")

    # What there is to scrape

    def address(self):
        n = next(numbers)
        return f"127.{10 + os.getpid() % 200}.{n // 250}.{n % 250 + 1}"

    def page(self, host=None, pages=None, port=0):
        return self.keep(Pages(host or self.address(), pages, port))

    def pod(self, name, page, node=None, annotations=None, **more):
        """Asks to be scraped, on its port named metrics."""
        more.setdefault("containers", {"app": {"metrics": page.port}})
        annotations = {"prometheus.io/scrape": "true", **(annotations or {})}
        return self.cluster.create_pod(
            self.namespace, name, node=node or self.node, ip=more.pop("ip", page.host),
            annotations={n: v for n, v in annotations.items() if v is not None}, **more)

    def annotate(self, name, resource="pods", **annotations):
        """None takes one away; _ in a name is -."""
        self.cluster.patch(resource, self.namespace, name, {"metadata": {"annotations": {
            "prometheus.io/" + n.replace("_", "-"): v for n, v in annotations.items()}}})

    # What comes of it

    def follows(self, agent, *urls, timeout=SOON_S):
        """Soon the agent has these targets and no others; returns how long that took."""
        start = time.monotonic()
        seen = []

        def there():
            seen[:] = agent.targets()
            return sorted(seen) == sorted(urls)
        try:
            wait_for(there, timeout)
        except AssertionError:
            raise AssertionError(f"targets {sorted(seen)}, not {sorted(urls)}; source says "
                                 f"'{self.source_error(agent)}'") from None
        return time.monotonic() - start

    def refused(self, agent, *words, timeout=SOON_S):
        """Soon there is a line with all of these words about what is refused; returns it."""
        return wait_for(lambda: next((line for line in agent.json("/targets")["refused"]
                                      if all(word in line for word in words)), None),
                        timeout, f"refused: {words}")

    def samples(self, name=None, **tags):
        """Those in the sink so far that have these tags."""
        if not os.path.exists(self.sink):
            return []
        with open(self.sink) as f:
            text = f.read()
        text = text[:text.rfind("\n") + 1]
        return [o for o in harness.check_messages(self, text)
                if name in (None, o["name"]) and all(o["tags"].get(n) == v for n, v in tags.items())]

    def sample(self, page, name="made_total", timeout=SOON_S + 2, **tags):
        """The first one of that page with these tags that arrives."""
        return wait_for(lambda: next((o for o in self.samples(name, instance=page.instance, **tags)
                                      if "value" in o), None),
                        timeout, f"a sample of {page.instance} with {tags}")

    def asked(self, **fields):
        """What this test's agent asked the API server for, without the leases and reviews of others."""
        return self.cluster.audit(self.user, **fields)

    def check_rights(self, *resources):
        """Only these verbs and resources, never limit with a node."""
        for e in self.asked():
            self.assertIn(e.verb, ("get", "list", "watch"), e)
            self.assertIn(e.resource, resources, e)
            self.assertFalse("limit=" in e.uri and "nodeName" in e.uri, e)
            self.assertTrue(e.agent.startswith("strata-agent/"), e)


def main(**kwargs):
    cluster.main(**kwargs)
