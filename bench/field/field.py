#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""field.py [--agents A,B] [--loads TxS/Is,...] [--receivers R,...] [--window SECONDS] [--quick] [--churn N] [--hosts] [--memory SIZE]
[--json PATH] [--dry] - this agent beside others, on the same targets and receivers.

    target_server (T pages of S samples, each every I s) -> an agent -> a receiver

Of each load and receiver: Strata, each of the others, Strata again; one at a time, measured from the time on
when each target was scraped twice.  Receivers take what comes and cost next to nothing (takers.py; Kafka is a real
broker); only the agent's own CPU counts, all its threads'.  --churn: of a thousand series, N are new at each scrape.
--hosts: each target has an address of its own, 127.x.y.z; without it all have one, and an agent that knows so shares connections.

An agent that the machine does not have is named by the environment: VMAGENT, PROMETHEUS, TELEGRAF, OTELCOL, FLUENT_BIT.
Telegraf is made by build.sh, the OpenTelemetry collector by `build.sh otelcol` when asked to, for that takes six minutes of
CPU time; who is missing has a row that says so.

Prints a table and writes it into its part of docs/BENCHMARKS.md and, as rows, into build/bench/field.json (--json), as soon as
a load and receiver is done.  What is measured replaces what was known of that pair, and of no other: so the whole may be
made piece by piece, and ratios are within one run always.  --dry leaves the document alone.
All of it takes two to three hours with the default window.

--quick: Strata and vmagent only, each once, into remote write, two loads into NATS besides; about seven minutes and a half in all.
Its rows say so, and stand beside those of a longer run until that is made anew.
"""
import argparse, datetime, json, os, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import pairs, run

LOADS = ("100x1000/10s", "1000x1000/10s", "200x5000/5s", "40x500/15s", "10000x50/30s")
RECEIVERS = ("nats", "remote_write", "kafka")
FIGURES = ("cpu_s_per_million", "rss_mib", "rss_idle_mib", "bytes_per_sample", "missed", "first_sample_s",
           "rss_peak_mib", "arrived", "server_cores", "window_s")
QUICK = {"agents": ("strata", "vmagent"), "window": 10,
         "loads": ("200x5000/5s", "1000x1000/10s", "100x1000/10s", "10000x50/30s", "40x500/15s")}
QUICK_NATS = ("200x5000/5s", "100x1000/10s")
QUICK_ONCE_S = 15    # with that interval two scrapes before the window are too many


def mean(got):
    """Of runs of one agent, figure by figure."""
    return {name: None if got[0][name] is None else round(sum(r[name] for r in got) / len(got), 4)
            for name in FIGURES}


class Field:
    """One call: what is measured, and how."""

    def __init__(self, args, rivals):
        self.args, self.rivals, self.idle_of = args, rivals, {}

    def receivers(self, load):
        if not self.args.quick or self.args.receivers:
            return self.args.receivers or RECEIVERS
        return ("nats", "remote_write") if load.name in QUICK_NATS else ("remote_write",)

    def idle(self, one):
        """The quick way measures it once for all loads."""
        key = one.rival.name
        if not self.args.quick or key not in self.idle_of:
            self.idle_of[key] = one.idle()
        return self.idle_of[key]

    def one_run(self, bench, load, rival, kind):
        """(figures, None), or (None, why not)."""
        why = rival.why_not()
        if why:
            return None, why
        print(f"{load.name} -> {kind}: {rival.name} ...", file=sys.stderr)
        one = runs.Run(bench, load, rival, kind, once=self.args.quick and load.interval >= QUICK_ONCE_S)
        try:
            return {**self.idle(one), **one.loaded(self.args.window)}, None
        except (AssertionError, OSError) as e:
            print(f"{rival.name}: {e}", file=sys.stderr)
            return None, "failed: " + str(e).partition("\n")[0][:200]

    def group(self, bench, load, kind):
        """The rows of one load and receiver."""
        taking = [r for r in self.rivals if kind in r.receivers]
        order = list(taking)
        if len(taking) > 1 and not self.args.quick:
            order += [r for r in taking if r.name == "strata"]    # A-B-A
        began, got, why = os.getloadavg()[0], {}, {}
        for rival in order:
            figures, reason = self.one_run(bench, load, rival, kind)
            if figures:
                got.setdefault(rival.name, []).append(figures)
            else:
                why[rival.name] = reason
        return [self.row(load, kind, rival, got.get(rival.name, []), why.get(rival.name), began) for rival in taking]

    def row(self, load, kind, rival, got, why, began):
        return {
            "agent": rival.name, "load": load.name, "receiver": kind,
            **(mean(got) if got else dict.fromkeys(FIGURES)),
            "cpu_runs": [round(r["cpu_s_per_million"], 4) for r in got], "why": why,
            "version": rival.version() if got else None, "quick": self.args.quick, "churn": self.args.churn, "hosts": self.args.hosts,
            "date": datetime.date.today().isoformat(), "machine": run.machine(),
            "load_average": [round(began, 2), round(os.getloadavg()[0], 2)]}

    def measure(self, folder, keep):
        """keep(rows) after each load and receiver."""
        for load in self.args.loads:
            place = tempfile.mkdtemp(dir=folder)
            more = (["--churn", str(self.args.churn)] if self.args.churn else []) + ["--hosts"] * self.args.hosts
            bench = pairs.Bench(place, load.targets, load.samples, more)
            try:
                for kind in self.receivers(load):
                    if kind == "kafka" and kafka.missing():
                        print("kafka is left out: there is no broker (test/kafka/build.sh)", file=sys.stderr)
                        continue
                    rows = self.group(bench, load, kind)
                    keep(rows)
                    print(f"\n{load.name} -> {kind}" + "\n".join(table(rows)), flush=True)
            finally:
                bench.end()


def cell(value, form="{:.1f}"):
    return "" if value is None else form.format(value)


def times(row, rows, name):
    """How many times Strata's figure that is."""
    own = next((r[name] for r in rows if r["agent"] == "strata"), None)
    return f"{row[name] / own:.1f}" if own and row["agent"] != "strata" else ""


def table(rows):
    """Of one load and receiver."""
    lines = ["", "| agent | CPU-s per million | × | RSS idle | steady, MiB | × | peak | B/sample | missed | arrived "
             "| first sample, s | window |", "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        if r["cpu_s_per_million"] is None:
            lines.append(f"| {r['agent']} | {r['why']} |" + " |" * 10)
            continue
        cpu = cell(r["cpu_s_per_million"], "{:.3f}")
        if len(r["cpu_runs"]) > 1:
            cpu += " (" + ", ".join(f"{c:.3f}" for c in r["cpu_runs"]) + ")"
        lines.append(" | ".join((
            f"| {r['agent']}", cpu, times(r, rows, "cpu_s_per_million"), cell(r["rss_idle_mib"]),
            cell(r["rss_mib"]), times(r, rows, "rss_mib"), cell(r["rss_peak_mib"]), cell(r["bytes_per_sample"]),
            cell(r["missed"], "{:.0f}"), cell(r["arrived"], "{:.1%}"), cell(r["first_sample_s"], "{:.2f}"),
            f"{r['window_s']:.0f} s" + ", quick" * pair(r)[2])) + " |")
    return lines


def pair(row):
    """What is measured in one go: its rows are compared with each other, and with no others."""
    return row["load"], row["receiver"], row.get("quick", False)


def document(rows):
    lines = ["", "Written by `./dev bench field`. What is measured and how stands at the top of `bench/field/field.py`, what each",
             "agent is told to do in `bench/field/rivals.py`.", "", "| agent | version |", "|---|---|"]
    versions = dict.fromkeys((r["agent"], r["version"]) for r in rows if r["version"])
    lines += [f"| {name} | {version} |" for name, version in versions]
    for load, kind, quick in dict.fromkeys(map(pair, rows)):
        these = [r for r in rows if pair(r) == (load, kind, quick)]
        r = these[0]
        churn = f"{r['churn']} of 1,000 series new at each scrape, " if r["churn"] else ""
        churn += "each target at an address of its own, " * r.get("hosts", False)
        lines += ["", f"### {load} → {kind}" + ", quick" * quick, "",
                  f"{r['date']}, {churn}{r['machine']}; load average when it began "
                  f"{r['load_average'][0]}, when it ended {r['load_average'][1]}.", *table(these)]
    return "\n".join(lines) + """

- *CPU-s per million*: user and system time of the whole agent per million samples scraped, or arrived if that is more.
  Strata runs before and after the others: the mean, and both. *×*: how many times Strata's mean.
- *quick*: Strata ran once, before the other; idle was measured once for all loads; of loads of 15 s and more each target was
  scraped once before the window, not twice.
- *RSS idle*: without targets; *steady*: mean over the window; *peak*: the highest ever.
- *B/sample*: bytes that the receiver counts: of the connection (nats), of bodies (remote_write), of the topic's log (kafka,
  lz4 by all; *strata-frames*: each message by itself, `lz4_frame` of [KAFKA.md](KAFKA.md#compression)). The pages are made, and more alike than real ones, which compress less.
- *missed*: scrapes that were due and not made; *arrived*: pages that arrived, of those scraped, where the receiver counts them (nats): where these show that an agent could not keep
  up, its other figures say little. *first sample*: after the start of the process.
"""


def merge(path, rows):
    """The rows of the file, those measured now in place of their pair, and of what was measured of it the quick way; in the order of LOADS."""
    old = []
    if os.path.exists(path):
        with open(path) as f:
            old = json.load(f)
    new = set(map(pair, rows))
    gone = new | {(load, kind, True) for load, kind, _ in new}
    both = [r for r in old if pair(r) not in gone] + rows

    def place(row):
        load, kind, quick = pair(row)
        return LOADS.index(load) if load in LOADS else len(LOADS), load, RECEIVERS.index(kind), quick
    return sorted(both, key=place)


def keeper(path, dry):
    """What keeps rows: in the file, and in the document."""
    def keep(rows):
        rows = merge(path, rows)
        run.write_json(path, rows)
        if not dry:
            run.write_document(field=document(rows))
    return keep


def arguments():
    def names(known):
        def read(text):
            chosen = text.split(",")
            for name in chosen:
                if name not in known:
                    raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
            return [k for k in known if k in chosen]
        return read
    parser = argparse.ArgumentParser(prog="./dev bench field", description=__doc__.partition("\n\n")[0].partition("- ")[2],
                                     epilog="Who is missing: " + "; ".join(r.whence for r in rivals_of.ALL if r.whence))
    agents = tuple(r.name for r in rivals_of.ALL)
    parser.add_argument("--agents", type=names(agents), metavar="A,B", help="of these: " + ", ".join(agents))
    parser.add_argument("--loads", type=lambda text: [runs.Load(t) for t in text.split(",")], metavar="TxS/Is,...",
                        help=f"targets x samples of each / interval; {','.join(LOADS)}")
    parser.add_argument("--receivers", type=names(RECEIVERS), metavar="R,...", help="of these: " + ", ".join(RECEIVERS))
    parser.add_argument("--window", type=int, metavar="SECONDS",
                        help="how long each is measured, in whole rounds of the load; 60, with --quick 10")
    parser.add_argument("--quick", action="store_true",
                        help=f"{' and '.join(QUICK['agents'])} only, one after the other, below eight minutes in all")
    parser.add_argument("--churn", type=int, default=0, metavar="N", help="of a thousand series, N are new at each scrape")
    runs.add_arguments(parser, "field", "docs/BENCHMARKS.md")
    args = parser.parse_args()
    args.agents = args.agents or list(QUICK["agents"] if args.quick else agents)
    args.loads = args.loads or list(map(runs.Load, QUICK["loads"] if args.quick else LOADS))
    args.window = args.window or (QUICK["window"] if args.quick else 60)
    return args


def build_argument():
    """Of the command line, before the rest of it can be read: what rivals are there depends on it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--build", default=os.path.join(run.ROOT, "build", "release"))
    return os.path.abspath(parser.parse_known_args()[0].build)


def main():
    build = build_argument()
    pairs.use(build)
    global kafka, rivals_of, runs
    import kafka, runs
    import rivals as rivals_of
    args = arguments()
    run.raise_descriptors()
    rivals_of.Strata.memory = args.memory
    rivals = [r() for r in rivals_of.ALL if r.name in args.agents]
    path = args.json or os.path.join(os.path.dirname(build), "bench", "field.json")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="strata-field-") as folder:
        try:
            Field(args, rivals).measure(folder, keeper(path, args.dry))
        except KeyboardInterrupt:
            print(f"interrupted; what was measured before is in {path}", file=sys.stderr)
            return 130
    print(f"{time.monotonic() - begun:.0f} s; rows are in {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
