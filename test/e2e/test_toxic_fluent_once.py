# SPDX-License-Identifier: Apache-2.0
"""test_toxic_fluent_once.py - a server of the Forward protocol behind connections that go wrong."""
import forward
import harness
import toxic
from trouble import Trouble


class Fluent(Trouble):
    heard = 300

    def ports(self, names):
        self.server = self.keep(forward.Server(self.folder))
        return {name: self.server.port for name in names}

    def begin(self, addresses):
        pass

    def output(self, name):
        return {"fluent": {"mode": "packed", "tag": name}}

    def sink(self, name, address):
        return {"fluent": {"servers": ["tcp://" + address], "timeout": "2s",
                           "connect_timeout": "2s"}}

    def messages(self, name):
        return [forward.as_json(m) for m in self.server.messages() if m["tag"] == name]

    def test_each_fault_costs_its_own_output_a_while_and_nothing_else(self):
        self.suffer()


if __name__ == "__main__":
    harness.main(needs=["node"], missing=[*toxic.missing(), *forward.missing()])
