# SPDX-License-Identifier: Apache-2.0
"""test_pairs_once.py - every pair of encoder and sink: what comes out is what was exposed, sample by
sample and bit by bit; or the pair is refused, with the reason."""
import datetime, json, os, re, socket, time

import books
import exposed
import forward
import harness
import kafka
import nginx
import receivers
import remote_write
import statsd

ANY = {"json": {}, "statsd": {}, "fluent": {"mode": "packed", "tag": "t"},
       "influx": {"precision": "ms"}, "prometheus": {}}
ENCODERS = {**ANY, "remote_write": {"version": "v2"}}
SINKS = ("nats", "kafka", "http", "stdout", "file", "statsd", "fluent")
PAIRS = [*((encoder, sink) for encoder in ANY for sink in ("nats", "kafka", "http", "stdout", "file")),
         *(("remote_write", sink) for sink in ("nats", "kafka", "http")),
         ("statsd", "statsd"), ("fluent", "fluent")]
GROWS = "grows_total"    # goes up by 3 with each scrape
REQUIRED = {"nats": {"servers": ["nats://127.0.0.1"]}, "kafka": {"brokers": ["127.0.0.1:1"]},
            "http": {"url": "http://127.0.0.1/"}, "stdout": {}, "file": {"path": "/dev/null"},
            "statsd": {"address": "127.0.0.1:1"}, "fluent": {"servers": ["tcp://127.0.0.1"]}}


def ms_of(text):
    when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(when.timestamp() * 1000)


class Pairs(harness.Case):
    def setUp(self):
        super().setUp()
        text, self.want = exposed.page(int(time.time() * 1000))
        self.scrapes = 0
        self.text = text + f"# TYPE {GROWS} counter\n"
        self.target = self.pages({"/metrics": self.give_page})

    def give_page(self, _request):
        self.scrapes += 1
        return f"{self.text}{GROWS} {3 * self.scrapes}\n"

    def run_to_end(self, outputs, sinks, name="agent"):
        """Two scrapes at least, all delivered."""
        scrapes = self.scrapes
        agent = self.agent(harness.config(
            [self.target.url()], sinks=sinks, outputs=outputs, source={"honor_labels": True},
            agent={"cluster": ""}), name=name)

        def all_delivered():
            m = agent.metrics()
            return self.scrapes >= scrapes + 2 and all(
                books.delivered(m, output=o["name"]) >= 2 for o in outputs)
        self.wait_for(all_delivered, 30, "all outputs deliver")
        self.balanced(agent, 20)
        self.assertEqual(self.stop(agent)["lost"], 0)
        return agent, self.scrapes - scrapes

    # What came, as bodies of messages; or as one, of a file.

    def from_nats(self, encoder):
        return [m.data for m in self.client(self.server).read_stream("METRICS")
                if m.subject == "pairs." + encoder]

    def from_kafka(self, encoder):
        return [m.data for m in self.broker.read_bytes(encoder)]

    def from_http(self, encoder):
        return [m.data for m in self.web.read(encoder)]

    def from_file(self, encoder):
        with open(os.path.join(self.folder, encoder + ".file"), "rb") as f:
            return [f.read()]

    # {(name, labels, ms): bits} of such.

    def read_json(self, bodies):
        return {(o["name"], tuple(sorted(o["tags"].items())), ms_of(o["timestamp"])):
                receivers.bits(o["value"]) for body in bodies for o in harness.check_messages(
                    self, re.sub(r'("value":)-0([,}])', r"\1-0.0\2", body.decode()))}

    def read_fluent(self, bodies):
        """What a real receiver holds that a consumer passes it on to."""
        path, port = self.forward.path, self.forward.port
        before = self.forward.count()
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(b"".join(bodies))
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):    # acknowledgements, until it has all
                pass
        return self.of_forward(self.forward.messages()[before:])

    def of_forward(self, messages):
        return {(r["name"], tuple(sorted(r["tags"].items())), seconds * 1000 + nanos // 10 ** 6):
                bytes.fromhex(bits)[::-1].hex()
                for m in messages for seconds, nanos, bits, r in m["entries"]}

    def read_influx(self, bodies):
        self.databases += 1
        self.influx.begin(f"d{self.databases}")
        for body in bodies:
            self.assertEqual(self.influx.write(body, "ms"), (204, ""))
        return self.influx.samples()

    def read_prometheus(self, bodies):
        return {(name, labels, ms): bits for body in bodies
                for name, labels, bits, ms in receivers.lines(body.decode())}

    def read_remote_write(self, bodies):
        return {k: v for body in bodies for k, v in remote_write.read(body)[0].items()}

    def check(self, encoder, bodies, scrapes):
        self.assertGreater(len(bodies), 0)
        if encoder == "statsd":
            self.check_statsd(b"".join(body.rstrip(b"\n") + b"\n" for body in bodies), scrapes)
            return
        held = exposed.plain(getattr(self, "read_" + encoder)(bodies))
        words = exposed.in_influx_words if encoder == "influx" else dict
        self.check_samples(held, scrapes, words(self.want))

    def check_samples(self, held, scrapes, want):
        grown = sorted(receivers.double(v) for (name, _, _), v in held.items() if name == GROWS)
        self.assertEqual([b - a for a, b in zip(grown, grown[1:])], [3] * (scrapes - 1))
        exposed.compare(self, {k: v for k, v in held.items() if k[0] != GROWS}, want)

    def check_statsd(self, data, scrapes):
        """Gauges hold what was exposed, counters what they grew by; names are made legal."""
        gauges, counters = {}, {}
        for line in data.decode().split("\n")[:-1]:
            name, value, kind, tags = re.fullmatch(r"([^:|]+):([^|]+)\|([gc])(?:\|#(.*))?", line).groups()
            labels = tuple(sorted(tuple(t.split(":", 1)) for t in (tags or "").split(",") if t))
            if kind == "c":
                counters[name, labels, 0] = counters.get((name, labels, 0), 0) + float(value)
            else:
                gauges[name, labels, 0] = receivers.bits(value)
        legal = {}
        for (name, labels, _), bits in self.want.items():
            if not name.endswith("_total"):
                legal[re.sub("[:;=]", "_", name), tuple(
                    (k, re.sub(r"[:|@#,\s]", "_", v)) for k, v in labels), 0] = bits
        exposed.compare(self, exposed.plain(gauges), legal)
        self.assertEqual({v for (name, _, _), v in counters.items() if name == GROWS},
                         {3 * (scrapes - 1)})

    def begin_servers(self):
        self.server, self.web = self.nats(), self.keep(nginx.Server(self.folder))
        self.client(self.server).make_stream("METRICS", ["pairs.>"])
        self.broker = self.keep(kafka.Broker(self.folder))
        self.statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.statsd.close)
        self.statsd.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.statsd.bind(("127.0.0.1", 0))
        self.statsd.setblocking(False)

    def begin_readers(self):
        self.forward = self.keep(forward.Server(self.folder))
        self.influx, self.databases = self.keep(receivers.Influx(self.folder)), 0

    def settings(self, encoder, sink):
        return {
            "nats": lambda: {"servers": [self.server.url], "subject": "pairs." + encoder,
                             "jetstream": {"stream": "METRICS"}},
            "kafka": lambda: {"brokers": [self.broker.address()], "topic": encoder},
            "http": lambda: {"url": f"http://127.0.0.1:{self.web.port}/to/{encoder}",
                             "method": "PUT"},
            "file": lambda: {"path": os.path.join(self.folder, encoder + ".file")},
            "statsd": lambda: {"address": "127.0.0.1:%d" % self.statsd.getsockname()[1]},
            "fluent": lambda: {"servers": [self.forward.url]},
        }[sink]()

    def test_every_pair_says_what_was_exposed(self):
        self.begin_servers()
        self.begin_readers()
        pairs = [(encoder, sink) for encoder, sink in PAIRS if sink != "stdout"]
        names = {(encoder, sink): f"{encoder}-{sink}".replace("_", "-") for encoder, sink in pairs}
        outputs = [{"name": names[encoder, sink], encoder: ENCODERS[encoder],
                    "sink": names[encoder, sink]} for encoder, sink in pairs]
        sinks = [{"name": names[encoder, sink], sink: self.settings(encoder, sink)}
                 for encoder, sink in pairs]
        _, scrapes = self.run_to_end(outputs, sinks)
        with self.subTest("fluent, fluent"):
            self.check_samples(exposed.plain(self.of_forward(self.forward.messages())), scrapes,
                               self.want)
        with self.subTest("statsd, statsd"):
            self.check_statsd(b"".join(d.rstrip(b"\n") + b"\n" for d in self.datagrams()), scrapes)
        for encoder, sink in pairs:
            if sink != encoder:
                with self.subTest(f"{encoder}, {sink}"):
                    self.check(encoder, getattr(self, "from_" + sink)(encoder), scrapes)

    def datagrams(self):
        try:
            while True:
                yield self.statsd.recv(65536)
        except BlockingIOError:
            return

    def test_standard_output_says_what_was_exposed(self):
        self.begin_readers()
        for encoder in ANY:
            with self.subTest(encoder):
                agent, scrapes = self.run_to_end(
                    [{"name": "main", encoder: ENCODERS[encoder], "sink": "queue"}], None, encoder)
                with open(agent.out_path, "rb") as f:
                    self.check(encoder, [f.read()], scrapes)

    def test_every_other_pair_is_refused_with_its_reason(self):
        for encoder in ENCODERS:
            for sink in SINKS:
                path = os.path.join(self.folder, "pair.yaml")
                with open(path, "w") as f:
                    f.write(harness.text_of(harness.config(
                        [self.target.url()], outputs=[{"name": "main", encoder: {}, "sink": "out"}],
                        sinks=[{"name": "out", sink: REQUIRED[sink]}])))
                done = self.run_agent("check-config", path)
                good = (encoder, sink) in PAIRS
                self.assertEqual(done.returncode, 0 if good else 78, (encoder, sink, done.stderr))
                if not good:
                    self.assertRegex(done.stderr, rf"pair.yaml:\d+:\d+: .*{encoder} does not go into {sink}, "
                                     "(only into|which takes only) ")

    def test_there_are_no_more_encoders_and_sinks_than_these(self):
        said = self.run_agent("settings", "--markdown").stdout
        for kind, names in (("encoder", ENCODERS), ("sink", SINKS)):
            self.assertEqual(set(re.findall(rf"^### {kind} (\w+)$", said, re.M)), set(names))


if __name__ == "__main__":
    harness.main(needs=["nats-server", "nginx", "influxd", "node", "java", "kcat", "openssl", "protoc"],
                 missing=[*kafka.missing(), *forward.missing()])
