# SPDX-License-Identifier: Apache-2.0
"""test_soak_once.py - a minute of what soak.py does for hours."""
import os

import harness
from soak import Soak


class Short(harness.Case):
    SECONDS, ROUNDS = 45, 2

    def soak(self):
        seed = int.from_bytes(os.urandom(3), "big")
        print(f"seed {seed}", flush=True)
        report = Soak(self.folder, seed, lambda text: print(text, flush=True)).run(
            self.SECONDS, self.ROUNDS)
        self.assertEqual(report.off, [])
        return report

    def test_nothing_is_lost_and_nothing_grows(self):
        self.soak()


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
