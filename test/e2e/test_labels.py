# SPDX-License-Identifier: Apache-2.0
"""test_labels.py - targets whose labels change, and targets that go: what is sent, and what is still remembered."""
import json, os

import books
import harness
from chaos import read_all

SAMPLES = 20
META = 6
PARTS = {"pages", "bodies", "work", "channels", "payloads", "spools", "discovery", "clients", "allocator"}


def identities(records):
    """Each series once: name and tags, without those of the target that a test changes."""
    return {(o["name"], tuple(sorted((n, v) for n, v in o["tags"].items() if n != "zone")))
            for o in records}


class Labels(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.targets(1, SAMPLES)
        self.sd = os.path.join(self.folder, "targets.json")
        self.write("one")

    def write(self, zone):
        """The target with this label, or no target."""
        groups = [{"targets": [self.server.url(0)], "labels": {"zone": zone}}] if zone else []
        with open(self.sd + ".part", "w") as f:
            json.dump(groups, f)
        os.rename(self.sd + ".part", self.sd)

    def start(self, **more):
        return self.agent(harness.config(sources=[
            {"name": "files", "file": {"files": [self.sd]}, "interval": "2s", "pool": "main"}],
            **more))

    def scraped_as(self, agent, zone, times=2):
        """The target is known by that label, and was scraped under it."""
        self.wait_for(lambda: [t["labels"].get("zone") for t in agent.targets().values()] == [zone],
                      15, f"the label is {zone}")
        before = books.scraped(agent.metrics())
        self.wait_for(lambda: books.scraped(agent.metrics()) >= before + times, 15, "scrapes")

    def test_each_change_of_a_label_ends_the_old_series_and_nothing_is_sent_under_one_id(self):
        server = self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        wire = client.subscribe("metrics.>")    # sees what the stream would take for a duplicate
        client.flush()
        sink = harness.nats_sink(server.url, "metrics.all", "METRICS")
        sink["nats"]["timeout"] = "60s"    # nothing is sent twice because the machine is busy
        agent = self.start(sinks=[sink])
        tries = None    # before there was a connection; nothing was sent then
        for zone in ("one", "two", "one"):
            self.write(zone)
            self.scraped_as(agent, zone)
            self.wait_for(lambda: books.delivered(agent.metrics()) > 0, what="something is delivered")
            tries = books.retries(agent.metrics()) if tries is None else tries
        self.balanced(agent)
        self.assertEqual(books.retries(agent.metrics()), tries)
        account = self.stop(agent)
        found = read_all(self, client)
        self.assertEqual(account["lost"], 0)
        self.assertEqual(found.samples, account["delivered"])
        client.flush()
        messages = list(client.queues[wire])
        ids = [m.headers["Nats-Msg-Id"] for m in messages]
        self.assertEqual(sorted(ids), sorted(found.ids))
        self.assertEqual(sum(int(m.headers["Strata-Samples"]) for m in messages), found.samples)
        self.check_ended(b"".join(m.data for m in messages).decode())

    def check_ended(self, text):
        """one, two, one: each but the last ended with all of its series, before the next began."""
        records = harness.check_messages(self, text)
        zones = []
        for o in records:
            if o.get("ended"):
                self.assertEqual(o["tags"]["zone"], zones[-1])
            elif o["tags"]["zone"] != (zones or [None])[-1]:
                zones.append(o["tags"]["zone"])
        self.assertEqual(zones, ["one", "two", "one"])
        series = identities(o for o in records if "value" in o)
        self.assertEqual(len(series), SAMPLES + META)
        for zone in ("one", "two"):
            alive = identities(o for o in records if "value" in o and o["tags"]["zone"] == zone)
            self.assertEqual(alive, series)
            ended = [o for o in records if o.get("ended") and o["tags"]["zone"] == zone]
            names = [o["name"] for o in ended]
            self.assertLessEqual(identities(ended), series)
            self.assertGreaterEqual(len(ended), SAMPLES, names)
            self.assertEqual(len(ended), len(identities(ended)), names)    # each once

    def test_a_target_that_went_is_not_remembered(self):
        agent = self.start()
        self.scraped_as(agent, "one")
        known = self.remembered(agent)
        self.assertEqual(known["series"], SAMPLES)
        self.assertGreater(known["bytes"], 0)
        for zone in ("two", "three"):
            self.write(zone)
            self.scraped_as(agent, zone)
            # As much as before: what had the old label is no longer held.
            self.wait_for(lambda: self.remembered(agent)["series"] == SAMPLES, what="one page")
            self.assertLess(self.remembered(agent)["bytes"], 2 * known["bytes"])
        self.write(None)
        self.wait_for(lambda: not agent.targets(), 15, "the target has gone")
        self.wait_for(lambda: self.remembered(agent) == {"series": 0, "bytes": 0},
                      what="nothing is remembered")
        parts = agent.metrics().by("strata_memory_bytes", "part")
        self.assertNotIn("pages", parts)
        self.assertLess(sum(parts.values()), 16 << 20)
        self.balanced(agent)
        self.write("one")
        self.scraped_as(agent, "one")
        self.assertEqual(self.remembered(agent)["series"], SAMPLES)
        self.stop(agent)

    def remembered(self, agent):
        """Of the pool, which is shown also when that is 0; the memory's parts say the same."""
        metrics = agent.metrics()
        for name in ("strata_series", "strata_series_bytes"):
            self.assertEqual(metrics.labels(name, "pool"), [("main",)])
        self.assertEqual({part for part, in metrics.labels("strata_memory_bytes", "part")}, PARTS)
        in_bytes = metrics.sum("strata_series_bytes", pool="main")
        for value in metrics.by("strata_memory_bytes", "part").values():
            self.assertLess(value, metrics.sum("strata_memory_bound_bytes"))    # nor below 0
        return {"series": books.series(metrics), "bytes": in_bytes}


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
