# SPDX-License-Identifier: Apache-2.0
"""test_spool_kill_long.py - a thousand times kill -9 of an agent whose messages are on disk first.

STRATA_KILLS: another number of times."""
import os

os.environ.setdefault("STRATA_KILLS", "1000")

import harness
import long_doc
import test_spool_kill

ABOUT = f"""Ten targets are scraped five times a second into a real JetStream, through a spool in the mode `always`, and
the agent is killed with `kill -9` at a random moment of its first two seconds; the next one begins with what it
finds. nats-server is up, is away, is just coming back, or hangs, in turns; it hangs on a way that is soon full of pages
of {test_spool_kill.LARGE:,} samples, so that what is written to it waits. After each kill the file is copied as it is
and SQLite checks the copy. Each page that the agent had read must be in the stream, once and in order, but for those
that were not committed yet: the target says when the agent had read each page, so of each that is missing it is known
how long before the kill that was. A page that was served and not read is one of a scrape that ran when the agent was
killed, or that failed, and says so, because the machine had no processor for it until its time was up. Commits are
{1000 * test_spool_kill.COMMIT:.0f} ms apart, and {1000 * test_spool_kill.WORK:.0f} ms are for the way into the file and the commit itself on a
machine that has other things to do: the test fails when a page is missing that is older. What the disk takes beyond
that does not count: a file beside the spool is written and synced all the time, and says when others had to wait for
it."""


class Kill(test_spool_kill.Kill):
    def test_at_most_what_was_not_committed_yet_is_missing(self):
        long_doc.write("Killed", ABOUT, self.kill(), "RELIABILITY.md", long_doc.RELIABILITY)


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
