# SPDX-License-Identifier: Apache-2.0
"""test_outages_once.py - a queue that is not there, elsewhere, closed or full: it costs its own output a while,
and neither another output nor a scrape anything."""
import json, os, resource, signal, socket

import books
import harness
from chaos import Found
from outage import Outage
from process import SLOW

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

    def test_no_descriptor_is_left(self):
        server = self.nats()
        self.client(server).make_stream("METRICS", ["metrics.>"])
        self.begin(server)
        agent, hard = self.agent_, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.wait_for(lambda: books.delivered(agent.metrics(), output="main") > 0 and
                      min(self.targets_.stats()["served"]) >= 2, what="all connections")
        before, cpu = self.targets_.stats()["served"], cpu_seconds(agent)
        # What is open stays so; its own pages cannot be asked any more.
        most = 1 + max(int(fd) for fd in os.listdir(f"/proc/{agent.pid}/fd"))
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (most, hard))
        server.kill()
        server.start()
        more = json.loads(harness.text_of(self.conf))
        more["pools"].append({"name": "more", "outputs": [more["pools"][0]["outputs"][0]]})
        agent.write(more)
        agent.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "reload refused" in agent.err(), 15, "a pool cannot be made")
        with socket.create_connection(tuple(agent.url.removeprefix("http://").split(":"))):
            # Somebody waits to be let in meanwhile: no reason to run in circles.
            self.wait_for(lambda: all(now >= then + 3 for now, then in
                                      zip(self.targets_.stats()["served"], before)), 15, "scrapes")
        self.assertLess(cpu_seconds(agent) - cpu, 2 * SLOW)
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (hard, hard))
        self.assertGreaterEqual(books.reloads_failed(agent.metrics()), 1)
        self.assertIn("descriptor", agent.err())
        agent.reload(self.conf)
        self.finish(server)


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as f:
        fields = f.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
