# SPDX-License-Identifier: Apache-2.0
"""test_dev.py - what a newcomer starts: scripts/quickstart.sh."""
import os, signal

import harness
from process import Process

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUICKSTART = os.path.join(ROOT, "scripts", "quickstart.sh")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(child) for child in f.read().split()]


class Quickstart(harness.Case):
    def quickstart(self, *args):
        return self.keep(Process([QUICKSTART, *args], self.folder, "quickstart"))

    def samples(self, p):
        """The objects on the terminal, once the page of a node exporter is among them."""
        def lines():
            out = p.out()
            return "node_cpu_seconds_total" in out and out
        text = self.wait_for(lines, 20, "samples of the node exporter\n")
        return harness.check_messages(self, text[:text.rindex("\n") + 1])

    def stopped(self, p, number):
        """All that runs ends, and the agent has told its account."""
        started = children(p.pid)
        self.assertGreaterEqual(len(started), 2)
        p.send_signal(number)
        self.assertEqual(p.wait(30), 0, p.err()[-4000:])
        for pid in started:
            self.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), what=f"{pid} has ended")
        account = harness.books.account(p.err())
        self.assertGreater(account["delivered"], 0)
        self.assertEqual((account["lost"], account["unaccounted"]), (0, 0))

    def test_samples_to_the_terminal(self):
        p = self.quickstart()
        names = {o["name"] for o in self.samples(p)}
        self.assertIn("node_cpu_seconds_total", names)
        self.stopped(p, signal.SIGINT)

    def test_samples_through_a_nats_server(self):
        p = self.quickstart("--nats")
        self.samples(p)
        self.assertRegex(p.err(), r"(?m)^# metrics\.node .*Strata-Id: [0-9a-f]{32}")
        self.stopped(p, signal.SIGTERM)

    def test_wrong_usage_is_2(self):
        p = self.quickstart("--kafka")
        self.assertEqual(p.wait(), 2)


if __name__ == "__main__":
    harness.main(needs=["prometheus-node-exporter", "nats-server"])
