# SPDX-License-Identifier: Apache-2.0
"""test_toxic_kafka_once.py - a Kafka broker behind connections that go wrong."""
import harness
import kafka
import toxic
from trouble import Trouble


class Kafka(Trouble):
    def ports(self, names):
        self.listeners = dict(zip(names, kafka.free_ports(len(names))))
        return self.listeners

    def begin(self, addresses):
        self.broker = self.keep(kafka.Broker(self.folder, through=[
            (self.listeners[name], address) for name, address in addresses.items()]))

    def sink(self, name, address):
        return {"kafka": {"brokers": [address], "topic": name, "timeout": "4s", "compression": "none",
                          "connect_timeout": "2s", "reconnect_max": "1s"}}

    def messages(self, name):
        return self.broker.read(name)

    def test_each_fault_costs_its_own_output_a_while_and_nothing_else(self):
        self.suffer()


if __name__ == "__main__":
    harness.main(needs=["java", "kcat", "openssl"], missing=[*toxic.missing(), *kafka.missing()])
