# SPDX-License-Identifier: Apache-2.0
"""k8s_load.py - agents that follow many pods of which some change all the time: do they keep up, at what cost.

    class Some(k8s_load.Many):
        PODS, NODES, RATE, SECONDS = 500, 10, 50, 10
        def test_...(self): figures = self.run_load()
"""
import os, select, socket, threading, time

import k8s
import load
from process import wait_for

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Wire:
    """Passes on what goes between an agent and the API server, and counts what comes to the agent."""
    name = "wire"

    def __init__(self, port):
        self.to, self.received = ("127.0.0.1", port), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        peers = {}
        while True:
            ready, _, _ = select.select([self.listener, *peers], [], [])
            for s in ready:
                if s is self.listener:
                    try:
                        client = s.accept()[0]
                    except OSError:
                        return
                    server = socket.create_connection(self.to)
                    peers[client], peers[server] = server, client
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                elif s in peers:
                    self.pass_on(s, peers)

    def pass_on(self, s, peers):
        try:
            data = s.recv(1 << 16)
            if s.getpeername() == self.to:
                self.received += len(data)
            if data:
                peers[s].sendall(data)
                return
        except OSError:
            pass
        for end in (s, peers.pop(s)):
            peers.pop(end, None)
            end.close()

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def cpu_s(agent):
    with open(f"/proc/{agent.pid}/stat") as f:
        fields = f.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident(agent):
    """Without what files back: pages of code come and go."""
    return agent.memory("RssAnon")


class Many(k8s.Case):
    PODS, NODES, RATE, SECONDS = 500, 10, 50, 10

    def start_one(self, name, **kubernetes):
        """None of them scrapes anything: it is discovery that is measured.  Returns agent and wire."""
        wire = self.keep(Wire(self.cluster.port))
        source = self.source(interval="24h", common={"targets": 2 * self.PODS}, **kubernetes)
        agent = self.start([source], name=name, agent={"first_scrape": "spread"},
                           env={"KUBERNETES_SERVICE_PORT": str(wire.port)})
        self.synced(agent, 60)
        return agent, wire

    def known(self, agent):
        return agent.status()["sources"][0]["targets"]

    def lag(self, agent, number):
        """Seconds from a change of one more pod until the agent has it."""
        on = number % 2 == 0
        self.annotate("sentinel", scrape=str(on).lower())
        start = time.monotonic()
        wait_for(lambda: self.known(agent) == self.PODS + on, 30, "the agent keeps up", step=0.005)
        return time.monotonic() - start

    def change_all(self, many, agent):
        """Changes at the rate; meanwhile how late the agent is, now and then."""
        lags, reports = [], []
        thread = threading.Thread(
            target=lambda: reports.append(many.change(self.RATE, self.SECONDS)))
        thread.start()
        while thread.is_alive():
            lags.append(self.lag(agent, len(lags)))
            thread.join(0.5)
        return lags + [self.lag(agent, len(lags))], reports[0]

    def run_load(self):
        self.account(k8s.OWN_NODE)
        many = load.Load(self.cluster.api, self.namespace)
        many.create(self.PODS, self.NODES)
        self.pod("sentinel", self.page(), annotations={"prometheus.io/scrape": "false"})
        empty, _ = self.start_one("empty", selector={"matchLabels": {"app": "none"}})
        keeper, _ = self.start_one("keeper", prefix="nobody.asks")
        everything, all_wire = self.start_one("everything", annotation_labels={"changed": "changed"})
        own, own_wire = self.start_one("own", node="node-1", annotation_labels={"changed": "changed"})
        wait_for(lambda: self.known(everything) == self.PODS, 30, "all are targets")
        self.assertEqual(self.known(own), self.PODS // self.NODES)
        listed = all_wire.received, own_wire.received
        kept = resident(keeper) - resident(empty)
        before = {a: cpu_s(a) for a in (everything, keeper, own)}
        lags, report = self.change_all(many, everything)
        spent = {a: cpu_s(a) - s for a, s in before.items()}
        kept_later = resident(keeper) - resident(empty)
        last = str(many.changes)
        wait_for(lambda: last in (t["labels"].get("changed") for t in everything.targets().values()),
                 5, "the last change")
        for agent in (everything, keeper, own, empty):
            self.assertEqual(self.source_error(agent), "")
            self.stop(agent)
        asked = self.asked()
        self.assertEqual([e.verb for e in asked], ["watch"] * 4, asked)     # nobody fell behind
        seconds = report.seconds
        return {
            "pods": self.PODS, "nodes": self.NODES,
            "changes": report.done, "seconds": round(seconds, 1),
            "change that was made latest, ms": round(1000 * report.latest_s),
            "lag of the agent, at most, ms": round(1000 * max(lags)),
            "resident memory of a kept pod, bytes": kept // self.PODS,
            "likewise after the changes": kept_later // self.PODS,
            "CPU of an agent with all pods as targets, %": round(100 * spent[everything] / seconds, 1),
            "CPU of one with all pods and no targets, %": round(100 * spent[keeper] / seconds, 1),
            "CPU of one with a node's pods, %": round(100 * spent[own] / seconds, 1),
            "bytes to list all pods": listed[0], "bytes to list a node's": listed[1],
            "bytes of changes, all pods": all_wire.received - listed[0],
            "bytes of changes, a node's": own_wire.received - listed[1],
        }

    def check(self, figures):
        self.assertLess(figures["lag of the agent, at most, ms"], 3000, figures)
        for what in ("resident memory of a kept pod, bytes", "likewise after the changes"):
            self.assertLessEqual(figures[what], 2048, figures)
        share = 2 / self.NODES      # twice its part
        for what in ("bytes to list ", "bytes of changes, "):
            everything, own = figures[what + "all pods"], figures[what + "a node's"]
            self.assertLess(own, everything * share + 16384, figures)
