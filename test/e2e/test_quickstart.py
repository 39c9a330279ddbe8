# SPDX-License-Identifier: Apache-2.0
"""test_quickstart.py - one static target, to the terminal and to a file, and what the agent tells."""
import json, os, re, subprocess

import books
import harness

PAGE = """# HELP http_requests_total Requests, by code.
# TYPE http_requests_total counter
http_requests_total{code="200",zone="b"} 17
http_requests_total{code="500",zone="a"} 3.50
# TYPE temperature gauge
temperature{text="a \\"quote\\", a \\\\ and a \\n"} -1.5e-3
temperature{text="nan"} NaN
temperature{text="high"} +Inf
temperature{text="low"} -Inf
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 1
latency_seconds_bucket{le="+Inf"} 2
latency_seconds_sum 0.3
latency_seconds_count 2
plain 9007199254740993 1795254123456
"""
SAMPLES = sum(1 for line in PAGE.splitlines() if not line.startswith("#"))
META = 6


class Quickstart(harness.Case):
    def one_target(self, **more):
        pages = self.pages({"/metrics": PAGE})
        return pages, harness.config([pages.url()], **more)

    def complete_lines(self, agent, count):
        """The messages on standard output once there are that many."""
        text = self.wait_for(lambda: agent.out().count("\n") >= count and agent.out(),
                             what=f"{count} lines on standard output")
        return harness.check_messages(self, text[:text.rindex("\n") + 1])

    def test_a_page_arrives_as_it_was_exposed(self):
        pages, conf = self.one_target()
        agent = self.agent(conf)
        samples = self.complete_lines(agent, SAMPLES + META)
        address = f"127.0.0.1:{pages.port}"
        own = {"cluster": "test", "instance": address, "job": "static"}
        found = {(o["name"], o["tags"].get("code") or o["tags"].get("text") or
                  o["tags"].get("le", "")): o for o in samples}
        self.assertEqual(found["http_requests_total", "200"]["tags"],
                         {**own, "code": "200", "zone": "b"})
        self.assertEqual(found["http_requests_total", "200"]["value"], 17)
        self.assertEqual(found["http_requests_total", "200"]["type"], "counter")
        self.assertEqual(found["temperature", 'a "quote", a \\ and a \n']["value"], -1.5e-3)
        self.assertEqual(found["temperature", "nan"]["value"], "NaN")
        self.assertEqual(found["temperature", "high"]["value"], "+Inf")
        self.assertEqual(found["temperature", "low"]["value"], "-Inf")
        self.assertEqual(found["latency_seconds_bucket", "+Inf"]["type"], "histogram")
        self.assertEqual(found["plain", ""]["type"], "untyped")
        self.assertEqual(found["up", ""]["value"], 1)
        self.assertEqual(found["scrape_samples_scraped", ""]["value"], SAMPLES)
        self.assertEqual(found["scrape_series_added", ""]["value"], SAMPLES)
        self.assertEqual(found["scrape_body_size_bytes", ""]["value"], len(PAGE))
        # Digits pass through as they were; an exposed time counts.
        self.assertIn('"value":3.50}', agent.out())
        self.assertIn('"timestamp":"2026-11-21T09:42:03.456Z","value":9007199254740993}',
                      agent.out())
        self.stop(agent)

    def test_the_account_says_what_was_delivered(self):
        _, conf = self.one_target()
        agent = self.agent(conf)
        self.complete_lines(agent, 2 * (SAMPLES + META))
        metrics = self.balanced(agent)
        self.assertGreaterEqual(books.scraped(metrics), 1)
        account = self.stop(agent)
        lines = [line for line in agent.out().splitlines() if line.startswith("{")]
        self.assertEqual(account["delivered"], len(lines))
        self.assertEqual(account["lost"], 0)
        self.assertEqual(len(lines) % (SAMPLES + META), 0)

    def test_a_file_gets_the_same_lines(self):
        path = os.path.join(self.folder, "out.ndjson")
        _, conf = self.one_target(sinks=[{"name": "queue", "file": {"path": path}}])
        agent = self.agent(conf)

        def lines():
            if not os.path.exists(path):
                return 0
            with open(path) as f:
                return sum(1 for _ in f)
        self.wait_for(lambda: lines() >= SAMPLES + META, what="lines in the file")
        account = self.stop(agent)
        with open(path) as f:
            self.assertEqual(len(harness.check_messages(self, f.read())), account["delivered"])

    def test_own_metrics_are_valid_and_balance(self):
        _, conf = self.one_target()
        agent = self.agent(conf)
        self.complete_lines(agent, SAMPLES)
        status, headers, text = agent.get("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("text/plain", headers["Content-Type"])
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                 capture_output=True)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""), checked.stdout)
        metrics = self.balanced(agent)
        self.assertGreater(books.read(metrics), 0)
        self.stop(agent)

    def test_own_pages_answer(self):
        pages, conf = self.one_target()
        agent = self.agent(conf)
        self.complete_lines(agent, SAMPLES)
        self.assertEqual(agent.get("/healthz")[0], 200)
        self.wait_for(lambda: agent.get("/readyz")[0] == 200, what="ready")
        entry = agent.targets()[pages.url()]
        self.assertEqual(books.target_health(entry), "up")
        self.assertIsInstance(agent.status(), dict)
        status, headers, text = agent.get("/")
        self.assertEqual(status, 200)
        self.assertIn("html", headers["Content-Type"])
        self.assertIn(pages.url(), text + json.dumps(agent.targets()))
        self.assertEqual(agent.get("/nothing")[0], 404)
        self.stop(agent)

    def test_an_idle_agent_is_ready_and_stops(self):
        agent = self.agent(harness.config([]))
        self.wait_for(lambda: agent.get("/readyz")[0] == 200, what="ready")
        account = self.stop(agent)
        self.assertEqual((account["delivered"], account["lost"]), (0, 0))
        self.assertEqual(agent.out().count("{"), 0)

    def test_filters_drop_and_bound(self):
        _, conf = self.one_target(pool={"filters": [
            {"clip": {"match": "http_*", "max": 10}},
            {"clamp": {"regex": "temper.*", "labels": {"text": "h*"}, "max": 100}}]})
        agent = self.agent(conf)
        samples = self.complete_lines(agent, SAMPLES + META - 1)
        values = {(o["name"], o["tags"].get("text", "")): o["value"] for o in samples}
        self.assertEqual({o["value"] for o in samples if o["name"] == "http_requests_total"}, {3.5})
        self.assertEqual(values["temperature", "high"], 100)
        self.assertEqual(values["temperature", "low"], "-Inf")
        metrics = self.balanced(agent)
        self.assertGreater(sum(books.filtered(metrics).values()), 0)
        self.stop(agent)

    def test_logs_are_logfmt_or_json_on_standard_error(self):
        _, conf = self.one_target(agent={"log": {"level": "debug", "format": "json"}})
        agent = self.agent(conf, listens=False)
        self.wait_for(lambda: '"listening"' in agent.err(), what="it listens")
        self.stop(agent)
        lines = [json.loads(line) for line in agent.err().splitlines()]
        self.assertEqual([line["msg"] for line in lines][-1], "stopped")
        for line in lines:
            self.assertLessEqual({"time", "level", "msg"}, set(line))
        _, conf = self.one_target(agent={"log": {"level": "debug"}})
        agent = self.agent(conf, name="logfmt")
        self.stop(agent)
        lines = agent.err().splitlines()
        for line in lines[:-1]:
            self.assertRegex(line, r'^time=\S+Z level=\w+ msg=("[^"]*"|\S+)( \w+=("(\\.|[^"\\])*"|\S+))*$')
        self.assertRegex(lines[-2], " msg=stopped ")
        self.assertRegex(lines[-1], r"^scraped \d+ samples in \d+ scrapes ")


if __name__ == "__main__":
    harness.main(needs=["promtool"])
