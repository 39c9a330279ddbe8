#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an agent costs that has little to do: memory, wake-ups, the first sample, the program's size.

The bounds are the goals of docs/BENCHMARKS.md; that of wake-ups of an agent without targets is tighter.
"""
import os, re, subprocess, time

import harness

MIB = 1 << 20
IDLE_MIB, IDLE_ANONYMOUS_MIB, BINARY_MIB = 12, 4, 1.5
IDLE_WAKES, TARGETS_WAKES = 4, 20    # a second
FIRST_SAMPLE_S = 1


def memory(agent, kind):
    with open(f"/proc/{agent.pid}/status") as f:
        return int(re.search(rf"^{kind}:\s+(\d+) kB", f.read(), re.M)[1]) * 1024 / MIB


def wakes(agent):
    """How often each thread has slept so far."""
    counts = {}
    for task in os.listdir(f"/proc/{agent.pid}/task"):
        with open(f"/proc/{agent.pid}/task/{task}/status") as f:
            text = f.read()
        name = re.search(r"^Name:\s+(.*)", text, re.M)[1]
        counts[f"{name} {task}"] = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])
    return counts


def wakes_a_second(agent, window):
    """In all, and of each thread."""
    before = wakes(agent)
    time.sleep(window)
    rates = {k: (n - before.get(k, 0)) / window for k, n in wakes(agent).items()}
    return sum(rates.values()), rates


def is_connected(agent):
    return agent.metrics().sum("strata_lane_connected") == 1


class Idle(harness.Case):
    def config(self, server, targets, interval="1s", first="now"):
        return harness.config(targets, source={"interval": interval}, agent={"first_scrape": first},
                              sinks=[harness.nats_sink(server.url)])

    def check_idle(self, agent):
        self.assertLessEqual(memory(agent, "VmRSS"), IDLE_MIB)
        self.assertLessEqual(memory(agent, "RssAnon"), IDLE_ANONYMOUS_MIB)
        rate, each = wakes_a_second(agent, 5)
        self.assertLessEqual(rate, IDLE_WAKES, each)

    def test_without_targets_and_before_anything_was_sent(self):
        agent = self.agent(self.config(self.nats(), []))
        self.wait_for(lambda: agent.get("/readyz")[0] == 200)
        self.check_idle(agent)
        self.stop(agent)

    def test_without_targets_and_connected(self):
        server, targets = self.nats(), self.targets(1)
        agent = self.agent(self.config(server, targets.targets))
        self.wait_for(lambda: is_connected(agent))
        agent.reload(self.config(server, []))
        self.wait_for(lambda: not agent.targets())
        self.check_idle(agent)
        self.assertTrue(is_connected(agent))
        self.stop(agent)

    def test_forty_targets(self):
        server, targets = self.nats(), self.targets(40)
        agent = self.agent(self.config(server, targets.targets, interval="15s", first="spread"))
        self.wait_for(lambda: is_connected(agent), timeout=30)
        rate, each = wakes_a_second(agent, 30)
        self.assertLessEqual(rate, TARGETS_WAKES, each)
        self.stop(agent)

    def first_sample_s(self, server, targets):
        """From the start of the process to the first message at a reader."""
        client = self.client(server)
        everything = client.subscribe("metrics.>")
        client.flush()
        begun = time.monotonic()
        agent = self.agent(self.config(server, targets.targets, interval="10s"))
        self.assertIsNotNone(client.next(everything))
        took = time.monotonic() - begun
        self.stop(agent)
        client.close()
        return took

    def test_the_first_sample_of_a_thousand_targets(self):
        server, targets = self.nats(), self.targets(1000)
        took = [self.first_sample_s(server, targets) for _ in range(3)]
        self.assertLessEqual(min(took), FIRST_SAMPLE_S, took)    # a busy machine has quiet moments

    def test_the_program(self):
        stripped = os.path.join(self.folder, "stripped")
        subprocess.run(["strip", "-o", stripped, harness.AGENT], check=True)
        self.assertLessEqual(os.path.getsize(stripped) / MIB, BINARY_MIB)


if __name__ == "__main__":
    harness.main(needs=["nats-server", "strip"])
