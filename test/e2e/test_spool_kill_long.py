# SPDX-License-Identifier: Apache-2.0
"""test_spool_kill_long.py - a thousand times kill -9 of an agent whose messages are on disk first."""
import os

os.environ.setdefault("STRATA_KILLS", "1000")

import harness
import test_spool


class Kill(test_spool.Kill):
    """STRATA_KILLS: how often."""


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
