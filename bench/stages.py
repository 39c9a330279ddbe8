#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stages.py [--agent PROGRAM] [--window SECONDS] [--sink JSON] [--dry] [LOAD...] - what each stage of a scrape costs.

target_server -> agent -> a real nats-server at the loads of where.py (default: all but wide), first for a window that
nobody disturbs, for the sum; then under `perf record`, whose samples are dealt out to the stages below: by thread, and
by the innermost function of their stack that a stage names.  Profiling makes the agent dearer, so only shares are
taken from it.

Prints tables of microseconds per scrape; the part "Stages" of docs/BENCHMARKS.md gets the loads.
--sink: settings of the sink `nats`, such as {"compression": "lz4"}.  --dry, --agent and --sink leave the document alone, and so
does a call that leaves some of these loads without figures.
"""
import argparse, datetime, json, os, re, shutil, subprocess, tempfile, time

import run, where

# (thread, stage, what a frame's symbol or library must match); the first that matches the innermost frame counts.
STAGES = [(thread, stage, re.compile(pattern)) for thread, stage, pattern in (
    ("worker", "what is due", r"^agenda_next$|^next_job$"),
    ("worker", "libcurl itself", r"libcurl\.so|^curl_(easy|multi|url|slist)_"),
    ("worker", "request sent, in the kernel", r"^__x64_sys_sendto$|^__libc_send$"),
    ("worker", "received, in the kernel", r"^__x64_sys_recvfrom$|^__libc_recv$"),
    ("worker", "body copied out of libcurl", r"^write_body$|^add_body$"),
    ("worker", "texts made plain", r"^cold_thaw$"),
    ("worker", "page: compared, numbers", r"^page_read$|^page_add_meta$"),
    ("worker", "filtered", r"^pipeline_filter$"),
    ("worker", "encoded", r"^pipeline_encode$|^lane_encode$|^encoder_run$|^encode$"),
    ("worker", "handed to the lane", r"^channel_|^eventfd_write$|^lane_put_part$"),
    ("worker", "texts made cold", r"^page_rest$|^cold_freeze$|^cold_keep$"),
    ("worker", "shown and counted", r"^take_good$|^take_failed$|^transfer_done$|^put_off$"),
    ("worker", "waits and wakes", r"^epoll_wait$|^__x64_sys_epoll_wait$|^do_epoll_wait$|^curl_loop_wait$"),
    ("lane", "waits and wakes", r"^wait_for_more$|^curl_loop_wait$|^channel_|^epoll_wait$|^__GI___poll$|^ppoll$|^is_readable$"),
    ("lane", "message copied by nats.c", r"^natsMsg_[cC]reate$"),
    ("lane", "nats.c itself", r"libnats\.so"),
    ("lane", "sent, in the kernel", r"^__x64_sys_sendto$|^__libc_send$|^__send$"),
)]
REST = "the rest"
SAMPLES = 8000
DEFAULT = ["small", "large", "million", "daemonset"]


def stage_of(thread, frames):
    """frames: (symbol, library), the innermost first."""
    mine = [s for s in STAGES if s[0] == thread]
    for symbol, library in frames:
        for _, stage, pattern in mine:
            if pattern.search(symbol) or pattern.search(os.path.basename(library)):
                return stage
    return REST


def read_script(text):
    """{(thread, stage): samples} of what `perf script -F comm,ip,sym,dso` prints."""
    found = {}
    for block in text.split("\n\n"):
        lines = block.strip("\n").splitlines()
        if not lines:
            continue
        frames = []
        for line in lines[1:]:
            if m := re.match(r"\s*[0-9a-f]+ (.*?)(?: \(([^()]*|\[.*\])\))?$", line):
                frames.append((re.sub(r"\+0x[0-9a-f]+$", "", m[1]), m[2] or ""))
        thread = where.thread_kind(lines[0].strip())
        key = thread, stage_of(thread, frames)
        found[key] = found.get(key, 0) + 1
    return found


def profile(pid, folder, seconds, busy):
    """busy: the part of a processor that the agent uses; as many samples at each load as its shares need."""
    frequency = round(min(20_000, max(500, SAMPLES / seconds / busy)))
    data = os.path.join(folder, "perf.data")
    subprocess.run(["perf", "record", "-o", data, "-e", "cpu-clock", "-F", str(frequency), "--call-graph", "dwarf,8192", "-p",
                    str(pid), "--", "sleep", str(seconds)], check=True, capture_output=True)
    done = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym,dso"], check=True, capture_output=True,
                          text=True, errors="replace")
    os.unlink(data)
    return read_script(done.stdout)


class Stages(where.Where):
    def __init__(self, name, sink):
        super().__init__(name)
        self.sink = sink

    def config(self, server, targets):
        conf = super().config(server, targets)
        conf["sinks"][0]["nats"].update(self.sink)
        return conf

    def run(self, folder, window):
        self.folder = folder
        return super().run(folder, window)

    def measure(self, agent, window):
        window = -(-window // self.interval) * self.interval
        before, began, cpu = agent.metrics(), where.threads(agent.pid), run.cpu_seconds(agent.pid)
        time.sleep(window)
        cpu, ended, now = run.cpu_seconds(agent.pid) - cpu, where.threads(agent.pid), agent.metrics()
        zero = [0] * 5
        return {"scrapes": run.books.scraped(now) - run.books.scraped(before), "cpu": cpu,
                "samples": run.books.delivered(now) - run.books.delivered(before),
                "threads": {k: (v[0] - began.get(k, zero)[0]) / 1e9 for k, v in ended.items()},
                "profile": profile(agent.pid, self.folder, window, cpu / window)}


def rows_of(r):
    """[thread, stage, µs per scrape]: the samples of each thread share out its own CPU time."""
    rows, named = [], {s[0] for s in STAGES}
    for thread, cpu in r["threads"].items():
        mine = {s: n for (t, s), n in r["profile"].items() if t == thread}
        if thread not in named or not mine:
            mine = {"": 1}
        rows += [[thread, stage, cpu * n / sum(mine.values()) / r["scrapes"] * 1e6] for stage, n in mine.items()]
    return sorted(rows, key=place)


def place(row):
    """Worker, lane, the others; in the order of STAGES."""
    order = [s[:2] for s in STAGES]
    thread, stage = row[:2]
    known = [x for x, s in enumerate(order) if s[0] == thread]
    if not known:
        return len(order), thread, 0
    return known[0], thread, order.index((thread, stage)) if (thread, stage) in order else len(order)


def page(of):
    """of: {load: what was kept of it}"""
    names = sorted(of, key=list(where.LOADS).index)
    cells = {n: {(t, s): us for t, s, us in of[n]["rows"]} for n in names}
    keys = sorted({k for n in names for k in cells[n]}, key=place)
    text = """
Written by `./dev bench stages`. What is measured and how stands at the top of `bench/stages.py`; what is done in each stage, what it costs at least and
what is left to gain, in [internals/HOTPATH.md](internals/HOTPATH.md). Microseconds of CPU per scrape; empty: less than half.

"""
    text += "".join(f"- *{n}*: {'{:,} × {:,} / {} s'.format(*where.LOADS[n][:3])}. {of[n]['about']}\n" for n in names)
    text += "\n| thread | stage | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names) + "\n"
    for thread, stage in keys:
        values = [cells[n].get((thread, stage), 0) for n in names]
        if max(values) >= 0.5:
            text += f"| {thread} | {stage} | " + " | ".join(f"{v:.0f}" if v >= 0.5 else "" for v in values) + " |\n"
    sums = [sum(cells[n].values()) for n in names]
    text += "| | **sum** | " + " | ".join(f"**{v:.0f}**" for v in sums) + " |\n"
    per = [1e3 * v / where.LOADS[n][1] for n, v in zip(names, sums)]
    return text + "| | for each sample, ns | " + " | ".join(f"{v:.0f}" for v in per) + " |\n"


def about(r, agent, sink):
    settings = f", {', '.join(f'`{k}: {v}`' for k, v in sink.items())}" if sink else ""
    return (f"{datetime.date.today().isoformat()}, {agent}, {run.machine()}; load average {os.getloadavg()[0]:.2f}. JSON into "
            f"NATS{settings}: {r['cpu'] / r['scrapes'] * 1e6:.0f} µs per scrape, {r['cpu'] / r['samples'] * 1e6:.3f} CPU-s per million samples.")


def keep(name, r, agent):
    """With what earlier calls have left of other loads, in the document once all are there."""
    path = os.path.join(run.ROOT, "build", "bench", "stages.json")
    of = {}
    if os.path.exists(path):
        with open(path) as f:
            of = json.load(f)
    of[name] = {"about": about(r, agent, {}), "rows": rows_of(r)}
    run.write_json(path, of)
    if all(load in of for load in DEFAULT):
        run.write_document(stages=page(of))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", metavar="PROGRAM")
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--sink", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("loads", nargs="*", metavar="LOAD")
    args = parser.parse_args()
    if not shutil.which("perf"):
        parser.error("perf is needed (Debian: linux-perf)")
    if wrong := [name for name in args.loads if name not in where.LOADS]:
        parser.error(f"no load {wrong[0]}: there are {', '.join(where.LOADS)}")
    run.use(os.path.join(run.ROOT, "build", "release"))
    if args.agent:
        run.harness.AGENT = os.path.abspath(args.agent)
    agent = run.first_line(run.harness.AGENT, "--version")
    for name in args.loads or DEFAULT:
        with tempfile.TemporaryDirectory(prefix="strata-stages-") as folder:
            r = Stages(name, args.sink).run(folder, args.window)
        print(f"## {name}\n\n{about(r, agent, args.sink)}\n")
        where.table(["thread", "stage", "µs per scrape"], rows_of(r))
        if not (args.dry or args.agent or args.sink):
            keep(name, r, agent)


if __name__ == "__main__":
    main()
