# SPDX-License-Identifier: Apache-2.0
"""receivers.py - servers that take metrics over HTTP, and what they hold afterwards.

    influx = Influx(folder)
    influx.write(body, precision="ns")
    influx.samples()                        {(name, ((label, value), ...), ms): float}

Each listens on a port that the kernel gave, and is found by its sockets.
"""
import glob, json, math, os, struct, urllib.error, urllib.parse, urllib.request

from process import DIRECT, SLOW, Process, wait_for


def bits(value):
    """A double as it is kept; all that differ differ."""
    return struct.pack("<d", float(value)).hex()


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
        self.request("/query?q=CREATE%20DATABASE%20m", b"")

    def write(self, body, precision):
        return self.request(f"/write?db=m&precision={precision}", body)

    def samples(self):
        """The field is in the name when it is not `value`."""
        answer = self.get("/query", db="m", epoch="ms", q="SELECT * FROM /.*/ GROUP BY *")
        found = {}
        for s in answer["results"][0].get("series", ()):
            labels = tuple(sorted((k, v) for k, v in s.get("tags", {}).items() if v))
            for row in s["values"]:
                for field, value in zip(s["columns"][1:], row[1:]):
                    name = s["name"] if field == "value" else f"{s['name']}.{field}"
                    if value is not None:
                        found[name, labels, row[0]] = bits(value)
        return found
