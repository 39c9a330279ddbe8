# SPDX-License-Identifier: Apache-2.0
"""test_dashboard_once.py - the Grafana dashboard: it asks for metrics that the agent has, in PromQL that can be read."""
import glob, json, os, re, subprocess

import harness

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DASHBOARDS = glob.glob(os.path.join(ROOT, "deploy", "grafana", "*.json"))
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*"}
ROW = re.compile(r"(?m)^\| `((?:strata|process)_\w+)` \| (\w+) \| ([^|]*) \|")


def expressions(dashboard):
    return [(panel["title"], target["expr"], target["legendFormat"])
            for panel in dashboard["panels"] for target in panel.get("targets", [])]


class Dashboard(harness.Case):
    def setUp(self):
        super().setUp()
        self.assertEqual(len(DASHBOARDS), 1)
        with open(DASHBOARDS[0]) as f:
            self.dashboard = json.load(f)
        with open(os.path.join(ROOT, "docs", "METRICS.md")) as f:
            self.known = {}     # name: (type, labels)
            for name, kind, labels in ROW.findall(f.read()):
                labels = set(re.findall(r"\w+", labels)) | {"instance"}
                self.known[name] = (kind, labels)
                if kind == "histogram":
                    for end, more in (("_bucket", {"le"}), ("_sum", set()), ("_count", set())):
                        self.known[name + end] = ("counter", labels | more)

    def test_it_asks_for_metrics_that_there_are(self):
        asked = set()
        for title, expr, _ in expressions(self.dashboard):
            names = set(re.findall(r"\b(?:strata|process)_\w+", expr))
            self.assertTrue(names, title)
            self.assertLessEqual(names, set(self.known), title)
            asked |= names
        self.assertGreater(len(asked), 35)

    def test_it_groups_by_labels_that_they_have(self):
        for title, expr, legend in expressions(self.dashboard):
            labels = set().union(*(self.known[n][1] for n in re.findall(r"\b(?:strata|process)_\w+", expr)))
            groups = re.findall(r"\bby \(([^)]*)\)", expr)
            asked = {g.strip() for group in groups for g in group.split(",")}
            self.assertLessEqual(asked, labels, title)
            self.assertLessEqual(set(re.findall(r"\{\{(\w+)\}\}", legend)), asked, title)

    def test_counters_are_rates(self):
        """A counter's own value says little: only the books compare those."""
        for title, expr, _ in expressions(self.dashboard):
            if "difference" in title:
                continue
            for name in re.findall(r"\b(?:strata|process)_\w+", expr):
                counter = self.known[name][0] == "counter"
                self.assertEqual(bool(re.search(rf"(rate|increase)\({name}\b", expr)), counter, (title, name))

    def test_prometheus_can_read_it(self):
        rules = []
        for n, (title, expr, _) in enumerate(expressions(self.dashboard)):
            for variable, value in VARIABLES.items():
                expr = expr.replace(variable, value)
            self.assertNotIn("$", expr, title)
            rules.append({"record": f"panel_{n}", "expr": expr})
        path = os.path.join(self.folder, "rules.yaml")
        with open(path, "w") as f:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, f)
        done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(rules)} rules found", done.stdout + done.stderr)

    def test_panels_do_not_overlap_and_say_what_they_show(self):
        seen, ids = set(), set()
        for panel in self.dashboard["panels"]:
            ids.add(panel["id"])
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & seen, panel["title"])
            seen |= cells
            if panel["type"] != "row":
                self.assertTrue(panel["description"].endswith("."), panel["title"])
        self.assertEqual(len(ids), len(self.dashboard["panels"]))


if __name__ == "__main__":
    harness.main(needs=["promtool"])
