# SPDX-License-Identifier: Apache-2.0
"""test_consumers_nats_once.py - the JetStream readers of docs/CONSUMERS.md, killed in their work."""
import os

import books
import consumers
import harness

READERS = {    # what runs it, and what is in its database
    "c": ([consumers.C_READER], consumers.Database.bodies),
    "python": ([*consumers.PYTHON, consumers.path("jetstream_reader.py")],
               consumers.Database.samples)}


class JetStream(harness.Case):
    def start(self, kind, server, durable, number):
        args, _ = READERS[kind]
        return consumers.run(self, f"{kind}-{number}", [
            *args, server.url, "METRICS", "metrics.>", durable,
            os.path.join(self.folder, f"{kind}.db")])

    def databases(self):
        found = {}
        for kind in READERS:
            found[kind] = consumers.Database(os.path.join(self.folder, f"{kind}.db"))
            self.addCleanup(found[kind].close)
        return found

    def consumer(self, server, name):
        client = self.client(server)    # of its own: it does not outlive a death of the server
        try:
            return client.api(f"CONSUMER.INFO.METRICS.{name}")
        except LookupError:
            return None
        finally:
            client.close()

    def has_read_all(self, server, name):
        info = self.consumer(server, name)
        return info and info["num_pending"] == info["num_ack_pending"] == 0

    def test_readers_that_are_killed_keep_each_sample_once(self):
        server = self.nats()
        pages = consumers.Pages(self)
        agent = consumers.start_agent(self, "jetstream.yaml", pages, NATS_URL=server.url)
        client = self.client(server)
        self.wait_for(lambda: self.stored(client) > 2, what="the agent has made the stream")
        databases = self.databases()
        readers = {kind: self.start(kind, server, kind, 1) for kind in READERS}
        for kind, database in databases.items():
            self.wait_for(lambda: database.count() > 2, what=f"{kind} reads")
            database.lock()
            self.wait_for(lambda: self.consumer(server, kind)["num_ack_pending"] > 0,
                          what=f"{kind} has what is not stored")
            readers[kind].dies()
            database.unlock()
            count = database.count()
            self.start(kind, server, kind, 2)
            self.wait_for(lambda: database.count() > count, what=f"{kind} reads again")
        server.kill()
        pages.more()
        server.start()
        pages.more()
        pages.close()
        self.wait_for(lambda: books.in_memory(agent.metrics()) == 0, 20, "all is delivered")
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        self.check(server, databases, pages, "")
        for kind in READERS:    # whatever comes, comes again
            self.start(kind, server, kind + "-again", 3)
        self.check(server, databases, pages, "-again")

    def check(self, server, databases, pages, behind):
        for kind, database in databases.items():
            self.wait_for(lambda: self.has_read_all(server, kind + behind), 30,
                          f"{kind} has read all")
            consumers.compare(self, READERS[kind][1](database), pages.want)

    def stored(self, client):
        try:
            return client.stream("METRICS")["state"]["messages"]
        except LookupError:
            return 0

    def test_a_reader_that_is_asked_to_stop_ends_well(self):
        server = self.nats()
        self.client(server).make_stream("METRICS", ["metrics.>"])
        for kind in READERS:
            reader = self.start(kind, server, kind, 1)
            self.wait_for(lambda: self.consumer(server, kind), what=f"{kind} is there")
            reader.end(15)
            self.assertEqual((reader.popen.returncode, reader.err()), (0, ""))


if __name__ == "__main__":
    harness.main(needs=["nats-server"], missing=consumers.missing())
