# SPDX-License-Identifier: Apache-2.0
"""test_kafka_frames_once.py - compression: lz4_frame, read back from a real broker."""
import os
import time

import books
import decompress
import exposed
import harness
import kafka
from chaos import Found
from kafka_case import LIMIT, Case, sink


class Frames(Case):
    def sink(self, topic, compression="lz4_frame", **more):
        return {**sink(self.broker, topic, compression=compression, **more), "name": topic}

    def outputs(self, encoders):
        """{topic: encoder}, each into the sink of that name."""
        return [{"name": topic, **encoder, "sink": topic} for topic, encoder in encoders.items()]

    def check_all(self, topic, targets, agents):
        """The topic holds each page once, in frames; returns what was in it."""
        messages = self.broker.read_bytes(topic)
        found = Found(m._replace(data=decompress.plain(m.headers, m.data)) for m in messages)
        self.assertEqual(found.twice, [], "ids that came twice")
        found.check(self, targets.stats(), sum(a["delivered"] for a in agents))
        self.assertEqual([a["lost"] for a in agents], [0] * len(agents))
        return messages, found

    def test_a_message_holds_the_lines_that_it_has_without_compression(self):
        page, _ = exposed.page(int(time.time() * 1000))
        encoders = ("json", "influx", "statsd", "prometheus")
        ways = {f"{encoder}-{word}": (encoder, how) for encoder in encoders
                for word, how in (("plain", "none"), ("frames", "lz4_frame"))}
        agent = self.agent(harness.config(
            [self.pages({"/metrics": page}).url()], source={"honor_labels": True},
            sinks=[self.sink(topic, how, max_message="1000KiB") for topic, (_, how) in ways.items()],
            outputs=self.outputs({topic: {encoder: {}} for topic, (encoder, _) in ways.items()})))
        self.wait_for(lambda: min(books.delivered(agent.metrics(), output=t) for t in ways) > 0, 20)
        self.balanced(agent)
        self.assertEqual(self.stop(agent)["lost"], 0)
        for encoder in encoders:
            plain, frames = ({m.headers.pop("Strata-Due"): m
                              for m in self.broker.read_bytes(f"{encoder}-{word}")}
                             for word in ("plain", "frames"))
            self.assertEqual(plain.keys(), frames.keys())
            for due, m in frames.items():
                self.assertEqual(m.headers.pop("Content-Encoding"), "lz4")
                self.assertEqual(decompress.unlz4(m.data), plain[due].data)
                self.assertLess(len(m.data), len(plain[due].data) * 0.7)
                ids = {m.headers.pop("Strata-Id"), plain[due].headers.pop("Strata-Id")}
                self.assertEqual(len(ids), 2)
                self.assertEqual(m.headers, plain[due].headers)

    def test_what_is_compressed_already_or_would_grow_goes_as_it_is(self):
        encoders = {"snappy": {"remote_write": {}}, "short": {"json": {"mode": "single"}}}
        agent = self.agent(harness.config(
            [self.pages({"/metrics": "a 1\n"}).url()], sinks=[self.sink(t) for t in encoders],
            outputs=self.outputs(encoders)))
        self.wait_for(lambda: min(books.delivered(agent.metrics(), output=t) for t in encoders) > 0, 20)
        self.assertEqual(self.stop(agent)["lost"], 0)
        for m in self.broker.read_bytes("snappy"):
            self.assertEqual(m.headers["Content-Encoding"], "snappy")
            self.assertIn(b"__name__", decompress.plain(m.headers, m.data))
        plain = [m for m in self.broker.read_bytes("short") if "Content-Encoding" not in m.headers]
        self.assertGreater(len(plain), 0)
        for m in plain:
            harness.check_messages(self, m.data.decode())

    def test_frames_that_the_broker_finds_too_large_are_cut(self):
        targets = self.targets(2, 5000)
        agent = self.agent(harness.config(
            targets.targets, source={"interval": "2s"},
            sinks=[self.sink("large", max_message="1000KiB")],
            outputs=[{"name": "main", "json": {}, "sink": "large", "max_message": "900KiB"}]))
        self.wait_for(lambda: min(targets.stats()["served"]) >= 4, 30)
        self.wait_for(lambda: books.in_memory(agent.metrics()) == 0, 30)
        metrics = self.balanced(agent)
        self.assertGreater(metrics.sum("strata_lane_splits_total"), 0)
        messages, found = self.check_all("large", targets, [self.stop(agent)])
        self.assertGreaterEqual(found.bytes, books.bytes_delivered(metrics))    # before compression
        self.assertGreater(books.bytes_delivered(metrics), 5 * sum(len(m.data) for m in messages))
        self.assertLess(max(len(m.data) for m in messages), LIMIT)

    def test_frames_outlive_broker_and_agent_in_the_spool(self):
        targets = self.targets(3, 500)
        conf = harness.config(
            targets.targets, source={"interval": "1s"}, agent={"grace": "1s"},
            sinks=[{**self.sink("kept", timeout="60s"),
                    "spool": {"path": os.path.join(self.folder, "spool"), "size": "64MiB"}}],
            outputs=self.outputs({"kept": {"json": {}}}))
        self.broker.kill()
        agent = self.agent(conf)
        self.wait_for(lambda: min(targets.stats()["served"]) >= 3, 30)
        first = self.stop(agent)
        self.assertEqual(first["delivered"], 0)
        self.broker.start({"message.max.bytes": LIMIT})
        agent = self.agent(conf, name="second")
        self.wait_for(lambda: (m := agent.metrics()) and books.in_spool(m) == 0 and
                      books.delivered(m) > first["left"], 30, "all is delivered")
        messages, _ = self.check_all("kept", targets, [first, self.stop(agent, timeout=40)])
        self.assertEqual({m.headers.get("Content-Encoding") for m in messages}, {"lz4"})


if __name__ == "__main__":
    harness.main(needs=["java", "kcat", "openssl"], missing=kafka.missing())
