# SPDX-License-Identifier: Apache-2.0
"""floor.py - the agent, and beside it the least that any agent does for the same bytes; where.py --floor.

In turns at one load: the agent; bench_floor, which reads the same pages and sends as many bytes as the agent did,
at the same pace, and nothing else; bench_floor --copy.  Each has target_server and nats-server as the agent had them.
"""
import datetime, os, re, time

import pairs, run

TICK = 1 / os.sysconf("SC_CLK_TCK")
FEW = 20    # ticks: below that many, which part was the kernel's is a guess
KINDS = {"floor": [], "floor, with copies": ["--copy"], "agent": None}
DOCUMENT = os.path.join(run.ROOT, "docs", "internals", "HOTPATH.md")
MARKS = "<!-- ./dev bench where --floor --document -->\n", "<!-- until here -->\n"


def start(folder, nats_url, interval, lines, args=()):
    """bench_floor; lines: (url of a page, bytes of its message)."""
    path = os.path.join(folder, f"floor-{len(os.listdir(folder))}")
    with open(path, "w") as f:
        for url, size in lines:
            host, port, page = re.fullmatch(r"http://([\d.]+):(\d+)(/.*)", url).groups()
            f.write(f"{host} {port} {page} {size}\n")
    host, port = nats_url.removeprefix("nats://").split(":")
    return run.process.Process([os.environ["STRATA_FLOOR"], *args, host, port, str(int(interval * 1000)), path],
                               folder, os.path.basename(path) + "-run")


def ticks(pid):
    """User and system time in seconds, of all threads."""
    with open(f"/proc/{pid}/stat") as f:
        rest = f.read().rpartition(") ")[2].split()
    return int(rest[11]) * TICK, int(rest[12]) * TICK


def window(pid, seconds):
    """CPU-seconds: all, by ticks user and system."""
    cpu, before = run.cpu_seconds(pid), ticks(pid)
    time.sleep(seconds)
    cpu, after = run.cpu_seconds(pid) - cpu, ticks(pid)
    return [cpu, *(b - a for a, b in zip(before, after))]


class Turns:
    """The turns at one load, and their sums by kind: CPU, user, system, scrapes, samples."""

    def __init__(self, load, folder, seconds, bytes_per_sample=None):
        self.load, self.folder, self.bytes = load, folder, bytes_per_sample
        self.seconds = -(-seconds // load.interval) * load.interval    # whole rounds
        self.sums = {kind: [0] * 5 for kind in KINDS}
        self.sent = self.lines = 0
        self.each = {kind: [] for kind in KINDS}
        _, self.received = pairs.to_nats()(self)
        self.targets = load.target_server(folder)

    def keep(self, server):
        self.nats = server
        return server

    def end(self):
        self.targets.end()
        self.nats.end()

    def take(self, kind, cpu, scrapes, samples):
        self.sums[kind] = [a + b for a, b in zip(self.sums[kind], [*cpu, scrapes, samples])]
        self.each[kind].append(cpu[0] / samples * 1e6)

    def agent_turn(self):
        config = self.load.config(self.nats, self.targets)
        agent = run.harness.Agent(config, self.folder, name=f"agent-{len(os.listdir(self.folder))}")
        try:
            self.load.settle(agent)
            before, sent = agent.metrics(), self.received()
            cpu = window(agent.pid, self.seconds)
            after, sent = agent.metrics(), self.received() - sent
        finally:
            agent.end()
        scrapes, samples = (what(after) - what(before) for what in (run.books.scraped, run.books.delivered))
        self.take("agent", cpu, scrapes, samples)
        self.sent = self.bytes or sent / samples
        self.samples = samples / scrapes
        urls = config["sources"][0]["static"]["targets"]
        self.lines = [(url, round(self.sent * self.samples)) for url in urls]

    def floor_turn(self, kind):
        """Samples are as many for each scrape as the agent delivered."""
        floor = start(self.folder, self.nats.url, self.load.interval, self.lines, KINDS[kind])
        try:
            first = sum(self.targets.stats()["served"])
            run.harness.wait_for(lambda: sum(self.targets.stats()["served"]) > first, what="a page is read")
            time.sleep(1)    # its memory is there
            before = sum(self.targets.stats()["served"])
            cpu = window(floor.pid, self.seconds)
            scrapes = sum(self.targets.stats()["served"]) - before
            due = self.load.targets * self.seconds / self.load.interval
            if not floor.running() or abs(scrapes - due) > 1 + due / 10:
                raise AssertionError(f"{kind}: {scrapes} scrapes in place of {due:.0f}\n{floor.err()}")
        finally:
            floor.end()
        self.take(kind, cpu, scrapes, scrapes * self.samples)

    def rows(self):
        """[what, CPU-s per million, least and most of the turns, user, system, µs a scrape, the agent's is x times that]"""
        agent = self.sums["agent"]
        for kind, (cpu, user, system, scrapes, samples) in self.sums.items():
            parts = [f"{cpu * x / (user + system) / samples * 1e6:.3f}" for x in (user, system)] \
                if user + system >= FEW * TICK else ["", ""]
            each = self.each[kind]
            yield [kind, f"{cpu / samples * 1e6:.3f}",
                   f"{min(each):.3f} to {max(each):.3f}" if len(each) > 1 else "", *parts,
                   f"{cpu / scrapes * 1e6:,.0f}",
                   "" if kind == "agent" else f"{agent[0] / agent[4] / (cpu / samples):.2f}"]


def measure(load, folder, seconds, rounds, bytes_per_sample=None):
    turns = Turns(load, folder, seconds, bytes_per_sample)
    try:
        for _ in range(rounds):
            turns.agent_turn()
            for kind in ("floor", "floor, with copies"):
                turns.floor_turn(kind)
    finally:
        turns.end()
    return turns


def table(all_turns):
    lines = ["| load | B/sample sent | | CPU-s per million samples | of the turns | user | system | µs per scrape | agent, times that |",
             "|---|---|---|---|---|---|---|---|---|"]
    for turns in all_turns:
        head = [turns.load.title, f"{turns.sent:.0f}"]
        for row in turns.rows():
            lines.append("| " + " | ".join([*head, *row]) + " |")
            head = ["", ""]
    return "\n".join(lines) + "\n"


def hot_path(build):
    """What stands between the floor and any agent, without peers."""
    ns = run.hot_path(build)["repeat_cold_ns_per_sample"]
    return f"Page and JSON alone, caches cold (`bench_hot`): {ns:.0f} ns a sample, {ns / 1e3:.3f} CPU-s per million."


def document(all_turns, rounds, seconds, load_average, hot):
    """Takes the place of what stands between the marks."""
    with open(DOCUMENT) as f:
        before, begin, rest = f.read().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise SystemExit(f"{DOCUMENT}: no {MARKS}")
    with open(DOCUMENT, "w") as f:
        f.write(f"""{before}{begin}
{datetime.date.today().isoformat()}, {run.machine()}, load average {load_average:.1f} when it began; {rounds} round{'s'[:rounds > 1]} of windows of {seconds} s or one interval.

{table(all_turns)}
{hot}

{end}{after}""")
