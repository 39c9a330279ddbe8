# SPDX-License-Identifier: Apache-2.0
"""k8s_fleet.py - the watches of many agents, each on a node of its own, and an API server that was away.

    class Some(k8s_fleet.Many):
        CLIENTS, PODS, SPREAD_S = 20, 100, 2
        def test_...(self):
            self.prepare()
            figures = self.figures_of("start", self.all_start, False)
            figures |= self.figures_of("restart", self.server_dies, False)
            self.check(figures, "restart", most=3)
"""
import collections, datetime, json, math, os, threading, time

import k8s
import kube
import load
from process import SLOW, Process, wait_for

FLEET = os.environ.get("STRATA_FLEET", "")


class Fleet(Process):
    """test/watch_fleet.c."""

    def __init__(self, folder, clients, account, env, spread_s):
        super().__init__([FLEET, str(clients), account, str(round(1000 * spread_s))], folder, "fleet",
                         env={**os.environ, "KUBECONFIG": "", **env})
        self.clients = clients

    def lines(self):
        """What it has told so far."""
        if not self.running():
            raise AssertionError(f"watch_fleet ended with {self.popen.returncode}: {self.err()}")
        text = self.out()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def first(self, wanted, since=0):
        """{client: its first line that is wanted}, of those told since then (seconds since 1970)."""
        found = {}
        for line in self.lines():
            if line["at_ms"] >= 1000 * since and wanted(line):
                found.setdefault(line["client"], line)
        return found

    def expired(self):
        """{client: how often it got 410}."""
        return {line["client"]: line["expired"] for line in self.lines()}

    def have_failed(self, times, since):
        """Whether all have, in different ways: cut off, then no connection."""
        failed = collections.Counter(line["client"] for line in self.lines()
                                     if line["what"] == "ill" and line["at_ms"] >= 1000 * since)
        return len(failed) == self.clients and min(failed.values()) >= times

    def wait_all(self, wanted, since, timeout, what):
        """When the last of them (seconds since 1970) has told what is wanted."""
        found = {}

        def all_there():
            found.update(self.first(wanted, since))
            return len(found) == self.clients
        try:
            wait_for(all_there, timeout, step=0.2)
        except AssertionError:
            silent = sorted(set(range(self.clients)) - set(found))
            last = {line["client"]: line for line in self.lines()}
            raise AssertionError(f"{what}: not within {timeout} s {len(silent)} of {self.clients}: "
                                 f"{[last.get(i, i) for i in silent[:5]]}") from None
        return max(line["at_ms"] for line in found.values()) / 1000


class Probe:
    """Somebody else's plain GET, time and again, until stop()."""
    EVERY_S = 0.02

    def __init__(self, api, path):
        self.api, self.path, self.seconds, self.refused = api, path, [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(self.EVERY_S):
            start = time.monotonic()
            try:
                status = self.api.request("GET", self.path)[0]
            except OSError as e:
                status = e
            self.seconds.append(time.monotonic() - start)
            if status != 200:
                self.refused.append(status)
        self.api.close()

    def stop(self):
        self.over.set()
        self.thread.join()

    def percentile_ms(self, percent):
        ordered = sorted(self.seconds)
        return round(1000 * ordered[math.ceil(percent / 100 * len(ordered)) - 1])


def most_in_a_second(entries):
    """Of requests, wherever that second begins."""
    times = sorted(datetime.datetime.fromisoformat(e.time).timestamp() for e in entries)
    most, first = 0, 0
    for i, t in enumerate(times):
        while times[first] <= t - 1:
            first += 1
        most = max(most, i - first + 1)
    return most


class Many(k8s.Case):
    CLIENTS, PODS, SPREAD_S = 200, 5000, 30
    SYNCED_S = 60       # the latest of all, from the moment at which server or fleet is started
    LATEST_GET_MS, GETS = 3000, 20
    STEADY_S = 5        # a watch that breaks earlier is one that fails again

    def prepare(self):
        """Pods on as many nodes as there are clients; who may do what."""
        c = self.cluster
        probe = c.service_account(self.namespace, "probe")
        c.grant(probe, [("namespaces", "get")])
        self.probe_token = c.token(self.namespace, "probe")
        self.account(k8s.OWN_NODE)
        self.many = load.Load(c.api, self.namespace)
        self.many.create(self.PODS, self.CLIENTS)
        self.fleet = None

    def probe(self):
        api = kube.Api("127.0.0.1", self.cluster.port, self.cluster.pki.crt, self.probe_token)
        return Probe(api, kube.path_of("namespaces", None, self.namespace))

    def all_start(self, at_new_server):
        """All clients begin at once.  When the last was synced."""
        if at_new_server:
            self.cluster.kill_api()
            self.cluster.start_api()
        self.begun, probe = time.time(), self.probe()
        self.fleet = self.keep(Fleet(self.folder, self.CLIENTS, self.account_folder,
                                     self.env, self.SPREAD_S))
        pods = self.PODS // self.CLIENTS
        return probe, self.fleet.wait_all(
            lambda line: line["what"] == "synced" and line["pods"] == pods, self.begun, self.SYNCED_S,
            "synced")

    def server_dies(self, forgets):
        """Under all of them.  When the last of them had heard of what happened afterwards, at each node."""
        self.wait_for(lambda: time.time() > self.last + self.STEADY_S, what="the watches are steady")
        if forgets:     # history goes on, unseen by them, and is lost
            for i in range(2):
                self.cluster.create_pod(self.namespace, f"elsewhere-{i}-{self.many.changes}",
                                        node="elsewhere", ip="127.0.0.1")
        killed = time.time()
        self.cluster.kill_api()
        if forgets:
            self.cluster.compact()
        self.wait_for(lambda: self.fleet.have_failed(2, killed), what="all have asked again, in vain")
        self.begun = time.time()
        self.cluster.start_api()
        probe, number = self.probe(), self.many.changes + 1
        self.many.change(rate=self.CLIENTS, seconds=1)
        return probe, self.fleet.wait_all(
            lambda line: line["what"] == "news" and line["changed"] >= number, self.begun,
            self.SYNCED_S, "heard of a change")

    def figures_of(self, name, work, *args):
        before = set(self.asked())
        probe, last = work(*args)
        self.last = last
        self.wait_for(lambda: len(probe.seconds) >= self.GETS, 30, "GETs enough for a percentile")
        probe.stop()
        asked = [e for e in self.asked() if e not in before]
        self.assertEqual(probe.refused, [])
        return {
            f"{name}: all synced after, s": round(last - self.begun, 1),
            f"{name}: requests": len(asked),
            f"{name}: most requests in a second": most_in_a_second(asked),
            f"{name}: other GETs meanwhile": len(probe.seconds),
            f"{name}: their median, ms": probe.percentile_ms(50),
            f"{name}: their 99th percentile, ms": probe.percentile_ms(99),
        }

    def check(self, figures, name, most, most_in_a_second=None):
        """most requests, and most of them in a second, for each client."""
        for what, bound in (("all synced after, s", self.SYNCED_S * SLOW),
                            ("requests", most * self.CLIENTS),
                            ("most requests in a second", (most_in_a_second or most) * self.CLIENTS),
                            ("their 99th percentile, ms", self.LATEST_GET_MS * SLOW)):
            self.assertLessEqual(figures[f"{name}: {what}"], bound, figures)
