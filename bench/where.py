#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""where.py [--agent PROGRAM]... [--window SECONDS] [LOAD...] - where one scrape's CPU goes.
where.py --floor [--rounds N] [--document] [--bytes N] [--agent PROGRAM] [--window SECONDS] [LOAD...] - what no agent can save of it.

target_server -> agent -> a real nats-server, at the named loads: small, large, million, daemonset,
wide (default: small, large, daemonset). Of each: CPU, wake-ups and page faults of each thread per scrape, then
system calls per scrape by kind and thread (`perf trace`, in a window of its own: it costs time), then
pages of memory touched in one round (clear_refs).

--agent may come several times: all of them run each load, one after the other; `A B A` shows
what of a difference is noise. Without it: the release build. At daemonset each target has a port
of its own, as pods have.

--floor: beside the agent, in turns, a program that moves the same bytes and does nothing else (floor.py), with and without
the copies that client libraries make.  A LOAD may then say how: large:lz4, large:remote_write.  --rounds: as many turns of each (1);
a machine with other work needs 3.  --document writes the table into docs/internals/HOTPATH.md; --bytes is what the floor sends for a sample in place of
what the agent sends.  Without LOAD it takes less than five minutes.
"""
import argparse, os, re, shutil, subprocess, sys, tempfile, time

import floor, pairs, run

BUILD = os.path.join(run.ROOT, "build", "release")
LOADS = {"small": (100, 1000, 10, False), "large": (200, 5000, 5, False),
         "million": (1000, 1000, 10, False), "daemonset": (40, 500, 15, True), "wide": (10000, 50, 60, False)}
WAYS = ("", "lz4", "remote_write")    # what is sent: JSON in lines, that as LZ4, remote write 1.0
FLOOR = ["daemonset", "small", "large", "large:lz4", "large:remote_write"]


def thread_kind(name):
    """Threads of a kind count as one: worker, lane, ..."""
    return re.sub(r"[:-].*|\d+$", "", name)


def threads(pid):
    """{kind: [CPU ns, user ticks, system ticks, wake-ups, faults]}"""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        at = f"/proc/{pid}/task/{tid}/"
        try:
            with open(at + "schedstat") as f:
                cpu = int(f.read().split()[0])
            with open(at + "stat") as f:
                name, _, rest = f.read().partition("(")[2].rpartition(") ")
            with open(at + "status") as f:
                wakes = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M)[1])
        except OSError:
            continue
        rest = rest.split()
        now = [cpu, int(rest[11]), int(rest[12]), wakes, int(rest[7])]
        kind = thread_kind(name)
        found[kind] = [a + b for a, b in zip(found.get(kind, [0] * 5), now)]
    return found


def system_calls(pid, seconds):
    """{call: {thread kind: times}}; None: no perf, or it may not."""
    if not shutil.which("perf"):
        return None
    done = subprocess.run(["perf", "trace", "-s", "-p", str(pid), "--", "sleep", str(seconds)],
                          capture_output=True, text=True)
    kind, found = None, {}
    for line in (done.stdout + done.stderr).splitlines():
        if m := re.match(r" (.+) \(\d+\), \d+ events", line):
            kind = thread_kind(m[1])
        elif kind and (m := re.match(r" +(\w+) +(\d+) +\d+ +[\d.]+", line)):
            calls = found.setdefault(m[1], {})
            calls[kind] = calls.get(kind, 0) + int(m[2])
    return found or None


def touched_pages(pid, seconds):
    """{kind of memory: pages} touched in that time."""
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("1")
    except OSError:
        return None
    time.sleep(seconds)
    found, kind = {}, ""
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            if m := re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)", line):
                kind = "files" if m[1].startswith("/") else m[1].strip("[]") or "anonymous"
            elif line.startswith("Referenced:"):
                found[kind] = found.get(kind, 0) + int(line.split()[1]) // 4
    return found


class Where(run.Load):
    def __init__(self, name):
        load, _, self.way = name.partition(":")
        targets, samples, interval, self.ports = LOADS[load]
        super().__init__(name, targets, samples, interval)
        self.title = f"{name}: {targets:,} × {samples:,} / {interval} s"

    def config(self, server, targets):
        conf = super().config(server, targets)
        if self.ports:
            ports = re.findall(r"^port \d+ (\d+)", targets.out(), re.M)
            conf["sources"][0]["static"]["targets"] = [f"http://127.0.0.1:{p}/metrics" for p in ports]
        if self.way == "lz4":
            conf["sinks"][0]["nats"]["compression"] = "lz4"
        elif self.way:
            conf["pools"][0]["outputs"] = [{"name": "main", "remote_write": {"version": "v1"}, "sink": "queue"}]
        return conf

    def target_server(self, folder):
        return run.harness.TargetServer(folder, self.targets, self.samples,
                                        ["--ports"] if self.ports else [])

    def measure(self, agent, window):
        window = -(-window // self.interval) * self.interval
        scraped, metrics, before = run.books.scraped, agent.metrics(), threads(agent.pid)
        began, cpu = time.monotonic(), run.cpu_seconds(agent.pid)
        time.sleep(window)
        cpu, after = run.cpu_seconds(agent.pid) - cpu, threads(agent.pid)
        seconds, now = time.monotonic() - began, agent.metrics()
        scrapes = scraped(now) - scraped(metrics)
        samples = run.books.delivered(now) - run.books.delivered(metrics)
        rss, anonymous = (run.rss_bytes(agent.pid, k) / run.MIB for k in ("VmRSS", "RssAnon"))
        zero = [0] * 5
        per = {k: [(b - a) / scrapes for a, b in zip(before.get(k, zero), v)]
               for k, v in after.items()}
        before = scraped(agent.metrics())
        calls = system_calls(agent.pid, self.interval)
        calls_scrapes = max(1, scraped(agent.metrics()) - before)
        return {"agent": "", "cpu_us": cpu / scrapes * 1e6, "per_million": cpu / samples * 1e6,
                "scrapes": scrapes, "seconds": seconds, "rss": rss, "anonymous": anonymous,
                "threads": per, "calls_scrapes": calls_scrapes, "calls": calls,
                "pages": touched_pages(agent.pid, self.interval)}


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(x if isinstance(x, str) else f"{x:.2f}" if x < 100 else f"{x:.0f}"
                                for x in row) + " |")
    print()


def show(name, runs):
    load = Where(name)
    print(f"## {load.title}{', each on a port of its own' if load.ports else ''}\n")
    table(["agent", "µs CPU per scrape", "CPU-s per million samples", "scrapes", "RSS MiB", "anonymous",
           "pages touched in a round"],
          [[r["agent"], r["cpu_us"], r["per_million"], f"{r['scrapes']:.0f}", r["rss"], r["anonymous"],
            ", ".join(f"{k} {v}" for k, v in sorted((r["pages"] or {}).items()) if v)] for r in runs])
    table(["agent", "thread", "µs per scrape", "user %", "wake-ups per scrape", "faults per scrape"],
          [[r["agent"], k, v[0] / 1e3, f"{100 * v[1] / ((v[1] + v[2]) or 1):.0f}", v[3], v[4]]
           for r in runs for k, v in sorted(r["threads"].items(), key=lambda x: -x[1][0])
           if v[0] > 0])
    rows = []
    for r in runs:
        for call, kinds in sorted((r["calls"] or {}).items(), key=lambda c: -sum(c[1].values())):
            n = sum(kinds.values()) / r["calls_scrapes"]
            if n >= 0.05:
                by = ", ".join(f"{k} {v / r['calls_scrapes']:.2f}" for k, v in
                               sorted(kinds.items(), key=lambda x: -x[1]))
                rows.append([r["agent"], call, n, by])
    table(["agent", "system call", "per scrape", "by thread"], rows)


def show_floor(args):
    """Of the one agent, at each load."""
    load, begun = os.getloadavg()[0], time.monotonic()
    hot, all_turns = floor.hot_path(BUILD), []
    print(hot + "\n")
    for name in args.loads or FLOOR:
        with tempfile.TemporaryDirectory(prefix="strata-floor-") as folder:
            all_turns.append(floor.measure(Where(name), folder, args.window or 10, args.rounds, args.bytes))
        print(floor.table(all_turns[-1:]), flush=True)
    if args.document:
        floor.document(all_turns, args.rounds, args.window or 10, load, hot)
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", action="append", metavar="PROGRAM")
    parser.add_argument("--window", type=int)
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bytes", type=float)
    parser.add_argument("--document", action="store_true")
    parser.add_argument("loads", nargs="*", metavar="LOAD")
    args = parser.parse_args()
    for name in args.loads:
        load, _, way = name.partition(":")
        if load not in LOADS or way not in WAYS:
            parser.error(f"no load {name}: there are {', '.join(LOADS)}, each with {' or '.join(':' + w for w in WAYS[1:])}")
    return args


def main():
    args = arguments()
    pairs.use(BUILD)
    agents = [os.path.abspath(a) for a in args.agent or [run.harness.AGENT]]
    if args.floor:
        run.harness.AGENT = agents[0]
        return show_floor(args)
    for name in args.loads or ["small", "large", "daemonset"]:
        runs = []
        for program in agents:
            run.harness.AGENT = program
            with tempfile.TemporaryDirectory(prefix="strata-where-") as folder:
                runs.append({**Where(name).run(folder, args.window or 30),
                             "agent": f"{len(runs) + 1} {os.path.basename(program)}"})
        show(name, runs)


if __name__ == "__main__":
    main()
