# SPDX-License-Identifier: Apache-2.0
"""test_toxic_http_once.py - an HTTP server behind connections that go wrong."""
import harness
import nginx
import toxic
from trouble import Trouble


class Http(Trouble):
    def ports(self, names):
        self.server = self.keep(nginx.Server(self.folder))
        return {name: self.server.port for name in names}

    def begin(self, addresses):
        pass

    def sink(self, name, address):
        return {"http": {"url": f"http://{address}/to/{name}", "method": "PUT", "timeout": "2s",
                         "connect_timeout": "2s"}}

    def messages(self, name):
        return self.server.read(name)

    def test_each_fault_costs_its_own_output_a_while_and_nothing_else(self):
        self.suffer()


if __name__ == "__main__":
    harness.main(needs=["nginx"], missing=toxic.missing())
