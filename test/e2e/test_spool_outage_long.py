# SPDX-License-Identifier: Apache-2.0
"""test_spool_outage_long.py - ten minutes without a queue; STRATA_OUTAGE_MINUTES: another time."""
import os

os.environ.setdefault("STRATA_OUTAGE_MINUTES", "10")

import harness
import long_doc
import test_spool_outage_once

ABOUT = """A hundred targets with 1,000 samples each are scraped every five seconds into a real JetStream, with a
spool of 1 GiB. nats-server is killed, and started again after the outage. All the time an operator looks into the
spool with `sqlite3`, once a second, and stays in a transaction every other half minute. All that was served must
be in the stream, once to a reader that honours ids, each target's pages in order; the books balance; no scrape is
dropped or late by more than a second; resident memory does not grow by more than 4 MiB in the last four fifths of
the outage, and by no more than `buffer` (32 MiB) while the agent catches up; and it does so at least five times as
fast as real time, from the moment at which the server is back, while it scrapes on."""


class Long(test_spool_outage_once.Outage):
    def test_all_is_delivered_afterwards_in_order_and_soon(self):
        long_doc.write("Outage", ABOUT, self.outage(), "RELIABILITY.md", long_doc.RELIABILITY)


if __name__ == "__main__":
    harness.main(needs=["nats-server", "sqlite3"])
