# SPDX-License-Identifier: Apache-2.0
"""test_commands.py - what the commands print, and how they end."""
import json, os, re

import harness

FAULTY = """agent:
  cluster: prod
  memoryy: 1GiB
sources:
  - name: hosts
    static: {targets: ["http://127.0.0.1:9100/metrics"]}
    interval: 10 parsecs
    pool: nowhere
pools:
  - name: main
    in_flight: -1
    outputs:
      - {json: {}, sink: missing}
sinks:
  - {name: queue, stdout: {}}
"""
# line and a word of each fault, in order
FAULTS = [(3, "memory"), (7, "parsecs"), (8, "nowhere"), (11, "in_flight"), (13, "missing")]


class Commands(harness.Case):
    def file(self, conf, name="agent.yaml"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(harness.text_of(conf))
        return path

    def test_help_and_version(self):
        for args in (["--help"], ["run", "--help"], ["check-config", "--help"],
                     ["describe", "--help"], ["settings", "--help"], ["scrape", "--help"],
                     ["health", "--help"], ["check-page", "--help"],
                     ["queue", "--help"], ["queue", "flush", "--help"]):
            done = self.run_agent(*args)
            self.assertEqual((done.returncode, done.stderr), (0, ""), args)
            self.assertIn("usage", done.stdout.lower(), args)
        done = self.run_agent("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^strata-agent \d+\.\d+\.\d+")

    def test_wrong_usage_is_2(self):
        for args in ([], ["walk"], ["run"], ["check-config"], ["describe"], ["scrape"],
                     ["health", "x"], ["queue"], ["queue", "eat"], ["queue", "show"],
                     ["queue", "flush", "x.db"], ["queue", "drop"],
                     ["queue", "show", "--rows", "x", "y"],
                     ["health", "-c", "a", "--address", "b"],
                     ["check-page", "--format", "html"], ["check-page", "--mode", "loose"],
                     ["check-page", "--nonsense"],
                     ["run", "--nonsense"], ["describe", "--format", "poem", self.file({})]):
            done = self.run_agent(*args)
            self.assertEqual(done.returncode, 2, (args, done.stdout, done.stderr))
            self.assertNotEqual(done.stderr, "", args)

    def test_check_config_names_all_faults_with_their_places(self):
        path = self.file(FAULTY)
        done = self.run_agent("check-config", path)
        self.assertEqual(done.returncode, 78)
        text = done.stdout + done.stderr
        for line, word in FAULTS:
            self.assertRegex(text, rf"(?m)^{re.escape(path)}:{line}:\d+: .*{word}")
        self.assertEqual(len(re.findall(rf"(?m)^{re.escape(path)}:\d+:\d+: ", text)), len(FAULTS))
        self.assertRegex(text, r"memoryy.*\bmemory\b")

    def test_run_refuses_the_same_file(self):
        path = self.file(FAULTY)
        done = self.run_agent("run", "-c", path)
        self.assertEqual(done.returncode, 78)
        self.assertIn(f"{path}:3:", done.stderr)

    def test_check_config_of_a_good_file_and_of_odd_ones(self):
        self.assertEqual(self.run_agent("check-config", self.file(harness.config(["h:1"]))).returncode, 0)
        for text in ("", "\n", "[]", "a: &a [*a]", "{" * 5000, "\0\0", "agent: ${STRATA_UNSET}"):
            done = self.run_agent("check-config", self.file(text))
            self.assertEqual(done.returncode, 78, (text[:20], done.stderr))
        self.assertEqual(self.run_agent("check-config", self.folder + "/none").returncode, 78)

    def test_values_from_the_environment(self):
        conf = harness.config(["http://${STRATA_HOST}/metrics"])
        path = self.file(conf)
        self.assertEqual(self.run_agent("check-config", path).returncode, 78)
        done = self.run_agent("describe", path, env={"STRATA_HOST": "127.0.0.1:7"})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_describe_in_each_format(self):
        path = self.file(harness.config(["http://127.0.0.1:1/metrics"]))
        done = self.run_agent("describe", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("static", "main", "json", "stdout"):
            self.assertIn(word, done.stdout)
        done = self.run_agent("describe", path, "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIsInstance(json.loads(done.stdout), dict)
        done = self.run_agent("describe", path, "--format", "dot")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("digraph"))

    def test_describe_shows_no_secret(self):
        conf = harness.config(["h:1"], sinks=[harness.nats_sink("nats://127.0.0.1:1")])
        conf["sinks"][0]["nats"].update(user="agent", password="opensesame")
        conf["sources"][0]["http"] = {"bearer": "opensesame"}
        path = self.file(conf)
        for how in ("text", "json", "dot"):
            done = self.run_agent("describe", path, "--format", how)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("opensesame", done.stdout + done.stderr)

    def test_settings_lists_every_setting(self):
        done = self.run_agent("settings")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name in ("first_scrape", "in_flight", "bearer", "subject", "duplicate_window",
                     "rotate_size", "max_message"):
            self.assertIn(name, done.stdout)

    def test_scrape_prints_one_scrape(self):
        pages = self.pages({"/metrics": "# TYPE a_total counter\na_total 1\nb{c=\"d\"} 2\n"})
        done = self.run_agent("scrape", pages.url())
        self.assertEqual(done.returncode, 0, done.stderr)
        samples = harness.check_messages(self, done.stdout)
        self.assertLessEqual({"a_total", "b", "up"}, {s["name"] for s in samples})
        self.assertEqual(len(pages.requests), 1)

    def test_scrape_through_a_configured_pool(self):
        pages = self.pages({"/metrics": "a 1\nb 20\n"})
        path = self.file(harness.config(["h:1"], pool={"filters": [
            {"clip": {"match": "b", "max": 10}}]}))
        done = self.run_agent("scrape", pages.url(), "-c", path, "--pool", "main")
        self.assertEqual(done.returncode, 0, done.stderr)
        names = {s["name"] for s in harness.check_messages(self, done.stdout)}
        self.assertIn("a", names)
        self.assertNotIn("b", names)

    def test_scrape_uses_the_labels_of_the_source(self):
        pages = self.pages({"/metrics": "a 1\n"})
        conf = harness.config(["h:1"])
        conf["sources"][0]["static"]["labels"] = {"zone": "z7", "job": "mine"}
        done = self.run_agent("scrape", pages.url(), "-c", self.file(conf))
        self.assertEqual(done.returncode, 0, done.stderr)
        for sample in harness.check_messages(self, done.stdout):
            self.assertEqual((sample["tags"]["zone"], sample["tags"]["job"]), ("z7", "mine"))

    def test_a_fifo_is_no_configuration(self):
        path = os.path.join(self.folder, "fifo")
        os.mkfifo(path)
        for args in (["check-config", path], ["run", "-c", path]):
            done = self.run_agent(*args)
            self.assertEqual(done.returncode, 78, args)
            self.assertIn("no regular file", done.stderr)

    def test_health_is_told_by_the_exit_code(self):
        agent = self.agent(harness.config([]))
        address = agent.url.removeprefix("http://")
        done = self.run_agent("health", "--address", address, env={"http_proxy": "http://127.0.0.1:1"})
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "ok\n", ""))
        port = address.rpartition(":")[2]
        for listen in (address, f":{port}", f"[::]:{port}", f"0.0.0.0:{port}", "${STRATA_LISTEN}"):
            # The file has gone bad meanwhile.
            path = self.file({"agent": {"listen": listen, "memoryy": 1}, "sinks": 7})
            done = self.run_agent("health", "-c", path, env={"STRATA_LISTEN": address})
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "ok\n", ""), listen)
        self.stop(agent)
        done = self.run_agent("health", "--address", address)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"http://{address}/healthz: ", done.stderr)

    def test_an_agent_that_is_not_well_is_1(self):
        pages = self.pages({"/healthz": (503, {}, "lane main does not beat\n")})
        done = self.run_agent("health", "--address", f"127.0.0.1:{pages.port}")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("answers 503: lane main does not beat\n", done.stderr)

    def test_health_without_an_address_to_be_found(self):
        done = self.run_agent("health", "-c", self.file({"agent": {"listen": ""}}))
        self.assertEqual(done.returncode, 1)
        self.assertIn("agent.listen is empty", done.stderr)
        done = self.run_agent("health", "-c", self.folder + "/none")
        self.assertIn("No such file or directory; asking at 127.0.0.1:9690\n", done.stderr)

    def test_scrape_that_fails_is_1_and_says_why(self):
        pages = self.pages({"/metrics": (503, {}, "no\n")})
        done = self.run_agent("scrape", pages.url())
        self.assertEqual(done.returncode, 1)
        self.assertIn("503", done.stderr)


if __name__ == "__main__":
    harness.main()
