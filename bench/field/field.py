#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""field.py [--agents A,B] [--loads TxS/Is,...] [--receivers R,...] [--window SECONDS] [--churn N] [--json PATH] [--dry]
- this agent beside others, on the same targets and receivers.

    target_server (T pages of S samples, each every I s) -> an agent -> a receiver

Of each load and receiver: Strata, each of the others, Strata again; one at a time, measured from the time on
when each target was scraped twice.  Receivers take what comes and cost next to nothing (takers.py; Kafka is a real
broker); only the agent's own CPU counts, all its threads'.  --churn: of a thousand series, N are new at each scrape.

An agent that the machine does not have is named by the environment: VMAGENT, PROMETHEUS, TELEGRAF, OTELCOL, FLUENT_BIT.
Telegraf is made by build.sh, the OpenTelemetry collector by `build.sh otelcol` when asked to, for that takes six minutes of
CPU time; who is missing has a row that says so.

Prints a table and writes it into its part of docs/BENCHMARKS.md and, as rows, into build/bench/field.json (--json). A load
and receiver that is measured replaces what was known of that pair, and of no other: so the whole may be
made piece by piece, and ratios are within one run always.  --dry leaves the document alone.
All of it takes two to three hours with the default window.
"""
import argparse, datetime, json, os, re, resource, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import pairs, run

MIB = 1 << 20
LOADS = ("100x1000/10s", "1000x1000/10s", "200x5000/5s", "40x500/15s", "10000x50/30s")
RECEIVERS = ("nats", "remote_write", "kafka")
FIGURES = ("cpu_s_per_million", "rss_mib", "rss_idle_mib", "bytes_per_sample", "missed", "first_sample_s",
           "rss_peak_mib", "arrived")
IDLE_S = 5    # what a start leaves behind is part of being idle


class Load:
    def __init__(self, text):
        found = re.fullmatch(r"(\d+)x(\d+)/(\d+)s", text)
        if not found:
            raise argparse.ArgumentTypeError(f"no load, as 200x5000/5s is one: {text}")
        self.name = text
        self.targets, self.samples, self.interval = (int(n) for n in found.groups())


class Receiver:
    """kind, address, topic; sent(): bytes; pages(): how many have come, or None; first(): when, or None."""
    topic = "bench"

    def __init__(self, kind, bench):
        self.kind, self.taker, self.seen = kind, None, None
        if kind == "kafka":
            settings, self.sent = pairs.to_kafka(bench)
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
    """One agent under one load into one receiver."""

    def __init__(self, bench, load, rival, kind):
        self.bench, self.load, self.rival, self.kind = bench, load, rival, kind

    def idle(self):
        """RSS without targets."""
        agent = self.rival.start(self.bench, [], self.load.interval, Receiver(self.kind, self.bench))
        try:
            time.sleep(IDLE_S)
            if not agent.running():
                raise AssertionError("it ended: " + (agent.err() + agent.out())[-1000:])
            return run.rss_bytes(agent.pid)
        finally:
            agent.end()
            self.bench.end_receivers()

    def scraped(self):
        return sum(self.bench.targets.stats()["served"])

    def figures(self, window):
        idle, before = self.idle(), self.scraped()
        receiver = Receiver(self.kind, self.bench)
        begun = time.monotonic()
        agent = self.rival.start(self.bench, self.bench.targets.targets, self.load.interval, receiver)
        try:
            self.settle(agent, receiver, before)
            return {"rss_idle_mib": idle / MIB, "first_sample_s": receiver.first() - begun,
                    **self.measure(agent, receiver, window)}
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
            harness.wait_for(lambda: look(lambda: self.scraped() - before >= 2 * self.load.targets),
                             10 + 3 * interval, "each target is scraped twice", step=0.5)
        except AssertionError:
            if not agent.running():
                raise
        # Who scrapes all targets at once has done so just now: the window begins and ends between two such bursts.
        time.sleep(interval / 2)

    def measure(self, agent, receiver, window):
        load = self.load
        rounds = max(1, -(-window // load.interval))
        scraped, sent, pages = self.scraped(), receiver.sent(), receiver.pages()
        cpu, end, rss = run.cpu_seconds(agent.pid), time.monotonic() + rounds * load.interval, []
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 1))
            rss.append(run.rss_bytes(agent.pid))
        cpu, sent = run.cpu_seconds(agent.pid) - cpu, receiver.sent() - sent
        scraped = self.scraped() - scraped
        came = scraped if pages is None else receiver.pages() - pages
        if came == 0 or sent == 0:
            raise AssertionError("nothing arrives")
        # Who ships less than they scrape has spent that time all the same, whatever comes of the rest.
        return {"cpu_s_per_million": cpu / (max(came, scraped) * load.samples / 1e6), "rss_mib": sum(rss) / len(rss) / MIB,
                "rss_peak_mib": agent.peak_memory() / MIB, "bytes_per_sample": sent / (came * load.samples),
                "missed": max(0, rounds * load.targets - scraped),
                "arrived": None if pages is None or scraped == 0 else came / scraped}


def mean(runs):
    """Of runs of one agent, figure by figure."""
    return {name: None if runs[0][name] is None else round(sum(r[name] for r in runs) / len(runs), 4)
            for name in FIGURES}


def one_run(bench, load, rival, kind, window):
    """(figures, None), or (None, why not)."""
    why = rival.why_not()
    if why:
        return None, why
    print(f"{load.name} -> {kind}: {rival.name} ...", file=sys.stderr)
    try:
        return Run(bench, load, rival, kind).figures(window), None
    except (AssertionError, OSError) as e:
        print(f"{rival.name}: {e}", file=sys.stderr)
        return None, "failed: " + str(e).partition("\n")[0][:200]


def group(bench, load, kind, rivals, window):
    """The rows of one load and receiver."""
    taking = [r for r in rivals if kind in r.receivers]
    order = taking + [r for r in taking if r.name == "strata" and len(taking) > 1]    # A-B-A
    began, runs, why = os.getloadavg()[0], {}, {}
    for rival in order:
        figures, reason = one_run(bench, load, rival, kind, window)
        if figures:
            runs.setdefault(rival.name, []).append(figures)
        else:
            why[rival.name] = reason
    rows = []
    for rival in taking:
        got = runs.get(rival.name)
        rows.append({
            "agent": rival.name, "load": load.name, "receiver": kind, **(mean(got) if got else dict.fromkeys(FIGURES)),
            "cpu_runs": [round(r["cpu_s_per_million"], 4) for r in got or []], "why": why.get(rival.name),
            "version": rival.version() if got else None, "window_s": window, "churn": bench.churn,
            "date": datetime.date.today().isoformat(),
            "machine": run.machine(), "load_average": [round(began, 2), round(os.getloadavg()[0], 2)]})
    return rows


def measure_all(folder, args, rivals):
    rows = []
    for load in args.loads:
        place = tempfile.mkdtemp(dir=folder)
        bench = pairs.Bench(place, load.targets, load.samples, ["--churn", str(args.churn)] if args.churn else [])
        bench.churn = args.churn
        try:
            for kind in args.receivers:
                if kind == "kafka" and kafka.missing():
                    print("kafka is left out: there is no broker (test/kafka/build.sh)", file=sys.stderr)
                    continue
                rows += group(bench, load, kind, rivals, args.window)
                print("\n".join(table(rows[-len(rivals):], load.name, kind)), flush=True)
        finally:
            bench.end()
    return rows


def cell(value, form="{:.1f}"):
    return "" if value is None else form.format(value)


def times(row, rows, name):
    """How many times Strata's figure that is."""
    own = next((r[name] for r in rows if r["agent"] == "strata"), None)
    return f"{row[name] / own:.1f}" if own and row["agent"] != "strata" else ""


def table(rows, load, kind):
    rows = [r for r in rows if r["load"] == load and r["receiver"] == kind]
    lines = ["", "| agent | CPU-s per million | × | RSS idle | steady, MiB | × | peak | B/sample | missed | arrived "
             "| first sample, s |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        if r["cpu_s_per_million"] is None:
            lines.append(f"| {r['agent']} | {r['why']} |" + " |" * 9)
            continue
        cpu = cell(r["cpu_s_per_million"], "{:.3f}")
        if len(r["cpu_runs"]) > 1:
            cpu += " (" + ", ".join(f"{c:.3f}" for c in r["cpu_runs"]) + ")"
        lines.append(" | ".join((
            f"| {r['agent']}", cpu, times(r, rows, "cpu_s_per_million"), cell(r["rss_idle_mib"]),
            cell(r["rss_mib"]), times(r, rows, "rss_mib"), cell(r["rss_peak_mib"]), cell(r["bytes_per_sample"]),
            cell(r["missed"], "{:.0f}"), cell(r["arrived"], "{:.1%}"), cell(r["first_sample_s"], "{:.2f}"))) + " |")
    return lines


def document(rows):
    lines = ["", "Written by `./dev bench field`. What is measured and how stands at the top of `bench/field/field.py`, what each",
             "agent is told to do in `bench/field/rivals.py`.", "", "| agent | version |", "|---|---|"]
    versions = dict.fromkeys((r["agent"], r["version"]) for r in rows if r["version"])
    lines += [f"| {name} | {version} |" for name, version in versions]
    for load, kind in dict.fromkeys((r["load"], r["receiver"]) for r in rows):
        r = next(r for r in rows if (r["load"], r["receiver"]) == (load, kind))
        churn = f", {r['churn']} of 1,000 series new at each scrape" if r["churn"] else ""
        lines += ["", f"### {load} → {kind}", "",
                  f"{r['date']}, {r['window_s']} s each{churn}, {r['machine']}; load average when it began "
                  f"{r['load_average'][0]}, when it ended {r['load_average'][1]}.", *table(rows, load, kind)]
    return "\n".join(lines) + """

- *CPU-s per million*: user and system time of the whole agent per million samples scraped, or arrived if that is more.
  Strata runs before and after the others: the mean, and both. *×*: how many times Strata's mean.
- *RSS idle*: without targets; *steady*: mean over the window; *peak*: the highest ever.
- *B/sample*: bytes that the receiver counts: of the connection (nats), of bodies (remote_write), of the topic's log (kafka,
  lz4 by all). The pages are made, and more alike than real ones, which compress less.
- *missed*: scrapes that were due and not made; *arrived*: pages that arrived, of those scraped, where the receiver counts them (nats): where these show that an agent could not keep
  up, its other figures say little. *first sample*: after the start of the process.
"""


def merge(path, rows):
    """The rows of the file, those measured now in place of their pairs of load and receiver; in the order of LOADS."""
    old = []
    if os.path.exists(path):
        with open(path) as f:
            old = json.load(f)
    new = {(r["load"], r["receiver"]) for r in rows}
    both = [r for r in old if (r["load"], r["receiver"]) not in new] + rows

    def place(row):
        load, kind = row["load"], row["receiver"]
        return LOADS.index(load) if load in LOADS else len(LOADS), load, RECEIVERS.index(kind)
    return sorted(both, key=place)


def arguments():
    def names(known):
        def read(text):
            chosen = text.split(",")
            for name in chosen:
                if name not in known:
                    raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
            return [k for k in known if k in chosen]
        return read
    parser = argparse.ArgumentParser(description="this agent beside others, on the same targets and receivers")
    agents = tuple(r.name for r in rivals_of.ALL)
    parser.add_argument("--agents", type=names(agents), default=list(agents))
    parser.add_argument("--loads", type=lambda text: [Load(t) for t in text.split(",")], default=list(map(Load, LOADS)))
    parser.add_argument("--receivers", type=names(RECEIVERS), default=list(RECEIVERS))
    parser.add_argument("--window", type=int, default=60)
    parser.add_argument("--churn", type=int, default=0)
    parser.add_argument("--build", default=os.path.join(run.ROOT, "build", "release"))
    parser.add_argument("--json")
    parser.add_argument("--dry", action="store_true")
    return parser.parse_args()


def build_argument():
    """Of the command line, before the rest of it can be read: what rivals are there depends on it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--build", default=os.path.join(run.ROOT, "build", "release"))
    return os.path.abspath(parser.parse_known_args()[0].build)


def main():
    build = build_argument()
    pairs.use(build)
    global harness, kafka, rivals_of, takers
    import harness, kafka, takers
    import rivals as rivals_of
    args = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rivals = [r() for r in rivals_of.ALL if r.name in args.agents]
    with tempfile.TemporaryDirectory(prefix="strata-field-") as folder:
        rows = measure_all(folder, args, rivals)
    path = args.json or os.path.join(os.path.dirname(build), "bench", "field.json")
    rows = merge(path, rows)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(json.dumps(rows, indent=1) + "\n")
    if not args.dry:
        run.write_document(field=document(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
