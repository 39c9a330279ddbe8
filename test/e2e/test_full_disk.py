# SPDX-License-Identifier: Apache-2.0
"""test_full_disk.py - a file that may not grow: what is lost is counted, and delivery goes on when it may again."""
import os, resource

import books
import harness

LIMIT = 256 << 10
FREE = resource.RLIM_INFINITY


class FullDisk(harness.Case):
    def test_what_does_not_fit_is_counted_and_delivery_goes_on(self):
        path = os.path.join(self.folder, "samples")
        targets = self.targets(5, 200)
        agent = self.agent(harness.config(
            targets.targets, source={"interval": "2s"},
            outputs=[{"name": "main", "json": {}, "sink": "queue", "max_message": "16KiB"}],
            sinks=[{"name": "queue", "file": {"path": path}, "buffer": "64KiB"}]),
            limits=[(resource.RLIMIT_FSIZE, LIMIT, FREE)])
        # A round is larger than the buffer: losses alone do not say that the file is full.
        self.wait_for(lambda: (m := agent.metrics()).sum("strata_lane_failing") == 1 and
                      books.lost(m).get("buffer_full", 0) > 500, 30, "losses are counted")
        metrics = self.balanced(agent)
        self.assertEqual(set(books.lost(metrics)), {"buffer_full"})
        self.assertLessEqual(os.path.getsize(path), LIMIT)
        # Whole payloads only, and no more is said to be delivered than is there.
        with open(path) as f:
            self.assertEqual(len(harness.check_messages(self, f.read())), books.delivered(metrics))
        self.assertEqual(metrics.sum("strata_lane_failing"), 1)
        self.assertIn(path, str(agent.status()))
        self.wait_for(lambda: (s := targets.stats()["served"]) and min(s) >= 4, 30,
                      "scraping goes on")
        delivered = books.delivered(metrics)
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (FREE, FREE))
        self.wait_for(lambda: books.delivered(agent.metrics()) >= delivered + 2000, 30,
                      "delivery goes on")
        metrics = self.balanced(agent)
        self.assertEqual(metrics.sum("strata_lane_failing"), 0)
        self.assertEqual(set(books.lost(metrics)), {"buffer_full"})
        account = self.stop(agent)
        with open(path) as f:
            records = harness.check_messages(self, f.read())
        self.assertEqual(len(records), account["delivered"])
        self.assertGreater(account["lost"], 500)
        stats = targets.stats()
        self.assertEqual(account["delivered"] + account["lost"],
                         stats["samples"] + 6 * sum(stats["served"]))


if __name__ == "__main__":
    harness.main()
