# SPDX-License-Identifier: Apache-2.0
"""chaos.py - scraping on while nats-server is killed and restarted, and the sums afterwards."""
import hashlib, re, time

import books
import harness
import long_doc
from process import SLOW

SEQUENCE = re.compile(rb'"name":"bench_page_sequence_total"[^\n]*?"target":"(\d+)"[^\n]*?"value":(\d+)')
FIRST_SEQUENCE = 1000000001    # of the first page that target_server sends
META = 6    # series that each scrape adds
ABOUT = """A real nats-server with JetStream is killed and started again while the agent scrapes on;
afterwards each page that was served must be in the stream, once and in order: nothing lost, nothing
twice, and in the stream what was scraped and the meta series."""


class Found:
    """What a consumer that honours ids keeps of a stream, a topic, ...; twice: the ids of which it
    leaves out a second message, which is the first one's likeness."""

    def __init__(self, messages=()):
        self.ids, self.twice, self.samples, self.bytes, self.lines = {}, [], 0, 0, 0
        self.sequences = {}
        for m in messages:
            self.add(m.headers, m.data)

    def add(self, headers, data):
        key, digest = headers["Strata-Id"], hashlib.sha256(data).digest()
        if key in self.ids:
            self.twice.append(key)
            if self.ids[key] != digest:
                raise AssertionError(f"two messages of the id {key} differ")
            return
        self.ids[key] = digest
        self.samples += int(headers["Strata-Samples"])
        self.add_lines(data)

    def add_lines(self, data):
        self.bytes += len(data)
        self.lines += data.count(b"\n")
        for target, value in SEQUENCE.findall(data):
            self.sequences.setdefault(int(target), []).append(int(value) - FIRST_SEQUENCE)

    def check_sequences(self, test, served):
        """Each page that was served is there, once, and in order."""
        for target, count in enumerate(served):
            test.assertEqual(self.sequences.get(target, []), list(range(count)),
                             f"pages of target {target}")

    def check(self, test, stats, delivered):
        """All that target_server exposed and the sink's peer acknowledged is there, once by its id,
        each target's pages in their order; and nothing else is.  delivered: records."""
        test.assertEqual(self.lines, self.samples, "lines against Strata-Samples")
        test.assertEqual(self.samples, delivered, "there against delivered")
        test.assertEqual(self.samples, exposed_so_far(stats), "there against exposed")
        self.check_sequences(test, stats["served"])


def exposed_so_far(stats):
    """Samples of target_server, with the meta series of each scrape."""
    return stats["samples"] + META * sum(stats["served"])


def read_all(test, client, stream="METRICS"):
    """The stream, with no id twice and the number of samples that the headers say."""
    found = Found(client.read_stream(stream))
    test.assertEqual(found.twice, [], "ids that came twice")
    test.assertEqual(found.lines, found.samples, "lines against Strata-Samples")
    return found


class Chaos(harness.Case):
    def begin(self, **sink):
        server = self.nats()
        self.client(server).make_stream("METRICS", ["metrics.>"])
        targets = self.targets(self.TARGETS, self.SAMPLES)
        conf = harness.config(targets.targets, agent={"grace": "20s"}, source={
            "interval": f"{self.INTERVAL * SLOW:.0f}s"}, sinks=[
            harness.nats_sink(server.url, "metrics.{instance}", "METRICS", **sink)])
        return server, targets, self.agent(conf)

    def survive(self):
        server, targets, agent = self.begin(buffer="256MiB")
        started, seconds = time.monotonic(), self.SECONDS * SLOW
        for kill in range(1, self.KILLS + 1):
            # The time is the load, not the wait for a condition.
            time.sleep(max(0, started + seconds * kill / (self.KILLS + 1) - time.monotonic()))
            before = targets.stats()["samples"]
            server.kill()
            self.wait_for(lambda: targets.stats()["samples"] >= before + 2 * self.SAMPLES,
                          what="scraping goes on while the server is dead")
            server.start()
        time.sleep(max(0, started + seconds - time.monotonic()))
        self.balanced(agent, 30)
        peak = agent.peak_memory()
        account = self.stop(agent, timeout=40)
        lasted = time.monotonic() - started
        stats = targets.stats()
        found = read_all(self, self.client(server))
        self.assertEqual(account["lost"], 0)
        found.check(self, stats, account["delivered"])
        self.assertGreaterEqual(min(stats["served"]), self.SECONDS / self.INTERVAL - 2)
        long_doc.write("The queue dies", ABOUT, {
            "targets": self.TARGETS, "samples of each target": self.SAMPLES,
            "deaths of the server": self.KILLS, "duration": f"{lasted:.0f} s",
            "scrapes": sum(stats["served"]), "samples scraped": stats["samples"],
            "samples of meta series": META * sum(stats["served"]), "delivered, as the agent says": account["delivered"],
            "in the stream": found.samples, "in the stream twice": len(found.twice),
            "lost": account["lost"], "messages": len(found.ids),
            "bytes of a sample in the stream": f"{found.bytes / found.samples:.1f}",
            "peak resident memory of the agent": f"{peak / 2 ** 20:.1f} MiB"})

    def lose_by_name(self):
        server, targets, agent = self.begin(buffer="1MiB")
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, what="delivery")
        server.kill()
        self.wait_for(lambda: books.lost(agent.metrics()).get("buffer_full", 0) > 0, 60,
                      "the buffer is full")
        server.start()
        before = books.delivered(agent.metrics())
        self.wait_for(lambda: books.delivered(agent.metrics()) > before, 30, "delivery again")
        metrics = self.balanced(agent, 30)
        self.assertEqual(set(books.lost(metrics)), {"buffer_full"})
        account = self.stop(agent, timeout=40)
        found = read_all(self, self.client(server))
        # What was lost may have been stored when its acknowledgement died with the server.
        self.assertGreater(account["lost"], 0)
        self.assertGreaterEqual(found.samples, account["delivered"])
        self.assertLessEqual(found.samples, account["delivered"] + account["lost"])
        for target, seen in found.sequences.items():
            self.assertEqual(seen, sorted(set(seen)), f"order of target {target}")
