# SPDX-License-Identifier: Apache-2.0
"""test_reload_long.py - two thousand reloads under load, one after the other."""
import harness
import long_doc
import test_reload

ABOUT = """The agent takes over one configuration after the other, each as soon as the last is in force: one
to three pools, more and fewer workers, pools, outputs and sinks under other names, while 40 targets are
scraped into a real JetStream. Each page that was served must be in the stream, once; threads, descriptors
and accounted memory come back to what they were, and resident memory has grown by less than 4 MiB since the
first quarter."""


class Long(test_reload.UnderLoad):
    RELOADS = 2000

    def test_hundreds_of_reloads_lose_nothing_and_leave_nothing(self):
        (first, warm, last), found = self.under_load()

        def mib(taken):
            return f"{taken['process_resident_memory_bytes'] / 2 ** 20:.1f}"
        long_doc.write("Reloads under load", ABOUT, {
            "reloads": self.RELOADS, "samples in the stream": found.samples, "lost": 0, "twice": 0,
            "threads, first and last": f"{first['process_threads']:.0f}, "
                                       f"{last['process_threads']:.0f}",
            "resident memory, MiB: first, after a quarter, last":
                f"{mib(first)}, {mib(warm)}, {mib(last)}"},
            "RELIABILITY.md", long_doc.RELIABILITY)


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
