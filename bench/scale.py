#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scale.py [--agents A,B] [--receiver R] [--loads TxS/Is,...] [--window SECONDS] [--missing] [--page] [--hosts] [--memory SIZE]
[--json PATH] [--dry] - what a sample costs, from 10 to 10,000 targets and from 10 to 50,000 series each.

    target_server (T pages of S samples, each every I s) -> an agent -> a receiver

Two ways through the loads: more and more targets of 100 series each, and 100,000 series in fewer and fewer targets.
One load is measured at two paces besides, for memory that rests costs time on some machines.  Each load has a run
of Strata and then one of vmagent, the baseline, measured over whole rounds after each target was scraped twice; and each
agent is looked at once without targets.  Only the agent's own CPU counts; how busy the target server was is a column.

Each row goes into build/bench/scale.json (--json) as soon as it is there, and replaces that of its agent and load; at the end,
also of a run that is interrupted, all rows become the part "Scale" of docs/BENCHMARKS.md and docs/scale.svg.
--missing measures only what has no row, --page nothing at all; --dry leaves the documents alone.
A whole run takes ten minutes with the default window.
"""
import argparse, datetime, os, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "field"))

import pairs, run, scale_page

EACH = 100          # series of a target, while there are more and more of these
ALL = 100_000       # series, while they are in fewer and fewer targets
INTERVAL_S = 10
TARGETS = (10, 100, 1000, 10_000)
SERIES = (10, 100, 1000, 10_000, 50_000)
PACE = "100x1000/2s"    # a load of the second way, without the rest between its scrapes
AGENTS = ("strata", "vmagent")
IDLE = f"0x0/{INTERVAL_S}s"


def default_loads():
    ways = [(t, EACH) for t in TARGETS] + [(ALL // s, s) for s in SERIES]
    return [f"{t}x{s}/{INTERVAL_S}s" for t, s in dict.fromkeys(ways)] + [PACE]


class Scale:
    """One call: what is measured, and where its rows are kept."""

    def __init__(self, args, rivals, path):
        self.args, self.rivals, self.path = args, rivals, path
        self.rows = scale_page.read(path)

    def wanted(self, rival, load):
        return not self.args.missing or not any(
            (r["agent"], r["load"]) == (rival.name, load) and not r["why"] for r in self.rows)

    def receiver(self, rival):
        return self.args.receiver if rival.name == "strata" else "remote_write"

    def keep(self, rival, load, numbers, figures, why):
        row = {"agent": rival.name, "receiver": self.receiver(rival), "load": load, **numbers,
               **{name: value if value is None else round(value, 4) for name, value in figures.items()}, "why": why,
               "hosts": self.args.hosts, "version": None if why else rival.version(), "date": datetime.date.today().isoformat(),
               "machine": run.machine(), "load_average": round(os.getloadavg()[0], 2)}
        self.rows = [r for r in self.rows if (r["agent"], r["load"]) != (rival.name, load)] + [row]
        run.write_json(self.path, self.rows)

    def one(self, rival, load, numbers, measure):
        """A row that fails says why: the others have taken minutes."""
        print(f"{load}: {rival.name} ...", file=sys.stderr)
        figures, why = {}, rival.why_not()
        try:
            figures = {} if why else measure()
        except (AssertionError, OSError) as e:
            why = "failed: " + str(e).partition("\n")[0][:200]
            print(f"{rival.name}: {e}", file=sys.stderr)
        self.keep(rival, load, numbers, figures, why)

    def measure(self, folder):
        self.idle(folder)
        for load in self.args.loads:
            these = [r for r in self.rivals if self.wanted(r, load.name)]
            numbers = {"targets": load.targets, "samples": load.samples, "interval_s": load.interval}
            more = ["--hosts"] * self.args.hosts
            bench = pairs.Bench(tempfile.mkdtemp(dir=folder), load.targets, load.samples, more) if these else None
            try:
                for rival in these:
                    self.one(rival, load.name, numbers, lambda: runs.Run(
                        bench, load, rival, self.receiver(rival)).loaded(self.args.window))
            finally:
                if bench:
                    bench.end()

    def idle(self, folder):
        these = [r for r in self.rivals if self.wanted(r, IDLE)]
        if not these:
            return
        at_once, rested = run.rested_page_us()
        numbers = {"targets": 0, "samples": 0, "interval_s": INTERVAL_S, "page_us": round(at_once, 2),
                   "rested_page_us": round(rested, 2)}
        bench = pairs.Bench(tempfile.mkdtemp(dir=folder), 1, 1)
        try:
            for rival in these:
                self.one(rival, IDLE, numbers, lambda: runs.Run(
                    bench, runs.Load(f"1x1/{INTERVAL_S}s"), rival, self.receiver(rival)).idle())
        finally:
            bench.end()


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench scale", epilog="A whole run takes ten minutes.",
                                     description=__doc__.partition("\n\n")[0].partition("- ")[2])
    parser.add_argument("--agents", type=lambda text: text.split(","), default=AGENTS, metavar="A,B",
                        help=f"of these: {', '.join(AGENTS)}")
    parser.add_argument("--receiver", choices=("nats", "remote_write"), default="nats",
                        help="Strata's; vmagent has remote_write only")
    parser.add_argument("--loads", type=lambda text: [runs.Load(t) for t in text.split(",")], metavar="TxS/Is,...",
                        help="targets x series of each / interval; " + ",".join(default_loads()))
    parser.add_argument("--window", type=int, default=10, metavar="SECONDS", help="how long each is measured, in whole rounds; 10")
    parser.add_argument("--missing", action="store_true", help="only what has no row yet")
    parser.add_argument("--page", action="store_true", help="measures nothing: writes the documents from the rows that are there")
    runs.add_arguments(parser, "scale", "docs/BENCHMARKS.md and docs/scale.svg")
    args = parser.parse_args()
    unknown = set(args.agents) - set(AGENTS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: none of {', '.join(AGENTS)}")
    args.loads = args.loads or [runs.Load(t) for t in default_loads()]
    return args


def write_page(rows):
    if not any(r["targets"] and not r["why"] for r in rows):
        print("there is no row of figures: the documents stay as they are", file=sys.stderr)
        return
    with open(os.path.join(os.path.dirname(run.DOCUMENT), "scale.svg"), "w") as f:
        f.write(scale_page.picture(rows))
    run.write_document(scale=scale_page.document(rows))


def main():
    parser = argparse.ArgumentParser(add_help=False)    # what the rest needs to be read depends on it
    parser.add_argument("--build", default=os.path.join(run.ROOT, "build", "release"))
    build = os.path.abspath(parser.parse_known_args()[0].build)
    pairs.use(build)
    global runs
    import rivals, runs
    args = arguments()
    run.raise_descriptors()
    rivals.Strata.memory = args.memory
    path = args.json or os.path.join(os.path.dirname(build), "bench", "scale.json")
    scale, begun = Scale(args, [r() for r in rivals.ALL if r.name in args.agents], path), time.monotonic()
    try:
        if not args.page:
            with tempfile.TemporaryDirectory(prefix="strata-scale-") as folder:
                scale.measure(folder)
    except KeyboardInterrupt:
        print("interrupted; --missing measures the rest", file=sys.stderr)
        return 130
    finally:
        if not args.dry:
            write_page(scale.rows)
    print("\n".join(scale_page.table(scale.rows)))
    print(f"{time.monotonic() - begun:.0f} s; rows are in {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
