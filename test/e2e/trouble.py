# SPDX-License-Identifier: Apache-2.0
"""trouble.py - one pool, an output for each way in which a connection can go wrong, one server.

    class Nats(trouble.Trouble):
        def begin(self, ports): ...         what Trouble asks for, below
        def test_each_fault_costs_its_own_output_a_while(self):
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
SECONDS = 7       # of trouble; the time-outs of the sinks are 2 s
RECOVERY = 10     # seconds after which all that waits has been delivered

# name: toxics, and what has to be seen of them: "moves": delivery goes on; "stalls": nothing is
# delivered; "connects": connections are made anew.
FAULTS = {
    "healthy": ([], "moves"),
    "late": ([("latency", {"latency": 300, "jitter": 100})], "moves"),
    "narrow": ([("bandwidth", toxic.UP, {"rate": 20})], "moves"),
    "cut": ([("limit_data", toxic.UP, {"bytes": 50000})], "moves connects"),
    "deaf": ([("limit_data", toxic.DOWN, {"bytes": 1500})], "connects"),
    "reset": ([("reset_peer", {"timeout": 200})], "stalls"),
    "silent": ([("timeout", {"timeout": 0})], "stalls"),
    "lingering": ([("limit_data", toxic.UP, {"bytes": 50000}),
                   ("slow_close", {"delay": 1000})], "connects"),
    "frozen": (None, "stalls"),    # the whole proxy stands still: what it holds arrives at last
}


class Trouble(harness.Case):
    """A subclass says of its server:
    ports(names)               {name: port} to go to from the proxy of each output
    begin(names, addresses)    starts it; the proxies listen at {name: address}
    sink(name, address)        settings of an output's sink
    messages(name)             what arrived of an output, as chaos.Found takes it"""
    encoder = {"json": {}}

    def set_up(self):
        self.frozen, self.well = toxic.Server(self.folder), toxic.Server(self.folder)
        self.keep(self.frozen)
        self.keep(self.well)
        ports = self.ports(list(FAULTS))
        self.proxies = {name: (self.frozen if toxics is None else self.well).proxy(
            name, f"127.0.0.1:{ports[name]}") for name, (toxics, _) in FAULTS.items()}
        addresses = {name: proxy.address for name, proxy in self.proxies.items()}
        self.begin(list(FAULTS), addresses)
        self.sources = self.targets(TARGETS, SAMPLES)
        self.agent_ = self.agent(harness.config(
            self.sources.targets, source={"interval": f"{SLOW:.0f}s"}, agent={"grace": "20s"},
            outputs=[{"name": n, "sink": n, **self.output(n)} for n in FAULTS],
            sinks=[{"name": n, "buffer": "16MiB", **self.sink(n, a)} for n, a in addresses.items()]))

    def output(self, name):
        return self.encoder

    def lane(self, metric, name, metrics=None):
        return (metrics or self.agent_.metrics()).sum(f"strata_lane_{metric}", output=name)

    def has_delivered(self, samples, names=FAULTS):
        metrics = self.agent_.metrics()
        return all(books.delivered(metrics, output=n) >= samples for n in names)

    def poison(self):
        for name, (toxics, _) in FAULTS.items():
            for kind, *streams, attributes in toxics or ():
                self.proxies[name].add(kind, *streams, **attributes)
        self.frozen.freeze()

    def cure(self):
        self.frozen.thaw()
        for proxy in self.proxies.values():
            proxy.clear()

    def look(self, before, after):
        """Each fault has had its effect; the healthy output had none."""
        self.assertEqual(self.lane("retries_total", "healthy", after), 0)
        for name, (_, effects) in FAULTS.items():
            moved = self.lane("records_delivered_total", name, after) - \
                self.lane("records_delivered_total", name, before)
            connects = self.lane("connects_total", name, after) - \
                self.lane("connects_total", name, before)
            print(name, "moved", moved, "connects", connects, "retries", self.lane("retries_total", name, after),
                  "failing", self.lane("failing", name, after), flush=True)

    def suffer(self):
        self.set_up()
        self.wait_for(lambda: self.has_delivered(1), 30, "each output delivers")
        started, at_start = time.monotonic(), books.dropped(self.agent_.metrics())
        self.poison()
        time.sleep(1)
        before = self.agent_.metrics()
        # The time is the trouble, not the wait for a condition.
        time.sleep(SECONDS * SLOW - 1)
        exposed = exposed_so_far(self.sources.stats())
        self.wait_for(lambda: self.has_delivered(exposed, ["healthy"]), 2, "the healthy output")
        after = self.agent_.metrics()
        self.look(before, after)
        self.cure()
        cured = time.monotonic()
        exposed = exposed_so_far(self.sources.stats())
        while time.monotonic() < cured + 20:
            m = self.agent_.metrics()
            print(round(time.monotonic() - cured, 1), {n: int(exposed - books.delivered(m, output=n)) for n in FAULTS if books.delivered(m, output=n) < exposed}, flush=True)
            if self.has_delivered(exposed):
                break
            time.sleep(0.5)
        self.wait_for(lambda: self.has_delivered(exposed), RECOVERY, "all outputs recover")
        self.finish(started, at_start)

    def finish(self, started, dropped):
        metrics = self.balanced(self.agent_)
        self.assertEqual(books.lost(metrics), {})
        self.assertEqual(books.failed(metrics), {})
        self.assertEqual(books.dropped(metrics), dropped)
        lasted = time.monotonic() - started
        self.assertGreaterEqual(min(self.sources.stats()["served"]), int(lasted / SLOW))
        account = self.stop(self.agent_)
        stats = self.sources.stats()
        self.assertEqual(account["lost"], 0)
        self.assertEqual(account["delivered"], len(FAULTS) * exposed_so_far(stats))
        for name in FAULTS:
            found = Found(self.messages(name))
            print(name, "twice", len(found.twice), "ids", len(found.ids))
            with self.subTest(name):
                found.check(self, stats, exposed_so_far(stats))
