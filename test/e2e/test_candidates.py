# SPDX-License-Identifier: Apache-2.0
"""test_candidates.py - all that was found, with its reason: on /targets, and by describe --discover."""
import json, os, re

import harness


class Candidates(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.targets(3, 10)
        self.urls = [self.server.url(n) for n in range(3)]

    def config(self, files=None):
        """Two lists and files: an URL thrice, one above a bound, one twice in its source, bad ones."""
        groups = files if files is not None else [
            {"targets": [self.urls[0], "http://127.0.0.1:70000/metrics", "http://a:secret@h/x", self.urls[2]]}]
        self.sd = os.path.join(self.folder, "sd.json")
        with open(self.sd, "w") as f:
            f.write(groups if isinstance(groups, str) else json.dumps(groups))
        common = {"interval": "1s", "pool": "main"}
        return harness.config(sources=[
            {"name": "first", "static": {"targets": [self.urls[0], self.urls[1], self.urls[1], self.urls[2]]},
             "targets": 2, **common},
            {"name": "second", "static": {"targets": [self.urls[0]]}, **common},
            {"name": "files", "file": {"files": [self.sd]}, **common}])

    def path(self, config):
        path = os.path.join(self.folder, "agent.json")
        with open(path, "w") as f:
            f.write(harness.text_of(config))
        return path

    def check(self, found):
        """The candidates of config(), as JSON has them."""
        a, b, c = self.urls
        told = [(o["source"], o["url"] or o["id"], o["state"], o["winner"]) for o in found]
        self.assertEqual(told, [
            ("first", a, "target", None), ("first", b, "target", None), ("first", b, "refused", None),
            ("first", c, "refused", None), ("second", a, "loser", "first"),
            ("files", a, "loser", "first"), ("files", c, "target", None),
            ("files", "http://127.0.0.1:70000/metrics", "refused", None),
            ("files", "***@h/x", "refused", None)])
        why = [o["why"] for o in found]
        self.assertEqual(why[:4], [None, None, "is there already", "above the bound of 2 targets"])
        for i, word in ((4, "goes before it"), (5, "goes before it"), (7, "port"), (8, "credentials")):
            self.assertIn(word, why[i])
        self.assertIsNone(why[6])
        self.assertEqual(found[4]["winner_id"], found[0]["id"])

    def test_targets_shows_each_candidate_and_the_next_one_takes_over(self):
        agent = self.agent(self.config())
        self.wait_for(lambda: len(agent.json("/targets")["candidates"]) == 9)
        self.wait_for(lambda: len(agent.targets()) == 3)
        told = agent.json("/targets")
        self.check(told["candidates"])
        self.assertEqual((told["candidates_left_out"], told["candidates_error"]), (0, None))
        self.assertEqual(len(told["refused"]), 4)
        # Its three targets: the list is made when it is asked for, and not kept.
        self.assertLess(agent.status()["memory"]["parts"]["discovery"], 3 * 1024)
        config = self.config()
        del config["sources"][0]
        agent.reload(config)

        def states():
            return [o["state"] for o in agent.json("/targets")["candidates"] if o["url"] == self.urls[0]]
        self.wait_for(lambda: states() == ["target", "loser"])
        self.balanced(agent)
        self.stop(agent)

    def test_more_than_fits_is_counted(self):
        agent = self.agent(self.config([{"targets": [f"bad {n}" for n in range(2000)]}]))

        def told():
            told = agent.json("/targets")
            return told if told["candidates_left_out"] else None
        told = self.wait_for(told)
        self.assertEqual(len(told["candidates"]) + told["candidates_left_out"], 4 + 1 + 2000)
        self.stop(agent)

    def test_describe_lists_them_and_scrapes_nothing(self):
        path = self.path(self.config())
        done = self.run_agent("describe", "--discover", path, "--format", "json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        told = json.loads(done.stdout)
        self.check(told["candidates"])
        self.assertEqual([(s["name"], s["kind"], s["synced"], s["error"]) for s in told["sources"]],
                         [("first", "static", True, None), ("second", "static", True, None),
                          ("files", "file", True, None)])
        done = self.run_agent("describe", "--timeout", "5s", "--discover", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(re.findall(r"(?m)^source (.*)$", done.stdout),
                         ["first (static, pool main): synced", "second (static, pool main): synced",
                          "files (file, pool main): synced"])
        self.assertIn(f"  {self.urls[0]}: another candidate of the same URL goes before it (source first, ",
                      done.stdout)
        self.assertIn("\n  refused  ***@h/x: credentials in the URL", done.stdout)
        self.assertNotIn("secret", done.stdout)
        self.assertTrue(done.stdout.endswith("3 sources: 3 synced, 0 failed; 9 candidates: "
                                             "3 targets, 2 losers, 4 refused, 0 waiting\n"), done.stdout)
        self.assertEqual(self.server.stats()["served"], [0, 0, 0])

    def test_a_source_that_fails_is_told_with_its_error(self):
        done = self.run_agent("describe", "--discover", self.path(self.config('[{"targets": [')))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?m)^source files \(file, pool main\): failed: .*sd\.json")
        self.assertIn("\n3 sources: 2 synced, 1 failed; ", done.stdout)

    def test_usage(self):
        path = self.path(self.config())
        for args in (["--discover"], ["--discover", path, "--format", "dot"], [path, "--timeout", "3s"],
                     ["--discover", path, "--timeout", "3"], ["--discover", path, path]):
            self.assertEqual(self.run_agent("describe", *args).returncode, 2, args)


if __name__ == "__main__":
    harness.main()
