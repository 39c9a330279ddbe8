#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pairs.py [--window SECONDS] [--only TEXT] [--build DIR] [--check] [--dry] - what each encoder costs with each sink.

    target_server (200 pages of 5,000 samples, each every 5 s) -> strata-agent -> a receiver

one pair after the other, each with an agent of its own, measured over whole rounds after each target was
scraped twice.  Receivers are real (nats-server, Kafka) or cost next to nothing (takers.py); only the
agent's own CPU counts.  The last rows tell what a lane costs its neighbour that is stuck.

Prints a table and writes it into its part of docs/BENCHMARKS.md and, as JSON, into DIR/../bench/pairs.json.
With VMAGENT=BINARY vmagent's remote write is measured in the same run: CPU-seconds depend on the
machine and on what else runs on it, so compare within one run.  With the default window it takes eight minutes.

--only measures the pair of that name, or those in whose names TEXT is, and --dry all; both leave the document alone.
--check fails when a goal is missed.
"""
import argparse, datetime, json, os, re, sys, tempfile, time

import run

MIB = 1 << 20
TARGETS, SAMPLES, INTERVAL = 200, 5000, 5
QUEUE, REMOTE_WRITE = 0.4, 0.6    # goals: CPU-seconds per million samples


class Pair(run.Load):
    goal = None

    def __init__(self, encoder, sink, goal=None):
        """encoder: {its key: settings}; sink: how to open one, (bench) -> (settings, sent)."""
        super().__init__("", TARGETS, SAMPLES, INTERVAL)
        self.encoder, self.open, self.goal = encoder, sink, goal

    def outputs(self):
        return [{"name": "main", **self.encoder, "sink": "main"}]

    def sinks(self, bench):
        settings, self.sent = self.open(bench)
        return [{**settings, "name": "main"}]

    def config(self, bench):
        return harness.config(
            bench.targets.targets, source={"interval": f"{INTERVAL}s"}, sinks=self.sinks(bench),
            outputs=self.outputs(), agent={"first_scrape": "spread"})

    def run(self, bench, window):
        agent = None
        try:
            agent = harness.Agent(self.config(bench), bench.folder, name=bench.next_name())
            self.settle(agent)
            return self.measure(agent, window)
        finally:
            if agent:
                agent.end()
            bench.end_receivers()


class WithNeighbour(Pair):
    """A second lane beside the one that is measured."""
    lane = {"output": "main"}

    def __init__(self, taker):
        super().__init__({"json": {}}, to_nats(), None)
        self.taker = taker

    def outputs(self):
        return [*super().outputs(), {"name": "other", "json": {}, "sink": "other"}]

    def sinks(self, bench):
        settings, _ = to_http(self.taker)(bench)
        return [*super().sinks(bench), {"name": "other", **settings}]


class Bench:
    """What the pairs share, and the receivers of the one that runs."""

    def __init__(self, folder, targets=TARGETS, samples=SAMPLES, args=()):
        self.folder, self.receivers, self.broker, self.number = folder, [], None, 0
        self.targets = harness.TargetServer(folder, targets, samples, args)

    def next_name(self):
        self.number += 1
        return f"agent-{self.number}"

    def keep(self, receiver):
        self.receivers.append(receiver)
        return receiver

    def end_receivers(self):
        while self.receivers:
            self.receivers.pop().end()

    def kafka(self):
        if not self.broker:
            folder = os.path.join(self.folder, "broker")
            os.mkdir(folder)
            self.broker = kafka.Broker(folder)
        return self.broker

    def end(self):
        self.end_receivers()
        for p in (self.broker, self.targets):
            if p:
                p.end()


def to_nats(compression="none", stream=None):
    def open_sink(bench):
        server = bench.keep(nats.Server(bench.folder, jetstream=bool(stream),
                                        lines=['http: "127.0.0.1:-1"']))
        if stream:
            run.Load("", 0, 0, 0, jetstream=True).make_stream(server)
        with open(os.path.join(bench.folder, f"nats-server_{server.process.pid}.ports")) as f:
            monitor = json.load(f)["monitoring"][0]
        sink = harness.nats_sink(server.url, "metrics.{instance}", stream)
        sink["nats"]["compression"] = compression
        return sink, lambda: json.loads(process.http_get(monitor + "/varz")[2])["in_bytes"]
    return open_sink


def to_kafka(compression="lz4"):
    def open_sink(bench):
        broker, topic = bench.kafka(), f"pair{bench.number}"
        store = os.path.join(broker.folder, "store")

        def sent():
            return sum(os.path.getsize(os.path.join(store, part, name))
                       for part in os.listdir(store) if part.startswith(topic + "-")
                       for name in os.listdir(os.path.join(store, part)) if name.endswith(".log"))
        return {"kafka": {"brokers": [broker.address()], "topic": topic, "compression": compression}}, sent
    return open_sink


def to_taker(name, settings):
    """settings(address) of a sink, whose receiver is that of takers.py."""
    def open_sink(bench):
        taker = bench.keep(getattr(takers, name)())
        return settings(taker.address), lambda: taker.bytes
    return open_sink


def to_http(taker="Http"):
    return to_taker(taker, lambda address: {"http": {"url": f"http://{address}/write"}})


def to_stdout(bench):
    path = os.path.join(bench.folder, f"agent-{bench.number + 1}.out")    # what Process opens
    taker = bench.keep(takers.Fifo(path))
    return {"stdout": {}}, lambda: taker.bytes


def to_file(bench):
    path = os.path.join(bench.folder, "messages")
    return {"file": {"path": path, "rotate_size": "64MiB", "keep": 1}}, lambda: 0


def to_statsd(network):
    def open_sink(bench):
        path = os.path.join(bench.folder, "statsd") if network == "unixgram" else None
        taker = bench.keep(takers.Datagrams(path))
        sent = lambda: taker.bytes if path else 0    # what UDP drops tells nothing
        return {"statsd": {"network": network, "address": taker.address}}, sent
    return open_sink


def all_pairs():
    http = to_http()
    fluent = to_taker("Forward", lambda a: {"fluent": {"servers": [f"tcp://{a}"]}})
    return {
        "json → nats": Pair({"json": {}}, to_nats(), QUEUE),
        "json → nats, zstd": Pair({"json": {}}, to_nats("zstd")),
        "json → nats, lz4": Pair({"json": {}}, to_nats("lz4")),
        "json → nats, snappy": Pair({"json": {}}, to_nats("snappy")),
        "json → nats, JetStream": Pair({"json": {}}, to_nats(stream="BENCH"), QUEUE),
        "json → kafka": Pair({"json": {}}, to_kafka(), QUEUE),
        "json → kafka, lz4 frames": Pair({"json": {}}, to_kafka("lz4_frame")),
        "json → http": Pair({"json": {}}, http),
        "json → stdout": Pair({"json": {}}, to_stdout),
        "json → file": Pair({"json": {}}, to_file),
        "statsd → statsd, udp": Pair({"statsd": {}}, to_statsd("udp")),
        "statsd → statsd, unixgram": Pair({"statsd": {}}, to_statsd("unixgram")),
        "fluent → fluent": Pair({"fluent": {}}, fluent),
        "influx → http": Pair({"influx": {}}, http),
        "influx → nats": Pair({"influx": {}}, to_nats()),
        "prometheus → http": Pair({"prometheus": {}}, http),
        "remote_write v1 → http": Pair({"remote_write": {"version": "v1"}}, http, REMOTE_WRITE),
        "remote_write v2 → http": Pair({"remote_write": {"version": "v2"}}, http, REMOTE_WRITE),
        "remote_write v1 → kafka": Pair({"remote_write": {"version": "v1"}}, to_kafka()),
        "json → nats, beside json → http": WithNeighbour("Http"),
        "json → nats, beside json → http that is stuck": WithNeighbour("Silent"),
    }


def measure_all(folder, window, only):
    bench, rows = Bench(folder), {}
    every = all_pairs()
    pairs = {n: p for n, p in every.items() if n == only or (only not in every and only in n)}
    try:
        for name, pair in pairs.items():
            if "→ kafka" in name and kafka.missing():
                print(f"{name} is left out: there is no broker (test/kafka/build.sh)", file=sys.stderr)
                continue
            measure(rows, name, lambda: {**pair.run(bench, window), "goal": pair.goal})
    finally:
        bench.end()
    if os.environ.get("VMAGENT") and only in "vmagent":
        load = run.Load("", TARGETS, SAMPLES, INTERVAL)
        measure(rows, "vmagent", lambda: run.run_vmagent(load, folder, window))
    return rows


def measure(rows, name, how):
    """A pair that fails is told and left out: the others have taken minutes."""
    print(f"{name} ...", file=sys.stderr)
    try:
        rows[name] = how()
    except (AssertionError, OSError) as e:
        print(f"{name} is left out: {str(e)[-2000:]}", file=sys.stderr)


def table(rows):
    lines = ["| pair | CPU-s per million | goal | B/sample encoded | sent | samples/s | missed | lost |",
             "|---|---|---|---|---|---|---|---|"]
    for name, r in rows.items():
        encoded, sent = r.get("json_bytes_per_sample", 0), r["sent_bytes_per_sample"]
        goal = r.get("goal")
        figures = [f"{r['cpu_s_per_million']:.3f}", f"≤ {goal:g}" if goal else "",
                   f"{encoded:.1f}" if encoded else "", f"{sent:.1f}" if sent else "",
                   f"{r['samples'] / r['seconds']:.0f}",
                   *(f"{r[n]:.0f}" if n in r else "" for n in ("missed", "lost"))]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def document(rows, window, load):
    versions = {"agent": run.first_line(harness.AGENT, "--version") + ", release build",
                "nats-server": run.first_line("nats-server", "--version"),
                "Kafka": kafka_version()}
    if "vmagent" in rows:
        versions["vmagent"] = run.first_line(os.environ["VMAGENT"], "--version")
    lines = "\n".join(f"| {name} | {text} |" for name, text in versions.items())
    return f"""
Written by `./dev bench pairs`. What is measured and how stands at the top of `bench/pairs.py`.

| | |
|---|---|
| date | {datetime.date.today().isoformat()} |
{lines}
| machine | {run.machine()}; load average when it began {load[0]:.2f}, when it ended {load[1]:.2f} |
| load | {TARGETS} targets of {SAMPLES:,} samples, each every {INTERVAL} s |
| window | {window} s, after each target was scraped twice |

{table(rows)}

- *CPU-s per million*: user and system time of the whole agent per million samples delivered, the scrape included.
- *encoded*: bytes of message bodies as encoders make them; *sent*: bytes that the receiver counts: of messages with their headers (nats), of the topic's log
  (Kafka, lz4 of batches by the client library, but for frames), of bodies (http, vmagent), of all that comes (statsd, fluent, stdout); a file, and UDP, tell nothing.
  The pages are made, and more alike than real ones, which compress less.
- *json → http that is stuck*: its server takes requests and never answers. Figures are those of the lane into NATS; what is lost is that of both: the stuck lane's buffer
  loses its oldest messages, by name. The line above it has the same two lanes, and both deliver.
"""


def kafka_version():
    libs = os.path.join(kafka.NEW, "libs")
    names = os.listdir(libs) if os.path.isdir(libs) else []
    found = [m[1] for m in (re.match(r"kafka-clients-(.*)\.jar$", n) for n in names) if m]
    return f"{found[0]}, one broker" if found else "none"


def use(build):
    run.use(build)
    global harness, kafka, nats, process, takers
    import harness, kafka, nats, process, takers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--window", type=int, default=10)
    parser.add_argument("--only", default="")
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--build", default=os.path.join(run.ROOT, "build", "release"))
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    use(build)
    load, begun = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as folder:
        rows = measure_all(folder, args.window, args.only)
    run.write_json(os.path.join(os.path.dirname(build), "bench", "pairs.json"), rows)
    if not args.only and not args.dry:
        run.write_document(pairs=document(rows, args.window, (load, os.getloadavg()[0])))
    print(table(rows))
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    missed = [n for n, r in rows.items() if r.get("goal") and not r["cpu_s_per_million"] <= r["goal"]]
    if missed:
        print("goals missed:", ", ".join(missed))
    return 1 if missed and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
