# SPDX-License-Identifier: Apache-2.0
"""test_file_sd.py - targets in files as Prometheus' file_sd has them, watched."""
import json, os

import books
import harness


class FileSd(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.targets(3, 10)
        self.sd = os.path.join(self.folder, "sd")
        os.mkdir(self.sd)

    def write(self, name, text):
        """By a rename, so that nobody sees half a file."""
        path = os.path.join(self.sd, name)
        with open(path + ".part", "w") as f:
            f.write(text if isinstance(text, str) else json.dumps(text))
        os.rename(path + ".part", path)

    def group(self, *numbers, **labels):
        return {"targets": [self.server.url(n) for n in numbers], "labels": labels}

    def start(self):
        return self.agent(harness.config(sources=[
            {"name": "files", "file": {"files": [os.path.join(self.sd, "*.json"),
                                                 os.path.join(self.sd, "*.yaml")]},
             "interval": "1s", "pool": "main"}]))

    def wait_targets(self, agent, *numbers):
        urls = {self.server.url(n) for n in numbers}
        self.wait_for(lambda: set(agent.targets()) == urls, 15, f"targets {numbers}")

    def test_a_file_appears_changes_and_vanishes(self):
        agent = self.start()
        self.wait_targets(agent)
        self.write("a.json", [self.group(0, zone="one")])
        self.wait_targets(agent, 0)
        self.write("a.json", [self.group(0, 1, zone="one")])
        self.wait_targets(agent, 0, 1)
        self.write("b.yaml", f"- targets: [{self.server.url(2)}]\n  labels: {{zone: two}}\n")
        self.wait_targets(agent, 0, 1, 2)
        self.wait_for(lambda: min(self.server.stats()["served"]) >= 1, what="all are scraped")
        os.remove(os.path.join(self.sd, "a.json"))
        self.wait_targets(agent, 2)
        self.balanced(agent)
        self.stop(agent)
        zones = {o["tags"]["zone"] for o in harness.check_messages(self, agent.out())}
        self.assertEqual(zones, {"one", "two"})

    def test_a_bad_file_keeps_what_is_known_and_is_shown(self):
        self.write("a.json", [self.group(0, 1)])
        agent = self.start()
        self.wait_targets(agent, 0, 1)
        self.write("a.json", '[{"targets": ["127.0.0.1:1"')
        self.wait_for(lambda: "a.json" in json.dumps(agent.status()), 15, "the fault on /status")
        before = self.server.stats()["served"]
        self.wait_for(lambda: all(now > then for now, then in
                                  zip(self.server.stats()["served"][:2], before)), 15,
                      "scraping goes on")
        self.wait_targets(agent, 0, 1)
        self.write("a.json", [self.group(1)])
        self.wait_targets(agent, 1)
        self.balanced(agent)
        self.stop(agent)

    def test_a_bad_target_is_refused_by_name_and_the_others_stay(self):
        self.write("a.json", [{"targets": [self.server.url(0), "ftp://127.0.0.1/x"]}])
        agent = self.start()
        self.wait_targets(agent, 0)
        self.assertIn("ftp://127.0.0.1/x", json.dumps(agent.json("/targets")))
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 1, what="a scrape")
        self.stop(agent)


if __name__ == "__main__":
    harness.main()
