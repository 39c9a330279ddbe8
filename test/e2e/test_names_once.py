# SPDX-License-Identifier: Apache-2.0
"""test_names_once.py - names that do not resolve, then do, then lead elsewhere; a queue on a disk that is full.

In namespaces of this test's own (netns.py, mounts.py)."""
import os, tempfile

import books
import harness
import mounts
import netns
from outage import Outage
from soak_world import Receiver


class Names(Outage):
    def setUp(self):
        super().setUp()
        mounts.hosts({})

    def receiver(self, *args):
        return self.keep(Receiver(*args))

    def test_a_queue_whose_name_nobody_knows_yet(self):
        server = self.nats()
        self.client(server).make_stream("METRICS", ["metrics.>"])
        self.begin(server, servers=[f"nats://broker.test:{server.port}"])
        self.nobody_else_notices()
        self.out("")
        mounts.hosts({"broker.test": "127.0.0.1"})
        self.finish(server)

    def test_a_receiver_and_a_target_whose_names_nobody_knows_yet(self):
        receiver, pages = self.receiver(), self.pages({"/metrics": "up_total 1\n"})
        targets = self.targets(2, 50)
        named = f"http://pages.test:{pages.port}/metrics"
        agent = self.agent(harness.config(
            [*targets.targets, named], source={"interval": "1s"},
            sinks=[{"name": "queue", "http": {"url": f"http://receiver.test:{receiver.port}/in"}}]))
        self.wait_for(lambda: sum(books.failed(agent.metrics()).values()) >= 3 and
                      min(targets.stats()["served"]) >= 3, 20, "one target fails, the others do not")
        self.assertEqual(set(books.failed(agent.metrics())), {"connect"})
        self.assertEqual(books.delivered(agent.metrics()), 0)
        self.assertIn("receiver.test", str(agent.status()["lanes"]))
        mounts.hosts({"receiver.test": "127.0.0.1", "pages.test": "127.0.0.1"})
        self.wait_for(lambda: len(pages.requests) >= 2, 20, "the target is scraped")
        self.wait_for(lambda: books.delivered(agent.metrics()) > 300, 20, "delivery")
        self.balanced(agent, 20)
        account = self.stop(agent)
        self.assertEqual((account["lost"], receiver.found.samples), (0, account["delivered"]))
        receiver.found.check_sequences(self, targets.stats()["served"])

    def test_a_receiver_and_a_target_that_move_under_their_names(self):
        first, pages = self.receiver("127.0.0.2"), self.pages({"/metrics": "up_total 1\n"},
                                                              host="127.0.0.2")
        mounts.hosts({"receiver.test": "127.0.0.2", "pages.test": "127.0.0.2"})
        targets = self.targets(2, 50)
        agent = self.agent(harness.config(
            [*targets.targets, f"http://pages.test:{pages.port}/metrics"],
            source={"interval": "1s"},
            sinks=[{"name": "queue", "http": {"url": f"http://receiver.test:{first.port}/in",
                                              "timeout": "2s"}}]))
        self.wait_for(lambda: first.found.samples > 300 and pages.requests, 20, "delivery")
        # Their connections go with them.
        first.mode = "hangs up"
        pages.pages["/metrics"] = lambda request: (200, {"Connection": "close"}, "up_total 2\n")
        asked = len(pages.requests)
        self.wait_for(lambda: len(pages.requests) > asked, what="that is the last answer")
        pages.end()
        first.end()
        second = self.receiver("127.0.0.3", first.port)
        moved = self.pages({"/metrics": "up_total 3\n"}, host="127.0.0.3", port=pages.port)
        mounts.hosts({"receiver.test": "127.0.0.3", "pages.test": "127.0.0.3"})
        self.wait_for(lambda: second.found.samples > 300 and moved.requests, 20,
                      "both are found where they are now")
        metrics = self.balanced(agent, 20)
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        self.assertEqual(first.found.samples + second.found.samples, account["delivered"])
        self.assertEqual(first.found.ids.keys() & second.found.ids.keys(), set())
        self.assertEqual(set(books.failed(metrics)) - {"connect"}, set())

    def test_a_queue_whose_disk_is_full(self):
        store = os.path.join(self.folder, "disk")
        mounts.small_disk(store, "3m")
        lines = [f'jetstream {{ store_dir: "{store}", max_file_store: 1GB }}']
        server = self.nats(jetstream=False, lines=lines)
        self.client(server).make_stream("METRICS", ["metrics.>"])
        self.begin(server, targets=8, samples=500)
        self.out("")
        self.nobody_else_notices()
        server.kill()
        mounts.grow_disk(store, "200m")
        server.start()
        self.finish(server)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        why = netns.enter() or mounts.enter(folder)
        harness.main(needs=["nats-server"], missing=[why] if why else [])
