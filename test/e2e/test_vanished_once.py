# SPDX-License-Identifier: Apache-2.0
"""test_vanished_once.py - peers that vanish without a word: no FIN, no RST, no answer; only time tells.

In a network of this test's own, whose route to them is taken away and given back."""
import books
import harness
import nats
import netns
from outage import Outage
from soak_world import Receiver

PEER = "10.244.1.2"


class Vanished(Outage):
    def cut(self):
        netns.ip([f"route add blackhole {PEER}/32 table local"])
        self.addCleanup(self.heal)
        self.is_cut = True

    def heal(self):
        if self.is_cut:
            netns.ip([f"route del blackhole {PEER}/32 table local"])
        self.is_cut = False

    def test_a_queue_that_is_back_on_the_same_connection_or_on_a_new_one(self):
        server = self.keep(nats.Server(self.folder, host=PEER))
        self.client(server).make_stream("METRICS", ["metrics.>"])
        self.begin(server)
        for dies in (False, True):
            before = books.delivered(self.agent_.metrics(), output="main")
            self.wait_for(lambda: books.delivered(self.agent_.metrics(), output="main") > before,
                          20, "delivery")
            self.cut()
            if dies:
                server.kill()   # it cannot tell the agent
            self.nobody_else_notices()
            self.out("")
            self.heal()
            if dies:
                server.start()
        self.finish(server)

    def test_a_receiver_and_a_target(self):
        receiver = self.keep(Receiver(PEER))
        pages = self.pages({"/metrics": "up_total 1\n"}, host=PEER)
        targets = self.targets(3, 50)
        agent = self.agent(harness.config(
            [*targets.targets, pages.url()], source={"interval": "1s", "timeout": "1s"},
            sinks=[{"name": "queue", "buffer": "64MiB",
                    "http": {"url": receiver.url, "timeout": "2s"}}]))
        self.wait_for(lambda: receiver.found.samples > 300 and pages.requests, 20, "delivery")
        self.cut()
        served = targets.stats()["served"]
        self.wait_for(lambda: sum(books.failed(agent.metrics()).values()) >= 3 and
                      all(now >= then + 4 for now, then in zip(targets.stats()["served"], served)),
                      20, "one target fails, the others do not")
        self.wait_for(lambda: agent.metrics().sum("strata_lane_failing"), what="the lane says so")
        self.heal()
        before, asked = receiver.found.samples, len(pages.requests)
        self.wait_for(lambda: receiver.found.samples > before + 500 and
                      len(pages.requests) > asked + 1, 30, "all goes on")
        metrics = self.balanced(agent, 20)
        self.assertLessEqual(set(books.failed(metrics)), {"timeout", "connect", "broken"})
        account = self.stop(agent)
        self.assertEqual((account["lost"], receiver.found.samples), (0, account["delivered"]))
        receiver.found.check_sequences(self, targets.stats()["served"])


if __name__ == "__main__":
    why = netns.enter()
    harness.main(needs=["nats-server"], missing=[why] if why else [])
