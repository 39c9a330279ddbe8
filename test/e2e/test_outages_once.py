# SPDX-License-Identifier: Apache-2.0
"""test_outages_once.py - a queue that is not there, elsewhere, closed or full: it costs its own output a while,
and neither another output nor a scrape anything."""
import os

import books
import harness
from chaos import Found
from outage import Outage

LOGIN = ["authorization {", "  user: agent", "  password: %s", "}"]


class Outages(Outage):
    def test_dead_at_the_start(self):
        server = self.nats()
        self.client(server).make_stream("METRICS", ["metrics.>"])
        server.kill()
        self.begin(server)
        self.nobody_else_notices()
        self.out("onnect")
        server.start()
        self.finish(server)

    def test_it_comes_back_at_another_address_of_the_list(self):
        server = self.nats()
        self.client(server).make_stream("METRICS", ["metrics.>"])
        other = self.nats(jetstream=False)
        other.kill()
        self.begin(server, servers=[server.url, other.url])
        self.wait_for(lambda: books.delivered(self.agent_.metrics(), output="main") > 0,
                      what="delivery")
        server.kill()
        self.nobody_else_notices()
        server.port = other.port
        server.start()
        self.finish(server)

    def test_it_refuses_our_credentials_for_a_while(self):
        right = [line.replace("%s", "secret") for line in LOGIN]
        server = self.nats(lines=right)
        user = {"user": "agent", "password": "secret"}
        self.client(server, **user).make_stream("METRICS", ["metrics.>"])
        self.begin(server, **user)
        self.wait_for(lambda: books.delivered(self.agent_.metrics(), output="main") > 0,
                      what="delivery")
        server.kill()
        server.lines = [line.replace("%s", "another") for line in LOGIN]
        server.start()
        self.nobody_else_notices()
        self.out("uthoriz")
        server.kill()
        server.lines = right
        server.start()
        self.finish(server, **user)

    def test_its_disk_is_full_until_somebody_makes_room(self):
        store = os.path.join(self.folder, "small")
        server = self.nats(jetstream=False, lines=[
            f'jetstream {{ store_dir: "{store}", max_file_store: 300KB }}'])
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        self.begin(server)
        self.out("resource")
        self.nobody_else_notices()
        kept = list(client.read_stream("METRICS"))
        client.api("STREAM.PURGE.METRICS")
        server.kill()
        server.lines = [line.replace("300KB", "1GB") for line in server.lines]
        server.start()
        self.finish(server, kept)


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
