# SPDX-License-Identifier: Apache-2.0
"""test_toxic_nats_once.py - JetStream behind connections that go wrong in every way."""
import harness
import toxic
from trouble import Trouble


class Nats(Trouble):
    def ports(self, names):
        self.server = self.nats()
        self.client(self.server).make_stream("METRICS", ["metrics.>"])
        return {name: self.server.port for name in names}

    def begin(self, addresses):
        pass

    def sink(self, name, address):
        return {"nats": {"servers": ["nats://" + address], "subject": f"metrics.{name}",
                         "jetstream": {"stream": "METRICS"}, "timeout": "2s",
                         "connect_timeout": "2s", "reconnect_max": "1s", "ping": "3s"}}

    def messages(self, name):
        for m in self.client(self.server).read_stream("METRICS"):
            if m.subject == f"metrics.{name}":
                yield m

    def test_each_fault_costs_its_own_output_a_while_and_nothing_else(self):
        self.suffer()


if __name__ == "__main__":
    harness.main(needs=["nats-server"], missing=toxic.missing())
