# SPDX-License-Identifier: Apache-2.0
"""What Prometheus and VictoriaMetrics hold of the messages that the encoder remote_write makes."""
import time

import exposed
import harness
import receivers
import remote_write

HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}


class RemoteWrite(harness.Case):
    def sink(self):
        return {"name": "queue", "nats": {"servers": ["nats://127.0.0.1:1"], "subject": "m"}}

    def encode(self, version, page):
        return exposed.encode(self, {"remote_write": {"version": version}}, page, self.sink())

    def test_prometheus_holds_each_sample_bit_for_bit(self):
        prometheus = self.keep(receivers.Prometheus(self.folder))
        now = int(time.time() * 1000)
        page, want = exposed.page(now)
        body = self.encode("v1", page)
        self.assertEqual(prometheus.request("/api/v1/write", body, HEADERS), (204, ""))
        held = prometheus.samples(now + 5000)
        exposed.compare(self, exposed.plain(held), want)
        self.assertEqual(len([k for k in held if k[0] == "up"]), 1)
        self.assertEqual({dict(labels)["job"] for _, labels, _ in held}, {"static"})

    def test_victoria_metrics_holds_each_sample_at_its_time(self):
        victoria = self.keep(receivers.VictoriaMetrics(self.folder))
        page, want = exposed.page(int(time.time() * 1000))
        body = self.encode("v1", page)
        self.assertEqual(victoria.request("/api/v1/write", body, HEADERS), (204, ""))
        self.wait_for(lambda: set(exposed.plain(victoria.samples())) == set(want))
        exposed.compare_decimals(self, exposed.plain(victoria.samples()), want)

    def test_what_has_ended_is_gone_at_once(self):
        """The way through a queue: its headers are what the receiver wants of a request."""
        prometheus = self.keep(receivers.Prometheus(self.folder))
        nats = self.nats()
        client = self.client(nats)
        client.make_stream("METRICS", ["metrics.>"])
        pages = self.pages({"/metrics": "stays 1\nends{x=\"y\"} 2\n"})
        conf = harness.config([pages.url()], [harness.nats_sink(nats.url, stream="METRICS")],
                              outputs=[{"name": "main", "remote_write": {}, "sink": "queue"}])
        agent = self.agent(conf)
        written = set()

        def pump():
            for m in client.read_stream("METRICS"):
                if m.headers["Strata-Id"] not in written:
                    written.add(m.headers["Strata-Id"])
                    headers = {name: m.headers[name] for name in HEADERS}
                    self.assertEqual(headers, HEADERS)
                    self.assertEqual(prometheus.request("/api/v1/write", m.data, headers), (204, ""))

        def see(selector):
            pump()
            return prometheus.now(selector, int(time.time() * 1000))
        self.wait_for(lambda: see("ends") == ["2"], what="the series is there")
        pages.pages["/metrics"] = "stays 1\n"
        self.wait_for(lambda: see("ends") == [], what="the series has ended")
        self.assertEqual(see("stays"), ["1"])
        held = prometheus.samples(time.time() * 1000)
        self.assertEqual({v for (name, _, _), v in held.items() if name == "ends"},
                         {receivers.bits("2")})
        self.stop(agent)

    def test_the_agent_itself_writes_to_prometheus(self):
        prometheus = self.keep(receivers.Prometheus(self.folder))
        page, want = exposed.page(int(time.time() * 1000))
        pages = self.pages({"/metrics": page + "ends 2\n"})
        agent = self.agent(harness.config(
            [pages.url()], [{"name": "out", "http": {"url": prometheus.base + "/api/v1/write"}}],
            outputs=[{"name": "main", "remote_write": {}, "sink": "out"}],
            source={"honor_labels": True}, agent={"cluster": ""}))

        def held():
            samples = exposed.plain(prometheus.samples(time.time() * 1000))
            return {k: v for k, v in samples.items() if k[0] != "ends"}
        self.wait_for(lambda: prometheus.now("ends", time.time() * 1000) == ["2"])
        exposed.compare(self, held(), want)
        pages.pages["/metrics"] = page
        self.wait_for(lambda: prometheus.now("ends", time.time() * 1000) == [],
                      what="the series has ended")
        exposed.compare(self, held(), want)
        self.assertEqual(prometheus.now("up", time.time() * 1000), ["1"])
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0, agent.err()[-4000:])

    def page_with_extras(self, now):
        """In OpenMetrics, and what of it receivers have to hold."""
        seen = now - 5000
        text = (f"# TYPE jobs counter\njobs_total{{a=\"1\"}} 17 {now / 1000:.3f} # {{trace_id=\"4b,f\\\"9\"}} 0.1 {seen / 1000:.3f}\n"
                f"jobs_created{{a=\"1\"}} 1700000000.5 {now / 1000:.3f}\njobs_total{{a=\"2\"}} 3\n"
                "# TYPE size histogram\n"
                f"size_bucket{{le=\"0.5\"}} 1 {now / 1000:.3f} # {{span=\"é\",trace_id=\"7\"}} 0.25\n"
                f"size_bucket{{le=\"+Inf\"}} 4 {now / 1000:.3f} # {{}} 1e300 {seen / 1000:.3f}\n"
                f"size_sum 2 {now / 1000:.3f}\nsize_count 4 {now / 1000:.3f}\n# EOF\n")
        return (200, {"Content-Type": "application/openmetrics-text; version=1.0.0"}, text), {
            ("jobs_total", (("a", "1"),), seen): ((("trace_id", '4b,f"9'),), receivers.bits("0.1")),
            ("size_bucket", (("le", "0.5"),), now): ((("span", "é"), ("trace_id", "7")), receivers.bits("0.25")),
            ("size_bucket", (("le", "+Inf"),), seen): ((), receivers.bits("1e300"))}

    def test_prometheus_holds_each_exemplar(self):
        prometheus = self.keep(receivers.Prometheus(self.folder))
        now = int(time.time() * 1000)
        page, want = self.page_with_extras(now)
        body = self.encode("v1", page)
        self.assertEqual(prometheus.request("/api/v1/write", body, HEADERS), (204, ""))
        self.assertEqual(exposed.plain(prometheus.exemplars('{__name__!=""}', now + 5000)), want)
        self.assertEqual(len(exposed.plain(prometheus.samples(now + 5000))), 6)

    def test_victoria_metrics_takes_what_has_exemplars(self):
        victoria = self.keep(receivers.VictoriaMetrics(self.folder))
        page, _ = self.page_with_extras(int(time.time() * 1000))
        body = self.encode("v1", page)
        self.assertEqual(victoria.request("/api/v1/write", body, HEADERS), (204, ""))
        self.wait_for(lambda: len(exposed.plain(victoria.samples())) == 6)

    def test_version_2_tells_exemplars_and_created_times_to_a_decoder(self):
        now = int(time.time() * 1000)
        page, want = self.page_with_extras(now)
        exemplars, created = remote_write.read_extras(self.encode("v2", page))
        self.assertEqual(exposed.plain(exemplars), want)
        self.assertEqual({(name, dict(labels)["a"]): ms for (name, labels), ms in created.items()},
                         {("jobs_total", "1"): 1700000000500})

    def test_version_2_says_the_same_to_a_decoder(self):
        now = int(time.time() * 1000)
        page, want = exposed.page(now)
        held, types = remote_write.read(self.encode("v2", page))
        exposed.compare(self, exposed.plain(held), want)
        self.assertEqual({n: types[n] for n in ("odd_values", "odd_labels_total", "size_bucket", "up")},
                         {"odd_values": ("GAUGE", "Some \\ \n help."),
                          "odd_labels_total": ("COUNTER", ""), "size_bucket": ("HISTOGRAM", ""),
                          "up": ("GAUGE", types["up"][1])})


if __name__ == "__main__":
    harness.main(needs=["prometheus", "victoria-metrics", "nats-server", "protoc"])
