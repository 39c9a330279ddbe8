# SPDX-License-Identifier: Apache-2.0
"""test_schema.py - the JSON Schema of the configuration says what check-config says."""
import copy, glob, json, os, sys

import harness

try:
    import jsonschema
    import yaml
except ImportError as e:
    jsonschema, missing = None, e.name

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOOD = {
    "agent": {"cluster": "prod", "labels": {"zone": "a"}},
    "sources": [{"name": "hosts", "static": {"targets": ["127.0.0.1:9100"]}, "pool": "main",
                 "http": {"tls": {"verify": True}}}],
    "pools": [{"name": "main",
               "filters": [{"clip": {"min": -50}}],
               "outputs": [{"json": {"mode": "ndjson"}, "sink": "out"}]}],
    "sinks": [{"name": "out", "stdout": {}},
              {"name": "queue", "nats": {"servers": ["nats://127.0.0.1:4222"]}}],
}
# Where something is put, what, and whether that is good.
REMOVE = object()
CHANGES = [
    ("agent/cluser", "prod", False),
    ("agent/log", {"level": "warn"}, True),
    ("agent/log", {"level": "loud"}, False),
    ("agent/log", {"level": "${STRATA_LEVEL:-warn}"}, True),
    ("agent/log", {"levels": "warn"}, False),
    ("agent/log", None, True),
    ("agent", None, True),
    ("agent", [], False),
    ("agent/memory", 300000000, True),
    ("agent/memory", "300MiB", True),
    ("agent/memory", "300MB", False),
    ("agent/memory", 300, False),
    ("agent/memory", None, False),
    ("agent/memory", [1], False),
    ("agent/labels", {"zone": {"a": "b"}}, False),
    ("agent/labels", None, True),
    ("source", [], False),
    ("sources", REMOVE, False),
    ("sources", None, True),
    ("sources", {}, False),
    ("sources/0", "hosts", False),
    ("sources/0/name", REMOVE, False),
    ("sources/0/name", "no_name", False),
    ("sources/0/pool", REMOVE, False),
    ("sources/0/interval", "1m", True),
    ("sources/0/interval", 60, False),
    ("sources/0/interval", "1 minute", False),
    ("sources/0/interval", "${STRATA_INTERVAL:-15}s", True),
    ("sources/0/targets", 100, True),
    ("sources/0/targets", "100", True),
    ("sources/0/targets", "${STRATA_COUNT:-100}", True),
    ("sources/0/targets", 0, False),
    ("sources/0/targets", 1.5, False),
    ("sources/0/targets", True, False),
    ("sources/0/honor_labels", True, True),
    ("sources/0/honor_labels", "true", True),
    ("sources/0/honor_labels", "yes", False),
    ("sources/0/honor_labels", 1, False),
    ("sources/0/static", REMOVE, False),
    ("sources/0/static", None, False),
    ("sources/0/static/targets", REMOVE, False),
    ("sources/0/static/targets", "127.0.0.1:9100", False),
    ("sources/0/file", {"files": ["/none"]}, False),
    ("sources/0/http/tls/verifyy", True, False),
    ("sources/0/http", None, True),
    ("pools/0/workers", 65, False),
    ("pools/0/filters", REMOVE, True),
    ("pools/0/filters", None, True),
    ("pools/0/filters/0", {}, False),
    ("pools/0/filters/0/clamp", {}, False),
    ("pools/0/filters/0/clip/min", "-inf", True),
    ("pools/0/filters/0/clip/min", "low", False),
    ("pools/0/filters/0/clip/min", 1e-3, True),
    ("pools/0/filters/0/clip/kinds", ["gauge"], True),
    ("pools/0/filters/0", {"clamp": {"max": 1, "max_value": "unset"}}, True),
    ("pools/0/filters/0", {"clamp": {"max": "unset"}}, False),
    ("pools/0/outputs", REMOVE, False),
    ("pools/0/outputs", [], False),
    ("pools/0/outputs/0/sink", REMOVE, False),
    ("pools/0/outputs/0/json", None, True),
    ("pools/0/outputs/0/json/mode", "xml", False),
    ("pools/0/outputs/0/max_message", "64KiB", True),
    ("pools/0/outputs/0/name", "", True),
    ("sinks/0/stdout", None, True),
    ("sinks/1/nats/jetstream", {"stream": "A", "max_age": "24h"}, True),
    ("sinks/1/nats/jetstream", {"stream": "A", "max_age": "1d"}, False),
    ("sinks/1/nats/jetstream", {"stream": "A", "storage": "disk"}, False),
    ("sinks/1/nats/servers", REMOVE, False),
]
# Good for the agent, which sees the text; others see a number and what they make of it.
QUOTES_WANTED = [("agent/cluster", 7), ("agent/labels/zone", 1), ("sources/0/static/targets/0", 1)]


def changed(path, value):
    conf = copy.deepcopy(GOOD)
    *way, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    at = conf
    for key in way:
        at = at[key]
    if value is REMOVE:
        del at[last]
    else:
        at[last] = value
    return conf


class Schema(harness.Case):
    def setUp(self):
        super().setUp()
        done = self.run_agent("settings", "--schema")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.schema = json.loads(done.stdout)
        jsonschema.Draft7Validator.check_schema(self.schema)
        self.judge = jsonschema.Draft7Validator(self.schema)

    def agent_says(self, conf):
        path = os.path.join(self.folder, "agent.yaml")
        with open(path, "w") as f:
            json.dump(conf, f)
        done = self.run_agent("check-config", path)
        self.assertIn(done.returncode, (0, 78), done.stderr)
        return done.returncode == 0

    def test_the_configurations_of_the_project_are_good(self):
        files = glob.glob(os.path.join(ROOT, "deploy", "*.yaml"))
        self.assertGreaterEqual(len(files), 3)
        for path in files:
            with open(path) as f:
                for document in yaml.safe_load_all(f):
                    self.assertEqual([e.message for e in self.judge.iter_errors(document)], [], path)

    def test_it_judges_as_check_config_does(self):
        self.assertTrue(self.judge.is_valid(GOOD))
        self.assertTrue(self.agent_says(GOOD))
        for path, value, good in CHANGES:
            conf = changed(path, value)
            self.assertEqual(self.judge.is_valid(conf), good, (path, value))
            self.assertEqual(self.agent_says(conf), good, (path, value))

    def test_a_string_that_others_read_as_a_number_wants_quotes(self):
        for path, value in QUOTES_WANTED:
            self.assertFalse(self.judge.is_valid(changed(path, value)), path)
            self.assertTrue(self.judge.is_valid(changed(path, str(value))), path)

    def test_it_says_what_is_wrong_where(self):
        errors = list(self.judge.iter_errors(changed("agent/cluser", "prod")))
        self.assertEqual([list(e.absolute_path) for e in errors], [["agent"]])
        self.assertIn("cluser", errors[0].message)

    def test_what_describe_writes_is_good(self):
        path = os.path.join(ROOT, "deploy", "example.yaml")
        done = self.run_agent("describe", path, "--format", "yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([e.message for e in self.judge.iter_errors(yaml.safe_load(done.stdout))], [])


if __name__ == "__main__":
    if jsonschema is None:
        print("skipped, for this is missing: python3", missing)
        sys.exit(1 if os.environ.get("STRATA_REQUIRE") == "all" else harness.SKIPPED)
    harness.main()
