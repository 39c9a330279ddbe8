# SPDX-License-Identifier: Apache-2.0
"""test_fanout_once.py - one pool, many lanes: those that are stuck cost the others nothing."""
import socket
import threading

import books
import harness
from chaos import read_all
from process import SLOW

TARGETS, SAMPLES, ROUNDS = 4, 2000, 10
BUFFER = 768 << 10
STUCK = ("http", "fluent", "nats")


class Mute:
    """Accepts connections and reads nothing."""

    def __init__(self):
        self.name, self.held = "mute", []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                self.held.append(self.listener.accept()[0])
        except OSError:
            pass

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        for s in (self.listener, *self.held):
            s.close()


class Fanout(harness.Case):
    def open(self, good, frozen, targets):
        mute = self.keep(Mute())
        sinks = {
            "good": {"nats": {"servers": [good.url], "subject": "metrics.{instance}",
                              "jetstream": {"stream": "METRICS"}}, "buffer": "64MiB"},
            "http": {"http": {"url": f"http://{mute.address}/", "timeout": "2s"}},
            "fluent": {"fluent": {"servers": [f"tcp://{mute.address}"], "timeout": "2s"}},
            "nats": {"nats": {"servers": [frozen.url], "timeout": "2s"}},
        }
        outputs = [{"name": name, "fluent" if name == "fluent" else "json": {}, "sink": name,
                    "max_message": "64KiB"} for name in sinks]
        return self.agent(harness.config(
            targets.targets, [{"name": n, "buffer": BUFFER, **s} for n, s in sinks.items()], outputs,
            source={"interval": f"{SLOW:.0f}s"}, agent={"grace": "2s"}))

    def check_bounds(self, m):
        for name in STUCK:
            held = sum(m.sum(f"strata_lane_{part}_bytes", output=name) for part in ("buffer", "held"))
            self.assertLessEqual(held, BUFFER, name)

    def test_stuck_lanes_cost_the_others_nothing(self):
        good, frozen = self.nats(), self.nats(jetstream=False)
        client = self.client(good)
        client.make_stream("METRICS", ["metrics.>"])
        targets = self.targets(TARGETS, SAMPLES)
        agent = self.open(good, frozen, targets)
        self.wait_for(lambda: books.delivered(agent.metrics(), output="nats") > 0)
        frozen.process.freeze()
        self.addCleanup(frozen.process.thaw)

        def enough():
            m = agent.metrics()
            self.check_bounds(m)
            return (min(targets.stats()["served"]) >= ROUNDS and
                    all(books.lost(m, output=name) for name in STUCK))
        self.wait_for(enough, 6 * ROUNDS, "all stuck lanes lose their oldest", step=0.1)
        m = self.balanced(agent)
        self.check_bounds(m)
        # Each scrape that was due was made, while lanes were stuck.
        self.assertEqual((books.dropped(m), books.failed(m), books.stale(m)), ({}, {}, 0))
        self.assertEqual(books.lost(m, output="good"), {})
        for name in STUCK:
            self.assertEqual(set(books.lost(m, output=name)), {"buffer_full"}, name)
        for name in ("http", "fluent"):
            self.assertEqual(books.delivered(m, output=name), 0, name)
        self.check_end(agent, client, targets)

    def check_end(self, agent, client, targets):
        """All that the good lane was given is in the stream, in order; what stuck ones had is told."""
        account = self.stop(agent)
        stats = targets.stats()
        found = read_all(self, client)
        found.check_sequences(self, stats["served"])
        self.assertEqual(found.samples, stats["samples"] + 6 * sum(stats["served"]))
        all_lanes = found.samples * (1 + len(STUCK))
        self.assertEqual(account["delivered"] + account["lost"], all_lanes)
        self.assertGreater(account["lost"], 0)


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
