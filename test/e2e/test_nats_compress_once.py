# SPDX-License-Identifier: Apache-2.0
"""Messages that the sink nats compresses, read back from real servers."""
import calendar
import json
import os
import time

import decompress
import exposed
import harness
import receivers

WORDS = ("none", "zstd", "lz4", "snappy")


class Compressed(harness.Case):
    def open(self, server, words, encoder, targets):
        sinks = [harness.nats_sink(server.url, f"metrics.{word}") for word in words]
        for word, sink in zip(words, sinks):
            sink["name"] = word
            sink["nats"]["compression"] = word
        return self.agent(harness.config(
            targets, sinks, [{"name": word, **encoder, "sink": word} for word in words],
            source={"honor_labels": True}, agent={"cluster": ""}))

    def test_each_word_carries_the_same_text_as_none(self):
        server = self.nats(jetstream=False)
        client = self.client(server)
        sids = {word: client.subscribe(f"metrics.{word}") for word in WORDS}
        client.flush()
        now = int(time.time() * 1000)
        page, want = exposed.page(now, series=2000)
        agent = self.open(server, WORDS, {"json": {}}, [self.pages({"/metrics": page}).url()])
        messages = {word: client.next(sids[word], 20) for word in WORDS}
        self.assertNotIn(None, messages.values(), agent.err())
        plain = messages["none"]
        self.assertNotIn("Content-Encoding", plain.headers)
        self.assertEqual(exposed.plain(self.samples(plain.data)), want)
        for word in WORDS[1:]:
            m = messages[word]
            self.assertEqual(m.headers["Content-Encoding"], word)
            self.assertEqual(m.headers["Strata-Due"], plain.headers["Strata-Due"])
            self.assertEqual(m.headers["Strata-Samples"], plain.headers["Strata-Samples"])
            self.assertEqual(decompress.plain(m.headers, m.data), plain.data)
            self.assertLess(len(m.data), len(plain.data) / 2)
        self.balanced(agent)
        self.assertEqual(self.stop(agent)["lost"], 0)

    def samples(self, text):
        found = {}
        harness.check_messages(self, text.decode())
        for line in text.decode().splitlines():
            s = json.loads(line, parse_int=str, parse_float=str)    # -0 is no int
            day, fraction = s["timestamp"].rstrip("Z").split(".")
            seconds = calendar.timegm(time.strptime(day, "%Y-%m-%dT%H:%M:%S"))
            ms = seconds * 1000 + int(fraction)
            found[s["name"], tuple(sorted(s["tags"].items())), ms] = receivers.bits(s["value"])
        return found

    def test_a_message_that_is_too_large_compressed_is_cut_and_all_arrives(self):
        self.check_cut("zstd")

    def test_one_whose_encoder_made_it_a_frame_too(self):
        self.check_cut("lz4")

    def check_cut(self, word):
        server = self.nats(jetstream=False, lines=["max_payload: 6000"])
        client = self.client(server)
        sid = client.subscribe("metrics.>")
        client.flush()
        page, want = exposed.page(int(time.time() * 1000), series=3000)
        agent = self.open(server, [word], {"json": {}}, [self.pages({"/metrics": page}).url()])
        found = {}

        def all_there():
            for m in client.drain(sid):
                self.assertLessEqual(len(m.data), 6000)
                found.update(self.samples(decompress.plain(m.headers, m.data)))
            return len(exposed.plain(found)) >= len(want)
        self.wait_for(all_there, 20, "all samples arrive")
        self.assertEqual(exposed.plain(found), want)
        m = self.balanced(agent)
        self.assertGreater(m.sum("strata_lane_splits_total"), 0)
        self.assertEqual(self.stop(agent)["lost"], 0)

    def test_what_the_encoder_compresses_is_compressed_once(self):
        server = self.nats(jetstream=False)
        client = self.client(server)
        sid = client.subscribe("metrics.>")
        client.flush()
        agent = self.open(server, ["zstd"], {"remote_write": {}}, [self.targets().url(0)])
        m = client.next(sid, 20)
        self.assertEqual(m.headers["Content-Encoding"], "snappy")
        self.assertIn(b"__name__", decompress.plain(m.headers, m.data))
        self.stop(agent)

    def test_a_word_that_is_none_of_them_is_refused(self):
        conf = harness.config(["http://127.0.0.1:1/"], [harness.nats_sink("nats://127.0.0.1:1")])
        conf["sinks"][0]["nats"]["compression"] = "brotli"
        path = os.path.join(self.folder, "faulty.yaml")
        with open(path, "w") as f:
            f.write(json.dumps(conf))
        done = self.run_agent("check-config", path)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertRegex(done.stderr + done.stdout, "compression.*none.*zstd.*lz4.*snappy")


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
