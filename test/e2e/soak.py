# SPDX-License-Identifier: Apache-2.0
"""soak.py - the agent for a long time among targets, servers and files that will not keep still.

    ./dev soak [MINUTES [SEED]]
    report = Soak(folder, seed=7).run(seconds=60, rounds=2)     report.off: what is not as it must be

A round is a storm and a rest.  In the storm targets and their series come and go, a fifth of the
scrapes meets a fault, nats-server dies or freezes, the receiver refuses, hangs or stores without
saying so, the agent itself is frozen, and reloads make pools, outputs and sinks more, fewer and
others, all at random from one seed.  No fault lasts long enough to fill a buffer, and the grace is
long: nothing may be lost.  In the rest all is well again, until the agent has caught up, and what it takes
of the machine is looked at: threads and descriptors as after the start, memory without a slope.

At the end, each to the sample: the books balance; what the agent says it has delivered is what
each consumer has; each page of which the agent says that it was scraped is there, once; a page
that was served and is not there is one of the scrapes that the agent counted as failed.
"""
import argparse, collections, json, os, random, statistics, sys, time

import books
import harness
import nats
from chaos import Found
from process import SLOW, wait_for
from soak_world import Fleet, Receiver

TARGETS = 24
KINDS = ("stream", "file", "http")      # first word of each output's name
MIB = 1 << 20
SPARE = 4       # descriptors: the http sink keeps one to four connections
Rest = collections.namedtuple("Rest", "rss threads descriptors allocations bytes")


class Fault:
    """Something that goes wrong now and then for a while: begin, end; chances: a second."""

    def __init__(self, name, begin, end, chance, seconds):
        self.name, self.begin, self.end = name, begin, end
        self.chance, self.seconds = chance, seconds
        self.until, self.times = None, 0

    def step(self, choice, now, passed, allowed):
        if self.until is None and allowed and choice.random() < self.chance * passed:
            self.until = now + choice.uniform(*self.seconds)
            self.times += 1
            self.begin()
        elif self.until is not None and now >= self.until:
            self.stop()

    def stop(self):
        if self.until is not None:
            self.until = None
            self.end()


class Report:
    def __init__(self, off, figures):
        self.off, self.figures = off, figures


class Soak:
    def __init__(self, folder, seed, say=print):
        self.folder, self.choice, self.say = folder, random.Random(seed), say
        self.off, self.rests, self.began = [], [], time.monotonic()
        self.fleet, self.receiver = Fleet(random.Random(seed + 1)), Receiver()
        self.server = nats.Server(folder)
        self.client("make_stream", "METRICS", ["metrics.>"])
        self.written = 0
        self.write_targets(range(TARGETS))
        self.agent = harness.Agent(self.base(), folder)
        self.faults = self.all_faults()

    def client(self, method, *args):
        client = nats.Client(self.server.url)
        try:
            return getattr(client, method)(*args)
        finally:
            client.close()

    # What the agent is told.

    def write_targets(self, numbers):
        """Half of them to each file, by a rename."""
        self.present = sorted(numbers)
        for parity, name in enumerate(("front.json", "back.json")):
            path = os.path.join(self.folder, name)
            with open(path + ".part", "w") as f:
                json.dump([{"targets": [self.fleet.url(n)], "labels": {"target": str(n)}}
                           for n in self.present if n % 2 == parity], f)
            os.rename(path + ".part", path)

    def output(self, pool, kind, letter, sink):
        if sink is None:
            sink = {"stream": {"nats": {"servers": [self.server.url], "subject": "metrics.x",
                                        "jetstream": {"stream": "METRICS"}}},
                    "http": {"http": {"url": self.receiver.url, "timeout": "2s"}},
                    "file": {"file": {"path": self.path_of(pool, letter)}}}[kind]
        return {"name": f"{kind}-{letter}", "json": {}, "sink": f"{pool}-{kind}-{letter}"}, sink

    def path_of(self, pool, letter):
        return os.path.join(self.folder, f"samples-{pool}-{letter}.json")

    def config(self, pools, sources, outputs, suffix, **settings):
        """outputs: {pool: [(kind, letter)]}; suffix: of the names of sinks."""
        conf = harness.config([], agent={"grace": "120s", "first_scrape": "now"})
        conf["sources"] = [{"name": name, "file": {"files": [os.path.join(self.folder, name + ".json")]},
                            "interval": "2s", "timeout": "1500ms", "pool": pool}
                           for name, pool in zip(("front", "back"), sources)]
        conf["pools"], conf["sinks"] = [], []
        for pool in pools:
            entries = []
            for kind, letter in outputs[pool]:
                output, sink = self.output(pool, kind, letter, None)
                output["sink"] += suffix
                entries.append(output)
                conf["sinks"].append({"name": output["sink"], "buffer": "64MiB", **sink})
            conf["pools"].append({"name": pool, "outputs": entries, **settings})
        return conf

    def base(self):
        return self.config(["main"], ["main", "main"], {"main": [(k, "a") for k in KINDS]}, "",
                           workers=2, in_flight=64)

    def shape(self):
        """One of many: pools, outputs and sinks more, fewer, renamed; streams and files always."""
        pick = self.choice.choice
        sources = [pick(["main", "second"]), pick(["main", "third"])]
        pools = sorted({*sources, *self.choice.sample(["main", "spare"], self.choice.randint(0, 1))})
        outputs = {pool: [(kind, pick("ab")) for kind in KINDS if kind != "http" or pick([0, 1, 1])]
                   for pool in pools}
        return self.config(pools, sources, outputs, pick(["", "-x"]), workers=pick([1, 2, 3]),
                           in_flight=pick([1, 4, 64]), queue={"items": pick([4, 1000])})

    # What goes wrong.

    def all_faults(self):
        def trouble(share):
            self.fleet.trouble = share

        def mode(name):
            self.receiver.mode = name
        return [
            Fault("deaths of nats-server", self.server.kill, self.server.start, 0.08, (0.5, 6)),
            Fault("nats-server frozen", lambda: self.server.process.freeze(),
                  lambda: self.server.process.thaw(), 0.08, (0.5, 6)),
            Fault("troubles of the receiver", lambda: mode(self.choice.choice(Receiver.MODES)),
                  lambda: mode("takes"), 0.2, (0.5, 5)),
            Fault("troubles of targets", lambda: trouble(0.3), lambda: trouble(0), 0.2, (2, 8)),
            Fault("agent frozen", self.agent.freeze, self.agent.thaw, 0.03, (0.2, 2.5)),
            Fault("changes of targets", self.churn, lambda: None, 0.5, (0.1, 1)),
            Fault("reloads", self.reload, lambda: None, 0.7, (0.05, 1)),
        ]

    def churn(self):
        self.write_targets(self.choice.sample(range(TARGETS), self.choice.randint(4, TARGETS)))

    def reload(self):
        """Nobody waits for it: the agent may take its time while others' outputs drain."""
        self.agent.write(self.shape())
        self.agent.send_signal(1)

    def storm(self, seconds):
        self.fleet.churns = True
        last, end = time.monotonic(), time.monotonic() + seconds
        while time.monotonic() < end:
            now = time.monotonic()
            dead = {f.name for f in self.faults if f.until is not None}
            for f in self.faults:
                server = f.name in ("deaths of nats-server", "nats-server frozen")
                f.step(self.choice, now, now - last,
                       not (server and dead & {"deaths of nats-server", "nats-server frozen"}))
                dead = {g.name for g in self.faults if g.until is not None}
            last = now
            if not self.agent.running():
                raise AssertionError("the agent has ended")
            time.sleep(0.05)    # the load, not a wait for a condition
        for f in self.faults:
            f.stop()
        self.fleet.churns = False

    # What must be.

    def check(self, ok, text):
        if not ok:
            self.off.append(text)
            self.say("off: " + text)

    def caught_up(self, m):
        return (not books.faults(m) and books.in_memory(m) == 0 and
                self.fleet.requests == books.scraped(m) + sum(books.failed(m).values()))

    def quiet(self, what):
        """The metrics of a moment at which nothing is under way."""
        last = [None]

        def look():
            last[0] = self.agent.metrics()
            return self.caught_up(last[0]) and last[0]
        try:
            return wait_for(look, 60, what)
        except AssertionError:
            self.check(False, f"{what}: not quiet: {books.faults(last[0])}, in memory "
                       f"{books.in_memory(last[0]):.0f}, requests {self.fleet.requests} of "
                       f"{books.scraped(last[0]) + sum(books.failed(last[0]).values()):.0f}; "
                       f"{json.dumps(self.waiting())}")
            return last[0]

    def waiting(self):
        """Outputs with something in memory, as the agent shows them."""
        return [o for o in self.agent.status()["lanes"] if o["in_memory"]]

    def own_descriptors(self, m):
        """But for connections to targets and of those who ask for these pages."""
        return m.sum("process_open_fds") - m.sum("strata_pool_connections") - \
            m.sum("strata_web_connections")

    def rest(self, what):
        """All is well again: waits, and looks at what the agent takes."""
        self.write_targets(range(TARGETS))
        self.agent.reload(self.base())
        self.quiet(what)
        first = self.rests[0] if self.rests else None

        def settled():
            m = self.agent.metrics()
            return first is None or (m.sum("process_threads") <= first.threads and
                                     self.own_descriptors(m) <= first.descriptors + SPARE)
        try:
            wait_for(settled, 60, what)
        except AssertionError:
            m = self.agent.metrics()
            self.check(False, f"{what}: threads {m.sum('process_threads'):.0f}, at first "
                       f"{first.threads:.0f}; descriptors {self.own_descriptors(m):.0f}, at first "
                       f"{first.descriptors:.0f}")
        self.rests.append(self.look())
        rest = self.rests[-1]
        self.say(f"{time.monotonic() - self.began:6.0f} s  {what}: {self.fleet.requests} scrapes, "
                 f"{books.reloads(self.agent.metrics()):.0f} reloads, "
                 f"RSS {rest.rss / MIB:.1f} MiB, {rest.threads:.0f} threads, "
                 f"{rest.descriptors:.0f} descriptors, {rest.bytes:.0f} bytes accounted, "
                 f"{rest.allocations:.1f} allocations a scrape")

    def look(self):
        """Over some scrapes of each target, whose pages do not change their series any more."""
        def scrapes():
            """Not asked of the agent, whose own pages allocate."""
            until = self.fleet.requests + 2 * TARGETS
            wait_for(lambda: self.fleet.requests >= until, 60, "scrapes")
            return self.agent.metrics()
        one, two = scrapes(), scrapes()
        m = self.quiet("a rest")
        return Rest(m.sum("process_resident_memory_bytes"), m.sum("process_threads"),
                    self.own_descriptors(m),
                    (books.allocations(two) - books.allocations(one)) /
                    (books.scraped(two) - books.scraped(one)), self.kept(m))

    @staticmethod
    def kept(m):
        """Accounted bytes, but for empty buffers that wait to be used again."""
        return m.sum("strata_memory_bytes") - m.sum("strata_lane_pooled_bytes") - \
            m.sum("strata_pool_body_bytes")

    def check_rests(self):
        """The rule for memory: the line through the rests behind the first quarter rises, over their
        time, by no more than 2 MiB or 5 %; fewer than eight rests are still the warming up, and the
        last is at most 48 MiB above the first.  The accounted bytes, less buffers kept for
        reuse, come back to the first's."""
        first, last = self.rests[0], self.rests[-1]
        self.growth, allowed = last.rss - first.rss, 48 * MIB
        if len(self.rests) >= 8:
            late = [r.rss for r in self.rests[len(self.rests) // 4:]]
            self.growth = statistics.linear_regression(range(len(late)), late).slope * (len(late) - 1)
            allowed = max(2 * MIB, statistics.median(late) / 20)
        self.check(SLOW > 1 or self.growth <= allowed,
                   f"resident memory has grown by {self.growth / MIB:.1f} MiB")
        self.check(last.bytes <= 1.2 * first.bytes + MIB / 8,
                   f"{last.bytes:.0f} bytes are accounted at rest, {first.bytes:.0f} at first")
        self.check(last.allocations <= first.allocations + 1,
                   f"{last.allocations:.1f} allocations a scrape, {first.allocations:.1f} at first")

    def consumers(self):
        """{kind: what arrived}"""
        files = Found()
        for name in os.listdir(self.folder):
            if name.startswith("samples-"):
                with open(os.path.join(self.folder, name), "rb") as f:
                    for line in f:
                        files.add_lines(line)
        files.samples = files.lines
        client = nats.Client(self.server.url)
        try:
            return {"stream": Found(client.read_stream("METRICS")), "file": files,
                    "http": self.receiver.found}
        finally:
            client.close()

    def check_pages(self, kind, found, scraped):
        pages = {(t, n) for t, numbers in found.sequences.items() for n in numbers}
        twice = sum(map(len, found.sequences.values())) - len(pages)
        self.check(twice == 0 and not found.twice,
                   f"{kind}: {twice} pages and {len(found.twice)} ids came twice")
        self.check(pages <= set(self.fleet.samples), f"{kind}: pages that nobody has served")
        self.check(found.lines == found.samples,
                   f"{kind}: {found.lines} lines, Strata-Samples say {found.samples}")
        if kind == "http":
            return      # there are times without it
        self.check(len(pages) == scraped, f"{kind}: {len(pages)} pages of {scraped} scraped")

    def finish(self):
        """Without targets nothing more comes: the sums stand still."""
        self.write_targets([])
        wait_for(lambda: not self.agent.targets(), 30, "all targets have gone")
        m = self.quiet("the end")
        scraped, failed = round(books.scraped(m)), round(sum(books.failed(m).values()))
        by_output = m.by("strata_lane_records_delivered_total", "output")
        self.agent.send_signal(15)
        self.check(self.agent.wait(150) == 0, f"exit code {self.agent.popen.returncode}")
        account = self.agent.account()
        self.check(account["lost"] == 0 and not books.lost(m), f"lost {books.lost(m)}, {account}")
        self.check(account["unaccounted"] == 0, f"the books do not balance: {account}")
        self.check(not harness.SANITIZER.search(self.agent.err()), "a sanitizer has spoken")
        arrived = self.consumers()
        for kind, found in arrived.items():
            delivered = sum(v for name, v in by_output.items() if name.startswith(kind))
            self.check(found.samples == delivered,
                       f"{kind}: {found.samples} samples arrived, {delivered:.0f} were delivered")
            self.check_pages(kind, found, scraped)
        served, faults = len(self.fleet.samples), sum(self.fleet.faults.values())
        self.check(0 <= served - scraped <= failed - faults,
                   f"{served} pages served, {scraped} scraped, {failed} failed of which {faults} "
                   "were meant to")
        read = sum(self.fleet.samples[t, n] for t, numbers in arrived["file"].sequences.items()
                   for n in numbers)
        self.check(read == books.read(m), f"{books.read(m):.0f} samples read, {read} served")
        return m, arrived, account

    def run(self, seconds, rounds):
        try:
            self.rest("start")
            for n in range(rounds):
                self.storm(seconds / rounds)
                self.rest(f"round {n + 1} of {rounds}")
            m, arrived, account = self.finish()
            self.check_rests()
            return Report(self.off, self.figures(m, arrived, account))
        except Exception as e:
            self.check(False, f"{type(e).__name__}: {e}")
            return Report(self.off, {})
        finally:
            if self.off:
                self.say("--- last of the agent's log\n" + self.agent.err()[-3000:])
            for p in (self.agent, self.server, self.receiver, self.fleet):
                p.end()

    def figures(self, m, arrived, account):
        rss = [r.rss / MIB for r in self.rests]
        return {
            "duration": f"{(time.monotonic() - self.began) / 60:.1f} min",
            **{f.name: f.times for f in self.faults},
            "reloads taken": round(books.reloads(m)),
            "scrapes": round(books.scraped(m)), "failed, as they were meant to":
            sum(self.fleet.faults.values()),
            "samples scraped": round(books.read(m)),
            **{f"arrived: {kind}": found.samples for kind, found in arrived.items()},
            "sent again, and known by their id": self.receiver.again,
            "pages twice, of all consumers": 0 if not self.off else "see above",
            "lost": account["lost"], "delivered": account["delivered"],
            "resident memory at rest, first, MiB": f"{rss[0]:.1f}",
            "likewise, most and last": f"{max(rss):.1f}, {rss[-1]:.1f}",
            "its growth by the rule, MiB": f"{self.growth / MIB:.2f}",
            "threads at rest, first and last":
            f"{self.rests[0].threads:.0f}, {self.rests[-1].threads:.0f}",
            "descriptors at rest, first and last":
            f"{self.rests[0].descriptors:.0f}, {self.rests[-1].descriptors:.0f}",
        }


def main():
    p = argparse.ArgumentParser()
    p.add_argument("minutes", type=float, nargs="?", default=60)
    p.add_argument("seed", type=int, nargs="?", default=int.from_bytes(os.urandom(3), "big"))
    args = p.parse_args()
    print(f"seed {args.seed}: ./dev soak {args.minutes:g} {args.seed}", flush=True)
    with harness.temporary_folder() as folder:
        soak = Soak(folder, args.seed, lambda text: print(text, flush=True))
        report = soak.run(args.minutes * 60, max(2, round(args.minutes / 2)))
    for name, value in report.figures.items():
        print(f"{name}: {value}")
    print("books balanced, lost 0" if not report.off else "off: " + "; ".join(report.off))
    sys.exit(1 if report.off else 0)


if __name__ == "__main__":
    main()
