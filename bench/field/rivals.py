# SPDX-License-Identifier: Apache-2.0
"""rivals.py - the agents that are measured side by side: where each one's program is, and its configuration.

Each is told to do the same: scrape these pages every so often, ship all samples within about a second, in the
leanest form that it has for the receiver.  What is not set is as its makers set it.
"""
import functools, json, os, shutil, subprocess

import harness
import run
import vmagent
from process import Process

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = os.path.join(run.ROOT, "build", "tools", "field")


class Rival:
    name = program = None
    receivers = ()
    version_args = ("--version",)
    bursts = False    # scrapes all targets at once, not spread over the interval
    whence = None

    def __init__(self):
        self.binary = os.environ.get(self.variable()) or shutil.which(self.program) or self.built()

    def variable(self):
        return self.program.upper().replace("-", "_")

    def built(self):
        """Its program, made from pinned sources, where build.sh knows how."""

    def why_not(self):
        """Why there is no row of figures, or None."""
        return None if self.binary else f"no binary; name one by {self.variable()}="

    def version(self):
        return run.first_line(self.binary, *self.version_args)

    def write(self, bench, config):
        path = os.path.join(bench.folder, bench.next_name() + ".conf")
        with open(path, "w") as f:
            f.write(config if isinstance(config, str) else json.dumps(config, indent=1))
        return path

    def process(self, bench, *args):
        return Process([self.binary, *args], bench.folder, f"{self.program}-{bench.number}")

    def start(self, bench, urls, interval, receiver):
        """The process that scrapes these; receiver: of field.py."""
        raise NotImplementedError


class Strata(Rival):
    name, program, receivers = "strata", "strata-agent", ("nats", "remote_write", "kafka")
    memory = None    # agent.memory, where it is not its default
    kafka = {}       # of its sink, likewise

    def __init__(self):
        self.binary = harness.AGENT

    def version(self):
        return super().version() + ", release build"

    def config(self, urls, interval, receiver):
        encoder = {"remote_write": {"version": "v1"}} if receiver.kind == "remote_write" else {"json": {}}
        sink = {"nats": {"nats": {"servers": [f"nats://{receiver.address}"], "subject": receiver.topic}},
                "remote_write": {"http": {"url": f"http://{receiver.address}/write"}},
                "kafka": {"kafka": {"brokers": [receiver.address], "topic": receiver.topic, **self.kafka}}}[receiver.kind]
        return harness.config(
            urls, source={"interval": f"{interval}s", "targets": max(len(urls), 1)},
            agent={"first_scrape": "spread", **({"memory": self.memory} if self.memory else {})}, sinks=[{"name": "queue", **sink}],
            outputs=[{"name": "main", **encoder, "sink": "queue"}])

    def start(self, bench, urls, interval, receiver):
        return harness.Agent(self.config(urls, interval, receiver), bench.folder, name=bench.next_name())


class StrataFrames(Strata):
    """Each message a frame of its own, which consumers open."""
    name, receivers = "strata-frames", ("kafka",)
    kafka = {"compression": "lz4_frame"}


class VmAgent(Rival):
    name, program, receivers = "vmagent", "vmagent", ("remote_write",)
    version_args = ("-version",)
    whence = "VMAGENT names vmagent, of Debian's victoria-metrics if it does not"

    @functools.cache
    def version(self):
        """Debian's says nothing: its package does."""
        text = super().version()
        done = subprocess.run(["apt-cache", "policy", "victoria-metrics"], capture_output=True, text=True)
        package = [line.split()[-1] for line in done.stdout.splitlines() if "Candidate" in line]
        return text if "vmagent" in text or not package else f"Debian's victoria-metrics {package[0]}"

    def start(self, bench, urls, interval, receiver):
        bench.next_name()
        return vmagent.VmAgent(self.binary, bench.folder, bench.targets, interval, urls, receiver.taker)


class Prometheus(Rival):
    name, program, receivers = "prometheus", "prometheus", ("remote_write",)
    whence = "PROMETHEUS names prometheus, of Debian's package if it does not"

    def start(self, bench, urls, interval, receiver):
        config = {**vmagent.scrape_config(urls, interval),
                  "remote_write": [{"url": f"http://{receiver.address}/write"}]}
        path = self.write(bench, config)
        return self.process(bench, "--enable-feature=agent", f"--config.file={path}",
                            f"--storage.agent.path={path}.wal", "--web.listen-address=127.0.0.1:0")


class Built(Rival):
    def built(self):
        """build.sh tells its reason in its last line."""
        log = os.path.join(run.ROOT, "build", f"field-{self.name}.log")
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "w") as f:
            done = subprocess.run([os.path.join(HERE, "build.sh"), self.name], stdout=f, stderr=f)
        if done.returncode == 0:
            return os.path.join(BUILT, self.program)
        with open(log) as f:
            self.reason = (f.read().strip().splitlines() or ["build.sh failed"])[-1]

    def why_not(self):
        return None if self.binary else f"not built: {self.reason}"


class BuiltByHand(Rival):
    """What takes too long to be made unasked."""

    def built(self):
        path = os.path.join(BUILT, self.program)
        return path if os.access(path, os.X_OK) else None

    def why_not(self):
        return None if self.binary else f"not built: bench/field/build.sh {self.name} does it"


class Telegraf(Built):
    name, program, receivers = "telegraf", "telegraf", ("nats", "remote_write", "kafka")
    bursts = True
    whence = "TELEGRAF names telegraf, which is built if it does not (minutes)"
    HEAD = """[agent]
interval = "{interval}s"
flush_interval = "1s"
metric_buffer_limit = 4000000
omit_hostname = true
[[inputs.prometheus]]
urls = {urls}
metric_version = 2
url_tag = "instance"
"""
    OUT = {"nats": """[[outputs.nats]]
servers = ["nats://{address}"]
subject = "{topic}"
use_batch_format = true
data_format = "json"
""", "kafka": """[[outputs.kafka]]
brokers = ["{address}"]
topic = "{topic}"
compression_codec = 3
data_format = "json"
""", "remote_write": """[[outputs.http]]
url = "http://{address}/write"
data_format = "prometheusremotewrite"
[outputs.http.headers]
Content-Type = "application/x-protobuf"
Content-Encoding = "snappy"
X-Prometheus-Remote-Write-Version = "0.1.0"
"""}

    def start(self, bench, urls, interval, receiver):
        text = (self.HEAD.format(interval=interval, urls=json.dumps(urls)) +
                self.OUT[receiver.kind].format(address=receiver.address, topic=receiver.topic))
        return self.process(bench, "--config", self.write(bench, text))


class OtelCollector(BuiltByHand):
    name, program, receivers = "otelcol", "otelcol", ("remote_write", "kafka")
    whence = "OTELCOL names otelcol, which `bench/field/build.sh otelcol` builds"

    def start(self, bench, urls, interval, receiver):
        exporters = {
            "remote_write": {"prometheusremotewrite": {
                "endpoint": f"http://{receiver.address}/write", "tls": {"insecure": True}}},
            "kafka": {"kafka": {"brokers": [receiver.address], "metrics": {"topic": receiver.topic},
                                "producer": {"compression": "lz4"}}}}[receiver.kind]
        scrape = vmagent.scrape_config(urls, interval)
        path = self.write(bench, {
            "receivers": {"prometheus": {"config": scrape}}, "processors": {"batch": {}},
            "exporters": exporters,
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {"metrics": {
                "receivers": ["prometheus"], "processors": ["batch"], "exporters": list(exporters)}}}})
        return self.process(bench, "--config", path)


class FluentBit(Rival):
    """Which Debian 12 does not have."""
    name, program, receivers = "fluent-bit", "fluent-bit", ("remote_write",)
    bursts = True
    whence = "FLUENT_BIT names fluent-bit, which no registry used here has"

    def start(self, bench, urls, interval, receiver):
        # It refuses to run without any input: one that says nothing that is sent stands in.
        lines = ["[SERVICE]", "flush 1", "[INPUT]", "name dummy", "samples 1", "tag idle"]
        for url in urls:
            host, _, path = url.removeprefix("http://").partition("/")
            lines += ["[INPUT]", "name prometheus_scrape", "tag bench", f"host {host.partition(':')[0]}",
                      f"port {host.partition(':')[2]}", f"metrics_path /{path}", f"scrape_interval {interval}s"]
        host, _, port = receiver.address.partition(":")
        lines += ["[OUTPUT]", "name prometheus_remote_write", "match bench", f"host {host}", f"port {port}",
                  "uri /write", "compression snappy"]
        return self.process(bench, "-c", self.write(bench, "\n".join(lines) + "\n"))


ALL = (Strata, StrataFrames, VmAgent, Prometheus, Telegraf, OtelCollector, FluentBit)
