# SPDX-License-Identifier: Apache-2.0
"""receivers.py - servers that take metrics over HTTP, and what they hold afterwards.

    influx = Influx(folder)
    influx.write(body, precision="ns")
    influx.samples()                        {(name, ((label, value), ...), ms): float}

Each listens on a port that the kernel gave, and is found by its sockets.
"""
import glob, json, os, re, struct, urllib.error, urllib.parse, urllib.request

from process import DIRECT, SLOW, Process, wait_for


def bits(value):
    """A double as it is kept; all that differ differ."""
    return struct.pack("<d", float(value)).hex()


def double(text):
    value, = struct.unpack("<d", bytes.fromhex(text))
    return value


def ports(pid):
    """TCP ports of 127.0.0.1 on which a process listens."""
    inodes = set()
    for fd in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            inodes.add(os.readlink(fd))
        except OSError:
            pass
    with open(f"/proc/{pid}/net/tcp") as f:
        lines = [line.split() for line in f][1:]
    return [int(line[1].split(":")[1], 16) for line in lines
            if line[3] == "0A" and f"socket:[{line[9]}]" in inodes]


class Server(Process):
    """A program that answers at `ready`."""

    ready = "/"

    def __init__(self, args, folder, name):
        super().__init__(args, folder, name)
        self.base = wait_for(self.find, 20, f"{name} answers\n" + self.err()[-2000:])

    def find(self):
        if not self.running():
            raise AssertionError(f"{self.name} ended:\n{self.err()[-4000:]}")
        for port in ports(self.pid):
            try:
                with DIRECT.open(f"http://127.0.0.1:{port}{self.ready}", timeout=2):
                    return f"http://127.0.0.1:{port}"
            except OSError:
                pass
        return None

    def request(self, path, body=None, headers=(), method=None):
        """(status, text); a status that is no success is no exception."""
        q = urllib.request.Request(self.base + path, data=body, headers=dict(headers),
                                   method=method)
        try:
            with DIRECT.open(q, timeout=10 * SLOW) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read().decode()

    def get(self, path, **query):
        status, text = self.request(path + "?" + urllib.parse.urlencode(query, doseq=True))
        if status != 200:
            raise AssertionError(f"{self.name} answers {path} with {status}: {text}")
        return json.loads(text, parse_int=lambda t: float(t) if t == "-0" else int(t))


class Influx(Server):
    ready = "/ping"

    def __init__(self, folder):
        path = os.path.join(folder, "influxd.conf")
        with open(path, "w") as f:
            f.write(f"""reporting-disabled = true
                bind-address = "127.0.0.1:0"
                [meta]\ndir = "{folder}/meta"
                [data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"
                [http]\nbind-address = "127.0.0.1:0"
                [monitor]\nstore-enabled = false\n""")
        super().__init__(["influxd", "-config", path], folder, "influxd")
        self.begin("m")

    def begin(self, database):
        """What follows is of this one, which is empty."""
        self.database = database
        self.request("/query?q=CREATE%20DATABASE%20" + database, b"")

    def write(self, body, precision):
        return self.request(f"/write?db={self.database}&precision={precision}", body)

    def samples(self):
        """The field is in the name when it is not `value`."""
        answer = self.get("/query", db=self.database, epoch="ms", q="SELECT * FROM /.*/ GROUP BY *")
        found = {}
        for s in answer["results"][0].get("series", ()):
            labels = tuple(sorted((k, v) for k, v in s.get("tags", {}).items() if v))
            for row in s["values"]:
                for field, value in zip(s["columns"][1:], row[1:]):
                    name = s["name"] if field == "value" else f"{s['name']}.{field}"
                    if value is not None:
                        found[name, labels, row[0]] = bits(value)
        return found


class Pushgateway(Server):
    ready = "/-/ready"

    def __init__(self, folder):
        super().__init__(["prometheus-pushgateway", "--web.listen-address=127.0.0.1:0"], folder,
                         "pushgateway")

    def samples(self):
        """What its page shows; times are not kept: 0."""
        status, text = self.request("/metrics")
        if status != 200:
            raise AssertionError(f"pushgateway answers {status}")
        return {(name, labels, 0): value for name, labels, value, _ in lines(text)}


class VictoriaMetrics(Server):
    ready = "/health"

    def __init__(self, folder):
        super().__init__(["victoria-metrics", "-httpListenAddr=127.0.0.1:0", "-retentionPeriod=100y",
                          f"-storageDataPath={folder}/victoria", "-search.latencyOffset=0s",
                          "-influxSkipSingleField", "-memory.allowedBytes=64MB"], folder,
                         "victoria-metrics")

    def samples(self, match='{__name__!=""}'):
        self.request("/internal/force_flush")
        query = urllib.parse.urlencode({"match[]": match, "start": 0})
        status, text = self.request("/api/v1/export?" + query)
        if status != 200:
            raise AssertionError(f"victoria-metrics answers {status}: {text}")
        found = {}
        for line in text.splitlines():
            o = json.loads(line, parse_int=lambda t: float(t) if t == "-0" else int(t))
            labels = dict(o["metric"])
            name = labels.pop("__name__")
            for ms, value in zip(o["timestamps"], o["values"]):
                value = float("nan") if value is None else value
                found[name, tuple(sorted(labels.items())), ms] = bits(value)
        return found


class Prometheus(Server):
    ready = "/-/ready"

    def __init__(self, folder, port=0):
        path = os.path.join(folder, "prometheus.yml")
        with open(path, "w") as f:
            f.write("global: {scrape_interval: 1h}\n")
        super().__init__(["prometheus", f"--config.file={path}", f"--web.listen-address=127.0.0.1:{port}",
                          f"--storage.tsdb.path={folder}/tsdb", "--web.enable-remote-write-receiver",
                          "--enable-feature=exemplar-storage", "--log.level=warn"], folder, "prometheus")

    def samples(self, now_ms, selector='{__name__!=""}'):
        """Of the last minutes before now_ms, ended or not: a range selector leaves out markers."""
        answer = self.get("/api/v1/query", query=selector + "[10m]", time=now_ms / 1000)
        found = {}
        for r in answer["data"]["result"]:
            labels = dict(r["metric"])
            name = labels.pop("__name__")
            for t, value in r["values"]:
                found[name, tuple(sorted(labels.items())), round(t * 1000)] = bits(value)
        return found

    def exemplars(self, selector, now_ms):
        """{(name of the series, its labels, ms): (labels of the exemplar, bits)} of the last hour."""
        answer = self.get("/api/v1/query_exemplars", query=selector, start=now_ms / 1000 - 3600,
                          end=now_ms / 1000)
        found = {}
        for s in answer["data"]:
            labels = dict(s["seriesLabels"])
            name = labels.pop("__name__")
            for e in s["exemplars"]:
                found[name, tuple(sorted(labels.items())), round(e["timestamp"] * 1000)] = \
                    tuple(sorted(e["labels"].items())), bits(e["value"])
        return found

    def now(self, selector, now_ms):
        """{value} of what an instant query sees."""
        answer = self.get("/api/v1/query", query=selector, time=now_ms / 1000)
        return [r["value"][1] for r in answer["data"]["result"]]


LINE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: (-?\d+))?$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(.)")


def lines(text):
    """(name, labels, bits, ms or None) of each sample of a text page."""
    for line in text.split("\n"):
        if line and line[0] != "#":
            name, labels, value, ms = LINE.match(line).groups()
            pairs = [(k, ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], v))
                     for k, v in LABEL.findall(labels or "")]
            yield name, tuple(sorted(pairs)), bits(value), int(ms) if ms else None
