# SPDX-License-Identifier: Apache-2.0
"""test_sandbox.py - what the running agent has given up, and that its secrets stay in it."""
import os, re, subprocess

import books
import harness

SECRET = "kept-by-nobody-else-7d1f"


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(re.findall(r"^(\w+):\s*(\S*)", f.read(), re.M))


def core_limit(pid):
    with open(f"/proc/{pid}/limits") as f:
        return re.search(r"^Max core file size\s+(\S+)\s+(\S+)", f.read(), re.M).groups()


def is_sanitized():
    """Such a build looks at itself by what a filter refuses."""
    return b"__asan_init" in (out := read(harness.AGENT)) or b"__tsan_init" in out


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Sandbox(harness.Case):
    def running(self, **agent):
        """An agent that has scraped, and all threads of which are there."""
        targets = self.targets(2, 10)
        running = self.agent(harness.config(targets.targets, agent=agent))
        self.wait_for(lambda: books.delivered(running.metrics()) > 0, what="records are delivered")
        return running

    def test_every_thread_is_confined_and_nothing_can_gain_privileges(self):
        agent = self.running()
        if is_sanitized():
            self.assertIn("not confined", agent.err())
            self.stop(agent)
            return
        threads = os.listdir(f"/proc/{agent.pid}/task")
        self.assertGreaterEqual(len(threads), 5)
        for thread in threads:
            of = status_of(f"{agent.pid}/task/{thread}")
            self.assertEqual((of["Seccomp"], of["NoNewPrivs"]), ("2", "1"), thread)
        self.assertEqual(core_limit(agent.pid), ("0", "0"))
        self.stop(agent)

    def test_both_can_be_left_off(self):
        agent = self.running(sandbox=False, core_dumps=True)
        self.assertEqual(status_of(agent.pid)["Seccomp"], status_of("self")["Seccomp"])
        if not is_sanitized():
            self.assertEqual(core_limit(agent.pid)[1], core_limit("self")[1])
        self.stop(agent)

    def test_secrets_are_in_no_log_no_page_and_no_description(self):
        targets = self.targets(1, 10)
        password = os.path.join(self.folder, "password")
        with open(password, "w") as f:
            f.write(SECRET + "-file\n")
        conf = harness.config(
            targets.targets, agent={"log": {"level": "debug"}, "grace": "1s"},
            source={"http": {"user": "u", "password": SECRET + "-basic",
                             "headers": {"X-Key": SECRET + "-header"}}},
            outputs=[{"name": "a", "json": {}, "sink": "nats"},
                     {"name": "b", "json": {}, "sink": "http"},
                     {"name": "c", "json": {}, "sink": "kafka"}],
            sinks=[{"name": "nats", "nats": {"servers": ["nats://127.0.0.1:1"], "user": "u",
                                             "password": "file:" + password}},
                   {"name": "http", "http": {"url": "http://127.0.0.1:1/",
                                             "client": {"bearer": SECRET}}},
                   {"name": "kafka", "kafka": {
                       "brokers": ["127.0.0.1:1"], "topic": "t", "protocol": "sasl_plaintext",
                       "sasl": {"mechanism": "plain", "user": "u", "password": SECRET + "-k"}}}])
        agent = self.agent(conf)
        self.wait_for(lambda: books.in_memory(agent.metrics()) > 30, what="samples wait")
        said = [agent.get(p)[2] for p in ("/", "/status", "/metrics", "/targets")]
        for arguments in (["describe"], ["describe", "--format", "json"],
                          ["describe", "--format", "yaml"], ["check-config"]):
            run = subprocess.run([harness.AGENT, *arguments, agent.config_path],
                                 capture_output=True, text=True, timeout=30)
            self.assertEqual(run.returncode, 0, run.stderr)
            said.append(run.stdout + run.stderr)
        self.stop(agent)
        said.append(agent.err() + agent.out())
        for text in said:
            self.assertNotIn(SECRET, text)
        self.assertIn("***", said[4])    # there was something to hide

    def test_a_filter_does_not_stop_a_reload_from_making_all_anew(self):
        agent = self.running()
        targets = self.targets(3, 10)
        agent.reload(harness.config(targets.targets, pool={"workers": 3}))
        self.wait_for(lambda: min(targets.stats()["served"]) >= 1, what="new threads scrape")
        self.stop(agent)


if __name__ == "__main__":
    harness.main()
