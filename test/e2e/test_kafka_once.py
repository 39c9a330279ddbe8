# SPDX-License-Identifier: Apache-2.0
"""test_kafka_once.py - a real broker: what was scraped is in the topic, or is named as lost."""
import time

import books
import harness
import kafka
from kafka_case import LIMIT, Case, sink


class Delivery(Case):
    def test_headers_key_and_topic_keep_the_contract(self):
        pages = self.pages({"/metrics": "up_total 1\n"})
        conf = harness.config([pages.url()], agent={"cluster": "prod"},
                              sinks=[sink(self.broker, "contract.{namespace}")])
        conf["sources"][0]["static"]["labels"] = {"namespace": "a b/c"}
        agent = self.agent(conf)
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, 20)
        self.balanced(agent)
        self.wait_for(lambda: agent.metrics().sum("strata_lane_connects_total") > 0)
        self.assertEqual(agent.metrics().sum("strata_lane_connected"), 1)
        account = self.stop(agent)
        messages, found = self.found("contract.a_b_c")
        self.assertEqual(found.samples, account["delivered"])
        message = messages[0]
        self.assertEqual(list(message.headers), ["Content-Type", "Strata-Schema", "Strata-Id",
                                                 "Strata-Target", "Strata-Due", "Strata-Samples"])
        self.assertEqual(message.headers["Strata-Schema"], "1")
        self.assertRegex(message.headers["Strata-Id"], r"^[0-9a-f]{32}$")
        self.assertIn("json", message.headers["Content-Type"])
        self.assertEqual(message.key, "prod/" + message.headers["Strata-Target"])
        self.assertLess(abs(int(message.headers["Strata-Due"]) / 1000 - time.time()), 60)
        samples = harness.check_messages(self, message.data.decode())
        self.assertIn("up_total", [s["name"] for s in samples])

    def test_a_target_keeps_its_partition_and_its_order(self):
        targets = self.targets(8, 200)
        agent = self.agent(harness.config(targets.targets, source={"interval": "2s"}, sinks=[
            sink(self.broker, "order", compression="none")]))
        self.wait_for(lambda: min(targets.stats()["served"]) >= 4, 20)
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        messages, found = self.found("order")
        self.assertEqual(found.samples, account["delivered"])
        found.check_sequences(self, targets.stats()["served"])
        partitions = {}
        for m in messages:
            partitions.setdefault(m.key, set()).add(m.partition)
        self.assertEqual({len(p) for p in partitions.values()}, {1})
        self.assertGreater(len(set.union(*partitions.values())), 1)

    def test_what_the_broker_finds_too_large_is_cut(self):
        targets = self.targets(2, 3000)
        agent = self.agent(harness.config(targets.targets, sinks=[
            sink(self.broker, "large", compression="none", max_message="1000KiB")]))
        self.wait_for(lambda: min(targets.stats()["served"]) >= 4, 30)
        self.wait_for(lambda: books.in_memory(agent.metrics()) == 0, 30)
        self.assertGreater(agent.metrics().sum("strata_lane_splits_total"), 0)
        self.assertLess(agent.metrics().sum("strata_lane_payload_limit_bytes"), LIMIT)
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        messages, found = self.found("large")
        self.assertEqual(found.samples, account["delivered"])
        self.assertLess(max(len(m.data) for m in messages), LIMIT)

    def test_small_messages_are_not_cut_for_the_company_they_keep(self):
        targets = self.targets(1, 2000)
        agent = self.agent(harness.config(targets.targets, outputs=[
            {"name": "main", "json": {"mode": "single"}, "sink": "queue"}], sinks=[
            sink(self.broker, "single", compression="none", max_message="1000KiB", linger="100ms",
                 in_flight=1024)]))
        self.wait_for(lambda: targets.stats()["served"][0] >= 2, 30)
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        messages = self.broker.read("single")
        self.assertEqual(len(messages), account["delivered"])


class Restart(Case):
    """The last of all: it leaves a broker that makes no topics."""

    def test_a_broker_that_is_away_and_one_that_dies_cost_nothing(self):
        targets = self.targets(5, 300)
        self.broker.kill()
        agent = self.agent(harness.config(
            targets.targets, agent={"grace": "30s"}, source={"interval": "2s"},
            sinks=[sink(self.broker, "deaths", timeout="60s")]))
        self.wait_for(lambda: "Connection refused" in str(agent.status()), 20, "/status says why")
        self.assertEqual(agent.metrics().sum("strata_lane_connected"), 0)
        self.broker.start({"message.max.bytes": LIMIT})
        self.wait_for(lambda: books.delivered(agent.metrics()) > 3000, 30, "delivery")
        self.broker.kill()
        served = min(targets.stats()["served"])
        self.wait_for(lambda: min(targets.stats()["served"]) > served, 20)
        self.assertEqual(books.lost(agent.metrics()), {})
        self.broker.start({"message.max.bytes": LIMIT, "auto.create.topics.enable": "false"})
        before = books.delivered(agent.metrics())
        self.wait_for(lambda: books.delivered(agent.metrics()) > before + 3000, 30, "delivery again")
        self.balanced(agent)
        account = self.stop(agent, timeout=40)
        self.assertEqual(account["lost"], 0)
        _, found = self.found("deaths")
        found.check(self, targets.stats(), account["delivered"])
        self.missing_topic()

    def missing_topic(self):
        self.fails(sink(self.broker, "nowhere", timeout="4s"), "topic nowhere",
                   "auto.create.topics.enable", name="nowhere")
        self.assertNotIn("nowhere", self.broker.topics())


if __name__ == "__main__":
    harness.main(needs=["java", "kcat", "openssl"], missing=kafka.missing())
