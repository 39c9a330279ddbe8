# SPDX-License-Identifier: Apache-2.0
"""test_field_once.py - what ./dev bench field measures with: pages whose series change, receivers that count."""
import json, os, re, subprocess, sys

import harness
from process import SLOW, die_with_parent, http_get

BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bench")
sys.path.insert(0, os.path.join(BENCH, "field"))
import field
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

    def test_each_target_may_have_an_address_of_its_own(self):
        targets = self.targets(300, 10, ["--hosts"])
        self.assertEqual(len({url.partition("/t/")[0] for url in targets.targets}), 300)
        for page in (0, 299):
            self.assertIn("bench_page_sequence_total", http_get(targets.targets[page])[2])
        self.assertEqual([i for i, n in enumerate(targets.stats()["served"]) if n], [0, 299])

    def field(self, *args, **env):
        path = os.path.join(self.folder, "rows.json")
        done = subprocess.run(
            [sys.executable, "-B", os.path.join(BENCH, "field", "field.py"), "--dry", "--json", path, *args],
            capture_output=True, text=True, env={**os.environ, **env}, timeout=120 * SLOW, preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        with open(path) as f:
            return json.load(f), done

    def test_a_row_of_figures(self):
        rows, done = self.field("--loads", "5x200/1s", "--agents", "strata,fluent-bit", "--receivers", "nats,remote_write",
                                "--window", "3", FLUENT_BIT="")
        self.assertEqual([(r["agent"], r["receiver"]) for r in rows], [
            ("strata", "nats"), ("strata", "remote_write"), ("fluent-bit", "remote_write")], done.stdout)
        for r in rows[:2]:
            self.assertEqual(r["load"], "5x200/1s")
            self.assertTrue(all(r[k] is not None for k in KEYS), r)
            self.assertGreater(r["cpu_s_per_million"], 0)
            self.assertGreater(r["bytes_per_sample"], 10)
        self.assertEqual([len(r["cpu_runs"]) for r in rows], [1, 2, 0])    # A-B-A, where there is another
        self.assertAlmostEqual(rows[0]["arrived"], 1, delta=0.4)
        self.assertTrue(KEYS <= set(rows[2]))
        self.assertIn("no binary", rows[2]["why"])
        self.assertRegex(done.stdout, re.compile(r"^\| fluent-bit \| no binary", re.M))

    def test_the_quick_way_runs_each_once_and_says_so(self):
        rows, done = self.field("--quick", "--loads", "4x50/1s,2x50/1s", "--agents", "strata,fluent-bit", "--window", "2",
                                FLUENT_BIT="")
        self.assertEqual([(r["agent"], r["load"], r["receiver"], r["quick"]) for r in rows if r["window_s"]],
                         [("strata", load, "remote_write", True) for load in ("2x50/1s", "4x50/1s")])
        self.assertEqual({len(r["cpu_runs"]) for r in rows if r["window_s"]}, {1})
        self.assertEqual(len({r["rss_idle_mib"] for r in rows if r["window_s"]}), 1)    # measured once
        self.assertEqual(len(re.findall(r"(?m)^\| strata .*\| 2 s, quick \|$", done.stdout)), 2)


def row(agent, load="100x1000/10s", quick=False, cpu=1.0):
    return {"agent": agent, "load": load, "receiver": "remote_write", "cpu_s_per_million": cpu, "rss_mib": 2.0 * cpu,
            "rss_idle_mib": 1, "bytes_per_sample": 20, "missed": 0, "first_sample_s": 0.5, "rss_peak_mib": 3, "arrived": None,
            "cpu_runs": [cpu], "why": None, "version": agent + " 1", "window_s": 10, "quick": quick, "churn": 0,
            "date": "2026-01-01", "machine": "one", "load_average": [0, 0]}


class Rows(harness.Case):
    def merged(self, old, new):
        path = os.path.join(self.folder, "rows.json")
        with open(path, "w") as f:
            json.dump(old, f)
        return [(r["agent"], r["load"], r["quick"], r["cpu_s_per_million"]) for r in field.merge(path, new)]

    def test_what_is_measured_replaces_its_pair_and_no_other(self):
        old = [row("strata", "200x5000/5s"), row("strata"), row("vmagent")]
        self.assertEqual(self.merged(old, [row("strata", cpu=3.0)]), [
            ("strata", "100x1000/10s", False, 3.0), ("strata", "200x5000/5s", False, 1.0)])

    def test_a_quick_row_stands_beside_a_whole_one_until_that_is_made_anew(self):
        whole, quick = row("telegraf"), row("strata", quick=True, cpu=2.0)
        both = self.merged([whole], [quick])
        self.assertEqual([r[:3] for r in both], [("telegraf", whole["load"], False), ("strata", whole["load"], True)])
        self.assertEqual(self.merged([whole, quick], [row("strata", cpu=5.0)]), [("strata", whole["load"], False, 5.0)])

    def test_the_table_and_the_document(self):
        rows = [row("strata"), row("vmagent", cpu=3.0), {**row("otelcol"), "cpu_s_per_million": None, "why": "not built: why"},
                row("strata", quick=True), row("vmagent", quick=True, cpu=7.0)]
        lines = field.table(rows[:3])
        self.assertEqual({line.count("|") for line in lines[1:]}, {13})
        self.assertIn("| vmagent | 3.000 | 3.0 |", lines[4])
        self.assertIn("| otelcol | not built: why |", lines[5])
        text = field.document(rows)
        self.assertIn("\n### 100x1000/10s → remote_write\n", text)
        self.assertIn("\n### 100x1000/10s → remote_write, quick\n", text)
        self.assertIn("| 7.000 | 7.0 |", text)
        self.assertEqual(text.count("| 10 s, quick |"), 2)
        self.assertIn("| vmagent | vmagent 1 |", text)


if __name__ == "__main__":
    harness.main()
