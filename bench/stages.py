#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stages.py [--agent PROGRAM] [--window SECONDS] [--sink JSON] [--dry] [LOAD...] - what each stage of a scrape costs.

target_server -> agent -> a real nats-server at the loads of where.py (default: all but wide), first for a window that
nobody disturbs, for the sum; then under `perf record`, whose samples are dealt out to the stages below: by thread, and
by the innermost function of their stack that a stage names.  Profiling makes the agent dearer, so only shares are
taken from it.

Prints tables of microseconds per scrape and nanoseconds per sample; the part "Stages" of docs/BENCHMARKS.md gets the load's.
--sink: settings of the sink `nats`, such as {"compression": "lz4"}; --dry leaves the document alone.
"""
import argparse, datetime, json, os, re, shutil, subprocess, tempfile, time

import run, where

# (thread, stage, what a frame's symbol or library must match); the first that matches the innermost frame counts.
STAGES = [(thread, stage, re.compile(pattern)) for thread, stage, pattern in (
    ("worker", "body: copied out of libcurl", r"write_body$|add_body$"),
    ("worker", "texts made plain", r"cold_thaw$"),
    ("worker", "texts made cold", r"page_rest$|cold_freeze$|cold_keep$"),
    ("worker", "page: compare, numbers", r"page_read$|page_add_meta$"),
    ("worker", "filters", r"pipeline_filter$"),
    ("worker", "handed to the lane", r"channel_\w+$|eventfd_write$|lane_push$|lane_take\w*$"),
    ("worker", "encoded", r"pipeline_encode$|lane_encode$|encoder_run$"),
    ("worker", "received, in the kernel", r"__x64_sys_recvfrom$|__libc_recv$"),
    ("worker", "request sent, in the kernel", r"__x64_sys_sendto$|__libc_send$"),
    ("worker", "what is due", r"agenda_next$|next_job$"),
    ("worker", "waits and wakes", r"epoll_wait$|__x64_sys_epoll_wait$|do_epoll_wait$"),
    ("worker", "shown and counted", r"^take_good$|^take_failed$|^transfer_done$|^put_off$"),
    ("worker", "libcurl itself", r"libcurl\.so|^curl_"),
    ("lane", "message: copied by nats.c", r"natsMsg_[cC]reate$"),
    ("lane", "message: given back", r"natsMsg_[dD]estroy$|natsMsg_free\w*$"),
    ("lane", "sent, in the kernel", r"__x64_sys_sendto$|__libc_send$|__send$"),
    ("lane", "PING, and PONG waited for", r"natsConnection_Flush\w*$|round_trip$"),
    ("lane", "nats.c itself", r"libnats\.so"),
    ("lane", "waits and wakes", r"wait_for_more$|curl_loop_wait$|channel_\w+$|epoll_wait$|poll$"),
)]
REST = "the rest"
SAMPLES = 8000


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
    """[thread, stage, µs per scrape, ns per sample]: the samples of each thread share out its own CPU time."""
    rows, named, little = [], {s[0] for s in STAGES}, 0.0
    for thread, cpu in sorted(r["threads"].items(), key=lambda x: -x[1]):
        mine = {s: n for (t, s), n in r["profile"].items() if t == thread}
        if thread not in named or not mine:
            mine = {"": 1}
        for stage, n in sorted(mine.items(), key=lambda x: (x[0] == REST, -x[1])):
            cost = cpu * n / sum(mine.values())
            if cost < 0.005 * r["cpu"]:
                little += cost
            else:
                rows.append([thread, stage, cost / r["scrapes"] * 1e6, cost / r["samples"] * 1e9])
    rows.append(["", "each less than half a percent", little / r["scrapes"] * 1e6, little / r["samples"] * 1e9])
    return rows


def page(of):
    """of: {load: what was kept of it}"""
    text = """
Written by `./dev bench stages`. What is measured and how stands at the top of `bench/stages.py`; what the stages are, and what is
left to gain in each, in [internals/HOTPATH.md](internals/HOTPATH.md).
"""
    for name, kept in sorted(of.items(), key=lambda x: list(where.LOADS).index(x[0])):
        targets, samples, interval, _ = where.LOADS[name]
        text += (f"\n### {name}: {targets:,} × {samples:,} / {interval} s\n\n{kept['about']}\n\n"
                 "| thread | stage | µs per scrape | ns per sample |\n|---|---|---|---|\n")
        text += "".join(f"| {thread} | {stage} | {us:.0f} | {ns:.1f} |\n" for thread, stage, us, ns in kept["rows"])
    return text


def about(r, agent, sink):
    settings = f", {', '.join(f'`{k}: {v}`' for k, v in sink.items())}" if sink else ""
    return (f"{datetime.date.today().isoformat()}, {agent}, {run.machine()}; load average {os.getloadavg()[0]:.2f}. JSON into "
            f"NATS{settings}: {r['cpu'] / r['scrapes'] * 1e6:.0f} µs per scrape, {r['cpu'] / r['samples'] * 1e6:.3f} CPU-s per million samples.")


def keep(name, r, agent, sink):
    """With what earlier calls have left of other loads, in the documents."""
    path = os.path.join(run.ROOT, "build", "bench", "stages.json")
    of = {}
    if os.path.exists(path):
        with open(path) as f:
            of = json.load(f)
    of[name] = {"about": about(r, agent, sink), "rows": rows_of(r)}
    run.write_json(path, of)
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
    for name in args.loads or ["small", "large", "million", "daemonset"]:
        with tempfile.TemporaryDirectory(prefix="strata-stages-") as folder:
            r = Stages(name, args.sink).run(folder, args.window)
        print(f"## {name}\n\n{about(r, agent, args.sink)}\n")
        where.table(["thread", "stage", "µs per scrape", "ns per sample"], rows_of(r))
        if not args.dry:
            keep(name, r, agent, args.sink)


if __name__ == "__main__":
    main()
