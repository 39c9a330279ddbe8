# SPDX-License-Identifier: Apache-2.0
"""harness.py - what the end-to-end tests share: processes, waiting, the agent.

    class SomeTest(harness.Case):
        def test_a_sentence(self):
            server = self.targets(3, samples=100)
            agent = self.agent(harness.config([server.url(0)], ...))
            self.wait_for(lambda: agent.metrics().sum("strata_...") > 0)
            self.stop(agent)

    if __name__ == "__main__":
        harness.main(needs=["nats-server"])

Python's standard library only, but for what judges the schema.  Nothing sleeps for luck: wait_for looks until it is so or the
time is up.  Every process ends with the test, also when this one is killed.  Ports are
those that the kernel gives; all traffic stays on 127.0.0.1.

STRATA_AGENT is the agent's path, STRATA_TARGETS that of target_server; STRATA_SLOW=N
stretches all time limits (sanitizers); STRATA_REQUIRE=all turns a skip into a failure.
"""
import json, os, re, shutil, signal, subprocess, sys, tempfile, unittest

import books
import nats
import page_server
from process import SLOW, Process, die_with_parent, http_get, wait_for

SKIPPED = 77
AGENT = os.environ.get("STRATA_AGENT", "")
TARGETS = os.environ.get("STRATA_TARGETS", "")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")


class TargetServer(Process):
    """bench/target_server."""

    def __init__(self, folder, targets, samples, args=()):
        super().__init__([TARGETS, "--targets", str(targets), "--samples", str(samples), *args],
                         folder, f"targets-{len(os.listdir(folder))}")
        wait_for(lambda: "ready " in self.out(), what="target_server is ready")
        self.port = int(re.search(r"^ready (\d+)", self.out(), re.M)[1])
        self.base = f"http://127.0.0.1:{self.port}"
        self.targets = [f"{self.base}/t/{i}" for i in range(targets)]
        if "--hosts" in args:    # from 127.1.0.1 on
            self.targets = [f"http://127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}:{self.port}/t/{i}" for i in range(targets)]

    def url(self, path):
        return f"{self.base}/t/{path}" if isinstance(path, int) else self.base + path

    def stats(self):
        if not self.running():
            raise AssertionError(f"target_server ended with {self.popen.returncode}: {self.err()}")
        return json.loads(http_get(self.base + "/stats")[2])


class Agent(Process):
    """strata-agent run, on a configuration given as a dictionary (JSON is YAML) or a text."""

    def __init__(self, config, folder, env=None, name=None, path=None, listens=True,
                 limits=()):
        self.config_path = path or os.path.join(folder, (name or "agent") + ".yaml")
        if config is not None:
            self.write(config)
        super().__init__([AGENT, "run", "-c", self.config_path], folder, name or "agent",
                         env={**os.environ, **(env or {})}, limits=limits)
        self.url = None
        if listens:
            self.url = wait_for(self.listening, what="the agent listens\n" + self.err())

    def listening(self):
        if not self.running():
            raise AssertionError(f"the agent ended with {self.popen.returncode}:\n{self.err()}")
        m = re.search(r'msg="?listening"? .*?url="?(https?://[^\s"]+)', self.err())
        return m and m[1]

    def write(self, config):
        """The file changes at once, as kubectl and editors do it: by a rename."""
        with open(self.config_path + ".new", "w") as f:
            f.write(text_of(config))
        os.rename(self.config_path + ".new", self.config_path)

    def get(self, path):
        return http_get(self.url + path)

    def metrics(self):
        status, _, text = self.get("/metrics")
        if status != 200:
            raise AssertionError(f"/metrics answers {status}")
        return books.Metrics(text)

    def json(self, path):
        status, _, text = self.get(path)
        if status != 200:
            raise AssertionError(f"{path} answers {status}")
        return json.loads(text)

    def status(self):
        return self.json("/status")

    def targets(self):
        """/targets as {url: entry}."""
        return books.targets_by_url(self.json("/targets"))

    def reload(self, config=None, signal_too=True):
        """Writes and reloads; returns when the agent has taken it, or refused it."""
        before = books.reloads(self.metrics())
        if config is not None:
            self.write(config)
        if signal_too:
            self.send_signal(signal.SIGHUP)
        wait_for(lambda: books.reloads(self.metrics()) > before, 15, "a reload is counted")

    def account(self):
        """The line at the end as {"scraped": n, "delivered": n, "lost": n}."""
        return books.account(self.err() + self.out())


def text_of(config):
    return config if isinstance(config, str) else json.dumps(config, indent=1)


def config(targets=(), sinks=None, outputs=None, source=None, pool=None, agent=None, sources=None):
    """A configuration with one source, pool, output and sink, each to be amended."""
    return {
        "agent": {"listen": "127.0.0.1:0", "cluster": "test", "instance": "node-a",
                  "first_scrape": "now", "grace": "10s", **(agent or {})},
        "sources": sources if sources is not None else [
            {"name": "static", "static": {"targets": list(targets)}, "interval": "1s",
             "pool": "main", **(source or {})}],
        "pools": [{"name": "main", "outputs": outputs or [
            {"name": "main", "json": {}, "sink": "queue"}], **(pool or {})}],
        "sinks": sinks or [{"name": "queue", "stdout": {}}],
    }


def nats_sink(url, subject="metrics.{instance}", stream=None, **more):
    nats = {"servers": [url], "subject": subject}
    if stream:
        nats["jetstream"] = {"stream": stream}
    return {"name": "queue", "nats": nats, **more}


TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


def check_messages(test, text):
    """Each line keeps the message contract (docs/MESSAGES.md); returns the objects."""
    samples = []
    for line in text.splitlines():
        pairs = json.loads(line, object_pairs_hook=list)
        names = [name for name, _ in pairs]
        value = "ended" if "ended" in names else "value"
        test.assertEqual(names[:5], ["name", "type", "tags", "timestamp", value], line)
        more = [n for n in ("unit", "created", "exemplar", "help") if n in names]
        test.assertEqual(names[5:], more, line)
        o = dict(pairs)
        if "exemplar" in o:
            o["exemplar"] = check_exemplar(test, o["exemplar"], line)
        if "created" in o:
            test.assertRegex(o["created"], TIME)
        tags = [name for name, _ in o["tags"]]
        test.assertEqual(tags, sorted(set(tags)), line)
        test.assertIn(o["type"], ("counter", "gauge", "histogram", "gaugehistogram", "summary", "info",
                                  "stateset", "untyped"), line)
        test.assertRegex(o["timestamp"], TIME)
        test.assertTrue(o.get("ended") is True or isinstance(o["value"], (int, float)) or
                        o["value"] in ("NaN", "+Inf", "-Inf"), line)
        o["tags"] = dict(o["tags"])
        samples.append(o)
    return samples


def check_exemplar(test, pairs, line):
    names = [name for name, _ in pairs]
    test.assertIn(names, (["tags", "value"], ["tags", "value", "timestamp"]), line)
    e = dict(pairs)
    test.assertRegex(e.get("timestamp", "2026-11-21T10:00:00.123Z"), TIME)
    e["tags"] = dict(e["tags"])
    return e


def temporary_folder():
    return tempfile.TemporaryDirectory(prefix="strata-")


class Case(unittest.TestCase):
    """A test with a folder of its own; what it started ends with it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="strata-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.started = []
        self.addCleanup(self.end_all)

    def end_all(self):
        result = self._outcome.result
        failed = any(test is self for test, _ in result.failures + result.errors)
        for p in reversed(self.started):
            p.end()
            if failed and isinstance(p, Agent):
                print(f"--- {p.name}: last of its log\n{p.err()[-4000:]}", file=sys.stderr)

    def keep(self, process):
        self.started.append(process)
        return process

    def wait_for(self, predicate, timeout=10, what="", **more):
        return wait_for(predicate, timeout, what, **more)

    def targets(self, count=1, samples=100, args=()):
        return self.keep(TargetServer(self.folder, count, samples, args))

    def nats(self, jetstream=True, lines=()):
        return self.keep(nats.Server(self.folder, jetstream, lines))

    def client(self, server, **kwargs):
        client = nats.Client(server.url, **kwargs)
        self.addCleanup(client.close)
        return client

    def pages(self, pages, **kwargs):
        return self.keep(page_server.PageServer(pages, **kwargs))

    def agent(self, conf, **kwargs):
        return self.keep(Agent(conf, self.folder, **kwargs))

    def run_agent(self, *args, timeout=20, env=None, text=None, binary=False):
        """strata-agent ARGS, to its end; binary: what it says is bytes."""
        return subprocess.run([AGENT, *args], capture_output=True, text=not binary, input=text,
                              timeout=timeout * SLOW, env={**os.environ, **(env or {})},
                              preexec_fn=die_with_parent)

    def balanced(self, agent, timeout=10):
        """The agent's metrics at a moment at which its books balance; there must be one soon."""
        last = []

        def look():
            metrics = agent.metrics()
            last[:] = books.faults(metrics)
            return None if last else metrics
        try:
            return wait_for(look, timeout)
        except AssertionError:
            raise AssertionError("the books do not balance: " + "; ".join(last)) from None

    def stop(self, agent, number=signal.SIGTERM, timeout=30, status=0):
        """Stops the agent and checks how it went; returns its account."""
        agent.send_signal(number)
        self.assertEqual(agent.wait(timeout), status, agent.err()[-4000:])
        self.assertIsNone(SANITIZER.search(agent.err()), agent.err()[-8000:])
        account = agent.account()
        self.assertEqual(account["unaccounted"], 0, agent.err()[-4000:])
        return account


def main(needs=(), missing=()):
    """needs: programs; missing: what else is known to be missing."""
    missing = [*missing, *(n for n in needs if shutil.which(n) is None)]
    missing += [n for n in (AGENT, TARGETS) if not os.access(n, os.X_OK)]
    if missing:
        print("skipped, for this is missing:", ", ".join(m or "(STRATA_AGENT)" for m in missing))
        sys.exit(1 if os.environ.get("STRATA_REQUIRE") == "all" else SKIPPED)
    unittest.main(verbosity=2)
