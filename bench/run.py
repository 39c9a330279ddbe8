#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py [--quick] [--window SECONDS] [--build DIR] [--check] - what the agent costs, measured.

The reading of pages (bench_page), the hot path alone (bench_hot), then the whole way: target_server -> strata-agent -> a real
nats-server, at two loads, each over a steady window.  CPU is user and system time of
the agent's process, whatever library spends it, per million samples delivered.  Prints a
table, writes DIR/../bench/results.json (one flat object) and docs/BENCHMARKS.md.

With VMAGENT=BINARY in the environment vmagent is measured in the same run, at the same two loads:
the baseline to compare CPU with, for CPU-seconds differ from machine to machine.

--quick measures for a shorter time and leaves the document alone; --check fails when a goal is
missed.  CPU-seconds depend on the machine and on what else runs on it: compare within one run.
"""
import argparse, datetime, json, mmap, os, platform, re, resource, shutil, subprocess, sys, tempfile, time, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
sys.dont_write_bytecode = True

GOALS = {"cpu_s_per_million_nats_200x5000": 0.5, "rss_idle_mib": 12, "rss_idle_anonymous_mib": 4,
         "rss_bytes_per_series": 600, "allocations_per_steady_scrape": 0, "first_sample_s": 1,
         "binary_mib": 1.5}
MIB = 1 << 20


def cpu_seconds(pid):
    """User and system time of all threads: what /proc/PID/stat says, without its rounding to
    1/100 s; the number is that of clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def rss_bytes(pid, kind="VmRSS"):
    """RssAnon: what no file backs."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(rf"{kind}:\s+(\d+) kB", f.read())[1]) * 1024


class Load:
    """One load, from its start to its figures."""
    lane = {}    # labels of the lane that counts, where there are others

    def __init__(self, name, targets, samples, interval, jetstream=False):
        self.name, self.jetstream = name, jetstream
        self.targets, self.samples, self.interval = targets, samples, interval

    def config(self, server, targets):
        return harness.config(
            targets.targets, source={"interval": f"{self.interval}s"},
            agent={"first_scrape": "spread"},
            sinks=[harness.nats_sink(server.url, "metrics.{instance}",
                                     "BENCH" if self.jetstream else None)])

    def make_stream(self, server):
        client = nats.Client(server.url)
        client.make_stream("BENCH", ["metrics.>"], storage="memory", max_bytes=64 * MIB)
        client.close()

    def target_server(self, folder):
        return harness.TargetServer(folder, self.targets, self.samples)

    def run(self, folder, window):
        started = []
        try:
            server = nats.Server(folder, jetstream=self.jetstream)
            started.append(server)
            if self.jetstream:
                self.make_stream(server)
            targets = self.target_server(folder)
            started.append(targets)
            agent = harness.Agent(self.config(server, targets), folder, name=f"agent-{self.name}")
            started.append(agent)
            self.settle(agent)
            return self.measure(agent, window)
        finally:
            for p in reversed(started):
                p.end()

    def settle(self, agent):
        """Each target has been scraped twice, so that what is made once is made."""
        harness.wait_for(lambda: books.scraped(agent.metrics()) >= 2 * self.targets,
                         10 + 4 * self.interval, "each target is scraped twice", step=0.5)

    def metrics_allocations(self, agent):
        """Of one request of /metrics: it is no scrape's."""
        counts = [books.allocations(agent.metrics()) for _ in range(8)]
        return min(b - a for a, b in zip(counts, counts[1:]))

    def sent(self):
        """Bytes that have reached the receiver so far, where it tells."""
        return 0

    def measure(self, agent, window):
        window = -(-window // self.interval) * self.interval    # whole rounds
        own = self.metrics_allocations(agent)
        before, sent = agent.metrics(), self.sent()
        cpu, at = cpu_seconds(agent.pid), time.monotonic()
        time.sleep(window)
        cpu, sent, after = cpu_seconds(agent.pid) - cpu, self.sent() - sent, agent.metrics()
        seconds = time.monotonic() - at

        def delta(what):
            return what(after) - what(before)
        scrapes = delta(books.scraped)
        delivered = delta(lambda m: books.delivered(m, **self.lane))
        missed = delta(lambda m: sum(books.dropped(m).values()) + sum(books.failed(m).values()) +
                       m.sum("strata_jobs_stale_total"))
        lost = delta(lambda m: sum(books.lost(m).values()))
        return {
            "load": self.name, "seconds": seconds, "scrapes": scrapes, "missed": missed,
            "lost": lost, "samples": delivered, "cpu_seconds": cpu,
            "cpu_s_per_million": cpu / (delivered / 1e6) if delivered else float("nan"),
            "rss_bytes": rss_bytes(agent.pid), "series": books.series(after),
            "json_bytes_per_sample": delta(lambda m: books.bytes_delivered(m, **self.lane)) /
            delivered if delivered else 0,
            "sent_bytes_per_sample": sent / delivered if delivered else 0,
            "allocations_per_scrape": max(0, delta(books.allocations) - own) / max(scrapes, 1),
        }


def run_vmagent(load, folder, window):
    """CPU-seconds per million samples scraped, and RSS, of vmagent under that load."""
    targets = harness.TargetServer(folder, load.targets, load.samples)
    agent = vmagent.VmAgent(os.environ["VMAGENT"], folder, targets, load.interval)
    try:
        harness.wait_for(lambda: agent.samples() >= 2 * load.targets * load.samples,
                         30 + 4 * load.interval, "vmagent has scraped twice", step=0.5)
        before, sent, cpu = agent.samples(), agent.taker.bytes, cpu_seconds(agent.pid)
        time.sleep(window)
        cpu, samples = cpu_seconds(agent.pid) - cpu, agent.samples() - before
        return {"load": load.name, "cpu_s_per_million": cpu / (samples / 1e6),
                "sent_bytes_per_sample": (agent.taker.bytes - sent) / samples,
                "samples": samples, "seconds": window, "rss_bytes": rss_bytes(agent.pid)}
    finally:
        agent.end()
        targets.end()


def idle_rss(folder):
    """Without targets, connected to NATS, for there was one: all, and of that what is anonymous."""
    taker, server, agent = takers.Nats(), None, None
    sinks = [harness.nats_sink(f"nats://{taker.address}")]
    try:
        server = harness.TargetServer(folder, 1, 100)
        agent = harness.Agent(harness.config(server.targets, sinks=sinks), folder, name="agent-idle")
        harness.wait_for(lambda: taker.pages, what="a page arrives")
        agent.reload(harness.config(sinks=sinks))
        harness.wait_for(lambda: not agent.targets(), what="the target is gone")
        time.sleep(1)    # what a start leaves behind is part of being idle
        return rss_bytes(agent.pid), rss_bytes(agent.pid, "RssAnon")
    finally:
        for p in (agent, server, taker):
            if p:
                p.end()


def first_sample(folder, targets=1000, samples=1000):
    """Seconds from the start of the process until a page has reached the receiver."""
    started = [takers.Nats()]
    try:
        started.append(harness.TargetServer(folder, targets, samples))
        conf = harness.config(started[1].targets, source={"interval": "10s"},
                              sinks=[harness.nats_sink(f"nats://{started[0].address}")])
        begun = time.monotonic()
        started.append(harness.Agent(conf, folder, name="agent-first"))
        harness.wait_for(lambda: started[0].pages, 20, "a page arrives")
        return started[0].first - begun
    finally:
        for p in reversed(started):
            p.end()


def binary_bytes(folder):
    """Of the program without its symbols."""
    stripped = os.path.join(folder, "stripped")
    subprocess.run(["strip", "-o", stripped, harness.AGENT], check=True)
    return os.path.getsize(stripped)


def hot_path(build):
    done = subprocess.run([os.path.join(build, "bench", "bench_hot"), "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure_all(build, window, quick):
    small, large = Load("100x1000", 100, 1000, 10), Load("200x5000", 200, 5000, 5)
    loads = [small, large]
    if not quick:
        loads.append(Load("200x5000-jetstream", 200, 5000, 5, jetstream=True))
    hot = hot_path(build)
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as folder:
        idle, anonymous = idle_rss(folder)
        first, binary = first_sample(folder), binary_bytes(folder)
        runs = {}
        for load in loads:
            print(f"{load.name}: every {load.interval} s, for {window} s ...", file=sys.stderr)
            runs[load.name] = load.run(folder, window)
            if os.environ.get("VMAGENT") and not load.jetstream:
                print(f"{load.name}: vmagent ...", file=sys.stderr)
                runs[load.name]["vmagent"] = run_vmagent(load, folder, window)
    a, b = runs[small.name], runs[large.name]
    results = {
        "repeat_ns_per_sample": hot["repeat_ns_per_sample"],
        "repeat_cold_ns_per_sample": hot["repeat_cold_ns_per_sample"],
        "first_ns_per_sample": hot["first_ns_per_sample"],
        "naive_ns_per_sample": hot["naive_ns_per_sample"],
        "statsd_repeat_ns_per_sample": hot["statsd_repeat_ns_per_sample"],
        "statsd_naive_ns_per_sample": hot["statsd_naive_ns_per_sample"],
        "lz4_repeat_ns_per_sample": hot["lz4_repeat_ns_per_sample"],
        "liblz4_repeat_ns_per_sample": hot["liblz4_repeat_ns_per_sample"],
        "message_bytes_per_sample": hot["message_bytes_per_sample"],
        "lz4_message_bytes_per_sample": hot["lz4_message_bytes_per_sample"],
        "liblz4_message_bytes_per_sample": hot["liblz4_message_bytes_per_sample"],
        "cpu_s_per_million_nats_100x1000": a["cpu_s_per_million"],
        "cpu_s_per_million_nats_200x5000": b["cpu_s_per_million"],
        "rss_idle_mib": idle / MIB,
        "rss_idle_anonymous_mib": anonymous / MIB,
        "first_sample_s": first,
        "binary_mib": binary / MIB,
        "rss_bytes_per_series": (b["rss_bytes"] - a["rss_bytes"]) / (b["series"] - a["series"]),
        "json_bytes_per_sample": b["json_bytes_per_sample"],
        "allocations_per_steady_scrape": a["allocations_per_scrape"],
    }
    return {k: round(v, 4) for k, v in results.items()}, list(runs.values())


def rested_page_us():
    """What the first touch of a page of memory costs when it was used just now, and after ten seconds
    of rest: some machines take back memory that rests, and then every paced load pays for it."""
    pages, size = 4096, os.sysconf("SC_PAGE_SIZE")
    memory = mmap.mmap(-1, pages * size)

    def touch():
        start = time.thread_time_ns()
        for at in range(0, pages * size, size):
            memory[at] = 1
        return (time.thread_time_ns() - start) / 1e3 / pages
    touch()
    at_once = touch()
    time.sleep(10)
    return at_once, touch()


def table(results, runs):
    """As Markdown, which reads well on a terminal too."""
    lines = ["| figure | value | goal |", "|---|---|---|"]
    for name, value in results.items():
        goal = f"≤ {GOALS[name]:g}" if name in GOALS else ""
        lines.append(f"| {name} | {value:g} | {goal} |")
    lines += ["", "| load | samples/s | CPU-s | CPU-s per million | RSS MiB | B/sample | scrapes | "
              "missed | lost |", "|---|---|---|---|---|---|---|---|---|"]
    for r in runs:
        lines.append(f"| {r['load']} | {r['samples'] / r['seconds']:.0f} | {r['cpu_seconds']:.2f} | "
                     f"{r['cpu_s_per_million']:.3f} | {r['rss_bytes'] / MIB:.1f} | "
                     f"{r['json_bytes_per_sample']:.1f} | {r['scrapes']:.0f} | {r['missed']:.0f} | "
                     f"{r['lost']:.0f} |")
    compared = [r for r in runs if "vmagent" in r]
    if compared:
        lines += ["", "| load | vmagent: CPU-s per million | RSS MiB | this agent's CPU is |",
                  "|---|---|---|---|"]
    for r in compared:
        v = r["vmagent"]
        lines.append(f"| {r['load']} | {v['cpu_s_per_million']:.3f} | {v['rss_bytes'] / MIB:.1f} | "
                     f"{r['cpu_s_per_million'] / v['cpu_s_per_million']:.2f} of it |")
    return "\n".join(lines)


def first_line(*args):
    done = subprocess.run(args, capture_output=True, text=True)
    return ((done.stdout + done.stderr).strip().splitlines() or ["it does not say which"])[0]


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (f"{os.cpu_count()} × {model[1] if model else platform.machine()}, {memory:.0f} GiB, "
            f"Linux {platform.release().split('-')[0]}")


DOCUMENT = os.path.join(ROOT, "docs", "BENCHMARKS.md")
PARTS = {"pages": "\n## Pages\n", "pairs": "\n## Encoders and sinks\n", "field": "\n## Beside other agents\n",
         "scale": "\n## Scale\n", "stages": "\n## Stages\n"}    # after the own one


def write_document(**parts):
    """own, and PARTS; what is not given stays as it is."""
    text, there = "", {}
    if os.path.exists(DOCUMENT):
        with open(DOCUMENT) as f:
            text = f.read()
    for name, heading in reversed(PARTS.items()):
        text, _, there[name] = text.partition(heading)
    there = {**there, "own": text, **parts}
    os.makedirs(os.path.dirname(DOCUMENT), exist_ok=True)
    with open(DOCUMENT, "w") as f:
        f.write(there["own"] + "".join(h + there[n] for n, h in PARTS.items() if there[n]))


def document(results, runs, window):
    at_once, rested = rested_page_us()
    return f"""# Benchmarks

Written by `./dev bench`; not to be edited. What is measured and how stands at the top of `bench/run.py`
and `bench/bench_hot.c`. CPU-seconds depend on the machine and on what else it does: compare within one
run, for example the repeat scrape with the naive way.

| | |
|---|---|
| date | {datetime.date.today().isoformat()} |
| agent | {first_line(harness.AGENT, "--version")}, release build |
| server | {first_line("nats-server", "--version")} |
| machine | {machine()} |
| window | {window} s, after each target was scraped twice |
| a page of memory | {at_once:.2f} µs to touch, {rested:.2f} µs after ten seconds of rest |

{table(results, runs)}

- *first*, *repeat*, *naive*: nanoseconds of one thread per sample, from page to JSON, in `bench_hot`: a page's
  first scrape, a later one, and strtod and snprintf for every line; *repeat_cold*: a later one of 100 pages in
  turn, more than the caches of a core hold; *statsd_repeat*, *statsd_naive*: to statsd lines;
  *lz4_repeat*: to an LZ4 frame of JSON lines from what is kept of each series, *liblz4_repeat*: of the same lines by the library, for comparison.
- *message_bytes_per_sample*: of JSON lines in `bench_hot`; *lz4_message*, *liblz4_message*: of these frames.
- *cpu_s_per_million_nats_TARGETSxSAMPLES*: user and system time of the whole agent per million samples
  delivered, scrape to core NATS; 100 × 1,000 every 10 s, 200 × 5,000 every 5 s. The pages are as long as those of
  node exporter and kube-state-metrics, and about 7 % of their values change.
  Memory that rests between two scrapes is taken back on some machines: where the second figure of *a page of
  memory* is far above the first, most of the time of a paced load goes there.
- *rss_idle_mib*: an agent connected to NATS whose only target is gone; *rss_idle_anonymous_mib*: what of it no file backs. *binary_mib*: the program, stripped.
- *first_sample_s*: from the start of the process to the first sample at the receiver, with 1,000 targets of 1,000 samples and `first_scrape: now`. *rss_bytes_per_series*: the slope between the
  two loads, with the default of `agent.memory`: above half of it texts are kept compressed ([PAGES.md](PAGES.md)).
- *allocations_per_steady_scrape*: allocations of the agent's own code, without those of `/metrics`.
"""


def write_json(path, what):
    """By a rename, so that who is interrupted leaves a whole file."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w") as f:
        f.write(json.dumps(what, indent=1) + "\n")
    os.rename(path + ".new", path)


def raise_descriptors():
    """As many as may be, for the processes that follow too."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def openmetrics(text):
    """The same page.  A counter whose name without _total another family has is of no type."""
    lines = text.splitlines()
    families = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    out = []
    for line in lines:
        if line.startswith("#"):
            words = line.split(" ", 3)
            short = words[2].removesuffix("_total")
            if words[1] == "TYPE" and (words[3] == "untyped" or (short != words[2] and short in families)):
                words[3] = "unknown"
            if short not in families:
                words[2] = short
            line = " ".join(words)
        out.append(line)
    return "\n".join([*out, "# EOF", ""])


def node_pages(folder):
    """The page of a real node exporter, in both formats, as files; none of them: there is none."""
    program = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
    if not program:
        return []
    port = statsd.free_port()
    exporter = subprocess.Popen([program, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    try:
        def page():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    return answer.read()
            except OSError:
                return None
        body = process.wait_for(page, 20, "node exporter answers")
    finally:
        exporter.kill()
        exporter.wait()
    paths = [os.path.join(folder, name, "node_real") for name in ("text", "openmetrics")]
    for path, page in zip(paths, (body.decode(), openmetrics(body.decode()))):
        os.mkdir(os.path.dirname(path))
        with open(path, "w") as f:
            f.write(page)
    return paths


PAGES = """
Written by `./dev bench`. What is measured stands at the top of `bench/bench_page.c`: nanoseconds of one thread for
each sample, the best of {scrapes} scrapes of each mode, which alternate.

| page | format | mode | first scrape | repeat | repeat, with JSON | likewise, cold | bytes a series | cold | strict over salvage | with JSON |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}

- *node*, *kube-state*, *histograms*: made pages of 5,000 samples, of which 5 % change; *node_real*: one of a real node
  exporter, that of this machine; *faulty*: *node* with one unsound sample, for which each scrape checks the page whole.
- *cold*: of a page whose texts are compressed between scrapes ([PAGES.md](PAGES.md)).
- *strict over salvage*: what strict mode costs a repeat scrape (goal: at most 10 %).
"""


def measure_pages(build, quick):
    """The table of bench_page."""
    scrapes = 50 if quick else 400
    with tempfile.TemporaryDirectory() as folder:
        real = node_pages(folder)
        done = subprocess.run([os.path.join(build, "bench", "bench_page"), str(scrapes), *real],
                              check=True, capture_output=True, text=True)
    print(done.stdout)
    rows = []
    for line in done.stdout.splitlines()[1:]:
        cells = line.replace(" %", "%").split()
        rows.append("| " + " | ".join(cells + [""] * (11 - len(cells))) + " |")
    return PAGES.format(scrapes=scrapes, rows="\n".join(rows))


def use(build):
    """The programs of that build; what the tests know of them is loaded."""
    os.environ.setdefault("STRATA_AGENT", os.path.join(build, "cmd", "agent", "strata-agent"))
    os.environ.setdefault("STRATA_TARGETS", os.path.join(build, "bench", "target_server"))
    os.environ.setdefault("STRATA_FLOOR", os.path.join(build, "bench", "bench_floor"))
    global books, harness, nats, process, statsd, takers, vmagent
    import books, harness, nats, process, statsd, takers, vmagent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--window", type=int, default=0)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    use(build)
    window = args.window or (10 if args.quick else 60)
    pages = measure_pages(build, args.quick)
    results, runs = measure_all(build, window, args.quick)
    write_json(os.path.join(os.path.dirname(build), "bench", "results.json"), results)
    if not args.quick:
        write_document(own=document(results, runs, window), pages=pages)
    print(table(results, runs))
    missed = [name for name, goal in GOALS.items() if not results[name] <= goal]
    if missed:
        print("goals missed:", ", ".join(missed))
    return 1 if missed and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
