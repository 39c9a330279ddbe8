# SPDX-License-Identifier: Apache-2.0
"""test_field_once.py - what ./dev bench field measures with: pages whose series change, receivers that count."""
import json, os, re, subprocess, sys

import harness
from process import SLOW, die_with_parent, http_get

BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bench")
KEYS = {"agent", "load", "receiver", "cpu_s_per_million", "rss_mib", "rss_idle_mib", "bytes_per_sample",
        "missed", "first_sample_s"}


def series(text):
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


class Field(harness.Case):
    def test_of_a_thousand_series_as_many_are_new_as_is_said(self):
        targets = self.targets(2, 1000, ["--churn", "50"])
        for page in (0, 1):
            texts = [http_get(targets.url(page))[2] for _ in range(41)]
            sets = [series(t) for t in texts]
            self.assertEqual({len(s) for s in sets}, {1000})
            self.assertEqual(len({len(t) for t in texts}), 1)
            new = sum(len(b - a) for a, b in zip(sets, sets[1:]))
            self.assertAlmostEqual(new, 40 * 50, delta=14)    # a histogram is never cut
            self.assertEqual(len(set.union(*sets)), 1000 + new)    # none comes again

    def test_a_page_does_not_churn_unasked(self):
        targets = self.targets(1, 1000)
        self.assertEqual(len({frozenset(series(http_get(targets.url(0))[2])) for _ in range(5)}), 1)

    def test_a_row_of_figures(self):
        path = os.path.join(self.folder, "rows.json")
        env = {**os.environ, "FLUENT_BIT": ""}
        done = subprocess.run(
            [sys.executable, "-B", os.path.join(BENCH, "field", "field.py"), "--dry", "--json", path, "--loads", "5x200/1s",
             "--agents", "strata,fluent-bit", "--receivers", "nats,remote_write", "--window", "3"],
            capture_output=True, text=True, env=env, timeout=120 * SLOW, preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        with open(path) as f:
            rows = json.load(f)
        self.assertEqual([(r["agent"], r["receiver"]) for r in rows], [
            ("strata", "nats"), ("strata", "remote_write"), ("fluent-bit", "remote_write")], done.stdout)
        for r in rows[:2]:
            self.assertEqual(r["load"], "5x200/1s")
            self.assertTrue(all(r[k] is not None for k in KEYS), r)
            self.assertGreater(r["cpu_s_per_million"], 0)
            self.assertGreater(r["bytes_per_sample"], 10)
        self.assertAlmostEqual(rows[0]["arrived"], 1, delta=0.4)
        self.assertIn("no binary", rows[2]["why"])
        self.assertRegex(done.stdout, re.compile(r"^\| fluent-bit \| no binary", re.M))


if __name__ == "__main__":
    harness.main()
