# SPDX-License-Identifier: Apache-2.0
"""test_asleep.py - an agent that stood still scrapes on without a burst, and counts what it has missed."""
import collections, datetime, time

import books
import harness
from process import SLOW

TARGETS, INTERVAL, ASLEEP = 6, 0.4 * SLOW, 12 * SLOW    # thirty times missed


class Asleep(harness.Case):
    def test_no_burst_and_no_hole_that_is_not_counted(self):
        server = self.targets(TARGETS, 10)
        agent = self.agent(harness.config(server.targets, source={
            "interval": f"{INTERVAL * 1000:.0f}ms", "timeout": f"{INTERVAL * 1000:.0f}ms"}))
        self.wait_for(lambda: min(server.stats()["served"]) >= 3, what="scrapes")
        started, before = time.monotonic(), self.balanced(agent)
        agent.freeze()
        time.sleep(ASLEEP)      # that is what is tested
        served = server.stats()["served"]
        agent.thaw()
        woke = time.time()
        self.wait_for(lambda: min(now - then for now, then in
                                  zip(server.stats()["served"], served)) >= 5, what="scrapes")
        after, lasted = self.balanced(agent), time.monotonic() - started
        due = after.sum("strata_jobs_due_total") - before.sum("strata_jobs_due_total")
        self.assertAlmostEqual(due, TARGETS * lasted / INTERVAL, delta=TARGETS * 3)
        late = sum(books.dropped(after).values()) - sum(books.dropped(before).values())
        self.assertGreaterEqual(late, TARGETS * (ASLEEP / INTERVAL - 3))
        self.assertLessEqual(set(books.dropped(after)), {"late", "busy"})
        self.assertLessEqual(set(books.failed(after)), {"timeout"})
        self.stop(agent)
        self.check_times(agent.out(), woke)

    def check_times(self, text, woke):
        """After it woke each target is scraped once for what it has missed, and then when it is due."""
        times = collections.defaultdict(list)
        for o in harness.check_messages(self, "".join(
                line + "\n" for line in text.splitlines() if '"bench_page_sequence_total"' in line)):
            at = datetime.datetime.fromisoformat(o["timestamp"].replace("Z", "+00:00")).timestamp()
            if at >= woke - 0.001:
                times[o["tags"]["target"]].append(at)
        self.assertEqual(len(times), TARGETS)
        for target, at in times.items():
            for first, third in zip(at, at[2:]):
                self.assertGreaterEqual(third - first, INTERVAL * 0.7, f"target {target}: {at}")


if __name__ == "__main__":
    harness.main()
