# SPDX-License-Identifier: Apache-2.0
"""runs.py - one agent under one load into one receiver, from its start to its figures; field.py and scale.py share it.

To be imported after pairs.use(): what the tests know of the programs of a build is read from the environment.
"""
import argparse, os, re, sys, time

import harness
import kafka
import pairs
import run
import takers

MIB = 1 << 20
IDLE_S = 5    # what a start leaves behind is part of being idle
IDLE_CPU_S = 3


def add_arguments(parser, name, documents):
    """What each program that runs agents takes."""
    parser.add_argument("--hosts", action="store_true",
                        help="each target at an address of its own, 127.x.y.z, so that no two share a connection")
    parser.add_argument("--memory", metavar="SIZE", help="Strata's agent.memory; its default")
    parser.add_argument("--json", metavar="PATH", help=f"where the rows are kept; build/bench/{name}.json")
    parser.add_argument("--dry", action="store_true", help=f"leaves {documents} alone")
    parser.add_argument("--build", default=os.path.join(run.ROOT, "build", "release"), metavar="DIR",
                        help="whose programs; build/release")


class Load:
    def __init__(self, text):
        found = re.fullmatch(r"(\d+)x(\d+)/(\d+)s", text)
        if not found or not all(int(n) for n in found.groups()):
            raise argparse.ArgumentTypeError(f"no load, as 200x5000/5s is one: {text}")
        self.name = text
        self.targets, self.samples, self.interval = (int(n) for n in found.groups())


class Receiver:
    """kind, address, topic; sent(): bytes; pages(): how many have come, or None; first(): when, or None."""
    topic = "bench"

    def __init__(self, kind, bench):
        self.kind, self.taker, self.seen = kind, None, None
        if kind == "kafka":
            settings, self.sent = pairs.to_kafka()(bench)
            self.address, self.topic = settings["kafka"]["brokers"][0], settings["kafka"]["topic"]
            harness.wait_for(lambda: self.made(bench.broker), 20, "the topic is there", step=0.2)
        else:
            self.taker = bench.keep({"nats": takers.Nats, "remote_write": takers.Http}[kind]())
            self.address, self.sent = self.taker.address, lambda: self.taker.bytes

    def made(self, broker):
        """A broker takes a second to make a topic that it is asked for."""
        broker.kcat("-L", "-t", self.topic)
        return broker.topics().get(self.topic)

    def pages(self):
        return self.taker.pages if self.kind == "nats" else None

    def first(self):
        if self.kind == "nats":
            return self.taker.first
        self.seen = self.seen or (time.monotonic() if self.sent() else None)
        return self.seen


class Run:
    """once: measured from the time on when each target was scraped once, not twice."""

    def __init__(self, bench, load, rival, kind, once=False):
        self.bench, self.load, self.rival, self.kind = bench, load, rival, kind
        self.due = load.targets * (1 if once else 2)

    def idle(self):
        """RSS without targets, and the CPU time that waiting takes."""
        agent = self.rival.start(self.bench, [], self.load.interval, Receiver(self.kind, self.bench))
        try:
            time.sleep(IDLE_S - IDLE_CPU_S)
            cpu = run.cpu_seconds(agent.pid) if agent.running() else 0
            time.sleep(IDLE_CPU_S)
            if not agent.running():
                raise AssertionError("it ended: " + (agent.err() + agent.out())[-1000:])
            cpu = run.cpu_seconds(agent.pid) - cpu
            return {"rss_idle_mib": run.rss_bytes(agent.pid) / MIB, "idle_cpu_ms_per_s": 1e3 * cpu / IDLE_CPU_S}
        finally:
            agent.end()
            self.bench.end_receivers()

    def scraped(self):
        return sum(self.bench.targets.stats()["served"])

    def loaded(self, window):
        """The figures of the load."""
        before, receiver = self.scraped(), Receiver(self.kind, self.bench)
        begun = time.monotonic()
        agent = self.rival.start(self.bench, self.bench.targets.targets, self.load.interval, receiver)
        try:
            self.settle(agent, receiver, before)
            return {"first_sample_s": receiver.first() - begun, **self.measure(agent, receiver, window)}
        except AssertionError:
            print((agent.err() + agent.out())[-2000:], file=sys.stderr)
            raise
        finally:
            agent.end()
            self.bench.end_receivers()

    def settle(self, agent, receiver, before):
        interval = self.load.interval

        def look(what):
            if not agent.running():
                raise AssertionError("it ended")
            return what()
        harness.wait_for(lambda: look(receiver.first), 60 + 3 * interval, "a sample arrives")
        try:
            harness.wait_for(lambda: look(lambda: self.scraped() - before >= self.due),
                             10 + 3 * interval, "each target is scraped twice", step=0.5)
        except AssertionError:
            if not agent.running():
                raise
        if self.rival.bursts:    # it has done so just now: the window begins and ends between two bursts
            time.sleep(interval / 2)

    def measure(self, agent, receiver, window):
        load = self.load
        rounds = max(1, -(-window // load.interval))
        stats, sent, pages = self.bench.targets.stats(), receiver.sent(), receiver.pages()
        begun, cpu, rss = time.monotonic(), run.cpu_seconds(agent.pid), []
        while (left := begun + rounds * load.interval - time.monotonic()) > 0:
            time.sleep(min(left, 1))
            rss.append(run.rss_bytes(agent.pid))
        cpu, sent = run.cpu_seconds(agent.pid) - cpu, receiver.sent() - sent
        seconds, after = time.monotonic() - begun, self.bench.targets.stats()
        scraped = sum(after["served"]) - sum(stats["served"])
        came = scraped if pages is None else receiver.pages() - pages
        if came == 0 or sent == 0:
            raise AssertionError("nothing arrives")
        # Who ships less than they scrape has spent that time all the same, whatever comes of the rest.
        pages = max(came, scraped)
        return {"cpu_s_per_million": cpu / (pages * load.samples / 1e6), "cpu_us_per_scrape": cpu / pages * 1e6,
                "rss_mib": sum(rss) / len(rss) / MIB, "rss_peak_mib": agent.peak_memory() / MIB,
                "bytes_per_sample": sent / (came * load.samples),
                "missed": max(0, rounds * load.targets - scraped),
                "arrived": None if receiver.pages() is None or scraped == 0 else came / scraped,
                "server_cores": (after["cpu_seconds"] - stats["cpu_seconds"]) / seconds, "window_s": round(seconds)}
