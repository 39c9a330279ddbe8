# SPDX-License-Identifier: Apache-2.0
"""kafka_case.py - what the tests with a real Kafka broker share."""
import functools, re, unittest

import books
import harness
import kafka
from chaos import Found

LIMIT = 60000    # message.max.bytes of the broker


def sink(broker, topic, listener="PLAINTEXT", **more):
    more.setdefault("max_message", LIMIT)
    return {"name": "queue", "buffer": "256MiB",
            "kafka": {"brokers": [broker.address(listener)], "topic": topic,
                      "protocol": kafka.PROTOCOLS[listener].lower(), **more}}


class Case(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.broker = Case.one_broker()

    @staticmethod
    @functools.cache
    def one_broker():
        folder = unittest.enterModuleContext(harness.temporary_folder())
        broker = kafka.Broker(folder, {"message.max.bytes": LIMIT})
        unittest.addModuleCleanup(broker.end)
        return broker

    def found(self, topic):
        """With no id twice and the number of samples that the headers say."""
        messages = self.broker.read(topic)
        found = Found(messages)
        self.assertEqual(found.twice, [], "ids that came twice")
        self.assertEqual(found.lines, found.samples, "lines against Strata-Samples")
        return messages, found

    def delivers(self, config, samples=1, **kwargs):
        agent = self.agent(harness.config([self.targets().url(0)], sinks=[config]), **kwargs)
        self.wait_for(lambda: books.delivered(agent.metrics()) >= samples, 20, "delivery\n")
        return agent

    def fails(self, config, *words, **kwargs):
        """The agent says each of the words on /status, and delivers nothing."""
        agent = self.agent(harness.config([self.targets().url(0)], sinks=[config],
                                          agent={"grace": "1s"}), **kwargs)
        self.wait_for(lambda: all(re.search(w, str(agent.status()), re.I) for w in words), 20,
                      f"/status says {words}")
        self.assertEqual(books.delivered(agent.metrics()), 0)
        self.assertGreater(agent.metrics().sum("strata_lane_failing"), 0)
        account = self.stop(agent)
        self.assertGreater(account["lost"], 0)
        return agent
