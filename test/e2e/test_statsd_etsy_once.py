# SPDX-License-Identifier: Apache-2.0
"""test_statsd_etsy_once.py - what Etsy's statsd holds of what was exposed: its gauges and counters, value by value."""
import re

import books
import etsy
import harness
from receivers import bits
from statsd import GAUGES, GROWN, TEMPERATURE, page

DIALECTS = ("none", "graphite", "dogstatsd")    # those it understands


def legal(text):
    """What it makes of a key, as it does it: `/` becomes `-`."""
    return re.sub(r"[^\w\-.;=]", "", re.sub(r"\s+", "_", text).replace("/", "-"), flags=re.ASCII)


class Etsy(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.keep(etsy.Server(self.folder))
        self.number = 0
        self.target = self.pages({"/metrics": lambda _: page(self.number)})
        self.outputs = {f"{tags}_{network}": (tags, network)
                        for tags in DIALECTS for network in ("udp", "tcp")}

    def start(self):
        """An agent that has seen each page."""
        agent = self.agent(harness.config(
            [self.target.url()],
            sinks=[{"name": n, "statsd": {"network": n, "address": getattr(self.server, n)}}
                   for n in ("udp", "tcp")],
            outputs=[{"name": name.replace("_", "-"), "sink": network,
                      "statsd": {"prefix": name + ".", "tags": tags}}
                     for name, (tags, network) in self.outputs.items()]))
        for self.number, value in enumerate(TEMPERATURE):
            for name in self.outputs:
                key = self.key(name, "temperature")
                self.wait_for(lambda: self.server.ask("gauges").get(key) == float(value), 20,
                              f"page {self.number} arrives as {name}")
        return agent

    def key(self, output, name, **labels):
        tags = {"cluster": "test", "instance": self.target.base.removeprefix("http://").replace(":", "_"),
                "job": "static", **labels}
        words = [f"{output}.{name}"]
        if self.outputs[output][0] != "none":
            words += [f"{k}={v}" for k, v in sorted(tags.items())]
        return legal(";".join(words))

    def want(self, name):
        """The gauges of the page and the counters of all pages, as {key: bits}."""
        gauges = {self.key(name, n): bits(v) for n, v in
                  {**GAUGES, "temperature": TEMPERATURE[-1], "up": 1, "size_sum": 100,
                   "size_count": 9, "latency_sum": 2.25, "latency_count": 4}.items()}
        counters = {}
        for code in (1, 2):    # without tags they fall together
            key = self.key(name, "hits_total", code=str(code), path="/a_b")
            counters[key] = counters.get(key, 0) + code * GROWN
        return gauges, {k: bits(v) for k, v in counters.items()}

    def held(self, name, command):
        return {k: bits(v) for k, v in self.server.ask(command).items() if k.startswith(name + ".")}

    def test_gauges_and_counters_are_those_that_were_exposed(self):
        agent = self.start()
        for name in self.outputs:
            with self.subTest(name):
                gauges, counters = self.want(name)
                self.assertEqual(self.held(name, "counters"), counters)
                held = self.held(name, "gauges")
                self.assertEqual({k: held.get(k) for k in gauges}, gauges)
                self.assertEqual([k for k in held if "nothing" in k or "hits" in k], [])
        self.assertEqual(self.server.ask("counters")["statsd.bad_lines_seen"], 0)
        self.assertEqual(books.lost(self.balanced(agent)), {})
        self.assertEqual(self.stop(agent)["lost"], 0)


if __name__ == "__main__":
    harness.main(missing=etsy.missing())
