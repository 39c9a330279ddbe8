# SPDX-License-Identifier: Apache-2.0
"""test_stages_once.py - a profile's samples are dealt out to the stages of a scrape, and none is lost."""
import os, sys, unittest

import harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bench"))
import stages

CURL, NATS, AGENT = "/usr/lib/libcurl.so.4.8.0", "/usr/lib/libnats.so.3.4.1", "/usr/bin/strata-agent"


def sample(thread, *frames):
    """As perf script prints one."""
    return f"{thread} \n" + "".join(f"\t    7f4cb1ca {symbol} ({library})\n" if library else f"\t    7f4cb1ca {symbol}\n"
                                   for symbol, library in frames) + "\n"


SCRIPT = (
    sample("worker", ("__memcpy_avx_unaligned_erms (inlined)", ""), ("write_body", AGENT), ("[unknown]", CURL),
           ("curl_multi_socket_action", CURL), ("curl_loop_wait", AGENT)) +
    sample("worker", ("[unknown]", CURL), ("curl_multi_socket_action", CURL), ("curl_loop_wait", AGENT)) * 2 +
    sample("worker", ("json_append", AGENT), ("encoder_run", AGENT), ("take_good", AGENT), ("[unknown]", CURL)) +
    sample("worker", ("somewhere", AGENT)) +
    sample("lane:main", ("tcp_sendmsg", "[kernel.kallsyms]"), ("__x64_sys_sendto", "[kernel.kallsyms]"),
           ("natsConnection_PublishMsg", NATS)) * 3 +
    sample("lane:more", ("[unknown]", NATS), ("lane_run", AGENT)) +
    sample("nats", ("poll", "/usr/lib/libc.so.6")))


class StagesTest(unittest.TestCase):
    def test_samples_go_to_the_stage_of_the_innermost_function_that_one_names(self):
        self.assertEqual(stages.read_script(SCRIPT), {
            ("worker", "body copied out of libcurl"): 1, ("worker", "libcurl itself"): 2, ("worker", "encoded"): 1,
            ("worker", stages.REST): 1, ("lane", "sent, in the kernel"): 3, ("lane", "nats.c itself"): 1,
            ("nats", stages.REST): 1})


    def test_each_thread_shares_out_its_own_time_and_the_page_says_all_of_it(self):
        r = {"cpu": 1.0, "scrapes": 1000, "samples": 500_000, "threads": {"worker": 0.5, "lane": 0.3, "nats": 0.15, "web": 0.05},
             "profile": stages.read_script(SCRIPT)}
        rows = stages.rows_of(r)
        found = {(thread, stage): round(us) for thread, stage, us in rows}
        self.assertEqual(found, {
            ("worker", "body copied out of libcurl"): 100, ("worker", "libcurl itself"): 200, ("worker", "encoded"): 100,
            ("worker", stages.REST): 100, ("lane", "sent, in the kernel"): 225, ("lane", "nats.c itself"): 75, ("nats", ""): 150,
            ("web", ""): 50})
        self.assertEqual([row[0] for row in rows], ["worker"] * 4 + ["lane"] * 2 + ["nats", "web"])
        page = stages.page({"daemonset": {"about": "so and so.", "rows": rows}, "small": {"about": "likewise.", "rows": rows[:1]}})
        columns = [line for line in page.splitlines() if line.startswith("| thread")]
        self.assertEqual(columns, ["| thread | stage | small | daemonset |"])
        self.assertIn(f"| | **sum** | **{round(rows[0][2])}** | **1000** |", page)
        self.assertIn("| | for each sample, ns | 200 | 2000 |", page)


if __name__ == "__main__":
    harness.main()
