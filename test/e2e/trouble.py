# SPDX-License-Identifier: Apache-2.0
"""trouble.py - one pool, an output for each way in which a connection can go wrong, one server.

    class Nats(trouble.Trouble):
        def ports(self, names): ...         what Trouble asks for, below
        def test_each_fault_costs_its_own_output_a_while_and_nothing_else(self):
            self.suffer()

All outputs suffer at once, for a while; then all is well again.  One goes through a proxy that does
nothing: what the others suffer must cost it nothing, and no scrape either.
"""
import time

import books
import harness
import toxic
from chaos import Found, exposed_so_far
from process import SLOW

TARGETS, SAMPLES = 4, 100
SECONDS = 6       # of trouble; the time-outs of the sinks are 2 s
RECOVERY = 20     # seconds until all that waits has been delivered; lanes wait up to 10 s

# name: toxics, and what has to be seen of them meanwhile:
MOVES, STALLS, CUTS = "records are delivered", "none is, and it fails", "connected, or sent, again"
FAULTS = {
    "healthy": ([], [MOVES]),
    "late": ([("latency", {"latency": 300, "jitter": 100})], [MOVES]),
    "narrow": ([("bandwidth", toxic.UP, {"rate": 20})], [MOVES]),    # less than what is scraped
    "cut": ([("limit_data", toxic.UP, {"bytes": 50000})], [CUTS]),
    "deaf": ([("limit_data", toxic.DOWN, {"bytes": 0})], [CUTS]),    # Trouble.heard says how many
    "reset": ([("reset_peer", {"timeout": 200})], [STALLS]),
    "silent": ([("timeout", {"timeout": 0})], [STALLS]),
    "lingering": ([("limit_data", toxic.UP, {"bytes": 50000}),
                   ("slow_close", {"delay": 1000})], [CUTS]),
    "frozen": (None, [STALLS]),    # the whole proxy stands still: what it holds arrives in the end
}


class Trouble(harness.Case):
    """A subclass says of its server:
    ports(names)           {name: port} to go to from the proxy of each output
    begin(addresses)       starts it, if ports has not; the proxies listen at {name: address}
    sink(name, address)    settings of an output's sink
    messages(name)         what arrived of an output, as chaos.Found takes it"""
    heard = 600    # bytes that the server says before it is cut off

    def set_up(self):
        self.frozen, self.well = (self.keep(toxic.Server(self.folder)) for _ in range(2))
        ports = self.ports(list(FAULTS))
        self.proxies = {name: (self.frozen if toxics is None else self.well).proxy(
            name, f"127.0.0.1:{ports[name]}") for name, (toxics, _) in FAULTS.items()}
        addresses = {name: proxy.address for name, proxy in self.proxies.items()}
        self.begin(addresses)
        self.sources = self.targets(TARGETS, SAMPLES)
        return self.agent(harness.config(
            self.sources.targets, agent={"grace": "20s"}, source={"interval": f"{SLOW:.0f}s"},
            outputs=[{"name": n, "sink": n, **self.output(n)} for n in FAULTS],
            sinks=[{"name": n, "buffer": "16MiB", **self.sink(n, a)} for n, a in addresses.items()]))

    def output(self, name):
        return {"json": {}}

    def poison(self):
        for name, (toxics, _) in FAULTS.items():
            for kind, *streams, attributes in toxics or ():
                if name == "deaf":
                    attributes = {"bytes": self.heard}
                self.proxies[name].add(kind, *streams, **attributes)
        self.frozen.freeze()

    def cure(self):
        self.frozen.thaw()
        for proxy in self.proxies.values():
            proxy.clear()

    def look(self, before, early, late):
        """Each fault has had its effect; the healthy output knows nothing of it."""
        def grew(since, metric, name):
            return late.sum(metric, output=name) - since.sum(metric, output=name)
        for name, (_, effects) in FAULTS.items():
            moved = grew(early, "strata_lane_records_delivered_total", name)
            with self.subTest(name):
                if MOVES in effects:
                    self.assertGreater(moved, 0)
                if STALLS in effects:
                    self.assertEqual((moved, late.sum("strata_lane_failing", output=name)), (0, 1))
                if CUTS in effects:
                    self.assertGreater(sum(grew(before, f"strata_lane_{what}_total", name)
                                           for what in ("connects", "retries", "resends")), 0)
        self.assertEqual(grew(before, "strata_lane_retries_total", "healthy"), 0)

    def suffer(self):
        agent = self.set_up()

        def has_delivered(samples, names=FAULTS):
            metrics = agent.metrics()
            return all(books.delivered(metrics, output=name) >= samples for name in names)
        self.wait_for(lambda: has_delivered(1), 30, "each output delivers")
        before, started = agent.metrics(), time.monotonic()
        served = min(self.sources.stats()["served"])
        self.poison()
        # The time is the trouble, not the wait for a condition; what was under way may still arrive.
        time.sleep(SLOW)
        early = agent.metrics()
        time.sleep((SECONDS - 1) * SLOW)
        exposed = exposed_so_far(self.sources.stats())
        self.wait_for(lambda: has_delivered(exposed, ["healthy"]), 2, "the healthy output delivers")
        self.look(before, early, agent.metrics())
        self.cure()
        exposed = exposed_so_far(self.sources.stats())
        self.wait_for(lambda: has_delivered(exposed), RECOVERY, "all outputs recover")
        least = served + int((time.monotonic() - started) / SLOW) - 1    # one is under way
        self.check_scrapes(agent, books.dropped(before), least)
        self.check_arrivals(agent)

    def check_scrapes(self, agent, dropped, least):
        """None failed, none was missed."""
        metrics = self.balanced(agent)
        self.assertEqual(books.failed(metrics), {})
        self.assertEqual(books.dropped(metrics), dropped)
        self.assertEqual(books.stale(metrics), 0)
        self.assertGreaterEqual(min(self.sources.stats()["served"]), least)

    def check_arrivals(self, agent):
        account = self.stop(agent)
        stats = self.sources.stats()
        self.assertEqual(account["lost"], 0)
        self.assertEqual(account["delivered"], len(FAULTS) * exposed_so_far(stats))
        for name in FAULTS:
            with self.subTest(name):
                Found(self.messages(name)).check(self, stats, exposed_so_far(stats))
