# SPDX-License-Identifier: Apache-2.0
"""test_soak_long.py - an hour of soak.py; STRATA_SOAK_MINUTES: another time."""
import os

import harness
import long_doc
import test_soak_once

ABOUT = """Targets and their series come and go, nearly a third of the scrapes meets a fault now and then,
nats-server with JetStream dies and freezes, an HTTP receiver refuses, hangs, or stores without saying so,
the agent itself is frozen, and reloads make pools, outputs and sinks more, fewer and others: all at random,
from a seed. Every few minutes all is well for a moment, and what the agent takes of the machine is looked
at. Nothing may be lost, nothing may come twice to a reader that honours ids, the books balance to the
sample, threads and descriptors come back to what they were, and resident memory at rest has no slope: of
the rests behind the first quarter, the line through them rises by no more than 2 MiB or 5 %, whichever is
more. `./dev soak [MINUTES [SEED]]` does the same by hand."""


class Long(test_soak_once.Short):
    MINUTES = float(os.environ.get("STRATA_SOAK_MINUTES", "60"))
    SECONDS, ROUNDS = MINUTES * 60, max(8, round(MINUTES / 2))

    def test_nothing_is_lost_and_nothing_grows(self):
        long_doc.write("Soak", ABOUT, self.soak().figures, "RELIABILITY.md", long_doc.RELIABILITY)


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
