# SPDX-License-Identifier: Apache-2.0
"""test_statsd_once.py - what a real statsd server makes of what it gets: sample by sample what was exposed."""
import os, signal

import books
import harness
import statsd
from statsd import GAUGES, GROWN, TEMPERATURE, page


def output(name, tags, sink, **more):
    return {"name": name, "statsd": {"prefix": name + "_", "tags": tags, **more}, "sink": sink}


class Statsd(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.keep(statsd.Server(self.folder))
        self.number, self.scrapes = 0, 0
        self.target = self.pages({"/metrics": self.give_page})
        self.sinks = [{"name": network, "statsd": {"network": network, "address": getattr(self.server, network)}}
                      for network in ("udp", "tcp", "unixgram")]

    def give_page(self, _request):
        self.scrapes += 1
        return page(self.number)

    def start(self, outputs):
        """An agent that has seen each page."""
        agent = self.agent(harness.config([self.target.url()], sinks=self.sinks, outputs=outputs))
        for self.number, temperature in enumerate(TEMPERATURE):
            for o in outputs:
                self.wait_for(lambda: self.value(o["name"] + "_temperature") == float(temperature), 20,
                              f"page {self.number} arrives as {o['name']}")
        return agent

    def value(self, name, **labels):
        """Of the one series that has these labels; None: there is none, or several."""
        found = [v for n, has, v in self.server.metrics().series
                 if n == name and all(has.get(k) == w for k, w in labels.items())]
        return found[0] if len(found) == 1 else None

    def faults(self, prefix, counters=True):
        """What is not as the page has it."""
        series, bad = self.server.metrics().series, []
        got = {n: (has, v) for n, has, v in series if n.startswith(prefix + "_odd_")}
        instance = self.target.base.removeprefix("http://").replace(":", "_")
        for name, value in GAUGES.items():
            want = ({"instance": instance, "job": "static", "cluster": "test"}, float(value))
            if got.get(f"{prefix}_{name}") != want:
                bad.append((name, got.get(f"{prefix}_{name}"), want))
        for code in (1, 2) if counters else ():
            grown = self.value(prefix + "_hits_total", code=str(code), path="/a_b", instance=instance)
            if grown != code * GROWN:
                bad.append(("hits_total", grown, code * GROWN))
        return bad + [n for n, _, _ in series if n == prefix + "_nothing"]

    def check_samples(self, prefix, counters=True):
        """A negative gauge is 0 for a moment at each scrape."""
        last = []

        def good():
            last[:] = self.faults(prefix, counters)
            return not last
        try:
            self.wait_for(good, 20)
        except AssertionError:
            self.assertEqual(last, [], prefix)
        self.assertEqual(self.value(prefix + "_up", job="static"), 1)

    def test_what_is_exposed_arrives_over_udp_tcp_and_unix_datagrams(self):
        agent = self.start([output(s["name"], "dogstatsd", s["name"]) for s in self.sinks])
        for sink in self.sinks:
            self.check_samples(sink["name"])
            self.assertEqual(self.value(sink["name"] + "_latency_bucket", le="0.5"), 3)
            self.assertEqual(self.value(sink["name"] + "_size", quantile="0.9"), 17)
            self.assertEqual(self.value(sink["name"] + "_latency_sum"), 2.25)
        own = self.server.metrics()
        for name in ("sample_errors_total", "tag_errors_total", "lines_relayed_total"):
            self.assertEqual(own.sum("statsd_exporter_" + name), 0, name)
        self.assertGreater(own.sum("statsd_exporter_udp_packets_total"), 4)    # packed, not one a line
        self.assertLess(own.sum("statsd_exporter_udp_packets_total"), self.scrapes * 60)
        self.assertEqual(books.lost(self.balanced(agent)), {})
        self.stop(agent)

    def test_each_dialect_is_understood(self):
        """Those that statsd_exporter knows, with times, and without distributions."""
        dialects = ("dogstatsd", "influx", "librato")
        agent = self.start([output(d, d, "tcp", histograms="totals", summaries="none",
                                   timestamps=d == "dogstatsd") for d in dialects])
        for dialect in dialects:
            self.check_samples(dialect)
            self.assertEqual(self.value(dialect + "_latency_count"), 4)
            names = {n for n, _, _ in self.server.metrics().series}
            self.assertTrue({f"{dialect}_latency_bucket", f"{dialect}_size_sum"}.isdisjoint(names))
        self.assertEqual(self.server.metrics().sum("statsd_exporter_sample_errors_total"), 0)
        self.stop(agent)

    def test_a_server_that_is_killed_and_comes_back_gets_what_is_then_sent(self):
        agent = self.start([output(s["name"], "dogstatsd", s["name"]) for s in self.sinks])
        self.server.end(signal.SIGKILL)
        before = self.scrapes

        def failing():
            metrics = agent.metrics()
            return all(metrics.sum("strata_lane_retries_total", output=s["name"]) > 0 for s in self.sinks)
        self.wait_for(failing, 20, "each output has noticed")
        self.wait_for(lambda: self.scrapes >= before + 2, what="scrapes go on")
        self.server = self.keep(statsd.Server(self.folder, like=self.server))
        for sink in self.sinks:
            self.wait_for(lambda: self.value(sink["name"] + "_temperature") == float(TEMPERATURE[-1]), 30,
                          f"{sink['name']} delivers again")
            self.check_samples(sink["name"], counters=False)
        self.assertEqual(books.lost(self.balanced(agent)), {})
        self.stop(agent)


if __name__ == "__main__":
    harness.main(missing=[] if os.access(statsd.PROGRAM, os.X_OK) else
                 [statsd.PROGRAM + " (test/statsd/build.sh makes it)"])
