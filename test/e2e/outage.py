# SPDX-License-Identifier: Apache-2.0
"""outage.py - an output in trouble, beside one that is not: what the tests of outages share."""
import os

import books
import harness
from chaos import Found


class Outage(harness.Case):
    def begin(self, server, targets=4, samples=100, stream="METRICS", **nats):
        """Two outputs: one to the server, one to a file beside it."""
        self.targets_ = self.targets(targets, samples)
        self.path = os.path.join(self.folder, "beside")
        sink = harness.nats_sink(server.url, "metrics.x", stream, buffer="64MiB")
        sink["nats"].update(nats)
        self.conf = harness.config(
            self.targets_.targets, source={"interval": "1s"}, agent={"grace": "30s"},
            outputs=[{"name": "main", "json": {}, "sink": "queue"},
                     {"name": "beside", "json": {}, "sink": "beside"}],
            sinks=[sink, {"name": "beside", "file": {"path": self.path}}])
        self.agent_ = self.agent(self.conf)

    def beside(self):
        found = Found()
        with open(self.path, "rb") as f:
            found.add_lines(f.read())
        return found

    def nobody_else_notices(self):
        """Two more rounds of scrapes, which the output beside delivers at once."""
        before = self.targets_.stats()["served"]
        self.wait_for(lambda: all(now >= then + 2 for now, then in
                                  zip(self.targets_.stats()["served"], before)), 15, "scrapes")
        served = self.targets_.stats()["served"]
        self.wait_for(lambda: all(len(self.beside().sequences.get(t, ())) >= n
                                  for t, n in enumerate(served)), 5, "the other output delivers")
        m = self.agent_.metrics()
        self.assertEqual(m.sum("strata_lane_failing", output="beside"), 0)
        self.assertEqual((books.failed(m), books.lost(m)), ({}, {}))
        self.assertEqual({r for r in books.dropped(m)} - {"late"}, set())

    def out(self, word):
        """The output says what is wrong, and holds what it could not deliver."""
        def lane():
            entry, = [e for e in self.agent_.status()["lanes"] if e["output"] == "main"]
            return entry["failing"] and word in str(entry["last_error"]) and entry["in_memory"] > 0
        self.wait_for(lane, 20, f"the output says {word!r}: {self.agent_.status()['lanes']}")

    def finish(self, server, before=(), **kwargs):
        """Every page that was served is at both, once and in order; before: messages that have been
        taken out of the stream."""
        so_far = books.delivered(self.agent_.metrics(), output="main")
        self.wait_for(lambda: books.delivered(self.agent_.metrics(), output="main") > so_far, 30,
                      "delivery again")
        self.nobody_else_notices()
        metrics = self.balanced(self.agent_, 30)
        self.assertEqual(metrics.sum("strata_lane_failing"), 0)
        account = self.stop(self.agent_, timeout=40)
        self.assertEqual(account["lost"], 0)
        served = self.targets_.stats()["served"]
        found = Found([*before, *self.client(server, **kwargs).read_stream("METRICS")])
        self.assertEqual(found.twice, [])
        found.check_sequences(self, served)
        beside = self.beside()
        beside.check_sequences(self, served)
        self.assertEqual((found.samples, beside.lines), (beside.lines, account["delivered"] / 2))
